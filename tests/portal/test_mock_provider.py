"""The demo's provider of AI models, asked by the providers' own clients, as a real one would be."""

import gc
import http.client
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import anthropic
import openai
import pytest

from portal.demo.provider import KEY, MODELS, Provider
from portal.stack.stack import PROJECT

HI = "Good morning, my dear"
TOLD: Any = [{"role": "user", "content": HI}]
ANSWER = f"You wrote: {HI}"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(pause=0.002, late=0.3) as found:
        yield found


@contextmanager
def asks(provider: Provider, key: str = KEY) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key=key, max_retries=0, timeout=5) as client:
        yield client


@contextmanager
def asks_anthropic(provider: Provider, key: str = KEY) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key=key, max_retries=0, timeout=5) as client:
        yield client


def test_a_chat_whole_and_as_a_stream(provider: Provider) -> None:
    with asks(provider) as client:
        whole = client.chat.completions.create(model="mock-small", messages=TOLD)
        assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (ANSWER, "stop")
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens) == (4, 6, 10)
        options: Any = {"include_usage": True}
        chunks = list(client.chat.completions.create(model="mock-small", messages=TOLD, stream=True, stream_options=options))
        assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == ANSWER
        assert [each.usage.total_tokens for each in chunks if each.usage] == [10]
        quiet = list(client.chat.completions.create(model="mock-small", messages=TOLD, stream=True))
        assert not [each for each in quiet if each.usage], "Nobody asked for it."


def test_a_bound_cuts_the_answer(provider: Provider) -> None:
    with asks(provider) as client:
        found = client.chat.completions.create(model="mock-small", messages=TOLD, max_completion_tokens=3)
        assert (found.choices[0].message.content, found.choices[0].finish_reason) == ("You wrote: Good", "length")
        told = client.responses.create(model="mock-small", input=HI, max_output_tokens=3)
        assert (told.output_text, told.status) == ("You wrote: Good", "incomplete")
    with asks_anthropic(provider) as other:
        message = other.messages.create(model="mock-small", max_tokens=3, messages=TOLD)
        assert (message.usage.output_tokens, message.stop_reason) == (3, "max_tokens")


def test_responses_embeddings_and_models(provider: Provider) -> None:
    with asks(provider) as client:
        told = client.responses.create(model="mock-small", input=HI)
        assert told.usage is not None
        assert (told.output_text, told.usage.input_tokens, told.usage.output_tokens) == (ANSWER, 4, 6)
        with client.responses.stream(model="mock-small", input=HI) as stream:
            assert "".join(each.delta for each in stream if each.type == "response.output_text.delta") == ANSWER
            assert stream.get_final_response().output_text == ANSWER
        found = client.embeddings.create(model="mock-embedding", input=["one", "and another"])
        assert (len(found.data), found.usage.total_tokens) == (2, 3)
        # By itself the client asks for base64, and reads that.
        plain = client.embeddings.create(model="mock-embedding", input=["one", "and another"], encoding_format="float")
        assert found.data[0].embedding == pytest.approx(plain.data[0].embedding)
        assert tuple(each.id for each in client.models.list()) == MODELS


def test_a_message_of_anthropics_whole_and_as_a_stream(provider: Provider) -> None:
    with asks_anthropic(provider) as client:
        whole = client.messages.create(model="mock-small", max_tokens=50, system="Be brief.", messages=TOLD)
        assert whole.content[0].text == ANSWER  # type: ignore[union-attr]
        assert (whole.usage.input_tokens, whole.usage.output_tokens) == (6, 6)
        with client.messages.stream(model="mock-small", max_tokens=50, messages=TOLD) as stream:
            assert "".join(stream.text_stream) == ANSWER
            assert stream.get_final_message().usage.output_tokens == 6


def test_what_was_remembered_is_counted_as_each_format_counts_it(provider: Provider) -> None:
    with asks(provider, f"{KEY}-cached") as client:
        usage = client.chat.completions.create(model="mock-small", messages=TOLD).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (4, 2)
    with asks_anthropic(provider, f"{KEY}-cached") as other:
        told = other.messages.create(model="mock-small", max_tokens=50, messages=TOLD).usage
        assert (told.input_tokens, told.cache_read_input_tokens) == (2, 2)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("by", ["key", "model"])
