"""Trying APIs from Portico's own pages at a real Envoy: their origin may call all of them, with a token for one API alone."""

from typing import Any

import pytest
from django.conf import settings

from apis.actions import subscriptions
from apis.actions.trying import issue_to_try
from apis.models import Operation
from apis.origins import of_address
from tests import live, make
from tests.gateway.test_chain import assert_refused
from tests.gateway.test_cors import FOREIGN, SHOP, opened, page, preflight, readable, told
from tests.live import Client, Gateway, Shop, Upstream

PORTAL = of_address(settings.PORTAL_URL)


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    """Two APIs that name no origin."""
    made = live.shop(upstream)
    made.add_api("billing")
    gateway.call(made.path())
    return made


def token(shop: Shop, carl: Client, operation: str = "listOrders", *, api: str = "orders") -> str:
    """What the page gets to call this operation once."""
    shop.enforced_newest()
    with shop.scope():
        found = Operation.objects.get(revision__live_in__api=shop.apis[api], operation_id=operation)
        assert carl.subscription is not None
        return issue_to_try(found, subscription=carl.subscription, by=carl.application.owner).token


def test_the_portals_pages_call_with_a_token_for_one_api(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    carl = shop.client()
    shop.subscribe(carl, shop.plan("billing"))
    sent = token(shop, carl)
    before = len(upstream.seen)
    asked = gateway.call(shop.path(), **preflight(PORTAL, "POST"))
    assert (asked.status, asked.headers["access-control-allow-origin"], len(upstream.seen)) == (200, PORTAL, before)
    # The header that bears the token has to be named; any other may be what a document asks for.
    allowed = asked.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type", "*"} <= set(allowed)
    assert "access-control-allow-credentials" not in asked.headers
    answer = gateway.call(shop.path(), sent, headers=page(PORTAL))
    assert (answer.status, readable(answer, PORTAL)) == (200, True)
    assert upstream.seen[-1].headers["x-portico-application"] == carl.client_id
    assert "authorization" not in upstream.seen[-1].headers
    elsewhere = gateway.call(shop.path(api="billing"), sent, headers=page(PORTAL))
    assert_refused(elsewhere, 401, "TOKEN_WRONG_AUDIENCE")
    assert readable(elsewhere, PORTAL)


def test_who_loses_the_subscription_loses_the_call_with_it(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client()
    sent = token(shop, carl)
    assert gateway.call(shop.path(), sent, headers=page(PORTAL)).status == 200
    assert carl.subscription is not None
    shop.enforced(shop.does(subscriptions.suspend, carl.subscription, reason="A test.", by=shop.person("approver")))
    refused = gateway.call(shop.path(), sent, headers=page(PORTAL))
    assert_refused(refused, 403, "SUBSCRIPTION_SUSPENDED")
    assert readable(refused, PORTAL)


def test_it_reaches_what_needs_the_scopes_of_its_one_operation(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    shop.add_api("orders", content=make.SCOPED)
    carl = shop.client()
    sent = token(shop, carl, "createOrder")
    calls: dict[str, Any] = {"method": "POST", "headers": page(PORTAL)}
    assert gateway.call(shop.path("/orders"), sent, **calls).status == 200
    with shop.scope():
        without = next(each.operation_id for each in Operation.objects.exclude(operation_id="createOrder"))
    assert_refused(gateway.call(shop.path("/orders"), token(shop, carl, without), **calls), 403, "SCOPE_MISSING")


def test_nobody_elses_pages_do(gateway: Gateway, shop: Shop) -> None:
    sent = token(shop, shop.client())
    assert_refused(gateway.call(shop.path(), **preflight(FOREIGN)), 405, "METHOD_NOT_ALLOWED")
    assert told(gateway.call(shop.path(), sent, headers=page(FOREIGN))) == {}
    # A page of the portal without a token gets the refusal, and no further.
    refused = gateway.call(shop.path(), headers=page(PORTAL))
    assert_refused(refused, 401, "TOKEN_MISSING")
    assert readable(refused, PORTAL)
    wrong = gateway.call(shop.path(), sent, method="DELETE", headers=page(PORTAL))
    assert_refused(wrong, 405, "METHOD_NOT_ALLOWED")
    assert (wrong.headers["allow"], readable(wrong, PORTAL)) == ("GET", True)


def test_an_api_that_names_origins_is_tried_as_well(gateway: Gateway, shop: Shop) -> None:
    opened(shop, SHOP)
    sent = token(shop, shop.client())
    for origin in (PORTAL, SHOP):
        asked = gateway.call(shop.path(), **preflight(origin))
        assert (asked.status, asked.headers["access-control-allow-origin"]) == (200, origin)
        assert "*" not in asked.headers["access-control-allow-headers"]
        answer = gateway.call(shop.path(), sent, headers=page(origin))
        assert (answer.status, readable(answer, origin)) == (200, True)
    assert told(gateway.call(shop.path(), sent, headers=page(FOREIGN))) == {}


def test_a_mock_is_tried_as_well(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    shop.add_api("orders", mock=True)
    sent = token(shop, shop.client(), "getOrder")
    assert told(gateway.call(shop.path(), **preflight(PORTAL)))["access-control-allow-origin"] == PORTAL
    answer = gateway.call(shop.path(), sent, headers=page(PORTAL))
    assert (answer.status, answer.headers["x-portico-mock"], readable(answer, PORTAL)) == (200, "true", True)
    assert told(gateway.call(shop.path(), sent, headers=page(FOREIGN))) == {}
