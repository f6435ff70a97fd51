"""What was spent of budgets for models, what follows when one is reached, and what people add to it or make of it.

Gateways tell what was spent, see gateway/usage/. Adding it takes no lock of the tenant's; whatever follows from it does.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apis.actions.budget_terms import between, check
from apis.actions.subscriptions import four_eyes
from apis.budgets import MOST_AMOUNT, MOST_TOKENS, Budget, plain
from apis.models import BUDGETS_KEPT, BudgetUse, Plan, Subscription, TenantBudget
from apis.quotas import span
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import in_words
from tenants.models import Event, Tenant, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope

log = logging.getLogger(__name__)

JOB = "turn_budgets"
WARNED, PASSED, RESET, TOPPED_UP = "budget.warned", "budget.passed", "budget.reset", "budget.topped_up"
# Of the whole tenant's.
ALL_WARNED, ALL_PASSED, ALL_RESET, ALL_CHANGED = (
    "tenant_budget.warned", "tenant_budget.passed", "tenant_budget.reset", "tenant_budget.changed",
)  # fmt: skip
EVERY = timedelta(days=1)
_ACTIVE = Subscription.Status.ACTIVE
# The fields of BudgetUse.KEY, and when the period ends. Neither application nor API: the tenant's.
_Period: TypeAlias = tuple[UUID | None, UUID | None, str, str, str, datetime, datetime]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands in the period that now is: `budget` with what was added for it, and what was spent.

    `counted_at`: when something was last added; None where nothing was in this period.
    """

    budget: Budget
    tokens: int
    amount: int
    unpriced: int
    more_tokens: int
    more_amount: int
    resets_at: datetime
    counted_at: datetime | None
    # Whether that was said, and gateways refuse further calls.
    is_passed: bool

    @property
    def percent(self) -> int:
        return self.budget.percent(self.tokens, self.amount)

    @property
    def is_warned(self) -> bool:
        return self.percent >= self.budget.soft_percent

    @property
    def currency(self) -> str:
        return self.budget.currency


def standing(subscription: Subscription, now: datetime | None = None) -> Standing | None:
    """None where its plan has no budget.

    :param subscription: read by `with_quota_use`, as lists do, or it is asked for here.
    """
    budget = subscription.plan.budget
    if not budget.is_set:
        return None
    if not hasattr(subscription, "budget_use"):
        subscription.budget_use = _use_of(subscription)  # type: ignore[attr-defined]
    told: dict[str, Any] = dict(subscription.budget_use or {})  # type: ignore[attr-defined]
    if told.get("counted_at"):
        told["counted_at"] = datetime.fromisoformat(told["counted_at"])
    return _stands(budget, BudgetUse(**told), now or timezone.now())


def _use_of(subscription: Subscription) -> Any:
    found = Subscription.objects.with_quota_use().get(pk=subscription.pk)
    return found.budget_use  # type: ignore[attr-defined]


def of_tenant() -> TenantBudget:
    """The tenant's in scope; one without an end where nobody gave it any."""
    return TenantBudget.objects.first() or TenantBudget()


def tenants_standing(now: datetime | None = None) -> Standing:
    """How the tenant's own stands; where it has none, what was spent in this month of UTC."""
    now, budget = now or timezone.now(), of_tenant().budget
    period, zone, currency = budget.key
    use = BudgetUse.objects.at(now).filter(application=None, period=period, time_zone=zone, currency=currency).first()
    return _stands(budget, use, now)


def _stands(budget: Budget, use: BudgetUse | None, now: datetime) -> Standing:
    return Standing(
        budget=use.bounded_by(budget) if use else budget,
        tokens=use.tokens if use else 0,
        amount=use.amount if use else 0,
        unpriced=use.unpriced if use else 0,
        more_tokens=use.more_tokens if use else 0,
        more_amount=use.more_amount if use else 0,
        resets_at=span(now, budget.period, budget.time_zone)[1],
        counted_at=use.counted_at if use else None,
        is_passed=bool(use and use.is_refused(budget)),
    )


# --- counting --------------------------------------------------------------------------------------------------------


class Spent(NamedTuple):
    """What answers cost that a subscription let through, in the minute that begins `at`; `amount` in `currency`, where that is known."""

    subscription: UUID | None
    at: datetime
    currency: str
    tokens: int
    amount: int
    # Answers that had a price, and those that had none.
    priced: int
    unpriced: int


