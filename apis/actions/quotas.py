"""How much of its plan's quota a subscription has used, what follows when it is used up, and what approvers add to it.

Gateways count, see gateway/usage/. Adding what they counted takes no lock of the tenant's; whatever follows from it does.
"""

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.actions.subscriptions import four_eyes
from apis.models import PERIODS_KEPT, Plan, QuotaUse, Subscription
from apis.quotas import MOST_CALLS, WARNED_AT, span
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import in_words
from tenants.models import Event, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope

log = logging.getLogger(__name__)

JOB = "turn_quotas"
WARNED, PASSED, RESET, TOPPED_UP = "quota.warned", "quota.passed", "quota.reset", "quota.topped_up"
EVERY = timedelta(days=1)
# A subscription whose calls were let through, and when that was heard of.
Counted: TypeAlias = tuple[UUID, datetime]
_ACTIVE = Subscription.Status.ACTIVE
# A period of an application's calls of an API: the fields of QuotaUse.KEY, and when it ends.
_Period: TypeAlias = tuple[UUID, UUID, str, str, datetime, datetime]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscription stands to its plan's quota: `limit` is what may pass in this period, with what was added for it.

    `counted_at`: when calls were last added; None where none were in this period.
    """

    limit: int
    used: int
    period: str
    time_zone: str
    resets_at: datetime
    topped_up: int
    counted_at: datetime | None
    # Whether that was said, and gateways refuse further calls.
    is_passed: bool

    @property
    def percent(self) -> int:
        """Rounded down, and at most 100."""
        return min(self.used * 100 // self.limit, 100)

    @property
    def is_warned(self) -> bool:
        return self.percent >= WARNED_AT

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)


def standing(subscription: Subscription, now: datetime | None = None) -> Standing | None:
    """None where its plan has no quota.

    :param subscription: read by `with_quota_use`, as lists do, or it is asked for here.
    """
    plan = subscription.plan
    if plan.quota is None:
        return None
    if not hasattr(subscription, "quota_use"):
        subscription.quota_use = _use_of(subscription)  # type: ignore[attr-defined]
    told: Mapping[str, Any] = subscription.quota_use or {}  # type: ignore[attr-defined]
    topped_up = told.get("topped_up", 0)
    counted_at = told.get("counted_at")
    return Standing(
        limit=plan.quota + topped_up,
        used=told.get("calls", 0),
        period=plan.quota_period,
        time_zone=plan.quota_time_zone,
        resets_at=span(now or timezone.now(), plan.quota_period, plan.quota_time_zone)[1],
        topped_up=topped_up,
        counted_at=datetime.fromisoformat(counted_at) if counted_at else None,
        is_passed=told.get("refused_from", 0) == plan.quota + topped_up,
    )


def _use_of(subscription: Subscription) -> Any:
    found = Subscription.objects.with_quota_use().get(pk=subscription.pk)
    return found.quota_use  # type: ignore[attr-defined]


# --- counting --------------------------------------------------------------------------------------------------------


def count(tenant_id: UUID, calls: Mapping[Counted, int]) -> None:
    """Add calls that were let through. What there is no longer is nobody's.

    What follows comes in a transaction of its own, for it begins with the lock; if this process ends before, the job does it.
    """
    with tenant_scope(tenant_id):
        crossing = _add(_by_period(calls))
    if crossing:
        try:
            with tenant_scope(tenant_id):
                events.lock()
                _tell(QuotaUse.objects.filter(pk__in=crossing))
        except (DatabaseError, InterfaceError):
            # The calls are counted; who added them must not take them for waiting.
            log.exception("What follows for quotas of tenant %s is left to the job.", tenant_id)


def _by_period(calls: Mapping[Counted, int]) -> Counter[_Period]:
    """Under a plan without a quota they are counted, too, so that one that is given later begins with what it would be."""
    told = ("pk", "application_id", "api_id", "plan__quota_period", "plan__quota_time_zone")
    rows = Subscription.objects.filter(pk__in={pk for pk, _at in calls}).values_list(*told)
    known = {pk: (application, api, period, zone) for pk, application, api, period, zone in rows}
    found: Counter[_Period] = Counter()
    for (pk, at), many in calls.items():
        if pk in known:
            application, api, period, zone = known[pk]
            found[(application, api, period, zone, *span(at, period, zone))] += many
    return found


def _add(calls: Mapping[_Period, int]) -> list[UUID]:
    """One statement, in one order, so that two processes never wait for each other in a circle.

    :returns: those of which there is something to tell.
    """
    if not calls:
        return []
    rows = sorted(calls.items())
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO apis_quotause AS kept (
                       id, tenant_id, application_id, api_id, period, time_zone, starts, ends, calls, counted_at,
                       topped_up, warned, refused_from)
                   SELECT new.id, %s, new.application, new.api, new.period, new.zone, new.starts, new.ends, new.calls, now(), 0, false, 0
                   FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],
                               %s::bigint[]) AS new (id, application, api, period, zone, starts, ends, calls)
                   ORDER BY new.application, new.api, new.period, new.zone, new.starts
               ON CONFLICT (tenant_id, application_id, api_id, period, time_zone, starts) DO UPDATE SET
                   calls = kept.calls + EXCLUDED.calls, counted_at = GREATEST(kept.counted_at, EXCLUDED.counted_at)
               RETURNING id""",
            [
                current_tenant_id(),
                [new_id() for _ in rows],
                *([period[part] for period, _ in rows] for part in range(6)),
                [many for _, many in rows],
            ],
        )
        added = [pk for (pk,) in cursor.fetchall()]
    now = timezone.now()
    crossing = list(_crossing(QuotaUse.objects.filter(pk__in=added), now).values_list("pk", flat=True))
    due.expect(JOB, now if crossing else now + EVERY)
    return crossing


