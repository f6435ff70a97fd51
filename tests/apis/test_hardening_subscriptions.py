"""A suspension is not shaken off by its owner."""

import pytest

from apis.actions import subscriptions
from apis.models import Plan, Subscription
from keys.models import Application
from tenants.errors import NotAllowed
from tenants.models import Role
from tests import make
from tests.conftest import Cast


def test_an_approver_does_not_resume_an_application_of_their_own(in_acme: Cast) -> None:
    application = make.application(in_acme.ada)
    other = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    found, _ = subscriptions.request(application, api=(plan := make.plan()).api, plan=plan, purpose="A test.", by=in_acme.ada)
    subscriptions.approve(found, by=other)
    subscriptions.suspend(found, reason="A test.", by=other)
    with pytest.raises(NotAllowed, match="can't decide a request of your own"):
        subscriptions.resume(found, by=in_acme.ada)
    assert Subscription.objects.get().status == "suspended"
    subscriptions.resume(found, by=other)
    assert Subscription.objects.get().status == "active"


@pytest.fixture
def plan(in_acme: Cast) -> Plan:
    return make.plan(approval="automatic")


@pytest.fixture
def shop(in_acme: Cast) -> Application:
    return make.application(in_acme.carl)


def ask(shop: Application, plan: Plan) -> Subscription:
    return subscriptions.request(shop, api=plan.api, plan=plan, purpose="A test.", by=shop.owner)[0]


def suspended(shop: Application, plan: Plan, by: Cast) -> Subscription:
    found = ask(shop, plan)
    assert found.status == "active"
    subscriptions.suspend(found, reason="Too many calls.", by=by.ada)
    return found


def test_who_cancels_while_suspended_waits_for_a_person(in_acme: Cast, shop: Application, plan: Plan) -> None:
    subscriptions.cancel(suspended(shop, plan, in_acme), by=in_acme.carl)
    assert ask(shop, plan).status == "pending"


def test_asking_again_and_again_does_not_help(in_acme: Cast, shop: Application, plan: Plan) -> None:
    subscriptions.cancel(suspended(shop, plan, in_acme), by=in_acme.carl)
    subscriptions.cancel(ask(shop, plan), by=in_acme.carl)
    rejected = ask(shop, plan)
    assert rejected.status == "pending"
    subscriptions.reject(rejected, reason="Not yet.", by=in_acme.ada)
    assert ask(shop, make.plan(plan.api, approval="automatic")).status == "pending"


def test_a_person_who_approves_ends_it(in_acme: Cast, shop: Application, plan: Plan) -> None:
    subscriptions.cancel(suspended(shop, plan, in_acme), by=in_acme.carl)
    found = ask(shop, plan)
    subscriptions.approve(found, by=in_acme.ada)
    subscriptions.cancel(found, by=in_acme.carl)
    assert ask(shop, plan).status == "active"


def test_it_concerns_this_application_and_this_api_alone(in_acme: Cast, shop: Application, plan: Plan) -> None:
    subscriptions.cancel(suspended(shop, plan, in_acme), by=in_acme.carl)
    assert ask(make.application(in_acme.carl), plan).status == "active"
    assert ask(shop, make.plan(approval="automatic")).status == "active"


def test_who_cancels_an_active_one_is_approved_again(in_acme: Cast, shop: Application, plan: Plan) -> None:
    found = suspended(shop, plan, in_acme)
    subscriptions.resume(found, by=in_acme.ada)
    subscriptions.cancel(found, by=in_acme.carl)
    assert ask(shop, plan).status == "active"
