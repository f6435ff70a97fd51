"""What comes in and goes out about budgets. Money is a decimal text, as prices are."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis import budgets
from apis.actions.budgets import Standing
from apis.budgets import CURRENCY, SOFT_PERCENT, SOFT_PERCENTS, Budget
from apis.models import Plan
from apis.serializers_quotas import Zone
from tenants.serializers import Body, Choice, Text


@extend_schema_field(OpenApiTypes.DECIMAL)
class Amount(serializers.Field[int, Any, Any, Any]):
    """In a currency; an action takes it in millionths."""

    default_error_messages = {"invalid": "Give an amount above 0, of a thousand millions at most, with up to six digits behind the point."}

    def to_internal_value(self, data: Any) -> int:
        told = isinstance(data, str | int | float) and not isinstance(data, bool)
        amount = budgets.read(str(data).strip()[:40]) if told else None
        if amount is None:
            self.fail("invalid")
        return amount

    def to_representation(self, value: int) -> str:
        return budgets.plain(value) or "0"


def _tokens(**more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=budgets.MOST_TOKENS, **more)


class BudgetIn(Body):
    """A whole one; `tokens` and `amount` of null, or left out, are no end."""

    tokens = _tokens(allow_null=True, default=None)
    amount = Amount(allow_null=True, default=None)
    currency = Text(max_length=3, default=CURRENCY)
    period = Choice(choices=Plan.Period.choices, default=Plan.Period.MONTH)
    time_zone = Zone(default="UTC")
    soft_percent = serializers.IntegerField(min_value=SOFT_PERCENTS[0], max_value=SOFT_PERCENTS[1], default=SOFT_PERCENT)


class BudgetOut(serializers.Serializer[Budget]):
    """What may be spent in a `period`: so many `tokens`, or an `amount` of the `currency`, whichever comes first; null for no end.

    From `soft_percent` of it on, its people are warned.
    """

    tokens = serializers.IntegerField(allow_null=True)
    amount = Amount(allow_null=True)
    currency = serializers.CharField()
    period = serializers.ChoiceField(choices=Plan.Period.choices)
    time_zone = serializers.CharField()
    soft_percent = serializers.IntegerField()


class BudgetStandingOut(serializers.Serializer[Standing]):
    """`budget`: with what was added for this period, which `more_tokens` and `more_amount` tell.

    `unpriced`: answers without a price in the budget's currency, which count by their tokens alone. `counted_at`: when something was last
    added, which comes a moment after calls.
    """

    budget = BudgetOut()
    tokens = serializers.IntegerField()
    amount = Amount()
    unpriced = serializers.IntegerField()
    percent = serializers.IntegerField()
    more_tokens = serializers.IntegerField()
    more_amount = Amount()
    resets_at = serializers.DateTimeField()
    counted_at = serializers.DateTimeField(allow_null=True)
    refused = serializers.BooleanField(source="is_passed")


class BudgetTopUpIn(Body):
    """Tokens, an amount, or both."""

    tokens = _tokens(required=False)
    amount = Amount(required=False)
    reason = Text(max_length=500)


def of_a_plan(told: dict[str, Any]) -> dict[str, Any]:
    """As `apis.actions.plans` takes it: `budget` taken apart; null takes both ends away."""
    if "budget" not in told:
        return told
    budget = told.pop("budget") or {"tokens": None, "amount": None}
    return {**told, **{f"budget_{name}": value for name, value in budget.items()}}