def _crossing(uses: Any, now: datetime) -> Any:
    return uses.at(now).crossing(Subscription.objects.filter(status=_ACTIVE))


# --- what follows ----------------------------------------------------------------------------------------------------


def _tell(uses: Any) -> None:
    """Say of each of them once that most of its quota is used, or all of it; from then on gateways refuse. Runs under the lock."""
    now = events.now()
    rows = _crossing(uses, now).locked()
    held = _held(rows)
    for use in rows:
        subscription = held.get(use.pk)
        if subscription is None or subscription.plan.quota is None:
            continue
        limit = subscription.plan.quota + use.topped_up
        use.warned = True
        if use.calls >= limit:
            use.refused_from = limit
            events.record(PASSED, subscription, by=None, **_told(subscription, use, limit))
            due.expect(JOB, use.ends)
        else:
            events.record(WARNED, subscription, by=None, percent=WARNED_AT, **_told(subscription, use, limit))
        use.save(update_fields=["warned", "refused_from"])


def _held(uses: Collection[QuotaUse]) -> dict[UUID, Subscription]:
    """By the ids of these counts the active subscription whose plan's quota each is of."""
    whose = {(each.application_id, each.api_id, each.period, each.time_zone): each.pk for each in uses}
    rows = Subscription.objects.filter(
        status=_ACTIVE, application__in={key[0] for key in whose}, api__in={key[1] for key in whose}
    ).select_related("application", "api", "plan")
    keys = {each: (each.application_id, each.api_id, each.plan.quota_period, each.plan.quota_time_zone) for each in rows}
    return {whose[key]: each for each, key in keys.items() if key in whose}


def _told(subscription: Subscription, use: QuotaUse, limit: int) -> dict[str, Any]:
    return {
        "api": subscription.api.slug,
        "plan": subscription.plan.name,
        "quota": limit,
        "quota_period": use.period,
        "quota_time_zone": use.time_zone,
        "used": use.calls,
        "resets_at": use.ends.isoformat(),
    }


def apply(plan: Plan) -> None:
    """Under the lock, where a plan has another quota: whoever has used as much is over it at once."""
    held = Subscription.objects.filter(plan=plan, status=_ACTIVE)
    _tell(QuotaUse.objects.filter(api=plan.api_id, application__in=held.values("application")))


