from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from apis.models import Api
from keys.envelope import Purpose
from tenants.models import TenantModel


class LogShipping(TenantModel):
    """Where calls of an API are told to, one by one, and what of them: gateway.logged.Rules. None until somebody has said so."""

    class Destination(models.TextChoices):
        FILE = "file", _("File")
        HTTP = "http", _("HTTP")
        OTLP = "otlp", _("OTLP over HTTP")

    class Form(models.TextChoices):
        LINES = "lines", _("A record per line")
        ARRAY = "array", _("One array")

    api = models.ForeignKey(Api, models.CASCADE, related_name="+")
    enabled = models.BooleanField(default=False)
    percent = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal(100))
    fields = ArrayField(models.CharField(max_length=20))
    request_headers = ArrayField(models.CharField(max_length=80), default=list)
    response_headers = ArrayField(models.CharField(max_length=80), default=list)
    masked_headers = ArrayField(models.CharField(max_length=80), default=list)
    masked_paths = ArrayField(models.CharField(max_length=200), default=list)
    destination = models.CharField(max_length=4, choices=Destination)
    url = models.CharField(max_length=500, blank=True)
    form = models.CharField(max_length=5, choices=Form, default=Form.LINES)
    # What goes into the header Authorization; "" for none.
    sealed = models.TextField(blank=True)

    class Meta:
        verbose_name = "log shipping"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "api"], name="one_log_shipping_per_api"),
            models.CheckConstraint(condition=models.Q(percent__gte=0, percent__lte=100), name="a_share_of_calls"),
            models.CheckConstraint(condition=models.Q(destination="file") | ~models.Q(url=""), name="a_destination_has_an_address"),
        ]

    def __str__(self) -> str:
        return str(self.api)

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "log_shipping", "none")


class LogShippingState(TenantModel):
    """How shipping goes, and what was asked of it: by the usage processes, apart from what people decide."""

    shipping = models.OneToOneField(LogShipping, models.CASCADE, related_name="state")
    sent = models.PositiveBigIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    # Records that found no place, or that the destination would not have.
    dropped = models.PositiveBigIntegerField(default=0)
    dropped_at = models.DateTimeField(null=True)
    # Since when nothing was taken; and whether that was told.
    failing_since = models.DateTimeField(null=True)
    told = models.BooleanField(default=False)
    # What stood in the way last, gateway.shipping.outcomes.Trouble; the status of the answer, and how it began.
    trouble = models.CharField(max_length=10, blank=True)
    answered = models.PositiveSmallIntegerField(null=True)
    answer = models.CharField(max_length=300, blank=True)
    trouble_at = models.DateTimeField(null=True)
    # A test that nobody has sent yet, and what came of the last one.
    test_asked_at = models.DateTimeField(null=True)
    tested_at = models.DateTimeField(null=True)
    test_trouble = models.CharField(max_length=10, blank=True)
    test_answered = models.PositiveSmallIntegerField(null=True)
    test_answer = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.dropped} dropped"


class ShippingTenant(models.Model):
    """A tenant with APIs whose calls are told, so that usage processes look into no other; and when that changed last."""

    tenant = models.OneToOneField("tenants.Tenant", models.CASCADE, primary_key=True, related_name="+")
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.tenant_id)
