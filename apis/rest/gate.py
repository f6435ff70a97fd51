"""What a revision's going live breaks, and for whom; and making it live."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import gate
from apis.rest.publishing import REVISION, ApisView
from apis.serializers import RevisionOut
from apis.serializers_versions import ConcernedOut, LiveIn


class RevisionLive(ApisView):
    access = {"POST": "apis.publish"}

    @extend_schema(request=LiveIn, responses=REVISION)
    def post(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """Serve this revision from now on; an older one is how to roll back.

        Refused while it breaks callers, unless `override` says so; where applications called what breaks in the last 30 days, with a
        reason. Going back to an older revision that callers had asks for neither.
        """
        found = self.revision(api, version, number)
        event = gate.go_live(found, **self.read(LiveIn), by=self.user)
        found.version.refresh_from_db()
        return self.decided(RevisionOut(found, context=self.of_revisions()).data, event)


class RevisionCallers(ApisView):
    access = {"GET": "apis.see_all"}

    @extend_schema(responses=ConcernedOut)
    def get(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """Which applications called operations in the last 30 days that it changes, against the live revision."""
        found = gate.look(self.revision(api, version, number))
        return Response(ConcernedOut({"against": gate.what_stands_against(found), "results": found.callers}).data)
