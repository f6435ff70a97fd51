"""REST: what callers asked the models of an API, and what these answered."""

from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.models import Api
from apis.rest.publishing import ApisView
from gateway import contents
from gateway.models import LoggedContent
from gateway.serializers_contents import LoggedContentOut, OpenedContentOut, shown
from tenants.rest import uuid_in


class _Contents(ApisView):
    def api(self, slug: str) -> Api:
        """One of models; others keep nothing."""
        found = super().api(slug)
        if not found.is_ai:
            raise Http404
        return found


class Contents(_Contents):
    access = {"GET": "apis.publish", "DELETE": "apis.publish"}

    @extend_schema(responses=LoggedContentOut(many=True), parameters=[OpenApiParameter("application", UUID)])
    def get(self, request: Request, api: str) -> Response:
        """Calls of which an API kept what was asked and answered, without the texts; `?application=` has those of one."""
        rows = contents.listed(self.api(api))
        if application := request.query_params.get("application"):
            rows = rows.filter(application=uuid_in("application", application))
        return self.listed(rows, LoggedContentOut)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Delete all that an API kept of what was asked and answered, and destroy the key that it was encrypted with."""
        contents.erase(self.api(api), by=self.user)
        return Response(status=204)


class ContentDetail(_Contents):
    access = {"GET": "apis.publish"}

    @extend_schema(responses=OpenedContentOut)
    def get(self, request: Request, api: str, content: UUID) -> Response:  # noqa: ARG002
        """Read what a call asked and was answered. That you read it is an event."""
        rows = contents.listed(self.api(api)).defer(None).select_related("api", "application")
        row: LoggedContent = get_object_or_404(rows, pk=content)
        return Response(shown(row, contents.opened(row, by=self.user)))
