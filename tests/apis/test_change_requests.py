"""What its people ask to change of a subscription that goes on: another plan, a later end, and who decides."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apis.actions import approval_rules, changes, dates, plans, quotas, subscriptions
from apis.models import ChangeRequest, Plan, Subscription
from gateway import desired
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Role
from tests import make
from tests.apis.test_dates import ahead, approved, asked, kinds, moved, trial
from tests.conftest import Cast

Status = ChangeRequest.Status


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(name="gold")


@pytest.fixture
def silver(gold: Plan) -> Plan:
    return make.plan(gold.api, name="silver", calls=10)


@pytest.fixture
def held(in_acme: Cast, gold: Plan) -> Subscription:
    """Carl's, under gold, until in 40 days."""
    return approved(in_acme, gold, ends_at=ahead(days=40))


def plan_asked(cast: Cast, held: Subscription, plan: Plan) -> ChangeRequest:
    return changes.ask_for_plan(held, plan=plan, purpose="We grow.", by=cast.carl)[0]


def renewal_asked(cast: Cast, held: Subscription, **told: Any) -> ChangeRequest:
    return changes.ask_to_renew(held, purpose="We go on.", by=cast.carl, **told)[0]


def read(held: Subscription) -> Subscription:
    return Subscription.objects.select_related("plan", "application", "api").get(pk=held.pk)


# --- another plan ----------------------------------------------------------------------------------------------------


