"""The gateway's edge: each value of docs/hardening.md at a real Envoy, and what somebody tries who would like to get round it.

`VALUES` says which test holds which row; the document is held against it.
"""

import http.client
import json
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from apis.actions.policies import change_policies
from portal.stack.stack import PROJECT
from tests import live, make, turns
from tests.gateway.test_chain import assert_refused
from tests.http2 import Talk, headers_frame, talk
from tests.live import DEADLINE, HOST, Answer, Client, Gateway, Shop, Upstream

# The first word of each row of the table in docs/hardening.md, with the tests that hold it.
VALUES: dict[str, Sequence[str]] = {
    "use_remote_address": ("test_what_a_caller_says_of_its_address",),
    "normalize_path": ("test_spellings_of_a_path_are_one_path",),
    "merge_slashes": ("test_spellings_of_a_path_are_one_path",),
    "path_with_escaped_slashes_action": ("test_escapes_that_hide",),
    "headers_with_underscores_action": ("test_a_header_with_an_underscore",),
    "max_request_headers_kb": ("test_headers_of_the_limit_pass_and_more_do_not", "test_a_giant_token", "test_a_giant_address"),
    "max_headers_count": ("test_a_hundred_headers_pass_and_one_more_does_not",),
    "request_headers_timeout": ("test_slow_headers",),
    "request_timeout": ("test_a_slow_body_and_a_silent_connection",),
    "stream_idle_timeout": ("test_a_call_whose_tenant_never_loads",),
    "idle_timeout": ("test_a_slow_body_and_a_silent_connection",),
    "max_requests_per_connection": ("test_a_connection_carries_a_thousand_calls",),
    "per_connection_buffer_limit_bytes": ("test_buffers_are_small",),
    "global_downstream_max_connections": ("test_connections_are_bounded",),
    "fixed_heap": ("test_memory_is_bounded",),
    "max_concurrent_streams": ("test_a_hundred_streams_and_no_more",),
    "initial_stream_window_size": ("test_windows_are_what_was_promised",),
    "initial_connection_window_size": ("test_windows_are_what_was_promised",),
    "methods": ("test_methods_that_nobody_published",),
    "admin": ("test_admin_is_for_the_machines_operator",),
    "x-envoy- headers": ("test_nobody_steers_the_gateway_by_its_own_headers",),
    "two hosts": ("test_two_hosts",),
    "absolute form": ("test_the_address_counts_and_not_the_header",),
    "message framing": (
        "test_smuggling",
        "test_smuggling_from_http2",
        "test_what_is_written_oddly_is_passed_on_plainly",
        "test_the_second_call_of_a_connection_is_judged_by_itself",
    ),
    "HTTP/2 floods": ("test_floods_end_the_connection_and_nobody_else",),
    "identity headers": ("test_nobody_says_who_calls_but_the_chain",),
    "rate limits": ("test_a_limit_is_one_however_it_is_called",),
}
# Tests of other files that hold a row.
ELSEWHERE = {
    "test_connections_are_bounded": "tests/gateway/test_refusals.py",
    "test_memory_is_bounded": "tests/gateway/test_refusals.py",
}


@dataclass
class World:
    """Carl's application may call Acme's API; Eve's may call Globex's."""

    acme: Shop
    globex: Shop
    carl: Client
    eve: Client

    @property
    def token(self) -> str:
        return self.carl.token()

    @property
    def path(self) -> str:
        return self.acme.path()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, upstream: Upstream) -> World:
    with django_db_blocker.unblock():
        acme, globex = live.shop(upstream), live.shop(upstream)
        acme.add_api("billing")
        return World(acme, globex, acme.client(), globex.client())


