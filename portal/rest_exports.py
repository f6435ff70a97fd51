"""REST: all of a tenant's data as a file."""

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from portal import exports
from tenants.access import even_suspended
from tenants.rest import OwnScope


@even_suspended
class Export(OwnScope):
    access = {"POST": "settings.manage"}

    @extend_schema(request=None, responses={(200, exports.TYPE): OpenApiTypes.BINARY}, operation_id="export")
    def post(self, request: Request) -> StreamingHttpResponse:  # noqa: ARG002
        """All of the tenant's data as JSON lines, without its secrets: a header, each row of each table, and a line that counts them.

        A file without that last line is not whole. One export of a tenant runs at a time.
        """
        found = exports.lines(self.tenant)
        with self.scope():
            exports.write_down(by=self.user)
        return exports.answer(self.tenant, found)
