"""The life of a plan: what it allows, who may begin with it, and its end, which ends the subscriptions under it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis.actions import budget_terms, budgets, plan_models, quotas
from apis.actions.subscriptions import ends
from apis.models import Api, Operation, OperationUse, Plan, Subscription
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import in_words, move, step
from tenants.models import Event, User

_Status = Plan.Status
# So many subscriptions are named before a change; the others are counted.
MOST_NAMED = 200
# So many are read at once while a plan is closed.
BATCH = 500
UTC = "UTC"
_QUOTA = ["quota", "quota_period", "quota_time_zone"]


@dataclass(frozen=True, slots=True)
class Holder:
    """An open subscription under a plan, and when its application last called the API in the last 30 days.

    `quota` and `budget`: how it stands to the plan's, where there is one and it can call.
    """

    subscription: Subscription
    last_at: datetime | None
    quota: quotas.Standing | None = None
    budget: budgets.Standing | None = None


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom a change or the end of a plan affects. `named` are the first of them, by name; the numbers count all."""

    active: int
    pending: int
    suspended: int
    named: tuple[Holder, ...]

    @property
    def many(self) -> int:
        return self.active + self.pending + self.suspended

    @property
    def others(self) -> int:
        """How many are not named."""
        return self.many - len(self.named)


def concerned(plan: Plan) -> Concerned:
    """The open subscriptions under it, those that can call first."""
    rows = Subscription.objects.open().filter(plan=plan)
    counted = rows.aggregate(**{status.value: Count("pk", filter=Q(status=status)) for status in Subscription.OPEN})
    rows = rows.select_related("application__owner", "application__team", "plan").with_quota_use()
    shown = list(rows.order_by("status", "application__name", "pk")[:MOST_NAMED])
    last = _last_calls(plan, [each.application_id for each in shown])
    return Concerned(**counted, named=tuple(Holder(each, last.get(each.application_id), *_stands(each)) for each in shown))


def _stands(subscription: Subscription) -> tuple[quotas.Standing | None, budgets.Standing | None]:
    if subscription.status != Subscription.Status.ACTIVE:
        return None, None
    return quotas.standing(subscription), budgets.standing(subscription)


def _last_calls(plan: Plan, applications: list[UUID]) -> Mapping[UUID, datetime]:
    uses = OperationUse.objects.filter(version__api=plan.api_id, application__in=applications).lately() if applications else None
    rows = uses.values_list("application").annotate(last=Max("last_at")).order_by() if uses is not None else ()
    return dict(rows)


@transaction.atomic
def create(
    api: Api,
    *,
    name: str,
    calls: int,
    seconds: int,
    approval: str,
    quota: int | None = None,
    quota_period: str = Plan.Period.MONTH,
    quota_time_zone: str = UTC,
    trial_days: int | None = None,
    burst: int | None = None,
    scopes: Collection[str] = (),
    by: User | None,
    **more: Any,
) -> Plan:
    """
    :param quota: None for as many calls as come within the limit.
    :param trial_days: None where it is no trial.
    :param burst: how many of the calls may come at once; None, as 0, for all of them.
    :param scopes: what it includes of those that the API's operations need; none for all.
    :param more: `plan_models.FIELDS`, and `budget_terms.FIELDS`; what is left out is as a plan has it that says nothing.
    :raises Invalid: the API's operations need no such scope, it offers no such model, or more would come at once than in all.
    """
    events.lock()
    _within(burst, calls)
    of_ai = {name: more[name] for name in plan_models.FIELDS if name in more}
    of_models = {name: value for name, value in plan_models.checked(api, of_ai).items() if value}
    if Plan.objects.filter(api=api, name=name).exists():
        raise NotAllowed(_("%(api)s has a plan “%(name)s” already.") % {"api": api, "name": name})
    given: dict[str, Any] = {"calls": calls, "seconds": seconds, "approval": approval}
    counted: dict[str, Any] = {"quota": quota, "quota_period": quota_period, "quota_time_zone": quota_time_zone} if quota else {}
    counted |= {"burst": burst} if burst else {}
    counted |= {"trial_days": trial_days} if trial_days else {}
    counted |= {"scopes": _known(api, scopes)} if scopes else {}
    counted |= of_models
    spent = budget_terms.given(api, {name: value for name, value in more.items() if name in budget_terms.FIELDS})
    plan = Plan.objects.create(api=api, name=name, **given, **counted, **spent)
    events.record("plan.created", plan, by=by, api=api.slug, **given, **counted, **budget_terms.as_told(spent))
    return plan


