"""What is counted for a plan's quota, who hears of it when, and what gateways get."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from apis.actions import changes, plans, quotas, subscriptions
from apis.models import PERIODS_KEPT, Plan, QuotaUse, Subscription
from apis.quotas import MOST_CALLS, span
from gateway import desired
from gateway.envoy.state import Grant
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

_days = count(40)
WHY = "Their sale begins today."


@pytest.fixture
def held(in_acme: Cast) -> Subscription:
    """Ten calls a day."""
    return make.subscription(
        of=make.application(in_acme.carl, name="Shop"), to=make.plan(make.api("orders"), name="gold", quota=10, quota_period="day")
    )


def called(held: Subscription, many: int, at: datetime | None = None) -> None:
    quotas.count(held.owning_tenant, {(held.pk, at or timezone.now()): many})


def grant(held: Subscription) -> Grant:
    (found,) = [each for each in desired._access().grants if each.subscription == str(held.pk)]
    return found


def standing(held: Subscription) -> quotas.Standing:
    found = quotas.standing(Subscription.objects.for_list().get(pk=held.pk))
    assert found is not None
    return found


def told(*kinds: str) -> list[str]:
    wanted = kinds or (quotas.WARNED, quotas.PASSED, quotas.RESET, quotas.TOPPED_UP)
    return list(Event.objects.filter(kind__in=wanted).order_by("number").values_list("kind", flat=True))


def period_ends(held: Subscription) -> None:
    """The clock moved: the period that now is has ended."""
    back = timedelta(days=next(_days))
    QuotaUse.objects.at(timezone.now()).filter(application=held.application_id).update(starts=F("starts") - back, ends=F("ends") - back)


def turned() -> datetime | None:
    events.lock()
    return quotas.turn()


# --- counting --------------------------------------------------------------------------------------------------------


def test_calls_are_added_up_by_period(held: Subscription) -> None:
    now = timezone.now()
    called(held, 3)
    called(held, 2)
    called(held, 100, now - timedelta(days=2))
    found = standing(held)
    assert (found.used, found.limit, found.percent, found.left, found.is_passed) == (5, 10, 50, 5, False)
    assert found.resets_at == span(now, "day", "UTC")[1]
    assert found.counted_at is not None
    assert now - timedelta(minutes=1) < found.counted_at <= timezone.now() + timedelta(minutes=1)
    assert sorted(QuotaUse.objects.values_list("calls", flat=True)) == [5, 100]
    assert told() == [], "what another period held says nothing of this one"


def test_another_tenants_subscription_and_one_that_is_no_more_are_nobodys(held: Subscription, in_acme: Cast) -> None:
    quotas.count(in_acme.globex.pk, {(held.pk, timezone.now()): 5})
    quotas.count(in_acme.acme.pk, {(in_acme.acme.pk, timezone.now()): 5})
    assert not QuotaUse.objects.exists()


def test_whoever_cancels_and_asks_again_goes_on_with_the_same_count(held: Subscription, in_acme: Cast) -> None:
    called(held, 10)
    subscriptions.cancel(held, by=in_acme.carl)
    again = make.subscription(of=held.application, to=held.plan)
    assert standing(again).used == 10
    assert grant(again).refusal == "QUOTA_EXCEEDED"


def test_under_a_plan_without_a_quota_calls_are_counted_for_one_to_come(in_acme: Cast) -> None:
    held = make.subscription(to=make.plan(make.api("orders")))
    called(held, 50)
    assert quotas.standing(held) is None
    assert (told(), grant(held).refusal) == ([], "")
    plans.change_terms(held.plan, quota=40, by=in_acme.pam)
    assert (told(), grant(held).refusal) == ([quotas.PASSED], "QUOTA_EXCEEDED")


# --- warned, passed --------------------------------------------------------------------------------------------------


def test_its_people_are_warned_once_at_four_fifths_and_told_once_when_it_is_used_up(held: Subscription) -> None:
    called(held, 7)
    assert told() == []
    called(held, 1)
    called(held, 1)
    assert told() == [quotas.WARNED]
    warning = Event.objects.get(kind=quotas.WARNED)
    assert (warning.subject_id, warning.data["percent"], warning.data["used"], warning.data["quota"]) == (held.pk, 80, 8, 10)
    assert grant(held).refusal == ""
    called(held, 1)
    called(held, 5)
    assert told() == [quotas.WARNED, quotas.PASSED]
    assert standing(held).is_passed


def test_who_uses_it_up_at_one_go_is_told_that_alone(held: Subscription) -> None:
    called(held, 12)
    assert told() == [quotas.PASSED]


@pytest.mark.parametrize(("calls", "kinds"), [(3, []), (4, [quotas.WARNED]), (5, [quotas.PASSED])])
def test_the_thresholds_of_an_odd_quota(held: Subscription, calls: int, kinds: list[str]) -> None:
    plans.change_terms(held.plan, quota=5, by=None)
    called(held, calls)
    assert told() == kinds


def test_gateways_refuse_from_then_on_until_the_period_ends(held: Subscription) -> None:
    called(held, 10)
    found = grant(held)
    assert (found.refusal, found.until) == ("QUOTA_EXCEEDED", int(standing(held).resets_at.timestamp()))
    assert Due.objects.get(job=quotas.JOB).at <= timezone.now(), "the job looks again, in case that nobody could be told"
    assert turned() == standing(held).resets_at or turned() is not None


def test_a_suspended_one_is_refused_as_such(held: Subscription, in_acme: Cast) -> None:
    called(held, 10)
    subscriptions.suspend(held, reason="x", by=in_acme.ada)
    assert (grant(held).refusal, grant(held).until) == ("SUBSCRIPTION_SUSPENDED", 0)


def test_what_a_process_that_ended_left_unsaid_the_job_says(held: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(quotas, "_tell", away)
    called(held, 10)
    assert told() == []
    assert standing(held).used == 10, "and it counts once, though who counted may not ask again"
    monkeypatch.undo()
    Due.objects.filter(job=quotas.JOB).update(at=timezone.now() - timedelta(minutes=5))
    assert due.run(quotas.JOB, quotas.turn) == 1
    assert told() == [quotas.PASSED]


# --- the reset -------------------------------------------------------------------------------------------------------


def test_at_the_end_of_the_period_calls_pass_again_and_that_is_said_once(held: Subscription) -> None:
    called(held, 11)
    turned()
    assert told(quotas.RESET) == [], "never before"
    period_ends(held)
    assert grant(held).refusal == ""
    turned()
    turned()
    assert told(quotas.RESET) == [quotas.RESET]
    reset = Event.objects.get(kind=quotas.RESET)
    assert (reset.subject_id, reset.actor_id, reset.data["used"]) == (held.pk, None, 11)
    assert (standing(held).used, standing(held).is_passed) == (0, False)
    called(held, 10)
    assert told() == [quotas.PASSED, quotas.RESET, quotas.PASSED], "each period is told of"


def test_the_job_turns_two_tenants_and_is_safe_to_run_twice(in_acme: Cast, held: Subscription) -> None:
    called(held, 10)
    period_ends(held)
    with tenant_scope(in_acme.globex.pk):
        dora = make.member(in_acme.globex, "dora@globex.example")
        theirs = make.subscription(of=make.application(dora), to=make.plan(make.api("orders"), quota=1))
        called(theirs, 1)
        period_ends(theirs)
    Due.objects.filter(job=quotas.JOB).update(at=timezone.now() - timedelta(minutes=5))
    assert due.run(quotas.JOB, quotas.turn) == 2
    assert due.run(quotas.JOB, quotas.turn) == 0
    for tenant in (in_acme.acme, in_acme.globex):
        with tenant_scope(tenant.pk):
            assert told(quotas.RESET) == [quotas.RESET]


def test_nothing_is_said_of_who_was_let_pass_before_or_is_gone(held: Subscription, in_acme: Cast) -> None:
    called(held, 10)
    quotas.top_up(held, calls=5, reason=WHY, by=in_acme.ada)
    period_ends(held)
    turned()
    assert told(quotas.RESET) == []
    called(held, 10)
    subscriptions.cancel(held, by=in_acme.carl)
    period_ends(held)
    turned()
    assert told(quotas.RESET) == []


def test_periods_long_past_are_forgotten(held: Subscription) -> None:
    now = timezone.now()
    called(held, 1)
    called(held, 1, now - PERIODS_KEPT + timedelta(days=2))
    called(held, 1, now - PERIODS_KEPT - timedelta(days=2))
    assert QuotaUse.objects.count() == 3
    assert turned() is not None
    assert QuotaUse.objects.count() == 2
    QuotaUse.objects.all().delete()
    assert turned() is None


# --- another quota ---------------------------------------------------------------------------------------------------


def test_a_larger_quota_lets_pass_at_once_and_a_smaller_one_stops(held: Subscription, in_acme: Cast) -> None:
    called(held, 10)
    event = plans.change_terms(held.plan, quota=20, by=in_acme.pam)
    assert event is not None
    terms = {"calls": 1000, "seconds": 1, "quota_period": "day", "quota_time_zone": "UTC"}
    assert (event.data["was"], event.data["now"]) == ({**terms, "quota": 10}, {**terms, "quota": 20})
    assert grant(held).refusal == ""
    plans.change_terms(held.plan, quota=6, by=in_acme.pam)
    assert (grant(held).refusal, told()) == ("QUOTA_EXCEEDED", [quotas.PASSED, quotas.PASSED])
    plans.change_terms(held.plan, quota=0, by=in_acme.pam)
    held.plan.refresh_from_db()
    assert (held.plan.quota, grant(held).refusal) == (None, "")


def test_without_a_quota_nothing_is_refused_whatever_was_added_before(held: Subscription, in_acme: Cast) -> None:
    called(held, 10)
    quotas.top_up(held, calls=10, reason=WHY, by=in_acme.ada)
    plans.change_terms(held.plan, quota=0, by=in_acme.pam)
    assert grant(held).refusal == ""


def test_another_period_begins_a_count_of_its_own(held: Subscription, in_acme: Cast) -> None:
    called(held, 10)
    plans.change_terms(held.plan, quota_time_zone="Asia/Kathmandu", by=in_acme.pam)
    assert grant(held).refusal == ""
    held.plan.refresh_from_db()
    assert standing(held).used == 0
    called(held, 4)
    assert (standing(held).used, standing(held).resets_at.minute) == (4, 15)


def test_who_would_be_over_it_is_known_before(held: Subscription, in_acme: Cast) -> None:
    less = make.subscription(of=make.application(name="Less"), to=held.plan)
    make.subscription(of=make.application(name="Elsewhere"), to=make.plan(held.api, quota=10, quota_period="day"))
    called(held, 8)
    called(less, 3)
    asked: dict[str, Any] = {"period": "day", "time_zone": "UTC", "now": timezone.now()}
    assert [quotas.over(held.plan, quota=quota, **asked) for quota in (None, 9, 8, 3)] == [[], [], [held], [less, held]]
    assert quotas.over(held.plan, quota=1, period="month", time_zone="UTC", now=timezone.now()) == []


def test_nothing_is_recorded_where_no_quota_differs(held: Subscription, in_acme: Cast) -> None:
    assert plans.change_terms(held.plan, quota=10, quota_period="day", quota_time_zone="UTC", by=in_acme.pam) is None
    without = make.plan(held.api)
    assert plans.change_terms(without, quota=0, quota_period="day", quota_time_zone="Europe/Berlin", by=in_acme.pam) is None


# --- topping up ------------------------------------------------------------------------------------------------------


def test_an_approver_adds_calls_to_this_period_alone(held: Subscription, in_acme: Cast) -> None:
    called(held, 10)
    event = quotas.top_up(held, calls=5, reason=WHY, by=in_acme.ada)
    assert (event.kind, event.subject_id, event.actor_id) == (quotas.TOPPED_UP, held.pk, in_acme.ada.pk)
    assert {name: event.data[name] for name in ("calls", "quota", "reason", "used")} == {"calls": 5, "quota": 15, "reason": WHY, "used": 10}
    assert grant(held).refusal == ""
    found = standing(held)
    assert (found.limit, found.topped_up, found.percent, found.is_passed) == (15, 5, 66, False)
    called(held, 5)
    assert (grant(held).refusal, told()) == ("QUOTA_EXCEEDED", [quotas.PASSED, quotas.TOPPED_UP, quotas.PASSED])
    period_ends(held)
    assert (standing(held).limit, standing(held).topped_up) == (10, 0)


def test_what_is_added_before_anything_is_counted_holds(held: Subscription, in_acme: Cast) -> None:
    quotas.top_up(held, calls=5, reason=WHY, by=in_acme.ada)
    quotas.top_up(held, calls=1, reason=WHY, by=in_acme.ada)
    called(held, 15)
    assert (standing(held).limit, grant(held).refusal) == (16, "")


def test_who_used_more_than_they_have_even_then_stays_refused(held: Subscription, in_acme: Cast) -> None:
    called(held, 30)
    quotas.top_up(held, calls=5, reason=WHY, by=in_acme.ada)
    assert (grant(held).refusal, told()) == ("QUOTA_EXCEEDED", [quotas.PASSED, quotas.TOPPED_UP, quotas.PASSED])


@pytest.mark.parametrize("calls", [0, -1, MOST_CALLS + 1, 2**63])
def test_only_so_many_can_be_added(held: Subscription, in_acme: Cast, calls: int) -> None:
    with pytest.raises(Invalid, match="Give a number from 1 to 1,000,000,000,000"):
        quotas.top_up(held, calls=calls, reason=WHY, by=in_acme.ada)


def test_all_together_are_bounded(held: Subscription, in_acme: Cast) -> None:
    quotas.top_up(held, calls=MOST_CALLS - 10, reason=WHY, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="as many as a quota may be"):
        quotas.top_up(held, calls=1, reason=WHY, by=in_acme.ada)


def test_calls_are_added_under_the_plan_that_it_has_by_now(in_acme: Cast, held: Subscription) -> None:
    read_before = Subscription.objects.for_list().get(pk=held.pk)
    monthly = make.plan(held.api, name="monthly", approval="automatic", quota=100)
    changes.ask_for_plan(held, plan=monthly, purpose="x", by=in_acme.carl)
    event = quotas.top_up(read_before, calls=5, reason=WHY, by=in_acme.ada)
    assert (event.data["quota"], event.data["quota_period"], standing(held).limit) == (105, "month", 105)


def test_nobody_adds_to_their_own(in_acme: Cast) -> None:
    own = make.subscription(of=make.application(in_acme.ada), to=make.plan(quota=5), status="pending")
    with pytest.raises(NotAllowed, match="of your own"):
        quotas.top_up(own, calls=5, reason=WHY, by=in_acme.ada)


@pytest.mark.parametrize("status", ["pending", "suspended", "rejected", "cancelled"])
def test_only_what_is_active_gets_more(in_acme: Cast, status: str) -> None:
    held = make.subscription(to=make.plan(quota=5), status=status)
    with pytest.raises(NotAllowed, match="so nothing can be added to its quota"):
        quotas.top_up(held, calls=5, reason=WHY, by=in_acme.ada)
    assert not QuotaUse.objects.exists()


def test_without_a_quota_there_is_nothing_to_add_to(in_acme: Cast) -> None:
    with pytest.raises(NotAllowed, match="has no quota, so there is nothing to add to"):
        quotas.top_up(make.subscription(), calls=5, reason=WHY, by=in_acme.ada)


def test_a_plan_may_be_made_with_a_quota(in_acme: Cast) -> None:
    plan = make.plan(make.api("orders"), calls=1, quota=5000, quota_period="day", quota_time_zone="America/New_York")
    made = Event.objects.get(kind="plan.created").data
    assert (made["quota"], made["quota_period"], made["quota_time_zone"]) == (5000, "day", "America/New_York")
    assert plan.terms == "1 call a second; 5,000 calls a day (America/New York)"
    assert Plan.objects.get().quota == 5000
