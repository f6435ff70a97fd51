"""What a budget may be, a plan's among them, and whom another one would stop."""

from datetime import datetime
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis import quotas
from apis.ai.catalogue import CURRENCY
from apis.budgets import MOST_AMOUNT, MOST_TOKENS, SOFT_PERCENTS, Budget, plain
from apis.models import Api, BudgetUse, Plan, Subscription
from tenants.errors import Invalid

# Of a plan.
FIELDS = ("budget_tokens", "budget_amount", "budget_currency", "budget_period", "budget_time_zone", "budget_soft_percent")


def check(budget: Budget, *, prefix: str = "") -> None:
    """
    :param prefix: of the fields' names.
    :raises Invalid: by field.
    """
    problems: dict[str, list[str]] = {}
    if budget.tokens is not None and not 1 <= budget.tokens <= MOST_TOKENS:
        problems["tokens"] = [between(1, MOST_TOKENS)]
    if budget.amount is not None and not 1 <= budget.amount <= MOST_AMOUNT:
        problems["amount"] = [_("Give an amount above 0, of a thousand millions at most, with up to six digits behind the point.")]
    if not CURRENCY.fullmatch(budget.currency):
        problems["currency"] = [_("A currency has three capital letters, such as USD.")]
    if budget.period not in Plan.Period.values:
        problems["period"] = [_("A period is a day or a month.")]
    if not quotas.is_zone(budget.time_zone):
        problems["time_zone"] = [_("Name a time zone of a place, such as Europe/Berlin, or UTC.")]
    if not SOFT_PERCENTS[0] <= budget.soft_percent <= SOFT_PERCENTS[1]:
        problems["soft_percent"] = [between(*SOFT_PERCENTS)]
    if problems:
        raise Invalid({f"{prefix}{name}": said for name, said in problems.items()})


def between(least: int, most: int) -> str:
    said = _("Give a number from %(least)s to %(most)s.")
    return said % {"least": number_format(least, force_grouping=True), "most": number_format(most, force_grouping=True)}


def given(api: Api, fields: dict[str, Any]) -> dict[str, Any]:
    """What a new plan's budget is made of; nothing where it has none.

    :raises Invalid: by field.
    """
    budget = Plan(**fields).budget
    if not budget.is_set:
        return {}
    _check_kind(api, budget)
    check(budget, prefix="budget_")
    return fields


def _check_kind(api: Api, budget: Budget) -> None:
    if not api.is_ai:
        said = _("%(api)s is no AI API, so its plans have no budget.") % {"api": api}
        raise Invalid({f"budget_{name}": [said] for name in ("tokens", "amount") if getattr(budget, name) is not None})


def changed(plan: Plan, fields: dict[str, Any]) -> dict[str, Any]:
    """What changes of a plan, without what does not matter while its budget has no end.

    :raises Invalid: by field.
    """
    if not fields.keys() & {*FIELDS}:
        return fields
    budget = Plan(**{name: fields.get(name, getattr(plan, name)) for name in FIELDS}).budget
    if not budget.is_set:
        return {name: value for name, value in fields.items() if name not in {*FIELDS} or name in {"budget_tokens", "budget_amount"}}
    _check_kind(plan.api, budget)
    check(budget, prefix="budget_")
    return fields


def as_told(fields: dict[str, Any]) -> dict[str, Any]:
    """As events write it down: money in units of its currency."""
    return {name: plain(value) if name == "budget_amount" else value for name, value in fields.items()}


def over(plan: Plan, budget: Budget, *, now: datetime) -> list[Subscription]:
    """The active subscriptions under a plan that would be over this budget at once, by name."""
    if not budget.is_set:
        return []
    period, zone, currency = budget.key
    uses = BudgetUse.objects.at(now).filter(api=plan.api_id, period=period, time_zone=zone, currency=currency)
    stopped = {each.application_id for each in uses if each.bounded_by(budget).is_spent(each.tokens, each.amount)}
    held = Subscription.objects.filter(plan=plan, status=Subscription.Status.ACTIVE, application__in=stopped)
    return list(held.select_related("application").order_by("application__name", "pk")) if stopped else []
