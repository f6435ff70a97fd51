"""A tenant, compiled: the resources that a gateway gets, each with the digest of its bytes as version."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from gateway.envoy import clusters, doors, listener, mcp, ready, routes
from gateway.envoy.ai import clusters as ai_clusters
from gateway.envoy.extensions import TYPES, packed
from gateway.envoy.names import DEFAULT_CERTIFICATE, OWN
from gateway.envoy.state import AddressLimit, OwnHost, Tenant, Upstream, Version

CLUSTER = TYPES + cluster_pb2.Cluster.DESCRIPTOR.full_name
LISTENER = TYPES + listener_pb2.Listener.DESCRIPTOR.full_name
ROUTES = TYPES + route_pb2.RouteConfiguration.DESCRIPTOR.full_name
SCOPE = TYPES + scoped_route_pb2.ScopedRouteConfiguration.DESCRIPTOR.full_name
SECRET = TYPES + secret_pb2.Secret.DESCRIPTOR.full_name


@dataclass(frozen=True, slots=True)
class Resource:
    """One xDS resource; `version` is the SHA-256 of its bytes, so equal content is never sent twice.

    `slow`: a gateway acknowledges it only once it has called what it names.
    """

    url: str
    name: str
    version: str
    body: Any
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """What one tenant needs: clusters and secrets first, routes once those are acknowledged.

    `doors`: the certificates of the tenant's own hosts, which a gateway asks for with the first handshake.

    `parts`: of each version that has routes in it, the digest of what they were made from, by "<api>/<segment>".
    """

    routes: Resource
    clusters: tuple[Resource, ...]
    secrets: tuple[Resource, ...]
    # By the order in which it was read, which is always the same; messages are the same in any.
    parts: Mapping[str, str] = field(compare=False)
    doors: tuple[Resource, ...] = ()
    # What the gateway says to a canary while it serves these routes.
    served: str = ""

    @property
    def digest(self) -> str:
        """One version for the whole."""
        versions = [resource.version for resource in (self.routes, *self.clusters, *self.secrets, *self.doors)]
        return hashlib.sha256(" ".join(versions).encode()).hexdigest()


def resource(name: str, message: Message, *, slow: bool = False) -> Resource:
    body = packed(message)
    return Resource(body.type_url, name, hashlib.sha256(body.value).hexdigest(), body, slow)


def compile_tenant(tenant: Tenant) -> Compiled:
    """
    :raises gateway.envoy.paths.UnsupportedTemplate: an operation that no route can hold.
    """
    upstreams, keys = _upstreams(tenant), ai_clusters.keys(tenant)
    routed = () if tenant.suspended or routes.is_closed(tenant) else tenant.routes or ()
    whole = routes.configuration(tenant)
    served = tenant.mcp if mcp.is_served(tenant) and routed else None
    speaks = [mcp.cluster(tenant.slug, served)] if served else []
    spoken = [mcp.secret(tenant.slug, served)] if served else []
    return Compiled(
        routes=resource(tenant.slug, whole),
        clusters=(
            *(_cluster(tenant.slug, each) for each in upstreams),
            *(resource(ai_clusters.cluster_name(tenant.slug, each), ai_clusters.cluster(tenant.slug, each)) for each in keys),
            *(resource(each.name, each) for each in speaks),
        ),
        secrets=(
            *(resource(secret.name, secret) for each in upstreams for secret in clusters.secrets(tenant.slug, each)),
            *(resource(secret.name, secret) for each in keys for secret in ai_clusters.secrets(tenant.slug, each)),
            *(resource(secret.name, secret) for secret in spoken),
        ),
        doors=tuple(compile_door(each) for each in tenant.own_hosts if each.certificate),
        parts={part_name(each): part_digest(each, portal=tenant.portal) for each in routed},
        served=routes.served(whole),
    )


def _cluster(slug: str, upstream: Upstream) -> Resource:
    return resource(clusters.cluster_name(slug, upstream), clusters.cluster(slug, upstream), slow=upstream.check is not None)


def part_name(version: Version) -> str:
    return f"{version.api}/{version.segment}"


def part_digest(version: Version, *, portal: str) -> str:
    """SHA-256 over all that is known of a version but its secrets, whose sealed form is in its upstream's key.

    :param portal: the origin whose pages may call it, too.

    Of the state and not of the messages: those of a thousand operations take a tenth of a second, which each revocation would wait for.
    """
    return hashlib.sha256(f"{portal} {version!r}".encode()).hexdigest()


def compile_scope(slug: str, *, host: str = "") -> Resource:
    return resource(host or slug, routes.scope(slug, host=host))


def compile_listener(*, port: int, address: str, portal_url: str, per_address: AddressLimit | None = None) -> Resource:
    return resource(listener.NAME, listener.listener(port=port, address=address, portal_url=portal_url, per_address=per_address))


def compile_tls_listener(
    *,
    port: int,
    address: str,
    portal_url: str,
    hosts: Sequence[str],
    certificate_file: str,
    key_file: str,
    per_address: AddressLimit | None = None,
) -> tuple[Resource, Resource | None]:
    """The listener, and the gateway's own certificate where it has one in these files of its own."""
    default = bool(certificate_file and key_file)
    made = doors.tls_listener(port=port, address=address, portal_url=portal_url, hosts=hosts, default=default, per_address=per_address)
    secret = resource(DEFAULT_CERTIFICATE, doors.default_certificate(certificate_file, key_file)) if default else None
    return resource(doors.NAME, made), secret


def compile_door(host: OwnHost) -> Resource:
    return resource(host.name, doors.certificate(host))


def compile_ready(*, draining: bool) -> Resource:
    return resource(OWN, ready.configuration(draining=draining))


def compile_ready_scope() -> Resource:
    return resource(OWN, ready.scope())


def _upstreams(tenant: Tenant) -> list[Upstream]:
    """None while nothing passes, so that no secret lies at a gateway for nothing."""
    found = {version.upstream.key: version.upstream for version in tenant.routes or () if version.upstream and not tenant.suspended}
    return [found[key] for key in sorted(found)]
