"""Whatever the gateway answers by itself has a code and a document, is told to the application, and can't be forged by an upstream."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from apis.models import Upstream as UpstreamRow
from gateway import desired
from gateway.envoy import listener
from gateway.envoy.refusals import REFUSALS, mappers
from gateway.models import Refusal
from keys.models import CredentialUse
from tenants.models import Event
from tests import live, make
from tests.attack.test_first_call import signed, static_gateway
from tests.gateway.test_chain import assert_refused
from tests.live import HOST, Answer, Client, Gateway, Upstream


def told(client: Client, answer: Answer) -> Refusal:
    """The row of the application's last refusals that this answer left."""

    def found() -> Refusal | None:
        with client.shop.scope():
            return Refusal.objects.filter(application=client.application, request_id=answer.headers["x-request-id"]).first()

    row = live.eventually(found)
    assert row is not None
    assert (row.code, row.status) == (answer.code, answer.status)
    return row


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        yield f"http://{HOST}:{bound.getsockname()[1]}"


def document(*operation_ids: str) -> dict[str, Any]:
    answers = {"responses": {"200": {"description": "Yes"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Names", "version": "1"},
        "paths": {f"/{name}": {"get": {"operationId": name, **answers}} for name in operation_ids},
    }


# What happened behind the router reaches the application, too


def test_an_upstream_that_is_down_stands_in_the_last_refusals(gateway: Gateway, upstream: Upstream, nobody: str) -> None:
    shop = live.shop(upstream)
    shop.add_api("down", url=f"{nobody}/base")
    carl = shop.client(api="down")
    answer = gateway.settles(503, "UPSTREAM_UNAVAILABLE", shop.path("/orders/7?key=secret", api="down"), carl.token())
    row = told(carl, answer)
    assert (row.path, row.method) == (shop.path("/orders/7", api="down"), "GET")


def test_an_upstream_that_is_slow_stands_in_the_last_refusals(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("slow", timeout_ms=300)
    carl = shop.client(api="slow")
    answer = gateway.settles(504, "UPSTREAM_TIMEOUT", shop.path("/slow?ms=1500", api="slow"), carl.token())
    assert told(carl, answer).path == shop.path("/slow", api="slow")


def test_what_the_chain_refuses_stands_there_with_the_path_as_it_was_called(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client("suspended")
    answer = gateway.settles(403, "SUBSCRIPTION_SUSPENDED", shop.path("/orders/7?key=secret"), carl.token())
    assert told(carl, answer).path == shop.path("/orders/7")


# What passed and what was refused counts alike


def test_the_calls_of_each_credential_are_counted_whether_they_passed_or_not(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("foreign")
    carl = shop.client()
    with shop.scope():
        key, text = make.api_key(carl.application)
    shop.enforced_newest()
    token = carl.token()
    gateway.settles(200, "", shop.path(), token)
    calls = [gateway.call(path, token) for path in (shop.path(), shop.path(api="foreign")) for _ in range(2)]
    assert [each.status for each in calls] == [200, 200, 403, 403]
    assert gateway.call(shop.path(), text).status == 200

    def counted() -> dict[UUID, int]:
        with shop.scope():
            found = dict(CredentialUse.objects.values_list("credential_id", "calls"))
        assert found.get(key.pk) == 1
        assert found[carl.credential.pk] >= 5
        return found

    live.eventually(counted)
    live.stays(counted)
    with shop.scope():
        assert Event.objects.filter(kind="credential.first_used", subject_id__in=[key.pk, carl.credential.pk]).count() == 2


# Names


@pytest.mark.parametrize("name", ["closed", "no_route", "wrong_method", "canary", "other_host", "op/closed"])
def test_no_operation_bears_a_name_that_refusals_go_by(gateway: Gateway, upstream: Upstream, nobody: str, name: str) -> None:
    shop = live.shop(upstream)
    shop.add_api("named", url=nobody, content=document(name))
    answer = gateway.settles(503, "UPSTREAM_UNAVAILABLE", shop.path(f"/{name}", api="named"), shop.client(api="named").token())
    assert_refused(answer, 503, "UPSTREAM_UNAVAILABLE")


# An upstream that speaks as if it were the gateway


@contextmanager
def forger() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            for name in ("refusal", "tenant", "application", "subscription", "plan", "claims"):
                self.send_header(f"X-Portico-{name}", "FORGED")
            self.send_header("x-of-mine", "stays")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_upstream_can_not_refuse_in_the_gateways_name(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    with forger() as url:
        shop.add_api("forged", url=url)
        carl = shop.client(api="forged")
        answer = gateway.settles(403, "", shop.path(api="forged"), carl.token())
    assert answer.headers["x-of-mine"] == "stays"
    assert not [name for name in answer.headers if name.startswith("x-portico-")]
    # One that was refused in truth comes later, so by then the other would stand there.
    other = gateway.call(shop.path(), carl.token())
    told(carl, other)
    with shop.scope():
        assert list(Refusal.objects.filter(application=carl.application).values_list("code", flat=True)) == ["SUBSCRIPTION_REQUIRED"]


# Every answer of the gateway's own


def test_another_host(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    before = len(upstream.seen)
    for path in (shop.path(), f"/{shop.slug}/.portico/canary", f"/{shop.slug}"):
        for host in ("evil.example", f"evil.example:{gateway.port}", "*"):
            assert_refused(gateway.call(path, token, host=host), 421, "HOST_UNKNOWN")
    assert len(upstream.seen) == before


def test_websockets(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    before = len(upstream.seen)
    upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "AAAA")]
    for bearer in (token, ""):
        assert_refused(gateway.call(shop.path(), bearer, headers=upgrade), 501, "UPGRADE_NOT_SUPPORTED")
    assert len(upstream.seen) == before


def test_large_and_many_headers(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    for headers in ([("x-large", "x" * 20_000)], [(f"x-{number}", "1") for number in range(120)]):
        answer = gateway.call(shop.path(), headers=headers)
        assert (answer.status, answer.code, answer.json["code"]) == (431, "HEADERS_TOO_LARGE", "HEADERS_TOO_LARGE")


def test_headers_that_never_end(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    answer = gateway.raw(f"GET {shop.path()} HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ".encode())
    assert (answer.status, answer.code, answer.json["code"]) == (408, "REQUEST_TIMEOUT", "REQUEST_TIMEOUT")


def test_a_body_that_stops_is_not_blamed_on_the_upstream(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("short", timeout_ms=300)
    carl = shop.client(api="short")
    token = carl.token()
    gateway.settles(200, "", shop.path(api="short"), token)
    answer = gateway.trickle(shop.path("/orders", api="short"), token, [b"x"] * 2, pause=4)
    assert_refused(answer, 408, "REQUEST_TIMEOUT")
    assert told(carl, answer).path == shop.path("/orders", api="short")


def test_what_no_rule_fits_has_a_code_all_the_same(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "mappers", lambda url: mappers(url, REFUSALS[-1:]))
    with static_gateway(upstream, tmp_path, gated=True) as port:
        answer = live.call(port, "/acme/orders/v1/orders/1")
        assert (answer.status, answer.code, answer.json["code"]) == (500, "GATEWAY_ERROR", "GATEWAY_ERROR")
        assert answer.json["request_id"] == answer.headers["x-request-id"]
        # What the upstream answers is its own.
        assert live.call(port, "/acme/orders/v1/orders/1", signed()).status == 200


# Where calls may go


def test_an_address_that_is_no_longer_allowed_is_left_out(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    before = len(upstream.seen)
    with shop.scope():
        UpstreamRow.objects.update(addresses=["10.0.0.1"])
    shop.client()
    shop.enforced_newest()
    assert_refused(gateway.call(shop.path(), token), 503, "UPSTREAM_UNAVAILABLE")
    assert len(upstream.seen) == before
    with shop.scope():
        UpstreamRow.objects.update(addresses=["10.0.0.1", HOST, "169.254.169.254"])
    found = desired.read(shop.pk)
    assert found.tenant.routes is not None
    assert found.tenant.routes[0].upstream is not None
    assert found.tenant.routes[0].upstream.addresses == (HOST,)


# How many may come at once


@contextmanager
def restarted(gateway: Gateway, **environment: str) -> Iterator[None]:
    """The gateway begun anew with other settings, and as it was afterwards."""
    gateway.end("envoy")
    gateway.environment.update(environment)
    try:
        gateway.start_envoy()
        yield
    finally:
        for name in environment:
            del gateway.environment[name]
        with suppress(KeyError):
            gateway.end("envoy")


def test_connections_are_bounded(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()
    with restarted(gateway, PORTICO_GATEWAY_CONNECTIONS="8"):
        gateway.settles(200, "", shop.path(), token)
        held: list[socket.socket] = []
        try:
            held.extend(socket.create_connection((HOST, gateway.port), timeout=5) for _ in range(30))
            time.sleep(0.5)
            assert sum(is_open(each) for each in held) <= 8
        finally:
            for each in held:
                each.close()
        live.eventually(lambda: passes_again(gateway, shop.path(), token))


def passes_again(gateway: Gateway, path: str, token: str) -> bool:
    """Until the gateway has noticed that the others left, it closes what comes."""
    with suppress(ConnectionError):
        return gateway.call(path, token).status == 200
    return False


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.02)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_memory_is_bounded(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    with restarted(gateway, PORTICO_GATEWAY_HEAP_MB="1"):
        answer = gateway.settles(503, "OVERLOADED", shop.path(), shop.client().token())
        assert answer.headers["content-type"] == "application/problem+json"
