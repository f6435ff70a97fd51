"""A tenant's routes: an exact allow-list of the operations of its live revisions, and the scope that finds it."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.config.route.v3 import route_pb2 as configuration_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.header_to_metadata.v3 import header_to_metadata_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as jwt_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.type.matcher.v3 import regex_pb2
from google.protobuf import duration_pb2, struct_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from xds.type.matcher.v3 import matcher_pb2

from apis import headers
from apis.connections import stripped
from apis.openapi import METHODS
from gateway.envoy import chain, cors, credentials, goodbye, limits, mcp, mocks, paths, policies, rbac
from gateway.envoy.ai import routes as ai_routes
from gateway.envoy.clusters import cluster_name
from gateway.envoy.extensions import FilterChainConfigPerRoute, packed
from gateway.envoy.names import (
    AI,
    API,
    BLOCKED_PREFIX,
    BROTLI,
    BROWN_OUT_PREFIX,
    BUFFER,
    CANARY,
    CANARY_STATUS,
    CLAIMS,
    CLOSED,
    CONFIGURATION,
    CORS,
    DOOR,
    DOOR_HEADER,
    GATE,
    GUARD,
    GZIP,
    KEY,
    LOGGED,
    NO_ROUTE,
    NOWHERE,
    OF_AI,
    OPERATION_PREFIX,
    OTHER_HOST,
    PORTICO,
    RESPONSE_HEADERS,
    RETIRED,
    SCOPES,
    SUSPENDED,
    TEST_PREFIX,
    TOKEN,
    TOKENS,
    TOO_OLD_PREFIX,
    WRONG_METHOD,
    canary_path,
)
from gateway.envoy.state import Grant, Operation, Retired, Tenant, Upstream, Version
from keys.tokens import API_KEY_TYPE

M = TypeVar("M", bound=Message)
# The steps that refuse by one policy each.
DENIALS = ("two_credentials", "token_wrong_kind", "token_wrong_audience", "scope_missing", "request_too_large", "length_required")
# Where a header's rule says what to note.
_PRESENT = ("on_header_present", "on_header_missing")
# What is remembered, and where: a table that looks up what nobody remembered lets everything pass.
REMEMBERED = {"caller": set(chain.CALL), "mark": set(chain.MARK)}
OFF = packed(route_pb2.FilterConfig(disabled=True))
EVERYTHING = route_pb2.RouteMatch(prefix="/")
# No cluster has the name, so the router refuses what comes so far.
LEADS_NOWHERE = route_pb2.RouteAction(cluster=NOWHERE, cluster_not_found_response_code=route_pb2.RouteAction.NOT_FOUND)
# A route that exists waits for its upstream as long as that may take; the listener's own limit is for calls without a route.
IDLE_EXTRA_MS = 1_000


# What stands in place of an operation whose version answers no calls.
PREFIXES = {
    "": OPERATION_PREFIX,
    "API_BLOCKED": BLOCKED_PREFIX,
    "BROWN_OUT": BROWN_OUT_PREFIX,
    "GATEWAY_TOO_OLD": TOO_OLD_PREFIX,
}


class FailsOpen(AssertionError):  # noqa: N818  (reads as the sentence it is)
    """The compiler was about to emit a configuration that lets calls pass unchecked."""


def scope(slug: str, *, host: str = "") -> scoped_route_pb2.ScopedRouteConfiguration:
    """Calls whose path begins with the slug find the tenant's routes, which a gateway loads with the first of them.

    :param host: a host of the tenant's own, whose calls do so as well. No slug has a dot, and every host has one.
    """
    fragment = scoped_route_pb2.ScopedRouteConfiguration.Key.Fragment(string_key=host or slug)
    return scoped_route_pb2.ScopedRouteConfiguration(
        name=host or slug,
        route_configuration_name=slug,
        on_demand=True,
        key=scoped_route_pb2.ScopedRouteConfiguration.Key(fragments=[fragment]),
    )


def is_closed(tenant: Tenant) -> bool:
    """Nothing passes. Without any key there is nothing that a call could prove itself with, and Envoy refuses a key set that is empty."""
    return tenant.routes is None or not (tenant.access.jwks or tenant.access.api_key_jwks)


def configuration(tenant: Tenant) -> configuration_pb2.RouteConfiguration:
    """
    :raises paths.UnsupportedTemplate: an operation that no route can hold.
    :raises FailsOpen: never, unless this module is wrong.
    """
    closed = is_closed(tenant)
    gated = not (closed or tenant.suspended)
    hosts = [_host(tenant, tenant.slug, tenant.hosts, before=f"/{tenant.slug}", closed=closed)]
    if tenant.own_hosts:
        hosts.append(_host(tenant, f"{tenant.slug}/own", [each.name for each in tenant.own_hosts], before="", closed=closed))
    # Local replies are mapped after this, so what the gateway itself says stays.
    whole = configuration_pb2.RouteConfiguration(
        name=tenant.slug,
        virtual_hosts=[*hosts, _other_hosts()],
        request_headers_to_remove=[DOOR_HEADER] if tenant.own_hosts else [],
        response_headers_to_remove=RESPONSE_HEADERS,
        # What is removed from answers goes first, then come the route's own: some speak in one of these headers.
        most_specific_header_mutations_wins=True,
    )
    if gated:
        whole.typed_per_filter_config[GATE].CopyFrom(chain.chain(tenant))
        if tenant.portal:
            whole.typed_per_filter_config[CORS].CopyFrom(packed(cors.portal_policy(tenant.portal, METHODS)))
        if any(version.upstream is None for version in tenant.routes or ()):
            mocks.allow(whole)
        if buckets := limits.of_tokens(tenant):
            whole.typed_per_filter_config[TOKENS].CopyFrom(buckets)
    guard(whole, portal=tenant.portal)
    host_said = whole.virtual_hosts[0].metadata.filter_metadata[PORTICO]
    host_said.update({CONFIGURATION: digest_of(packed(whole).value)})
    return whole


def digest_of(routes: bytes) -> str:
    """Short: it tells one configuration of a tenant from the one before, to nobody who could gain by making two alike."""
    return hashlib.sha256(routes).hexdigest()[:16]


def served(whole: configuration_pb2.RouteConfiguration) -> str:
    """What the gateway says to a canary while it serves exactly this."""
    found: str = whole.virtual_hosts[0].metadata.filter_metadata[PORTICO][CONFIGURATION]
    return found


def _host(tenant: Tenant, name: str, names: Sequence[str], *, before: str, closed: bool) -> route_pb2.VirtualHost:
    """:param before: what every path begins with: "/<slug>" under the gateway's names, nothing under the tenant's own."""
    host = route_pb2.VirtualHost(name=name, domains=[form for each in names for form in (each, f"{each}:*")])
    if tenant.suspended:
        host.routes.extend(_suspended(tenant, before))
    elif closed:
        host.routes.append(_answer(CLOSED, 503, match=EVERYTHING))
    else:
        host.matcher.CopyFrom(_matcher(tenant, before))
    return host


def _other_hosts() -> route_pb2.VirtualHost:
    """Every host that is not ours; 421 says that it was the wrong door (RFC 9110 §15.5.20)."""
    answer = _answer(OTHER_HOST, 421, match=EVERYTHING)
    return route_pb2.VirtualHost(name=OTHER_HOST, domains=["*"], routes=[answer])


def _suspended(tenant: Tenant, before: str) -> Iterator[route_pb2.Route]:
    """One refusal for every call, whatever it brings; pages of other origins may read it where they may call."""
    for version in tenant.routes or ():
        if version.cors:
            match = route_pb2.RouteMatch(prefix=f"{_base(before, version)}/")
            yield _refusal(SUSPENDED, _policy(tenant, version), match=match)
    yield _answer(SUSPENDED, 403, match=EVERYTHING)


def _matcher(tenant: Tenant, before: str) -> matcher_pb2.Matcher:
    assert tenant.routes is not None
    shared = {_base(before, version): _policy(tenant, version) for version in tenant.routes if version.cors}
    granted = {_base(before, version): ai_routes.plans(tenant, version) for version in tenant.routes if version.ai}
    entries = [
        paths.Entry(operation.method, f"{base}{operation.path}", route, base, others)
        for version in tenant.routes
        for base in (_base(before, version),)
        for operation in version.operations
        if not _hides_preflights(version, operation)
        for *others, route in (_routes(tenant, version, operation, shared.get(base), base, grants=granted.get(base, ())),)
    ]
    entries += mcp.entries(tenant, before)
    # A page may read a refusal as well, so what such an API does not have is refused by routes of its own.
    below = [(f"{base}/", _refusal(NO_ROUTE, policy)) for base, policy in shared.items()]
    below += [(f"{_base(before, version)}/", _gone(tenant, version)) for version in tenant.retired]

    segments = 3 + before.count("/")

    def wrong_method(template: str, methods: Sequence[str]) -> route_pb2.Route:
        return _wrong_method(methods, shared.get("/".join(template.split("/")[:segments])), preflights=bool(tenant.portal))

    # Under the chain like every operation: what answers here without a token shows a gate that stands open.
    canary = route_pb2.Route(name=CANARY, direct_response=route_pb2.DirectResponseAction(status=CANARY_STATUS))
    no_route = _answer(NO_ROUTE, 404)
    for route in (canary, no_route, *(route for _, route in below)):
        guard_route(route, gated=True)
    for entry in entries:
        guard_entry([*entry.before, entry.route])
    # Control calls it under the gateway's own names.
    fixed = [(canary_path(tenant.slug), canary)] if before else []
    return paths.matcher(entries, fixed=fixed, wrong_method=wrong_method, no_route=no_route, below=below)


def of_operations(
    tenant: Tenant, version: Version, operations: Iterable[Operation]
) -> Iterator[tuple[Operation, route_pb2.Route | route_pb2.RouteList | None]]:
    """What the tenant's routes have of these operations of the version, one by one; None where there is none."""
    policy = _policy(tenant, version) if version.cors else None
    base, granted = _base(f"/{tenant.slug}", version), ai_routes.plans(tenant, version) if version.ai else ()
    for each in operations:
        if _hides_preflights(version, each):
            yield each, None
            continue
        found = _routes(tenant, version, each, policy, base, grants=granted)
        yield each, found[0] if len(found) == 1 else route_pb2.RouteList(routes=found)


