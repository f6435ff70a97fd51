"""REST: a person makes a tenant."""

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from keys.actions.tenants import found_tenant, may_found
from tenants import throttle
from tenants.models import MAX_SLUG, Role
from tenants.rest import Tenants as Listed
from tenants.rest import person
from tenants.serializers import Body, TenantOut, Text


class TenantIn(Body):
    slug = Text(max_length=MAX_SLUG)
    name = Text(max_length=80)


class Tenants(Listed):
    @extend_schema(request=TenantIn, responses={201: TenantOut}, operation_id="tenants_create")
    def post(self, request: Request) -> Response:
        """Make a tenant; you are its first admin. Operators may, and everybody where the platform's settings say so."""
        user = person(request)
        if not may_found(user):
            raise PermissionDenied("Operators of this portal make tenants. Ask one of them.")
        given = self.read(TenantIn)
        throttle.change(user.pk, at=None)
        tenant = found_tenant(slug=given["slug"], name=given["name"], by=user)
        answer = TenantOut(tenant, context={"roles": {tenant.pk: [Role.ADMIN.value]}})
        return Response(answer.data, status=status.HTTP_201_CREATED)
