from django.db import models

from tenants.models import TenantModel


class ProtectedResource(TenantModel):
    """What is known of an API here: the name that narrows a token to it (RFC 8707), its scopes, and the key for its claims."""

    # The API's slug.
    name = models.CharField(max_length=40)
    # Its title for people.
    title = models.CharField(max_length=80)
    # The scopes that its live documents name, each with what it allows: {scope: sentence}.
    scopes = models.JSONField(default=dict)
    # A public JWK (RFC 7517) for ECDH-ES+A256KW; None: its tokens carry no confidential claims.
    encryption_jwk = models.JSONField(null=True)
    published = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_protected_resource_per_api")]

    def __str__(self) -> str:
        return self.name