@transaction.atomic
def publish(plan: Plan, *, by: User | None) -> Event:
    """Offer it to subscribers."""
    events.lock()
    if plan.status == _Status.DEPRECATED:
        # There is a way back from there, which says what it is.
        raise NotAllowed(_("The plan %(plan)s is deprecated; that can be taken back.") % {"plan": plan})
    return move(plan, _Status.PUBLISHED, by=by)


@transaction.atomic
def change_terms(
    plan: Plan,
    *,
    calls: int | None = None,
    seconds: int | None = None,
    approval: str | None = None,
    quota: int | None = None,
    quota_period: str | None = None,
    quota_time_zone: str | None = None,
    burst: int | None = None,
    scopes: Collection[str] | None = None,
    by: User | None,
    **more: Any,
) -> Event | None:
    """Change what is given and differs, at once and for all who have it. Who decides concerns requests to come.

    Whoever has used up another quota already is over it at once; of another period, or time zone, counting begins with this.

    :param quota: 0 takes it away. :param burst: likewise, so that all of its calls may come at once.
    :param scopes: none of them for all.
    :param more: `trial_days`, for who begins after that; None for no trial. `plan_models.FIELDS`; 0, or none, take that away. And
        `budget_terms.FIELDS`: None takes an end away.
    :returns: None if nothing changed.
    :raises Invalid: the API's operations need no such scope, it offers no such model, or more would come at once than in all.
    """
    events.lock()
    of_ai = {name: more.pop(name) for name in plan_models.FIELDS if name in more}
    terms = ["status", "calls", "seconds", "burst", "approval", "trial_days", "scopes"]
    plan.refresh_from_db(fields=[*terms, *plan_models.FIELDS, *_QUOTA, *budget_terms.FIELDS])
    if plan.status == _Status.CLOSED:
        raise NotAllowed(_("The plan %(plan)s is closed, so what it allows can't be changed.") % {"plan": plan})
    given: dict[str, Any] = {
        "calls": calls,
        "seconds": seconds,
        "approval": approval,
        "quota_period": quota_period,
        "quota_time_zone": quota_time_zone,
    }
    changed = {name: value for name, value in given.items() if value not in (None, getattr(plan, name))}
    if quota is not None and (quota or None) != plan.quota:
        changed["quota"] = quota or None
    if burst is not None and (burst or None) != plan.burst:
        changed["burst"] = burst or None
    _within(changed.get("burst", plan.burst), changed.get("calls", plan.calls))
    if scopes is not None and sorted(set(scopes)) != plan.scopes:
        changed["scopes"] = _known(plan.api, scopes)
    # What stays is not asked for: a model may be offered no more.
    of_ai = {name: value for name, value in of_ai.items() if value is not None and (value or None) != (getattr(plan, name) or None)}
    changed |= plan_models.checked(plan.api, of_ai)
    # Of this None says something.
    changed |= {name: value for name, value in more.items() if value != getattr(plan, name)}
    changed = budget_terms.changed(plan, changed)
    # Of what is not counted neither period nor zone matters.
    if not changed.get("quota", plan.quota):
        changed = {name: value for name, value in changed.items() if name not in {"quota_period", "quota_time_zone"}}
    if not changed:
        return None
    # A limit is told whole, with the quota where there is one.
    counted = [*(_QUOTA if plan.quota or changed.get("quota") else []), *(["burst"] if plan.burst or changed.get("burst") else [])]
    limits = changed.keys() - {"approval", "trial_days", "scopes", *plan_models.FIELDS, *budget_terms.FIELDS}
    spent = budget_terms.FIELDS if changed.keys() & {*budget_terms.FIELDS} else ()
    told = sorted({*changed, *spent, *(["calls", "seconds", *counted] if limits else [])})
    was = _terms(plan, told)
    for name, value in changed.items():
        setattr(plan, name, value)
    plan.save(update_fields=sorted(changed))
    event = events.record("plan.changed", plan, by=by, api=plan.api.slug, was=was, now=_terms(plan, told))
    if changed.keys() & set(_QUOTA):
        quotas.apply(plan)
    if spent:
        budgets.apply(plan)
    return event


