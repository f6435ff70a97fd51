from django.db import models


class ErasedTenant(models.Model):
    """What is left of a tenant that was erased: its slug, which is never given again, and the certificate of what was erased."""

    slug = models.CharField(max_length=40, primary_key=True)
    tenant_id = models.UUIDField(unique=True)
    erased_at = models.DateTimeField(auto_now_add=True)
    certificate = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.slug
