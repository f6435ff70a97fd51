"""Who hears that a subscription starts, ends, is renewed or has another plan, and in which words."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apis.actions import changes, dates
from apis.models import Plan, Subscription
from apis.tasks import turn_subscriptions
from keys.models import Application
from portal import tasks
from tenants.models import Due
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.portal import test_mails
from tests.portal.test_mails import ask, decide, parts, pass_time, run

cast, gold, checkout, asked = test_mails.cast, test_mails.gold, test_mails.checkout, test_mails.asked


@pytest.fixture
def held(cast: Cast, asked: Subscription) -> Subscription:
    """Carl's, until in 40 days; everybody has heard of it."""
    decide(asked, "approve", cast.ada)
    with tenant_scope(cast.acme.pk):
        found = Subscription.objects.for_list().get(pk=asked.pk)
        dates.change_dates(found, ends_at=timezone.now() + timedelta(days=40), by=cast.ada)
    pass_time(11)
    run()
    return found


def turned(cast: Cast, held: Subscription, **away: float) -> None:
    """The job, as if its end were that far away."""
    with tenant_scope(cast.acme.pk):
        Subscription.objects.filter(pk=held.pk).update(ends_at=timezone.now() + timedelta(**away))
    Due.objects.filter(tenant=cast.acme, job="turn_subscriptions").update(at=timezone.now() - timedelta(seconds=1))
    turn_subscriptions()


def test_its_people_hear_that_it_ends_and_how_it_goes_on(cast: Cast, held: Subscription, mailoutbox: list[object]) -> None:
    turned(cast, held, days=3, minutes=-30)
    tasks.send_mails()
    text, html = parts(mailoutbox[-1])
    assert "Renew it, and calls go on without a pause." in text
    assert f"/t/acme/apps/{held.application_id}/?tab=subscriptions" in html
    assert test_mails.sent() == [("carl", "Orders: Checkout's subscription ends in 3 days")]
    turned(cast, held, days=3, minutes=-40)
    assert run() == [], "once"


def test_an_end_that_was_put_off_meanwhile_is_no_news(cast: Cast, held: Subscription) -> None:
    turned(cast, held, days=3, minutes=-30)
    with tenant_scope(cast.acme.pk):
        found = Subscription.objects.for_list().get(pk=held.pk)
        asked, _ = changes.ask_to_renew(found, purpose="x", by=cast.carl)
        changes.approve(asked, by=cast.ada)
    assert run() == [("carl", "Orders: Checkout's subscription is renewed")]


def test_they_hear_that_it_has_ended(cast: Cast, held: Subscription) -> None:
    turned(cast, held, seconds=-1)
    assert run() == [("carl", "Orders: Checkout's subscription has ended")]


def test_approvers_hear_of_a_change_and_its_people_of_the_answer(cast: Cast, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        silver = make.plan(held.api, name="silver")
        asked, _ = changes.ask_for_plan(held, plan=silver, purpose="Less.", by=cast.carl)
    assert run() == [("ada", "Checkout asks for a change at Orders")]
    with tenant_scope(cast.acme.pk):
        changes.reject(asked, reason="No.", by=cast.ada)
    assert run() == [("carl", "Orders: what Checkout asked to change was rejected")]
    with tenant_scope(cast.acme.pk):
        asked, _ = changes.ask_for_plan(held, plan=silver, purpose="Less.", by=cast.carl)
        changes.approve(asked, by=cast.ada)
    assert run() == [("carl", "Orders: Checkout has the plan silver now")], "what was decided meanwhile waits for nobody"


def test_what_was_withdrawn_or_given_at_once_tells_nobody(cast: Cast, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        asked, _ = changes.ask_to_renew(held, purpose="x", by=cast.carl)
        changes.withdraw(asked, by=cast.carl)
        changes.ask_for_plan(held, plan=make.plan(held.api, name="free", approval="automatic"), purpose="x", by=cast.carl)
    assert run() == []


def test_dates_that_are_set_before_the_decision_leave_the_request_to_be_heard_of(cast: Cast, checkout: Application, gold: Plan) -> None:
    waits = ask(cast.acme, checkout, gold, cast.carl)
    other = make.member(cast.acme, "zoe@acme.example", "approver")
    with tenant_scope(cast.acme.pk):
        dates.change_dates(waits, ends_at=timezone.now() + timedelta(days=2), by=other)
    assert run() == [
        ("ada", "Checkout asks for Orders: gold"),
        ("zoe", "Checkout asks for Orders: gold"),
        ("carl", "Orders: Checkout's subscription has other dates"),
    ]
