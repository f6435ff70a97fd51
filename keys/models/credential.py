from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from keys.models.application import Application
from tenants.models import Steps, TenantManager, TenantModel


class CredentialQuerySet(models.QuerySet["Credential"]):
    def usable(self) -> Self:
        return self.filter(status__in=[Credential.Status.ACTIVE, Credential.Status.EXPIRING])

    def ending(self) -> Self:
        """Those with a last day, soonest first."""
        return self.usable().filter(expires_at__isnull=False).order_by("expires_at")


CredentialManager = TenantManager.from_queryset(CredentialQuerySet)


class Credential(TenantModel):
    """How an application proves itself: an OAuth client secret, of which only an HMAC is kept."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        EXPIRING = "expiring", _("Expiring")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Revoked")

    THIS: ClassVar = _("this credential")
    STEPS: ClassVar[Steps] = {
        (Status.ACTIVE, Status.EXPIRING): "rolled",
        (Status.ACTIVE, Status.EXPIRED): "expired",
        (Status.EXPIRING, Status.EXPIRED): "expired",
        (Status.ACTIVE, Status.REVOKED): "revoked",
        (Status.EXPIRING, Status.REVOKED): "revoked",
    }

    application = models.ForeignKey(Application, models.CASCADE, related_name="credentials")
    label = models.CharField(max_length=80, blank=True)
    secret_hmac = models.CharField(max_length=64)
    pepper_id = models.CharField(max_length=12)
    last_four = models.CharField(max_length=4)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    expires_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[CredentialManager["Credential"]] = CredentialManager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "application"], name="credentials_of_application")]

    def __str__(self) -> str:
        return self.label or f"…{self.last_four}"