def _hides_preflights(version: Version, operation: Operation) -> bool:
    """Its path could not be called from the pages of any origin: nothing answers preflights where a route answers by itself."""
    return version.upstream is None and version.ai is None and bool(version.cors) and operation.method == "OPTIONS"


def _gone(tenant: Tenant, version: Retired) -> route_pb2.Route:
    """One answer for every path of it, to whoever calls: there is nothing left to keep from anybody."""
    route = _refusal(RETIRED, cors.policy(version.cors, METHODS)) if version.cors else _answer(RETIRED, 410)
    if version.goodbye is not None:
        goodbye.apply(tenant, version.api, version.name, version.goodbye, route)
    return route


def _base(before: str, version: Version | Retired) -> str:
    return f"{before}/{version.api}/{version.segment}"


def _policy(tenant: Tenant, version: Version) -> cors_pb2.CorsPolicy:
    """All its methods on each of its paths, so that a page that calls a wrong one can read the refusal."""
    methods = [operation.method for operation in version.operations]
    if version.ai is not None:
        return cors.policy(_origins(tenant, version), methods, allowed=(*cors.ALLOWED, *cors.SDKS))
    return cors.policy(_origins(tenant, version), methods)


def _origins(tenant: Tenant, version: Version) -> tuple[str, ...]:
    """Those that it names, and the portal's, whose pages let people try it."""
    return version.cors if "*" in version.cors or not tenant.portal else tuple(sorted({*version.cors, tenant.portal}))


