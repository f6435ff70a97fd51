"""Asking for a subscription, and deciding."""

from collections.abc import Set
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.actions import approval_rules, content_logging, request_clock, request_forms, terms, two_people
from apis.models import Api, ApiVersion, ApprovalRule, ChangeRequest, Plan, Subscription
from keys.actions.applications import check_active
from keys.models import Application
from tenants import due, events, limits
from tenants.errors import NotAllowed
from tenants.event_kinds import UNDO
from tenants.lifecycle import Data, in_words, move
from tenants.models import Event, User
from tenants.people import delegations
from tenants.people.members import held_now

_Status = Subscription.Status


@transaction.atomic
def request(
    application: Application,
    *,
    api: Api,
    plan: Plan,
    purpose: str,
    answers: request_forms.Answers | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    logging_agreed: int | None = None,
    by: User,
) -> tuple[Subscription, Event]:
    """Ask for an application's right to call an API.

    A plan or a rule that approves by itself makes it active at once, unless the last word of a person was to suspend, or when it ends.

    :param answers: to what the API asks, see apis.actions.request_forms.
    :param logging_agreed: to which version of what it keeps of calls, see apis.actions.content_logging.
    :raises Invalid: one is missing, or does not fit; or it can't have these dates.
    """
    lock = events.lock()
    check_active(application)
    has_to_begin(api)
    held = held_now(by)
    has_to_be_open(api, to=by, permissions=held)
    has_to_be_offered(plan, api, to=by, permissions=held)
    terms.check(starts_at=starts_at, ends_at=ends_at, now=lock.now)
    has_to_be_free(application, api)
    terms.check_trial(application, api=api, plan=plan)
    kept = request_forms.answered(api, answers or {})
    agreed = content_logging.has_to_agree(api, logging_agreed)
    dates = {"starts_at": starts_at, "ends_at": ends_at}
    subscription = Subscription(application=application, api=api, plan=plan, purpose=purpose, answers=kept, requested_by=by, **dates)
    rule = approval_rules.rule_for(subscription)
    needed = two_people.needed(plan, rule, application.environment)
    subscription.approvals_needed = max(1, needed)
    subscription.save(force_insert=True)
    ruled: Data = {"rule": rule.name} if rule else {}
    told: dict[str, Any] = {name: at for name, at in terms.as_told(**dates).items() if at}
    told |= {"answers": request_forms.told(kept)} if kept else {}
    event = events.record("subscription.requested", subscription, by=by, api=api.slug, plan=plan.name, purpose=purpose, **ruled, **told)
    content_logging.agree_with_request(subscription, agreed, lock, by=by)
    terms.expect(ends_at)
    if not needed and not _left_suspended(application, api) and not _left_limited(application, api):
        event = move(
            subscription,
            _Status.ACTIVE,
            by=None,
            # Written down in English whoever asks, see portal/words.py.
            why=by_itself(plan, rule),
            data=ruled,
            # A developer causes it, as often as they like.
            gathered=True,
            decided_at=lock.now,
            **terms.settled(subscription, lock.now),
        )
    else:
        request_clock.expect(subscription)
    return subscription, event


def by_itself(plan: Plan, rule: ApprovalRule | None) -> str:
    """Written down in English whoever asks, see portal/words.py."""
    return f"The rule {rule} approves by itself." if rule else f"The plan {plan} approves by itself."


@transaction.atomic
def approve(subscription: Subscription, *, by: User) -> Event:
    """Let its calls pass; of a request that needs two people, the first says so and it waits on."""
    lock = events.lock()
    two_people.look_again(subscription)
    four_eyes(subscription, by)
    if subscription.status != _Status.PENDING:
        said = _("This subscription is %(state)s, so there is nothing to approve.")
        raise NotAllowed(said % {"state": in_words(subscription, subscription.status)})
    if not two_people.completes(subscription, by):
        return two_people.approve_first(subscription, by=by)
    # People hear of a decision when it stands.
    due.expect(due.MAIL_JOB, lock.now + UNDO)
    decided: dict[str, Any] = {"decided_by": by, "decided_at": lock.now, "undo_until": lock.now + UNDO, "asked_at": None}
    told = two_people.told(subscription)
    return move(subscription, _Status.ACTIVE, by=by, data=told, **decided, **terms.settled(subscription, lock.now))


