from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import explaining
from gateway.models import Refusal
from gateway.serializers import RefusalOut
from gateway.serializers_refusals import ExplanationOut
from keys.models import Application
from tenants.rest import TenantRestView


class Refusals(TenantRestView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=RefusalOut(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        """An application's last 200 refused calls, newest first; `?request_id=` finds one. Told about a second after the call."""
        application = get_object_or_404(Application.objects.visible_to(self.user, self.permissions), pk=pk)
        rows = Refusal.objects.filter(application=application)
        if request_id := request.query_params.get("request_id"):
            rows = rows.filter(request_id=request_id)
        return self.listed(rows, RefusalOut)


class Explained(TenantRestView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=ExplanationOut)
    def get(self, request: Request, request_id: str) -> Response:  # noqa: ARG002
        """Why a call was refused: the rule, the fact behind it, who decided that and when, and what to do. Told about a second after it."""
        found = explaining.find(request_id, user=self.user, permissions=self.permissions)
        if found is None:
            raise NotFound
        explained = explaining.explain(found, user=self.user, permissions=self.permissions)
        return Response(ExplanationOut(explained).data)