def _said(version: Version, operation: Operation) -> struct_pb2.Struct:
    """What routes of the operation say of it."""
    said = struct_pb2.Struct()
    said.update({API: version.api, "version": version.segment, "operation": operation.operation_id})
    if needed := credentials.requirement(operation):
        said[SCOPES] = needed
    if version.ai is not None:
        said[OF_AI] = "yes"
    return said


def _name(version: Version, operation: Operation) -> str:
    tried = version.tested and not version.refusal
    return f"{TEST_PREFIX if tried else PREFIXES[version.refusal]}{operation.operation_id}"


def _routes(
    tenant: Tenant,
    version: Version,
    operation: Operation,
    policy: cors_pb2.CorsPolicy | None,
    base: str,
    *,
    grants: Sequence[Grant],
) -> list[route_pb2.Route]:
    """The operation's, which is found last, and before it those that an AI API has for its models.

    :param grants: one of each plan of an AI API.
    """
    if version.ai is None or version.refusal:
        return [_route(tenant, version, operation, policy, base)]
    of = ai_routes.Of(_name(version, operation), _said(version, operation))
    found = ai_routes.of_operation(tenant, version, operation, of, grants)
    # What is tried again, and whether it streams, models say; and of what is compressed no usage could be read.
    calm = replace(version.policies, retries=0, streaming=False, compress=False)
    for route in found:
        policies.apply(calm, operation.method, route)
        if version.goodbye is not None:
            goodbye.apply(tenant, version.api, version.name, version.goodbye, route)
        if policy is not None:
            cors.apply(policy, route)
            route.response_headers_to_remove.extend(cors.ANSWERED)
    return found


