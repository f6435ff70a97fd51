"""A plan that includes some scopes only, at a real Envoy: whatever the token has, and by API key, too."""

from typing import Any

import pytest

from apis.actions import plans
from apis.models import Plan
from gateway.envoy import credentials
from keys import tokens
from tests import live, make
from tests.gateway.test_chain import assert_refused
from tests.live import Gateway, Shop, Upstream

EITHER = {"/orders": {"get": {"security": [{"portico": ["a", "b"]}, {"portico": ["orders:read"]}]}}}
BEYOND = (403, "SCOPE_NOT_IN_PLAN")


def either() -> dict[str, Any]:
    """A document whose one operation asks for two scopes, or for a third."""
    schemes = {"portico": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://id.example", "scopes": {}}}}}
    responses = {"responses": {"200": {"description": "Fine."}}, "operationId": "listOrders"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1"},
        "components": {"securitySchemes": schemes},
        "paths": {"/orders": {"get": {**EITHER["/orders"]["get"], **responses}}},
    }


@pytest.fixture
def shop(upstream: Upstream) -> Shop:
    found = live.shop(upstream, api=False)
    found.add_api("orders", content=make.SCOPED)
    return found


def changed(shop: Shop, plan: Plan, scopes: list[str]) -> None:
    event = shop.does(plans.change_terms, plan, scopes=scopes, by=shop.person("publisher"))
    assert event is not None
    shop.enforced(event)


def test_what_a_plan_does_not_include_is_refused_by_token_and_by_key(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    reading = shop.plan(name="reading", scopes=["orders:read"])
    carl, dora = shop.client(plan=reading), shop.client()
    with shop.scope():
        _, key = make.api_key(carl.application)
    key_of_all = shop.key

    def token(who: live.Client) -> str:
        return tokens.sign(who.claims(scope="orders:read orders:write"), key_of_all)

    path = shop.path("/orders")
    gateway.settles(200, "", path, token(carl))
    assert gateway.call(path, key).status == 200
    before = len(upstream.seen)
    for text in (token(carl), key):
        assert_refused(gateway.call(path, text, method="POST"), *BEYOND)
    assert len(upstream.seen) == before, "what is refused never reaches the upstream"
    assert gateway.call(path, token(dora), method="POST").status == 200, "another plan includes all"
    # What a plan includes holds at once, for the tokens that there are.
    changed(shop, reading, [])
    assert gateway.call(path, token(carl), method="POST").status == 200
    changed(shop, reading, ["orders:write"])
    assert_refused(gateway.call(path, token(carl)), *BEYOND)
    assert gateway.call(path, key, method="POST").status == 200


def test_one_of_the_alternatives_is_enough(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    shop.add_api("orders", content=either())
    path = shop.path("/orders")
    answers = {}
    for scopes in (["a"], ["a", "b"], ["orders:read"]):
        carl = shop.client(plan=shop.plan(name="-".join(scopes).replace(":", "-"), scopes=scopes))
        with shop.scope():
            _, key = make.api_key(carl.application)
        gateway.settles(*(BEYOND if scopes == ["a"] else (200, "")), path, key)
        answers[tuple(scopes)] = gateway.call(path, key).code
    assert answers == {("a",): "SCOPE_NOT_IN_PLAN", ("a", "b"): "", ("orders:read",): ""}


def test_within() -> None:
    assert credentials.is_within("a b\nc", ["c"])
    assert credentials.is_within("a b\nc", ["b", "a", "x"])
    assert not credentials.is_within("a b\nc", ["a"])
    assert not credentials.is_within("a b\nc", [])
