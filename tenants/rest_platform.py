"""REST: the platform, for its operators: tenants, people's accounts, and what holds for all. Shared tables alone."""

from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import throttle
from tenants.access import OPERATOR
from tenants.errors import Invalid
from tenants.models import PlatformSettings, SignUp, Tenant, User
from tenants.people.platform import FIELDS, change_platform, deactivate, reactivate
from tenants.people.settings import MOST_DOMAINS
from tenants.rest import RestView, person
from tenants.serializers import Body, Choice, TenantStateOut, Text

_SOUGHT = OpenApiParameter("q", str)


class OperatorsView(RestView):
    access = OPERATOR

    def by(self, request: Request) -> User:
        """Who changes something, which is counted."""
        throttle.change(person(request).pk, at=None)
        return person(request)


class PlatformTenants(OperatorsView):
    @extend_schema(responses=TenantStateOut(many=True), parameters=[_SOUGHT, OpenApiParameter("status", str, enum=Tenant.Status.values)])
    def get(self, request: Request) -> Response:
        """Every tenant, newest first; `?q=` narrows by name or slug, `?status=` by state."""
        rows: QuerySet[Tenant] = Tenant.objects.all()
        if q := request.query_params.get("q"):
            rows = rows.filter(Q(name__icontains=q) | Q(slug__icontains=q))
        if status := request.query_params.get("status"):
            if status not in Tenant.Status.values:
                raise Invalid({"status": [f"Choose from {', '.join(Tenant.Status.values)}."]})
            rows = rows.filter(status=status)
        return self.listed(rows, TenantStateOut)


class AccountOut(serializers.ModelSerializer[User]):
    """`is_active`: whether the account is open; `is_staff`: whether this person operates the platform."""

    class Meta:
        model = User
        fields = ["id", "email", "name", "is_active", "is_staff"]


class People(OperatorsView):
    @extend_schema(responses=AccountOut(many=True), parameters=[_SOUGHT])
    def get(self, request: Request) -> Response:
        """Every account of a person, newest first; `?q=` narrows by name or e-mail address."""
        rows: QuerySet[User] = User.objects.filter(is_service=False)
        if q := request.query_params.get("q"):
            rows = rows.filter(Q(name__icontains=q) | Q(email__icontains=q))
        return self.listed(rows, AccountOut)


class PersonView(OperatorsView):
    def shown(self, pk: UUID) -> Response:
        return Response(AccountOut(_person(pk)).data)


class PersonClose(PersonView):
    @extend_schema(request=None, responses=AccountOut)
    def post(self, request: Request, pk: UUID) -> Response:
        """Close an account: its person signs in nowhere, and what they own goes on working."""
        deactivate(_person(pk), by=self.by(request))
        return self.shown(pk)


class PersonOpen(PersonView):
    @extend_schema(request=None, responses=AccountOut)
    def post(self, request: Request, pk: UUID) -> Response:
        """Open an account again, with the roles that it has."""
        reactivate(_person(pk), by=self.by(request))
        return self.shown(pk)


class PlatformSettingsIn(Body):
    """What is left out stays as it is."""

    tenants_by = Choice(choices=PlatformSettings.Creators.choices, required=False)
    sign_up = Choice(choices=SignUp.choices, required=False)
    sign_up_domains = serializers.ListField(child=Text(max_length=253), max_length=MOST_DOMAINS, required=False)


class PlatformSettingsOut(serializers.ModelSerializer[PlatformSettings]):
    """`tenants_by`: who makes tenants. `sign_up`: who opens an account, with addresses of `sign_up_domains` where it says “domains”."""

    class Meta:
        model = PlatformSettings
        fields = FIELDS


class Settings(OperatorsView):
    @extend_schema(responses=PlatformSettingsOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """What holds for the whole portal."""
        return Response(PlatformSettingsOut(PlatformSettings.get()).data)

    @extend_schema(request=PlatformSettingsIn, responses=PlatformSettingsOut)
    def patch(self, request: Request) -> Response:
        """Change what is named of what holds for the whole portal."""
        by, given = self.by(request), self.read(PlatformSettingsIn)
        with transaction.atomic():
            change_platform(given, by=by)
        return self.get(request)


def _person(pk: UUID) -> User:
    """A service account is no person's."""
    return get_object_or_404(User, pk=pk, is_service=False)


urlpatterns = [
    path("tenants/", PlatformTenants.as_view(), name="rest-platform-tenants"),
    path("people/", People.as_view(), name="rest-platform-people"),
    path("people/<uuid:pk>/close/", PersonClose.as_view(), name="rest-platform-person-close"),
    path("people/<uuid:pk>/open/", PersonOpen.as_view(), name="rest-platform-person-open"),
    path("settings/", Settings.as_view(), name="rest-platform-settings"),
]
