"""Calls of an AI API at a real Envoy: where they go, what providers see, and what is refused."""

import http.client
import json
import random
import string
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apis.policies import Policies
from gateway.envoy.ai.routes import attempts
from gateway.envoy.ai.state import Ai, Rails
from gateway.envoy.names import MODEL
from gateway.envoy.resources import compile_scope, compile_tenant
from gateway.envoy.state import Grant
from tests import live
from tests.gateway import ai
from tests.gateway.ai import BASE, CHAT, EMBEDDINGS, MESSAGES, MODELS, RESPONSES, Gateway, Providers, api_key, asks, refused, token


@pytest.fixture
def gateway(ai_gateway: Gateway) -> Gateway:
    return ai_gateway


def test_a_call_goes_to_the_models_provider_as_that_calls_it(gateway: Gateway, providers: Providers) -> None:
    # A query goes no further: callers could speak to the provider by it.
    answer = gateway.call(asks(temperature=0.5), path=f"{CHAT}?key=mine")
    assert answer.status == 200, str(answer)
    assert answer.json["choices"][0]["message"]["content"].startswith("hello from A")
    (seen,) = providers[0].seen
    assert (seen.path, seen.headers["authorization"], seen.headers["host"]) == (
        f"/v1{CHAT}",
        "Bearer sk-canary-one",
        f"127.0.0.1:{providers[0].port}",
    )
    assert seen.body == asks("gpt-4o-mini", temperature=0.5)
    whole = gateway.entry(answer.headers["x-request-id"])
    entry = whole.common_properties
    assert (entry.route_name, entry.upstream_cluster) == ("op/chatCompletions", "acme/ai/k1/openai/0123")
    assert ai.state_of(whole, MODEL) == "fast"
    assert gateway.used(answer.headers["x-request-id"]) == {"input": 25, "output": 7, "cached": 10, "reasoning": 2, "seen": 1}


def test_a_provider_learns_nothing_of_who_calls(gateway: Gateway, providers: Providers) -> None:
    sent = [
        ("cookie", "session=1"),
        ("x-goog-api-key", "mine"),
        ("openai-organization", "org-of-carl"),
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("origin", "https://app.example"),
        ("x-original-url", "/v1/files"),
        ("x-rewrite-url", "/v1/files"),
        ("x-http-method-override", "DELETE"),
        ("accept-encoding", "gzip"),
        ("x-portico-plan", "gold"),
        ("user-agent", "openai-python"),
    ]
    assert gateway.call(asks(), headers=sent).status == 200
    (seen,) = providers[0].seen
    assert set(seen.headers) == {"authorization", "content-length", "content-type", "host", "user-agent", "x-request-id"}


@pytest.mark.parametrize("path", [CHAT, EMBEDDINGS, RESPONSES])
def test_each_endpoint_goes_to_its_own(gateway: Gateway, providers: Providers, path: str) -> None:
    assert gateway.call({"model": "single", "input": "hi"}, path=path).status == 200
    assert providers[0].seen[0].path == f"/v1{path}"


def test_anthropics_format_passes_as_it_is(gateway: Gateway, providers: Providers) -> None:
    sent = [("anthropic-version", "2023-06-01"), ("x-api-key", api_key())]
    answer = gateway.call(asks("claude", max_tokens=5), path=MESSAGES, bearer="", headers=sent)
    assert answer.status == 200, str(answer)
    (seen,) = providers[2].seen
    assert (seen.path, seen.headers["x-api-key"], seen.headers["anthropic-version"]) == ("/v1/messages", "sk-canary-three", "2023-06-01")
    assert "authorization" not in seen.headers
    assert gateway.used(answer.headers["x-request-id"]) == {"input": 25, "output": 7, "cache_read": 10, "cache_write": 3, "seen": 1}
    # A model that no provider has in a format is none there.
    refused(gateway.call(asks("claude")), 404, "MODEL_UNKNOWN")
    refused(gateway.call(asks("fast"), path=MESSAGES), 404, "MODEL_UNKNOWN")