def add(spent: Iterable[Spent]) -> list[UUID]:
    """Of the tenant in scope, in the transaction that writes it down elsewhere as well.

    :returns: those of which there is something to tell: `tell` does, in a transaction of its own that begins with the lock.
    """
    some = [each for each in spent if each.tokens or each.unpriced]
    if not some:
        return []
    sums = _by_period(some)
    rows = list(sums.items())
    # One statement, in the order of BudgetUse.KEY, so that two processes never wait for each other in a circle.
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO apis_budgetuse AS kept (
                       id, tenant_id, application_id, api_id, period, time_zone, currency, starts, ends, tokens, amount, unpriced,
                       counted_at, more_tokens, more_amount, warned, refused_tokens, refused_amount)
                   SELECT new.id, %s, new.application, new.api, new.period, new.zone, new.currency, new.starts, new.ends, new.tokens,
                       new.amount, new.unpriced, now(), 0, 0, false, 0, 0
                   FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
                               %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[])
                       AS new (id, application, api, period, zone, currency, starts, ends, tokens, amount, unpriced)
                   ORDER BY new.application, new.api, new.period, new.zone, new.currency, new.starts
               ON CONFLICT (tenant_id, application_id, api_id, period, time_zone, currency, starts) DO UPDATE SET
                   tokens = kept.tokens + EXCLUDED.tokens, amount = kept.amount + EXCLUDED.amount,
                   unpriced = kept.unpriced + EXCLUDED.unpriced, counted_at = GREATEST(kept.counted_at, EXCLUDED.counted_at)
               RETURNING id""",
            [
                current_tenant_id(),
                [new_id() for _ in rows],
                *([period[part] for period, _ in rows] for part in range(7)),
                *([many[part] for _, many in rows] for part in ("tokens", "amount", "unpriced")),
            ],
        )
        added = [pk for (pk,) in cursor.fetchall()]
    now = timezone.now()
    crossing = [use.pk for use, _holder in _crossing(BudgetUse.objects.at(now).filter(pk__in=added))]
    due.expect(JOB, now if crossing else now + EVERY)
    return crossing


def _by_period(spent: Collection[Spent]) -> dict[_Period, Counter[str]]:
    """Under a plan without a budget it is counted, too, so that one that is given later begins with what it would be."""
    ids = {each.subscription for each in spent if each.subscription}
    rows = Subscription.objects.filter(pk__in=ids).select_related("plan") if ids else ()
    known = {each.pk: (each.application_id, each.api_id, each.plan.budget) for each in rows}
    tenants = of_tenant().budget
    found: dict[_Period, Counter[str]] = defaultdict(Counter)
    for each in spent:
        for application, api, budget in ((None, None, tenants), *([known[each.subscription]] if each.subscription in known else [])):
            same = each.currency == budget.currency
            many = found[(application, api, *budget.key, *span(each.at, budget.period, budget.time_zone))]
            many["tokens"] += each.tokens
            many["amount"] += each.amount if same else 0
            # What has a price in another currency has none in this.
            many["unpriced"] += each.unpriced + (0 if same else each.priced)
    return found


class _Holder(NamedTuple):
    """Whose budget a count is of: a subscription's plan's, or the tenant's."""

    subject: Subscription | Tenant
    budget: Budget


def _crossing(uses: Any) -> list[tuple[BudgetUse, _Holder]]:
    """Those about which something is to be told: most of the budget, or all of it, is spent, and that was not said yet."""
    rows = list(uses)
    held = _held(rows)
    return [(use, held[use.pk]) for use in rows if use.pk in held and _tells(use, held[use.pk].budget)]


def _tells(use: BudgetUse, budget: Budget) -> bool:
    limit = use.bounded_by(budget)
    if limit.is_spent(use.tokens, use.amount):
        return not use.is_refused(budget)
    return not use.warned and limit.percent(use.tokens, use.amount) >= budget.soft_percent


