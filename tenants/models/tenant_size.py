from django.db import models

from tenants.models.tenant import Tenant


class TenantSize(models.Model):
    """How much a tenant holds, counted by a job inside it: numbers only, for operators, who see into none."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, primary_key=True, related_name="size")
    members = models.PositiveIntegerField(default=0)
    apis = models.PositiveIntegerField(default=0)
    applications = models.PositiveIntegerField(default=0)
    subscriptions = models.PositiveIntegerField(default=0)
    events = models.PositiveBigIntegerField(default=0)
    measured_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.tenant)
