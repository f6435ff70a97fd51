from django.conf import settings
from django.db import models

from tenants.models.base import TenantModel


class SentOnce(TenantModel):
    """A change that was sent under an Idempotency-Key, and what it was answered: see tenants.idempotency."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    # Which request it stands for: a SHA-256 as hex.
    request = models.CharField(max_length=64)
    # 0 while it is under way.
    http_status = models.PositiveSmallIntegerField(default=0)
    # The body; None of one that is not kept.
    answer = models.TextField(null=True)  # noqa: DJ001  ("" is a body that is empty)
    location = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user", "key"], name="one_request_per_idempotency_key")]
        indexes = [models.Index(fields=["tenant", "at"], name="sent_once_by_age")]

    def __str__(self) -> str:
        return self.key
