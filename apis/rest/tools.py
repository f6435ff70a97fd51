"""REST: a version's operations as tools for agents."""

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import mcp_servers
from apis.models import ApiVersion
from apis.rest.publishing import ApisView
from apis.serializers_tools import ToolsDecidedOut, ToolsIn, ToolsOut, told


class VersionTools(ApisView):
    access = {"GET": "apis.see_published", "PUT": "apis.publish"}

    @extend_schema(responses=ToolsOut)
    def get(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """The tools that agents have of a version, and where. Who publishes sees those that are switched off, too."""
        return Response(self._told(self.version(api, version)))

    @extend_schema(
        request=ToolsIn,
        responses=PolymorphicProxySerializer("PutTools", serializers=[ToolsDecidedOut, ToolsOut], resource_type_field_name=None),
    )
    def put(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Say which operations of a version are tools for agents, and whether they are served. The same twice changes nothing."""
        found, given = self.version(api, version), self.read(ToolsIn)
        event = mcp_servers.put(found, enabled=given["enabled"], chosen=given["tools"], by=self.user)
        shown = self._told(found)
        return self.decided(shown, event) if event else Response(shown)

    def _told(self, version: ApiVersion) -> dict[str, object]:
        return told(version, gateway=self.context()["gateway"], all_of_it="apis.see_all" in self.permissions)
