from django.db import models
from django.db.models.functions import Lower

from tenants.models.base import TenantModel
from tenants.models.membership import Membership


class Team(TenantModel):
    """Members of one tenant who own APIs and applications together. `lead` answers for what the team owns."""

    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    lead = models.ForeignKey(Membership, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

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
