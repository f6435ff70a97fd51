from collections.abc import Set
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models import Team, TeamMember, TenantManager, TenantModel, User


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(self, user: User, permissions: Set[str]) -> Self:
        """Anyone's, for who may see that; else a person's own."""
        return self if "applications.see_all" in permissions else self.owned_by(user)

    def owned_by(self, user: User) -> Self:
        """A person's own, and those of their teams."""
        theirs = TeamMember.objects.filter(membership__user=user).values("team")
        return self.filter(models.Q(owner=user) | models.Q(team__in=theirs))


ApplicationManager = TenantManager.from_queryset(ApplicationQuerySet)


class Application(TenantModel):
    """A developer's program. Its client id stands in tokens and in the gateway's grant table."""

    class Environment(models.TextChoices):
        LIVE = "live", _("Live")
        TEST = "test", _("Test")

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")

    name = models.CharField(max_length=80)
    purpose = models.CharField(max_length=500)
    environment = models.CharField(max_length=4, choices=Environment, default=Environment.LIVE)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    # It belongs to them together; the owner is who answers for it.
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")
    client_id = models.CharField(max_length=40, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[ApplicationManager["Application"]] = ApplicationManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "client_id"], name="one_application_per_client_id"),
            models.UniqueConstraint(fields=["tenant", "owner", "name"], name="one_application_per_owner_and_name"),
        ]

    def __str__(self) -> str:
        return self.name
