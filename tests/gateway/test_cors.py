"""Pages of other origins at a real Envoy: preflights are answered by the gateway, refusals can be read, and nobody gets further by it."""

import http.server
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from apis.actions import publishing, subscriptions
from gateway import desired
from tests import live, make
from tests.gateway.test_chain import assert_refused
from tests.live import Answer, Gateway, Shop, Upstream

SHOP, ADMIN, FOREIGN = "https://shop.example", "http://localhost:5173", "https://evil.example"
ALLOWS = {
    "access-control-allow-headers": "accept, authorization, content-type, idempotency-key, x-api-key, x-request-id",
    "access-control-max-age": "600",
}
EXPOSED = (
    "deprecation, link, ratelimit, ratelimit-policy, retry-after, sunset, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, "
    "x-portico-mock, x-portico-refusal, x-request-id"
)
Headers = Sequence[tuple[str, str]]


def page(origin: str = SHOP) -> Headers:
    """What a browser adds to a call of a page of this origin."""
    return [("origin", origin)]


def preflight(origin: str = SHOP, method: str = "GET") -> dict[str, Any]:
    asks = [("access-control-request-method", method), ("access-control-request-headers", "authorization,x-anything")]
    return {"method": "OPTIONS", "headers": [*page(origin), *asks]}


