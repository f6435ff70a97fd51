"""MCP: the routes to the service that speaks it, its cluster, and the credential that is handed on to it.

The service stands behind the gate like any upstream, and calls the gateway again for each tool: with the credential that its caller
brought, so the same chain decides once more. Verifying takes the credential off the call, so a step before that keeps it in the filter
state, which no log has; the routes to the service alone put it to the call again. The service believes whoever brings the secret that the
cluster injects.

Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

import ipaddress
from collections.abc import Iterator

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.credential_injector.v3 import credential_injector_pb2
from envoy.extensions.filters.http.upstream_codec.v3 import upstream_codec_pb2
from envoy.extensions.http.injected_credentials.generic.v3 import generic_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.matcher.v3 import regex_pb2
from google.protobuf import duration_pb2, struct_pb2, wrappers_pb2

from apis.tools import PATH, stands_in_the_way
from gateway.envoy.clusters import ADS
from gateway.envoy.extensions import extension, http_filter, packed
from gateway.envoy.names import (
    API,
    DOOR_HEADER,
    HANDED,
    HANDED_HEADER,
    MCP_API,
    MCP_PREFIX,
    MCP_SECRET_HEADER,
    OWN_MCP_PREFIX,
    PORTICO,
    RESOURCE,
)
from gateway.envoy.paths import Entry
from gateway.envoy.state import Mcp, Tenant, Version

METHOD = "POST"
# Whoever calls a tool waits as long as the operation takes; the service gives up before that.
SECONDS = 150
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_Protocol = http_protocol_options_pb2.HttpProtocolOptions
# What is kept of each call, and where from: one of them is "-", for two are refused.
HANDED_ON = {HANDED: "%REQ(authorization)% %REQ(x-api-key)%"}
_HANDED = f"%FILTER_STATE({HANDED}:PLAIN)%"


def cluster_name(slug: str) -> str:
    """No upstream's key is so short."""
    return f"{slug}/mcp"


def takes(version: Version) -> bool:
    """Whether calls of its tools can be answered at this address, as no operation of its own is called there.

    Where an API is called from may be limited, and a tool's call comes from the service: such an API has no tools.
    """
    limited = version.policies.ip_allow or version.policies.ip_deny
    return version.mcp and not version.tested and not limited and not any(stands_in_the_way(each.path) for each in version.operations)


def is_served(tenant: Tenant) -> bool:
    return tenant.mcp is not None and any(map(takes, tenant.routes or ()))


def entries(tenant: Tenant, before: str) -> Iterator[Entry]:
    """A route for each version that has tools, and one for all that its caller has subscribed to.

    :param before: what every path of the virtual host begins with; "" at hosts of the tenant's own.
    """
    if not is_served(tenant):
        return
    portal = tenant.issuer.removesuffix(f"/t/{tenant.slug}")
    for version in tenant.routes or ():
        if takes(version):
            segments = f"{version.api}/{version.segment}"
            route = _route(tenant, before, version.api, segments, portal)
            yield Entry(METHOD, f"{before}/{segments}{PATH}", route, f"{before}/{segments}")
    yield Entry(METHOD, f"{before}{PATH}", _route(tenant, before, MCP_API, "", portal), before or "/")


def _route(tenant: Tenant, before: str, api: str, segments: str, portal: str) -> route_pb2.Route:
    said = struct_pb2.Struct()
    under = f"{tenant.slug}/{segments}" if segments else tenant.slug
    said.update({API: api, RESOURCE: f"{portal}/.well-known/oauth-protected-resource/mcp/{under}"})
    option = base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=HANDED_HEADER, value=_HANDED),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    # Whatever the call names, the service is told what the route is for.
    rewrite = regex_pb2.RegexMatchAndSubstitute(pattern=regex_pb2.RegexMatcher(regex="^.*$"), substitution=f"/{under}")
    return route_pb2.Route(
        name=f"{MCP_PREFIX if before else OWN_MCP_PREFIX}{segments}",
        metadata=base_pb2.Metadata(filter_metadata={PORTICO: said}),
        request_headers_to_add=[option],
        # Nobody's upstream is to read them, and the service does not need to.
        request_headers_to_remove=["cookie"],
        route=route_pb2.RouteAction(
            cluster=cluster_name(tenant.slug),
            regex_rewrite=rewrite,
            host_rewrite_literal="mcp",
            timeout=duration_pb2.Duration(seconds=SECONDS),
            idle_timeout=duration_pb2.Duration(seconds=SECONDS + 1),
        ),
    )


def hands_on(route: route_pb2.Route) -> bool:
    """A route to the service and nowhere else, which adds the credential and nothing else."""
    added = [(each.header.key, each.header.value) for each in route.request_headers_to_add]
    goes = route.route
    alone = goes.cluster.endswith(cluster_name("")) and not goes.request_mirror_policies
    return added == [(HANDED_HEADER, _HANDED)] and alone and not route.typed_per_filter_config


def tells_credentials(route: route_pb2.Route) -> bool:
    """Whether some header that it adds has what the chain keeps for the service."""
    return any(HANDED in each.header.value for each in (*route.request_headers_to_add, *route.response_headers_to_add))


def challenge(*, own: bool) -> str:
    """Where a client finds out whom to ask for a token (RFC 9728 §5.1).

    :param own: at a host of the tenant's own.
    """
    where = f"%METADATA(ROUTE:{PORTICO}:{RESOURCE})%"
    return f'Bearer resource_metadata="{where}{f"?host=%REQ({DOOR_HEADER})%" if own else ""}"'


def cluster(slug: str, mcp: Mcp) -> cluster_pb2.Cluster:
    name = cluster_name(slug)
    address, by_name = _address(mcp.address)
    endpoint = endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address))
    whole = cluster_pb2.Cluster(
        name=name,
        type=cluster_pb2.Cluster.STRICT_DNS if by_name else cluster_pb2.Cluster.STATIC,
        connect_timeout=duration_pb2.Duration(seconds=2),
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=32 * 1024),
        load_assignment=endpoint_pb2.ClusterLoadAssignment(
            cluster_name=name, endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
    )
    named = secret_pb2.SdsSecretConfig(name=name, sds_config=ADS)
    generic = extension("generic", generic_pb2.Generic(credential=named, header=MCP_SECRET_HEADER))
    options = _Protocol(
        explicit_http_config=_Protocol.ExplicitHttpConfig(http_protocol_options=protocol_pb2.Http1ProtocolOptions()),
        # The service closes what it did not hear of for longer.
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=duration_pb2.Duration(seconds=30)),
        http_filters=[
            http_filter("inject", credential_injector_pb2.CredentialInjector(overwrite=True, credential=generic)),
            http_filter("envoy.filters.http.upstream_codec", upstream_codec_pb2.UpstreamCodec()),
        ],
    )
    whole.typed_extension_protocol_options[_HTTP].CopyFrom(packed(options))
    return whole


def secret(slug: str, mcp: Mcp) -> secret_pb2.Secret:
    value = base_pb2.DataSource(inline_bytes=mcp.secret)
    return secret_pb2.Secret(name=cluster_name(slug), generic_secret=secret_pb2.GenericSecret(secret=value))


def _address(text: str) -> tuple[address_pb2.Address, bool]:
    """And whether it is a name."""
    if text.startswith("unix:"):
        return address_pb2.Address(pipe=address_pb2.Pipe(path=text.removeprefix("unix:"))), False
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    found = address_pb2.Address(socket_address=address_pb2.SocketAddress(address=host, port_value=int(port)))
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return found, True
    return found, False
