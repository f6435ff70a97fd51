"""What is asked and answered, as a real Envoy writes it into its access log: all of it where an API keeps that, and nothing elsewhere."""

import base64
import http.client
import http.server
import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.envoy.ai.state import Content, Prompt, Rails, Variable
from gateway.envoy.names import CONTENT, CONTENT_ANSWERS, CONTENT_REQUEST
from gateway.envoy.state import Grant, Tenant
from gateway.usage.process import MAX_MESSAGE
from tests import live
from tests.gateway import ai
from tests.gateway.ai import BASE, CHAT, EMBEDDINGS, GRANTS, MESSAGES, MODELS, RESPONSES, Gateway, Provider, asks, refused, token

MOST = 65_536
BOTH = Content(requests=True, answers=True)
# Its calls are in the log; of the other one's there is nothing.
OTHER = "/acme/other/v1"
PROMPT = Prompt("say", "/prompts/say", "fast", (Variable("text", "string", True, None, (), 0),), (("user", "Say {{text}}"),), ())


class Scripted(Provider):
    """Writes what a test gives it, piece by piece, and breaks off where that is empty."""

    script: Sequence[bytes] = ()
    kind = "text/event-stream"

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if not self.script:
            return super().answer(handler)
        handler.rfile.read(int(handler.headers["content-length"]))
        handler.send_response(200)
        for name, value in {"content-type": self.kind, "transfer-encoding": "chunked", **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        for piece in self.script:
            if not piece:
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
                return None
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.flush()
            time.sleep(self.pause)
        handler.wfile.write(b"0\r\n\r\n")
        return None


Providers = tuple[Scripted, Scripted, Scripted]


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    found = Scripted("A"), Scripted("B"), Scripted("C")
    yield found
    for each in found:
        each.stop()


@pytest.fixture
def gateway(ai_gateway: Gateway, providers: Providers) -> Gateway:
    """It keeps what is asked and answered."""
    for each in providers:
        each.script, each.kind, each.pause = (), "text/event-stream", 0.0
    ai_gateway.log.largest = 0
    keeps(ai_gateway, providers)
    return ai_gateway


def state(providers: Providers, content: Content | None = BOTH, *, rails: Rails | None = None) -> Tenant:
    whole = replace(ai.ai(*providers), rails=rails or Rails(), prompts=(PROMPT,))
    found = ai.tenant(replace(whole, content=content), grants=(*GRANTS, Grant("other", "app-1", "subscription-9", "", "all", 10_000, 60)))
    (version,) = found.routes or ()
    return replace(found, routes=(version, replace(version, api="other", ai=whole)))


def keeps(gateway: Gateway, providers: Providers, content: Content | None = BOTH, **more: Any) -> None:
    wanted = state(providers, content, **more)
    gateway.has(wanted)


@contextmanager
def keeping(gateway: Gateway, providers: Providers, content: Content | None = BOTH, **more: Any) -> Iterator[None]:
    keeps(gateway, providers, content, **more)
    yield
    keeps(gateway, providers)


@dataclass(frozen=True, slots=True)
class Kept:
    """`marks`: what else the log says of them."""

    request: bytes | None
    answer: bytes | None
    marks: Set[str] = frozenset()


def kept(gateway: Gateway, request_id: str) -> Kept | None:
    """What the log of contents has of a call, once it has; None where it is to have nothing."""
    marks = marked(gateway, request_id)
    if marks.pop("kept", "") != "yes":
        return None
    found = live.eventually(lambda: [each for each in gateway.log.entries["contents"] if each.request.request_id == request_id])[0]
    state = found.common_properties.filter_state_objects
    fields = {name: base64.b64decode(ai.state_of(found, name), validate=True) for name in state if name.startswith(CONTENT)}
    request, pieces = fields.pop(CONTENT_REQUEST, None), [fields[name] for name in CONTENT_ANSWERS if name in fields]
    assert len(pieces) == len(fields)
    assert all(len(each) == 3_072 for each in pieces[:-1])
    assert set(marks.values()) <= {1.0}
    return Kept(request, b"".join(pieces) if pieces else None, frozenset(marks))


def marked(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """What the log of calls has, which is no text."""
    common = gateway.entry(request_id).common_properties
    assert not any(name.startswith(CONTENT) for name in common.filter_state_objects)
    told = common.metadata.filter_metadata
    return {name: value.string_value or value.number_value for name, value in told[CONTENT].fields.items()} if CONTENT in told else {}


def events(*data: object, end: str = "\n\n") -> list[bytes]:
    return [f"data: {each if isinstance(each, str) else json.dumps(each)}{end}".encode() for each in data]


def streamed(gateway: Gateway, body: object, path: str = CHAT) -> ai.Streamed:
    found = ai.stream(gateway.port, BASE + path, body, token())
    assert found.status == 200
    return found


def said(found: Kept | None) -> str:
    """The text of a stream, as JSON spells it."""
    assert found is not None
    assert "streamed" in found.marks
    return str(json.loads(b'"%s"' % (found.answer or b"")))


# What there is


def test_a_call_is_kept_as_a_provider_gets_it_and_as_its_caller_does(gateway: Gateway, providers: Providers) -> None:
    body = asks(text='größe 😀 "quoted" \\ \x00', temperature=0.5)
    answer = gateway.call(body)
    assert answer.status == 200, str(answer)
    found = kept(gateway, answer.headers["x-request-id"])
    assert found == Kept(json.dumps(body).encode(), answer.body)
    # Whatever else is counted is as it was.
    assert gateway.used(answer.headers["x-request-id"]) == {"input": 25, "output": 7, "cached": 10, "reasoning": 2, "seen": 1}


def test_what_is_masked_is_kept_masked_and_what_is_blocked_not_at_all(gateway: Gateway, providers: Providers) -> None:
    with keeping(gateway, providers, rails=Rails(masks=("email",), blocked=("bluebird",))):
        answer = gateway.call(asks(text="I am ann@acme.example."))
        assert kept(gateway, answer.headers["x-request-id"]) == Kept(json.dumps(asks(text="I am [email].")).encode(), answer.body)
        blocked = gateway.call(asks(text="bluebird"))
        refused(blocked, 400, "TEXT_BLOCKED")
        assert kept(gateway, blocked.headers["x-request-id"]) is None


def test_another_attempt_adds_nothing(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = "500"
    providers[1].does = "reset"
    answer = gateway.call(asks())
    assert kept(gateway, answer.headers["x-request-id"]) == Kept(json.dumps(asks()).encode(), answer.body)
    live.eventually(lambda: len(gateway.log.entries["attempts"]) == 2)
    for each in gateway.log.entries["attempts"]:
        common = each.common_properties
        assert not any(name.startswith(CONTENT) for name in (*common.filter_state_objects, *common.metadata.filter_metadata))


@pytest.mark.parametrize(("content", "has"), [(Content(True, False), (True, False)), (Content(False, True), (False, True))])
def test_only_what_is_asked_or_only_what_is_answered(
    gateway: Gateway, providers: Providers, content: Content, has: tuple[bool, bool]
) -> None:
    with keeping(gateway, providers, content):
        for body in (asks(), asks(stream=True)):
            found = kept(gateway, streamed(gateway, body).request_id)
            assert found is not None
            assert (bool(found.request), bool(found.answer)) == has


def test_a_text_that_a_provider_refuses_is_kept_with_what_it_says(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = "400"
    answer = gateway.call(asks())
    assert answer.status == 400
    assert kept(gateway, answer.headers["x-request-id"]) == Kept(json.dumps(asks()).encode(), answer.body)


def test_embeddings_and_prompts_are_kept_as_they_are(gateway: Gateway, providers: Providers) -> None:
    body = {"model": "single", "input": ["one", "two"]}
    answer = gateway.call(body, path=EMBEDDINGS)
    assert kept(gateway, answer.headers["x-request-id"]) == Kept(json.dumps(body).encode(), answer.body)
    answer = gateway.call({"text": 'a "b"'}, path=PROMPT.path)
    found = kept(gateway, answer.headers["x-request-id"])
    assert found is not None
    assert found.request is not None
    # What the template became, and what the caller got.
    assert json.loads(found.request) == asks(text='Say a "b"')
    assert (found.answer, list(answer.json)) == (answer.body, ["text"])


# Streams


def test_of_a_stream_the_words_are_kept_and_none_is_held_back(gateway: Gateway, providers: Providers) -> None:
    providers[0].pause = 0.3
    found = streamed(gateway, asks(stream=True))
    assert found.parts[0][0] < 0.8
    assert found.parts[-1][0] > 1.1
    there = kept(gateway, found.request_id)
    assert there is not None
    assert (said(there), there.marks) == ("w0 w1 w2 w3 ", {"streamed"})
    assert there.request == json.dumps(asks(stream=True)).encode(), "without what the gateway asks of usage"
    assert gateway.used(found.request_id)["output"] == 7


# As OpenAI and Anthropic document their streams.
OF_CHAT = [
    {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}]},
    {
        "id": "c",
        "choices": [
            {"index": 0, "delta": {"content": 'He said: {"delta": {"content": "no"}} '}, "logprobs": {"content": [{"token": "He"}]}},
            {"index": 1, "delta": {"content": "größe \\ "}},
        ],
    },
    {"id": "c", "choices": [{"index": 0, "delta": {"content": None, "reasoning_content": "hm"}}]},
    {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": "get", "arguments": ""}}]}}]},
    {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}}]},
    {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"Köln"}'}}]}}]},
    {"id": "c", "choices": [{"index": 0, "delta": {"refusal": "\nNo."}, "message": {"content": "again"}, "finish_reason": "stop"}]},
    {"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
]
OF_ANTHROPIC = [
    {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 'Let me "see"; '}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "get", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"city": "K'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": 'öln"}'}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "text": ""}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]
