from datetime import timedelta

from django.db import models

from apis.models.api import ApiVersion
from tenants.models import TenantModel

# As long as it is kept, and shown.
DAYS_KEPT = timedelta(days=90)


class VersionDay(TenantModel):
    """How the calls of a version went on one day (UTC), as gateways counted them: best effort, and soon.

    Only calls that should have been answered: none that was refused for a reason, a block or a brown-out among them, none of a revision
    that is tried, and none that a gateway answers from examples.
    """

    version = models.ForeignKey(ApiVersion, models.CASCADE, related_name="days")
    day = models.DateField()
    answered = models.PositiveBigIntegerField(default=0)
    # The caller got a 5xx, or half an answer: because of what is behind the gateway, or of the gateway.
    failed_upstream = models.PositiveBigIntegerField(default=0)
    failed_gateway = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "version", "day"], name="one_row_per_version_and_day")]

    def __str__(self) -> str:
        return f"{self.version_id} {self.day}"
