from collections.abc import Set
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apis.models.api import Api, Plan
from keys.models import Application, owned_by
from tenants.models import ServiceAccount, Steps, TenantManager, TenantModel, User

# How long a gateway names the reason why a closed subscription no longer lets calls through.
REMEMBERED = timedelta(days=30)


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def open(self) -> Self:
        return self.filter(status__in=Subscription.OPEN)

    def visible_to(self, user: User, permissions: Set[str]) -> Self:
        """Everyone's, for who may see that; else those of a person's own applications."""
        return self if "subscriptions.see_all" in permissions else self.owned_by(user)

    def owned_by(self, user: User | None) -> Self:
        """Those of a person's own applications, and of their teams'."""
        return self.filter(owned_by(user, via="application__"))

    def for_list(self) -> Self:
        return self.select_related("application__owner", "application__team", "api", "plan", "requested_by", "decided_by")

    def enforced(self) -> Self:
        """What gateways know: those closed so lately that their reason is still told, oldest first, then the open ones."""
        recent = models.Q(ended_at__gt=Now() - REMEMBERED)
        standing = models.Q(status__in=Subscription.OPEN)
        return self.filter(standing | recent).order_by(models.F("ended_at").asc(nulls_last=True), "id")


SubscriptionManager = TenantManager.from_queryset(SubscriptionQuerySet)


class Subscription(TenantModel):
    """An application's right to call an API under a plan: the grant."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        REJECTED = "rejected", _("Rejected")
        CANCELLED = "cancelled", _("Cancelled")

    OPEN: ClassVar = (Status.PENDING, Status.ACTIVE, Status.SUSPENDED)
    THIS: ClassVar = _("this subscription")
    STEPS: ClassVar[Steps] = {
        (Status.PENDING, Status.ACTIVE): "approved",
        (Status.PENDING, Status.REJECTED): "rejected",
        (Status.ACTIVE, Status.PENDING): "decision_undone",
        (Status.REJECTED, Status.PENDING): "decision_undone",
        (Status.ACTIVE, Status.SUSPENDED): "suspended",
        (Status.SUSPENDED, Status.ACTIVE): "resumed",
        (Status.PENDING, Status.CANCELLED): "cancelled",
        (Status.ACTIVE, Status.CANCELLED): "cancelled",
        (Status.SUSPENDED, Status.CANCELLED): "cancelled",
    }

    application = models.ForeignKey(Application, models.CASCADE, related_name="subscriptions")
    api = models.ForeignKey(Api, models.PROTECT, related_name="subscriptions")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="subscriptions")
    purpose = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    # Why it was rejected, suspended or cancelled, in the words of who did it.
    reason = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    # Until when who approved or rejected may undo it; None where that was not the last that happened.
    undo_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # Since when an approver's question waits for an answer; None where none does.
    asked_at = models.DateTimeField(null=True)

    objects: ClassVar[SubscriptionManager["Subscription"]] = SubscriptionManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "application", "api"],
                condition=models.Q(status__in=["pending", "active", "suspended"]),
                name="one_open_subscription_per_application_and_api",
            ),
            # So every other step has to clear it: a subscription that was suspended and resumed is active, too.
            models.CheckConstraint(
                condition=models.Q(undo_until=None) | models.Q(status__in=["active", "rejected"], decided_by__isnull=False),
                name="only_a_decision_can_be_undone",
            ),
            models.CheckConstraint(
                condition=models.Q(asked_at=None) | models.Q(status="pending"), name="only_a_request_waits_for_an_answer"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "status", "id"], name="subscriptions_by_status"),
            models.Index(
                fields=["tenant", "decided_at", "id"], condition=models.Q(decided_at__isnull=False), name="subscriptions_by_decision"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application} to {self.api}"

    def is_own_of(self, user: User) -> bool:
        """Whether this person asked for it, or has a part in the application that it is for: four eyes see each decision."""
        person = ServiceAccount.objects.person_behind(user)
        return self.application.is_own_of(person) or person.pk in ServiceAccount.objects.people_behind(self.requested_by)

    def undoable_by(self, user: User, now: datetime) -> bool:
        """Whether the last that happened is this person's approval or rejection, a moment ago."""
        return self.undo_until is not None and now <= self.undo_until and self.decided_by_id == user.pk
