"""A gateway of one AI API without a database: a real Envoy that gets what the compiler makes by ADS, providers, and a taker of its logs."""

import http.client
import http.server
import json
import os
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import wrappers_pb2

from gateway.envoy.ai.state import Ai, Key, Model
from gateway.envoy.bootstrap import bootstrap
from gateway.envoy.names import USED
from gateway.envoy.resources import CLUSTER, LISTENER, SCOPE, Resource, compile_listener, compile_scope, compile_tenant
from gateway.envoy.state import Access, ApiKey, Grant, Operation, Tenant, Version
from keys import tokens
from portal.stack import envoy, probes
from portal.stack.ports import Ports, choose
from portal.stack.processes import Supervisor
from tests import live
from tests.gateway.states import API_KEY_KEY, AUDIENCE, ISSUER, KEY, access, small_tenant
from tests.live import HOST, Answer

CHAT, MESSAGES, EMBEDDINGS, RESPONSES, MODELS = "/chat/completions", "/messages", "/embeddings", "/responses", "/models"
BASE = "/acme/llm/v1"
OPERATIONS = (
    Operation("chatCompletions", "POST", CHAT),
    Operation("embeddings", "POST", EMBEDDINGS),
    Operation("messages", "POST", MESSAGES),
    Operation("models", "GET", MODELS),
    Operation("responses", "POST", RESPONSES),
)
SECRETS = {"k1": "Bearer sk-canary-one", "k2": "Bearer sk-canary-two", "k3": "sk-canary-three"}
GRANTS = (
    Grant("llm", "app-1", "subscription-1", "", "all", 10_000, 60),
    Grant("llm", "app-small", "subscription-2", "", "small", 10_000, 60, models=("fast",), max_tokens=100),
    Grant("llm", "app-spent", "subscription-3", "BUDGET_EXCEEDED", "all", 10_000, 60, until=1_900_000_000),
    Grant("llm", "app-few", "subscription-4", "", "few", 10_000, 60, tokens_per_minute=500),
)


# Providers