_ALL = {"type": "message", "content": [{"type": "output_text", "text": "Hi 😀 there", "delta": "again"}]}
OF_RESPONSES = [
    {"type": "response.created", "response": {"output": [], "instructions": "x"}},
    {"type": "response.output_item.added", "item": {"type": "message", "content": []}},
    {"type": "response.output_text.delta", "item_id": "m", "delta": "Hi 😀", "logprobs": [{"token": "Hi", "delta": "no"}]},
    {"delta": " there", "item_id": "m", "type": "response.output_text.delta"},
    {"type": "response.output_text.done", "text": "Hi 😀 there"},
    {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
    {"type": "response.function_call_arguments.delta", "delta": '{"a":1}'},
    {"type": "response.function_call_arguments.done", "arguments": '{"a":1}'},
    {"type": "response.output_item.done", "item": _ALL},
    {"type": "response.completed", "response": {"output": [_ALL], "usage": {"input_tokens": 5, "output_tokens": 7}}},
]
STREAMS: list[tuple[str, str, int, list[Any], str]] = [
    (CHAT, "single", 0, OF_CHAT, 'He said: {"delta": {"content": "no"}} größe \\ {"city":"Köln"}\nNo.'),
    (MESSAGES, "claude", 2, OF_ANTHROPIC, 'Let me "see"; {"city": "Köln"}'),
    (RESPONSES, "single", 0, OF_RESPONSES, 'Hi 😀 there{"a":1}'),
]


@pytest.mark.parametrize(("path", "model", "of", "data", "wanted"), STREAMS, ids=["chat", "anthropic", "responses"])
def test_of_each_format_what_its_events_add(
    gateway: Gateway, providers: Providers, path: str, model: str, of: int, data: list[Any], wanted: str
) -> None:
    chance = random.Random(7)
    for ascii_, end, size in (
        (True, "\n\n", 0),
        (False, "\r\n\r\n", 0),
        (True, "\n\n", 1),
        (False, "\r\n\r\n", 7),
        (True, "\n\n", 100_000),
    ):
        whole = b"".join(
            (b"event: %s\n" % each["type"].encode() if "type" in each else b": a comment\n")
            + f"data:{chance.choice(['', ' '])}{json.dumps(each, ensure_ascii=ascii_)}{end}".encode()
            for each in data
        )
        whole += b"" if path == RESPONSES else b"data: [DONE]"
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)] if size else whole.splitlines(keepends=True)
        providers[of].script = pieces
        found = streamed(gateway, asks(model, stream=True, max_tokens=5), path)
        assert found.whole == whole
        assert said(kept(gateway, found.request_id)) == wanted


