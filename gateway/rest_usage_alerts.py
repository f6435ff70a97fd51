"""REST: alerts about how calls go."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.models import Api
from gateway import usage_alerts
from gateway.models import UsageAlert
from gateway.serializers_usage_alerts import UsageAlertChangeIn, UsageAlertIn, UsageAlertOut
from keys.models import Application
from tenants.errors import Invalid, NotAllowed
from tenants.rest import TenantRestView


class _Alerts(TenantRestView):
    def alert(self, pk: UUID) -> UsageAlert:
        found: UsageAlert = get_object_or_404(UsageAlert.objects.visible_to(self.user, self.permissions).for_list(), pk=pk)
        return found

    def own(self, pk: UUID) -> UsageAlert:
        """To change it; of others it is read alone."""
        self.alert(pk)
        found: UsageAlert | None = UsageAlert.objects.changeable_by(self.user, self.permissions).for_list().filter(pk=pk).first()
        if found is None:
            raise NotAllowed(_("Who made the alert, and who manages what it is about, may change it."))
        return found

    def about(self, given: dict[str, Any]) -> dict[str, Any]:
        """What it is about; what one does not see does not exist."""
        slug, pk = given.pop("api", None), given.pop("application", None)
        api = Api.objects.filter(slug=slug).first() if slug else None
        application = Application.objects.visible_to(self.user, self.permissions).filter(pk=pk).first() if pk else None
        if slug and (api is None or not self._sees(api)):
            raise Invalid({"api": ["There is no such API here."]})
        if pk and application is None:
            raise Invalid({"application": ["There is no such application here."]})
        if not usage_alerts.may_watch(self.user, self.permissions, api=api, application=application):
            raise Invalid({"application": ["Name an application of yours, or an API whose usage you see."]})
        return {"api": api, "application": application}

    def _sees(self, api: Api) -> bool:
        if self.permissions & {"usage.see", "apis.see_all"}:
            return True
        return Api.objects.readable_by(self.user, self.permissions).filter(pk=api.pk).exists()


class UsageAlerts(_Alerts):
    access = {"GET": "tenant.see", "POST": "tenant.see"}

    @extend_schema(responses=UsageAlertOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The alerts about how calls go that one sees, the newest first."""
        rows = UsageAlert.objects.visible_to(self.user, self.permissions).select_related("api", "application", "created_by")
        return self.listed(rows, UsageAlertOut)

    @extend_schema(request=UsageAlertIn, responses={201: UsageAlertOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make an alert about an application, an API, both, or the whole tenant where neither is named."""
        given = self.read(UsageAlertIn)
        about = self.about(given)
        made = usage_alerts.create(**given, **about, by=self.user)
        return Response(UsageAlertOut(self.alert(made.pk)).data, status=201)


class UsageAlertDetail(_Alerts):
    access = {"GET": "tenant.see", "PATCH": "tenant.see", "DELETE": "tenant.see"}

    @extend_schema(responses=UsageAlertOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """An alert about how calls go."""
        return Response(UsageAlertOut(self.alert(pk)).data)

    @extend_schema(request=UsageAlertChangeIn, responses=UsageAlertOut)
    def patch(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Change an alert, or mute it. What it is about stays as it is."""
        usage_alerts.change(self.own(pk), **self.read(UsageAlertChangeIn), by=self.user)
        return Response(UsageAlertOut(self.alert(pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Delete an alert."""
        usage_alerts.delete(self.own(pk), by=self.user)
        return Response(status=204)