def _route(tenant: Tenant, version: Version, operation: Operation, policy: cors_pb2.CorsPolicy | None, base: str) -> route_pb2.Route:
    route = route_pb2.Route(
        name=_name(version, operation), metadata=base_pb2.Metadata(filter_metadata={PORTICO: _said(version, operation)})
    )
    # Under the chain in any case, so that who calls is known, and only who may call hears of it.
    if version.refusal:
        route.route.CopyFrom(LEADS_NOWHERE)
    elif version.upstream is not None:
        route.route.CopyFrom(_action(version.upstream, base, operation.path, cluster_name(tenant.slug, version.upstream)))
    else:
        assert operation.answer is not None, "neither upstream nor answer"
        mocks.apply(operation.answer, route)
    policies.apply(version.policies, operation.method, route)
    if version.goodbye is not None:
        goodbye.apply(tenant, version.api, version.name, version.goodbye, route)
    if route.HasField("direct_response"):
        if origins := _origins(tenant, version):
            cors.apply_to_answer(origins, route)
    elif policy is not None:
        cors.apply(policy, route)
        route.response_headers_to_remove.extend(cors.ANSWERED)
    return route


def _action(upstream: Upstream, base: str, path: str, cluster: str) -> route_pb2.RouteAction:
    """
    :param path: the operation's.
    """
    off = stripped(path, upstream.strip_path)
    # A path is never empty (RFC 9112 §3.2.1).
    before = upstream.path or ("/" if path == off else "")
    rewrite = regex_pb2.RegexMatchAndSubstitute(
        pattern=regex_pb2.RegexMatcher(regex=f"^{re.escape(base + off)}"), substitution=before.replace("\\", r"\\")
    )
    action = route_pb2.RouteAction(
        cluster=cluster,
        regex_rewrite=rewrite,
        timeout=_milliseconds(upstream.timeout_ms),
        idle_timeout=_milliseconds(upstream.timeout_ms + IDLE_EXTRA_MS),
    )
    if upstream.further:
        # Which of them it is, the cluster knows.
        action.auto_host_rewrite.value = True
    else:
        action.host_rewrite_literal = upstream.authority(upstream.host, upstream.port)
    return action


def _wrong_method(methods: Sequence[str], policy: cors_pb2.CorsPolicy | None, *, preflights: bool) -> route_pb2.Route:
    """405 says which methods there are (RFC 9110 §15.5.6).

    :param preflights: whether the tenant's policy answers some here where the version has none.
    """
    route = _refusal(WRONG_METHOD, policy) if policy is not None or preflights else _answer(WRONG_METHOD, 405)
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


def _refusal(name: str, policy: cors_pb2.CorsPolicy | None, match: route_pb2.RouteMatch | None = None) -> route_pb2.Route:
    """The same for an API that other origins may call: Envoy looks at no policy where a route answers by itself."""
    route = route_pb2.Route(name=name, match=match, route=LEADS_NOWHERE, typed_per_filter_config={GATE: OFF, GUARD: OFF})
    if policy is not None:
        cors.apply(policy, route)
    return route


