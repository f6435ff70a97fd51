from typing import ClassVar, Self
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from keys.envelope import Purpose
from tenants.models import Event, TenantManager, TenantModel

# Of an answer so many characters are kept.
MOST_ANSWER = 500


class Webhook(TenantModel):
    """An address outside that is told of what happens here, signed with a secret of its own."""

    class Disabled(models.TextChoices):
        BY_A_PERSON = "person", _("Switched off")
        GONE = "gone", _("It answered that it is gone")
        FAILING = "failing", _("It took nothing for too long")

    name = models.CharField(max_length=80)
    url = models.CharField(max_length=500)
    # Single kinds, and families such as `subscription.*`.
    kinds = ArrayField(models.CharField(max_length=60))
    enabled = models.BooleanField(default=True)
    # Why it is not.
    disabled_why = models.CharField(max_length=7, choices=Disabled, blank=True)
    sealed = models.TextField()
    # A secret that was rolled signs beside the new one until then.
    former_sealed = models.TextField(blank=True)
    former_until = models.DateTimeField(null=True)
    # The number of the last event of which deliveries were made, or that is none of its kinds.
    seen = models.PositiveBigIntegerField()
    # Whoever sends to it holds it until then: one at a time, so that all comes in order.
    held_until = models.DateTimeField(null=True)
    # Since when nothing was taken, of what was tried.
    failing_since = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "webhook"
        constraints = [
            models.UniqueConstraint("tenant", Lower("name"), name="one_webhook_per_name"),
            models.CheckConstraint(condition=models.Q(kinds__len__gt=0), name="a_webhook_has_kinds"),
            models.CheckConstraint(
                condition=models.Q(enabled=True, disabled_why="") | (models.Q(enabled=False) & ~models.Q(disabled_why="")),
                name="a_disabled_webhook_says_why",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """Of the address, whose rest may hold what not everyone should see."""
        return urlsplit(self.url).netloc

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "webhook", "none")

    @property
    def former_sealed_for(self) -> Purpose:
        """As it was sealed when it was the only one: rolling needs no key."""
        return self.sealed_for


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def waiting(self) -> Self:
        """In the order in which they are sent: tests first, they are of no event."""
        return self.filter(state=WebhookDelivery.State.WAITING).order_by("number", "pk")


WebhookDeliveryManager = TenantManager.from_queryset(WebhookDeliveryQuerySet)


class WebhookDelivery(TenantModel):
    """One event that an address is to be told of. Its id goes with it, the same however often it is sent."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    # None of a test.
    event = models.ForeignKey(Event, models.CASCADE, null=True, related_name="+")
    # The event's, 0 of a test.
    number = models.PositiveBigIntegerField(default=0)
    kind = models.CharField(max_length=60)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    # Since it was made, or sent again by a person.
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[WebhookDeliveryManager["WebhookDelivery"]] = WebhookDeliveryManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "webhook", "event"], name="one_delivery_per_event"),
            models.CheckConstraint(
                condition=models.Q(state="waiting", ended_at=None) | (~models.Q(state="waiting") & models.Q(ended_at__isnull=False)),
                name="a_delivery_that_waits_has_not_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "webhook", "number"], condition=models.Q(state="waiting"), name="deliveries_that_wait"),
            models.Index(fields=["tenant", "webhook", "state"], name="deliveries_of_a_webhook"),
            models.Index(fields=["tenant", "ended_at"], name="deliveries_by_their_end"),
        ]

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        """Its `webhook-id`."""
        return f"msg_{self.pk.hex}"


class WebhookAttempt(TenantModel):
    """One time that a delivery was sent, and what came of it."""

    delivery = models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    # The status of the answer; None where none came.
    answered = models.PositiveSmallIntegerField(null=True)
    # What stood in the way, see keys.webhooks; "" if nothing did.
    trouble = models.CharField(max_length=10, blank=True)
    # How the answer begins.
    answer = models.CharField(max_length=MOST_ANSWER, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "delivery"], name="attempts_of_a_delivery")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.answered or self.trouble}"