def test_it_fails_as_the_key_or_the_model_says(provider: Provider, by: str, status: int, error: type[openai.APIStatusError]) -> None:
    key, model = (f"{KEY}-{status}-7f3a", "mock-small") if by == "key" else (KEY, f"mock-{status}")
    with asks(provider, key) as client, pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=TOLD)
    assert raised.value.status_code == status
    assert raised.value.response.headers.get("retry-after") == ("1" if status == 429 else None)
    with asks_anthropic(provider, key) as other, pytest.raises(anthropic.APIStatusError) as also:
        other.messages.create(model=model, max_tokens=5, messages=TOLD)
    assert also.value.status_code == status


def test_another_key_is_refused_and_not_repeated(provider: Provider) -> None:
    for key in ("sk-of-somebody-else", "sk-mocking"):
        with asks(provider, key) as client, pytest.raises(openai.AuthenticationError) as raised:
            client.models.list()
        assert key not in str(raised.value.body)


def test_it_ends_connections_as_it_is_asked_to(provider: Provider) -> None:
    with asks(provider) as client:
        for model in ("mock-reset", "mock-half"):
            with pytest.raises(openai.APIConnectionError):
                client.chat.completions.create(model=model, messages=TOLD)
        with pytest.raises(openai.APIError):
            for _ in client.chat.completions.create(model="mock-half", messages=TOLD, stream=True):
                pass
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.2).chat.completions.create(model="mock-hang", messages=TOLD)
        begun = time.monotonic()
        client.chat.completions.create(model="mock-slow", messages=TOLD)
        assert time.monotonic() - begun >= 0.3


def test_a_stream_that_stops_keeps_its_connection(provider: Provider) -> None:
    with asks(provider) as client, pytest.raises(openai.APITimeoutError):
        for _ in client.with_options(timeout=0.3).chat.completions.create(model="mock-silent", messages=TOLD, stream=True):
            pass


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "parse"),
        (b"[]", "object"),
        (b"{}", "model"),
        (b'{"model": 7}', "model"),
        (b'{"model": "x"}', "messages"),
        (b'{"model": "x", "messages": []}', "messages"),
    ],
)
def test_what_is_not_of_the_format_is_refused(provider: Provider, body: bytes, said: str) -> None:
    status, _, told = call(provider, body)
    assert status == 400
    assert said.encode() in told


def test_what_is_no_json_at_all(provider: Provider) -> None:
    body = b'{"model": "mock-small", "messages": [{"role": "user", "content": "hi"}]}'
    assert call(provider, body, key=f"{KEY}-html")[:2] == (200, "text/html")
    status, kind, told = call(provider, body, key=f"{KEY}-broken")
    assert (status, kind, told[-1:]) == (200, "application/json", b"-")
    assert b"usage" not in call(provider, body, key=f"{KEY}-unmetered")[2]
    assert call(provider, body, path="/v1/audio")[0] == 404


def call(provider: Provider, body: bytes, *, key: str = KEY, path: str = "/v1/chat/completions") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=5)
    try:
        # In chunks, as Envoy may send it.
        connection.request("POST", path, iter([body[:3], body[3:]]), {"api-key": key}, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read()
    finally:
        connection.close()


def test_it_can_be_down_for_a_while() -> None:
    with Provider() as provider:
        provider.stop()
        with asks(provider) as client:
            with pytest.raises(openai.APIConnectionError):
                client.models.list()
            provider.start()
            assert client.models.list().data
        assert [each.key for each in provider.seen] == [KEY]


def test_it_goes_down_while_callers_come() -> None:
    """None of them is forgotten with its connection open, which Python would complain about."""
    with Provider() as provider, ThreadPoolExecutor(4) as pool:
        port, ended = provider.port, threading.Event()

        def knock() -> None:
            while not ended.is_set():
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                    pass

        knocking = [pool.submit(knock) for _ in range(4)]
        for _ in range(30):
            provider.stop()
            provider.start()
        ended.set()
        for each in knocking:
            each.result()
    gc.collect()


def test_as_a_process_of_its_own() -> None:
    """By the command, and with nothing of Portico's around it."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "mock_provider", "--port", "0"], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.match(r"http://127\.0\.0\.1:(\d+), with a key such as sk-mock-1", process.stdout.readline())
        assert found is not None
        with openai.OpenAI(base_url=f"http://127.0.0.1:{found[1]}/v1", api_key=f"{KEY}-1") as client:
            assert client.models.list().data
        process.terminate()
