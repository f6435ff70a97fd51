"""REST: the tenant's settings."""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.models import Accent, SignUp, TenantSettings
from tenants.people.settings import FIELDS, MOST_DOMAINS, SHOWN, change_settings
from tenants.rest import TenantRestView
from tenants.serializers import JOINING, Body, Choice, Text


class SettingsIn(Body):
    """What is left out stays as it is."""

    name = Text(max_length=80, required=False)
    accent = Choice(choices=Accent.choices, required=False)
    support_address = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    catalogue = Choice(choices=TenantSettings.Catalogue.choices, required=False)
    sign_up = Choice(choices=SignUp.choices, required=False)
    sign_up_domains = serializers.ListField(child=Text(max_length=253), max_length=MOST_DOMAINS, required=False)
    sign_up_role = Choice(choices=JOINING, required=False)
    mfa_required = serializers.BooleanField(required=False)
    approval_by_people = serializers.BooleanField(required=False)
    applications_need_approval = serializers.BooleanField(required=False)
    usage_minutes_days = serializers.IntegerField(required=False, min_value=0, max_value=32_767)
    usage_days = serializers.IntegerField(required=False, min_value=0, max_value=32_767)


class SettingsOut(serializers.Serializer[TenantSettings]):
    name = serializers.CharField(source="tenant.name")
    accent = serializers.CharField(source="tenant.accent")
    support_address = serializers.CharField()
    catalogue = serializers.CharField()
    sign_up = serializers.CharField()
    sign_up_domains = serializers.ListField(child=serializers.CharField())
    sign_up_role = serializers.CharField()
    mfa_required = serializers.BooleanField()
    approval_by_people = serializers.BooleanField()
    applications_need_approval = serializers.BooleanField()
    usage_minutes_days = serializers.IntegerField()
    usage_days = serializers.IntegerField()


class Settings(TenantRestView):
    access = {"GET": "settings.manage", "PATCH": "settings.manage"}

    @extend_schema(responses=SettingsOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The tenant's settings."""
        return self._as_it_is()

    @extend_schema(request=SettingsIn, responses=SettingsOut)
    def patch(self, request: Request) -> Response:  # noqa: ARG002
        """Change what is named."""
        given = self.read(SettingsIn)
        with transaction.atomic():
            change_settings({name: given[name] for name in (*SHOWN, *FIELDS) if name in given}, by=self.user)
        return self._as_it_is()

    def _as_it_is(self) -> Response:
        return Response(SettingsOut(TenantSettings.objects.select_related("tenant").defer("logo").get()).data)