def _held(uses: Collection[BudgetUse]) -> dict[UUID, _Holder]:
    """By the ids of these counts those that have a budget which each is of."""
    found: dict[UUID, _Holder] = {}
    whose = {(each.application_id, each.api_id, each.period, each.time_zone, each.currency): each.pk for each in uses}
    if any(each.application_id for each in uses):
        rows = Subscription.objects.filter(
            status=_ACTIVE, application__in={key[0] for key in whose if key[0]}, api__in={key[1] for key in whose if key[1]}
        ).select_related("application", "api", "plan")
        for each in rows:
            pk = whose.get((each.application_id, each.api_id, *each.plan.budget.key))
            if pk and each.plan.budget.is_set:
                found[pk] = _Holder(each, each.plan.budget)
    if any(not each.application_id for each in uses):
        budget = of_tenant().budget
        if budget.is_set and (pk := whose.get((None, None, *budget.key))):
            found[pk] = _Holder(Tenant.objects.get(pk=current_tenant_id()), budget)
    return found


# --- what follows ----------------------------------------------------------------------------------------------------


def tell(tenant_id: UUID, crossing: Collection[UUID]) -> None:
    """What follows for these. If this process ends before, the job does it."""
    try:
        with tenant_scope(tenant_id):
            events.lock()
            _tell(BudgetUse.objects.filter(pk__in=crossing))
    except (DatabaseError, InterfaceError):
        # What was spent is counted; who added it must not take it for waiting.
        log.exception("What follows for budgets of tenant %s is left to the job.", tenant_id)


def _tell(uses: Any) -> None:
    """Say of each of them once that most of its budget is spent, or all of it; from then on gateways refuse. Runs under the lock."""
    for use, holder in _crossing(uses.at(events.now()).locked()):
        limit = use.bounded_by(holder.budget)
        use.warned = True
        passes = limit.is_spent(use.tokens, use.amount)
        if passes:
            use.refused_tokens = limit.tokens if limit.tokens and use.tokens >= limit.tokens else 0
            use.refused_amount = limit.amount if limit.amount and use.amount >= limit.amount else 0
            due.expect(JOB, use.ends)
        kind = _kind(holder, PASSED if passes else WARNED)
        more: dict[str, Any] = {} if passes else {"percent": holder.budget.soft_percent}
        events.record(kind, holder.subject, by=None, **more, **_told(holder, use))
        use.save(update_fields=["warned", "refused_tokens", "refused_amount"])


def _kind(holder: _Holder, kind: str) -> str:
    return kind if isinstance(holder.subject, Subscription) else f"tenant_{kind}"


def _told(holder: _Holder, use: BudgetUse) -> dict[str, Any]:
    limit, subject = use.bounded_by(holder.budget), holder.subject
    whose = {"api": subject.api.slug, "plan": subject.plan.name} if isinstance(subject, Subscription) else {}
    return {
        **whose,
        "budget_tokens": limit.tokens,
        "budget_amount": plain(limit.amount),
        "budget_currency": use.currency,
        "budget_period": use.period,
        "budget_time_zone": use.time_zone,
        "used_tokens": use.tokens,
        "used_amount": plain(use.amount),
        "resets_at": use.ends.isoformat(),
    }


def apply(plan: Plan) -> None:
    """Under the lock, where a plan has another budget: whoever has spent as much is over it at once."""
    held = Subscription.objects.filter(plan=plan, status=_ACTIVE)
    _tell(BudgetUse.objects.filter(api=plan.api_id, application__in=held.values("application")))


def turn() -> datetime | None:
    """Let pass again what was refused until now, for the tenant in scope; returns when to look again.

    Runs under the lock. Also says what a process that ended had no time to say, and forgets periods long past.
    """
    now = events.now()
    crossing = [use.pk for use, _holder in _crossing(BudgetUse.objects.at(now))]
    refused = Q(refused_tokens__gt=0) | Q(refused_amount__gt=0)
    # All at once, so that nobody who adds to them and this wait for each other in a circle.
    rows = BudgetUse.objects.filter(Q(pk__in=crossing) | Q(ends__lte=now) & refused).locked()
    _tell(BudgetUse.objects.filter(pk__in=crossing))
    over = [each for each in rows if each.ends <= now]
    held = _held(over)
    for use in over:
        holder = held.get(use.pk)
        # What was added, or another budget, may have let calls pass before.
        if holder and use.is_refused(holder.budget):
            events.record(_kind(holder, RESET), holder.subject, by=None, **_told(holder, use))
        use.refused_tokens = use.refused_amount = 0
        use.save(update_fields=["refused_tokens", "refused_amount"])
    BudgetUse.objects.filter(ends__lte=now - BUDGETS_KEPT).delete()
    next_one = BudgetUse.objects.refused().order_by("ends").values_list("ends", flat=True).first()
    later = now + EVERY if BudgetUse.objects.exists() else None
    return min((at for at in (next_one, later) if at), default=None)


