from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from apis.models.api import ApiVersion
from keys.models import Application
from tenants.models import TenantManager, TenantModel

LATELY = timedelta(days=30)


class OperationUseQuerySet(models.QuerySet["OperationUse"]):
    def since(self, day: date) -> Self:
        return self.filter(day__gte=day)

    def lately(self) -> Self:
        """Whoever is among them is concerned by what happens to what they called."""
        return self.since((timezone.now() - LATELY).date())

    def by_application(self) -> Mapping[UUID, Mapping[str, Any]]:
        """By the applications' ids, the sum of `calls` and when the last came: `last_at`."""
        rows = self.values("application").annotate(sum=models.Sum("calls"), last=models.Max("last_at")).order_by()
        return {row["application"]: {"calls": row["sum"], "last_at": row["last"]} for row in rows}

    def by_api(self) -> Mapping[UUID, int]:
        """By the APIs' ids, the sum of `calls`."""
        rows = self.values("version").annotate(sum=models.Sum("calls")).order_by()
        # Summed by version first: the join with their APIs is then one of few rows.
        calls = {row["version"]: row["sum"] for row in rows}
        found: dict[UUID, int] = defaultdict(int)
        for version, api in ApiVersion.objects.filter(pk__in=calls).values_list("pk", "api"):
            found[api] += calls[version]
        return found


OperationUseManager = TenantManager.from_queryset(OperationUseQuerySet)


class OperationUse(TenantModel):
    """How often an application called an operation of a version on one day (UTC), as gateways counted it: best effort, and soon.

    The operation is known by its id, for revisions come and go under it. Calls that a brown-out or a block refused count as well: they
    tell who has not moved.
    """

    application = models.ForeignKey(Application, models.CASCADE, related_name="operation_uses")
    version = models.ForeignKey(ApiVersion, models.CASCADE, related_name="operation_uses")
    operation_id = models.CharField(max_length=200)
    day = models.DateField()
    calls = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    objects: ClassVar[OperationUseManager["OperationUse"]] = OperationUseManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "version", "application", "operation_id", "day"], name="one_use_per_operation_and_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.application_id} {self.operation_id} {self.day}"
