"""When a subscription starts and ends, and what comes by itself at the second."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apis.access_at import access_at
from apis.actions import adding, dates, subscriptions, terms
from apis.models import Plan, Subscription
from apis.tasks import turn_subscriptions
from gateway import desired
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

Status = Subscription.Status


def ahead(**time: float) -> datetime:
    return timezone.now() + timedelta(**time)


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(name="gold")


def asked(of: User, plan: Plan, **told: Any) -> Subscription:
    return subscriptions.request(make.application(of), api=plan.api, plan=plan, purpose="A test.", by=of, **told)[0]


def approved(cast: Cast, plan: Plan, **told: Any) -> Subscription:
    found = asked(cast.carl, plan, **told)
    subscriptions.approve(found, by=cast.ada)
    return found


def moved(subscription: Subscription, **times: datetime | None) -> Subscription:
    """As if the time had passed, whatever a person may choose."""
    Subscription.objects.filter(pk=subscription.pk).update(**times)
    subscription.refresh_from_db()
    return subscription


def turned() -> datetime | None:
    events.lock()
    return dates.turn_subscriptions()


def refusal(subscription: Subscription) -> str:
    found = {each.client_id: each.refusal for each in desired._grants()}
    return found[subscription.application.client_id]


def kinds(subscription: Subscription) -> list[str]:
    return list(Event.objects.filter(subject_id=subscription.pk).order_by("number").values_list("kind", flat=True))


def due_at(cast: Cast) -> datetime | None:
    return Due.objects.filter(tenant=cast.acme, job=terms.TURN_JOB).values_list("at", flat=True).first()


# --- which dates -----------------------------------------------------------------------------------------------------


def test_an_applicant_asks_for_dates_and_the_event_tells_them(in_acme: Cast, gold: Plan) -> None:
    starts, ends = ahead(days=1), ahead(days=90)
    found = asked(in_acme.carl, gold, starts_at=starts, ends_at=ends)
    assert (found.starts_at, found.ends_at, found.started_at) == (starts, ends, None)
    told = Event.objects.get(kind="subscription.requested").data
    assert (told["starts_at"], told["ends_at"]) == (starts.isoformat(), ends.isoformat())


BAD: dict[str, tuple[dict[str, timedelta], str, str]] = {
    "an end in the past": ({"ends_at": timedelta(hours=-1)}, "ends_at", "This time has passed."),
    "a start in the past": ({"starts_at": timedelta(days=-1)}, "starts_at", "This time has passed."),
    "an end before the start": (
        {"starts_at": timedelta(days=2), "ends_at": timedelta(days=1)},
        "ends_at",
        "It has to end after it starts.",
    ),
    "an end at the start": ({"starts_at": timedelta(days=2), "ends_at": timedelta(days=2)}, "ends_at", "It has to end after it starts."),
    "an end too far": ({"ends_at": timedelta(days=3654)}, "ends_at", "Choose a time in the next ten years."),
    "a start too far": ({"starts_at": timedelta(days=3654)}, "starts_at", "Choose a time in the next ten years."),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_there_are_dates_that_it_cannot_have(in_acme: Cast, gold: Plan, case: str) -> None:
    away, field, said = BAD[case]
    now = timezone.now()
    times = {name: now + each for name, each in away.items()}
    with pytest.raises(Invalid) as refused:
        asked(in_acme.carl, gold, **times)
    assert refused.value.problems == {field: [said]}
    waits = asked(in_acme.carl, gold)
    with pytest.raises(Invalid) as refused:
        dates.change_dates(waits, by=in_acme.ada, **times)
    assert refused.value.problems == {field: [said]}


def test_ten_years_ahead_are_not_too_far(in_acme: Cast, gold: Plan) -> None:
    assert asked(in_acme.carl, gold, ends_at=ahead(days=3652)).ends_at is not None


def test_ada_sets_dates_before_and_after_she_approves(in_acme: Cast, gold: Plan) -> None:
    found = asked(in_acme.carl, gold)
    first, second = ahead(days=30), ahead(days=60)
    event = dates.change_dates(found, by=in_acme.ada, ends_at=first)
    assert event is not None
    assert (event.kind, event.data["was"]["ends_at"], event.data["now"]["ends_at"]) == (
        "subscription.dates_changed", None, first.isoformat(),
    )  # fmt: skip
    subscriptions.approve(found, by=in_acme.ada)
    assert found.ends_at == first
    assert dates.change_dates(found, by=in_acme.ada, ends_at=first) is None
    dates.change_dates(found, by=in_acme.ada, ends_at=second)
    found.refresh_from_db()
    assert found.ends_at == second
    dates.change_dates(found, by=in_acme.ada, ends_at=None)
    assert Subscription.objects.get(pk=found.pk).ends_at is None
    assert refusal(found) == ""


def test_nobody_changes_the_dates_of_their_own(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold)
    with pytest.raises(NotAllowed, match="your own"):
        dates.change_dates(found, by=in_acme.carl, ends_at=ahead(days=1))


def test_what_has_started_is_not_put_off(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold)
    with pytest.raises(Invalid) as refused:
        dates.change_dates(found, by=in_acme.ada, starts_at=ahead(days=1))
    assert refused.value.problems == {"starts_at": ["It has started, so only its end can be changed."]}


@pytest.mark.parametrize("state", ["cancelled", "rejected"])
def test_what_has_ended_has_no_dates_to_change(in_acme: Cast, state: str) -> None:
    found = make.subscription(status=state)
    with pytest.raises(NotAllowed, match=f"is {state}, so its dates"):
        dates.change_dates(found, by=in_acme.ada, ends_at=ahead(days=1))


def test_a_change_of_the_dates_ends_the_ten_seconds_in_which_a_decision_is_undone(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold)
    dates.change_dates(found, by=in_acme.ada, ends_at=ahead(days=1))
    with pytest.raises(NotAllowed, match="nothing to undo"):
        subscriptions.undo(found, by=in_acme.ada)


# --- the start -------------------------------------------------------------------------------------------------------


def test_it_is_refused_until_it_starts_and_starts_by_itself(in_acme: Cast, gold: Plan) -> None:
    starts = ahead(days=2)
    found = approved(in_acme, gold, starts_at=starts)
    assert (found.status, found.started_at, refusal(found)) == ("active", None, "SUBSCRIPTION_NOT_STARTED")
    assert due_at(in_acme) == starts
    assert turned() == starts
    assert kinds(found)[-1] == "subscription.approved"
    moved(found, starts_at=ahead(hours=-1))
    assert refusal(found) == "", "whenever the job comes by"
    assert turned() is None
    assert turned() is None, "safe to run twice"
    found.refresh_from_db()
    assert found.started_at is not None
    assert kinds(found).count("subscription.started") == 1


def test_ada_lets_it_start_at_once(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, starts_at=ahead(days=2))
    dates.change_dates(found, by=in_acme.ada, starts_at=None)
    found.refresh_from_db()
    assert found.started_at is not None
    assert refusal(found) == ""


def test_what_was_suspended_while_it_should_start_starts_when_it_is_resumed(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, starts_at=ahead(days=2))
    subscriptions.suspend(found, reason="x", by=in_acme.ada)
    moved(found, starts_at=ahead(hours=-1))
    assert turned() is None
    assert (refusal(found), found.started_at) == ("SUBSCRIPTION_SUSPENDED", None)
    subscriptions.resume(found, by=in_acme.ada)
    assert found.started_at is not None
    assert "subscription.started" not in kinds(found)


def test_what_is_resumed_before_its_start_waits_for_it(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, starts_at=ahead(days=2))
    subscriptions.suspend(found, reason="x", by=in_acme.ada)
    assert turned() is None
    subscriptions.resume(found, by=in_acme.ada)
    assert refusal(found) == "SUBSCRIPTION_NOT_STARTED"
    assert due_at(in_acme) == found.starts_at


def test_an_approval_that_is_undone_takes_the_start_back(in_acme: Cast, gold: Plan) -> None:
    ends = ahead(days=5)
    found = approved(in_acme, gold, ends_at=ends)
    subscriptions.undo(found, by=in_acme.ada)
    found.refresh_from_db()
    assert (found.started_at, found.ends_at, found.status) == (None, ends, "pending")


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["active", "suspended"])
def test_it_expires_at_its_end(in_acme: Cast, gold: Plan, state: str) -> None:
    ends = ahead(days=1)
    found = approved(in_acme, gold, ends_at=ends)
    if state == "suspended":
        subscriptions.suspend(found, reason="x", by=in_acme.ada)
    turned()
    moved(found, ends_at=ahead(hours=-1))
    assert refusal(found) == ("SUBSCRIPTION_EXPIRED" if state == "active" else "SUBSCRIPTION_SUSPENDED"), "whenever the job comes by"
    assert turned() is None
    assert turned() is None, "safe to run twice"
    found.refresh_from_db()
    assert (found.status, refusal(found)) == ("expired", "SUBSCRIPTION_EXPIRED")
    assert found.ended_at is not None
    event = Event.objects.get(kind="subscription.expired", subject_id=found.pk)
    assert (event.actor_id, event.data["was"]) == (None, state)


def test_the_job_is_due_at_the_second(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, ends_at=ahead(minutes=5))
    assert due_at(in_acme) == found.ends_at
    assert turned() == found.ends_at


def test_an_expired_one_is_told_apart_for_thirty_days(in_acme: Cast, gold: Plan) -> None:
    found = moved(approved(in_acme, gold, ends_at=ahead(days=1)), ends_at=ahead(hours=-1))
    turned()
    moved(found, ended_at=ahead(days=-29))
    assert refusal(found) == "SUBSCRIPTION_EXPIRED"
    moved(found, ended_at=ahead(days=-31))
    assert [*desired._grants()] == []


def test_after_it_expired_its_application_asks_again(in_acme: Cast, gold: Plan) -> None:
    found = moved(approved(in_acme, gold, ends_at=ahead(days=1)), ends_at=ahead(hours=-1))
    turned()
    again, _ = subscriptions.request(found.application, api=gold.api, plan=gold, purpose="x", by=in_acme.carl)
    assert again.status == "pending"


def test_what_expired_while_it_was_suspended_is_approved_by_people_alone(in_acme: Cast) -> None:
    free = make.plan(name="free", approval="automatic")
    found = asked(in_acme.carl, free, ends_at=ahead(days=1))
    subscriptions.suspend(found, reason="x", by=in_acme.ada)
    moved(found, ends_at=ahead(hours=-1))
    turned()
    again, _ = subscriptions.request(found.application, api=free.api, plan=free, purpose="x", by=in_acme.carl)
    assert again.status == "pending"


@pytest.mark.parametrize("ended", ["cancelled", "expired"])
def test_who_asks_anew_sheds_no_end_that_a_person_said(in_acme: Cast, ended: str) -> None:
    free = make.plan(name="free", approval="automatic")
    found = asked(in_acme.carl, free)
    dates.change_dates(found, by=in_acme.ada, ends_at=ahead(days=2))
    if ended == "cancelled":
        subscriptions.cancel(found, by=in_acme.carl)
    else:
        moved(found, ends_at=ahead(seconds=-1))
        turned()
    for _each in range(2):
        again, _ = subscriptions.request(found.application, api=free.api, plan=free, purpose="x", by=in_acme.carl)
        assert again.status == "pending"
        subscriptions.cancel(again, by=in_acme.carl)
    again, _ = subscriptions.request(found.application, api=free.api, plan=free, purpose="x", by=in_acme.carl)
    subscriptions.approve(again, by=in_acme.ada)
    subscriptions.cancel(again, by=in_acme.carl)
    again, _ = subscriptions.request(found.application, api=free.api, plan=free, purpose="x", by=in_acme.carl)
    assert again.status == "active", "Ada's last word was that it goes on"


def test_a_request_whose_end_comes_is_withdrawn_with_a_reason(in_acme: Cast, gold: Plan) -> None:
    found = moved(asked(in_acme.carl, gold, ends_at=ahead(days=1)), ends_at=ahead(hours=-1))
    with pytest.raises(NotAllowed, match="has passed"):
        subscriptions.approve(found, by=in_acme.ada)
    turned()
    found.refresh_from_db()
    assert (found.status, found.reason) == ("cancelled", "Its end came before anybody decided.")


def test_the_job_serves_each_tenant(cast: Cast) -> None:
    made = []
    for tenant, who in ((cast.acme, cast.carl), (cast.globex, cast.eve)):
        with tenant_scope(tenant.pk):
            plan = make.plan(name="free", approval="automatic")
            made.append((tenant, moved(asked(who, plan, ends_at=ahead(days=20)), ends_at=ahead(hours=-1))))
        Due.objects.filter(tenant=tenant, job=terms.TURN_JOB).update(at=ahead(hours=-1))
    assert turn_subscriptions() == 2
    assert turn_subscriptions() == 0
    for tenant, found in made:
        with tenant_scope(tenant.pk):
            assert Subscription.objects.get(pk=found.pk).status == "expired"


# --- what is told ----------------------------------------------------------------------------------------------------


def test_its_people_are_warned_once_each_at_14_3_and_1_days(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, ends_at=ahead(days=60))
    assert found.ends_at is not None
    assert turned() == found.ends_at - timedelta(days=14)
    for left in (14, 3, 1):
        moved(found, ends_at=ahead(days=left, minutes=-30))
        turned()
        turned()
    told = Event.objects.filter(kind="subscription.ends_soon", subject_id=found.pk).order_by("number")
    assert [each.data["days"] for each in told] == [14, 3, 1]


def test_who_chooses_an_end_that_is_near_is_not_warned_of_what_they_know(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, ends_at=ahead(days=2))
    assert found.ends_at is not None
    assert turned() == found.ends_at - timedelta(days=1)
    assert "subscription.ends_soon" not in kinds(found)


def test_a_later_end_is_warned_of_again(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, ends_at=ahead(days=30))
    moved(found, ends_at=ahead(days=10))
    turned()
    dates.change_dates(found, by=in_acme.ada, ends_at=ahead(days=40))
    moved(found, ends_at=ahead(days=10))
    turned()
    assert kinds(found).count("subscription.ends_soon") == 2


def test_time_travel_knows_the_dates(in_acme: Cast, gold: Plan) -> None:
    found = approved(in_acme, gold, starts_at=ahead(days=2), ends_at=ahead(days=4))
    assert found.ends_at is not None

    def state(at: datetime) -> str:
        return access_at(found.application, at).subscriptions[0].state

    assert state(ahead(days=1)) == "scheduled"
    assert state(ahead(days=3)) == "active"
    assert state(found.ends_at - timedelta(seconds=1)) == "active"
    assert state(found.ends_at) == "expired", "from that second on"


# --- trials ----------------------------------------------------------------------------------------------------------


def trial(days: int = 14, **more: Any) -> Plan:
    plan = make.plan(name="trial", **more)
    Plan.objects.filter(pk=plan.pk).update(trial_days=days)
    return Plan.objects.get(pk=plan.pk)


def test_a_trial_ends_so_many_days_after_its_approval(in_acme: Cast) -> None:
    found = approved(in_acme, trial())
    assert found.started_at is not None
    assert found.ends_at == found.trial_until == found.started_at + timedelta(days=14)
    assert found.ends_as_a_trial


def test_a_trial_that_starts_later_ends_later(in_acme: Cast) -> None:
    found = approved(in_acme, trial(), starts_at=ahead(days=3))
    assert found.starts_at is not None
    assert found.ends_at == found.starts_at + timedelta(days=14)


def test_whoever_asks_for_less_gets_less(in_acme: Cast) -> None:
    ends = ahead(days=2)
    assert approved(in_acme, trial(), ends_at=ends).ends_at == ends
    assert approved(in_acme, trial_of_another(), ends_at=ahead(days=100)).ends_at != ahead(days=100)


def trial_of_another() -> Plan:
    plan = make.plan(make.api("bills"), name="trial")
    Plan.objects.filter(pk=plan.pk).update(trial_days=14)
    return Plan.objects.get(pk=plan.pk)


def test_there_is_one_trial_per_application_and_api(in_acme: Cast) -> None:
    plan = trial()
    found = approved(in_acme, plan)
    subscriptions.cancel(found, by=in_acme.carl)
    with pytest.raises(NotAllowed, match="has had its trial of"):
        subscriptions.request(found.application, api=plan.api, plan=plan, purpose="x", by=in_acme.carl)
    assert asked(in_acme.carl, plan).status == "pending", "another application has one, too"


def test_a_rejected_or_undone_trial_was_none(in_acme: Cast) -> None:
    plan = trial()
    found = approved(in_acme, plan)
    subscriptions.undo(found, by=in_acme.ada)
    found.refresh_from_db()
    assert (found.ends_at, found.trial_until) == (None, None)
    subscriptions.reject(found, reason="x", by=in_acme.ada)
    again, _ = subscriptions.request(found.application, api=plan.api, plan=plan, purpose="x", by=in_acme.carl)
    assert again.status == "pending"


def test_an_approver_adds_another_trial(in_acme: Cast) -> None:
    plan = trial()
    found = approved(in_acme, plan)
    subscriptions.cancel(found, by=in_acme.carl)
    again, _ = adding.add(found.application, api=plan.api, plan=plan, reason="One more look.", by=in_acme.ada)
    assert again.started_at is not None
    assert again.ends_at == again.trial_until == again.started_at + timedelta(days=14)
    assert turned() is not None


def test_a_trial_of_another_length_is_for_who_begins_after_that(in_acme: Cast) -> None:
    plan = trial()
    found = approved(in_acme, plan)
    Plan.objects.filter(pk=plan.pk).update(trial_days=30)
    before = found.ends_at
    found.refresh_from_db()
    assert found.ends_at == before
    later = approved(in_acme, plan)
    assert later.started_at is not None
    assert later.ends_at == later.started_at + timedelta(days=30)
