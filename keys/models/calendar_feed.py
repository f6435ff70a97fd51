from django.conf import settings
from django.db import models

from tenants.models import TenantModel


class CalendarFeed(TenantModel):
    """A person's address of the tenant's calendar of expiries. Whoever has it reads as that person, so only an HMAC of it is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    secret_hmac = models.CharField(max_length=64)
    pepper_id = models.CharField(max_length=12)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "calendar feed"
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="one_calendar_feed_per_person")]

    def __str__(self) -> str:
        return f"{self.user_id}"
