"""The one listener: hardened HTTP, tenants loaded on demand, preflights, the gate that tenants' chains fill, the guard behind it."""

from collections.abc import Iterator

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, grpc_service_pb2, protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.access_loggers.grpc.v3 import als_pb2
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.on_demand.v3 import on_demand_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2, value_pb2
from google.protobuf import duration_pb2, wrappers_pb2

from gateway.envoy import compression, limits, rbac
from gateway.envoy.clusters import ADS
from gateway.envoy.extensions import FilterChainConfig, http_filter, packed
from gateway.envoy.hosts import early, same_host
from gateway.envoy.names import (
    ADDRESS_LIMITED,
    AI,
    ATTEMPTS_LOG,
    BUFFER,
    CALLED,
    CALLS_LOG,
    CONTENT,
    CONTENT_ANSWERS,
    CONTENT_REQUEST,
    CONTENTS_LOG,
    CORS,
    DOOR,
    DOOR_HEADER,
    GATE,
    GUARD,
    KEPT,
    KEPT_YES,
    MODEL,
    PASSED,
    REFUSAL_HEADER,
    TOKENS,
    USAGE_CLUSTER,
)
from gateway.envoy.refusals import mappers
from gateway.envoy.state import AddressLimit

NAME = "gateway"
# A call whose tenant does not load within this is answered 503: without a route nothing else ends it.
LOAD_TIMEOUT_MS = 900
# Then a connection is closed, so that long-lived ones spread anew over the gateways that there are.
MAX_REQUESTS = 1_000
BUFFER_BYTES = 32 * 1024
_Hcm = hcm_pb2.HttpConnectionManager
_Comparison = accesslog_pb2.ComparisonFilter


def listener(*, port: int, address: str, portal_url: str, per_address: AddressLimit | None = None) -> listener_pb2.Listener:
    """:param address: the interface to listen on. :param per_address: what callers of one address get; None sets no limit."""
    network_filter = listener_components_pb2.Filter(name="http", typed_config=packed(manager(portal_url, per_address)))
    return listener_pb2.Listener(
        name=NAME,
        address=address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port)),
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=BUFFER_BYTES),
        filter_chains=[listener_components_pb2.FilterChain(filters=[network_filter])],
    )


def manager(portal_url: str, per_address: AddressLimit | None, *, own: bool = False) -> hcm_pb2.HttpConnectionManager:
    """:param own: of the door of tenants' own hosts, where the handshake's name stands for the slug."""
    return _Hcm(
        stat_prefix="gateway",
        use_remote_address=wrappers_pb2.BoolValue(value=True),
        normalize_path=wrappers_pb2.BoolValue(value=True),
        merge_slashes=True,
        path_with_escaped_slashes_action=_Hcm.REJECT_REQUEST,
        max_request_headers_kb=wrappers_pb2.UInt32Value(value=16),
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(
            headers_with_underscores_action=protocol_pb2.HttpProtocolOptions.REJECT_REQUEST,
            max_headers_count=wrappers_pb2.UInt32Value(value=100),
            idle_timeout=duration_pb2.Duration(seconds=60),
            max_requests_per_connection=wrappers_pb2.UInt32Value(value=MAX_REQUESTS),
        ),
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(
            max_concurrent_streams=wrappers_pb2.UInt32Value(value=100),
            initial_stream_window_size=wrappers_pb2.UInt32Value(value=64 * 1024),
            initial_connection_window_size=wrappers_pb2.UInt32Value(value=1024 * 1024),
        ),
        request_headers_timeout=duration_pb2.Duration(seconds=5),
        request_timeout=duration_pb2.Duration(seconds=30),
        # Until a route is known. Each route has its own, longer one.
        stream_idle_timeout=duration_pb2.Duration(nanos=LOAD_TIMEOUT_MS * 1_000_000),
        server_header_transformation=_Hcm.PASS_THROUGH,
        always_set_request_id_in_response=True,
        early_header_mutation_extensions=[early(own=own)],
        scoped_routes=_tenants(own=own),
        http_filters=[
            *_addresses(per_address),
            *([same_host()] if own else []),
            http_filter("on_demand", on_demand_pb2.OnDemand()),
            # Before the gate: a preflight has no token, and a page has to be able to read what the chain refuses.
            http_filter(CORS, cors_pb2.Cors()),
            http_filter(GATE, FilterChainConfig()),
            http_filter(GUARD, _guard()),
            # Behind it: nobody's body is read who may not call.
            http_filter(AI, FilterChainConfig()),
            http_filter(TOKENS, FilterChainConfig()),
            _buffer(),
            *compression.filters(),
            http_filter("envoy.filters.http.router", router_pb2.Router(suppress_envoy_headers=True, upstream_log=[_attempts_log()])),
        ],
        local_reply_config=mappers(portal_url),
        access_log=[_calls_log(), _contents_log()],
    )


def _addresses(limit: AddressLimit | None) -> Iterator[hcm_pb2.HttpFilter]:
    """Before a tenant is loaded, a preflight answered or a token verified."""
    if limit is not None:
        yield http_filter(ADDRESS_LIMITED, limits.of_addresses(limit), limits.RETRY_AFTER)


