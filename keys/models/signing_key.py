from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from keys.envelope import Purpose
from tenants.models import TenantManager, TenantModel


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def in_jwks(self) -> Self:
        """What verifiers may trust: announced, in use, and retired with tokens still alive."""
        status = SigningKey.Status
        return self.filter(status__in=[status.PUBLISHED, status.ACTIVE, status.RETIRED]).order_by("created_at", "id")


SigningKeyManager = TenantManager.from_queryset(SigningKeyQuerySet)


class SigningKey(TenantModel):
    """A tenant's key pair for one purpose and one algorithm. The private half is sealed, and gone once it may not sign."""

    class Use(models.TextChoices):
        ACCESS_TOKEN = "access_token", _("Access tokens")

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        PUBLISHED = "published", _("Published")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")
        REMOVED = "removed", _("Removed")
        COMPROMISED = "compromised", _("Compromised")

    purpose = models.CharField(max_length=20, choices=Use, default=Use.ACCESS_TOKEN)
    alg = models.CharField(max_length=10)
    kid = models.CharField(max_length=43)
    public_jwk = models.JSONField()
    # Null, not empty, once it is gone: the constraint below asks for it.
    sealed = models.TextField(null=True)  # noqa: DJ001
    status = models.CharField(max_length=12, choices=Status)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True)

    objects: ClassVar[SigningKeyManager["SigningKey"]] = SigningKeyManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kid"], name="a_kid_is_never_used_again"),
            models.UniqueConstraint(fields=["tenant", "purpose"], condition=models.Q(status="active"), name="one_active_key_per_purpose"),
            models.CheckConstraint(
                condition=models.Q(status__in=["pending", "published", "active"], sealed__isnull=False)
                | models.Q(status__in=["retired", "removed", "compromised"], sealed__isnull=True),
                name="a_key_that_may_not_sign_has_no_private_half",
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, self.purpose, self.alg)
