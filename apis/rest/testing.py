"""A revision at an address of its own, for tests."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import testing
from apis.models import Revision
from apis.rest.publishing import REVISION, ApisView
from apis.serializers import RevisionOut
from apis.serializers_versions import TestIn
from keys.models import Application
from tenants.errors import Invalid
from tenants.models import Event


class RevisionTest(ApisView):
    access = {"PUT": "apis.publish", "DELETE": "apis.publish"}

    @extend_schema(request=TestIn, responses=REVISION)
    def put(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """Open a revision that is not live for tests: for so many hours from now on it answers at an address of its own.

        Whoever has a subscription to the API may call it, under the plan; while nothing of the API is open, the `application`.
        """
        found, given = self.revision(api, version, number), self.read(TestIn)
        pk = given["application"]
        application = Application.objects.owned_by(self.user).filter(pk=pk).first() if pk else None
        if pk and application is None:
            raise Invalid({"application": [_("Choose one of your own applications.")]})
        return self.told(found, testing.open_for_tests(found, hours=given["hours"], application=application, by=self.user))

    @extend_schema(responses=REVISION)
    def delete(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """Close it: its address answers no more."""
        found = self.revision(api, version, number)
        return self.told(found, testing.close_to_tests(found, by=self.user))

    def told(self, revision: Revision, event: Event) -> Response:
        return self.decided(RevisionOut(revision, context=self.of_revisions()).data, event)
