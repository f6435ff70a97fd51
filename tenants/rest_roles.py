"""REST: roles of the tenant's own."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.models import CustomRole
from tenants.people import custom_roles
from tenants.rest import TenantRestView
from tenants.serializers import RoleChangeIn, RoleIn, RoleOut


class Roles(TenantRestView):
    access = {"GET": "members.see", "POST": "members.manage"}

    @extend_schema(responses=RoleOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The roles of the tenant's own, each with how many members hold it."""
        return self.listed(CustomRole.objects.with_holders(), RoleOut)

    @extend_schema(request=RoleIn, responses={201: RoleOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a role of permissions that you hold yourself. What they need, and what everyone has, is added."""
        made = custom_roles.create_role(**self.read(RoleIn), by=self.user)
        return Response(_shown(made.pk), status=201)


class RoleDetail(TenantRestView):
    access = {"GET": "members.see", "PATCH": "members.manage", "DELETE": "members.manage"}

    def role(self, pk: UUID) -> CustomRole:
        found: CustomRole = get_object_or_404(CustomRole, pk=pk)
        return found

    @extend_schema(responses=RoleOut)
    def get(self, request: Request, role: UUID) -> Response:  # noqa: ARG002
        """A role of the tenant's own, with how many members hold it."""
        return Response(_shown(self.role(role).pk))

    @extend_schema(request=RoleChangeIn, responses=RoleOut)
    def patch(self, request: Request, role: UUID) -> Response:  # noqa: ARG002
        """Change it for everybody who holds it, from their next request on. What is left out stays as it is."""
        custom_roles.change_role(self.role(role), **self.read(RoleChangeIn), by=self.user)
        return Response(_shown(role))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, role: UUID) -> Response:  # noqa: ARG002
        """Delete a role that nobody holds."""
        custom_roles.delete_role(self.role(role), by=self.user)
        return Response(status=204)


def _shown(pk: UUID) -> Any:
    return RoleOut(CustomRole.objects.with_holders().get(pk=pk)).data
