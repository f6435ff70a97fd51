from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from keys.envelope import Purpose
from tenants.models import Steps, TenantManager, TenantModel


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
        API_KEY = "api_key", _("API keys")

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        PUBLISHED = "published", _("Published")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")
        REMOVED = "removed", _("Removed")
        COMPROMISED = "compromised", _("Compromised")

    THIS: ClassVar = _("this key")
    STEPS: ClassVar[Steps] = {
        (Status.PENDING, Status.PUBLISHED): "published",
        (Status.PUBLISHED, Status.ACTIVE): "activated",
        (Status.ACTIVE, Status.RETIRED): "retired",
        (Status.RETIRED, Status.REMOVED): "removed",
        (Status.PENDING, Status.COMPROMISED): "compromised",
        (Status.PUBLISHED, Status.COMPROMISED): "compromised",
        (Status.ACTIVE, Status.COMPROMISED): "compromised",
        (Status.RETIRED, Status.COMPROMISED): "compromised",
    }

    purpose = models.CharField(max_length=20, choices=Use, default=Use.ACCESS_TOKEN)
    alg = models.CharField(max_length=10)
    kid = models.CharField(max_length=43)
    public_jwk = models.JSONField()
    # Null, not empty, once it is gone: the constraint below asks for it.
    sealed = models.TextField(null=True)  # noqa: DJ001
    status = models.CharField(max_length=12, choices=Status)
    created_at = models.DateTimeField(auto_now_add=True)
    # The event that announced it: gateways which have acknowledged up to it know the key.
    published_event = models.PositiveBigIntegerField(null=True)
    published_at = models.DateTimeField(null=True)
    # From when on every verifier that keeps to the JWKS' max-age knows it.
    known_at = models.DateTimeField(null=True)
    # When it is meant to begin to sign; it does not before it is known everywhere.
    planned_for = models.DateTimeField(null=True)
    # It is to be compromised as soon as its successor is known, or a second later.
    condemned_at = models.DateTimeField(null=True)
    condemned_why = models.CharField(max_length=500, blank=True)
    activated_at = models.DateTimeField(null=True)
    # The longest lifetime of access tokens in force while it was active, in seconds.
    longest_lifetime = models.PositiveIntegerField(default=0)
    # The latest end of whatever it signed: for access tokens known when it retires, for API keys kept with each.
    last_exp = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    # When a retired key may leave the JWKS.
    remove_at = models.DateTimeField(null=True)
    # The end, either way.
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[SigningKeyManager["SigningKey"]] = SigningKeyManager()

    class Meta:
        verbose_name = "signing key"
        constraints = [
            models.UniqueConstraint(fields=["kid"], name="a_kid_is_never_used_again"),
            models.UniqueConstraint(fields=["tenant", "purpose"], condition=models.Q(status="active"), name="one_active_key_per_purpose"),
            models.UniqueConstraint(
                fields=["tenant", "purpose"], condition=models.Q(status__in=["pending", "published"]), name="one_coming_key_per_purpose"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["pending", "published", "active"], sealed__isnull=False)
                | models.Q(status__in=["retired", "removed", "compromised"], sealed__isnull=True),
                name="a_key_that_may_not_sign_has_no_private_half",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="retired") | models.Q(last_exp__isnull=False, remove_at__isnull=False),
                name="a_retired_key_knows_its_end",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="published") | models.Q(published_event__isnull=False, known_at__isnull=False),
                name="a_published_key_knows_since_when",
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, self.purpose, self.alg)
