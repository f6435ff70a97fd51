from django.db import models

from keys.models import Application
from tenants.models import TenantModel

# How many are kept per application, and of calls that were nobody's per tenant: enough to explain what goes wrong now.
KEPT = 200


class Refusal(TenantModel):
    """A call that a gateway refused, as its access log told it. Never the query or a header, and of a body a model's name alone: they may
    hold secrets.

    `application`: None where nothing that came with the call was verified.
    """

    application = models.ForeignKey(Application, models.CASCADE, null=True, related_name="+")
    at = models.DateTimeField()
    request_id = models.CharField(max_length=64)
    code = models.CharField(max_length=40)
    status = models.PositiveSmallIntegerField()
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=500)
    gateway = models.CharField(max_length=80)
    # The operationId of what was called; "" where no operation was, or the gateway did not come so far.
    operation = models.CharField(max_length=200, blank=True)
    # The model that was asked for, as far as the gateway read the body and it is a name at all.
    asked = models.CharField(max_length=200, blank=True)
    # Of the verified token or API key: which credential it is of, and the scopes and the audience that it bears.
    credential = models.CharField(max_length=40, blank=True)
    scopes = models.JSONField(default=list)
    audience = models.JSONField(default=list)
    # Envoy's own words (response_code_details); the code was told apart by them.
    details = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "application", "-id"], name="refusals_of_application"),
            models.Index(fields=["tenant", "request_id"], name="refusals_by_request"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.method} {self.path}"
