"""What a gateway starts with: who it is, where control and usage are, and the flag without which on-demand loading fails open."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from gateway.envoy.names import CA_SECRET, CONTROL_CLUSTER, NODE_SECRET, USAGE_CLUSTER

# Without it Envoy skips the tenant's chain on the very call that loads the tenant (Envoy 1.40; tests/attack proves the cure).
RUNTIME = {"envoy.reloadable_features.on_demand_vhds_no_recreate_stream": False}
FIXED_HEAP = "envoy.resource_monitors.fixed_heap"
CREDENTIAL_HEADER = "authorization"
TYPE = "type.googleapis.com"


def bootstrap(
    *,
    node: str,
    credential: str = "",
    credential_file: str = "",
    control: str,
    usage: str,
    admin: str,
    ca_file: str,
    connections: int,
    heap_mb: int = 0,
    address: str = "",
) -> dict[str, Any]:
    """Envoy's bootstrap (envoy.config.bootstrap.v3.Bootstrap) as JSON.

    :param credential: what the node shows to control with each stream, to stand in the bootstrap.
    :param credential_file: in its place the path of a file that holds it as gateway.joining writes it; Envoy reads it again when
        another is moved into its place. gRPC's own metadata can be read from no file, and stands unhidden in Envoy's config_dump; a
        secret of the upstream filter `credential_injector` can, and does not.
    :param control: `unix:/path` or `host:port`; usage likewise.
    :param admin: the path of a unix socket, for this machine's operator alone.
    :param connections: how many callers may be connected at once; each further one is turned away.
    :param heap_mb: from 95 % of so much memory on, calls are refused; 0 sets no limit.
    :param address: where control may call the gateway to see for itself, `http://host:port`; "" tells it not to.
    """
    # Envoy's own pauses grow to 30 s, in which a control that is back could revoke nothing.
    again = {"retry_back_off": {"base_interval": "0.2s", "max_interval": "2s"}}
    service = {"envoy_grpc": {"cluster_name": CONTROL_CLUSTER, "retry_policy": again}}
    secrets: list[dict[str, Any]] = [{"name": CA_SECRET, "validation_context": {"trusted_ca": {"filename": ca_file}}}]
    if not credential_file:
        secrets.append({"name": NODE_SECRET, "generic_secret": {"secret": {"inline_string": bearer(credential)}}})
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
            "clusters": [_cluster(CONTROL_CLUSTER, control, filters=_shows(credential_file)), _cluster(USAGE_CLUSTER, usage)],
            "secrets": secrets,
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


def bearer(credential: str) -> str:
    return f"Bearer {credential}"


def _shows(credential_file: str) -> list[dict[str, Any]]:
    """Filters of the cluster that put the credential to each of its streams."""
    secret: dict[str, Any] = {"name": NODE_SECRET}
    if credential_file:
        watched = {"path": str(PurePosixPath(credential_file).parent)}
        secret["sds_config"] = {"path_config_source": {"path": credential_file, "watched_directory": watched}}
    generic = {
        "@type": f"{TYPE}/envoy.extensions.http.injected_credentials.generic.v3.Generic",
        "credential": secret,
        "header": CREDENTIAL_HEADER,
    }
    injector = {
        "@type": f"{TYPE}/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        "overwrite": True,
        "credential": {"name": "generic", "typed_config": generic},
    }
    codec = {"@type": f"{TYPE}/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}
    return [
        {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
        {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
    ]


def _cluster(name: str, address: str, *, filters: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
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
                **({"http_filters": filters} if filters else {}),
            }
        },
    }


def _address(text: str) -> dict[str, Any]:
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
