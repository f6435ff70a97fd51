"""What load balancers ask each gateway: whether they may send it calls."""

from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.config.route.v3 import route_pb2 as configuration_pb2
from envoy.config.route.v3 import scoped_route_pb2

from gateway.envoy import routes
from gateway.envoy.names import DRAINING, GATE, GUARD, NO_ROUTE, OWN, READY, READY_PATH


def scope() -> scoped_route_pb2.ScopedRouteConfiguration:
    """There from the start: a gateway that has asked nobody yet is not ready."""
    found = routes.scope(OWN)
    found.on_demand = False
    return found


def configuration(*, draining: bool) -> configuration_pb2.RouteConfiguration:
    """For every host, since load balancers call by address: it gives nothing away, and no upstream stands behind it."""
    ready = route_pb2.RouteMatch(path=READY_PATH)
    answer = _answer(DRAINING, 503, ready) if draining else _answer(READY, 200, ready)
    host = route_pb2.VirtualHost(name=OWN, domains=["*"], routes=[answer, _answer(NO_ROUTE, 404, routes.EVERYTHING)])
    whole = configuration_pb2.RouteConfiguration(name=OWN, virtual_hosts=[host])
    routes.guard(whole)
    return whole


def _answer(name: str, status: int, match: route_pb2.RouteMatch) -> route_pb2.Route:
    return route_pb2.Route(
        name=name,
        match=match,
        direct_response=route_pb2.DirectResponseAction(status=status),
        typed_per_filter_config={GATE: routes.OFF, GUARD: routes.OFF},
    )