class Provider:
    """Answers in OpenAI's and in Anthropic's format. `does` says how: "ok", a status, "html", "hang", "reset", "half", "silent"."""

    def __init__(self, name: str) -> None:
        self.name, self.does, self.pause, self.words = name, "ok", 0.05, 4
        self.seen: list[Call] = []
        self.headers: dict[str, str] = {}
        # What stands in answers before all else.
        self.repeats: dict[str, Any] = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                with suppress(BrokenPipeError, ConnectionResetError):
                    provider.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = live._Server((HOST, 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        raw = live._chunked(handler) if "transfer-encoding" in headers else handler.rfile.read(int(headers.get("content-length", 0)))
        seen = Call(handler.path, headers, raw)
        self.seen.append(seen)
        does = self.does
        if does == "hang":
            time.sleep(3)
            handler.close_connection = True
        elif does == "reset":
            handler.connection.close()
        elif does == "html":
            self.write(handler, 200, b"<html>we are down</html>", {"content-type": "text/html; charset=utf-8"})
        elif does.isdigit():
            told = json.dumps({"error": {"message": f"no, says {self.name}: {headers.get('authorization', '')}"}}).encode()
            self.write(handler, int(does), told, {"retry-after": "7"} if does == "429" else {})
        elif seen.body.get("stream"):
            self.stream(handler, seen)
        else:
            self.write(handler, 200, json.dumps({**self.repeats, **self.told(seen)}).encode(), {})

    def told(self, seen: "Call") -> dict[str, Any]:
        model = seen.body["model"]
        if seen.path.endswith(MESSAGES):
            usage = {"input_tokens": 25, "output_tokens": 7, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 3}
            return {"type": "message", "model": model, "content": [{"type": "text", "text": f"hello from {self.name}"}], "usage": usage}
        if seen.path.endswith(EMBEDDINGS):
            return {"object": "list", "model": model, "data": [], "usage": {"prompt_tokens": 25, "total_tokens": 25}}
        used: dict[str, Any] = {"prompt_tokens": 25, "completion_tokens": 7, "total_tokens": 32}
        used |= {"prompt_tokens_details": {"cached_tokens": 10}, "completion_tokens_details": {"reasoning_tokens": 2}}
        text = f'hello from {self.name}: "usage": {{"prompt_tokens": 999}}'
        return {"model": model, "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}], "usage": used}

    def stream(self, handler: http.server.BaseHTTPRequestHandler, seen: "Call") -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()

        def event(data: dict[str, Any] | str) -> None:
            text = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            handler.wfile.flush()

        of_anthropic = seen.path.endswith(MESSAGES)
        if of_anthropic:
            usage = {"input_tokens": 25, "cache_read_input_tokens": 10, "output_tokens": 1}
            event({"type": "message_start", "message": {"usage": usage}})
        for number in range(self.words):
            time.sleep(self.pause)
            if self.does == "half" and number == 2:
                handler.connection.close()
                return
            if self.does == "silent" and number == 2:
                time.sleep(5)
            event({"choices": [{"index": 0, "delta": {"content": f"w{number} "}}], "usage": None})
        if of_anthropic:
            event({"type": "message_delta", "usage": {"output_tokens": 7}})
        elif (seen.body.get("stream_options") or {}).get("include_usage"):
            event({"choices": [], "usage": {"prompt_tokens": 25, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 10}}})
        event("[DONE]")
        handler.wfile.write(b"0\r\n\r\n")

    def write(self, handler: http.server.BaseHTTPRequestHandler, status: int, content: bytes, more: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(content)), **self.headers, **more}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


@dataclass(frozen=True, slots=True)
class Call:
    """As a provider saw it."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


# States


def key(id_: str, provider: Provider, name: str, *, format_: str = "openai", prefix: str = "/v1", header: str = "authorization") -> Key:
    secret = SECRETS[id_].encode()
    return Key(id_, format_, "0123", name, "http", HOST, provider.port, (HOST,), prefix, header, secret)


def model(name: str, *groups: tuple[tuple[str, int], ...], anthropic: bool = False, names: dict[str, str], **more: int) -> Model:
    times = {"first_byte_ms": 1_000, "silence_ms": 1_500, **more}
    return Model(name, () if anthropic else groups, groups if anthropic else (), tuple(sorted(names.items())), **times)


def ai(a: Provider, b: Provider, c: Provider) -> Ai:
    """Two keys of one provider, and one of another that speaks both formats."""
    keys = (
        key("k1", a, "openai"),
        key("k2", b, "openai"),
        key("k3", c, "other", prefix="/openai/v1", header="api-key"),
        key("k3", c, "other", format_="anthropic", header="x-api-key"),
    )
    models = (
        model("claude", (("k3", 100),), anthropic=True, names={"other": "claude-4"}),
        model("fast", (("k1", 100),), (("k2", 100),), (("k3", 100),), names={"openai": "gpt-4o-mini", "other": 'deployment "7"'}),
        model("openai/gpt-4o", (("k1", 60), ("k2", 40)), names={"openai": "gpt-4o"}),
        model("single", (("k1", 100),), names={"openai": "gpt-4o"}),
    )
    return Ai(keys, models)


def tenant(found: Ai, *, grants: Sequence[Grant] = GRANTS, **more: Any) -> Tenant:
    prompts = tuple(Operation(each.operation_id, "POST", each.path) for each in found.prompts)
    version = Version("llm", "v1", None, tuple(sorted((*OPERATIONS, *prompts), key=lambda each: (each.path, each.method))), ai=found)
    version = replace(version, **{name: more.pop(name) for name in ("cors", "refusal", "policies", "tested", "goodbye") if name in more})
    held = access()
    given = Access(
        jwks=held.jwks,
        api_key_jwks=held.api_key_jwks,
        grants=tuple(grants),
        api_keys=(ApiKey("key-1"), ApiKey("key-2"), ApiKey("key-9", "KEY_REVOKED")),
        revoked_credentials=(),
        revoked_tokens=(),
    )
    return replace(small_tenant(), access=given, routes=(version,), **more)


def token(client: str = "app-1", **changed: Any) -> str:
    claims = tokens.claims(
        issuer=ISSUER, audience=AUDIENCE, client_id=client, credential_id="1", token_id="1", now=int(time.time()), lifetime=600
    )
    return tokens.sign(claims | changed, KEY)


def api_key(client: str = "app-1", credential: str = "key-1") -> str:
    ends = int(time.time()) + 600
    return tokens.api_key(client_id=client, credential_id=credential, expires=ends, environment="live", key=API_KEY_KEY)


# The gateway


class Log(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """Takes what Envoy logs, by the name of the log."""

    def __init__(self) -> None:
        self.entries: dict[str, list[accesslog_pb2.HTTPAccessLogEntry]] = {"calls": [], "attempts": [], "contents": []}
        # Of the messages that it got.
        self.largest = 0

    def StreamAccessLogs(self, requests: Iterator[Any], context: Any) -> als_pb2.StreamAccessLogsResponse:  # noqa: ARG002, N802
        name = ""
        for message in requests:
            name = message.identifier.log_name or name
            self.largest = max(self.largest, message.ByteSize())
            self.entries[name].extend(message.http_logs.log_entry)
        return als_pb2.StreamAccessLogsResponse()


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Gives whoever asks what there is, and again what has changed; keeps what was refused."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Resource]] = {}
        self.refused: list[str] = []
        self.streams: list[queue.Queue[Any]] = []
        self.acknowledged: set[str] = set()

    def put(self, *resources: Resource) -> None:
        for each in resources:
            self.there.setdefault(each.url, {})[each.name] = each
        for told in self.streams:
            told.put(tuple(resources))

    def DeltaAggregatedResources(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: ARG002, N802
        told: queue.Queue[Any] = queue.Queue()
        self.streams.append(told)
        threading.Thread(target=self._listen, args=[requests, told], daemon=True).start()
        wanted: dict[str, set[str]] = {}
        number = 0
        while (found := told.get()) is not None:
            if isinstance(found, discovery_pb2.DeltaDiscoveryRequest):
                if found.response_nonce:
                    if found.HasField("error_detail"):
                        self.refused.append(found.error_detail.message)
                    else:
                        self.acknowledged.add(found.response_nonce)
                names = set(found.resource_names_subscribe)
                first = found.type_url not in wanted
                wanted.setdefault(found.type_url, set()).update(names)
                if not names and not first:
                    continue
                of_type = self.there.get(found.type_url, {})
                everything = found.type_url in {CLUSTER, LISTENER, SCOPE}
                sent = [of_type[name] for name in (sorted(of_type) if everything else sorted(names)) if name in of_type]
                batches = {found.type_url: sent}
            else:
                batches = {}
                for each in found:
                    if each.url in wanted and (each.url in {CLUSTER, LISTENER, SCOPE} or each.name in wanted[each.url]):
                        batches.setdefault(each.url, []).append(each)
            for url, resources in batches.items():
                number += 1
                yield discovery_pb2.DeltaDiscoveryResponse(
                    type_url=url,
                    nonce=str(number),
                    resources=[discovery_pb2.Resource(name=each.name, version=each.version, resource=each.body) for each in resources],
                )

    def _listen(self, requests: Iterator[Any], told: "queue.Queue[Any]") -> None:
        with suppress(grpc.RpcError):
            for request in requests:
                told.put(request)
        told.put(None)


@dataclass
class Gateway:
    """One Envoy, what control says to it and what it logs."""

    folder: Path
    port: int
    ads: Ads = field(default_factory=Ads)
    log: Log = field(default_factory=Log)
    serves: str = ""

    def has(self, wanted: Tenant) -> None:
        """It serves this from now on."""
        found = compile_tenant(wanted)
        self.ads.put(*found.clusters, *found.secrets)
        time.sleep(0.1)
        self.ads.put(compile_scope(wanted.slug), found.routes)
        self.serves = found.served

        def served() -> bool:
            assert not self.ads.refused, self.ads.refused
            # On a busy machine one of Envoy's threads has it later than another, and each connection is some thread's.
            told = [live.call(self.port, f"/{wanted.slug}/.portico/canary", host=f"{HOST}:{self.port}").headers for _ in range(8)]
            return all(each.get("x-portico-configuration") == found.served for each in told)

        live.eventually(served)

    def call(
        self,
        body: object = None,
        *,
        path: str = CHAT,
        client: str = "app-1",
        bearer: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        method: str = "POST",
        base: str = BASE,
        **more: Any,
    ) -> Answer:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = [] if any(name == "content-type" for name, _ in headers) else [("content-type", "application/json")]
        given = token(client) if bearer is None else bearer
        return live.call(self.port, base + path, given, method=method, headers=[*kind, *headers], body=raw, **more)

    def entry(self, request_id: str) -> accesslog_pb2.HTTPAccessLogEntry:
        """What the log says of a call, once it does."""
        found = lambda: [each for each in self.log.entries["calls"] if each.request.request_id == request_id]  # noqa: E731
        return live.eventually(found)[0]

    def used(self, request_id: str) -> dict[str, float]:
        fields = self.entry(request_id).common_properties.metadata.filter_metadata[USED].fields
        return {name: value.number_value for name, value in fields.items()}

    def admin(self, path: str) -> str:
        with closing(_Admin("admin", timeout=10)) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.folder / "admin.sock"))
            connection.request("GET", path)
            return connection.getresponse().read().decode()


class _Admin(http.client.HTTPConnection):
    """At a unix socket, which is connected already."""


def state_of(entry: accesslog_pb2.HTTPAccessLogEntry, name: str) -> str:
    return str(wrappers_pb2.StringValue.FromString(entry.common_properties.filter_state_objects[name].value).value)


@contextmanager
def running(folder: Path) -> Iterator[Gateway]:
    port = choose(Ports(0, 0, 0), needed=set()).gateway
    found = Gateway(folder, port)
    found.ads.put(compile_listener(port=port, address=HOST, portal_url="http://portal.example"))
    server = grpc.server(ThreadPoolExecutor(16))
    als_pb2_grpc.add_AccessLogServiceServicer_to_server(found.log, server)
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(found.ads, server)
    server.add_insecure_port(f"unix:{folder / 'control.sock'}")
    server.start()
    address = f"unix:{folder / 'control.sock'}"
    made = bootstrap(
        node="ai",
        credential="x",
        control=address,
        usage=address,
        admin=str(folder / "admin.sock"),
        ca_file="/etc/ssl/cert.pem",
        connections=500,
    )
    made["static_resources"]["secrets"] = [each for each in made["static_resources"]["secrets"] if "validation_context" not in each]
    (folder / "bootstrap.json").write_text(json.dumps(made))
    program = envoy.gateway(envoy.executable(os.environ.get("PORTICO_ENVOY", "")), folder / "bootstrap.json", log=folder / "envoy.log")
    supervisor = Supervisor(folder / "processes.json", say=lambda _: None)
    supervisor.open()
    try:
        supervisor.start(program).wait_ready()
        live.eventually(lambda: probes.accepts((HOST, port)))
        yield found
    finally:
        supervisor.stop()
        server.stop(None)


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer in its pieces, each with when it came after the call began; what is broken off ends with b"BROKEN"."""

    status: int
    request_id: str
    parts: list[tuple[float, bytes]]

    @property
    def whole(self) -> bytes:
        return b"".join(part for _, part in self.parts)


def stream(port: int, path: str, body: object, bearer: str, **headers: str) -> Streamed:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    began = time.monotonic()
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json", "authorization": f"Bearer {bearer}", **headers})
    response, parts = connection.getresponse(), []
    try:
        while part := response.read1(65_536):
            parts.append((time.monotonic() - began, part))
    except (http.client.IncompleteRead, ConnectionError):
        parts.append((time.monotonic() - began, b"BROKEN"))
    connection.close()
    return Streamed(response.status, response.headers["x-request-id"], parts)


# What tests share


Providers = tuple[Provider, Provider, Provider]


def asks(model: object = "fast", text: str = "hi", **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def refused(answer: Answer, status: int, code: str) -> Any:
    """What the problem document says, to people and to SDKs."""
    assert (answer.status, answer.code) == (status, code), str(answer)
    told = answer.json
    assert (told["code"], told["status"], told["error"]["code"]) == (code, status, code)
    assert told["error"]["message"] == told["title"]
    return told
