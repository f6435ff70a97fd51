"""What its people ask to change of a subscription that goes on: another plan, or a later end."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis.actions import approval_rules, quotas, terms, two_people
from apis.actions.subscriptions import by_itself, four_eyes, has_to_be_offered, has_to_be_open
from apis.models import ChangeRequest, Plan, Subscription
from keys.actions.applications import check_active
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import Data, in_words, move
from tenants.models import Event, ServiceAccount, User
from tenants.people.members import held_now

_Kind, _Status = ChangeRequest.Kind, ChangeRequest.Status
# A renewal is for as long again as the time before, within these.
SHORTEST, LONGEST = timedelta(days=1), timedelta(days=365)


@transaction.atomic
def ask_for_plan(subscription: Subscription, *, plan: Plan, purpose: str, by: User) -> tuple[ChangeRequest, Event]:
    """Ask for another plan of the same API; calls go on meanwhile. A plan or a rule that approves by itself gives it at once."""
    now = _may_be_changed(subscription)
    held = held_now(by)
    has_to_be_open(subscription.api, to=by, permissions=held)
    has_to_be_offered(plan, subscription.api, to=by, permissions=held)
    if plan.pk == subscription.plan_id:
        raise NotAllowed(_("The subscription has the plan %(plan)s already.") % {"plan": plan})
    terms.check_trial(subscription.application, api=subscription.api, plan=plan)
    asked = ChangeRequest(kind=_Kind.PLAN, plan=plan, was_plan=subscription.plan)
    # Who leaves a trial has no end: not by themselves where a person had said one before it.
    said = subscription.ends_as_a_trial and _a_person_said(subscription)
    return _asked(subscription, asked, plan=plan, by_people=said, purpose=purpose, by=by, now=now)


@transaction.atomic
def ask_to_renew(subscription: Subscription, *, ends_at: datetime | None = None, purpose: str, by: User) -> tuple[ChangeRequest, Event]:
    """Ask for a later end, as long again as before where none is named. A plan or a rule that approves by itself gives it at once,
    unless a person has said how long it lasts.

    :raises Invalid: this is no later end.
    """
    now = _may_be_changed(subscription)
    if subscription.ends_at is None:
        raise NotAllowed(_("This subscription has no end, so there is nothing to renew."))
    said = _a_person_said(subscription)
    if subscription.ends_as_a_trial or (not said and _is_a_trial(subscription)):
        raise NotAllowed(_("A trial is not renewed. Ask for another plan, and calls go on under that."))
    later = ends_at or next_end(subscription)
    terms.check(starts_at=None, ends_at=later, now=now)
    if later <= subscription.ends_at:
        raise Invalid({"ends_at": [_("It ends no earlier than that now. Choose a later time.")]})
    asked = ChangeRequest(kind=_Kind.RENEWAL, ends_at=later, was_ends_at=subscription.ends_at)
    return _asked(subscription, asked, plan=subscription.plan, by_people=said, purpose=purpose, by=by, now=now)


def _a_person_said(subscription: Subscription) -> bool:
    """Whether an approver has said when it starts or ends."""
    return Event.objects.filter(subject_id=subscription.pk, kind="subscription.dates_changed").exists()


def _is_a_trial(subscription: Subscription) -> bool:
    """Also one that somebody asked for until a moment before the trial's end."""
    return subscription.trial_until is not None and subscription.plan.trial_days is not None


def next_end(subscription: Subscription) -> datetime:
    """As long again as it was last given for."""
    assert subscription.ends_at is not None
    renewals = subscription.change_requests.filter(kind=_Kind.RENEWAL, status=_Status.APPROVED).order_by("-pk")
    before = renewals.values_list("was_ends_at", flat=True).first()
    since = before or subscription.started_at or subscription.starts_at or subscription.decided_at or subscription.requested_at
    return subscription.ends_at + min(max(subscription.ends_at - since, SHORTEST), LONGEST)


def _may_be_changed(subscription: Subscription) -> datetime:
    """As it is now, under the lock; returns when that is.

    :raises NotAllowed: no calls pass by it, or somebody asks for a change already.
    """
    lock = events.lock()
    check_active(subscription.application)
    _read_again(subscription)
    if subscription.status != Subscription.Status.ACTIVE or _is_over(subscription, lock.now):
        raise NotAllowed(_("This subscription is not active, so it can't be changed."))
    if subscription.change_requests.filter(status=_Status.PENDING).exists():
        raise NotAllowed(_("A change of this subscription waits already. Withdraw that first."))
    return lock.now


def _read_again(subscription: Subscription) -> None:
    subscription.refresh_from_db(fields=["status", "plan", "trial_until", "started_at", *terms.DATES])


def _is_over(subscription: Subscription, now: datetime) -> bool:
    return subscription.ends_at is not None and subscription.ends_at <= now


def _asked(
    subscription: Subscription, asked: ChangeRequest, *, plan: Plan, purpose: str, by: User, now: datetime, by_people: bool = False
) -> tuple[ChangeRequest, Event]:
    asked.subscription, asked.purpose, asked.requested_by, asked.requested_at = subscription, purpose, by, now
    # What a rule would say to a request of this kind.
    rule = approval_rules.rule_for(Subscription(application=subscription.application, api=subscription.api, plan=plan))
    needed = two_people.needed(plan, rule, subscription.application.environment)
    asked.approvals_needed = max(1, needed)
    asked.save(force_insert=True)
    ruled: Data = {"rule": rule.name} if rule else {}
    event = events.record("change_request.requested", asked, by=by, purpose=purpose, **_told(asked), **ruled)
    if not needed and not by_people:
        move(asked, _Status.APPROVED, by=None, why=by_itself(plan, rule), data={**_told(asked), **ruled}, decided_at=now)
        event = _carry_out(asked, by=None, now=now, gathered=True, **ruled)
    return asked, event


