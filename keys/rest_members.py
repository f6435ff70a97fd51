"""REST: to remove a member, and to leave: their applications go to somebody else."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from keys.actions import leaving
from tenants import rest_members
from tenants.errors import Invalid
from tenants.models import Membership, Team
from tenants.rest import TenantRestView
from tenants.serializers import Body


class RemoveIn(Body):
    """`applications_to`: a member's id or a team's; needed where the person has applications."""

    applications_to = serializers.UUIDField(required=False, allow_null=True)


def _heir(given: dict[str, Any]) -> Membership | Team | None:
    pk = given.get("applications_to")
    if pk is None:
        return None
    found = Membership.objects.select_related("user").filter(pk=pk).first() or Team.objects.filter(pk=pk).first()
    if found is None:
        raise Invalid({"applications_to": ["This is no member's id and no team's."]})
    return found


class MemberDetail(rest_members.MemberDetail):
    access = {**rest_members.MemberDetail.access, "DELETE": "members.manage"}

    @extend_schema(request=RemoveIn, responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Remove a member: with the next request they are a stranger here. Nothing that their applications do stops."""
        leaving.remove(self.member(pk), to=_heir(self.read(RemoveIn)), by=self.user)
        return Response(status=204)


class Leave(TenantRestView):
    access = {"POST": "tenant.see"}

    @extend_schema(request=RemoveIn, responses={204: None})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Give up your own membership."""
        own = Membership.objects.select_related("user").filter(user=self.user).first()
        if own is None:
            raise Invalid({"": ["A service account is no member; it is revoked."]})
        leaving.remove(own, to=_heir(self.read(RemoveIn)), by=self.user)
        return Response(status=204)
