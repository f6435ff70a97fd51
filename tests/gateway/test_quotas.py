"""A plan's quota, as its callers feel it at a real Envoy: counted from what the gateway tells, and shared by all gateways."""

import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from django.db.models import F
from django.utils import timezone

from apis.actions import plans, quotas
from apis.models import Plan, QuotaUse, Subscription
from tenants import due
from tests import live
from tests.gateway.test_chain import assert_refused
from tests.live import Answer, Client, Gateway, Shop, Upstream

QUOTA = 5


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def gold(shop: Shop) -> Plan:
    return shop.plan(name="gold", calls=100_000, seconds=600, quota=QUOTA, quota_period="day")


@pytest.fixture
def carl(shop: Shop, gold: Plan) -> Client:
    client = shop.client(plan=gold)
    shop.enforced_newest()
    return client


def used(client: Client) -> quotas.Standing:
    assert client.subscription is not None
    with client.shop.scope():
        found = quotas.standing(Subscription.objects.for_list().get(pk=client.subscription.pk))
    assert found is not None
    return found


def call_until_refused(gateway: Gateway, client: Client) -> Iterator[Answer]:
    for _ in range(1_000):
        answer = gateway.call(client.shop.path(), client.token())
        yield answer
        if answer.status != 200:
            return
        time.sleep(0.05)


def test_a_used_up_quota_refuses_until_more_is_added_or_the_period_ends(
    gateway: Gateway, shop: Shop, gold: Plan, carl: Client, upstream: Upstream
) -> None:
    token, held = carl.token(), carl.subscription
    assert held is not None
    # The sixth or one soon after it: what is counted is known a moment later.
    *passed, refused = call_until_refused(gateway, carl)
    assert {each.status for each in passed} == {200}
    assert len(passed) >= QUOTA
    assert_refused(refused, 429, "QUOTA_EXCEEDED")
    live.eventually(lambda: used(carl).used == len(passed))
    found = used(carl)
    assert found.is_passed
    assert parsedate_to_datetime(refused.headers["retry-after"]) == found.resets_at
    before = len(upstream.seen)
    gateway.call(shop.path(), token)
    assert len(upstream.seen) == before, "what is refused never reaches the upstream"
    other = shop.client(plan=gold)
    shop.enforced_newest()
    assert gateway.call(shop.path(), other.token()).status == 200, "another caller's quota is another's"

    more = len(passed) + 100
    shop.enforced(shop.does(quotas.top_up, held, calls=more, reason="Their sale.", by=shop.person("approver")))
    assert gateway.call(shop.path(), token).status == 200
    live.eventually(lambda: used(carl).used == len(passed) + 1)

    _all_used(carl)
    gateway.settles(429, "QUOTA_EXCEEDED", shop.path(), token)
    # What passed until then is told within so long, and counts for this period.
    time.sleep(3)
    _period_ends(carl)
    assert due.run(quotas.JOB, quotas.turn) >= 1
    (reset,) = shop.events("quota.reset")
    shop.enforced(reset)
    assert gateway.call(shop.path(), token).status == 200
    live.eventually(lambda: used(carl).used == 1)
    assert (used(carl).limit, used(carl).is_passed) == (QUOTA, False)


def _all_used(client: Client) -> None:
    """As if it had called that often, and then once more."""
    assert client.subscription is not None
    quotas.count(client.shop.pk, {(client.subscription.pk, timezone.now()): used(client).left})


def _period_ends(client: Client) -> None:
    """The clock moved."""
    with client.shop.scope():
        back = timedelta(days=2)
        QuotaUse.objects.update(starts=F("starts") - back, ends=F("ends") - back)
        due.expect(quotas.JOB, timezone.now() - timedelta(seconds=1))


def test_what_is_refused_does_not_count(gateway: Gateway, shop: Shop) -> None:
    narrow = shop.client(plan=shop.plan(name="narrow", calls=2, seconds=600, quota=1_000))
    shop.enforced_newest()
    token = narrow.token()
    codes = [gateway.call(shop.path(), token).code for _ in range(4)]
    assert codes == ["", "", "RATE_LIMITED", "RATE_LIMITED"]
    assert gateway.call(shop.path("/none"), token).code == "NO_SUCH_ROUTE"
    live.eventually(lambda: used(narrow).used == 2)
    live.stays(lambda: used(narrow).used == 2, seconds=1.5)


def test_who_does_not_wait_for_the_answer_has_called_and_an_upstream_that_is_down_was_not(gateway: Gateway, shop: Shop) -> None:
    shop.add_api("down", url="http://127.0.0.1:9")
    plan = shop.plan(name="wide", quota=1_000)
    wide = shop.client(plan=plan)
    down = shop.subscribe(wide, shop.plan("down", name="wide", quota=1_000))
    shop.enforced_newest()
    gateway.loads(shop.slug)
    with pytest.raises(TimeoutError):
        gateway.call(shop.path("/slow?ms=3000"), wide.token(), timeout=1)
    assert gateway.call(shop.path(api="down"), wide.token()).code == "UPSTREAM_UNAVAILABLE"
    live.eventually(lambda: used(wide).used == 1)
    with shop.scope():
        assert not QuotaUse.objects.filter(api=down.api_id).exists()


def test_a_smaller_quota_holds_at_once(gateway: Gateway, shop: Shop) -> None:
    plan = shop.plan(name="wide", quota=1_000)
    wide = shop.client(plan=plan)
    shop.enforced_newest()
    gateway.settles(200, "", shop.path(), wide.token())
    gateway.call(shop.path(), wide.token())
    live.eventually(lambda: used(wide).used == 2)
    assert shop.does(plans.change_terms, plan, quota=2, by=shop.person("publisher")) is not None
    shop.enforced_newest()
    assert gateway.call(shop.path(), wide.token()).code == "QUOTA_EXCEEDED"