def test_a_stream_that_breaks_off_leaves_what_came_before(gateway: Gateway, providers: Providers) -> None:
    providers[0].does = "half"
    found = streamed(gateway, asks("single", stream=True))
    assert found.parts[-1][1] == b"BROKEN"
    there = kept(gateway, found.request_id)
    assert said(there) == "w0 w1 "
    assert there is not None
    assert there.request == json.dumps(asks("single", stream=True)).encode()
    words = [{"choices": [{"delta": {"content": "x" * 1_000}}]}] * 10
    providers[0].script = [*events(*words), b'data: {"choices": [{"delta": {"content": "half', b""]
    providers[0].pause = 0.02
    found = streamed(gateway, asks("single", stream=True))
    assert found.parts[-1][1] == b"BROKEN"
    assert said(kept(gateway, found.request_id)) == "x" * 10_000


def test_whoever_goes_away_has_asked_and_heard_so_much(gateway: Gateway, providers: Providers) -> None:
    providers[0].pause = 0.3
    connection = http.client.HTTPConnection(live.HOST, gateway.port, timeout=10)
    headers = {"content-type": "application/json", "authorization": f"Bearer {token()}"}
    connection.request("POST", BASE + CHAT, json.dumps(asks(stream=True)), headers)
    response = connection.getresponse()
    assert b"w0" in response.read1(65_536)
    connection.sock.close()
    response.close()
    there = kept(gateway, response.headers["x-request-id"])
    assert said(there).startswith("w0 ")
    assert there is not None
    assert there.request == json.dumps(asks(stream=True)).encode()


