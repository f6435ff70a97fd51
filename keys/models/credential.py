from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from keys.models.application import Application
from keys.models.signing_key import SigningKey
from tenants.models import Steps, TenantManager, TenantModel


class CredentialQuerySet(models.QuerySet["Credential"]):
    def usable(self) -> Self:
        return self.filter(status__in=[Credential.Status.ACTIVE, Credential.Status.EXPIRING])

    def ending(self) -> Self:
        """Those with a last day, soonest first."""
        return self.usable().filter(expires_at__isnull=False).order_by("expires_at")


CredentialManager = TenantManager.from_queryset(CredentialQuerySet)


class Credential(TenantModel):
    """How an application proves itself.

    Nothing secret is kept: of a client secret an HMAC, of a key pair its public half, of an API key only when it ends.

    A trusted issuer is the application's own identity provider, whose JWTs stand in for a secret at the token endpoint (RFC 7523).
    """

    class Kind(models.TextChoices):
        CLIENT_SECRET = "client_secret", _("Client secret")
        API_KEY = "api_key", _("API key")
        KEY_PAIR = "key_pair", _("Key pair")
        ISSUER = "issuer", _("Trusted issuer")

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
    kind = models.CharField(max_length=13, choices=Kind, default=Kind.CLIENT_SECRET)
    label = models.CharField(max_length=80, blank=True)
    # Of a client secret.
    secret_hmac = models.CharField(max_length=64, blank=True)
    pepper_id = models.CharField(max_length=12, blank=True)
    # How the secret or the API key ends; of a key pair, its key id's.
    last_four = models.CharField(max_length=4, blank=True)
    # Of an API key: what signed it, and the end that stands in it, which `expires_at` may come before.
    signing_key = models.ForeignKey(SigningKey, models.PROTECT, null=True, related_name="+")
    signed_until = models.DateTimeField(null=True)
    # Of a key pair and a trusted issuer: the public keys, as a JWKS (RFC 7517).
    jwks = models.JSONField(null=True)
    # Of a trusted issuer: where its JWKS is fetched from, "" if it was pasted; and when that last worked.
    jwks_url = models.CharField(max_length=500, blank=True)
    jwks_fetched_at = models.DateTimeField(null=True)
    issuer = models.CharField(max_length=500, blank=True)
    claim = models.CharField(max_length=80, blank=True)
    claim_value = models.CharField(max_length=500, blank=True)
    replaces = models.ForeignKey("self", models.PROTECT, null=True, related_name="replacements")
    # The last warning of its end that was sent, in days before; None before the first.
    warned_days = models.PositiveSmallIntegerField(null=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    expires_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[CredentialManager["Credential"]] = CredentialManager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                # A credential without a secret of ours has "" there.
                condition=models.Q(kind="client_secret", secret_hmac__gt="", jwks__isnull=True)  # nosec B106
                | models.Q(kind="api_key", secret_hmac="", signing_key__isnull=False, signed_until__isnull=False, expires_at__isnull=False)  # nosec B106
                | models.Q(kind="key_pair", secret_hmac="", jwks__isnull=False)  # nosec B106
                | models.Q(kind="issuer", secret_hmac="", jwks__isnull=False, issuer__gt="", claim__gt="", claim_value__gt=""),  # nosec B106
                name="a_credential_has_what_its_kind_needs",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "application"], name="credentials_of_application"),
            models.Index(fields=["tenant", "expires_at"], condition=models.Q(expires_at__isnull=False), name="credentials_by_end"),
        ]

    def __str__(self) -> str:
        return self.label or f"…{self.last_four}"
