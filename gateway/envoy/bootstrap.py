"""What a gateway starts with: who it is, where control and usage are, and the flag without which on-demand loading fails open."""

from typing import Any

from gateway.envoy.names import CA_SECRET, CONTROL_CLUSTER, USAGE_CLUSTER

# Without it Envoy skips the tenant's chain on the very call that loads the tenant (Envoy 1.40; tests/attack proves the cure).
RUNTIME = {"envoy.reloadable_features.on_demand_vhds_no_recreate_stream": False}
FIXED_HEAP = "envoy.resource_monitors.fixed_heap"
TOKEN_METADATA = "authorization"  # nosec B105  (the name of a header)


def bootstrap(
    *,
    node: str,
    token: str,
    control: str,
    usage: str,
    admin: str,
    ca_file: str,
    connections: int,
    heap_mb: int = 0,
    address: str = "",
) -> dict[str, Any]:
    """Envoy's bootstrap (envoy.config.bootstrap.v3.Bootstrap) as JSON.

    :param token: the node's bearer token, sent as gRPC metadata with each stream; "" where `control` is the agent beside this Envoy,
        which alone holds it.
    :param control: `unix:/path` or `host:port`; usage likewise.
    :param admin: the path of a unix socket, for this machine's operator alone.
    :param connections: how many callers may be connected at once; each further one is turned away.
    :param heap_mb: from 95 % of so much memory on, calls are refused; 0 sets no limit.
    :param address: where control may call the gateway to see for itself, `http://host:port`; "" tells it not to.
    """
    # Envoy's own pauses grow to 30 s, in which a control that is back could revoke nothing.
    again = {"retry_back_off": {"base_interval": "0.2s", "max_interval": "2s"}}
    service: dict[str, Any] = {"envoy_grpc": {"cluster_name": CONTROL_CLUSTER, "retry_policy": again}}
    if token:
        service["initial_metadata"] = [{"key": TOKEN_METADATA, "value": f"Bearer {token}"}]
    ads = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": {"id": node, "cluster": "portico", "metadata": {"address": address}},
        "admin": {"address": {"pipe": {"path": admin, "mode": 0o600}}, "ignore_global_conn_limit": True},
        "overload_manager": _overload(connections, heap_mb),
        "layered_runtime": {"layers": [{"name": "portico", "static_layer": RUNTIME}]},
        "dynamic_resources": {
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": [service]},
            "lds_config": ads,
            "cds_config": ads,
        },
        "static_resources": {
            "clusters": [_cluster(CONTROL_CLUSTER, control), _cluster(USAGE_CLUSTER, usage)],
            "secrets": [{"name": CA_SECRET, "validation_context": {"trusted_ca": {"filename": ca_file}}}],
        },
    }


def _overload(connections: int, heap_mb: int) -> dict[str, Any]:
    """https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/overload_manager/overload_manager"""
    kind = "type.googleapis.com/envoy.extensions.resource_monitors"
    monitors = [
        {
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": f"{kind}.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": connections,
            },
        }
    ]
    if not heap_mb:
        return {"resource_monitors": monitors}
    heap = {
        "name": FIXED_HEAP,
        "typed_config": {"@type": f"{kind}.fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": heap_mb * 1024 * 1024},
    }
    actions = {"shrink_heap": 0.9, "disable_http_keepalive": 0.9, "stop_accepting_requests": 0.95}
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [*monitors, heap],
        "actions": [
            {"name": f"envoy.overload_actions.{name}", "triggers": [{"name": FIXED_HEAP, "threshold": {"value": value}}]}
            for name, value in actions.items()
        ],
    }


def _cluster(name: str, address: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    keepalive = {"interval": "5s", "timeout": "5s"}
    return {
        "name": name,
        "type": "STATIC" if address.startswith("unix:") else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(address)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": kind,
                "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": keepalive}},
            }
        },
    }


def _address(text: str) -> dict[str, Any]:
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