class Recorder:
    """An upstream that keeps what comes as it comes, and answers once nothing more does."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self._listening = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        connection.settimeout(0.5)
        came = b""
        with suppress(TimeoutError):
            while piece := connection.recv(65_536):
                came += piece
        self.came.append(came)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def stop(self) -> None:
        # Closing alone leaves the thread in accept().
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture(scope="module")
def recorder(world: World, django_db_blocker: Any) -> Iterator[Recorder]:
    found = Recorder()
    with django_db_blocker.unblock():
        world.acme.add_api("kept", url=found.url)
        world.acme.subscribe(world.carl, world.acme.plan("kept"))
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def _loaded(gateway: Gateway, world: World) -> None:
    gateway.settles(200, "", world.path, world.token)
    gateway.settles(200, "", world.globex.path(), world.eve.token())


def test_every_value_of_the_document_has_its_test() -> None:
    rows = [line for line in (PROJECT / "docs" / "hardening.md").read_text().splitlines() if line.startswith(("| `", "| **"))]
    named = [line.split("|")[1].strip().strip("*`") for line in rows]
    assert sorted(named) == sorted(VALUES)
    for test in {each for tests in VALUES.values() for each in tests}:
        place = ELSEWHERE.get(test)
        assert f"def {test}(" in (PROJECT / place).read_text() if place else test in globals(), test


def raw(first: str, *lines: str, host: str = HOST, token: str = "", close: bool = True) -> bytes:
    authorization = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([first, f"Host: {host}", *authorization, *(["Connection: close"] if close else []), *lines, "", ""]).encode(
        "latin-1"
    )


def said(gateway: Gateway, request: bytes) -> tuple[int, str]:
    answer = gateway.raw(request)
    return answer.status, answer.code


def coded(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


@contextmanager
def unreached(upstream: Upstream) -> Iterator[None]:
    before = len(upstream.seen)
    yield
    assert upstream.seen[before:] == []


# Who calls from where


def test_what_a_caller_says_of_its_address(gateway: Gateway, upstream: Upstream) -> None:
    """Networks are judged by the connection: no header opens a door that its address does not open."""
    shop = live.shop(upstream)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    event = shop.does(change_policies, shop.apis["orders"], given={"ip_allow": ["127.0.0.2", "203.0.113.0/24"]}, by=None)
    assert event is not None
    shop.enforced(event)
    spoofs = ("x-forwarded-for", "x-real-ip", "x-envoy-external-address", "forwarded", "true-client-ip", "cf-connecting-ip", "x-client-ip")
    with unreached(upstream):
        for name in spoofs:
            for value in ("127.0.0.2", "203.0.113.7", "203.0.113.7, 127.0.0.2"):
                said = f"for={value}" if name == "forwarded" else value
                assert_refused(gateway.call(shop.path(), token, headers=[(name, said)]), 403, "IP_DENIED")
        both = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "127.0.0.2")]
        assert_refused(gateway.call(shop.path(), token, headers=both), 403, "IP_DENIED")
    good = gateway.call(shop.path(), token, source="127.0.0.2", headers=[("x-forwarded-for", "10.0.0.1")])
    # The upstream reads at the end of the list who was really there.
    assert (good.status, good.json["headers"]["x-forwarded-for"].split(",")[-1].strip()) == (200, "127.0.0.2")


STEERING = {
    "x-envoy-upstream-rq-timeout-ms": "50",
    "x-envoy-upstream-rq-per-try-timeout-ms": "50",
    "x-envoy-expected-rq-timeout-ms": "50",
    "x-envoy-retry-on": "5xx,gateway-error,retriable-status-codes",
    "x-envoy-retriable-status-codes": "500,503",
    "x-envoy-max-retries": "50",
    "x-envoy-retry-grpc-on": "internal",
    "x-envoy-hedge-on-per-try-timeout": "true",
    "x-envoy-original-path": "/elsewhere",
    "x-envoy-original-host": "evil.example",
    "x-envoy-decorator-operation": "spoofed",
    "x-envoy-upstream-alt-stat-name": "spoofed",
    "x-envoy-force-trace": "1",
    "x-envoy-internal": "true",
    "x-envoy-external-address": "203.0.113.7",
    "x-envoy-ip-tags": "spoofed",
    "x-envoy-downstream-service-cluster": "spoofed",
    "x-envoy-downstream-service-node": "spoofed",
    "x-envoy-attempt-count": "9",
    "x-envoy-is-timeout-retry": "true",
}


def test_nobody_steers_the_gateway_by_its_own_headers(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """Envoy does what `x-envoy-…` say for callers whom it takes for its own; nobody is, not even on the same machine."""
    answer = gateway.call(world.acme.path("/slow?ms=400"), world.token, headers=[*STEERING.items()])
    assert answer.status == 200, str(answer)
    assert answer.json["path"] == "/slow?ms=400"
    spoofed = {name: value for name, value in answer.json["headers"].items() if STEERING.get(name) == value}
    assert spoofed == {}
    upstream.status, before = 503, len(upstream.seen)
    try:
        assert gateway.call(world.path, world.token, headers=[*STEERING.items()]).status == 503
    finally:
        upstream.status = 200
    assert len(upstream.seen) == before + 1


def test_nobody_says_who_calls_but_the_chain(gateway: Gateway, upstream: Upstream, world: World) -> None:
    names = ("tenant", "application", "subscription", "plan", "claims")
    spellings: list[Callable[[str], str]] = [str, str.upper, str.title, lambda name: f"{name} ", lambda name: name.replace("-", "_")]
    for spell in spellings:
        headers = [(spell(f"x-portico-{name}"), "spoofed") for name in names]
        with unreached(upstream):
            assert gateway.call(world.path, headers=headers).status in {400, 401}
        answer = gateway.call(world.path, world.token, headers=headers)
        if answer.status == 200:
            assert "spoofed" not in answer.json["headers"].values()
            assert answer.json["headers"]["x-portico-application"] == world.carl.client_id
        else:
            assert answer.code == "REQUEST_INVALID"
    # Named as a header of this connection alone it would be taken off again behind the chain (RFC 9110 §7.6.1).
    told = gateway.call(world.path, world.token, headers=[("connection", "x-portico-application, x-portico-tenant, close")])
    assert told.status != 200 or told.json["headers"]["x-portico-tenant"] == world.acme.slug
    with talk(gateway.port) as h2:
        answer = h2.call(world.path, world.token, headers=[(f"x-portico-{name}", "spoofed") for name in names])
        assert (answer.status, "spoofed" in answer.json["headers"].values()) == (200, False)


# Addresses and hosts


def test_spellings_of_a_path_are_one_path(gateway: Gateway, upstream: Upstream, world: World) -> None:
    slug, token = world.acme.slug, world.token
    for path in (f"/{slug}/billing/../orders/v1/orders/1", f"/{slug}//orders///v1/orders/1", f"//{slug}/orders/./v1/orders/1"):
        answer = gateway.call(path, token)
        assert (answer.status, answer.json["path"]) == (200, "/orders/1"), path
    with unreached(upstream):
        # What it is after that is what is checked: Carl has no subscription to billing.
        for path in (
            f"/{slug}/orders/v1/../../billing/v1/orders/1",
            f"/{slug}/orders/v1/%2e%2e/%2E%2E/billing/v1/orders/1",
            f"/{slug}//billing/v1/orders/1",
        ):
            assert_refused(gateway.call(path, token), 403, "SUBSCRIPTION_REQUIRED")
        for path in (f"/{slug}/../{world.globex.slug}/orders/v1/orders/1", f"/{slug}/%2e%2e/{world.globex.slug}/orders/v1/orders/1"):
            assert_refused(gateway.call(path, token), 401, "TOKEN_INVALID")
    with talk(gateway.port) as h2:
        assert h2.call(f"/{slug}/orders/v1/../../billing/v1/orders/1", token).code == "SUBSCRIPTION_REQUIRED"
        assert h2.call(f"/{slug}/x/..//orders/v1/orders/1", token).status == 200


def test_escapes_that_hide(gateway: Gateway, upstream: Upstream, world: World) -> None:
    slug, token = world.acme.slug, world.token
    with unreached(upstream):
        for hidden in ("%2f", "%2F", "%5c", "%5C"):
            assert said(gateway, raw(f"GET /{slug}/orders/v1/orders{hidden}1 HTTP/1.1", token=token)) == (400, "REQUEST_INVALID")
        for hidden in ("%00", "%0a", "%0d%0a", "%252e%252e%252f", "%c0%ae%c0%ae%c0%af", "..;", "\\..\\.."):
            status, code = said(gateway, raw(f"GET /{slug}/orders{hidden}/billing/v1/orders/1 HTTP/1.1", token=token))
            # A backslash is a slash, so that two of them with dots lead out of the tenant, to none.
            assert (status, code) in {(404, "NO_SUCH_ROUTE"), (400, "REQUEST_INVALID"), (503, "NOT_READY")}, hidden
    with talk(gateway.port) as h2, unreached(upstream):
        assert h2.call(f"/{slug}/orders/v1/orders%2f1", token).code == "REQUEST_INVALID"


def test_two_hosts(gateway: Gateway, upstream: Upstream, world: World) -> None:
    line = f"GET {world.path} HTTP/1.1"
    with unreached(upstream):
        for hosts in ([HOST, "evil.example"], ["evil.example", HOST], [HOST, HOST]):
            further = [f"Host: {each}" for each in hosts[1:]]
            assert said(gateway, raw(line, *further, host=hosts[0], token=world.token)) == (421, "HOST_UNKNOWN")
        with talk(gateway.port) as h2:
            # RFC 9113 §8.3.1: where both are there and differ, it is no request; Envoy goes by :authority.
            answer = h2.call(world.path, world.token, authority="evil.example", headers=[("host", HOST)])
            assert (answer.status, answer.code) == (421, "HOST_UNKNOWN")
    with talk(gateway.port) as h2:
        answer = h2.call(world.path, world.token, headers=[("host", "evil.example")])
        assert "evil.example" not in json.dumps(answer.json) if answer.status == 200 else answer.code


def test_the_address_counts_and_not_the_header(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """RFC 9112 §3.2.2."""
    with unreached(upstream):
        for line, wanted in {
            f"GET http://evil.example{world.path} HTTP/1.1": (421, "HOST_UNKNOWN"),
            f"GET http://{HOST}@evil.example{world.path} HTTP/1.1": (421, "HOST_UNKNOWN"),
            f"GET http://{HOST}{world.acme.path(api='billing')} HTTP/1.1": (403, "SUBSCRIPTION_REQUIRED"),
            f"GET http://{HOST}{world.globex.path()} HTTP/1.1": (401, "TOKEN_INVALID"),
        }.items():
            assert said(gateway, raw(line, token=world.token)) == wanted, line
        assert said(gateway, raw(f"GET http://{HOST}{world.path} HTTP/1.1")) == (401, "TOKEN_MISSING")
    answer = gateway.raw(raw(f"GET http://{HOST}{world.path} HTTP/1.1", host="evil.example", token=world.token))
    assert (answer.status, "evil.example" in json.dumps(answer.json)) == (200, False)


def test_methods_that_nobody_published(gateway: Gateway, upstream: Upstream, world: World) -> None:
    with unreached(upstream):
        for method in ("TRACE", "TRACK", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "DEBUG"):
            status, code = said(gateway, raw(f"{method} {world.acme.path('/orders')} HTTP/1.1", token=world.token))
            assert (status, code) in {(405, "METHOD_NOT_ALLOWED"), (400, "REQUEST_INVALID")}, method
        for override in ("x-http-method-override", "x-method-override", "x-http-method"):
            answer = gateway.call(world.acme.path("/orders/1"), headers=[(override, "DELETE")])
            assert (answer.status, answer.code) == (401, "TOKEN_MISSING")
        with talk(gateway.port) as h2:
            assert h2.call(world.acme.path("/orders"), world.token, method="TRACE").code == "METHOD_NOT_ALLOWED"
            stream = h2.begin([(":method", "CONNECT"), (":authority", h2.authority), ("authorization", f"Bearer {world.token}")])
            h2.until(lambda: stream in h2.resets or stream in h2.answers or h2.goodbye is not None)
            assert stream not in h2.answers or h2.answers[stream].status in {400, 404, 501, 503}


# Headers: which, how many, how large, how slow


def test_a_header_with_an_underscore(gateway: Gateway, upstream: Upstream, world: World) -> None:
    with unreached(upstream):
        for name in ("x_portico_tenant", "content_length", "X_Y"):
            assert said(gateway, raw(f"GET {world.path} HTTP/1.1", f"{name}: 1", token=world.token)) == (400, "REQUEST_INVALID")
        with talk(gateway.port) as h2:
            stream = h2.begin(h2.head(world.path, world.token, headers=[("x_portico_tenant", "1")]))
            h2.until(lambda: stream in h2.answers or stream in h2.resets)
            assert stream in h2.resets


def test_headers_of_the_limit_pass_and_more_do_not(gateway: Gateway, upstream: Upstream, world: World) -> None:
    token = world.token
    assert gateway.call(world.path, token, headers=[("x-large", "x" * (15 * 1024 - len(token)))]).status == 200
    with unreached(upstream):
        assert coded(gateway.call(world.path, token, headers=[("x-large", "x" * 16 * 1024)])) == (431, "HEADERS_TOO_LARGE")
        with talk(gateway.port) as h2:
            stream = h2.begin(h2.head(world.path, token, headers=[("x-large", "y" * 17 * 1024)]))
            h2.until(lambda: stream in h2.answers or stream in h2.resets or h2.goodbye is not None)
            assert stream not in h2.answers or h2.answers[stream].status == 431


def test_a_hundred_headers_pass_and_one_more_does_not(gateway: Gateway, upstream: Upstream, world: World, recorder: Recorder) -> None:
    path = world.acme.path(api="kept")
    gateway.settles(200, "", path, world.token)

    def call(many: int) -> tuple[int, str]:
        # Three are there already.
        return said(gateway, raw(f"GET {path} HTTP/1.1", *(f"x-{number}: 1" for number in range(many - 3)), token=world.token))

    assert call(100) == (200, "")
    del recorder.came[:]
    assert call(101) == call(1_000) == (431, "HEADERS_TOO_LARGE")
    assert recorder.came == []


def test_a_giant_token(gateway: Gateway, upstream: Upstream, world: World) -> None:
    large = world.token + "A" * 60_000
    with unreached(upstream):
        assert coded(gateway.call(world.path, large)) == (431, "HEADERS_TOO_LARGE")
        assert coded(gateway.call(world.path, headers=[("x-api-key", f"ptc_live_{large}")])) == (431, "HEADERS_TOO_LARGE")
        # One that is just short enough is looked at.
        assert gateway.call(world.path, world.token + "A" * 14_000).code in {"TOKEN_INVALID", "HEADERS_TOO_LARGE"}


def test_a_giant_address(gateway: Gateway, upstream: Upstream, world: World) -> None:
    with unreached(upstream):
        for path in (world.path + "?" + "q" * 60_000, world.path + "/x" * 30_000, "/" * 60_000):
            assert coded(gateway.call(path, world.token)) == (431, "HEADERS_TOO_LARGE")
        assert gateway.call(world.path + "/" * 8_000, world.token).code in {"NO_SUCH_ROUTE", "HEADERS_TOO_LARGE"}


def test_slow_headers(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """A byte now and then is not progress: five seconds are for all of them."""
    started = time.monotonic()
    with unreached(upstream), socket.create_connection((HOST, gateway.port), timeout=DEADLINE) as connection:
        connection.sendall(f"GET {world.path} HTTP/1.1\r\nHost: {HOST}\r\n".encode())
        connection.settimeout(0.3)
        answer = b""
        for number in range(60):
            connection.sendall(f"x-{number}: 1\r\n".encode()) if not answer else None
            try:
                answer += connection.recv(65_536)
            except TimeoutError:
                continue
            break
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"REQUEST_TIMEOUT" in answer
    # At most five seconds; while no route is known, as here, a second is enough to be given up.
    assert time.monotonic() - started < 6


def test_a_call_whose_tenant_never_loads(gateway: Gateway, upstream: Upstream) -> None:
    started = time.monotonic()
    answer = gateway.call("/nobody-has-this-slug/orders/v1/orders/1", "garbage")
    assert (answer.status, answer.code) == (503, "NOT_READY")
    assert time.monotonic() - started < 5


def _silent(gateway: Gateway) -> float:
    """For how long a connection on which nothing was ever asked, and one that was used, are kept."""
    started = time.monotonic()
    with socket.create_connection((HOST, gateway.port), timeout=90) as connection:
        assert connection.recv(1) == b""
    return time.monotonic() - started


def _slow_body(gateway: Gateway, path: str, token: str) -> tuple[float, int, str]:
    started = time.monotonic()
    answer = gateway.trickle(path, token, [b"x"] * 200, pause=0.5)
    return time.monotonic() - started, answer.status, answer.code


@pytest.mark.skipif(not turns.whole(), reason="a minute of waiting: make test-long")
def test_a_slow_body_and_a_silent_connection(gateway: Gateway, world: World) -> None:
    with ThreadPoolExecutor(2) as threads:
        silent = threads.submit(_silent, gateway)
        slow = threads.submit(_slow_body, gateway, world.acme.path("/orders"), world.token)
        took, status, code = slow.result()
        assert (status, code) == (408, "REQUEST_TIMEOUT")
        assert 28 < took < 36
        assert 58 < silent.result() < 68


# Connections


def test_a_connection_carries_a_thousand_calls(gateway: Gateway, world: World) -> None:
    connection = http.client.HTTPConnection(HOST, gateway.port, timeout=DEADLINE)
    told = []
    for _ in range(1_000):
        connection.request("GET", world.path)
        answer = connection.getresponse()
        answer.read()
        told.append(answer.getheader("connection"))
    assert told == [*([None] * 999), "close"]
    connection.close()


def test_buffers_are_small(gateway: Gateway) -> None:
    transport = httpx.HTTPTransport(uds=str(gateway.folder / "admin.sock"))
    with httpx.Client(transport=transport, base_url="http://admin") as admin:
        dumped = admin.get("/config_dump?resource=dynamic_listeners").json()
    listeners = [each["active_state"]["listener"] for each in dumped["configs"]]
    assert listeners
    assert {each["per_connection_buffer_limit_bytes"] for each in listeners} == {32 * 1024}


def test_admin_is_for_the_machines_operator(gateway: Gateway) -> None:
    place = gateway.folder / "admin.sock"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_ISSOCK(place.stat().st_mode)
    # And no port of its own: what Envoy listens on is what callers call.
    for path in ("/config_dump", "/stats", "/quitquitquit", "/server_info"):
        assert gateway.call(path).code == "NOT_READY"


# HTTP/2


def test_a_hundred_streams_and_no_more(gateway: Gateway, world: World) -> None:
    with talk(gateway.port) as h2:
        assert h2.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 100
        encoder, head = Encoder(), h2.head(world.acme.path("/orders"), world.token, method="POST")
        # A hundred that are open are answered once they are whole.
        streams = [2 * number + 1 for number in range(101)]
        h2.frames(*(headers_frame(each, head, encoder=encoder, flags=("END_HEADERS",)) for each in streams[:100]))
        h2.read(0.5)
        assert (h2.closed, h2.goodbye) == (False, None)
        # One more is against what was agreed (RFC 9113 §5.1.2), and ends the connection.
        h2.frames(headers_frame(streams[100], head, encoder=encoder, flags=("END_HEADERS",)))
        assert _ended(h2)


def test_windows_are_what_was_promised(gateway: Gateway) -> None:
    with talk(gateway.port) as h2:
        assert h2.settings[SettingCodes.INITIAL_WINDOW_SIZE] == 64 * 1024
        h2.until(lambda: h2.connection.outbound_flow_control_window > 65_535, within=5)
        assert h2.connection.outbound_flow_control_window == 1024 * 1024
        assert SettingCodes.ENABLE_CONNECT_PROTOCOL not in h2.settings or not h2.settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]


def _ended(h2: Talk, within: float = DEADLINE) -> bool:
    h2.until(lambda: h2.goodbye is not None, within=within)
    return h2.goodbye is not None or h2.closed


def _continuations(h2: Talk, path: str, token: str) -> None:
    first = HeadersFrame(1, data=Encoder().encode(h2.head(path, token)))
    first.flags.add("END_STREAM")
    h2.frames(first)
    for number in range(2_000):
        if h2.closed:
            return
        h2.frames(ContinuationFrame(1, data=Encoder().encode([(f"x-{number}", "v" * 400)])))


def _rapid_resets(h2: Talk, path: str, token: str) -> None:
    encoder, head = Encoder(), h2.head(path, token)
    for number in range(3_000):
        if h2.closed:
            return
        stream = 2 * number + 1
        h2.frames(headers_frame(stream, head, encoder=encoder), RstStreamFrame(stream, error_code=8))


def _hpack_bomb(h2: Talk, path: str, token: str) -> None:
    """One value of 4,000 bytes, put into the table once and named a thousand times."""
    encoder = Encoder()
    block = encoder.encode([*h2.head(path, token), ("x-bomb", "b" * 3_900)])
    named = encoder.encode([("x-bomb", "b" * 3_900)])
    assert len(named) < 4
    frame = HeadersFrame(1, data=block + named * 1_000)
    frame.flags.add("END_HEADERS")
    frame.flags.add("END_STREAM")
    h2.frames(frame)
    h2.until(lambda: 1 in h2.answers or 1 in h2.reset or h2.goodbye is not None)
    assert 1 not in h2.answers or h2.answers[1].status == 431


def _settings(h2: Talk, path: str, token: str) -> None:
    flood = SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 65_535}).serialize() * 1_000
    for _ in range(200):
        h2.raw(flood)


def _pings(h2: Talk, path: str, token: str) -> None:
    flood = PingFrame(0, opaque_data=b"12345678").serialize() * 1_000
    for _ in range(200):
        h2.raw(flood)


def _empty_data(h2: Talk, path: str, token: str) -> None:
    head = h2.head(path.removesuffix("/1"), token, method="POST")
    h2.frames(headers_frame(1, head, flags=("END_HEADERS",)))
    h2.frames(*[DataFrame(1) for _ in range(5_000)])


def _window_updates(h2: Talk, path: str, token: str) -> None:
    flood = WindowUpdateFrame(0, window_increment=1).serialize() * 1_000
    for _ in range(200):
        h2.raw(flood)


def _priorities(h2: Talk, path: str, token: str) -> None:
    flood = b"".join(PriorityFrame(2 * number + 1, depends_on=0, stream_weight=1).serialize() for number in range(1_000))
    for _ in range(200):
        h2.raw(flood)


def _garbage(h2: Talk, path: str, token: str) -> None:
    h2.raw(struct.pack(">I", 16_385)[1:] + bytes([0, 0]) + struct.pack(">I", 1) + b"x" * 16_385)


# Each with whether it ends the connection; the others end the stream.
FLOODS: dict[str, tuple[Callable[[Talk, str, str], None], bool]] = {
    "continuations": (_continuations, True),
    "rapid resets": (_rapid_resets, True),
    "an HPACK bomb": (_hpack_bomb, False),
    "settings": (_settings, True),
    "pings": (_pings, True),
    "empty data": (_empty_data, True),
    "window updates": (_window_updates, True),
    "priorities": (_priorities, True),
    "a frame that is too large": (_garbage, True),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_end_the_connection_and_nobody_else(gateway: Gateway, upstream: Upstream, world: World, name: str) -> None:
    flood, ends = FLOODS[name]
    before = len(upstream.seen)
    with talk(gateway.port) as other:
        assert other.call(world.path, world.token).status == 200
        with talk(gateway.port) as h2:
            flood(h2, world.path, world.token)
            if ends:
                assert _ended(h2), name
        assert other.call(world.path, world.token).status == 200
    # What was begun before it was noticed may have come through, for Carl may call; it is hundreds and not thousands.
    assert len(upstream.seen) - before < 1_200
    assert gateway.call(world.path, world.token).status == 200


SPLIT = "1\r\nx-portico-tenant: globex"
NOT_HTTP2: dict[str, list[tuple[str, str]]] = {
    "a line end in a value": [("x-a", SPLIT)],
    "a NUL in a value": [("x-a", "1\x002")],
    "a line end in a name": [("x-a\r\nx-b", "1")],
    "a name in capitals": [("X-Portico-Tenant", "globex")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
    "connection": [("connection", "close")],
    "a colon in a name": [("x:a", "1")],
    "an empty name": [("", "1")],
    "a second path": [(":path", "/other")],
    "an unknown pseudo header": [(":tenant", "globex")],
    "a length that is wrong": [("content-length", "5")],
    "two lengths": [("content-length", "0"), ("content-length", "5")],
    "a method with a space": [(":method", "GET /other HTTP/1.1\r\nx:")],
}


@pytest.mark.parametrize("name", NOT_HTTP2)
def test_smuggling_from_http2(gateway: Gateway, upstream: Upstream, world: World, name: str) -> None:
    """What would be another request once it is written down as HTTP/1 for the upstream."""
    with talk(gateway.port) as h2, unreached(upstream):
        h2.frames(headers_frame(1, [*h2.head(world.path, world.token), *NOT_HTTP2[name]]))
        h2.until(lambda: 1 in h2.answers or 1 in h2.reset or h2.goodbye is not None)
        assert 1 not in h2.answers or h2.answers[1].status in {400, 431}, h2.answers


# Messages that mean one thing here and another behind


def _posts(world: World, *lines: str, body: bytes = b"", close: bool = True) -> bytes:
    return raw(f"POST {world.acme.path('/orders')} HTTP/1.1", *lines, token=world.token, close=close) + body


HIDDEN = b"0\r\n\r\nGET /acme/billing/v1/orders/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SMUGGLING: dict[str, Callable[[World], bytes]] = {
    "a length and chunks": lambda w: _posts(w, f"Content-Length: {len(HIDDEN)}", "Transfer-Encoding: chunked", body=HIDDEN),
    "chunks and a length": lambda w: _posts(w, "Transfer-Encoding: chunked", "Content-Length: 4", body=HIDDEN),
    "two lengths": lambda w: _posts(w, "Content-Length: 0", "Content-Length: 5", body=b"12345"),
    "a list of lengths": lambda w: _posts(w, "Content-Length: 5, 0", body=b"12345"),
    "a length with a sign": lambda w: _posts(w, "Content-Length: +5", body=b"12345"),
    "a negative length": lambda w: _posts(w, "Content-Length: -1"),
    "a length that overflows": lambda w: _posts(w, "Content-Length: 18446744073709551621", body=b"12345"),
    "a length in hexadecimal": lambda w: _posts(w, "Content-Length: 0x5", body=b"12345"),
    "a space before the colon": lambda w: _posts(w, "Transfer-Encoding : chunked", body=HIDDEN),
    "a tab before the colon": lambda w: _posts(w, "Content-Length\t: 5", body=b"12345"),
    "an unknown coding": lambda w: _posts(w, "Transfer-Encoding: xchunked", body=HIDDEN),
    "a coding before chunked": lambda w: _posts(w, "Transfer-Encoding: identity, chunked", body=HIDDEN),
    "chunked twice": lambda w: _posts(w, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=HIDDEN),
    "chunked and a control character": lambda w: _posts(w, "Transfer-Encoding: \x0bchunked", body=HIDDEN),
    "a NUL in a value": lambda w: _posts(w, "X-A: 1\x002"),
    "a header without a colon": lambda w: _posts(w, "Content-Length"),
    "a header without a name": lambda w: _posts(w, ": 5"),
    "a chunk of a negative size": lambda w: _posts(w, "Transfer-Encoding: chunked", body=b"-1\r\n\r\n"),
    "a chunk size that overflows": lambda w: _posts(w, "Transfer-Encoding: chunked", body=b"10000000000000005\r\n12345\r\n0\r\n\r\n"),
    "a chunk with a bare carriage return": lambda w: _posts(w, "Transfer-Encoding: chunked", body=b"3;a\rb\r\n123\r\n0\r\n\r\n"),
    "chunks with bare line feeds": lambda w: _posts(w, "Transfer-Encoding: chunked", body=b"3\n123\n0\n\n"),
    "a control character in a value": lambda w: _posts(w, "X-A: 1\x0b2"),
    "a carriage return in a name": lambda w: _posts(w, "X-A\r: 1"),
    "bytes that are no text": lambda w: raw(f"GET {w.path}?x=\xe9\x80 HTTP/1.1", token=w.token),
    "HTTP/1.0": lambda w: _posts(w).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/0.9": lambda w: f"GET {w.path}\r\n\r\n".encode(),
    "HTTP/1.2": lambda w: _posts(w).replace(b"HTTP/1.1", b"HTTP/1.2"),
    "a space in the address": lambda w: raw(f"GET {w.path} /x HTTP/1.1", token=w.token),
    "no host": lambda w: f"GET {w.path} HTTP/1.1\r\nAuthorization: Bearer {w.token}\r\n\r\n".encode(),
    "an upgrade to HTTP/2": lambda w: raw(
        f"GET {w.path} HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", close=False
    ),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling(gateway: Gateway, upstream: Upstream, world: World, name: str) -> None:
    """Nothing reaches the upstream that it could read otherwise, and nothing is left over for the next call of the connection."""
    seen = len(upstream.seen)
    whole = _until_closed(gateway, SMUGGLING[name](world))
    assert whole.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501")) or whole == b"", whole[:300]
    assert whole.count(b"HTTP/1.1 ") <= 1
    # Nor with the time that an upstream would need to read on.
    assert [each.path for each in upstream.seen[seen:]] == []


# What Envoy reads although it should not be written so: what it passes on is written as everybody reads it.
ODD: dict[str, tuple[Callable[[str, str], bytes], bytes]] = {
    "a folded header": (
        lambda path, token: raw(f"POST {path} HTTP/1.1", "X-A: 1", " Transfer-Encoding: chunked", "Content-Length: 0", token=token),
        b"x-a: 1 Transfer-Encoding: chunked\r\n",
    ),
    "a bare carriage return": (
        lambda path, token: raw(f"POST {path} HTTP/1.1", "X-A: 1\rX-Portico-Tenant: globex", token=token),
        b"x-a: 1X-Portico-Tenant: globex\r\n",
    ),
    "a bare line feed": (lambda path, token: raw(f"POST {path} HTTP/1.1", "X-A: 1\nX-Portico-Plan: gold", token=token), b"x-a: 1\r\n"),
    "tabs": (lambda path, token: raw(f"POST\t{path}\tHTTP/1.1", token=token), b"POST /orders HTTP/1.1\r\n"),
    "more than a chunk says": (
        lambda path, token: raw(f"POST {path} HTTP/1.1", "Transfer-Encoding: chunked", token=token) + b"3\r\n12345\r\n0\r\n\r\n",
        b"\r\n\r\n3\r\n123\r\n0\r\n\r\n",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_written_oddly_is_passed_on_plainly(gateway: Gateway, world: World, recorder: Recorder, name: str) -> None:
    made, wanted = ODD[name]
    path = world.acme.path("/orders", api="kept")
    gateway.settles(200, "", path, world.token)
    del recorder.came[:]
    assert gateway.raw(made(path, world.token)).status == 200
    (came,) = recorder.came
    assert wanted in came
    assert came.count(b" HTTP/1.1\r\n") == 1
    head = came.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert not [line for line in head if b"\r" in line or b"\n" in line]
    told = dict(line.lower().split(b": ", 1) for line in head[1:])
    assert told[b"x-portico-tenant"] == world.acme.slug.encode()
    assert (b"content-length" in told) + (b"transfer-encoding" in told) == 1


def _until_closed(gateway: Gateway, request: bytes) -> bytes:
    whole = b""
    with socket.create_connection((HOST, gateway.port), timeout=DEADLINE) as connection:
        connection.sendall(request)
        connection.settimeout(8)
        try:
            while piece := connection.recv(65_536):
                whole += piece
        except (TimeoutError, ConnectionError):
            pass
    return whole


def test_the_second_call_of_a_connection_is_judged_by_itself(gateway: Gateway, upstream: Upstream, world: World) -> None:
    before = len(upstream.seen)
    good = raw(f"GET {world.path} HTTP/1.1", token=world.token, close=False)
    for second, wanted in (
        (raw(f"GET {world.path} HTTP/1.1"), b"TOKEN_MISSING"),
        (raw(f"GET {world.acme.path(api='billing')} HTTP/1.1", token=world.token), b"SUBSCRIPTION_REQUIRED"),
        (raw(f"GET {world.globex.path()} HTTP/1.1", token=world.token), b"TOKEN_INVALID"),
        (raw(f"GET {world.path} HTTP/1.1", host="evil.example", token=world.token), b"HOST_UNKNOWN"),
    ):
        whole = _until_closed(gateway, good + second)
        assert whole.count(b"HTTP/1.1 200 ") == 1
        assert wanted in whole
    assert len(upstream.seen) == before + 4


# Limits


def test_a_limit_is_one_however_it_is_called(gateway: Gateway, upstream: Upstream) -> None:
    """Three calls an hour are three, whatever is changed about them that is not the application."""
    shop = live.shop(upstream)
    carl = shop.client(plan=shop.plan(calls=3, seconds=3_600))
    key = shop.does(lambda: make.api_key(carl.application))[1]
    shop.enforced_newest()
    tokens, many = [carl.token() for _ in range(4)], [carl.token() for _ in range(20)]
    # Of two credentials, so that neither has a bucket of its own.
    gateway.settles(200, "", shop.path(), tokens[0])
    passed = 1
    upper = shop.path().replace("/orders/1", "/ORDERS/1")
    tries: list[Callable[[], int]] = [
        lambda: gateway.call(shop.path("/orders/2"), tokens[1]).status,
        lambda: gateway.call(shop.path("/orders"), tokens[1]).status,
        lambda: gateway.call(shop.path() + "?x=1", tokens[2]).status,
        lambda: gateway.call(shop.path() + "/", tokens[2]).status,
        lambda: gateway.call(upper, tokens[2]).status,
        lambda: gateway.call(shop.path().replace("/orders/", "//orders/"), tokens[2]).status,
        lambda: gateway.call(shop.path(), headers=[("AUTHORIZATION", f"Bearer {tokens[3]}")]).status,
        lambda: gateway.call(shop.path(), headers=[("authorization", f"Bearer  {tokens[3]}")]).status,
        lambda: gateway.call(shop.path(), headers=[("x-api-key", key)]).status,
        lambda: gateway.call(shop.path(), key).status,
        lambda: gateway.call(shop.path(), tokens[0], source="127.0.0.2").status,
        lambda: gateway.call(shop.path(), tokens[0], host="localhost").status,
        lambda: gateway.call(shop.path(), tokens[0], headers=[("x-forwarded-for", "203.0.113.9"), ("x-request-id", "1")]).status,
        lambda: gateway.call(shop.path(), tokens[0], headers=[("x-ratelimit-limit", "1000"), ("x-envoy-ratelimited", "false")]).status,
    ]
    for each in tries:
        passed += each() == 200
    with talk(gateway.port) as h2:
        passed += sum(h2.call(shop.path(), token).status == 200 for token in tokens)
    with ThreadPoolExecutor(10) as threads:
        passed += sum(threads.map(lambda token: gateway.call(shop.path(), token).status == 200, many))
    assert passed == 3
    assert_refused(gateway.call(shop.path(), carl.token()), 429, "RATE_LIMITED")
