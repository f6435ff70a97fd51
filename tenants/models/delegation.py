from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.base import TenantManager, TenantModel
from tenants.models.user import User


class DelegationQuerySet(models.QuerySet["Delegation"]):
    def standing(self) -> Self:
        """Those that have not ended; some have not begun."""
        return self.filter(ended_at=None)

    def running(self, now: datetime) -> Self:
        return self.standing().filter(starts_at__lte=now, ends_at__gt=now)

    def of(self, user: User) -> Self:
        """Those that this person gave or got."""
        return self.filter(models.Q(delegator=user) | models.Q(delegate=user))

    def for_list(self) -> Self:
        return self.select_related("delegator", "delegate")


DelegationManager = TenantManager.from_queryset(DelegationQuerySet)


class Delegation(TenantModel):
    """That somebody decides requests in another's place for a while. What it gives counts from row to row, see
    `Membership.objects.with_delegated_permissions`."""

    class End(models.TextChoices):
        DATE = "date", _("Its time was over")
        TAKEN_BACK = "taken_back", _("Taken back")
        # Of one of the two: no member any more, or decides no longer by a role.
        GONE = "gone", _("One of the two may no longer")

    delegator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    delegate = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=10, choices=End, blank=True)

    objects: ClassVar[DelegationManager["Delegation"]] = DelegationManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "delegator"], condition=models.Q(ended_at=None), name="one_standing_delegation_per_person"
            ),
            models.CheckConstraint(condition=~models.Q(delegator=models.F("delegate")), name="nobody_delegates_to_themselves"),
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="a_delegation_ends_after_it_begins"),
        ]
        indexes = [models.Index(fields=["tenant", "delegate"], condition=models.Q(ended_at=None), name="standing_delegations")]

    def __str__(self) -> str:
        return f"{self.delegator} to {self.delegate}"
