"""For how long a subscription holds: which dates it may have, what a trial is, and what its approval settles."""

from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from apis.models import Api, Plan, Subscription
from keys.actions.expiries import next_at, reached
from keys.models import Application
from tenants import due
from tenants.errors import Invalid, NotAllowed

TURN_JOB = "turn_subscriptions"
# Days before the end at which its people hear of it.
WARNINGS = (14, 3, 1)
# Ten years with their leap days.
FARTHEST = timedelta(days=3653)

DATES = ("starts_at", "ends_at")


def check(*, starts_at: datetime | None, ends_at: datetime | None, now: datetime, new: tuple[str, ...] = DATES) -> None:
    """
    :param new: those that somebody chose just now; what was chosen before may have passed since.
    :raises Invalid: a subscription can't have these dates.
    """
    problems: dict[str, list[str]] = {}
    for name, at in zip(DATES, (starts_at, ends_at), strict=True):
        if at is None or name not in new:
            continue
        if at <= now:
            problems[name] = [_("This time has passed.")]
        elif at > now + FARTHEST:
            problems[name] = [_("Choose a time in the next ten years.")]
    if not problems and starts_at is not None and ends_at is not None and ends_at <= starts_at:
        problems["ends_at"] = [_("It has to end after it starts.")]
    if problems:
        raise Invalid(problems)


def check_trial(application: Application, *, api: Api, plan: Plan) -> None:
    """One trial per application and API; an approver may add another (apis.actions.adding).

    :raises NotAllowed: it had one.
    """
    had = Subscription.objects.filter(application=application, api=api, trial_until__isnull=False)
    if plan.trial_days is None or not had.exists():
        return
    said = _("%(application)s has had its trial of %(api)s, and there is one for each. Choose another plan, or ask an approver to add it.")
    raise NotAllowed(said % {"application": application, "api": api})


def settled(subscription: Subscription, now: datetime) -> dict[str, Any]:
    """What its approval writes beside the state: whether it starts now, and when it ends.

    :raises NotAllowed: the end that was asked for has passed.
    """
    subscription.refresh_from_db(fields=DATES)
    subscription.plan.refresh_from_db(fields=["trial_days"])
    starts = max(subscription.starts_at or now, now)
    ends, trial = subscription.ends_at, under(subscription.plan, starts)
    if ends is not None and ends <= now:
        raise NotAllowed(_("The end that was asked for has passed. Choose another, or reject the request."))
    if trial is not None:
        ends = min(ends or trial, trial)
    expect(starts if starts > now else None)
    return {"started_at": now if starts == now else None, "trial_until": trial, **ending(ends, now)}


def settled_new(plan: Plan, now: datetime) -> dict[str, Any]:
    """The same of one that is added, at once: an approver may add another trial."""
    trial = under(plan, now)
    return {"started_at": now, "trial_until": trial, **ending(trial, now)}


def ending(ends_at: datetime | None, now: datetime) -> dict[str, Any]:
    """What another end of an approved one writes: the warnings that it comes too late for are not caught up on."""
    if ends_at is None:
        return {"ends_at": None, "warned_days": None}
    told = reached(ends_at, now, WARNINGS)
    expect(ends_at, next_at(ends_at, told, WARNINGS))
    return {"ends_at": ends_at, "warned_days": told}


def unsettled(subscription: Subscription) -> dict[str, Any]:
    """What taking the approval back writes: the dates that were asked for stay, the trial's end comes anew with the next approval."""
    kept = None if subscription.ends_as_a_trial else subscription.ends_at
    return {"started_at": None, "ends_at": kept, "trial_until": None, "warned_days": None}


def under(plan: Plan, since: datetime) -> datetime | None:
    """Until when a trial goes that begins then; None where the plan is none."""
    return None if plan.trial_days is None else since + timedelta(days=plan.trial_days)


def going_on(subscription: Subscription, now: datetime) -> dict[str, Any]:
    """What resuming writes: its start may have come meanwhile."""
    if subscription.started_at is not None or subscription.starts_at is None:
        return {}
    if subscription.starts_at <= now:
        return {"started_at": now}
    expect(subscription.starts_at, None)
    return {}


def expect(*times: datetime | None) -> None:
    """Something happens to a subscription by itself then."""
    found = [each for each in times if each is not None]
    if found:
        due.expect(TURN_JOB, min(found))


def as_told(starts_at: datetime | None, ends_at: datetime | None) -> dict[str, str | None]:
    """As events have them."""
    return {name: at.isoformat() if at else None for name, at in zip(DATES, (starts_at, ends_at), strict=True)}