# How much of it


def test_what_is_longer_is_cut_and_says_so(gateway: Gateway, providers: Providers) -> None:
    chance = random.Random(3)
    noise = "".join(chance.choice("abcdef ghij") for _ in range(300_000))
    body = json.dumps(asks("single", text=noise)).encode()
    providers[0].repeats = {"said": noise}
    answer = gateway.call(body)
    assert kept(gateway, answer.headers["x-request-id"]) == Kept(body[:MOST], answer.body[:MOST], frozenset({"request_cut", "answer_cut"}))
    # And of a stream that says as much.
    providers[0].script = events(*({"choices": [{"delta": {"content": noise[at : at + 999]}}]} for at in range(0, 99_900, 999)), "[DONE]")
    found = streamed(gateway, asks("single", stream=True))
    there = kept(gateway, found.request_id)
    assert there is not None
    assert (said(there), there.marks) == (noise[:MOST], {"streamed", "answer_cut"})
    assert found.whole.endswith(b"data: [DONE]\n\n"), "the caller has all of it"


@pytest.mark.parametrize("length", [MOST - 1, MOST, MOST + 1])
def test_as_much_as_fits_is_not_cut(gateway: Gateway, providers: Providers, length: int) -> None:
    cut = {"request_cut", "answer_cut"} if length > MOST else set()
    empty = len(json.dumps(asks("single", text="")))
    body = json.dumps(asks("single", text="x" * (length - empty))).encode()
    assert len(body) == length
    whole = b'"%s"' % (b"y" * (length - 2))
    providers[0].script, providers[0].kind = [whole], "application/json; charset=utf-8"
    answer = gateway.call(body)
    assert answer.body == whole
    assert kept(gateway, answer.headers["x-request-id"]) == Kept(body[:MOST], whole[:MOST], frozenset(cut))
    providers[0].script, providers[0].kind = events({"choices": [{"delta": {"content": "z" * length}}]}), "text/event-stream"
    found = kept(gateway, streamed(gateway, asks("single", stream=True)).request_id)
    assert found is not None
    # An event is longer than what it adds, and of one that is too long its beginning is read.
    assert found.marks == {"streamed", "answer_cut"}
    assert found.answer == b"z" * (MOST - len('{"choices": [{"delta": {"content": "') - len("data: "))


