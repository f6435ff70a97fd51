"""REST: the members of a tenant, and invitations. Who is removed, or leaves, hands applications on: see keys.rest_members."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.errors import Invalid
from tenants.models import Invitation, Membership, Team
from tenants.people import invitations, members
from tenants.rest import TenantRestView
from tenants.serializers import InvitationOut, InviteIn, MemberOut, RolesIn

STATUS = OpenApiParameter("status", OpenApiTypes.STR, enum=Invitation.Status.values)


class Members(TenantRestView):
    access = {"GET": "members.see"}

    @extend_schema(responses=MemberOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Who is a member, with their roles."""
        return self.listed(Membership.objects.select_related("user"), MemberOut)


class MemberDetail(TenantRestView):
    access = {"GET": "members.see", "PATCH": "members.manage"}

    def member(self, pk: UUID) -> Membership:
        found: Membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk)
        return found

    @extend_schema(responses=MemberOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A member, with their roles."""
        return Response(MemberOut(self.member(pk)).data)

    @extend_schema(request=RolesIn, responses=MemberOut)
    def patch(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Their roles become these: `roles`, `custom_roles`, or both; what you leave out stays."""
        found = self.member(pk)
        changed = members.change_roles(found, **self.read(RolesIn), by=self.user)
        return Response(MemberOut(changed).data)


class Invitations(TenantRestView):
    access = {"GET": "members.manage", "POST": "members.manage"}

    @extend_schema(parameters=[STATUS], responses=InvitationOut(many=True))
    def get(self, request: Request) -> Response:
        """Who was invited, newest first, and what became of it; `?status=` narrows it."""
        rows = Invitation.objects.select_related("invited_by")
        if status := request.query_params.get("status"):
            if status not in Invitation.Status.values:
                raise Invalid({"status": [f"Choose from {', '.join(Invitation.Status.values)}."]})
            rows = rows.filter(status=status)
        return self.listed(rows, InvitationOut)

    @extend_schema(request=InviteIn, responses={201: InvitationOut(many=True)}, operation_id="invitations_create")
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Invite people by e-mail: all of them, or none where one can't be invited. Each gets a link that works for seven days."""
        given = self.read(InviteIn)
        if team := given.pop("team", None):
            given["team"] = Team.objects.filter(pk=team).first()
            if given["team"] is None:
                raise Invalid({"team": ["There is no such team."]})
        made = invitations.invite(**given, by=self.user)
        return Response(InvitationOut(made, many=True).data, status=201)


class InvitationView(TenantRestView):
    access = {"POST": "members.manage"}

    def invitation(self, pk: UUID) -> Invitation:
        found: Invitation = get_object_or_404(Invitation.objects.select_related("invited_by"), pk=pk)
        return found


class InvitationResend(InvitationView):
    @extend_schema(request=None, responses=InvitationOut)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Send it again, for seven days from now; the earlier link ends. At most once a minute."""
        invitations.renew(self.invitation(pk), by=self.user)
        return Response(InvitationOut(self.invitation(pk)).data)


class InvitationRevoke(InvitationView):
    @extend_schema(request=None, responses=InvitationOut)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Take it back: its link opens nothing from now on."""
        invitations.revoke(self.invitation(pk), by=self.user)
        return Response(InvitationOut(self.invitation(pk)).data)
