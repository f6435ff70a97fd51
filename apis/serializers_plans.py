"""What comes in and goes out where a plan's life is decided."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis.actions.plan_models import TOKENS
from apis.actions.plans import UTC, Concerned, Holder
from apis.ai.offer import MOST_MODELS, MOST_OFFERED, MOST_TOKENS
from apis.models import Plan
from apis.serializers_budgets import BudgetIn, BudgetOut, BudgetStandingOut, of_a_plan
from apis.serializers_quotas import Quota, QuotaOut, Zone
from tenants.serializers import Body, Choice, Text

MAX_PLAN_CALLS = 1_000_000
MAX_PLAN_SECONDS = 86_400
MAX_TRIAL_DAYS = 365
MAX_SCOPES = 100


class PlanOut(serializers.ModelSerializer[Plan]):
    """`burst`: how many of the calls may come at once, null for all of them. `quota`: how many calls pass in a period, null for as many as
    come. `trial_days`: after so many a subscription under it ends; null where it is no trial. `teams`: whose members see it, where
    `visibility` is “teams”. `reason`: why it is deprecated or closed. Of an AI API `models`: those that it includes, none for all;
    `max_tokens`: for how many a call may ask, and `tokens_per_minute` each application in a minute, null for no bound; `budget`: what each
    subscription may spend, null for no end.
    """

    teams = serializers.SerializerMethodField()
    budget = serializers.SerializerMethodField()

    class Meta:
        model = Plan
        fields = [
            "id", "name", "calls", "seconds", "burst", "quota", "quota_period", "quota_time_zone",
            "approval", "trial_days", "scopes", "models", "max_tokens", "tokens_per_minute", "budget",
            "visibility", "teams", "status", "reason",
        ]  # fmt: skip

    @extend_schema_field(BudgetOut(allow_null=True))
    def get_budget(self, plan: Plan) -> dict[str, Any] | None:
        return dict(BudgetOut(plan.budget).data) if plan.budget.is_set else None

    def get_teams(self, plan: Plan) -> list[UUID]:
        return sorted(each.team_id for each in plan.audience.all())


class Scopes(serializers.ListField):
    """Names of scopes (RFC 6749 §3.3)."""

    def __init__(self, **more: Any) -> None:
        super().__init__(child=Text(max_length=200), max_length=MAX_SCOPES, **more)


class Models(serializers.ListField):
    """What callers of an AI API may ask for."""

    def __init__(self, **more: Any) -> None:
        super().__init__(child=Text(max_length=MOST_OFFERED), max_length=MOST_MODELS, **more)


def _tokens(**more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=MOST_TOKENS, **more)


class PlanIn(Body):
    name = serializers.RegexField(
        r"^[a-z0-9](?:-?[a-z0-9])*\Z",
        max_length=40,
        error_messages={"invalid": "Use lower-case letters, digits and single hyphens."},
    )
    calls = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_CALLS)
    seconds = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_SECONDS)
    burst = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_CALLS, allow_null=True, default=None)
    quota = Quota(allow_null=True, default=None)
    quota_period = Choice(choices=Plan.Period.choices, default=Plan.Period.MONTH)
    quota_time_zone = Zone(default=UTC)
    approval = Choice(choices=Plan.Approval.choices, default=Plan.Approval.MANUAL)
    trial_days = serializers.IntegerField(min_value=1, max_value=MAX_TRIAL_DAYS, required=False, allow_null=True)
    scopes = Scopes(default=list)
    models = Models(required=False)
    max_tokens = _tokens(required=False, allow_null=True)
    tokens_per_minute = _tokens(required=False, allow_null=True)
    budget = BudgetIn(required=False, allow_null=True)

    def validate(self, told: dict[str, Any]) -> dict[str, Any]:
        # As the action takes it.
        return of_a_plan(told)


class PlanChangeIn(Body):
    """What is left out stays as it is; a `quota`, `burst`, `max_tokens`, `tokens_per_minute` or `budget` of null takes it away."""

    calls = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_CALLS, required=False)
    seconds = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_SECONDS, required=False)
    burst = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_CALLS, required=False, allow_null=True)
    quota = Quota(allow_null=True, required=False)
    quota_period = Choice(choices=Plan.Period.choices, required=False)
    quota_time_zone = Zone(required=False)
    approval = Choice(choices=Plan.Approval.choices, required=False)
    visibility = Choice(choices=Plan.Visibility.choices, required=False)
    teams = serializers.ListField(child=serializers.UUIDField(), max_length=100, required=False)
    trial_days = serializers.IntegerField(min_value=1, max_value=MAX_TRIAL_DAYS, required=False, allow_null=True)
    scopes = Scopes(required=False)
    models = Models(required=False)
    max_tokens = _tokens(required=False, allow_null=True)
    tokens_per_minute = _tokens(required=False, allow_null=True)
    budget = BudgetIn(required=False, allow_null=True)

    def validate(self, told: dict[str, Any]) -> dict[str, Any]:
        # As the action takes it.
        told = of_a_plan(told)
        return {**told, **{name: told[name] or 0 for name in ("quota", "burst", *TOKENS) if name in told}}


class HolderOut(serializers.Serializer[Holder]):
    """`last_at`: when the application last called the API in the last 30 days."""

    subscription = serializers.UUIDField(source="subscription.pk")
    application = serializers.UUIDField(source="subscription.application_id")
    name = serializers.CharField(source="subscription.application.name")
    owner = serializers.CharField(source="subscription.application.whose")
    status = serializers.CharField(source="subscription.status")
    last_at = serializers.DateTimeField(allow_null=True)
    quota = QuotaOut(allow_null=True)
    budget = BudgetStandingOut(allow_null=True)


class HoldersOut(serializers.Serializer[Concerned]):
    """The numbers count all; `results` names the first 200. `over`: how many would be over the quota that was asked about, at once."""

    active = serializers.IntegerField()
    pending = serializers.IntegerField()
    suspended = serializers.IntegerField()
    over = serializers.SerializerMethodField()
    results = HolderOut(source="named", many=True)

    def get_over(self, _: Concerned) -> int:
        """The context brings it."""
        over: int = self.context["over"]
        return over