def test_an_event_that_repeats_all_cuts_nothing(gateway: Gateway, providers: Providers) -> None:
    word = {"type": "response.output_text.delta", "delta": "x" * 900}
    done = {"type": "response.completed", "response": {"output": [{"content": [{"text": "x" * 90_000, "delta": "no"}]}]}}
    providers[0].script = events(*[word] * 10, done)
    there = kept(gateway, streamed(gateway, asks("single", stream=True), RESPONSES).request_id)
    assert there is not None
    assert (said(there), there.marks) == ("x" * 9_000, {"streamed"})


def test_what_is_no_text_breaks_nothing(gateway: Gateway, providers: Providers) -> None:
    """Whatever a provider sends: the call goes on, and is in the log."""
    chance = random.Random(11)
    noise = bytes(chance.randrange(256) for _ in range(5_000))
    nested = b'data: {"delta":' + b'{"delta":[' * 3_000 + b"\n\n"
    bad = b'data: {"choices": [{"delta": {"content": "\xff\xfe\x00\xc3("}}]}\n\n'
    open_ = b'data: {"choices": [{"delta": {"content": "ends in \\'
    for script, wanted in (
        ([bad], b"\xff\xfe\x00\xc3("),
        ([noise, b"\n", bad], b"\xff\xfe\x00\xc3("),
        ([nested, bad], b"\xff\xfe\x00\xc3("),
        ([b"data: }]}]{\n\n", b'data: {"delta": ]]]}}}"a": "b"}\n', b'data: {"choices": 5, "delta": null}\n', bad], b"\xff\xfe\x00\xc3("),
        ([open_], b"ends in \\"),
        ([b'data: {"delta', b'": "x", "type": 5}\n\n'], None),
    ):
        providers[0].script, providers[0].kind = script, "text/event-stream"
        found = streamed(gateway, asks("single", stream=True))
        assert found.whole == b"".join(script)
        there = kept(gateway, found.request_id)
        assert there is not None
        assert there.answer == wanted, script[:1]
    providers[0].script, providers[0].kind = [noise], "application/json"
    answer = gateway.call(asks("single"))
    assert kept(gateway, answer.headers["x-request-id"]) == Kept(json.dumps(asks("single")).encode(), noise)
    assert "log:" not in (gateway.folder / "envoy.log").read_text()


@pytest.mark.parametrize("headers", [{"content-type": "audio/mpeg"}, {"content-encoding": "br"}])
def test_what_nobody_reads_is_not_kept(gateway: Gateway, providers: Providers, headers: dict[str, str]) -> None:
    providers[0].headers = headers
    answer = gateway.call(asks("single"))
    assert answer.status == 200
    assert kept(gateway, answer.headers["x-request-id"]) == Kept(json.dumps(asks("single")).encode(), None)


def test_many_at_once_are_all_counted_and_no_message_is_too_large(gateway: Gateway, providers: Providers) -> None:
    """There is more of them than may be told in a second: texts are left out, and no call is."""
    providers[0].repeats = {"said": "y" * 100_000}
    bearer, body = token(), asks("single", text="x" * 100_000)
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: gateway.call(body, bearer=bearer), range(100)))
    assert [answer.status for answer in answers] == [200] * 100
    # All are in the log of calls, and say what became of their texts.
    said = [marked(gateway, answer.headers["x-request-id"]) for answer in answers]
    told, left_out = [each for each in said if each.get("kept") == "yes"], [each for each in said if each == {"left_out": 1}]
    assert len(told) + len(left_out) == 100
    assert len(told) >= 10
    assert len(left_out) >= 10
    # Of a stream that only begins Envoy may drop some.
    live.eventually(lambda: len(gateway.log.entries["contents"]) > len(told) / 2)
    for each in list(gateway.log.entries["contents"]):
        found = kept(gateway, each.request.request_id)
        assert found is not None
        assert (found.request, found.marks) == (json.dumps(body).encode()[:MOST], {"request_cut", "answer_cut"})
        assert answers[0].body.startswith(found.answer or b"")
    assert 100_000 < gateway.log.largest < MAX_MESSAGE / 2
    time.sleep(1)
    assert kept(gateway, gateway.call(asks()).headers["x-request-id"]) is not None


