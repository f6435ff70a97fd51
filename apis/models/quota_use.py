from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, OuterRef, Q

from apis.models.api import Api, Plan
from apis.quotas import WARNED_AT
from keys.models import Application
from tenants.models import TenantManager, TenantModel

# How long after its end a period is remembered.
PERIODS_KEPT = timedelta(days=100)


class QuotaUseQuerySet(models.QuerySet["QuotaUse"]):
    def at(self, now: datetime | models.Expression) -> Self:
        """Of the periods that this moment lies in."""
        return self.filter(starts__lte=now, ends__gt=now)

    def crossing(self, of: "models.QuerySet[models.Model]") -> Self:
        """Those about which something is to be told: 80 % of the quota, or all of it, is used, and that was not said yet.

        :param of: the subscriptions that are looked at.
        """
        held = of.filter(
            application=OuterRef("application"),
            api=OuterRef("api"),
            plan__quota_period=OuterRef("period"),
            plan__quota_time_zone=OuterRef("time_zone"),
        )
        found = self.alias(quota=models.Subquery(held.values("plan__quota")[:1])).alias(limit=F("quota") + F("topped_up"))
        passes = Q(limit__lte=F("calls")) & ~Q(limit=F("refused_from"))
        warns = Q(warned=False, limit__gt=F("calls"), limit__lte=F("calls") * 100 / WARNED_AT)
        return found.filter(passes | warns, quota__isnull=False)

    def locked(self) -> list["QuotaUse"]:
        """In the order in which gateways' counts are added to them."""
        return list(self.order_by(*QuotaUse.KEY).select_for_update())


QuotaUseManager = TenantManager.from_queryset(QuotaUseQuerySet)


class QuotaUse(TenantModel):
    """How often an application called an API in one period of a quota, as gateways counted it.

    By application and API, and not by subscription: whoever cancels one and asks for another goes on with the same count.
    """

    KEY: ClassVar = ("application", "api", "period", "time_zone", "starts")

    application = models.ForeignKey(Application, models.CASCADE, related_name="quota_uses")
    api = models.ForeignKey(Api, models.CASCADE, related_name="+")
    period = models.CharField(max_length=5, choices=Plan.Period)
    time_zone = models.CharField(max_length=64)
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    calls = models.PositiveBigIntegerField(default=0)
    # When calls were last added.
    counted_at = models.DateTimeField(null=True)
    # What approvers added for this period alone.
    topped_up = models.PositiveBigIntegerField(default=0)
    # Whether its people have heard that most of it is used.
    warned = models.BooleanField(default=False)
    # The limit, with what was added, of which it was said that it is used up; 0 where none was. Gateways refuse as long as it is the limit.
    refused_from = models.PositiveBigIntegerField(default=0)

    objects: ClassVar[QuotaUseManager["QuotaUse"]] = QuotaUseManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "application", "api", "period", "time_zone", "starts"], name="one_count_per_application_api_and_period"
            ),
            models.CheckConstraint(condition=Q(ends__gt=F("starts")), name="a_period_ends_after_it_began"),
        ]
        indexes = [
            models.Index(fields=["tenant", "ends"], name="quota_uses_by_end"),
            models.Index(fields=["tenant", "ends"], condition=Q(refused_from__gt=0), name="quota_uses_that_are_refused"),
        ]

    def __str__(self) -> str:
        return f"{self.application_id} {self.api_id} {self.starts}"
