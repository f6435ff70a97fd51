from collections.abc import Set
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apis.models.api import Plan
from apis.models.subscription import Subscription
from keys.models import owned_by
from tenants.models import ServiceAccount, Steps, TenantManager, TenantModel, User


class ChangeRequestQuerySet(models.QuerySet["ChangeRequest"]):
    def waiting(self) -> Self:
        """Those that somebody has to decide: what they would change goes on."""
        return self.filter(status=ChangeRequest.Status.PENDING, subscription__status__in=Subscription.GRANTED)

    def visible_to(self, user: User, permissions: Set[str]) -> Self:
        """Everyone's, for who may see that; else those of a person's own applications, and of their teams'."""
        return self if "subscriptions.see_all" in permissions else self.owned_by(user)

    def owned_by(self, user: User) -> Self:
        return self.filter(owned_by(user, via="subscription__application__"))

    def for_list(self) -> Self:
        return self.select_related(
            "subscription__application__owner",
            "subscription__application__team",
            "subscription__api",
            "subscription__plan",
            "plan",
            "was_plan",
            "requested_by",
            "decided_by",
            "first_approved_by",
        )


ChangeRequestManager = TenantManager.from_queryset(ChangeRequestQuerySet)


class ChangeRequest(TenantModel):
    """What its people ask to change of a subscription that goes on: another plan, or a later end."""

    class Kind(models.TextChoices):
        PLAN = "plan", _("Another plan")
        RENEWAL = "renewal", _("A later end")

    class Status(models.TextChoices):
        PENDING = "pending", pgettext_lazy("review", "Waiting")
        APPROVED = "approved", pgettext_lazy("review", "Approved")
        REJECTED = "rejected", pgettext_lazy("review", "Rejected")
        WITHDRAWN = "withdrawn", pgettext_lazy("review", "Withdrawn")

    THIS: ClassVar = _("this change")
    STEPS: ClassVar[Steps] = {
        (Status.PENDING, Status.APPROVED): "approved",
        (Status.PENDING, Status.REJECTED): "rejected",
        (Status.PENDING, Status.WITHDRAWN): "withdrawn",
    }

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="change_requests")
    kind = models.CharField(max_length=10, choices=Kind)
    # Of a plan: the one that is asked for, and the one that the subscription had.
    plan = models.ForeignKey(Plan, models.PROTECT, null=True, related_name="+")
    was_plan = models.ForeignKey(Plan, models.PROTECT, null=True, related_name="+")
    # Of a renewal: the end that is asked for, and the one that the subscription had.
    ends_at = models.DateTimeField(null=True)
    was_ends_at = models.DateTimeField(null=True)
    purpose = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    # Why it was rejected.
    reason = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    # None where the plan or a rule approved by itself.
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    # How many people have to approve it, and the first of two.
    approvals_needed = models.PositiveSmallIntegerField(default=1)
    first_approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    first_approved_at = models.DateTimeField(null=True)

    objects: ClassVar[ChangeRequestManager["ChangeRequest"]] = ChangeRequestManager()

    class Meta:
        verbose_name = "change request"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "subscription"], condition=models.Q(status="pending"), name="one_change_at_a_time"),
            models.CheckConstraint(
                condition=models.Q(kind="plan", plan__isnull=False, was_plan__isnull=False, ends_at=None, was_ends_at=None)
                | models.Q(kind="renewal", plan=None, was_plan=None, ends_at__isnull=False, was_ends_at__isnull=False),
                name="a_change_has_what_its_kind_needs",
            ),
            models.CheckConstraint(
                condition=~models.Q(status__in=("approved", "rejected")) | ~models.Q(decided_by=models.F("requested_by")),
                name="nobody_decides_their_own_change",
            ),
            # One that nobody approved was renewed or changed by a plan or a rule.
            models.CheckConstraint(
                condition=models.Q(approvals_needed=1)
                | ~models.Q(status="approved")
                | (models.Q(first_approved_by__isnull=False) & ~models.Q(first_approved_by=models.F("decided_by"))),
                name="no_change_by_one_of_two",
            ),
        ]
        indexes = [models.Index(fields=["tenant", "status", "id"], name="change_requests_by_status")]

    def __str__(self) -> str:
        return str(self.subscription)

    @property
    def waits(self) -> bool:
        """Whether somebody has to decide it: see `waiting`."""
        return self.status == self.Status.PENDING and self.subscription.status in Subscription.GRANTED

    def is_own_of(self, user: User) -> bool:
        """Whether this person asked for it, or has a part in the subscription: four eyes see each decision."""
        asked = ServiceAccount.objects.person_behind(user).pk in ServiceAccount.objects.people_behind(self.requested_by)
        return asked or self.subscription.is_own_of(user)
