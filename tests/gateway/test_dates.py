"""When a subscription starts and ends, and its change of plan, at a real Envoy with a token that goes on living."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apis.actions import changes, dates, subscriptions
from apis.models import Plan, Subscription
from apis.tasks import turn_subscriptions
from keys.models import Application
from tests import live
from tests.live import Client, Gateway, Shop, Upstream, eventually


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def gold(shop: Shop) -> Plan:
    return shop.plan(name="gold", calls=100_000, seconds=600)


def held(shop: Shop, client: Client) -> Subscription:
    with shop.scope():
        rows = Subscription.objects.select_related("application__owner", "api", "plan")
        return rows.get(application__client_id=client.client_id)


def test_it_is_refused_from_its_end_on_while_the_token_lives(gateway: Gateway, shop: Shop, gold: Plan, upstream: Upstream) -> None:
    carl = shop.client(plan=gold)
    token = carl.token()
    gateway.settles(200, "", shop.path(), token)
    ends = timezone.now() + timedelta(seconds=8)
    event = shop.does(dates.change_dates, held(shop, carl), ends_at=ends, by=shop.person("approver"))
    assert event is not None
    shop.enforced(event)
    assert gateway.call(shop.path(), token).status == 200
    assert turn_subscriptions() == 0, "nothing is due before its second"
    eventually(turn_subscriptions)
    assert timezone.now() >= ends
    expired = shop.events("subscription.expired")[-1]
    receipt = shop.enforced(expired)
    before = len(upstream.seen)
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.code) == (403, "SUBSCRIPTION_EXPIRED"), str(answer)
    assert len(upstream.seen) == before, "what is refused never reaches the upstream"
    assert receipt.ms is not None
    assert receipt.ms < 1_000
    assert (expired.at - ends).total_seconds() < 2


def test_it_is_refused_before_its_start_and_passes_from_then_on(gateway: Gateway, shop: Shop, gold: Plan) -> None:
    carl = shop.client(status="pending", plan=gold)
    token, found = carl.token(), held(shop, carl)
    with shop.scope():
        ada = shop.person("approver")
        dates.change_dates(found, starts_at=timezone.now() + timedelta(seconds=8), by=ada)
        event = subscriptions.approve(found, by=ada)
    shop.enforced(event)
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.code) == (403, "SUBSCRIPTION_NOT_STARTED"), str(answer)
    eventually(turn_subscriptions)
    shop.enforced(shop.events("subscription.started")[-1])
    assert gateway.call(shop.path(), token).status == 200


def test_another_plan_counts_for_the_token_that_lives(gateway: Gateway, shop: Shop, gold: Plan) -> None:
    carl, small = shop.client(plan=gold), shop.plan(name="small", calls=2, seconds=600)
    token = carl.token()
    gateway.settles(200, "", shop.path(), token)
    found = held(shop, carl)

    def ask(plan: Plan) -> Any:
        return shop.does(changes.ask_for_plan, found, plan=plan, purpose="A test.", by=found.application.owner)[0]

    waits = ask(small)
    assert [gateway.call(shop.path(), token).status for _ in range(3)] == [200] * 3, "calls go on as before meanwhile"
    receipt = shop.enforced(shop.does(changes.approve, waits, by=shop.person("approver")))
    assert receipt.concerns_gateways
    answers = [gateway.call(shop.path(), token) for _ in range(4)]
    assert [(each.status, each.code) for each in answers] == [(200, "")] * 2 + [(429, "RATE_LIMITED")] * 2
    shop.enforced(shop.does(changes.approve, ask(gold), by=shop.person("approver")))
    assert [gateway.call(shop.path(), token).status for _ in range(4)] == [200] * 4


def test_a_renewal_lets_calls_pass_without_a_pause(gateway: Gateway, shop: Shop, gold: Plan) -> None:
    carl = shop.client(plan=gold)
    token, found = carl.token(), held(shop, carl)
    gateway.settles(200, "", shop.path(), token)
    shop.does(dates.change_dates, found, ends_at=timezone.now() + timedelta(seconds=8), by=shop.person("approver"))
    with shop.scope():
        owner = Application.objects.get(client_id=carl.client_id).owner
    asked, _ = shop.does(changes.ask_to_renew, found, purpose="We go on.", by=owner)
    shop.does(changes.approve, asked, by=shop.person("approver"))
    until = timezone.now() + timedelta(seconds=9)
    answers = []
    while timezone.now() < until:
        answers.append(gateway.call(shop.path(), token).status)
        turn_subscriptions()
    assert set(answers) == {200}
