"""What each step of the chain costs: `python -m bench.steps`. Needs `wrk` and nginx. It has no goal of its own.

A configuration as the compiler makes it, for a tenant with 5,000 subscriptions, in an Envoy that is given it as a file: from a bare proxy
on with one step more each time, the access log last, then the log in another form. Measured as in bench.peers, but in Envoy's own CPU time
per call: what others do on the machine moves it less than the rate. What costs about a microsecond is near what it can tell apart.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.extensions.access_loggers.open_telemetry.v3 import logs_service_pb2  # noqa: F401  (what is parsed below refers to it)
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf import json_format

from bench.peers import FOLDER, OTHERS, PATHS, PROXIES, Subject, bare_envoy, bearer, free, nginx_upstream, server
from bench.stage import percentile, report
from gateway.envoy import chain, limits, listener, routes
from gateway.envoy.clusters import cluster
from gateway.envoy.extensions import FilterChainConfigPerRoute, http_filter, packed
from gateway.envoy.names import ADDRESS_LIMITED, GATE, GUARD, USAGE_CLUSTER
from gateway.envoy.state import AddressLimit, ApiKey, Grant, Tenant
from keys import tokens
from portal.stack import envoy
from portal.stack.ports import HOST
from tests.gateway.states import AUDIENCE, ISSUER, KEY, small_tenant

ROUNDS, SUBSCRIPTIONS = 15, 5_000
BARE, LOG, OTHER_LOG = "bare Envoy", "access log", "in its place the log as one text (OpenTelemetry)"
# One after the other.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the listener, no chain", ()),
    ("one credential, verified", ("scrub", "two_credentials", "verify")),
    ("who calls what", ("caller",)),
    ("right kind, right audience", ("token_wrong_kind", "token_wrong_audience")),
    ("in force, granted", ("in_force", "granted")),
    ("scopes, plan", ("scope_missing", "planned")),
    ("limits, and what is told of them", ("told", "limited")),
    ("what the upstream is told, the mark", ("identify", "mark")),
)
PORTAL = "http://portal.example"
PER_ADDRESS = AddressLimit(1_000_000, 1_000_000, 10_000)
# Where the argument makes this module the one that takes the log.
SINK = "sink"
TAKEN = {
    "envoy.service.accesslog.v3.AccessLogService": "StreamAccessLogs",
    "opentelemetry.proto.collector.logs.v1.LogsService": "Export",
}
# What usage reads of an entry, as one text.
TEXT = "\t".join(
    (
        "%START_TIME%", "%DURATION%", "%RESPONSE_CODE%", "%RESPONSE_CODE_DETAILS%", "%RESPONSE_FLAGS%", "%ROUTE_NAME%", "%REQ(:METHOD)%",
        "%FILTER_STATE(portico.path:PLAIN)%", "%REQ(X-REQUEST-ID)%", "%RESP(X-PORTICO-REFUSAL)%", "%BYTES_RECEIVED%", "%BYTES_SENT%",
        "%UPSTREAM_HOST%", *(f"%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:{name})%" for name in ("sub", "cid", "jti")),
        "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:key_h:typ)%",
        *(f"%DYNAMIC_METADATA(envoy.filters.http.rbac:{name}_enforced_effective_policy_id)%" for name in ("grant", "plan")),
    )
)  # fmt: skip


def main() -> int:
    for binary in ("wrk", "nginx"):
        if shutil.which(binary, path=PATHS) is None:
            sys.exit(f"This measurement needs {binary}: apt-get install {binary}")
    os.sched_setaffinity(0, OTHERS)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with ExitStack() as started:
        port, log = free(), free()
        started.enter_context(server("upstream", nginx_upstream(port, free()), port, OTHERS))
        started.enter_context(server("log", [sys.executable, "-m", __spec__.name, SINK, str(log)], log, OTHERS))
        subjects: dict[str, Subject] = {}
        for name, command in commands(port, log).items():
            at = free()
            process = started.enter_context(server(f"step-{len(subjects)}", command(at), at, PROXIES))
            subjects[name] = Subject(f"http://{HOST}:{at}/acme/orders/v1/orders/1", process, bearer(token()))
        for each in subjects.values():
            each.run(1)
        costs: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(ROUNDS):
            for name in [*subjects][number % len(subjects) :] + [*subjects][: number % len(subjects)]:
                costs[name].append(subjects[name].run(1)[1])
    # A quarter of the rounds are better: what disturbs only ever adds.
    found = {name: percentile(each, 0.25) for name, each in costs.items()}
    figures: dict[str, Any] = {"rounds": ROUNDS, "proxies, the rest on cores": f"{sorted(PROXIES)}, {sorted(OTHERS)}"}
    before = found[BARE]
    for name, cost in found.items():
        figures[f"{name}: µs of a core per call"] = cost
        figures[f"{name}: more than before, µs"] = cost - before
        figures[f"{name}: bare Envoy's share"] = found[BARE] / cost
        # The other log stands in place of the one, not behind it.
        before = before if name == LOG else cost
    report("steps", figures)
    return 0


def commands(port: int, log: int) -> dict[str, Callable[[int], list[str]]]:
    tenant = many_subscriptions(port)
    steps = [name for _, names in GROUPS for name in names]
    assert sorted(steps) == sorted(set(chain.STEPS) - set(chain.OPTIONAL)), "A step of the chain is in no group."
    found: dict[str, Callable[[int], list[str]]] = {BARE: lambda at: bare_envoy(at, port)}
    upto: list[str] = []
    for name, names in GROUPS:
        upto = [*upto, *names]
        found[name] = partial(gateway, tenant, log, upto, guard=False)
    found["the guard"] = partial(gateway, tenant, log, steps)
    found["calls per address"] = partial(gateway, tenant, log, steps, limited=True)
    found[LOG] = partial(gateway, tenant, log, steps, limited=True, logged="grpc")
    found[OTHER_LOG] = partial(gateway, tenant, log, steps, limited=True, logged="text")
    return found


def many_subscriptions(port: int) -> Tenant:
    found = small_tenant(port)
    grants = tuple(Grant("orders", client(number), f"{number:036}", "", "gold", 1_000_000, 1) for number in range(SUBSCRIPTIONS))
    keys = tuple(ApiKey(f"{number:036}") for number in range(SUBSCRIPTIONS))
    return replace(found, portal=PORTAL, access=replace(found.access, grants=grants, api_keys=keys))


def client(number: int) -> str:
    return f"ptc_app_{number:022}"


def token() -> str:
    claims = tokens.claims(
        issuer=ISSUER,
        audience=AUDIENCE,
        client_id=client(7),
        credential_id=f"{7:036}",
        token_id=f"{8:036}",
        now=int(time.time()),
        lifetime=tokens.MAX_LIFETIME,
    )
    return tokens.sign(claims, KEY)


def gateway(
    tenant: Tenant, log: int, steps: Sequence[str], at: int, *, logged: str = "", guard: bool = True, limited: bool = False
) -> list[str]:
    """:param logged: "" for no log, "grpc" for the one that there is, "text" for the other. :param limited: by address as well."""
    whole = routes.configuration(tenant)
    gate = FilterChainConfigPerRoute.FromString(whole.typed_per_filter_config[GATE].value)
    kept = [step for step in gate.filter_chain.filters if step.name in steps]
    del gate.filter_chain.filters[:]
    gate.filter_chain.filters.extend(kept)
    whole.typed_per_filter_config[GATE].CopyFrom(packed(gate))
    if not kept:
        del whole.typed_per_filter_config[GATE]
    manager = listener.manager(PORTAL, None)
    filters = [each for each in manager.http_filters if guard or each.name != GUARD]
    if limited:
        filters.insert(0, http_filter(ADDRESS_LIMITED, limits.of_addresses(PER_ADDRESS), limits.RETRY_AFTER))
    del manager.http_filters[:]
    manager.http_filters.extend(filters)
    # The tenant is there from the beginning; it is found by its slug as ever.
    scope = routes.scope(tenant.slug)
    scope.on_demand = False
    scope.route_configuration.CopyFrom(whole)
    scope.ClearField("route_configuration_name")
    builder = hcm_pb2.ScopedRoutes.ScopeKeyBuilder()
    builder.CopyFrom(manager.scoped_routes.scope_key_builder)
    manager.scoped_routes.Clear()
    manager.scoped_routes.name = "tenants"
    manager.scoped_routes.scope_key_builder.CopyFrom(builder)
    manager.scoped_routes.scoped_route_configurations_list.scoped_route_configurations.append(scope)
    if logged != "grpc":
        del manager.access_log[:]
    if logged == "text":
        json_format.ParseDict(as_text(), manager.access_log.add())
    return _command(tenant, log, at, manager)


def as_text() -> dict[str, Any]:
    service = {"envoy_grpc": {"cluster_name": USAGE_CLUSTER}}
    common = {"log_name": "calls", "grpc_service": service, "transport_api_version": "V3", "buffer_size_bytes": 64 * 1024}
    kind = "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"
    typed = {"@type": kind, "common_config": common, "disable_builtin_labels": True, "body": {"string_value": TEXT}}
    return {"name": "text", "typed_config": typed}


def _command(tenant: Tenant, log: int, at: int, manager: hcm_pb2.HttpConnectionManager) -> list[str]:
    assert tenant.routes is not None
    upstream = tenant.routes[0].upstream
    assert upstream is not None
    whole = bootstrap_pb2.Bootstrap()
    told = whole.static_resources.listeners.add(name="gateway")
    told.address.socket_address.address, told.address.socket_address.port_value = HOST, at
    told.per_connection_buffer_limit_bytes.value = listener.BUFFER_BYTES
    told.filter_chains.add().filters.add(name="http").typed_config.CopyFrom(packed(manager))
    whole.static_resources.clusters.append(cluster(tenant.slug, upstream))
    usage = whole.static_resources.clusters.add()
    usage.CopyFrom(cluster("usage", replace(upstream, port=log)))
    usage.name = usage.load_assignment.cluster_name = USAGE_CLUSTER
    options = usage.typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
    kind = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    json_format.ParseDict({"@type": kind, "explicit_http_config": {"http2_protocol_options": {}}}, options)
    file = FOLDER / f"gateway-{at}.json"
    file.write_text(json_format.MessageToJson(whole))
    return [str(envoy.executable("")), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]


def take(port: int) -> None:
    """Take logs of either form, and forget them."""

    def forget(messages: Any, _context: Any) -> bytes:
        for _message in messages:
            pass
        return b""

    handler = grpc.stream_unary_rpc_method_handler(forget)
    taker = grpc.server(ThreadPoolExecutor(64))
    for service, method in TAKEN.items():
        taker.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    taker.add_insecure_port(f"{HOST}:{port}")
    taker.start()
    taker.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1:2] == [SINK]:
        take(int(sys.argv[2]))
    else:
        raise SystemExit(main())
