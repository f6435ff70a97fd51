"""A tenant's routes: an exact allow-list of the operations of its live revisions, and the scope that finds it."""

import re
from collections.abc import Sequence

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.config.route.v3 import route_pb2 as configuration_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.type.matcher.v3 import regex_pb2
from google.protobuf import duration_pb2, struct_pb2
from xds.type.matcher.v3 import matcher_pb2

from gateway.envoy import chain, paths
from gateway.envoy.clusters import cluster_name
from gateway.envoy.extensions import FilterChainConfigPerRoute, packed
from gateway.envoy.names import CANARY, CLOSED, GATE, GUARD, NO_ROUTE, PORTICO, WRONG_METHOD, canary_path
from gateway.envoy.state import Operation, Tenant, Upstream, Version

OFF = packed(route_pb2.FilterConfig(disabled=True))
# A route that exists waits for its upstream as long as that may take; the listener's own limit is for calls without a route.
IDLE_EXTRA_MS = 1_000


class FailsOpen(AssertionError):  # noqa: N818  (reads as the sentence it is)
    """The compiler was about to emit a configuration that lets calls pass unchecked."""


def scope(slug: str) -> scoped_route_pb2.ScopedRouteConfiguration:
    """Calls whose path begins with the slug find the tenant's routes, which a gateway loads with the first of them."""
    fragment = scoped_route_pb2.ScopedRouteConfiguration.Key.Fragment(string_key=slug)
    return scoped_route_pb2.ScopedRouteConfiguration(
        name=slug,
        route_configuration_name=slug,
        on_demand=True,
        key=scoped_route_pb2.ScopedRouteConfiguration.Key(fragments=[fragment]),
    )


def configuration(tenant: Tenant) -> configuration_pb2.RouteConfiguration:
    """
    :raises paths.UnsupportedTemplate: an operation that no route can hold.
    :raises FailsOpen: never, unless this module is wrong.
    """
    closed = tenant.routes is None
    host = route_pb2.VirtualHost(
        name=tenant.slug, domains=[form for name in tenant.hosts for form in (name, f"{name}:*")]
    )
    if closed:
        host.routes.append(_answer(CLOSED, 503, match=route_pb2.RouteMatch(prefix="/")))
    else:
        host.matcher.CopyFrom(_matcher(tenant))
    whole = configuration_pb2.RouteConfiguration(name=tenant.slug, virtual_hosts=[host])
    if not closed:
        whole.typed_per_filter_config[GATE].CopyFrom(chain.chain(tenant))
    guard(whole)
    return whole


def _matcher(tenant: Tenant) -> matcher_pb2.Matcher:
    assert tenant.routes is not None
    entries = [
        paths.Entry(
            operation.method,
            f"{_base(tenant, version)}{operation.path}",
            _route(tenant, version, operation),
            _base(tenant, version),
        )
        for version in tenant.routes
        for operation in version.operations
    ]
    # Under the chain like every operation: what answers here without a token shows a gate that stands open.
    canary = route_pb2.Route(name=CANARY, direct_response=route_pb2.DirectResponseAction(status=204))
    no_route = _answer(NO_ROUTE, 404)
    for route in (canary, no_route, *(entry.route for entry in entries)):
        guard_route(route, gated=True)
    return paths.matcher(
        entries, fixed=[(canary_path(tenant.slug), canary)], wrong_method=_wrong_method, no_route=no_route
    )


def _base(tenant: Tenant, version: Version) -> str:
    return f"/{tenant.slug}/{version.api}/{version.name}"


def _route(tenant: Tenant, version: Version, operation: Operation) -> route_pb2.Route:
    said = struct_pb2.Struct()
    said.update({"api": version.api, "version": version.name, "operation": operation.operation_id})
    return route_pb2.Route(
        name=operation.operation_id,
        metadata=base_pb2.Metadata(filter_metadata={PORTICO: said}),
        route=_action(version.upstream, _base(tenant, version), cluster_name(tenant.slug, version.upstream)),
    )


def _action(upstream: Upstream, base: str, cluster: str) -> route_pb2.RouteAction:
    rewrite = regex_pb2.RegexMatchAndSubstitute(
        pattern=regex_pb2.RegexMatcher(regex=f"^{re.escape(base)}"), substitution=upstream.path.replace("\\", r"\\")
    )
    default = 443 if upstream.scheme == "https" else 80
    name = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    return route_pb2.RouteAction(
        cluster=cluster,
        regex_rewrite=rewrite,
        host_rewrite_literal=name if upstream.port == default else f"{name}:{upstream.port}",
        timeout=_milliseconds(upstream.timeout_ms),
        idle_timeout=_milliseconds(upstream.timeout_ms + IDLE_EXTRA_MS),
    )


def _wrong_method(template: str, methods: Sequence[str]) -> route_pb2.Route:  # noqa: ARG001
    """405 says which methods there are (RFC 9110 §15.5.6)."""
    route = _answer(WRONG_METHOD, 405)
    header = base_pb2.HeaderValue(key="allow", value=", ".join(methods))
    route.response_headers_to_add.add(header=header)
    guard_route(route, gated=True)
    return route


def _milliseconds(value: int) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(value)
    return duration


def _answer(name: str, status: int, match: route_pb2.RouteMatch | None = None) -> route_pb2.Route:
    """An answer that gives nothing away, outside the chain."""
    return route_pb2.Route(
        name=name,
        match=match,
        direct_response=route_pb2.DirectResponseAction(status=status),
        typed_per_filter_config={GATE: OFF, GUARD: OFF},
    )


def guard(whole: configuration_pb2.RouteConfiguration) -> None:
    """Refuse to emit what fails open: routes that reach an upstream without the chain, or any that switch the gate or the guard off.

    :raises FailsOpen: with what is wrong.
    """
    if set(whole.typed_per_filter_config) - {GATE}:
        raise FailsOpen("A route configuration may carry the gate and nothing else.")
    gated = GATE in whole.typed_per_filter_config
    if gated:
        _guard_chain(whole)
    for host in whole.virtual_hosts:
        if "*" in host.domains:
            raise FailsOpen("A virtual host must name its domains.")
        if host.typed_per_filter_config:
            raise FailsOpen("A virtual host may carry no filter configuration.")
        if host.HasField("matcher") and not gated:
            raise FailsOpen("Routes without their chain.")
        for route in host.routes:
            guard_route(route, gated=gated)


def guard_route(route: route_pb2.Route, *, gated: bool) -> None:
    """
    :raises FailsOpen: the route would pass unchecked.
    """
    if route.typed_per_filter_config:
        switches_off_both = {name: value.value for name, value in route.typed_per_filter_config.items()} == {
            GATE: OFF.value,
            GUARD: OFF.value,
        }
        if not switches_off_both or not route.HasField("direct_response"):
            raise FailsOpen(f"Route {route.name} configures filters of its own.")
    elif not gated:
        raise FailsOpen(f"Route {route.name} stands without the chain.")


def _guard_chain(whole: configuration_pb2.RouteConfiguration) -> None:
    """The chain must hold every step, in order, and mark last."""
    per_route = FilterChainConfigPerRoute.FromString(whole.typed_per_filter_config[GATE].value)
    steps = [step.name for step in per_route.filter_chain.filters]
    if tuple(steps) != chain.STEPS:
        raise FailsOpen(f"The chain's steps are {steps}.")
