from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q

from apis import budgets
from apis.budgets import Budget
from apis.models.api import Api, Plan
from keys.models import Application
from tenants.models import TenantManager, TenantModel

# How long after its end a period is remembered.
BUDGETS_KEPT = timedelta(days=400)


class BudgetUseQuerySet(models.QuerySet["BudgetUse"]):
    def at(self, now: datetime | models.Expression) -> Self:
        """Of the periods that this moment lies in."""
        return self.filter(starts__lte=now, ends__gt=now)

    def refused(self) -> Self:
        return self.filter(Q(refused_tokens__gt=0) | Q(refused_amount__gt=0))

    def locked(self) -> list["BudgetUse"]:
        """In the order in which what was spent is added to them."""
        return list(self.order_by(*BudgetUse.KEY).select_for_update())


BudgetUseManager = TenantManager.from_queryset(BudgetUseQuerySet)


class BudgetUse(TenantModel):
    """What was spent on models in one period of a budget: by an application for an API, or by the whole tenant where neither is named.

    By application and API, and not by subscription: whoever cancels one and asks for another goes on with the same count.
    """

    KEY: ClassVar = ("application", "api", "period", "time_zone", "currency", "starts")

    application = models.ForeignKey(Application, models.CASCADE, null=True, related_name="+")
    api = models.ForeignKey(Api, models.CASCADE, null=True, related_name="+")
    period = models.CharField(max_length=5, choices=Plan.Period)
    time_zone = models.CharField(max_length=64)
    currency = models.CharField(max_length=3)
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    tokens = models.PositiveBigIntegerField(default=0)
    # In millionths of the currency.
    amount = models.PositiveBigIntegerField(default=0)
    # Answers that no price in this currency is known of: they count by their tokens alone.
    unpriced = models.PositiveBigIntegerField(default=0)
    # When something was last added.
    counted_at = models.DateTimeField(null=True)
    # What approvers added for this period alone.
    more_tokens = models.PositiveBigIntegerField(default=0)
    more_amount = models.PositiveBigIntegerField(default=0)
    # Whether its people have heard that most of it is spent.
    warned = models.BooleanField(default=False)
    # The limit, with what was added, of which it was said that it is reached; 0 where none was. Gateways refuse as long as it is the limit.
    refused_tokens = models.PositiveBigIntegerField(default=0)
    refused_amount = models.PositiveBigIntegerField(default=0)

    objects: ClassVar[BudgetUseManager["BudgetUse"]] = BudgetUseManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "application", "api", "period", "time_zone", "currency", "starts"],
                name="one_budget_use_per_period",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=Q(ends__gt=F("starts")), name="a_budgets_period_ends_after_it_began"),
            models.CheckConstraint(
                condition=Q(application=None, api=None) | Q(application__isnull=False, api__isnull=False),
                name="a_budget_of_a_subscription_or_of_the_tenant",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "ends"], name="budget_uses_by_end"),
            models.Index(
                fields=["tenant", "ends"],
                condition=Q(refused_tokens__gt=0) | Q(refused_amount__gt=0),
                name="budget_uses_that_are_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application_id} {self.api_id} {self.starts}"

    def bounded_by(self, budget: Budget) -> Budget:
        """With what was added for this period."""
        return budget.more(self.more_tokens, self.more_amount)

    def is_refused(self, budget: Budget) -> bool:
        """Whether it was said that this budget is spent. More may have been added to it since, or it be another one."""
        limit = self.bounded_by(budget)
        return bool((limit.tokens and self.refused_tokens == limit.tokens) or (limit.amount and self.refused_amount == limit.amount))


class TenantBudget(TenantModel):
    """What a tenant may spend on all its AI APIs in a period."""

    tokens = models.PositiveBigIntegerField(null=True)
    amount = models.PositiveBigIntegerField(null=True)
    currency = models.CharField(max_length=3, default=budgets.CURRENCY)
    period = models.CharField(max_length=5, choices=Plan.Period, default=Plan.Period.MONTH)
    time_zone = models.CharField(max_length=64, default="UTC")
    soft_percent = models.PositiveSmallIntegerField(default=budgets.SOFT_PERCENT)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="one_budget_per_tenant"),
            models.CheckConstraint(
                condition=(Q(tokens=None) | Q(tokens__range=(1, budgets.MOST_TOKENS)))
                & (Q(amount=None) | Q(amount__range=(1, budgets.MOST_AMOUNT))),
                name="a_tenants_budget_within_bounds",
            ),
            models.CheckConstraint(
                condition=Q(period__in=["day", "month"]) & Q(soft_percent__range=budgets.SOFT_PERCENTS),
                name="a_tenants_budget_of_a_day_or_a_month",
            ),
        ]

    def __str__(self) -> str:
        return str(self.tenant)

    @property
    def budget(self) -> Budget:
        return Budget(self.tokens, self.amount, self.currency, self.period, self.time_zone, self.soft_percent)