def test_whatever_one_tenant_asks_another_has_its_part(gateway: Gateway, providers: Providers) -> None:
    globex = replace(state(providers), slug="globex", audience="http://gateway.example/globex")
    gateway.has(globex)
    bearer, theirs, body, over = token(), token(aud=globex.audience), asks("single", text="x" * 100_000), threading.Event()

    def flood(_: int) -> list[str]:
        found = []
        while not over.is_set():
            found.append(gateway.call(body, bearer=bearer).headers["x-request-id"])
        return found

    with ThreadPoolExecutor(10) as threads:
        running = threads.map(flood, range(10))
        calls = []
        for _ in range(20):
            calls.append(gateway.call(asks(text="y" * 60_000), bearer=theirs, base="/globex/llm/v1"))
            time.sleep(0.15)
        over.set()
        left_out = sum("left_out" in marked(gateway, request_id) for found in running for request_id in found)
    assert left_out > 100
    assert [answer.status for answer in calls] == [200] * 20
    assert ["left_out" in marked(gateway, answer.headers["x-request-id"]) for answer in calls] == [False] * 20


# What there is not


def test_what_the_gateway_refuses_leaves_nothing(gateway: Gateway, providers: Providers) -> None:
    small = {"client": "app-small"}
    refusals: list[tuple[Any, dict[str, Any], str]] = [
        (asks("nothing"), {}, "MODEL_UNKNOWN"),
        (b'{"model": "fast"', {}, "BODY_NOT_JSON"),
        ({"text": 5}, {"path": PROMPT.path}, "VARIABLE_INVALID"),
        (asks("single", max_tokens=5), small, "MODEL_NOT_IN_PLAN"),
        (asks(max_tokens=500), small, "TOO_MANY_TOKENS"),
        (asks(max_tokens=5_000), {"client": "app-few"}, "TOKENS_LIMITED"),
        (asks(), {"client": "app-spent"}, "BUDGET_EXCEEDED"),
        (asks(), {"client": "app-nobody"}, "SUBSCRIPTION_REQUIRED"),
        (asks(), {"bearer": "x"}, "TOKEN_INVALID"),
    ]
    for body, more, code in refusals:
        answer = gateway.call(body, **more)
        assert answer.code == code, str(answer)
        assert kept(gateway, answer.headers["x-request-id"]) is None, code
    assert not any(each.seen for each in providers)
    # Nor does what no provider answered.
    for does in ("401", "html", "reset"):
        for each in providers:
            each.does = does
        answer = gateway.call(asks())
        refused(answer, 503, "PROVIDER_UNAVAILABLE")
        assert kept(gateway, answer.headers["x-request-id"]) is None, does
    # For as long as what is told may take.
    live.stays(lambda: not gateway.log.entries["contents"], seconds=1.2)


def test_what_is_no_question_to_a_model_leaves_nothing(gateway: Gateway) -> None:
    answer = gateway.call(path=MODELS, method="GET")
    assert answer.status == 200
    assert kept(gateway, answer.headers["x-request-id"]) is None


def test_calls_of_another_api_leave_nothing(gateway: Gateway, providers: Providers) -> None:
    answer = gateway.call(asks(), base=OTHER)
    assert answer.status == 200, str(answer)
    assert kept(gateway, answer.headers["x-request-id"]) is None
    found = ai.stream(gateway.port, OTHER + CHAT, asks(stream=True), token())
    assert kept(gateway, found.request_id) is None
    live.stays(lambda: not gateway.log.entries["contents"], seconds=1.2)
    assert kept(gateway, gateway.call(asks()).headers["x-request-id"]) is not None


def test_once_it_is_switched_off_nothing_is_kept(gateway: Gateway, providers: Providers) -> None:
    with keeping(gateway, providers, None):
        for path, body in ((CHAT, asks()), (CHAT, asks(stream=True)), (PROMPT.path, {"text": "a"})):
            assert kept(gateway, streamed(gateway, body, path).request_id) is None
    assert kept(gateway, gateway.call(asks()).headers["x-request-id"]) is not None