def told(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def readable(answer: Answer, origin: str = SHOP) -> bool:
    """A page of this origin may read the answer, its code included."""
    assert told(answer) in ({}, {"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED}), told(answer)
    return bool(told(answer))


def opened(shop: Shop, *origins: str, api: str = "orders") -> None:
    """Pam lets pages of these origins call the API, and every gateway has heard of it."""
    event = shop.does(publishing.change_api, shop.apis[api], name=None, description=None, cors_origins=origins, by=None)
    assert event is not None
    assert "Nothing changes" not in shop.enforced(event).sentence


def token_of(shop: Shop, *, api: str = "orders") -> str:
    """A token of an application that may call the API by now."""
    token = shop.client(api=api).token()
    shop.enforced_newest()
    return token


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    """Pages of two origins may call the orders; nobody's may call the bills."""
    made = live.shop(upstream)
    made.add_api("billing")
    gateway.call(made.path())
    opened(made, SHOP, ADMIN)
    return made


# Preflights


@pytest.mark.parametrize("origin", [SHOP, ADMIN])
def test_a_preflight_is_answered_by_the_gateway_without_a_token(gateway: Gateway, upstream: Upstream, shop: Shop, origin: str) -> None:
    before = len(upstream.seen)
    # Whatever the path, and whether the method is one of its own: the page is to read the refusal of the call itself.
    for path in ("/orders", "/orders/1", "/orders/1?full=1", "/none/at/all", "/"):
        answer = gateway.call(shop.path(path), **preflight(origin, "POST"))
        assert (answer.status, answer.code, answer.body) == (200, "", b"")
        wanted = {**ALLOWS, "access-control-allow-origin": origin, "access-control-allow-methods": "GET, POST"}
        assert {name: value for name, value in told(answer).items() if name != "access-control-expose-headers"} == wanted
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    "origin",
    [FOREIGN, "null", "http://shop.example", "https://shop.example:444", "https://shop.example.evil.example", "https://SHOP.example",
     "https://evil.example,https://shop.example", "*", ""],
)  # fmt: skip
def test_a_preflight_of_another_origin_is_refused_as_ever(gateway: Gateway, upstream: Upstream, shop: Shop, origin: str) -> None:
    before, token = len(upstream.seen), token_of(shop)
    for sent in ("", token):
        answer = gateway.call(shop.path(), sent, **preflight(origin))
        assert_refused(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == "GET"
        assert told(answer) == {}
        answer = gateway.call(shop.path("/none"), sent, **preflight(origin))
        assert_refused(answer, 404, "NO_SUCH_ROUTE")
        assert told(answer) == {}
    assert len(upstream.seen) == before


def test_an_api_that_shares_nothing_refuses_every_preflight(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    before = len(upstream.seen)
    for origin in (SHOP, FOREIGN):
        answer = gateway.call(shop.path(api="billing"), **preflight(origin))
        assert_refused(answer, 405, "METHOD_NOT_ALLOWED")
        assert told(answer) == {}
        assert "vary" not in answer.headers
    for path in (f"/{shop.slug}", f"/{shop.slug}/orders/v1", f"/{shop.slug}/orders/v2/orders", f"/{shop.slug}/.portico/canary"):
        answer = gateway.call(path, **preflight())
        assert answer.code in {"NO_SUCH_ROUTE", "TOKEN_MISSING"}, str(answer)
        assert told(answer) == {}
    assert_refused(gateway.call("/nobody/orders/v1/orders", **preflight()), 503, "NOT_READY")
    assert_refused(gateway.call(shop.path(), host="evil.example", **preflight()), 421, "HOST_UNKNOWN")
    assert len(upstream.seen) == before


def test_what_is_no_preflight_is_a_call_like_others(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    asks = [("access-control-request-method", "GET")]
    for headers in ([], page(), asks, [*page(), ("access-control-request-method", "")], [*page(), ("access-control-request-headers", "a")]):
        assert_refused(gateway.call(shop.path(), method="OPTIONS", headers=headers), 405, "METHOD_NOT_ALLOWED")
    # A GET that pretends to ask is no preflight either.
    assert_refused(gateway.call(shop.path(), headers=[*page(), *asks]), 401, "TOKEN_MISSING")


def test_a_document_may_have_an_options_operation_of_its_own(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    answers = {"responses": {"200": {"description": "Yes"}}}
    paths = {"/things": {method: {"operationId": f"{method}Things", **answers} for method in ("get", "options")}}
    shop.add_api("things", content={**make.DOCUMENT, "paths": paths})
    path, token = shop.path("/things", api="things"), token_of(shop, api="things")
    assert_refused(gateway.call(path, **preflight()), 401, "TOKEN_MISSING")
    opened(shop, SHOP, api="things")
    before = len(upstream.seen)
    for sent in ("", token):
        answer = gateway.call(path, sent, **preflight())
        assert (answer.status, told(answer)["access-control-allow-methods"]) == (200, "GET, OPTIONS")
    assert_refused(gateway.call(path, method="OPTIONS", headers=page()), 401, "TOKEN_MISSING")
    assert_refused(gateway.call(path, method="OPTIONS"), 401, "TOKEN_MISSING")
    assert_refused(gateway.call(path, **preflight(FOREIGN)), 401, "TOKEN_MISSING")
    assert len(upstream.seen) == before
    answer = gateway.call(path, token, method="OPTIONS", headers=page())
    assert (answer.status, answer.json["method"], readable(answer)) == (200, "OPTIONS", True)


# Calls


def test_a_page_reads_the_answer_and_every_refusal(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    carl, ada = shop.client(plan=shop.plan(calls=2, seconds=60)), shop.person("approver")
    token = carl.token()
    shop.enforced_newest()

    def called(path: str = "/orders/1", sent: str = token, **more: Any) -> Answer:
        answers = {origin: gateway.call(shop.path(path), sent, headers=page(origin), **more) for origin in (FOREIGN, SHOP)}
        assert not readable(answers[FOREIGN], FOREIGN)
        assert readable(answers[SHOP])
        assert answers[FOREIGN].status == answers[SHOP].status
        assert answers[SHOP].headers["vary"] == answers[FOREIGN].headers["vary"] == "Origin"
        return answers[SHOP]

    assert called().status == 200
    assert_refused(called(), 429, "RATE_LIMITED")
    assert_refused(called(sent=""), 401, "TOKEN_MISSING")
    assert_refused(called(sent="garbage"), 401, "TOKEN_INVALID")
    assert_refused(called(sent=shop.client("").token()), 403, "SUBSCRIPTION_REQUIRED")
    assert_refused(called("/none"), 404, "NO_SUCH_ROUTE")
    assert_refused(called("/none", sent=""), 404, "NO_SUCH_ROUTE")
    wrong = called(method="DELETE")
    assert_refused(wrong, 405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["allow"] == "GET"
    shop.enforced(shop.does(subscriptions.suspend, carl.subscription, reason="A test.", by=ada))
    assert_refused(called(), 403, "SUBSCRIPTION_SUSPENDED")


def test_who_is_no_page_notices_nothing(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    answer = gateway.call(shop.path(), token_of(shop))
    assert (answer.status, told(answer)) == (200, {})
    assert told(gateway.call(shop.path())) == {}


def test_a_page_of_an_upstream_that_is_down(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("down", url="http://127.0.0.1:1")
    opened(shop, SHOP, api="down")
    token = token_of(shop, api="down")
    answer = gateway.settles(503, "UPSTREAM_UNAVAILABLE", shop.path(api="down"), token, headers=page())
    assert readable(answer)


def test_every_origin(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    opened(shop, "*")
    token = token_of(shop)
    for origin in (SHOP, FOREIGN, "null"):
        assert told(gateway.call(shop.path(), **preflight(origin)))["access-control-allow-origin"] == origin
        answer = gateway.call(shop.path(), token, headers=page(origin))
        assert (answer.status, readable(answer, origin)) == (200, True)
    assert gateway.call(shop.path(), **preflight("")).code == "METHOD_NOT_ALLOWED"


def test_an_origin_that_is_taken_away(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    token = token_of(shop)
    opened(shop, ADMIN)
    assert not readable(gateway.call(shop.path(), token, headers=page(SHOP)), SHOP)
    assert readable(gateway.call(shop.path(), token, headers=page(ADMIN)), ADMIN)
    opened(shop)
    assert_refused(gateway.call(shop.path(), **preflight(ADMIN)), 405, "METHOD_NOT_ALLOWED")
    answer = gateway.call(shop.path(), token, headers=page(ADMIN))
    assert (answer.status, told(answer)) == (200, {})


def test_a_new_revision_has_its_own_methods(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    with shop.scope():
        version = shop.apis["orders"].versions.get()
    paths = {"/orders": {"put": {"operationId": "putOrders", "responses": {"200": {"description": "Yes"}}}}}
    shop.enforced(shop.make_live(shop.add_revision(version, content={**make.DOCUMENT, "paths": paths})))
    assert told(gateway.call(shop.path("/orders"), **preflight()))["access-control-allow-methods"] == "PUT"


def test_routes_that_are_held_keep_the_origins_of_their_time(shop: Shop) -> None:
    """A gateway that refuses what is new goes on with what it took; its receipt says so, and must not be wrong."""
    before = desired.read(shop.pk)
    opened(shop, "*")
    for routes, origins in ((None, ("*",)), (before.routes_ref, (ADMIN, SHOP))):
        versions = desired.read(shop.pk, routes=routes).tenant.routes
        assert versions is not None
        assert {version.api: version.cors for version in versions} == {"billing": (), "orders": origins}


# Nobody gets further by it


class Generous(Upstream):
    """Says that every page may do everything."""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        content = json.dumps({"path": handler.path}).encode()
        handler.send_response(200)
        for name, value in GENEROUS.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


GENEROUS = {
    "access-control-allow-origin": FOREIGN,
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "*",
    "access-control-allow-headers": "*",
    "access-control-allow-private-network": "true",
    "access-control-expose-headers": "*",
    "access-control-max-age": "86400",
}


@pytest.fixture
def generous() -> Iterator[Upstream]:
    made = Generous()
    yield made
    made.stop()


def test_an_upstream_cannot_widen_it(gateway: Gateway, generous: Upstream) -> None:
    shop = live.shop(generous)
    token = token_of(shop)
    # Without origins of its own an API is left to its upstream, as before.
    answer = gateway.call(shop.path(), token, headers=page(FOREIGN))
    assert (answer.status, told(answer)) == (200, GENEROUS)
    opened(shop, SHOP)
    answer = gateway.call(shop.path(), token, headers=page(FOREIGN))
    assert (answer.status, told(answer)) == (200, {})
    answer = gateway.call(shop.path(), token)
    assert (answer.status, told(answer)) == (200, {})
    answer = gateway.call(shop.path(), token, headers=page(SHOP))
    assert (answer.status, readable(answer)) == (200, True)


def test_the_preflight_that_loads_a_tenant(fresh_gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    with shop.scope():
        publishing.change_api(shop.apis["orders"], name=None, description=None, cors_origins=[SHOP], by=None)
    before = len(upstream.seen)
    first = fresh_gateway.call(shop.path(), **preflight())
    assert first.status == 200 or first.code == "NOT_READY", str(first)
    assert fresh_gateway.call(shop.path(), **preflight()).status == 200
    assert_refused(fresh_gateway.call(shop.path(), headers=page()), 401, "TOKEN_MISSING")
    assert len(upstream.seen) == before
