"""When a subscription starts and ends: who may change it, and what comes by itself at the second."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apis.actions import approval_rules, terms, two_people
from apis.actions.subscriptions import approve, ends, four_eyes
from apis.models import Subscription
from keys.actions.expiries import next_at, reached
from keys.models import Application
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import in_words, move
from tenants.models import Event, User

_Status = Subscription.Status
# So many are moved in one transaction.
BATCH = 500
# Written down in English whoever reads it, see portal/words.py.
NOBODY_DECIDED = "Its end came before anybody decided."


@transaction.atomic
def change_dates(subscription: Subscription, *, by: User, **given: datetime | None) -> Event | None:
    """Change what is given and differs: `starts_at`, None for at once, and `ends_at`, None for never. None if nothing changed.

    :raises Invalid: it can't have these dates.
    """
    lock = events.lock()
    four_eyes(subscription, by)
    subscription.refresh_from_db(fields=["status", "started_at", *terms.DATES])
    if subscription.status not in Subscription.OPEN:
        said = _("This subscription is %(state)s, so its dates can't be changed.")
        raise NotAllowed(said % {"state": in_words(subscription, subscription.status)})
    differs = tuple(name for name in terms.DATES if name in given and given[name] != getattr(subscription, name))
    if not differs:
        return None
    granted = subscription.status in Subscription.GRANTED
    if granted and "starts_at" in differs and not subscription.is_to_start(lock.now):
        raise Invalid({"starts_at": [_("It has started, so only its end can be changed.")]})
    was, now = ({name: getattr(subscription, name) for name in terms.DATES} for _each in range(2))
    now |= {name: given[name] for name in differs}
    terms.check(**now, now=lock.now, new=differs)
    if granted and "ends_at" in differs:
        _not_by_one(subscription, was["ends_at"], now["ends_at"])
    elif not granted and subscription.approvals_needed > 1:
        two_people.lapse(subscription, by=by)
    fields = {"starts_at": now["starts_at"], "undo_until": None, **terms.ending(now["ends_at"], lock.now)}
    if not granted:
        fields["warned_days"] = None
    elif now["starts_at"] is None:
        fields["started_at"] = subscription.started_at or lock.now
    else:
        terms.expect(now["starts_at"])
    _write(subscription, **fields)
    told: dict[str, Any] = {"was": terms.as_told(**was), "now": terms.as_told(**now)}
    return events.record("subscription.dates_changed", subscription, by=by, api=subscription.api.slug, **told)


def _not_by_one(subscription: Subscription, was: datetime | None, ends_at: datetime | None) -> None:
    """:raises NotAllowed: it would go on longer, which two people have to approve: see apis.actions.changes."""
    if was is None or (ends_at is not None and ends_at <= was):
        return
    # It may be another one by now.
    subscription.refresh_from_db(fields=["plan"])
    if two_people.needed(subscription.plan, approval_rules.rule_for(subscription), subscription.application.environment) > 1:
        said = _("Two people have to approve a subscription under %(plan)s, so one alone can't put its end off; it can be renewed.")
        raise NotAllowed(said % {"plan": subscription.plan})


@transaction.atomic
def approve_within(subscription: Subscription, *, by: User, **given: datetime | None) -> Event:
    """Approve it with the dates that are given, and else those that were asked for."""
    if given:
        change_dates(subscription, by=by, **given)
    return approve(subscription, by=by)


def _write(subscription: Subscription, **fields: object) -> None:
    for name, value in fields.items():
        setattr(subscription, name, value)
    subscription.save(update_fields=sorted(fields))


def turn_subscriptions() -> datetime | None:
    """Start, end and warn of those of the tenant in scope whose time has come; returns when the next one's comes. Runs under the lock."""
    now = events.now()
    named = Subscription.objects.select_related("application", "api").order_by("pk")
    over = list(named.open().filter(ends_at__lte=now)[:BATCH])
    for each in over:
        if each.status == _Status.PENDING:
            move(each, _Status.CANCELLED, by=None, why=NOBODY_DECIDED, reason=NOBODY_DECIDED, **ends(now))
        else:
            move(each, _Status.EXPIRED, by=None, data={"trial": True} if each.ends_as_a_trial else {}, **ends(now))
    if len(over) == BATCH:
        return now
    starting = list(named.filter(status=_Status.ACTIVE, started_at=None, starts_at__lte=now)[:BATCH])
    for each in starting:
        _write(each, started_at=now)
        events.record("subscription.started", each, by=None, api=each.api.slug)
    if len(starting) == BATCH:
        return now
    return min([*_warned(now), *_to_come()], default=None)


def _warned(now: datetime) -> Iterator[datetime]:
    """Warn of those that end soon, and give when each is next to be warned of."""
    rows = worth_a_warning(now).exclude(warned_days=terms.WARNINGS[-1]).select_related("application", "api")
    for each in rows.order_by("ends_at", "pk"):
        assert each.ends_at is not None
        told = reached(each.ends_at, now, terms.WARNINGS)
        if told is not None and (each.warned_days is None or told < each.warned_days):
            _write(each, warned_days=told)
            # After a pause of the job fewer days are left than were agreed on.
            days = -(-(each.ends_at - now) // timedelta(days=1))
            events.record("subscription.ends_soon", each, by=None, days=days, api=each.api.slug, ends_at=each.ends_at.isoformat())
        if at := next_at(each.ends_at, each.warned_days, terms.WARNINGS):
            yield at
        if each.warned_days is None:
            # Those after it end later still, so that their first warnings come later.
            break


def worth_a_warning(now: datetime) -> QuerySet[Subscription]:
    """Those by which calls pass, or will, and that end."""
    return Subscription.objects.filter(status=_Status.ACTIVE, ends_at__gt=now)


def agenda(applications: QuerySet[Application]) -> QuerySet[Subscription]:
    """Those of these applications by which calls pass, or will, and that end, soonest first."""
    rows = Subscription.objects.filter(status=_Status.ACTIVE, ends_at__gt=Now(), application__in=applications.order_by().values("pk"))
    return rows.select_related("application__owner", "application__team", "api", "plan").order_by("ends_at", "pk")


def _to_come() -> Iterator[datetime]:
    end = Subscription.objects.open().filter(ends_at__isnull=False).order_by("ends_at").values_list("ends_at", flat=True).first()
    starts = Subscription.objects.filter(status=_Status.ACTIVE, started_at=None, starts_at__isnull=False).order_by("starts_at")
    start = starts.values_list("starts_at", flat=True).first()
    yield from (each for each in (end, start) if each is not None)