@transaction.atomic
def reject(subscription: Subscription, *, reason: str, by: User) -> Event:
    lock = events.lock()
    four_eyes(subscription, by)
    due.expect(due.MAIL_JOB, lock.now + UNDO)
    return move(
        subscription,
        _Status.REJECTED,
        by=by,
        why=reason,
        reason=reason,
        decided_by=by,
        decided_at=lock.now,
        undo_until=lock.now + UNDO,
        ended_at=lock.now,
        asked_at=None,
    )


@transaction.atomic
def undo(subscription: Subscription, *, by: User) -> Event:
    """Take back an approval or rejection: who made it, for ten seconds; the first of two for as long as the second is missing."""
    lock = events.lock()
    # What was read before the lock may have been suspended and resumed since.
    subscription.refresh_from_db(fields=["status", "decided_by", "undo_until", "first_approved_by", "ends_at", "trial_until"])
    if subscription.waits_for_second:
        return two_people.undo_first(subscription, by=by)
    if not subscription.undoable_by(by, lock.now):
        raise NotAllowed(_why_not(subscription, lock.now))
    if subscription.status == _Status.REJECTED:
        _not_asked_again(subscription)
        _not_closed(subscription)
        _room_for(subscription.application)
    request_clock.expect(subscription)
    before: dict[str, Any] = {"reason": "", "decided_by": None, "decided_at": None, "undo_until": None, "ended_at": None}
    return move(subscription, _Status.PENDING, by=by, **before, **terms.unsettled(subscription))


def _why_not(subscription: Subscription, now: datetime) -> str:
    """Why a decision can't be undone."""
    if subscription.undo_until is None:
        return _("There is nothing to undo: the last that happened here is no approval or rejection by a person.")
    if now <= subscription.undo_until:
        return _("Someone else decided this, so only they can undo it.")
    if subscription.status == _Status.REJECTED:
        return _("Ten seconds have passed, so this decision stands; the applicant may ask again.")
    return _("Ten seconds have passed, so this decision stands; suspend or cancel it instead.")


def _not_asked_again(subscription: Subscription) -> None:
    application, api = subscription.application, subscription.api
    if Subscription.objects.open().filter(application=application, api=api).exists():
        said = _("%(application)s has asked for %(api)s again meanwhile, so this decision stands; decide the new request.")
        raise NotAllowed(said % {"application": application, "api": api})


def _not_closed(subscription: Subscription) -> None:
    subscription.plan.refresh_from_db(fields=["status"])
    if subscription.plan.status == Plan.Status.CLOSED:
        raise NotAllowed(_("The plan %(plan)s was closed meanwhile, so this decision stands.") % {"plan": subscription.plan})


@transaction.atomic
def suspend(subscription: Subscription, *, reason: str, by: User) -> Event:
    """Refuse the application's calls until it is resumed."""
    lock = events.lock()
    return move(subscription, _Status.SUSPENDED, by=by, why=reason, reason=reason, decided_by=by, decided_at=lock.now, undo_until=None)


@transaction.atomic
def resume(subscription: Subscription, *, by: User) -> Event:
    lock = events.lock()
    four_eyes(subscription, by)
    if subscription.status != _Status.SUSPENDED:
        said = _("This subscription is %(state)s, so there is nothing to resume.")
        raise NotAllowed(said % {"state": in_words(subscription, subscription.status)})
    on = terms.going_on(subscription, lock.now)
    return move(subscription, _Status.ACTIVE, by=by, reason="", decided_by=by, decided_at=lock.now, **on)


@transaction.atomic
def cancel(subscription: Subscription, *, reason: str = "", by: User) -> Event:
    """End it for good; a new one may be asked for."""
    lock = events.lock()
    return move(subscription, _Status.CANCELLED, by=by, why=reason, reason=reason, **ends(lock.now))


def has_to_begin(api: Api) -> None:
    """:raises NotAllowed: it has no version that one may begin with."""
    if api.versions.filter(status__in=ApiVersion.BEGINNING).exists():
        return
    going = Api.objects.published().filter(pk=api.pk).exists()
    said = (
        _("Every version of %(api)s is going or blocked, so nothing new can subscribe to it.")
        if going
        else _("%(api)s is not published yet, so nothing can subscribe to it.")
    )
    raise NotAllowed(said % {"api": api})


def has_to_be_open(api: Api, *, to: User, permissions: Set[str]) -> None:
    """:raises NotAllowed: somebody does not see it, so they ask for nothing of it."""
    if not Api.objects.readable_by(to, permissions).filter(pk=api.pk).exists():
        raise NotAllowed(_("%(api)s is not open to you, so you can't subscribe to it.") % {"api": api})


