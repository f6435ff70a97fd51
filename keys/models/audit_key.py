from django.db import models

from keys.envelope import Purpose
from tenants.models import TenantModel, new_id


class AuditKey(models.Model):
    """A key of the platform's own that signs the heads of event chains, and nothing else. The newest signs; public halves stay for ever."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kid = models.CharField(max_length=43, unique=True)
    alg = models.CharField(max_length=10)
    public_jwk = models.JSONField()
    sealed = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.kid

    @property
    def sealed_for(self) -> Purpose:
        # The platform's: of no tenant.
        return Purpose(self.pk, self.pk, "audit", self.alg)


class ChainHead(TenantModel):
    """Where a tenant's chain of events stood, signed: a compact JWS over tenant, number, digest and time."""

    number = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    jws = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "number"], name="one_signed_head_per_number")]

    def __str__(self) -> str:
        return str(self.number)


class PlatformHead(models.Model):
    """The same for the platform's chain."""

    number = models.PositiveBigIntegerField(unique=True)
    digest = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    jws = models.TextField()

    def __str__(self) -> str:
        return str(self.number)
