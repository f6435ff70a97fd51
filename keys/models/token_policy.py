from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from keys import tokens
from tenants.models import TenantModel

HOUR, DAY = 3_600, 86_400
# The least and the most, in seconds.
RANGES = {
    "rotation": (HOUR, 365 * DAY),
    "token_lifetime": (60, tokens.MAX_LIFETIME),
    "overlap": (60, 30 * DAY),
    "jwks_max_age": (5, HOUR),
}


def _within(name: str) -> tuple[MinValueValidator, MaxValueValidator]:
    least, most = RANGES[name]
    return MinValueValidator(least), MaxValueValidator(most)


class TokenPolicy(TenantModel):
    """How a tenant's keys rotate and how long what they sign lives. One row per tenant; times in seconds."""

    class Algorithm(models.TextChoices):
        ES256 = "ES256", _("ES256 (ECDSA P-256)")
        ES384 = "ES384", _("ES384 (ECDSA P-384)")
        RS256_3072 = "RS256-3072", _("RS256 (RSA, 3072 bits)")
        RS256_2048 = "RS256-2048", _("RS256 (RSA, 2048 bits: the 112-bit minimum)")
        EDDSA = "EdDSA", _("EdDSA (Ed25519)")

    algorithm = models.CharField(max_length=12, choices=Algorithm, default=Algorithm.ES256)
    rotation = models.PositiveIntegerField(default=30 * DAY, validators=_within("rotation"))
    token_lifetime = models.PositiveIntegerField(default=600, validators=_within("token_lifetime"))
    # How long a key that signs no more is trusted at least.
    overlap = models.PositiveIntegerField(default=HOUR, validators=_within("overlap"))
    # How long verifiers may keep the JWKS: the header and the rules use the same value.
    jwks_max_age = models.PositiveIntegerField(default=300, validators=_within("jwks_max_age"))
    # Until then some verifier may hold a JWKS from before the value above was lowered.
    jwks_kept_until = models.DateTimeField(null=True)
    api_key_days = models.PositiveIntegerField(default=365, validators=[MinValueValidator(1), MaxValueValidator(365)])
    # The scopes that the live documents name, gathered from the protected resources: what a client may ask for.
    scopes = ArrayField(models.CharField(max_length=128), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="one_token_policy_per_tenant"),
            models.CheckConstraint(
                condition=models.Q(overlap__gte=models.F("token_lifetime")), name="no_token_outlives_the_trust_in_its_key"
            ),
        ]

    def __str__(self) -> str:
        return self.algorithm
