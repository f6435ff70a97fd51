"""REST: teams and who is in them. Who leads one is changed in keys.rest_ownership: whoever leads answers for what the team owns."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.errors import Invalid
from tenants.models import Membership, Team, TeamMember
from tenants.people import teams
from tenants.rest import TenantRestView
from tenants.serializers import MemberOut, TeamChangeIn, TeamIn, TeamOut


class TeamsView(TenantRestView):
    def team(self, pk: UUID) -> Team:
        """One that the person may see."""
        found: Team = get_object_or_404(Team.objects.visible_to(self.user, self.permissions), pk=pk)
        return found

    def shown(self, pk: UUID) -> Any:
        return TeamOut(Team.objects.for_list().get(pk=pk)).data


class Teams(TeamsView):
    access = {"GET": "tenant.see", "POST": "members.manage"}

    @extend_schema(responses=TeamOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your teams; all of them for who sees the members."""
        return self.listed(Team.objects.visible_to(self.user, self.permissions).for_list(), TeamOut)

    @extend_schema(request=TeamIn, responses={201: TeamOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a team; its lead is its first member."""
        given = self.read(TeamIn)
        given["lead"] = member_in(given["lead"], field="lead")
        return Response(self.shown(teams.create_team(**given, by=self.user).pk), status=201)


class TeamDetail(TeamsView):
    access = {"GET": "tenant.see", "PATCH": "members.manage", "DELETE": "members.manage"}

    @extend_schema(responses=TeamOut)
    def get(self, request: Request, team: UUID) -> Response:  # noqa: ARG002
        """A team, with who leads it."""
        return Response(self.shown(self.team(team).pk))

    @extend_schema(request=TeamChangeIn, responses=TeamOut)
    def patch(self, request: Request, team: UUID) -> Response:  # noqa: ARG002
        """Change its name or its description. What is left out stays as it is."""
        teams.change_team(self.team(team), **self.read(TeamChangeIn), by=self.user)
        return Response(self.shown(team))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, team: UUID) -> Response:  # noqa: ARG002
        """Delete a team that owns nothing."""
        teams.delete_team(self.team(team), by=self.user)
        return Response(status=204)


class TeamMembers(TeamsView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=MemberOut(many=True))
    def get(self, request: Request, team: UUID) -> Response:  # noqa: ARG002
        """Who is in the team."""
        people = TeamMember.objects.filter(team=self.team(team)).values("membership")
        return self.listed(Membership.objects.filter(pk__in=people).select_related("user"), MemberOut)


class TeamMemberDetail(TeamsView):
    """`member` is the id of a membership, as the list of members has it."""

    access = {"PUT": "members.manage", "DELETE": "members.manage"}

    def member(self, pk: UUID) -> Membership:
        found: Membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk)
        return found

    @extend_schema(request=None, responses=TeamOut)
    def put(self, request: Request, team: UUID, member: UUID) -> Response:  # noqa: ARG002
        """Add a member. All that the team owns is theirs, too."""
        teams.add_to_team(self.team(team), self.member(member), by=self.user)
        return Response(self.shown(team))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, team: UUID, member: UUID) -> Response:  # noqa: ARG002
        """Take a member out of the team; who leads it stays."""
        teams.remove_from_team(self.team(team), self.member(member), by=self.user)
        return Response(status=204)


def member_in(pk: UUID, *, field: str) -> Membership:
    """A member that a body names.

    :raises Invalid: there is none with this id.
    """
    found = Membership.objects.select_related("user").filter(pk=pk).first()
    if found is None:
        raise Invalid({field: ["There is no member with this id."]})
    return found