def test_carl_asks_for_another_plan_and_ada_gives_it(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    assert (waits.status, read(held).plan.name, read(held).status) == ("pending", "gold", "active"), "calls go on meanwhile"
    event = changes.approve(waits, by=in_acme.ada)
    assert (event.kind, event.subject_id) == ("subscription.plan_changed", held.pk)
    assert (event.data["was"], event.data["now"]) == ("gold", "silver")
    after = read(held)
    assert (after.plan.name, after.status, after.ends_at, after.undo_until) == ("silver", "active", held.ends_at, None)
    assert {(each.plan, each.calls, each.subscription) for each in desired._grants()} == {("silver", 10, str(held.pk))}
    assert (waits.status, waits.decided_by) == ("approved", in_acme.ada)
    told = list(Event.objects.filter(subject_id=waits.pk).order_by("number").values_list("kind", flat=True))
    assert told == ["change_request.requested", "change_request.approved"]


def test_a_plan_that_approves_by_itself_is_given_at_once(in_acme: Cast, held: Subscription) -> None:
    free = make.plan(held.api, name="free", approval="automatic")
    change, event = changes.ask_for_plan(held, plan=free, purpose="x", by=in_acme.carl)
    assert (change.status, change.decided_by, event.kind, event.actor_id) == ("approved", None, "subscription.plan_changed", None)
    assert read(held).plan == free


@pytest.mark.parametrize(("outcome", "approval", "status"), [("automatic", "manual", "approved"), ("people", "automatic", "pending")])
def test_a_rule_comes_before_the_plan(in_acme: Cast, held: Subscription, outcome: str, approval: str, status: str) -> None:
    free = make.plan(held.api, name="free", approval=approval)
    rule, _ = approval_rules.create(name="Small", outcome=outcome, environment="live", by=in_acme.ada)
    approval_rules.change(rule, enabled=True, by=in_acme.ada)
    assert plan_asked(in_acme, held, free).status == status


def test_ada_rejects_it_and_everything_stays(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    changes.reject(waits, reason="Gold is enough.", by=in_acme.ada)
    assert (waits.status, waits.reason, read(held).plan.name) == ("rejected", "Gold is enough.", "gold")
    assert plan_asked(in_acme, held, silver).status == "pending", "Carl may ask again"


def test_carl_withdraws_it(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    changes.withdraw(waits, by=in_acme.carl)
    assert waits.status == "withdrawn"
    for act in (changes.approve, changes.withdraw):
        with pytest.raises(NotAllowed, match="is withdrawn already"):
            act(waits, by=in_acme.ada)


def test_one_change_at_a_time(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    plan_asked(in_acme, held, silver)
    with pytest.raises(NotAllowed, match="waits already"):
        renewal_asked(in_acme, held)
    # And whoever comes past the lock is stopped by the database.
    with pytest.raises(IntegrityError), transaction.atomic():
        ChangeRequest.objects.create(
            subscription=held, kind="plan", plan=silver, was_plan=held.plan, purpose="x", requested_by=in_acme.carl, requested_at=ahead()
        )


def test_four_eyes(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    for act in (lambda: changes.approve(waits, by=in_acme.carl), lambda: changes.reject(waits, reason="x", by=in_acme.carl)):
        with pytest.raises(NotAllowed, match="request of your own"):
            act()
    assert ChangeRequest.objects.get(pk=waits.pk).status == "pending"


def test_nobody_gets_the_plan_that_they_have(in_acme: Cast, held: Subscription, gold: Plan) -> None:
    with pytest.raises(NotAllowed, match="has the plan gold already"):
        plan_asked(in_acme, held, gold)


@pytest.mark.parametrize(
    ("state", "said"),
    [("staging", "offers no plan"), ("deprecated", "is deprecated, so nothing new"), ("closed", "is closed, so nothing new")],
)
def test_only_a_plan_that_is_offered_is_asked_for(in_acme: Cast, held: Subscription, state: str, said: str) -> None:
    plan = plans.create(held.api, name="new", calls=1, seconds=1, approval="manual", by=None)
    if state != "staging":
        plans.publish(plan, by=None)
        (plans.deprecate if state == "deprecated" else plans.close)(plan, by=None)
    with pytest.raises(NotAllowed, match=said):
        plan_asked(in_acme, held, plan)


def test_a_plan_of_another_api_is_none(in_acme: Cast, held: Subscription) -> None:
    with pytest.raises(NotAllowed, match="offers no plan “other”"):
        plan_asked(in_acme, held, make.plan(make.api("bills"), name="other"))


def test_a_plan_that_was_closed_meanwhile_is_not_given(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    plans.close(Plan.objects.get(pk=silver.pk), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="was closed meanwhile"):
        changes.approve(waits, by=in_acme.ada)
    changes.reject(waits, reason="It is gone.", by=in_acme.ada)


def test_one_that_was_deprecated_meanwhile_is(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    plans.deprecate(Plan.objects.get(pk=silver.pk), by=in_acme.pam)
    changes.approve(waits, by=in_acme.ada)
    assert read(held).plan == silver


@pytest.mark.parametrize("state", ["pending", "suspended", "rejected", "cancelled"])
def test_only_what_is_active_is_changed(in_acme: Cast, state: str) -> None:
    found = make.subscription(status=state)
    with pytest.raises(NotAllowed, match="is not active"):
        changes.ask_for_plan(found, plan=make.plan(found.api), purpose="x", by=found.application.owner)


def test_what_has_ended_meanwhile_is_not_changed(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    assert list(ChangeRequest.objects.waiting()) == [waits]
    subscriptions.cancel(read(held), by=in_acme.carl)
    assert not ChangeRequest.objects.waiting().exists(), "it stands in no queue any more"
    with pytest.raises(NotAllowed, match="has ended meanwhile"):
        changes.approve(waits, by=in_acme.ada)


def test_at_the_second_of_its_end_nothing_is_changed_any_more(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = renewal_asked(in_acme, held)
    moved(held, ends_at=ahead(hours=-1))
    with pytest.raises(NotAllowed, match="has ended meanwhile"):
        changes.approve(waits, by=in_acme.ada)
    changes.withdraw(waits, by=in_acme.carl)
    with pytest.raises(NotAllowed, match="is not active"):
        renewal_asked(in_acme, held)


def test_two_who_decide_at_once_decide_it_once(in_acme: Cast, held: Subscription, silver: Plan) -> None:
    waits = plan_asked(in_acme, held, silver)
    stale = ChangeRequest.objects.for_list().get(pk=waits.pk)
    changes.approve(waits, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="is approved already"):
        changes.reject(stale, reason="x", by=make.somebody(Role.APPROVER))
    assert kinds(held).count("subscription.plan_changed") == 1


def test_two_people_give_a_plan_that_needs_two(in_acme: Cast, held: Subscription) -> None:
    big = make.plan(held.api, name="big", approval="two_people")
    waits = plan_asked(in_acme, held, big)
    assert changes.approve(waits, by=in_acme.ada).kind == "change_request.approved_first"
    assert (waits.status, read(held).plan.name) == ("pending", "gold")
    with pytest.raises(NotAllowed, match="You have approved this already"):
        changes.approve(waits, by=in_acme.ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        ChangeRequest.objects.filter(pk=waits.pk).update(status="approved", decided_by=in_acme.ada)
    other = make.member(in_acme.acme, "zoe@acme.example", Role.APPROVER)
    assert changes.approve(waits, by=other).kind == "subscription.plan_changed"
    assert read(held).plan == big


def test_what_was_used_under_the_plan_before_counts_under_the_next(in_acme: Cast, held: Subscription) -> None:
    small = make.plan(held.api, name="small")
    plans.change_terms(small, quota=5, by=in_acme.pam)
    bounded = Plan.objects.get(pk=held.plan_id)
    plans.change_terms(bounded, quota=100, by=in_acme.pam)
    quotas.count(in_acme.acme.pk, {(held.pk, timezone.now()): 6})
    changes.approve(plan_asked(in_acme, read(held), small), by=in_acme.ada)
    assert {each.refusal for each in desired._grants()} == {"QUOTA_EXCEEDED"}


# --- trials ----------------------------------------------------------------------------------------------------------


def test_who_leaves_a_trial_for_a_plan_goes_on_without_an_end(in_acme: Cast) -> None:
    found = approved(in_acme, trial())
    free = make.plan(found.api, name="free", approval="automatic")
    changes.ask_for_plan(found, plan=free, purpose="x", by=in_acme.carl)
    assert read(found).ends_at is None
    assert read(found).trial_until is not None, "and has had its trial"
    with pytest.raises(NotAllowed, match="has had its trial"):
        changes.ask_for_plan(read(found), plan=Plan.objects.get(name="trial"), purpose="x", by=in_acme.carl)


def test_an_end_that_a_person_said_stays_when_a_trial_is_left(in_acme: Cast) -> None:
    found = approved(in_acme, trial())
    ends = ahead(days=30)
    dates.change_dates(found, by=in_acme.ada, ends_at=ends)
    changes.ask_for_plan(read(found), plan=make.plan(found.api, name="free", approval="automatic"), purpose="x", by=in_acme.carl)
    assert read(found).ends_at == ends


def test_who_goes_over_to_a_trial_ends_with_it(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold)
    plan = make.plan(gold.api, name="trial", approval="automatic")
    Plan.objects.filter(pk=plan.pk).update(trial_days=7)
    changes.ask_for_plan(found, plan=plan, purpose="x", by=in_acme.carl)
    after = read(found)
    assert after.ends_at is not None
    assert after.ends_as_a_trial
    assert ahead(days=6) < after.ends_at < ahead(days=8)


def test_no_way_by_a_trial_leads_round_an_end_that_a_person_said(in_acme: Cast) -> None:
    found = asked(in_acme.carl, make.plan(name="free", approval="automatic"))
    dates.change_dates(found, by=in_acme.ada, ends_at=ahead(days=60))
    changes.ask_for_plan(read(found), plan=trial(approval="automatic", of=found.api), purpose="x", by=in_acme.carl)
    assert read(found).ends_as_a_trial
    back, _ = changes.ask_for_plan(read(found), plan=Plan.objects.get(name="free"), purpose="x", by=in_acme.carl)
    assert back.status == "pending", "Ada said how long"


# --- renewals --------------------------------------------------------------------------------------------------------


def test_a_renewal_is_for_as_long_again(in_acme: Cast, held: Subscription) -> None:
    assert held.ends_at is not None
    assert held.started_at is not None
    whole = held.ends_at - held.started_at
    ends = held.ends_at
    waits = renewal_asked(in_acme, held)
    assert (waits.ends_at, waits.was_ends_at) == (ends + whole, ends)
    event = changes.approve(waits, by=in_acme.ada)
    assert (event.kind, event.data["now"]) == ("subscription.renewed", (ends + whole).isoformat())
    after = read(held)
    assert (after.ends_at, after.status) == (ends + whole, "active")
    # The second is as long as the first.
    assert changes.next_end(after) == ends + 2 * whole


@pytest.mark.parametrize(("given", "again"), [(timedelta(hours=1), timedelta(days=1)), (timedelta(days=900), timedelta(days=365))])
def test_but_for_a_day_at_least_and_a_year_at_most(in_acme: Cast, gold: Plan, given: timedelta, again: timedelta) -> None:
    found = approved(in_acme, gold, ends_at=ahead() + given)
    assert found.ends_at is not None
    assert changes.next_end(found) == found.ends_at + again


def test_carl_names_another_end(in_acme: Cast, held: Subscription) -> None:
    ends = ahead(days=100)
    changes.approve(renewal_asked(in_acme, held, ends_at=ends), by=in_acme.ada)
    assert read(held).ends_at == ends


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(days=-1), "This time has passed."),
        (timedelta(days=39), "It ends no earlier than that now. Choose a later time."),
        (timedelta(days=4000), "Choose a time in the next ten years."),
    ],
    ids=str,
)
def test_it_has_to_be_a_later_end(in_acme: Cast, held: Subscription, away: timedelta, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        renewal_asked(in_acme, held, ends_at=ahead() + away)
    assert refused.value.problems == {"ends_at": [said]}


def test_what_has_no_end_is_not_renewed(in_acme: Cast, gold: Plan) -> None:
    with pytest.raises(NotAllowed, match="nothing to renew"):
        renewal_asked(in_acme, approved(in_acme, gold))


def test_a_trial_is_not_renewed(in_acme: Cast) -> None:
    with pytest.raises(NotAllowed, match="A trial is not renewed"):
        renewal_asked(in_acme, approved(in_acme, trial()))


def test_nor_one_that_was_asked_for_until_earlier(in_acme: Cast) -> None:
    """Else whoever asks for a moment less than the trial has it for as long as they like."""
    found = asked(in_acme.carl, trial(approval="automatic"), ends_at=ahead(days=1))
    with pytest.raises(NotAllowed, match="A trial is not renewed"):
        renewal_asked(in_acme, read(found), ends_at=ahead(days=3000))
    assert read(found).ends_at == found.ends_at


def test_a_trial_whose_end_a_person_said_is_renewed_by_a_person(in_acme: Cast) -> None:
    found = asked(in_acme.carl, trial(approval="automatic"))
    dates.change_dates(found, by=in_acme.ada, ends_at=ahead(days=2))
    assert renewal_asked(in_acme, read(found)).status == "pending"


def test_a_plan_that_approves_by_itself_renews_at_once(in_acme: Cast) -> None:
    free = make.plan(name="free", approval="automatic")
    found = asked(in_acme.carl, free, ends_at=ahead(days=2))
    change, event = changes.ask_to_renew(found, purpose="x", by=in_acme.carl)
    assert (change.status, event.kind) == ("approved", "subscription.renewed")
    assert read(found).ends_at == change.ends_at


def test_but_not_where_a_person_said_how_long(in_acme: Cast) -> None:
    """Else who is limited by an approver would take the limit off with one click."""
    found = asked(in_acme.carl, make.plan(name="free", approval="automatic"))
    dates.change_dates(found, by=in_acme.ada, ends_at=ahead(days=2))
    assert changes.ask_to_renew(found, purpose="x", by=in_acme.carl)[0].status == "pending"


def test_an_end_that_was_put_off_further_meanwhile_stays(in_acme: Cast, held: Subscription) -> None:
    waits = renewal_asked(in_acme, held)
    ends: datetime | None = ahead(days=1000)
    dates.change_dates(read(held), by=in_acme.ada, ends_at=ends)
    with pytest.raises(NotAllowed, match="ends later than that meanwhile"):
        changes.approve(waits, by=in_acme.ada)
    assert read(held).ends_at == ends
