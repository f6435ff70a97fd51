from collections.abc import Collection, Set
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models import ServiceAccount, Steps, Team, TeamMember, TenantManager, TenantModel, User, teams_of


def owned_by(user: User | None, via: str = "") -> models.Q:
    """A person's own applications, and those of their teams; a visitor has none.

    :param via: how another model leads there: “application__”.
    """
    theirs = TeamMember.objects.filter(membership__user=user).values("team")
    return models.Q(**{f"{via}owner": user}) | models.Q(**{f"{via}team__in": theirs})


def protected_unless_deleted(collector: Any, field: Any, rows: Any, using: str) -> None:
    """A team that owns something stays (`models.PROTECT`); what was deleted is no reason, and is its lead's then."""
    standing = rows.exclude(status=Application.Status.DELETED)
    if standing:
        models.PROTECT(collector, field, standing, using)
    models.SET_NULL(collector, field, rows, using)


class ApplicationQuerySet(models.QuerySet["Application"]):
    def standing(self) -> Self:
        """All but the deleted ones."""
        return self.exclude(status=Application.Status.DELETED)

    def visible_to(self, user: User, permissions: Set[str]) -> Self:
        """Anyone's, for who may see that; else a person's own. Not what was deleted."""
        return self.standing().known_to(user, permissions)

    def owned_by(self, user: User) -> Self:
        """A person's own, and those of their teams. Not what was deleted."""
        return self.standing().filter(owned_by(user))

    def waiting(self) -> Self:
        """Those that an approver has to decide about."""
        return self.filter(status=Application.Status.PENDING)

    def known_to(self, user: User, permissions: Set[str]) -> Self:
        """As `visible_to`, with the deleted ones: to read what they were."""
        return self if "applications.see_all" in permissions else self.filter(owned_by(user))


ApplicationManager = TenantManager.from_queryset(ApplicationQuerySet)


class Application(TenantModel):
    """A developer's program. Its client id stands in tokens and in the gateway's grant table."""

    class Environment(models.TextChoices):
        LIVE = "live", _("Live")
        TEST = "test", _("Test")

    class Status(models.TextChoices):
        # Where the tenant has people approve new ones.
        PENDING = "pending", _("Pending")
        REJECTED = "rejected", _("Rejected")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        DELETED = "deleted", _("Deleted")

    THIS: ClassVar = _("this application")
    STEPS: ClassVar[Steps] = {
        (Status.PENDING, Status.ACTIVE): "approved",
        (Status.PENDING, Status.REJECTED): "rejected",
        (Status.PENDING, Status.DELETED): "deleted",
        (Status.REJECTED, Status.DELETED): "deleted",
        (Status.ACTIVE, Status.SUSPENDED): "suspended",
        (Status.SUSPENDED, Status.ACTIVE): "resumed",
        (Status.ACTIVE, Status.DELETED): "deleted",
        (Status.SUSPENDED, Status.DELETED): "deleted",
    }

    name = models.CharField(max_length=80)
    purpose = models.CharField(max_length=500)
    # An e-mail address or an https address, where somebody answers for it; "" for none.
    contact = models.CharField(max_length=254, blank=True)
    # Approvers decide by it, so it stays as it was registered.
    environment = models.CharField(max_length=4, choices=Environment, default=Environment.LIVE)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    # It belongs to them together; the owner, who answers for it, is then their lead.
    team = models.ForeignKey(Team, protected_unless_deleted, null=True, related_name="+")
    client_id = models.CharField(max_length=40, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    # Why it is suspended or was rejected, in the words of who did it.
    reason = models.CharField(max_length=500, blank=True)
    suspended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    # Whose it was when somebody else suspended it: its own people don't resume it then, neither these nor whoever has it by now.
    # Empty where one of its own suspended it.
    suspended_from = ArrayField(models.UUIDField(), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[ApplicationManager["Application"]] = ApplicationManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "client_id"], name="one_application_per_client_id"),
            models.UniqueConstraint(
                fields=["tenant", "owner", "name"],
                condition=models.Q(team=None, deleted_at=None),
                name="one_application_per_owner_and_name",
            ),
            models.UniqueConstraint(
                fields=["tenant", "team", "name"],
                condition=models.Q(team__isnull=False, deleted_at=None),
                name="one_application_per_team_and_name",
            ),
            models.CheckConstraint(
                condition=models.Q(status="deleted", deleted_at__isnull=False)
                | models.Q(status__in=["pending", "rejected", "active", "suspended"], deleted_at__isnull=True),
                name="what_is_deleted_knows_since_when",
            ),
            models.CheckConstraint(
                condition=models.Q(suspended_by__isnull=False) | ~models.Q(status="suspended"),
                name="what_is_suspended_knows_by_whom",
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

    def is_own_of(self, user: User) -> bool:
        """Whether this person has a part in it, also by a service account: four eyes see what others decided about it.

        A service account is no second pair of eyes: who knows its secret sees with it.
        """
        person = ServiceAccount.objects.person_behind(user)
        return self.belongs_to(person) or person.pk in ServiceAccount.objects.people_behind(self.owner)

    def people(self) -> set[UUID]:
        """Everybody of whom `is_own_of` holds."""
        team = TeamMember.objects.filter(team=self.team_id).values_list("membership__user_id", flat=True) if self.team_id else ()
        return {*ServiceAccount.objects.people_behind(self.owner), *team}

    @property
    def suspended_by_others(self) -> bool:
        return bool(self.suspended_from)

    def told_to_apis(self) -> dict[str, str]:
        """What an API reads of it in the claim `enc` of tokens that are for it alone, see docs/oauth.md."""
        return {"application": self.name, "owner": self.owner.email, "environment": self.environment, "purpose": self.purpose}
