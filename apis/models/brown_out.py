from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apis.models.api import ApiVersion
from tenants.models import Steps, TenantModel


class BrownOut(TenantModel):
    """A short planned refusal of every call of a deprecated version: who still calls it notices before it is gone for good."""

    class Status(models.TextChoices):
        PLANNED = "planned", _("Planned")
        RUNNING = "running", _("Running")
        OVER = "over", _("Over")
        CANCELLED = "cancelled", _("Cancelled")

    COMING: ClassVar = (Status.PLANNED, Status.RUNNING)
    THIS: ClassVar = _("this brown-out")
    STEPS: ClassVar[Steps] = {
        (Status.PLANNED, Status.RUNNING): "began",
        (Status.RUNNING, Status.OVER): "ended",
        (Status.PLANNED, Status.CANCELLED): "cancelled",
        (Status.RUNNING, Status.CANCELLED): "cancelled",
    }

    version = models.ForeignKey(ApiVersion, models.CASCADE, related_name="brown_outs")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.PLANNED)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "brown out"
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="a_brown_out_takes_some_time"),
        ]

    def __str__(self) -> str:
        return f"{self.version}"
