from collections.abc import Collection, Set
from typing import ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models import Team, TeamMember, TenantManager, TenantModel, User, teams_of


def owned_by(user: User | None, via: str = "") -> models.Q:
    """A person's own applications, and those of their teams; a visitor has none.

    :param via: how another model leads there: “application__”.
    """
    theirs = TeamMember.objects.filter(membership__user=user).values("team")
    return models.Q(**{f"{via}owner": user}) | models.Q(**{f"{via}team__in": theirs})


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(self, user: User, permissions: Set[str]) -> Self:
        """Anyone's, for who may see that; else a person's own."""
        return self if "applications.see_all" in permissions else self.owned_by(user)

    def owned_by(self, user: User) -> Self:
        """A person's own, and those of their teams."""
        return self.filter(owned_by(user))


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
    # It belongs to them together; the owner, who answers for it, is then their lead.
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")
    client_id = models.CharField(max_length=40, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[ApplicationManager["Application"]] = ApplicationManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "client_id"], name="one_application_per_client_id"),
            models.UniqueConstraint(
                fields=["tenant", "owner", "name"], condition=models.Q(team=None), name="one_application_per_owner_and_name"
            ),
            models.UniqueConstraint(
                fields=["tenant", "team", "name"], condition=models.Q(team__isnull=False), name="one_application_per_team_and_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def whose(self) -> str:
        """The team or the person that it belongs to, by name."""
        return str(self.team or self.owner)

    def belongs_to(self, user: User, teams: Collection[UUID] | None = None) -> bool:
        """Whether it is this person's, or a team's that they are in.

        :param teams: theirs, for who asks about many applications: else one of a team costs a query.
        """
        if self.owner_id == user.pk:
            return True
        return self.team_id is not None and self.team_id in (teams_of(user) if teams is None else teams)

    def told_to_apis(self) -> dict[str, str]:
        """What an API reads of it in the claim `enc` of tokens that are for it alone, see docs/oauth.md."""
        return {"application": self.name, "owner": self.owner.email, "environment": self.environment, "purpose": self.purpose}
