"""REST: whose an application is, and who answers for what a team owns."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from keys.actions import applications
from keys.models import Application
from keys.serializers import ApplicationOut, LeadIn, TransferIn
from tenants.errors import Invalid
from tenants.models import Team, User
from tenants.rest import TenantRestView
from tenants.rest_teams import TeamsView, member_in
from tenants.serializers import TeamOut


class ApplicationTransfer(TenantRestView):
    access = {"POST": "tenant.see"}

    def application(self, pk: UUID) -> Application:
        found: Application = get_object_or_404(applications.in_reach(self.user, self.permissions), pk=pk)
        if not applications.may_transfer(found, self.user, self.permissions):
            raise PermissionDenied(f"{found} belongs to {found.whose}. {found.owner} can give it away, or who manages members.")
        return found

    def receiver(self) -> User | Team:
        given = self.read(TransferIn)
        if "team" not in given:
            return applications.receiver_called(given["to"])
        team: Team | None = Team.objects.visible_to(self.user, self.permissions).filter(pk=given["team"]).first()
        if team is None:
            raise Invalid({"team": ["You see no team with this id."]})
        return team

    @extend_schema(request=TransferIn, responses=ApplicationOut)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Give it to another member or to a team. Its credentials and subscriptions stay, so nothing stops working."""
        applications.transfer(self.application(pk), to=self.receiver(), by=self.user)
        return Response(ApplicationOut(Application.objects.select_related("owner", "team", "suspended_by").get(pk=pk)).data)


class TeamLead(TeamsView):
    access = {"POST": "members.manage"}

    @extend_schema(request=LeadIn, responses=TeamOut)
    def post(self, request: Request, team: UUID) -> Response:  # noqa: ARG002
        """Let another of its members lead it, and answer for what it owns."""
        found = self.team(team)
        applications.change_lead(found, to=member_in(self.read(LeadIn)["lead"], field="lead"), by=self.user)
        return Response(self.shown(team))
