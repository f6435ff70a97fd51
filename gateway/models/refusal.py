from django.db import models

from keys.models import Application
from tenants.models import TenantModel

# How many are kept per application: enough to explain what goes wrong now.
KEPT = 200


class Refusal(TenantModel):
    """A call that a gateway refused, as its access log told it. Never the query, a header or a body: they may hold secrets."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="+")
    at = models.DateTimeField()
    request_id = models.CharField(max_length=64)
    code = models.CharField(max_length=40)
    status = models.PositiveSmallIntegerField()
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=500)
    gateway = models.CharField(max_length=80)

    class Meta:
        indexes = [models.Index(fields=["tenant", "application", "-id"], name="refusals_of_application")]

    def __str__(self) -> str:
        return f"{self.code} {self.method} {self.path}"
