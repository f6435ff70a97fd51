"""What becomes of a plan, as its callers feel it at a real Envoy, with a token that goes on living."""

import pytest

from apis.actions import plans
from apis.models import Plan
from tests import live
from tests.live import Client, Gateway, Shop, Upstream


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def gold(shop: Shop) -> Plan:
    return shop.plan(name="gold", calls=100_000, seconds=600)


@pytest.fixture
def carl(gateway: Gateway, shop: Shop, gold: Plan) -> Client:
    """Subscribed under gold, and he is answered."""
    client = shop.client(plan=gold)
    gateway.settles(200, "", shop.path(), client.token())
    return client


def test_a_tighter_limit_holds_for_who_has_the_plan(gateway: Gateway, shop: Shop, gold: Plan, carl: Client) -> None:
    token = carl.token()
    event = shop.does(plans.change_terms, gold, calls=2, by=shop.person("publisher"))
    assert event is not None
    receipt = shop.enforced(event)
    assert receipt.concerns_gateways
    answers = [gateway.call(shop.path(), token) for _ in range(4)]
    assert [(each.status, each.code) for each in answers] == [(200, "")] * 2 + [(429, "RATE_LIMITED")] * 2
    again = shop.does(plans.change_terms, gold, calls=100_000, by=shop.person("publisher"))
    assert again is not None
    shop.enforced(again)
    assert [gateway.call(shop.path(), token).status for _ in range(4)] == [200] * 4


def test_a_deprecated_plan_answers_and_a_closed_one_refuses(
    gateway: Gateway, shop: Shop, gold: Plan, carl: Client, upstream: Upstream
) -> None:
    token, dora = carl.token(), shop.client(plan=shop.plan(name="silver"))
    gateway.settles(200, "", shop.path(), dora.token())
    shop.does(plans.deprecate, gold, by=shop.person("publisher"))
    assert gateway.call(shop.path(), token).status == 200
    receipt = shop.enforced(shop.does(plans.close, gold, reason="Silver takes its place.", by=shop.person("publisher")))
    before = len(upstream.seen)
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.code) == (403, "SUBSCRIPTION_CANCELLED"), str(answer)
    assert len(upstream.seen) == before, "what is refused never reaches the upstream"
    assert receipt.ms is not None
    assert receipt.ms < 1_000
    assert gateway.call(shop.path(), dora.token()).status == 200
