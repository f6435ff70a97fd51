from datetime import datetime
from typing import Self
from uuid import UUID

from django.db import models

from keys.envelope import Purpose
from tenants.models import TenantModel
from tenants.models.base import new_id

# What the record in DNS says, before the proof.
PROOF = "portico-domain="


class Domain(TenantModel):
    """A host name of the tenant's own at the gateway: whether it was proven to be the tenant's, and the certificate that is served for it.

    `proof`: what its DNS has to say; no secret. `verified_at` is None before it did, and then tenants.HostName has a row of the name.
    `missing_since`: since when it says so no more; `next_at`: when it is asked again. `warned`: of which number of days before the
    certificate's end people were told.
    """

    name = models.CharField(max_length=253)
    proof = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    missing_since = models.DateTimeField(null=True)
    next_at = models.DateTimeField()
    # The chain in PEM, and its private key in PKCS #8 (PEM), sealed.
    certificate = models.TextField(blank=True)
    sealed_key = models.TextField(blank=True, default="")
    ends_at = models.DateTimeField(null=True)
    warned = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="domains_of_tenant"),
            models.CheckConstraint(
                name="domain_certificate_has_key",
                condition=models.Q(certificate="", sealed_key="", ends_at=None)
                | ~models.Q(certificate="") & ~models.Q(sealed_key="") & models.Q(ends_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def begun(cls, *, name: str, proof: str, tenant_id: UUID, at: datetime) -> Self:
        return cls(pk=new_id(), tenant_id=tenant_id, name=name, proof=proof, created_at=at, next_at=at)

    @property
    def sealed_key_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "domain_key", "none")

    @property
    def record(self) -> str:
        """Where in DNS the proof stands."""
        return f"_portico.{self.name}"

    @property
    def record_says(self) -> str:
        return PROOF + self.proof
