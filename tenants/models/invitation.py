from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.base import Steps, TenantModel
from tenants.models.membership import Role
from tenants.models.team import Team


class Invitation(TenantModel):
    """A one-time link, bound to an e-mail address, that makes a member. The link is signed, kept nowhere: `nonce` makes it this one's."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        ACCEPTED = "accepted", _("Accepted")
        REVOKED = "revoked", _("Revoked")
        EXPIRED = "expired", _("Expired")

    THIS: ClassVar = _("this invitation")
    STEPS: ClassVar[Steps] = {
        (Status.PENDING, Status.ACCEPTED): "accepted",
        (Status.PENDING, Status.REVOKED): "revoked",
        (Status.PENDING, Status.EXPIRED): "expired",
    }

    # Lower case, as User keeps it.
    email = models.EmailField()
    roles = ArrayField(models.CharField(max_length=20, choices=Role), default=list)
    custom_roles = ArrayField(models.UUIDField(), default=list)
    team = models.ForeignKey(Team, models.SET_NULL, null=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    # Another one with each sending: an earlier link ends.
    nonce = models.CharField(max_length=32)
    expires_at = models.DateTimeField()
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "invitation"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"], condition=models.Q(status="pending"), name="one_open_invitation_per_address"
            ),
            models.CheckConstraint(condition=models.Q(roles__len__gt=0) | models.Q(custom_roles__len__gt=0), name="invitation_has_a_role"),
        ]
        indexes = [models.Index(fields=["tenant", "expires_at"], condition=models.Q(status="pending"), name="open_invitations_by_end")]

    def __str__(self) -> str:
        return self.email
