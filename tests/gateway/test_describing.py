"""Who loses access by a description, is told by its plan and feels it at a real Envoy; everybody else goes on calling."""

import pytest

from apis.actions import applying
from tenants.models import Role, Tenant, User
from tenants.people.members import held_now
from tests import live, make
from tests.live import Gateway, Shop, Upstream


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


def planned(shop: Shop, ada: User, wanted: dict[str, object]) -> applying.Plan:
    with shop.scope():
        found = applying.look(by=ada)
        held = held_now(ada)
    return applying.plan(found, wanted, prune=True, held=held)


def test_the_calls_of_whom_the_plan_names_are_refused_and_no_others(gateway: Gateway, shop: Shop) -> None:
    with shop.scope():
        ada = make.member(Tenant.objects.get(pk=shop.pk), None, Role.ADMIN)
    gold = shop.plan(name="gold")
    carl, dora, fred = (shop.client(plan=gold) for _ in range(3))
    for client in (carl, dora, fred):
        gateway.settles(200, "", shop.path(), client.token())
    with shop.scope():
        told = applying.look(by=ada).now
    kept = [each for each in told["subscriptions"] if each["application"] != str(dora.application)]
    suspended = [
        {**each, "status": "suspended", "reason": "Too loud."} if each["application"] == str(carl.application) else each for each in kept
    ]
    plan = planned(shop, ada, {"subscriptions": suspended})
    assert [each["application"] for each in plan.losses] == sorted([str(carl.application), str(dora.application)])
    assert gateway.call(shop.path(), carl.token()).status == 200, "a plan changes nothing"
    event = shop.does(applying.apply, plan, applying.targets(plan), base=plan.base, by=ada)
    assert event is not None
    shop.enforced(event)
    answers = [gateway.call(shop.path(), client.token()) for client in (carl, dora, fred)]
    assert [(each.status, each.code) for each in answers] == [
        (403, "SUBSCRIPTION_SUSPENDED"),
        (403, "SUBSCRIPTION_CANCELLED"),
        (200, ""),
    ]