def scopes_of(api: Api) -> list[str]:
    """What the operations of its live revisions need, each once."""
    rows = Operation.objects.filter(revision__live_in__api=api).values_list("scopes", flat=True).distinct()
    return sorted({scope for alternatives in rows for needed in alternatives for scope in needed})


def _known(api: Api, scopes: Collection[str]) -> list[str]:
    """:raises Invalid: the API's operations need no such scope."""
    there = scopes_of(api)
    for scope in scopes:
        if scope not in there:
            raise Invalid({"scopes": [_("No operation of %(api)s needs the scope “%(scope)s”.") % {"api": api, "scope": scope}]})
    return sorted(set(scopes))


def _within(burst: int | None, calls: int) -> None:
    """:raises Invalid: more at once than in all."""
    if burst and burst > calls:
        said = ngettext(
            "The plan allows %(many)s call in all, so no more can come at once.",
            "The plan allows %(many)s calls in all, so no more can come at once.",
            calls,
        )
        raise Invalid({"burst": [said % {"many": number_format(calls, force_grouping=True)}]})


def _terms(plan: Plan, names: list[str]) -> dict[str, Any]:
    return budget_terms.as_told({name: getattr(plan, name) for name in names})


@transaction.atomic
def deprecate(plan: Plan, *, reason: str = "", by: User | None) -> Event:
    """Nobody new subscribes under it; who has it, or has asked for it, goes on."""
    events.lock()
    return move(plan, _Status.DEPRECATED, by=by, why=reason, data={"api": plan.api.slug}, reason=reason)


@transaction.atomic
def reinstate(plan: Plan, *, by: User | None) -> Event:
    """Offer it again."""
    events.lock()
    if plan.status != _Status.DEPRECATED:
        said = _("The plan %(plan)s is %(state)s, and not deprecated.")
        raise NotAllowed(said % {"plan": plan, "state": in_words(plan, plan.status)})
    return move(plan, _Status.PUBLISHED, by=by, data={"api": plan.api.slug}, reason="")


@transaction.atomic
def close(plan: Plan, *, reason: str = "", by: User | None) -> Event:
    """End it for good, and every open subscription under it.

    :raises Invalid: something is open, and there is no reason for whom that concerns.
    """
    lock = events.lock()
    ended = 0
    rows = Subscription.objects.open().filter(plan=plan).select_related("application", "api").order_by("pk")
    for each in rows.iterator(chunk_size=BATCH):
        if not reason:
            raise Invalid({"reason": [_("Say why: those whose subscriptions end read it.")]})
        # Whoever reads that it was cancelled reads that its plan was closed, and is told once.
        told = {"closed_plan": plan.name}
        step(each, Subscription.Status.CANCELLED, by=by, why=reason, data=told, reason=reason, **ends(lock.now))
        ended += 1
    return move(plan, _Status.CLOSED, by=by, why=reason, data={"api": plan.api.slug, "ended": ended}, reason=reason)
