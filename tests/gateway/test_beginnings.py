"""How access begins, as its callers feel it at a real Envoy: an application that waited, and a subscription that nobody asked for."""

import pytest

from apis.actions import adding, several
from keys.actions import application_approvals, credentials
from keys.models import Application
from tenants.models import TenantSettings
from tests import live, make
from tests.live import Gateway, Shop, Upstream


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


def test_what_is_added_passes_within_a_second_by_token_and_by_key(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client()
    shop.add_api("ledger")
    ledger = shop.plan("ledger")
    with shop.scope():
        _, key = make.api_key(carl.application)
    path = shop.path(api="ledger")
    gateway.settles(200, "", shop.path(), key)
    gateway.settles(403, "SUBSCRIPTION_REQUIRED", path, carl.token())
    _made, event = shop.does(adding.add, carl.application, api=ledger.api, plan=ledger, reason="Our partner.", by=shop.person("approver"))
    receipt = shop.enforced(event)
    assert receipt.ms is not None
    assert receipt.ms < 1_000
    assert [gateway.call(path, text).status for text in (carl.token(), key)] == [200, 200]


def test_an_application_that_waited_calls_once_it_is_approved(gateway: Gateway, shop: Shop) -> None:
    plan = shop.plan(name="free", approval="automatic")
    with shop.scope():
        TenantSettings.objects.update(applications_need_approval=True)
        waits: Application = make.application(shop.person("developer"))
    assert waits.status == "pending"
    shop.does(application_approvals.approve, waits, by=shop.person("approver"))
    with shop.scope():
        _credential, key = credentials.create_api_key(waits, by=waits.owner)
    made = shop.does(several.request_all, waits, [several.Wanted(plan.api, plan)], purpose="x", by=waits.owner)
    shop.enforced(made[0][1])
    assert gateway.call(shop.path(), key).status == 200