def _tenants(*, own: bool) -> hcm_pb2.ScopedRoutes:
    """The scope is the first segment of the path: the tenant's slug. At tenants' own hosts it is the host."""
    extractor = hcm_pb2.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor
    segment = extractor(name=DOOR_HEADER, index=0) if own else extractor(name=":path", element_separator="/", index=1)
    builder = hcm_pb2.ScopedRoutes.ScopeKeyBuilder(
        fragments=[hcm_pb2.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder(header_value_extractor=segment)]
    )
    return hcm_pb2.ScopedRoutes(
        name="tenants",
        scope_key_builder=builder,
        rds_config_source=ADS,
        scoped_rds=hcm_pb2.ScopedRds(scoped_rds_config_source=ADS),
    )


def _guard() -> rbac_pb2.RBAC:
    """Only what the chain's last step marked goes on: on demand, Envoy can skip the chain on the call that loads a tenant."""
    marked = {"yes": rbac.verdict("passed")}
    return rbac.decision(rbac.table(PASSED, marked, rbac.verdict("NOT_READY", rbac.DENY)), "guard_")


def _buffer() -> hcm_pb2.HttpFilter:
    found = http_filter(BUFFER, buffer_pb2.Buffer(max_request_bytes=wrappers_pb2.UInt32Value(value=1)))
    found.disabled = True
    return found


def _calls_log() -> accesslog_pb2.AccessLog:
    """Every call, streamed to `manage.py usage`; no header of the request but those Envoy names itself."""
    config = als_pb2.HttpGrpcAccessLogConfig(
        common_config=_common(CALLS_LOG, [CALLED, DOOR, MODEL]), additional_response_headers_to_log=[REFUSAL_HEADER]
    )
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.http_grpc", typed_config=packed(config))


def _contents_log() -> accesslog_pb2.AccessLog:
    """What was asked and answered, of calls of which that is kept; in a stream of its own, because what waits in one is lost beyond some
    64 KiB, and no call may be lost to a text."""
    config = als_pb2.HttpGrpcAccessLogConfig(
        common_config=_common(CONTENTS_LOG, [CALLED, DOOR, MODEL, CONTENT_REQUEST, *CONTENT_ANSWERS]),
        additional_response_headers_to_log=[REFUSAL_HEADER],
    )
    kept = metadata_pb2.MetadataMatcher(
        filter=CONTENT,
        path=[metadata_pb2.MetadataMatcher.PathSegment(key=KEPT)],
        value=value_pb2.ValueMatcher(string_match=string_pb2.StringMatcher(exact=KEPT_YES)),
    )
    matched = accesslog_pb2.MetadataFilter(matcher=kept, match_if_key_not_found=wrappers_pb2.BoolValue(value=False))
    return accesslog_pb2.AccessLog(
        name="envoy.access_loggers.http_grpc", typed_config=packed(config), filter=accesslog_pb2.AccessLogFilter(metadata_filter=matched)
    )


def _attempts_log() -> accesslog_pb2.AccessLog:
    """Of calls of AI APIs each attempt that failed, by whichever key: what is well costs a comparison of numbers."""
    config = als_pb2.HttpGrpcAccessLogConfig(
        common_config=_common(ATTEMPTS_LOG, []), additional_response_headers_to_log=["content-type", "retry-after"]
    )
    to_providers = cel_pb2.ExpressionFilter(expression=f'xds.cluster_name.contains("/{AI}/")')
    filters = [
        accesslog_pb2.AccessLogFilter(or_filter=accesslog_pb2.OrFilter(filters=[_status(_Comparison.GE, 400), _status(_Comparison.EQ, 0)])),
        accesslog_pb2.AccessLogFilter(extension_filter=accesslog_pb2.ExtensionFilter(name="cel", typed_config=packed(to_providers))),
    ]
    return accesslog_pb2.AccessLog(
        name="envoy.access_loggers.http_grpc",
        typed_config=packed(config),
        filter=accesslog_pb2.AccessLogFilter(and_filter=accesslog_pb2.AndFilter(filters=filters)),
    )


def _status(op: int, value: int) -> accesslog_pb2.AccessLogFilter:
    compared = _Comparison(op=op, value=base_pb2.RuntimeUInt32(default_value=value, runtime_key="portico.attempts"))
    return accesslog_pb2.AccessLogFilter(status_code_filter=accesslog_pb2.StatusCodeFilter(comparison=compared))


def _common(log_name: str, states: list[str]) -> als_pb2.CommonGrpcAccessLogConfig:
    usage = grpc_service_pb2.GrpcService(envoy_grpc=grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=USAGE_CLUSTER))
    return als_pb2.CommonGrpcAccessLogConfig(
        log_name=log_name,
        grpc_service=usage,
        transport_api_version=2,
        buffer_flush_interval=duration_pb2.Duration(nanos=500_000_000),
        # Some forty calls: each message costs usage as much as reading ten.
        buffer_size_bytes=wrappers_pb2.UInt32Value(value=64 * 1024),
        filter_state_objects_to_log=states,
    )