def has_to_be_free(application: Application, api: Api) -> None:
    """:raises NotAllowed: there is one open already, or as many as there may be."""
    standing = Subscription.objects.open().filter(application=application, api=api).first()
    if standing is not None:
        said = _("%(application)s has a subscription to %(api)s already; it is %(state)s.")
        raise NotAllowed(said % {"application": application, "api": api, "state": in_words(standing, standing.status)})
    _room_for(application)


def has_to_be_offered(plan: Plan, api: Api, *, to: User, permissions: Set[str]) -> None:
    """:raises NotAllowed: nothing may begin under the plan, as it stands now: people choose on pages that grow old.

    One that somebody does not see is none to them.
    """
    plan.refresh_from_db(fields=["status", "approval", "trial_days"])
    names = {"api": api, "plan": plan, "state": in_words(plan, plan.status)}
    seen = Plan.objects.filter(pk=plan.pk, api=api).exclude(status=Plan.Status.STAGING).visible_to(to, permissions)
    if not seen.exists():
        raise NotAllowed(_("%(api)s offers no plan “%(plan)s”.") % names)
    if plan.status != Plan.Status.PUBLISHED:
        said = _("The plan %(plan)s of %(api)s is %(state)s, so nothing new can subscribe under it. Choose another.")
        raise NotAllowed(said % names)


def ends(now: datetime) -> dict[str, Any]:
    """What each end writes beside the state: there is nothing to undo any more, and no answer is waited for."""
    return {"undo_until": None, "ended_at": now, "asked_at": None}


def _room_for(application: Application) -> None:
    """
    :raises NotAllowed: one more open subscription were too many.
    """
    if Subscription.objects.open().filter(application=application).count() >= limits.OPEN_SUBSCRIPTIONS_PER_APPLICATION:
        most = number_format(limits.OPEN_SUBSCRIPTIONS_PER_APPLICATION, force_grouping=True)
        said = _("%(application)s has %(most)s open subscriptions, which is as many as an application may have; cancel one first.")
        raise NotAllowed(said % {"application": application, "most": most})
    if Subscription.objects.open().count() >= limits.OPEN_SUBSCRIPTIONS:
        said = _("There are %(most)s open subscriptions here, which is as many as a tenant may have; ask its approvers.")
        raise NotAllowed(said % {"most": number_format(limits.OPEN_SUBSCRIPTIONS, force_grouping=True)})


def _left_suspended(application: Application, api: Api) -> bool:
    """Whether a suspended subscription of these two ended, and no person has approved one since."""
    theirs = Subscription.objects.filter(application=application, api=api).values("pk")
    ended = Q(kind__in=["subscription.cancelled", "subscription.expired"], data__was=_Status.SUSPENDED.value)
    undone = Event.objects.filter(kind="subscription.decision_undone", data__was=_Status.ACTIVE.value)
    undone_since = undone.filter(subject_id=OuterRef("subject_id"), number__gt=OuterRef("number"))
    approved = Q(kind__in=["subscription.approved", "subscription.added"], actor_id__isnull=False) & ~Exists(undone_since)
    last = Event.objects.filter(ended | approved, subject_id__in=theirs).order_by("-number").first()
    return last is not None and last.kind not in {"subscription.approved", "subscription.added"}


def _left_limited(application: Application, api: Api) -> bool:
    """Whether a person said when a subscription of these two ends, and none has approved one since that goes on."""
    theirs = Subscription.objects.filter(application=application, api=api)
    said, approved = "subscription.dates_changed", ["subscription.approved", "subscription.added"]
    word = Q(kind=said) | Q(kind__in=approved, actor_id__isnull=False)
    of = Event.objects.filter(word, subject_id__in=theirs.values("pk")).order_by("-number").values("subject_id")[:1]
    last = theirs.filter(pk=of, ends_at__isnull=False)
    return last.filter(Exists(Event.objects.filter(kind=said, subject_id=OuterRef("pk")))).exists()


def four_eyes(asked: Subscription | ChangeRequest, by: User) -> None:
    """:raises NotAllowed: it is a request of this person's own, or of whom they decide in the place of."""
    if asked.is_own_of(by):
        raise NotAllowed(_("You can't decide a request of your own; another approver has to."))
    for person in delegations.behind(by):
        if asked.is_own_of(person):
            said = _("You decide in the place of %(person)s, whose own request this is; another approver has to decide it.")
            raise NotAllowed(said % {"person": person})
