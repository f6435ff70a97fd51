from typing import ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tenants.models.base import Steps, TenantManager, TenantModel
from tenants.models.user import User


class ServiceAccountQuerySet(models.QuerySet["ServiceAccount"]):
    def working(self) -> Self:
        return self.filter(status=ServiceAccount.Status.ACTIVE, expires_at__gt=Now())

    def person_behind(self, user: User) -> User:
        """Who answers for what this user does: the person themselves, or of a service account the one who knows its secret."""
        return self.select_related("created_by").get(user=user).created_by if user.is_service else user

    def people_behind(self, user: User) -> set[UUID]:
        """Everybody who may have acted as this user: of a service account all who ever knew a secret of it."""
        return set(self.get(user=user).people) if user.is_service else {user.pk}


ServiceAccountManager = TenantManager.from_queryset(ServiceAccountQuerySet)


class ServiceAccount(TenantModel):
    """Automation that uses REST: permissions of its own and a secret that ends. Acts as `user`, which can't sign in."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        REVOKED = "revoked", _("Revoked")
        EXPIRED = "expired", _("Expired")

    THIS: ClassVar = _("this service account")
    STEPS: ClassVar[Steps] = {
        (Status.ACTIVE, Status.REVOKED): "revoked",
        (Status.ACTIVE, Status.EXPIRED): "expired",
    }

    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    secret_hmac = models.CharField(max_length=64)
    pepper_id = models.CharField(max_length=12)
    last_four = models.CharField(max_length=4)
    # A secret that was rolled works beside the new one until then.
    former_hmac = models.CharField(max_length=64, blank=True)
    former_until = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    # How many days before its end its person was last told of it: a warning is given once.
    warned_days = models.PositiveSmallIntegerField(null=True)
    last_used_at = models.DateTimeField(null=True)
    # Who made its secret, and so may know it: who answers for it. See keys.actions.service_accounts.roll.
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    # And everybody who ever was: what was asked for with a secret of theirs was asked for by them.
    people = ArrayField(models.UUIDField(), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[ServiceAccountManager["ServiceAccount"]] = ServiceAccountManager()

    class Meta:
        verbose_name = "service account"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"], condition=models.Q(status="active"), name="one_active_service_account_per_name"
            ),
            models.CheckConstraint(condition=models.Q(permissions__len__gt=0), name="service_account_has_a_permission"),
        ]

    def __str__(self) -> str:
        return self.name