def turn() -> datetime | None:
    """Let pass again what was refused until now, for the tenant in scope; returns when to look again.

    Runs under the lock. Also says what a process that ended had no time to say, and forgets periods long past.
    """
    now = events.now()
    crossing = list(_crossing(QuotaUse.objects.all(), now).values_list("pk", flat=True))
    # All at once, so that nobody who adds to them and this wait for each other in a circle.
    rows = QuotaUse.objects.filter(Q(pk__in=crossing) | Q(ends__lte=now, refused_from__gt=0)).locked()
    _tell(QuotaUse.objects.filter(pk__in=crossing))
    over = [each for each in rows if each.ends <= now]
    held = _held(over)
    for use in over:
        subscription = held.get(use.pk)
        # What was added, or another plan, may have let calls pass before.
        if subscription and subscription.plan.quota and use.refused_from == subscription.plan.quota + use.topped_up:
            events.record(RESET, subscription, by=None, **_told(subscription, use, use.refused_from))
        use.refused_from = 0
        use.save(update_fields=["refused_from"])
    QuotaUse.objects.filter(ends__lte=now - PERIODS_KEPT).delete()
    refused = QuotaUse.objects.filter(refused_from__gt=0).order_by("ends").values_list("ends", flat=True).first()
    later = now + EVERY if QuotaUse.objects.exists() else None
    return min((at for at in (refused, later) if at), default=None)


# --- for one period --------------------------------------------------------------------------------------------------


@transaction.atomic
def top_up(subscription: Subscription, *, calls: int, reason: str, by: User) -> Event:
    """Let so many calls more pass in this period, and in no other."""
    lock = events.lock()
    four_eyes(subscription, by)
    # Its plan may be another one by now.
    subscription.refresh_from_db(fields=["status", "plan"])
    plan = subscription.plan
    if subscription.status != _ACTIVE:
        said = _("This subscription is %(state)s, so nothing can be added to its quota.")
        raise NotAllowed(said % {"state": in_words(subscription, subscription.status)})
    if plan.quota is None:
        raise NotAllowed(_("The plan %(plan)s has no quota, so there is nothing to add to.") % {"plan": plan})
    if not 1 <= calls <= MOST_CALLS:
        most = number_format(MOST_CALLS, force_grouping=True)
        raise Invalid({"calls": [_("Give a number from 1 to %(most)s.") % {"most": most}]})
    starts, ends = span(lock.now, plan.quota_period, plan.quota_time_zone)
    period = {"period": plan.quota_period, "time_zone": plan.quota_time_zone, "starts": starts}
    use, _made = QuotaUse.objects.get_or_create(
        application=subscription.application, api=subscription.api, **period, defaults={"ends": ends}
    )
    (use,) = QuotaUse.objects.filter(pk=use.pk).locked()
    if plan.quota + use.topped_up + calls > MOST_CALLS:
        said = _("With that more than %(most)s calls could pass in this period, which is as many as a quota may be.")
        raise NotAllowed(said % {"most": number_format(MOST_CALLS, force_grouping=True)})
    use.topped_up += calls
    use.save(update_fields=["topped_up"])
    due.expect(JOB, lock.now + EVERY)
    told = _told(subscription, use, plan.quota + use.topped_up)
    event = events.record(TOPPED_UP, subscription, by=by, calls=calls, reason=reason, **told)
    # It may have used more than it has even now.
    _tell(QuotaUse.objects.filter(pk=use.pk))
    subscription.quota_use = _use_of(subscription)  # type: ignore[attr-defined]
    return event


# --- whom another quota would stop -----------------------------------------------------------------------------------


def over(plan: Plan, *, quota: int | None, period: str, time_zone: str, now: datetime) -> list[Subscription]:
    """The active subscriptions under a plan that would be over this quota at once, by name."""
    if not quota:
        return []
    uses = QuotaUse.objects.at(now).filter(api=plan.api_id, period=period, time_zone=time_zone)
    rows = uses.values_list("application_id", "calls", "topped_up")
    stopped = {application for application, calls, topped_up in rows if calls >= quota + topped_up}
    held = Subscription.objects.filter(plan=plan, status=_ACTIVE, application__in=stopped)
    return list(held.select_related("application").order_by("application__name", "pk")) if stopped else []
