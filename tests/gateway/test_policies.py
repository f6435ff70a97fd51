"""Pam's policies at a real Envoy: from where an API may be called, how large calls may be, what
headers they get and lose, and what happens where the upstream fails.
"""

import gzip
import http.server
import json
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from apis.actions.policies import change_policies
from gateway import desired
from tests import live
from tests.gateway.test_chain import assert_refused
from tests.gateway.test_cors import opened, page, preflight, readable
from tests.gateway.test_refusals import told
from tests.live import DEADLINE, HOST, Gateway, Shop, Upstream

HERE, THERE = "127.0.0.1", "127.0.0.2"


def ruled(shop: Shop, api: str = "orders", **given: Any) -> None:
    """Pam sets these policies, and every gateway has heard of it."""
    event = shop.does(change_policies, shop.apis[api], given=given, by=None)
    assert event is not None
    shop.enforced(event)


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


# From where


def test_only_callers_of_allowed_networks_call(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    shop.add_api("billing")
    carl = shop.client()
    shop.subscribe(carl, shop.plan("billing"))
    token = carl.token()
    gateway.settles(200, "", shop.path(), token)
    ruled(shop, ip_allow=["2001:db8::/32", "127.0.0.2"])
    before = len(upstream.seen)
    assert_refused(gateway.call(shop.path(), token, source=HERE), 403, "IP_DENIED")
    assert len(upstream.seen) == before
    assert gateway.call(shop.path(), token, source=THERE).status == 200
    # Another API of the tenant has no such list.
    assert gateway.settles(200, "", shop.path(api="billing"), token, source=HERE)
    ruled(shop, ip_allow=[])
    assert gateway.call(shop.path(), token, source=HERE).status == 200


def test_what_is_denied_stays_so_within_what_is_allowed(gateway: Gateway, shop: Shop) -> None:
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    ruled(shop, ip_deny=["127.0.0.2/32", "203.0.113.0/24"])
    assert gateway.call(shop.path(), token, source=HERE).status == 200
    assert_refused(gateway.call(shop.path(), token, source=THERE), 403, "IP_DENIED")
    # More exact than the denial, and no way round it.
    ruled(shop, ip_allow=["127.0.0.2/32", "127.0.0.1/32"], ip_deny=["127.0.0.0/30"])
    for source in (HERE, THERE):
        assert_refused(gateway.call(shop.path(), token, source=source), 403, "IP_DENIED")


def test_what_a_caller_says_of_its_address_counts_for_nothing(gateway: Gateway, shop: Shop) -> None:
    token = shop.client().token()
    ruled(shop, ip_deny=[HERE])
    for name in ("x-forwarded-for", "forwarded", "x-real-ip", "x-envoy-external-address", "x-forwarded-host", "true-client-ip"):
        for said in (THERE, "203.0.113.9", "for=203.0.113.9"):
            assert_refused(gateway.call(shop.path(), token, headers=[(name, said)], source=HERE), 403, "IP_DENIED")


def test_who_is_turned_away_by_address_finds_it_among_the_refusals(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client(plan=shop.plan(calls=1, seconds=3600))
    ruled(shop, ip_deny=[HERE])
    # However often, it is not counted against the plan.
    answers = [gateway.call(shop.path("/orders/7"), carl.token(), source=HERE) for _ in range(3)]
    for answer in answers:
        assert_refused(answer, 403, "IP_DENIED")
    assert told(carl, answers[0]).path == shop.path("/orders/7")
    # Without a token the address is nobody's yet.
    assert_refused(gateway.call(shop.path(), source=HERE), 401, "TOKEN_MISSING")


def test_a_page_reads_that_its_address_is_denied(gateway: Gateway, shop: Shop) -> None:
    opened(shop, "https://shop.example")
    ruled(shop, ip_deny=[HERE])
    answer = gateway.call(shop.path(), shop.client().token(), headers=page())
    assert_refused(answer, 403, "IP_DENIED")
    assert readable(answer)
    # What a preflight tells is the same for everybody.
    assert gateway.call(shop.path(), **preflight()).status == 200


def test_a_hundred_networks_in_each_list_are_loaded(gateway: Gateway, shop: Shop) -> None:
    token = shop.client().token()
    ruled(shop, ip_allow=[f"127.{n}.0.0/16" for n in range(100)], ip_deny=[f"2001:db8:{n:x}::/48" for n in range(100)])
    assert gateway.call(shop.path(), token, source=HERE).status == 200
    assert_refused(gateway.call(shop.path(), token, source="127.100.0.1"), 403, "IP_DENIED")


def test_routes_that_are_held_deny_by_todays_lists(shop: Shop) -> None:
    """A gateway that refuses what is new goes on with routes that it took, and lets nobody in whom Pam has locked out since."""
    before = desired.read(shop.pk)
    ruled(shop, ip_deny=[HERE])
    for routes in (None, before.routes_ref):
        versions = desired.read(shop.pk, routes=routes).tenant.routes
        assert versions is not None
        assert [version.policies.ip_deny for version in versions] == [(f"{HERE}/32",)]


# How large

POST: dict[str, Any] = {"method": "POST"}
KIB = 1024


def in_pieces(gateway: Gateway, path: str, token: str, *, method: str = "POST", size: int = 2 * KIB) -> tuple[int, str]:
    """Status and code of the answer to a call whose body is chunked, and says no length."""
    head = f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = gateway.raw(head.encode() + f"{size:x}\r\n".encode() + b"x" * size + b"\r\n0\r\n\r\n")
    return answer.status, answer.code


def by_http2(gateway: Gateway, path: str, token: str, *, method: str = "GET", size: int) -> bytes:
    """The body of the answer to a call over HTTP/2 (RFC 9113) whose own body says no length."""
    fields = {":method": method, ":scheme": "http", ":authority": HOST, ":path": path, "authorization": f"Bearer {token}"}
    # HPACK (RFC 7541 §6.2.2): literals without an index.
    head = b"".join(b"\x00" + _hpack(name) + _hpack(value) for name, value in fields.items())
    answered = b""
    with socket.create_connection((HOST, gateway.port), timeout=DEADLINE) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"") + _frame(1, 4, 1, head))
        with suppress(ConnectionError):
            for _ in range(size // KIB):
                connection.sendall(_frame(0, 0, 1, b"x" * KIB))
            connection.sendall(_frame(0, 1, 1, b""))
        connection.settimeout(2)
        with suppress(TimeoutError, ConnectionError):
            while not _ended(answered) and (more := connection.recv(65_536)):
                answered += more
    return b"".join(content for kind, _flags, content in _frames(answered) if kind == 0)


def _ended(answered: bytes) -> bool:
    return any(kind in {0, 1} and flags & 1 for kind, flags, _content in _frames(answered))


def _frames(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and content of each that is there in whole."""
    while len(raw) >= 9 and len(raw) >= (end := 9 + int.from_bytes(raw[:3], "big")):
        yield raw[3], raw[4], raw[9:end]
        raw = raw[end:]


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def _hpack(value: str) -> bytes:
    """RFC 7541 §5.1 and §5.2: a length of seven bits and more, and the octets as they are."""
    if len(value) < 127:
        return bytes([len(value)]) + value.encode()
    rest, length = len(value) - 127, bytearray([127])
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    return bytes([*length, rest]) + value.encode()


def test_a_call_of_the_limit_passes_and_one_byte_more_does_not(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    shop.add_api("billing")
    carl = shop.client()
    shop.subscribe(carl, shop.plan("billing"))
    token, path = carl.token(), shop.path("/orders")
    ruled(shop, max_body_kib=1)
    assert gateway.call(path, token, body=b"x" * KIB, **POST).json["length"] == KIB
    assert gateway.call(path, token, body=b"", **POST).status == 200
    assert gateway.call(shop.path(), token).status == 200
    before = len(upstream.seen)
    for size in (KIB + 1, 64 * KIB, 1024 * KIB):
        assert_refused(gateway.call(path, token, body=b"x" * size, **POST), 413, "REQUEST_TOO_LARGE")
    # Lengths beyond what fits into 63 bits.
    for length in ("9223372036854775808", "18446744073709551615"):
        head = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        assert gateway.raw(head.encode()).status in {400, 413}
    assert len(upstream.seen) == before
    # Another API has no limit, and this one has none once it is taken away.
    assert gateway.settles(200, "", shop.path("/orders", api="billing"), token, body=b"x" * 64 * KIB, **POST)
    ruled(shop, max_body_kib=0)
    assert gateway.call(path, token, body=b"x" * 64 * KIB, **POST).status == 200


def test_where_sizes_are_limited_a_call_has_to_say_its_own(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    token, path = shop.client().token(), shop.path("/orders")
    gateway.settles(200, "", shop.path(), token)
    assert in_pieces(gateway, path, token) == (200, "")
    ruled(shop, max_body_kib=1)
    before = len(upstream.seen)
    assert in_pieces(gateway, path, token) == (411, "LENGTH_REQUIRED")
    assert in_pieces(gateway, path, token, size=1) == (411, "LENGTH_REQUIRED")
    assert_refused(gateway.call(path, token, **POST), 411, "LENGTH_REQUIRED")
    assert b"LENGTH_REQUIRED" in by_http2(gateway, path, token, method="POST", size=KIB)
    assert len(upstream.seen) == before


def test_a_get_whose_body_says_no_length_gets_no_further_than_the_limit(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    token, path = shop.client().token(), shop.path("/orders/1")
    gateway.settles(200, "", path, token)
    assert b'"length": 8192' in by_http2(gateway, path, token, size=8 * KIB)
    ruled(shop, max_body_kib=1)
    before = len(upstream.seen)
    assert b"BODY_TOO_LARGE" in by_http2(gateway, path, token, size=8 * KIB)
    assert len(upstream.seen) == before
    assert in_pieces(gateway, path, token, method="GET", size=2 * KIB) == (413, "BODY_TOO_LARGE")
    assert len(upstream.seen) == before
    assert in_pieces(gateway, path, token, method="GET", size=KIB) == (200, "")
    assert b'"length": 0' in by_http2(gateway, path, token, size=0)
    assert b'"length": 1024' in by_http2(gateway, path, token, size=KIB)


# Headers


def test_headers_are_set_and_taken_off_both_ways(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    token = shop.client().token()
    sent = [("x-source", "forged"), ("x-debug", "1"), ("cookie", "a=b"), ("user-agent", "curl")]
    upstream.headers = {"x-powered-by": "python", "x-frame-options": "ALLOWALL"}
    try:
        ruled(
            shop,
            set_request_headers={"X-Source": "gateway"},
            remove_request_headers=["Cookie", "X-Debug"],
            set_response_headers={"X-Frame-Options": "DENY"},
            remove_response_headers=["X-Powered-By", "server"],
        )
        answer = gateway.call(shop.path(), token, headers=sent)
    finally:
        upstream.headers = {}
    seen = upstream.seen[-1].headers
    assert (seen["x-source"], seen["user-agent"]) == ("gateway", "curl")
    assert not {"cookie", "x-debug", "authorization"} & set(seen)
    assert seen["x-portico-tenant"] == shop.slug
    assert answer.status == 200
    assert answer.headers["x-frame-options"] == "DENY"
    assert not {"x-powered-by", "server"} & set(answer.headers)
    refused = gateway.call(shop.path())
    assert_refused(refused, 401, "TOKEN_MISSING")
    assert refused.headers["x-frame-options"] == "DENY"


def test_a_value_is_passed_on_as_it_was_typed(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    """Envoy's commands could tell a caller, or an upstream, what neither may know."""
    typed = "100% %REQ(x-request-id)% %%START_TIME%% %DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims)% %ENVIRONMENT(HOME)% %"
    token = shop.client().token()
    ruled(shop, set_request_headers={"x-typed": typed}, set_response_headers={"x-typed": typed})
    answer = gateway.call(shop.path(), token)
    assert answer.status == 200
    assert answer.headers["x-typed"] == typed
    assert upstream.seen[-1].headers["x-typed"] == typed


# Where the upstream fails


class Failing(Upstream):
    """Answers the first `failures` calls 503, each after `seconds`; then as ever."""

    failures, seconds = 0, 0.0

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if self.failures <= 0:
            super().answer(handler)
            return
        self.failures -= 1
        self.seen.append(live.Seen(handler.command, handler.path, {}, 0))
        handler.rfile.read(int(handler.headers.get("content-length", 0)))
        time.sleep(self.seconds)
        handler.send_response(503)
        handler.send_header("content-length", "0")
        handler.end_headers()


@pytest.fixture
def failing() -> Iterator[Failing]:
    made = Failing()
    yield made
    made.stop()


def test_a_call_that_failed_is_tried_again_if_it_may_be(gateway: Gateway, failing: Failing) -> None:
    shop = live.shop(failing)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    failing.failures = 1
    assert gateway.call(shop.path(), token).status == 503
    ruled(shop, retries=2)
    failing.seen.clear()
    failing.failures = 2
    assert gateway.call(shop.path(), token).status == 200
    assert len(failing.seen) == 3
    # Not more often than Pam says.
    failing.failures = 3
    assert gateway.call(shop.path(), token).status == 503
    assert (len(failing.seen), failing.failures) == (6, 0)
    # And an order is not placed twice.
    failing.seen.clear()
    failing.failures = 1
    assert gateway.call(shop.path("/orders"), token, body=b"{}", **POST).status == 503
    assert [each.method for each in failing.seen] == ["POST"]


def test_an_upstream_in_trouble_is_not_called_even_more(gateway: Gateway, failing: Failing) -> None:
    shop = live.shop(failing)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)

    def tries(percent: int) -> int:
        """How often the upstream is called for twenty calls at once, all of which fail."""
        ruled(shop, retries=3, retry_percent=percent)
        failing.seen.clear()
        failing.failures, failing.seconds = 1_000, 0.5
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(lambda _: gateway.call(shop.path(), token), range(20)))
        failing.failures = 0
        return len(failing.seen)

    few, many = tries(1), tries(100)
    # Three of the twenty are repeated whatever the share, three times each.
    assert few < 34 < many