def test_an_api_key_comes_as_each_sdk_sends_it(gateway: Gateway) -> None:
    assert gateway.call(asks(), bearer=api_key()).status == 200
    assert gateway.call(asks(), bearer="", headers=[("X-API-Key", api_key())]).status == 200
    refused(gateway.call(asks(), bearer=api_key(credential="key-9")), 401, "KEY_REVOKED")
    refused(gateway.call(asks(), bearer=api_key(credential="key-7")), 401, "KEY_UNKNOWN")
    refused(gateway.call(asks(), bearer=api_key()[:-4]), 401, "TOKEN_INVALID")
    refused(gateway.call(asks(), bearer=token(), headers=[("x-api-key", api_key())]), 400, "TOKEN_INVALID")
    # What is no API key is still verified as a token.
    refused(gateway.call(asks(), bearer="sk-of-a-provider"), 401, "TOKEN_INVALID")
    refused(gateway.call(asks(), bearer=""), 401, "TOKEN_MISSING")


def test_a_model_that_there_is_not_is_told_with_those_that_there_are(gateway: Gateway) -> None:
    told = refused(gateway.call(asks("nothing")), 404, "MODEL_UNKNOWN")
    assert told["title"] == "This API has no such model here. There are: fast, openai/gpt-4o, single."
    bodies: list[object] = [asks(None), asks(5), asks(["fast"]), asks("Fast"), asks("fast "), asks("x" * 9_000), {"messages": []}, ["fast"]]
    for body in bodies:
        refused(gateway.call(body), 404, "MODEL_UNKNOWN")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "fast", "messages": [',
        b"fast",
        b"\xff\xfe",
        b'{"model": "fast"} {"model": "fast"}',
        b'{"model": "single", "messages": [], "model": "fast"}',
        b'{"messages": [], "max_tokens": 5, "model": "fast", "max_tokens": 5000}',
        b'{"mod\\u0065l": "single", "model": "fast"}',
        b'{"model": "fast", "max\\u005ftokens": 5000}',
        b'{"model": "fast", "messages": [], "Model": "single"}',
        b'{"model": "fast", "messages": [], "MAX_TOKENS": 5000}',
        '{"model": "fast", "messages": [], "ſtream": true}'.encode(),
        '{"model": "fast", "messages": [], "max_to\u212aens": 5000}'.encode(),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(gateway: Gateway, providers: Providers, body: bytes) -> None:
    refused(gateway.call(body), 400, "BODY_NOT_JSON")
    assert not any(each.seen for each in providers)


def test_nothing_and_what_is_said_to_be_something_else(gateway: Gateway, providers: Providers) -> None:
    refused(gateway.call(None, headers=[("content-length", "0")]), 404, "MODEL_UNKNOWN")
    refused(gateway.call(asks(), headers=[("content-type", "text/plain")]), 400, "BODY_NOT_JSON")
    assert gateway.call(asks(), headers=[("content-type", "application/json; charset=utf-8")]).status == 200
    assert len(providers[0].seen) == 1


def test_a_body_is_as_large_as_it_may_be(gateway: Gateway, providers: Providers) -> None:
    text = "x" * 1_000_000
    assert gateway.call(asks(text=text)).status == 200
    assert providers[0].seen[0].body["messages"][0]["content"] == text
    refused(gateway.call(asks(text="x" * 1_100_000)), 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("says_length", [True, False], ids=["says its length", "in pieces"])
def test_the_first_call_of_a_tenant_is_held_to_it_too(tmp_path: Path, providers: Providers, says_length: bool) -> None:
    """All of it has come in before the tenant is there, so nothing counts it as it comes."""
    wanted = ai.tenant(replace(ai.ai(*providers), rails=Rails(body_kib=16)))
    found = compile_tenant(wanted)
    body = json.dumps(asks(text="x" * 20_000)).encode()
    length = f"content-length: {len(body)}" if says_length else "transfer-encoding: chunked"
    given = f"host: {live.HOST}\r\nauthorization: Bearer {token()}\r\ncontent-type: application/json\r\n{length}"
    head = f"POST {BASE}{CHAT} HTTP/1.1\r\n{given}\r\n\r\n".encode()
    sent = body if says_length else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    before = len(providers[0].seen)
    with ai.running(tmp_path) as gateway, ThreadPoolExecutor(1) as callers:
        gateway.ads.put(*found.clusters, *found.secrets, compile_scope(wanted.slug))
        live.eventually(lambda: f'"{wanted.slug}"' in gateway.admin("/config_dump"))
        call = callers.submit(live.raw, gateway.port, head + sent)
        time.sleep(0.1)
        assert not call.done(), str(call.result())
        gateway.ads.put(found.routes)
        refused(call.result(), 413, "BODY_TOO_LARGE")
        assert gateway.call(asks(text="x" * 4_000)).status == 200
        assert len(providers[0].seen) == before + 1


def anything(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return {text(chance): anything(chance, depth + 1) for _ in range(chance.randrange(4))}
    return (text(chance), chance.randrange(-1000, 1000), chance.random() * 1e6, chance.random() < 0.5, None)[kind]


def text(chance: random.Random) -> str:
    return "".join(chance.choice(string.printable + '{}[]:,"\\äß😀') for _ in range(chance.randrange(12)))


def test_whatever_else_a_body_holds_stays_as_it_is(gateway: Gateway, providers: Providers) -> None:
    chance, bearer = random.Random(7), token()
    for number in range(60):
        members = [
            (f"m{index} {text(chance)}".replace("\\", "/").replace('"', "'"), anything(chance)) for index in range(chance.randrange(5))
        ]
        members.insert(chance.randrange(len(members) + 1), ("model", "fast"))
        # Names that JSON would spell with escapes are refused, and tried elsewhere.
        body = {name if name.isprintable() else f"n{number}": value for name, value in members}
        raw = json.dumps(body, ensure_ascii=False, indent=chance.choice([None, 1]), separators=chance.choice([None, (",", ":")])).encode()
        answer = gateway.call(raw, bearer=bearer)
        assert answer.status == 200, (raw, str(answer))
        assert providers[0].seen[-1].body == {**body, "model": "gpt-4o-mini"}


def test_a_slow_upload_is_not_cut(gateway: Gateway) -> None:
    raw = json.dumps(asks(text="x" * 100)).encode()
    with_pauses = [raw[:40], raw[40:80], raw[80:]]
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.putrequest("POST", BASE + CHAT)
    for name, value in (("authorization", f"Bearer {token()}"), ("content-type", "application/json"), ("content-length", str(len(raw)))):
        connection.putheader(name, value)
    connection.endheaders()
    for piece in with_pauses:
        time.sleep(1.2)
        connection.send(piece)
    assert connection.getresponse().status == 200
    connection.close()


# Streams


def test_a_stream_comes_as_it_is_made(gateway: Gateway, providers: Providers) -> None:
    providers[0].pause = 0.4
    found = ai.stream(gateway.port, BASE + CHAT, asks(stream=True), token())
    assert found.status == 200
    # 1.6 s in all, which is more than a try may take to begin.
    assert found.parts[0][0] < 0.8
    assert found.parts[-1][0] > 1.5
    assert found.whole.endswith(b"data: [DONE]\n\n")
    assert providers[0].seen[0].body["stream_options"] == {"include_usage": True}
    assert gateway.used(found.request_id) == {"input": 25, "output": 7, "cached": 10, "seen": 1}


def test_what_a_caller_says_of_usage_gives_way(gateway: Gateway, providers: Providers) -> None:
    body = {"stream_options": {"include_usage": False}, **asks(stream=True)}
    assert ai.stream(gateway.port, BASE + CHAT, body, token()).status == 200
    assert providers[0].seen[0].body["stream_options"] == {"include_usage": True}
    assert gateway.call(asks(stream=False)).status == 200
    assert "stream_options" not in providers[0].seen[1].body


def test_a_stream_that_breaks_is_told_as_such_and_not_repeated(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = "half"
    found = ai.stream(gateway.port, BASE + CHAT, asks(stream=True), token())
    assert (found.status, found.parts[-1][1]) == (200, b"BROKEN")
    assert not providers[1].seen
    assert gateway.used(found.request_id) == {}


def test_a_broken_stream_of_anthropics_keeps_what_it_told(gateway: Gateway, providers: Providers) -> None:
    providers[2].does = "half"
    found = ai.stream(gateway.port, BASE + MESSAGES, asks("claude", stream=True, max_tokens=5), token())
    assert found.parts[-1][1] == b"BROKEN"
    assert gateway.used(found.request_id)["input"] == 25


def test_a_stream_that_falls_silent_ends(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = "silent"
    found = ai.stream(gateway.port, BASE + CHAT, asks("single", stream=True), token())
    assert (found.status, found.parts[-1][1]) == (200, b"BROKEN")
    # 2 s without a word, and a second in which the connection is let go.
    assert found.parts[-1][0] < 4.5


@pytest.mark.parametrize(("model", "path", "cached"), [("single", CHAT, 10), ("claude", MESSAGES, 0)])
def test_what_a_caller_has_a_provider_repeat_is_no_usage(
    gateway: Gateway, providers: Providers, model: str, path: str, cached: int
) -> None:
    fields = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    for each in providers:
        each.repeats = {"tools": [{"parameters": {"usage": dict.fromkeys(fields, 900_000)}}]}
    answer = gateway.call(asks(model, max_tokens=5), path=path)
    assert answer.status == 200
    used = gateway.used(answer.headers["x-request-id"])
    assert (used["input"], used["output"], used["cached"]) == (25, 7, cached)
    assert (used["cache_read"], used["cache_write"]) == ((10, 3) if path == MESSAGES else (0, 0))


# Fallback


@pytest.mark.parametrize("does", ["401", "403", "429", "500", "503", "html", "reset", "hang"])
def test_another_provider_answers_for_one_that_fails(gateway: Gateway, providers: Providers, does: str) -> None:
    providers[0].does = providers[1].does = does
    answer = gateway.call(asks(text="y" * 100_000))
    assert answer.status == 200, str(answer)
    assert answer.json["choices"][0]["message"]["content"].startswith("hello from C")
    a, b, c = (each.seen[-1] for each in providers)
    assert [each.headers.get("authorization", "") for each in (a, b, c)] == ["Bearer sk-canary-one", "Bearer sk-canary-two", ""]
    assert (c.headers["api-key"], c.path, c.body["model"]) == ("sk-canary-three", f"/openai/v1{CHAT}", 'deployment "7"')
    assert c.body["messages"] == asks(text="y" * 100_000)["messages"]
    if does != "html":
        live.eventually(lambda: _failed(gateway) == {"acme/ai/k1/openai/0123", "acme/ai/k2/openai/0123"})


def _failed(gateway: Gateway) -> set[str]:
    """Whose attempts the log has."""
    return {each.common_properties.upstream_cluster for each in gateway.log.entries["attempts"]}


def test_many_calls_go_to_another_provider_at_once(gateway: Gateway, providers: Providers) -> None:
    """By itself Envoy repeats three of a cluster at once."""
    whole = ai.ai(*providers)
    # All of them are answered by this process.
    patient = tuple(replace(each, first_byte_ms=15_000, silence_ms=60_000) for each in whole.models)
    gateway.has(ai.tenant(replace(whole, models=patient)))
    providers[0].does = providers[1].does = "500"
    bearer = token()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: gateway.call(asks(text="y" * 200_000), bearer=bearer), range(60)))
    gateway.has(ai.tenant(whole))
    assert [answer.status for answer in answers] == [200] * 60


def test_the_largest_body_goes_to_another_provider_whole(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = providers[1].does = "503"
    body = asks(text="z" * 1_040_000)
    assert gateway.call(body).status == 200
    assert providers[2].seen[-1].body["messages"] == body["messages"]


def test_a_stream_goes_to_another_before_its_first_byte(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = "429"
    found = ai.stream(gateway.port, BASE + CHAT, asks(stream=True), token())
    assert (found.status, found.whole.endswith(b"data: [DONE]\n\n")) == (200, True)
    assert providers[1].seen


def test_where_all_fail_the_last_ones_answer_comes(gateway: Gateway, providers: Providers) -> None:
    for each in providers:
        each.does = "429"
    answer = gateway.call(asks())
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    for does in ("reset", "hang"):
        for each in providers:
            each.does = does
        refused(gateway.call(asks()), 503, "PROVIDER_UNAVAILABLE")


@pytest.mark.parametrize("does", ["401", "403", "html"])
def test_nobody_is_told_that_our_key_was_refused(gateway: Gateway, providers: Providers, does: str) -> None:
    for each in providers:
        each.does = does
    for model in ("single", "fast"):
        answer = gateway.call(asks(model))
        told = refused(answer, 503, "PROVIDER_UNAVAILABLE")
        assert answer.headers["content-type"] == "application/problem+json"
        assert b"sk-canary" not in answer.body
        assert told["request_id"] == answer.headers["x-request-id"]


def test_a_request_that_is_wrong_is_the_callers_and_not_repeated(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = "400"
    assert gateway.call(asks()).status == 400
    assert not providers[1].seen


def test_weights_share_calls(gateway: Gateway, providers: Providers) -> None:
    bearer = token()
    for _ in range(100):
        assert gateway.call(asks("openai/gpt-4o"), bearer=bearer).status == 200
    assert 40 <= len(providers[0].seen) <= 80
    assert len(providers[0].seen) + len(providers[1].seen) == 100


@pytest.mark.parametrize("failing", [0, 1])
def test_one_of_several_keys_that_fails_costs_no_call(gateway: Gateway, providers: Providers, failing: int) -> None:
    providers[failing].does = "429"
    bearer = token()
    assert {gateway.call(asks("openai/gpt-4o"), bearer=bearer).status for _ in range(20)} == {200}
    providers[1 - failing].does = "429"
    assert gateway.call(asks("openai/gpt-4o")).status == 429


def test_attempts_go_by_groups_and_within_each_by_its_keys() -> None:
    one, two, three = (("a", 60), ("b", 40)), (("c", 1),), (("d", 1), ("e", 1), ("f", 1))
    assert attempts([two]) == [two]
    assert attempts([one, two]) == [one, (("b", 1),), (("a", 1),), two]
    assert attempts([one, two, three]) == [one, (("b", 1),), (("a", 1),), two, three, (("d", 1),), (("e", 1),), (("f", 1),)]
    # What comes in order goes before what makes sure.
    assert attempts([one, three, three, two]) == [one, (("b", 1),), (("a", 1),), three, three, two]
    assert attempts([two] * 12) == [two] * 12


def test_what_a_provider_says_of_our_account_is_taken_off(gateway: Gateway, providers: Providers) -> None:
    providers[0].headers = {
        "openai-organization": "acme",
        "x-ratelimit-remaining-tokens": "7",
        "set-cookie": "a=b",
        "x-portico-refusal": "FORGED",
    }
    answer = gateway.call(asks())
    assert (answer.status, answer.code) == (200, "")
    assert not {"openai-organization", "x-ratelimit-remaining-tokens", "set-cookie"} & set(answer.headers)


# Plans


def test_a_plan_includes_models_and_so_many_tokens(gateway: Gateway, providers: Providers) -> None:
    refused(gateway.call(asks("openai/gpt-4o"), client="app-small"), 403, "MODEL_NOT_IN_PLAN")
    for body in (
        asks(),
        asks(max_tokens=101),
        asks(max_tokens="101"),
        asks(max_completion_tokens=101),
        asks(max_tokens=-1),
        asks(max_tokens=40, n=3),
    ):
        refused(gateway.call(body, client="app-small"), 400, "TOO_MANY_TOKENS")
    refused(gateway.call(asks(max_tokens=5, max_output_tokens=500), client="app-small"), 400, "TOO_MANY_TOKENS")
    assert not any(each.seen for each in providers)
    assert gateway.call(asks(max_tokens=100), client="app-small").status == 200
    assert gateway.call(asks(max_tokens=50, n=2), client="app-small").status == 200
    assert gateway.call({"model": "fast", "input": "hi"}, path=EMBEDDINGS, client="app-small").status == 200
    assert gateway.call(asks("openai/gpt-4o", max_tokens=5_000)).status == 200


def test_the_list_of_models_is_what_the_plan_includes(gateway: Gateway) -> None:
    answer = gateway.call(path=MODELS, method="GET")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), str(answer)
    assert [each["id"] for each in answer.json["data"]] == ["claude", "fast", "openai/gpt-4o", "single"]
    assert [each["id"] for each in gateway.call(path=MODELS, method="GET", client="app-small").json["data"]] == ["fast"]
    refused(gateway.call(path=MODELS, method="GET", bearer=""), 401, "TOKEN_MISSING")
    refused(gateway.call(path=MODELS, method="GET", client="app-nobody"), 403, "SUBSCRIPTION_REQUIRED")


def test_tokens_a_minute_are_taken_beforehand(gateway: Gateway) -> None:
    statuses = [gateway.call(asks(max_tokens=many), client="app-few") for many in (200, 400, 200)]
    assert [each.status for each in statuses] == [200, 429, 200]
    refused(statuses[1], 429, "TOKENS_LIMITED")
    # Whatever endpoint is called, it is one bucket.
    refused(gateway.call({"model": "single", "max_output_tokens": 150}, path=RESPONSES, client="app-few"), 429, "TOKENS_LIMITED")
    refused(gateway.call(asks(), client="app-few"), 429, "TOKENS_LIMITED")
    assert gateway.call(asks(max_tokens=5_000)).status == 200


def test_who_does_not_say_takes_a_thousand_for_each_answer(gateway: Gateway, providers: Providers) -> None:
    grants = [Grant("llm", f"app-{name}", "subscription", "", "few", 10_000, 60, tokens_per_minute=2_500) for name in ("one", "many")]
    gateway.has(ai.tenant(ai.ai(*providers), grants=grants))
    assert [gateway.call(asks(), client="app-one").status for _ in range(3)] == [200, 200, 429]
    refused(gateway.call(asks(n=3), client="app-many"), 429, "TOKENS_LIMITED")
    assert gateway.call(asks(n=2), client="app-many").status == 200
    gateway.has(ai.tenant(ai.ai(*providers)))


def test_no_number_is_too_large_for_a_bucket(gateway: Gateway, providers: Providers) -> None:
    numbers = [501, 600.5, 123_456, 1_234_567, 999_999_999, 1_000_000_000, 1_500_000_000, 5 * 10**12, 1e300]
    grants = [Grant("llm", f"app-{index}", "subscription", "", "few", 10_000, 60, tokens_per_minute=500) for index in range(len(numbers))]
    gateway.has(ai.tenant(ai.ai(*providers), grants=grants))
    for index, number in enumerate(numbers):
        refused(gateway.call(asks(max_tokens=number), client=f"app-{index}"), 429, "TOKENS_LIMITED")
        assert gateway.call(asks(max_tokens=12.5), client=f"app-{index}").status == 200
    gateway.has(ai.tenant(ai.ai(*providers)))


def test_a_budget_that_is_used_up_is_told_so_that_no_sdk_tries_again(gateway: Gateway, providers: Providers) -> None:
    answer = gateway.call(asks(), client="app-spent")
    refused(answer, 429, "BUDGET_EXCEEDED")
    assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("false", "Sun, 17 Mar 2030 17:46:40 GMT")
    assert not any(each.seen for each in providers)


# What stays as it is elsewhere


def test_refusals_are_those_of_every_api(gateway: Gateway) -> None:
    refused(gateway.call(asks(), client="app-nobody"), 403, "SUBSCRIPTION_REQUIRED")
    for answer, status, code in (
        (gateway.call(asks(), path="/nowhere"), 404, "NO_SUCH_ROUTE"),
        (gateway.call(path=CHAT, method="GET"), 405, "METHOD_NOT_ALLOWED"),
    ):
        assert (answer.status, answer.code) == (status, code)


def test_keys_stand_in_no_dump(gateway: Gateway) -> None:
    assert gateway.call(asks()).status == 200
    for page in ("/config_dump?include_eds", "/clusters", "/stats", "/certs"):
        assert "sk-canary" not in gateway.admin(page), page
    assert "sk-canary" not in (gateway.folder / "envoy.log").read_text()


def test_models_and_plans_change_while_calls_come(gateway: Gateway, providers: Providers) -> None:
    whole = ai.ai(*providers)
    assert gateway.call(asks("single")).status == 200
    gateway.has(ai.tenant(replace(whole, models=whole.models[:-1])))
    refused(gateway.call(asks("single")), 404, "MODEL_UNKNOWN")
    gateway.has(ai.tenant(whole))
    assert gateway.call(asks("single")).status == 200


def test_a_provider_without_an_address_is_passed_over(gateway: Gateway, providers: Providers) -> None:
    whole = ai.ai(*providers)
    first, *rest = whole.keys
    gateway.has(ai.tenant(replace(whole, keys=(replace(first, addresses=()), *rest))))
    assert gateway.call(asks()).json["choices"][0]["message"]["content"].startswith("hello from B")
    refused(gateway.call(asks("single")), 503, "PROVIDER_UNAVAILABLE")
    gateway.has(ai.tenant(whole))


def test_a_script_that_fails_sends_nothing_on(gateway: Gateway, providers: Providers) -> None:
    """A provider for which the model has no name, which control never says."""
    whole = ai.ai(*providers)
    nameless = replace(whole.models[-1], names=(("elsewhere", "x"),))
    gateway.has(ai.tenant(replace(whole, models=(*whole.models[:-1], nameless))))
    refused(gateway.call(asks("single")), 500, "GATEWAY_ERROR")
    assert not any(each.seen for each in providers)
    gateway.has(ai.tenant(whole))


def test_policies_hold_but_those_that_would_blind_the_gateway(gateway: Gateway, providers: Providers) -> None:
    told = Policies(
        set_request_headers=(("x-source", "acme"),),
        set_response_headers=(("x-frame-options", "DENY"),),
        remove_response_headers=("server",),
        max_body_kib=2,
        compress=True,
        retries=3,
        streaming=True,
    )
    gateway.has(ai.tenant(ai.ai(*providers), policies=told))
    providers[0].does = "429"
    answer = gateway.call(asks(text="x" * 1_200), headers=[("accept-encoding", "gzip, br")])
    assert (answer.status, answer.headers["x-frame-options"]) == (200, "DENY")
    assert not {"content-encoding", "server"} & set(answer.headers)
    assert gateway.used(answer.headers["x-request-id"])["output"] == 7
    assert providers[1].seen[-1].headers["x-source"] == "acme"
    # Once, and then another.
    assert len(providers[0].seen) == 1
    refused(gateway.call(asks(text="x" * 3_000)), 413, "REQUEST_TOO_LARGE")
    gateway.has(ai.tenant(ai.ai(*providers)))


def test_an_api_without_keys_refuses_every_model(gateway: Gateway, providers: Providers) -> None:
    gateway.has(ai.tenant(Ai((), ())))
    told = refused(gateway.call(asks()), 404, "MODEL_UNKNOWN")
    assert told["title"] == "This API has no such model here. There are: none."
    assert gateway.call(path=MODELS, method="GET").json["data"] == []
    gateway.has(ai.tenant(ai.ai(*providers)))


@pytest.mark.parametrize(
    ("more", "status", "code", "base"),
    [
        ({"refusal": "API_BLOCKED"}, 503, "API_BLOCKED", BASE),
        ({"refusal": "BROWN_OUT"}, 503, "BROWN_OUT", BASE),
        ({"refusal": "GATEWAY_TOO_OLD"}, 503, "GATEWAY_TOO_OLD", BASE),
        ({"tested": 3}, 200, "", f"{BASE}~3"),
    ],
)
def test_states_of_its_version(gateway: Gateway, providers: Providers, more: dict[str, Any], status: int, code: str, base: str) -> None:
    gateway.has(ai.tenant(ai.ai(*providers), **more))
    for path, method in ((CHAT, "POST"), (MODELS, "GET")):
        answer = gateway.call(asks() if method == "POST" else None, path=path, method=method, base=base)
        assert (answer.status, answer.code) == (status, code), str(answer)
    gateway.has(ai.tenant(ai.ai(*providers)))


def test_a_suspended_tenant_holds_no_key(gateway: Gateway, providers: Providers) -> None:
    whole = ai.tenant(ai.ai(*providers))
    assert len(compile_tenant(whole).secrets) == 4
    suspended = replace(whole, suspended=True)
    assert not compile_tenant(suspended).secrets
    assert not compile_tenant(suspended).clusters
    gateway.has(suspended)
    assert gateway.call(asks()).code == "TENANT_SUSPENDED"
    gateway.has(whole)


def test_pages_of_named_origins_call_it(gateway: Gateway, providers: Providers) -> None:
    page = "https://app.example"
    gateway.has(ai.tenant(ai.ai(*providers), cors=(page,)))
    wanted = [
        ("origin", page),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization, x-stainless-os"),
    ]
    preflight = gateway.call(path=CHAT, method="OPTIONS", bearer="", headers=wanted)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, page)
    assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
    for answer in (
        gateway.call(asks(), headers=[("origin", page)]),
        gateway.call(asks("nothing"), headers=[("origin", page)]),
        gateway.call(asks(), client="app-nobody", headers=[("origin", page)]),
        gateway.call(path=MODELS, method="GET", headers=[("origin", page)]),
    ):
        assert answer.headers["access-control-allow-origin"] == page, str(answer)
    assert "access-control-allow-origin" not in gateway.call(asks(), headers=[("origin", "https://evil.example")]).headers
    gateway.has(ai.tenant(ai.ai(*providers)))
