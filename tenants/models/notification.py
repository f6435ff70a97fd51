from django.conf import settings
from django.db import models

from tenants.models.base import TenantModel
from tenants.models.event import Event


class Notification(TenantModel):
    """An event in somebody's inbox. What it says is made of the event when it is read, in the reader's language."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, models.CASCADE, related_name="+")
    read_at = models.DateTimeField(null=True)
    # Else it is there for a digest alone.
    in_inbox = models.BooleanField(default=True)
    # It waits for the next digest mail.
    in_digest = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user", "event"], name="one_notification_per_person_and_event")]
        indexes = [
            models.Index(fields=["tenant", "user", "-id"], name="an_inbox"),
            models.Index(fields=["tenant", "user"], condition=models.Q(read_at=None, in_inbox=True), name="unread_in_an_inbox"),
            models.Index(fields=["tenant", "user"], condition=models.Q(in_digest=True), name="waits_for_a_digest"),
            models.Index(fields=["tenant", "created_at"], name="notifications_by_age"),
        ]

    def __str__(self) -> str:
        return str(self.event)


class NotificationPreference(TenantModel):
    """How a person hears of one group of events in this tenant; where there is no row, as portal.mails has it."""

    class Mail(models.TextChoices):
        AT_ONCE = "at_once", "At once"
        DIGEST = "digest", "Daily digest"
        NEVER = "never", "Never"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    group = models.CharField(max_length=40)
    inbox = models.BooleanField(default=True)
    mail = models.CharField(max_length=8, choices=Mail, default=Mail.AT_ONCE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user", "group"], name="one_preference_per_group")]

    def __str__(self) -> str:
        return f"{self.user}: {self.group}"
