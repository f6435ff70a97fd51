"""What answers of a version say that is going: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and `Link` (RFC 8288, 5829)."""

from datetime import UTC, datetime
from email.utils import format_datetime

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2

from gateway.envoy.state import Goodbye, Tenant

_Option = base_pb2.HeaderValueOption


def apply(tenant: Tenant, api: str, version: str, goodbye: Goodbye, route: route_pb2.Route) -> None:
    """The gateway speaks of the version's end, whatever the upstream says of it; links of the upstream stay beside ours."""
    headers = {"deprecation": f"@{goodbye.deprecated}"}
    if goodbye.sunset is not None:
        headers["sunset"] = format_datetime(datetime.fromtimestamp(goodbye.sunset, UTC), usegmt=True)
    for name, value in headers.items():
        route.response_headers_to_add.add(
            header=base_pb2.HeaderValue(key=name, value=value), append_action=_Option.OVERWRITE_IF_EXISTS_OR_ADD
        )
    for link in _links(tenant, api, version, goodbye):
        route.response_headers_to_add.add(header=base_pb2.HeaderValue(key="link", value=link))


def _links(tenant: Tenant, api: str, version: str, goodbye: Goodbye) -> list[str]:
    """The page that says why, and the address of what comes after it."""
    page = f"<{tenant.issuer}/apis/{api}/?version={version}>"
    links = [f'{page}; rel="deprecation"; type="text/html"']
    if goodbye.sunset is not None:
        links.append(f'{page}; rel="sunset"; type="text/html"')
    if goodbye.successor:
        links.append(f'<{tenant.audience}/{api}/{goodbye.successor}/>; rel="successor-version"')
    return links