# --- what people decide ----------------------------------------------------------------------------------------------


@transaction.atomic
def top_up(subscription: Subscription, *, tokens: int = 0, amount: int = 0, reason: str, by: User) -> Event:
    """Let so much more be spent in this period, and in no other.

    :param amount: in millionths of the budget's currency.
    """
    lock = events.lock()
    four_eyes(subscription, by)
    # Its plan may be another one by now.
    subscription.refresh_from_db(fields=["status", "plan"])
    budget = subscription.plan.budget
    if subscription.status != _ACTIVE:
        said = _("This subscription is %(state)s, so nothing can be added to its budget.")
        raise NotAllowed(said % {"state": in_words(subscription, subscription.status)})
    problems: dict[str, list[str]] = {}
    if tokens and budget.tokens is None:
        problems["tokens"] = [_("The plan's budget has no end in tokens, so there is nothing to add to.")]
    if amount and budget.amount is None:
        problems["amount"] = [_("The plan's budget has no end in money, so there is nothing to add to.")]
    if not budget.is_set:
        raise NotAllowed(_("The plan %(plan)s has no budget, so there is nothing to add to.") % {"plan": subscription.plan})
    if not (tokens or amount):
        problems["tokens" if budget.tokens is not None else "amount"] = [_("Say how much more.")]
    if not 0 <= tokens <= MOST_TOKENS:
        problems["tokens"] = [between(1, MOST_TOKENS)]
    if not 0 <= amount <= MOST_AMOUNT:
        problems["amount"] = [between(0, MOST_AMOUNT // 1_000_000)]
    if problems:
        raise Invalid(problems)
    starts, ends = span(lock.now, budget.period, budget.time_zone)
    period = {"period": budget.period, "time_zone": budget.time_zone, "currency": budget.currency, "starts": starts}
    use, _made = BudgetUse.objects.get_or_create(
        application=subscription.application, api=subscription.api, **period, defaults={"ends": ends}
    )
    (use,) = BudgetUse.objects.filter(pk=use.pk).locked()
    use.more_tokens += tokens
    use.more_amount += amount
    limit = use.bounded_by(budget)
    if (limit.tokens or 0) > MOST_TOKENS or (limit.amount or 0) > MOST_AMOUNT:
        raise NotAllowed(_("With that more could be spent in this period than a budget may be."))
    use.save(update_fields=["more_tokens", "more_amount"])
    due.expect(JOB, lock.now + EVERY)
    told: dict[str, Any] = {"tokens": tokens, "amount": plain(amount)}
    event = events.record(TOPPED_UP, subscription, by=by, **told, reason=reason, **_told(_Holder(subscription, budget), use))
    # It may have spent more than it has even now.
    _tell(BudgetUse.objects.filter(pk=use.pk))
    subscription.budget_use = _use_of(subscription)  # type: ignore[attr-defined]
    return event


@transaction.atomic
def set_tenants(*, given: dict[str, Any], by: User) -> Event | None:
    """What the tenant may spend on all its AI APIs. It holds at once; of another period, zone or currency counting begins with this.

    :param given: fields of TenantBudget; what is left out stays. None of `tokens` or `amount` takes that end away.
    :returns: None if nothing changed. :raises Invalid: by field.
    """
    events.lock()
    row = of_tenant()
    was = _facts(row.budget)
    for name, value in given.items():
        setattr(row, name, value)
    check(row.budget)
    now = _facts(row.budget)
    differs = sorted(name for name in now if now[name] != was[name])
    # Of what has no end neither period, zone nor currency matters.
    if not differs or not (row.budget.is_set or {"tokens", "amount"} & {*differs}):
        return None
    row.save()
    tenant = Tenant.objects.get(pk=current_tenant_id())
    event = events.record(ALL_CHANGED, tenant, by=by, was={each: was[each] for each in differs}, now={each: now[each] for each in differs})
    _tell(BudgetUse.objects.filter(application=None))
    return event


def _facts(budget: Budget) -> dict[str, Any]:
    return {
        "tokens": budget.tokens,
        "amount": plain(budget.amount),
        "currency": budget.currency,
        "period": str(budget.period),
        "time_zone": budget.time_zone,
        "soft_percent": budget.soft_percent,
    }
