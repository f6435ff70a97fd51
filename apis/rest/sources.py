"""REST: where a version's document stands, and what came of looking there."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import sources
from apis.models import DocumentSource
from apis.rest.publishing import ApisView
from apis.serializers_sources import SourceIn, SourceOut


class SourceView(ApisView):
    def source(self, api: str, version: str) -> DocumentSource:
        rows = DocumentSource.objects.select_related("version__api", "set_by")
        found: DocumentSource = get_object_or_404(rows, version=self.version(api, version))
        return found


class Source(SourceView):
    access = {"GET": "apis.publish", "PUT": "apis.publish", "DELETE": "apis.publish"}

    @extend_schema(responses=SourceOut)
    def get(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Where the document of a version stands, and what came of the last look."""
        return Response(SourceOut(self.source(api, version)).data)

    @extend_schema(request=SourceIn, responses=SourceOut)
    def put(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Say where it stands. Portico looks there at once, then as often as you say; a document that has changed becomes a revision.

        That is never made live by itself. It is looked in your name, as long as you may publish.
        """
        sources.set_source(self.version(api, version), **self.read(SourceIn), by=self.user)
        return Response(SourceOut(self.source(api, version)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Look there no more."""
        sources.remove_source(self.source(api, version), by=self.user)
        return Response(status=204)


class SourceLook(SourceView):
    access = {"POST": "apis.publish"}

    @extend_schema(request=None, responses={202: SourceOut})
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Look there as soon as the job comes by, within seconds."""
        sources.look_now(self.source(api, version))
        return Response(SourceOut(self.source(api, version)).data, status=202)