def _told(asked: ChangeRequest) -> dict[str, Any]:
    api = asked.subscription.api.slug
    if asked.plan is not None and asked.was_plan is not None:
        return {"api": api, "plan": asked.plan.name, "was_plan": asked.was_plan.name}
    assert asked.ends_at is not None
    return {"api": api, "ends_at": asked.ends_at.isoformat()}


@transaction.atomic
def approve(asked: ChangeRequest, *, by: User) -> Event:
    """Change the subscription as it was asked; its tokens go on working.

    :returns: the event of the subscription, which gateways obey.
    """
    lock = events.lock()
    four_eyes(asked, by)
    _still_waits(asked)
    subscription = asked.subscription
    _read_again(subscription)
    if subscription.status not in Subscription.GRANTED or _is_over(subscription, lock.now):
        raise NotAllowed(_("The subscription has ended meanwhile, so there is nothing to change."))
    if asked.plan is not None:
        asked.plan.refresh_from_db(fields=["status", "trial_days"])
        if asked.plan.status == Plan.Status.CLOSED:
            raise NotAllowed(_("The plan %(plan)s was closed meanwhile, so nothing can get it.") % {"plan": asked.plan})
    elif asked.ends_at is not None and (asked.ends_at <= lock.now or not _is_later(asked, subscription)):
        raise NotAllowed(_("The subscription ends later than that meanwhile, or the end that was asked for has passed."))
    if not _completes(asked, by):
        return _approve_first(asked, by=by, now=lock.now)
    move(asked, _Status.APPROVED, by=by, data=_told(asked), decided_by=by, decided_at=lock.now)
    return _carry_out(asked, by=by, now=lock.now)


def _completes(asked: ChangeRequest, by: User) -> bool:
    """Whether this approval is all that is missing; as two people decide about a request, see apis.actions.two_people.

    :raises NotAllowed: the first of two was theirs already.
    """
    first = asked.first_approved_by
    if asked.approvals_needed == 1:
        return True
    if first is None:
        return False
    people = ServiceAccount.objects.people_behind
    if first.pk == by.pk or not people(first).isdisjoint(people(by)):
        raise NotAllowed(_("You have approved this already; a second person has to approve it, too."))
    return not asked.is_own_of(first)


def _approve_first(asked: ChangeRequest, *, by: User, now: datetime) -> Event:
    """One of two; it waits on."""
    asked.first_approved_by, asked.first_approved_at = by, now
    asked.save(update_fields=["first_approved_by", "first_approved_at"])
    return events.record("change_request.approved_first", asked, by=by, **_told(asked))


def _is_later(asked: ChangeRequest, subscription: Subscription) -> bool:
    return subscription.ends_at is not None and asked.ends_at is not None and asked.ends_at > subscription.ends_at


@transaction.atomic
def reject(asked: ChangeRequest, *, reason: str, by: User) -> Event:
    """Say no, and why; the subscription goes on as it is."""
    lock = events.lock()
    four_eyes(asked, by)
    _still_waits(asked)
    return move(asked, _Status.REJECTED, by=by, why=reason, data=_told(asked), reason=reason, decided_by=by, decided_at=lock.now)


@transaction.atomic
def withdraw(asked: ChangeRequest, *, by: User) -> Event:
    """Take it back; the subscription goes on as it is."""
    events.lock()
    _still_waits(asked)
    return move(asked, _Status.WITHDRAWN, by=by, data=_told(asked))


def _still_waits(asked: ChangeRequest) -> None:
    asked.refresh_from_db(fields=["status", "first_approved_by", "first_approved_at"])
    if asked.status != _Status.PENDING:
        said = _("This change is %(state)s already.")
        raise NotAllowed(said % {"state": in_words(asked, asked.status)})


def _carry_out(asked: ChangeRequest, *, by: User | None, now: datetime, gathered: bool = False, **more: Any) -> Event:
    subscription = asked.subscription
    # A decision before this one can't be taken back any more.
    fields: dict[str, Any] = {"undo_until": None}
    if asked.plan is not None:
        fields |= {"plan": asked.plan, **_dates_under(asked.plan, subscription, now)}
        kind, told = "subscription.plan_changed", {"was": subscription.plan.name, "now": asked.plan.name}
    else:
        assert subscription.ends_at is not None
        assert asked.ends_at is not None
        fields |= terms.ending(asked.ends_at, now)
        kind, told = "subscription.renewed", {"was": subscription.ends_at.isoformat(), "now": asked.ends_at.isoformat()}
    for name, value in fields.items():
        setattr(subscription, name, value)
    subscription.save(update_fields=sorted(fields))
    event = events.record(kind, subscription, by=by, gathered=gathered, api=subscription.api.slug, **told, **more)
    if asked.plan is not None:
        # Who has used more than the new plan's quota already is over it at once.
        quotas.apply(asked.plan)
    return event


def _dates_under(plan: Plan, subscription: Subscription, now: datetime) -> dict[str, Any]:
    """A trial begins with the change, and ends with it: what somebody said about the end holds on."""
    ends = None if subscription.ends_as_a_trial else subscription.ends_at
    trial = terms.under(plan, max(subscription.starts_at or now, now))
    if trial is None:
        return terms.ending(ends, now)
    return {"trial_until": trial, **terms.ending(min(ends or trial, trial), now)}
