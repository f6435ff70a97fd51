from collections.abc import Set
from typing import ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models.functions import Lower

from tenants.models.base import TenantManager, TenantModel
from tenants.models.membership import Membership
from tenants.models.user import User


class TeamQuerySet(models.QuerySet["Team"]):
    def of(self, user: User) -> Self:
        """Those that a person is in."""
        return self.filter(pk__in=TeamMember.objects.filter(membership__user=user).values("team"))

    def visible_to(self, user: User, permissions: Set[str]) -> Self:
        """All, for who sees or manages the members; else a person's own."""
        return self if {"members.see", "members.manage"} & permissions else self.of(user)

    def for_list(self) -> Self:
        """With who leads it, and `members`: how many are in it."""
        return self.select_related("lead__user").annotate(members=models.Count("people"))


TeamManager = TenantManager.from_queryset(TeamQuerySet)


class Team(TenantModel):
    """Members of one tenant who own APIs and applications together. `lead` answers for what the team owns."""

    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    lead = models.ForeignKey(Membership, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TeamManager["Team"]] = TeamManager()

    class Meta:
        verbose_name = "team"
        constraints = [models.UniqueConstraint("tenant", Lower("name"), name="one_team_per_name")]

    def __str__(self) -> str:
        return self.name


class TeamMember(TenantModel):
    """Who is in a team; the lead is among them."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="people")
    membership = models.ForeignKey(Membership, models.CASCADE, related_name="teams")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "team", "membership"], name="in_a_team_once")]

    def __str__(self) -> str:
        return f"{self.membership} in {self.team}"


def teams_of(user: User) -> frozenset[UUID]:
    """The ids of the teams that a person is in."""
    return frozenset(TeamMember.objects.filter(membership__user=user).values_list("team", flat=True))
