from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.base import TenantManager, TenantModel


class Role(models.TextChoices):
    ADMIN = "admin", _("Admin")
    PUBLISHER = "publisher", _("Publisher")
    APPROVER = "approver", _("Approver")
    DEVELOPER = "developer", _("Developer")
    AUDITOR = "auditor", _("Auditor")


class Membership(TenantModel):
    """A person's roles in one tenant; several at once are usual."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    roles = ArrayField(models.CharField(max_length=20, choices=Role), default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantManager["Membership"]] = TenantManager()
    # The one manager without the tenant filter: inside user_scope row security shows a person's own rows, read only.
    mine: ClassVar[models.Manager["Membership"]] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_person"),
            models.CheckConstraint(condition=models.Q(roles__len__gt=0), name="membership_has_a_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {', '.join(self.roles)}"
