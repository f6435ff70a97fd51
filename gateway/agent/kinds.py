"""What gateways are told, by xDS type, and how large it may be. Written out here: the compiler takes a second to import."""

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SCOPE = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # nosec B105  (a name)

# Of these a gateway names what it wants; of the others it gets all.
ON_DEMAND = {ROUTES, SECRET}
# A tenant's, by the slug before the first slash of their names.
OF_A_TENANT = {CLUSTER, ROUTES, SECRET}

# gateway.ads.MAX_MESSAGE and gateway.control.MAX_REQUEST, with room for what a relay adds.
MAX_MESSAGE = 64 * 1024 * 1024 + 64 * 1024
MAX_REQUEST = 8 * 1024 * 1024


def tenant_of(name: str) -> str:
    """The slug of the tenant that a cluster, a secret or a route configuration is of."""
    return name.partition("/")[0]
