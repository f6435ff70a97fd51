"""Applications call models by the providers' own clients, as they would call the providers: another base URL, and a key of Portico's."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest

from apis.actions import subscriptions
from portal.demo.provider import KEY, Provider
from tests import ai_live
from tests.ai_live import SMALL, Caller, Models
from tests.live import Gateway, eventually

HI = "Good morning, my dear"
TOLD: Any = [{"role": "user", "content": HI}]
ANSWER = f"You wrote: {HI}"
# As an application that its owner wrote for a provider of its own would say it.
MODEL = f"first/{SMALL}"


@pytest.fixture(scope="module")
def mocks() -> Iterator[dict[str, Provider]]:
    with Provider(pause=0.01, late=0.5) as first, Provider(pause=0.01) as second:
        yield {"first": first, "second": second}


@pytest.fixture(autouse=True)
def _as_they_should(mocks: dict[str, Provider]) -> None:
    for each in mocks.values():
        each.behaviour = ""
        each.seen.clear()


@pytest.fixture
def models(gateway: Gateway, mocks: dict[str, Provider]) -> Models:
    return ai_live.offer(gateway, mocks, alias={"fast": ("first", "second")})


@pytest.fixture
def caller(models: Models) -> Caller:
    return models.caller()


def test_openais_client_chats(caller: Caller, mocks: dict[str, Provider]) -> None:
    with caller.openai() as client:
        for model in (MODEL, "fast"):
            found = client.chat.completions.create(model=model, messages=TOLD)
            assert found.choices[0].message.content == ANSWER
            assert found.usage is not None
            assert found.usage.total_tokens == 10
    seen = mocks["first"].seen
    assert [each.key for each in seen] == [KEY, KEY]
    assert not mocks["second"].seen


def test_openais_client_hears_a_stream_as_it_comes(caller: Caller, mocks: dict[str, Provider], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mocks["first"], "pause", 0.1)
    with caller.openai() as client:
        client.chat.completions.create(model="fast", messages=TOLD)
        text, at, usage = "", [], []
        for chunk in client.chat.completions.create(model="fast", messages=TOLD, stream=True):
            at.append(time.perf_counter())
            text += "".join(each.delta.content or "" for each in chunk.choices)
            usage += [chunk.usage] if chunk.usage else []
        assert text == ANSWER
        # Eight pieces with a pause before each but the first: nothing has held them back.
        assert at[-1] - at[0] > 0.4
        assert at[1] - at[0] < (at[-1] - at[0]) / 2
        assert [each.total_tokens for each in usage] in ([10], [])


def test_openais_client_asks_for_responses_embeddings_and_models(caller: Caller) -> None:
    with caller.openai() as client:
        assert client.responses.create(model="fast", input=HI).output_text == ANSWER
        with client.responses.stream(model="fast", input=HI) as stream:
            assert "".join(each.delta for each in stream if each.type == "response.output_text.delta") == ANSWER
        assert len(client.embeddings.create(model="fast", input=["one", "another"]).data) == 2
        assert sorted(each.id for each in client.models.list()) == ["fast", MODEL, f"second/{SMALL}"]


def test_anthropics_client(caller: Caller, mocks: dict[str, Provider]) -> None:
    with caller.anthropic() as client:
        whole = client.messages.create(model="fast", max_tokens=50, messages=TOLD)
        assert whole.content[0].text == ANSWER  # type: ignore[union-attr]
        with client.messages.stream(model="fast", max_tokens=50, messages=TOLD) as stream:
            assert "".join(stream.text_stream) == ANSWER
            assert stream.get_final_message().usage.output_tokens == 6
    assert {each.headers.get("x-api-key") for each in mocks["first"].seen} == {KEY}


def test_both_clients_read_why_they_were_refused(models: Models, caller: Caller) -> None:
    with caller.openai() as client:
        with pytest.raises(openai.NotFoundError, match="fast") as unknown:
            client.chat.completions.create(model="gpt-99", messages=TOLD)
        assert unknown.value.code == "MODEL_UNKNOWN"
    with caller.openai(api_key="nobody's") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with caller.anthropic() as other, pytest.raises(anthropic.NotFoundError, match="fast"):
        other.messages.create(model="gpt-99", max_tokens=5, messages=TOLD)
    assert caller.client.subscription is not None
    ada = models.shop.person("approver")
    models.shop.enforced(models.shop.does(subscriptions.suspend, caller.client.subscription, reason="Enough.", by=ada))
    with caller.openai() as client, pytest.raises(openai.PermissionDeniedError) as suspended:
        client.chat.completions.create(model="fast", messages=TOLD)
    assert suspended.value.code == "SUBSCRIPTION_SUSPENDED"


def test_what_a_provider_refuses_is_told_as_it_says_it(models: Models, caller: Caller, mocks: dict[str, Provider]) -> None:
    for each in mocks.values():
        each.behaviour = "429"
    with caller.openai() as client, pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="fast", messages=TOLD)
    assert raised.value.response.headers["retry-after"] == "1"


def test_both_clients_hear_that_a_budget_is_used_up(gateway: Gateway, mocks: dict[str, Provider]) -> None:
    """And ask once: what they repeat by themselves would be refused until the month is over."""
    caller = ai_live.offer(gateway, mocks, terms={"budget_tokens": 25}).caller()
    with caller.openai() as client, caller.anthropic() as other:
        for _ in range(3):
            client.chat.completions.create(model=MODEL, messages=TOLD)

        def refused() -> str | None:
            try:
                client.chat.completions.create(model=MODEL, messages=TOLD)
            except openai.RateLimitError as error:
                return error.code
            return None

        assert eventually(refused) == "BUDGET_EXCEEDED"
        for stream in (True, False):
            with pytest.raises(openai.RateLimitError) as also:
                client.chat.completions.create(model=MODEL, messages=TOLD, stream=stream)
            assert also.value.code == "BUDGET_EXCEEDED"
        with pytest.raises(anthropic.RateLimitError, match="BUDGET_EXCEEDED"):
            other.messages.create(model=MODEL, max_tokens=5, messages=TOLD)
    seen = mocks["first"].calls
    with caller.openai(max_retries=2) as patient, pytest.raises(openai.RateLimitError) as told:
        patient.chat.completions.create(model=MODEL, messages=TOLD)
    assert told.value.response.request.headers["x-stainless-retry-count"] == "0", "it does not try again what will be refused"
    assert mocks["first"].calls == seen


# When the first is down


@pytest.mark.parametrize("behaviour", ["down", "429", "500", "401", "html", "reset"])
def test_no_call_fails_while_the_first_does(models: Models, caller: Caller, mocks: dict[str, Provider], behaviour: str) -> None:
    """Under load: the first ends in the middle of it, and comes back."""
    first, second = mocks["first"], mocks["second"]
    answers: list[str] = []

    def call(number: int) -> None:
        with caller.openai() as client:
            for _ in range(20):
                found = client.chat.completions.create(model="fast", messages=[{"role": "user", "content": f"call {number}"}])
                answers.append(found.choices[0].message.content or "")
                time.sleep(0.005)

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(call, number) for number in range(8)]
        time.sleep(0.2)
        with _failing(first, behaviour):
            for each in running:
                each.result()
    assert len(answers) == 160
    assert set(answers) == {f"You wrote: call {number}" for number in range(8)}
    assert second.seen, "Nothing has failed."


@contextmanager
def _failing(provider: Provider, behaviour: str = "down") -> Iterator[None]:
    if behaviour != "down":
        provider.behaviour = behaviour
        yield
        return
    provider.stop()
    try:
        yield
    finally:
        provider.start()


def test_streams_that_begin_while_the_first_is_down(models: Models, caller: Caller, mocks: dict[str, Provider]) -> None:
    with _failing(mocks["first"]), caller.openai() as client, caller.anthropic() as other:
        for _ in range(5):
            stream = client.chat.completions.create(model="fast", messages=TOLD, stream=True)
            assert "".join(each.choices[0].delta.content or "" for each in stream if each.choices) == ANSWER
        with other.messages.stream(model="fast", max_tokens=50, messages=TOLD) as told:
            assert "".join(told.text_stream) == ANSWER


def test_a_stream_that_breaks_is_not_told_twice(models: Models, caller: Caller, mocks: dict[str, Provider]) -> None:
    """What the caller has read can't be taken back: it ends, and nobody else begins anew."""
    mocks["first"].behaviour = "half"
    with caller.openai() as client, pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model="fast", messages=TOLD, stream=True):
            pass
    assert not mocks["second"].seen
