from django.db import models


class ErasedTenant(models.Model):
    """What is left of a tenant that was erased: its slug, which is never given again, and the certificate of what was erased."""

    tenant_id = models.UUIDField(primary_key=True)
    slug = models.CharField(max_length=40, unique=True)
    erased_at = models.DateTimeField(auto_now_add=True)
    # JSON, until it is signed a moment later; then a JWS.
    certificate = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.slug

    @property
    def is_signed(self) -> bool:
        return not self.certificate.startswith("{")