def test_an_answer_that_streams_may_take_longer_than_the_timeout(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, timeout_ms=300)
    token, slow = shop.client().token(), shop.path("/slow?ms=1600")
    gateway.settles(504, "UPSTREAM_TIMEOUT", slow, token)
    ruled(shop, streaming=True)
    assert gateway.call(slow, token).status == 200
    ruled(shop, streaming=False)
    assert_refused(gateway.call(slow, token), 504, "UPSTREAM_TIMEOUT")


# Answers

LARGE = ("x-large", "a" * 2_000)


def test_answers_are_compressed_for_callers_that_take_it(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    token = shop.client().token()

    def called(accepts: str, *more: tuple[str, str]) -> live.Answer:
        answer = gateway.call(shop.path(), token, headers=[("accept-encoding", accepts), *more])
        assert answer.status == 200, str(answer)
        return answer

    assert "content-encoding" not in gateway.settles(200, "", shop.path(), token, headers=[("accept-encoding", "gzip"), LARGE]).headers
    ruled(shop, compress=True)
    for accepts, encoding in (("gzip", "gzip"), ("br", "br"), ("gzip, br", "br"), ("gzip, br;q=0.5", "gzip")):
        answer = called(accepts, LARGE)
        assert (answer.headers["content-encoding"], "Accept-Encoding" in answer.headers["vary"]) == (encoding, True)
        assert len(answer.body) < 1_000
    assert json.loads(gzip.decompress(called("gzip", LARGE).body))["headers"]["x-large"] == LARGE[1]
    # A short answer is sent as it is, and so is one for who takes nothing else.
    for answer in (called("gzip"), called("identity", LARGE), called("", LARGE)):
        assert "content-encoding" not in answer.headers
        assert answer.json["path"] == "/orders/1"
    upstream.headers = {"content-encoding": "zstd"}
    try:
        assert called("gzip", LARGE).headers["content-encoding"] == "zstd"
        upstream.headers = {"content-type": "text/event-stream"}
        assert "content-encoding" not in called("gzip", LARGE).headers
        # A part is one of the bytes that the upstream has.
        upstream.headers, upstream.status = {}, 206
        part = gateway.call(shop.path(), token, headers=[("accept-encoding", "gzip"), LARGE])
        assert (part.status, part.headers.get("content-encoding")) == (206, None)
    finally:
        upstream.headers, upstream.status = {}, 200