def guard(whole: configuration_pb2.RouteConfiguration, *, portal: str = "") -> None:
    """Refuse to emit what fails open: routes that reach an upstream without the chain, or any that switch the gate or the guard off.

    :raises FailsOpen: with what is wrong.
    """
    if set(whole.typed_per_filter_config) - {GATE, CORS, TOKENS}:
        raise FailsOpen("A route configuration may carry the gate, and what the portal's pages may, and nothing else.")
    if TOKENS in whole.typed_per_filter_config and not limits.are_tokens(whole.typed_per_filter_config[TOKENS]):
        raise FailsOpen("Where tokens are limited stands something else.")
    if CORS in whole.typed_per_filter_config and not cors.is_the_portals(
        _read(whole.typed_per_filter_config[CORS], cors_pb2.CorsPolicy), portal, METHODS
    ):
        raise FailsOpen("A tenant's routes answer more pages than the portal's.")
    gated = GATE in whole.typed_per_filter_config
    if gated:
        _guard_chain(whole)
    for host in whole.virtual_hosts:
        # What answers for every host answers alone: outside the chain, and with nothing to give.
        if "*" in host.domains and (host.HasField("matcher") or not all(map(_answers_alone, host.routes))):
            raise FailsOpen("A virtual host must name its domains.")
        if host.typed_per_filter_config:
            raise FailsOpen("A virtual host may carry no filter configuration.")
        if host.HasField("matcher") and not gated:
            raise FailsOpen("Routes without their chain.")
        for route in host.routes:
            guard_route(route, gated=gated)


def guard_entry(found: Sequence[route_pb2.Route]) -> None:
    """What an operation has under the chain: one route, or those of an AI API, of which the last bears a chain of their own.

    :raises FailsOpen: one of them would pass unchecked.
    """
    of_ai = len(found) > 1 or AI in found[-1].typed_per_filter_config
    if of_ai and (why := ai_routes.fails_open(found)):
        raise FailsOpen(f"Of the routes of {found[-1].name}, {why}.")
    for route in found:
        guard_route(route, gated=True, of_ai=of_ai)


def guard_route(route: route_pb2.Route, *, gated: bool, of_ai: bool = False) -> None:
    """
    :param of_ai: whether it stands among an operation's that `guard_entry` has looked at.
    :raises FailsOpen: the route would pass unchecked.
    """
    if CORS in route.typed_per_filter_config and not cors.is_narrow(_read(route.typed_per_filter_config[CORS], cors_pb2.CorsPolicy)):
        raise FailsOpen(f"Route {route.name} answers more pages than it names.")
    # What was handed on goes to the service that speaks MCP, and to nobody's upstream.
    handed = mcp.hands_on(route)
    if mcp.tells_credentials(route) and not handed:
        raise FailsOpen(f"Route {route.name} gives credentials away.")
    if not handed and any(headers.is_reserved_in_requests(each.header.key) for each in route.request_headers_to_add):
        raise FailsOpen(f"Route {route.name} tells the upstream what only the chain may say.")
    # The buffer holds calls back, and compression changes answers: neither lets through what the others refuse.
    if set(route.typed_per_filter_config) - {CORS, BUFFER, BROTLI, GZIP, *([AI] if of_ai else [])}:
        if not _answers_alone(route):
            raise FailsOpen(f"Route {route.name} configures filters of its own.")
    elif not gated:
        raise FailsOpen(f"Route {route.name} stands without the chain.")


def _answers_alone(route: route_pb2.Route) -> bool:
    """Outside the chain, and with nothing behind it."""
    off = {name for name, value in route.typed_per_filter_config.items() if value == OFF}
    gives = route.direct_response.HasField("body") if route.HasField("direct_response") else route.route != LEADS_NOWHERE
    return off == {GATE, GUARD} == set(route.typed_per_filter_config) - {CORS} and not gives


def _only_notes(config: header_to_metadata_pb2.Config) -> bool:
    """Metadata of its own alone: elsewhere a header would stand for what was verified."""
    pairs = [getattr(rule, name) for rule in (*config.request_rules, *config.response_rules) for name in _PRESENT if rule.HasField(name)]
    return all(pair.metadata_namespace == LOGGED for pair in pairs)


