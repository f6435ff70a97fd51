from django.conf import settings
from django.db import models

from keys.envelope import Purpose
from tenants.models import Role, TenantModel, new_id


class IdentityProvider(TenantModel):
    """Whom the tenant believes when it says who somebody is, by OpenID Connect: one row, or none. It counts in this tenant alone."""

    # As its documents and tokens spell it, to the letter.
    issuer = models.CharField(max_length=500)
    client_id = models.CharField(max_length=190)
    sealed = models.TextField()
    enabled = models.BooleanField(default=False)
    # What those become who are no members yet; "" lets nobody in who is none.
    joins_as = models.CharField(max_length=20, choices=Role, blank=True)
    # Sessions that it began carry this: with another one they have all ended.
    era = models.UUIDField(default=new_id)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "identity provider"
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_identity_provider_per_tenant")]

    def __str__(self) -> str:
        return self.issuer

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "identity_provider", "none")


class Identity(TenantModel):
    """Who somebody at the tenant's provider is here. The provider never gives a subject twice (OpenID Connect Core §2)."""

    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "issuer", "subject"], name="one_person_per_identity"),
            # Whoever gets a colleague's address at the provider is not therefore the colleague.
            models.UniqueConstraint(fields=["tenant", "issuer", "user"], name="one_identity_per_person"),
        ]

    def __str__(self) -> str:
        return str(self.user)
