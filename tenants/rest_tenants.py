"""REST: operators suspend and resume tenants, and say how many calls theirs may be; admins close and reopen their own."""

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import throttle
from tenants.access import OPERATOR, even_suspended
from tenants.models import ErasedTenant, Event, Tenant
from tenants.people import tenants
from tenants.people.tenants import MAX_REASON
from tenants.rest import RestView, TenantRestView, person
from tenants.serializers import Body, TenantStateOut, Text, decided

DECIDED = decided(TenantStateOut)


class SuspendIn(Body):
    reason = Text(max_length=MAX_REASON)


class CloseIn(Body):
    """`name` is the tenant's, typed once more."""

    name = Text(max_length=80)
    reason = Text(max_length=MAX_REASON)


class OperatorsTenantView(RestView):
    access = OPERATOR

    def tenant(self, request: Request, slug: str) -> Tenant:
        throttle.change(person(request).pk, at=None)
        return get_object_or_404(Tenant, slug=slug)

    def after(self, tenant: Tenant) -> Response:
        tenant.refresh_from_db()
        return Response(TenantStateOut(tenant).data)


class Suspend(OperatorsTenantView):
    @extend_schema(request=SuspendIn, responses=TenantStateOut)
    def post(self, request: Request, slug: str) -> Response:
        """Refuse every call of a tenant. Its members read the reason, and can change nothing until it is resumed."""
        tenant = self.tenant(request, slug)
        tenants.suspend(tenant, reason=self.read(SuspendIn)["reason"], by=person(request))
        return self.after(tenant)


class Resume(OperatorsTenantView):
    @extend_schema(request=None, responses=TenantStateOut)
    def post(self, request: Request, slug: str) -> Response:
        """Let its calls pass again."""
        tenant = self.tenant(request, slug)
        tenants.resume(tenant, by=person(request))
        return self.after(tenant)


class CeilingIn(Body):
    """`max_calls`: how many calls a second pass of all of its APIs together; 0 for as many as come, null for the platform's default."""

    # The action says what is wrong with a number; this keeps out what is none.
    max_calls = serializers.IntegerField(allow_null=True)


class Ceiling(OperatorsTenantView):
    @extend_schema(request=CeilingIn, responses=TenantStateOut)
    def post(self, request: Request, slug: str) -> Response:
        """Say how many calls a second pass of all of a tenant's APIs together."""
        tenant = self.tenant(request, slug)
        tenants.change_ceiling(tenant, max_calls=self.read(CeilingIn)["max_calls"], by=person(request))
        return self.after(tenant)


class ErasureOut(serializers.ModelSerializer[ErasedTenant]):
    """`certificate` is a compact JWS (RFC 7515), signed with one of the platform's keys for the audit."""

    class Meta:
        model = ErasedTenant
        fields = ["slug", "tenant_id", "erased_at", "certificate"]


class Erasure(RestView):
    access = OPERATOR

    @extend_schema(responses=ErasureOut)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """What was erased with a tenant, signed; 404 where none was."""
        found = get_object_or_404(ErasedTenant, slug=slug)
        if not found.is_signed:
            raise Http404
        return Response(ErasureOut(found).data)


class OwnTenantView(TenantRestView):
    access = {"POST": "settings.manage"}

    def after(self, event: Event) -> Response:
        self.tenant.refresh_from_db()
        return self.decided(TenantStateOut(self.tenant).data, event)


@even_suspended
class Close(OwnTenantView):
    @extend_schema(request=CloseIn, responses=DECIDED)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Refuse every call from now on, and erase the tenant at `erase_at` unless it is reopened before."""
        given = self.read(CloseIn)
        return self.after(tenants.close(name=given["name"], reason=given["reason"], by=self.user))


@even_suspended
class Reopen(OwnTenantView):
    @extend_schema(request=None, responses=DECIDED)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Take closing back. A tenant that was suspended before is suspended again."""
        return self.after(tenants.reopen(by=self.user))


urlpatterns = [
    path("close/", Close.as_view(), name="tenant-close"),
    path("reopen/", Reopen.as_view(), name="tenant-reopen"),
]
for_operators = [
    path("<str:slug>/suspend/", Suspend.as_view(), name="platform-tenant-suspend"),
    path("<str:slug>/resume/", Resume.as_view(), name="platform-tenant-resume"),
    path("<str:slug>/ceiling/", Ceiling.as_view(), name="platform-tenant-ceiling"),
    path("<str:slug>/erasure/", Erasure.as_view(), name="platform-tenant-erasure"),
]