def _guard_chain(whole: configuration_pb2.RouteConfiguration) -> None:
    """The chain must hold every step, in order; what is called with be verified everywhere, unknown API keys and no grant mean no, and
    the mark come last.
    """
    per_route = FilterChainConfigPerRoute.FromString(whole.typed_per_filter_config[GATE].value)
    steps = [step.name for step in per_route.filter_chain.filters]
    if steps != [name for name in chain.STEPS if name in steps or name not in chain.OPTIONAL]:
        raise FailsOpen(f"The chain's steps are {steps}.")
    configs = {step.name: step.typed_config for step in per_route.filter_chain.filters}
    if "logged" in configs and not _only_notes(_read(configs["logged"], header_to_metadata_pb2.Config)):
        raise FailsOpen("The chain notes what callers send where others look up who calls.")
    if not _verifies_everywhere(_read(configs["verify"], jwt_pb2.JwtAuthentication)):
        raise FailsOpen("The chain verifies tokens of some calls only.")
    for name in configs.keys() & DENIALS:
        if not _denies_by_policy(_read(configs[name], rbac_pb2.RBAC), name):
            raise FailsOpen(f"The step {name} refuses nothing.")
    granted = _read(configs["granted"], rbac_pb2.RBAC).matcher
    if not rbac.denies_by_default(granted):
        raise FailsOpen("The chain lets callers without a grant through.")
    limited = [each.matcher for each in granted.matcher_tree.exact_match_map.map.values() if each.HasField("matcher")]
    if not all(map(rbac.denies_by_default, limited)):
        raise FailsOpen("The chain lets callers reach more than their plan includes.")
    if not _knows_api_keys(_read(configs["in_force"], rbac_pb2.RBAC).matcher):
        raise FailsOpen("The chain lets API keys through that the tenant does not know.")
    if "addresses" in steps and not _looks_up(_read(configs["addresses"], rbac_pb2.RBAC).matcher):
        raise FailsOpen("The step addresses refuses nobody.")
    remembers = REMEMBERED | ({"caller": {*chain.CALL, *chain.NEEDS}} if limited else {})
    for name, remembered in remembers.items():
        writes = {value.object_key for value in _read(configs[name], set_filter_state_pb2.Config).on_request_headers}
        if writes - {DOOR} != remembered:
            raise FailsOpen(f"The step {name} writes {sorted(writes)}.")
    # What a client sends must not stand for what was verified.
    if "handed" in configs and _written(configs["handed"]) != mcp.HANDED_ON:
        raise FailsOpen("The step handed keeps something else than what the call came with.")


def _read(config: Any, kind: type[M]) -> M:
    """The step's configuration; empty, which no check passes, if it is of another kind."""
    found = kind()
    config.Unpack(found)
    return found


def _written(config: Any) -> dict[str, str]:
    values = _read(config, set_filter_state_pb2.Config).on_request_headers
    return {value.object_key: value.format_string.text_format_source.inline_string for value in values}


def _verifies_everywhere(step: jwt_pb2.JwtAuthentication) -> bool:
    """One rule, for every path, that providers of ours decide, each of which says which of them it was."""
    names = set(step.providers)
    if not names or not names <= {TOKEN, KEY}:
        return False
    strict = all(_is_strict(each, name) for name, each in step.providers.items())
    return strict and list(step.rules) == [credentials.everywhere(names)] and not step.bypass_cors_preflight


def _is_strict(provider: jwt_pb2.JwtProvider, name: str) -> bool:
    told = provider.payload_in_metadata == CLAIMS and provider.header_in_metadata == credentials.HEADERS[name]
    in_headers_alone = bool(provider.from_headers) and not (provider.from_params or provider.from_cookies)
    limited = name == KEY or bool(provider.issuer and provider.HasField("max_lifetime"))
    return told and in_headers_alone and limited and provider.require_expiration and provider.HasField("local_jwks")


def _denies_by_policy(step: rbac_pb2.RBAC, name: str) -> bool:
    return step.rules.action == rbac.DENY and set(step.rules.policies) == {name.upper()}


def _looks_up(matcher: matcher_pb2.Matcher) -> bool:
    """It has an entry for some API, beside the reserved one."""
    return len(matcher.matcher_tree.exact_match_map.map) > 1


def _knows_api_keys(matcher: matcher_pb2.Matcher) -> bool:
    kinds = matcher.matcher_tree.exact_match_map.map
    return rbac.denies_by_default(matcher) and API_KEY_TYPE in kinds and rbac.denies_by_default(kinds[API_KEY_TYPE].matcher)
