"""What a gateway starts with: who it is, where control and usage are, and the flag without which on-demand loading fails open."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gateway.envoy.names import CA_SECRET, CONTROL_CLUSTER, NODE_SECRET, USAGE_CLUSTER

# By these names a gateway's own certificate for control, and the authorities of control's, are told in files.
CLIENT_SECRET, CONTROL_CA_SECRET = "portico_client", "portico_control_ca"  # nosec B105

# Without it Envoy skips the tenant's chain on the very call that loads the tenant (Envoy 1.40; tests/attack proves the cure).
RUNTIME = {"envoy.reloadable_features.on_demand_vhds_no_recreate_stream": False}
# So much of the logs may be on its way. Beyond that they wait, of which Envoy keeps little: texts must not take the place of counts.
LOG_BYTES = 8 * 1024 * 1024
FIXED_HEAP = "envoy.resource_monitors.fixed_heap"
CREDENTIAL_HEADER = "authorization"
TYPE = "type.googleapis.com"


class WrongAddresses(ValueError):  # noqa: N818  (reads as the sentence it is)
    """Of control or usage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """TLS to control and usage. All files lie on the gateway's machine.

    `name` is the one in their certificates, "" for the addresses' own. With `cert_file` the gateway proves itself. `sds_dir` holds the
    two files that `sds_file` makes: with it certificates and authorities are renewed without a restart, by moving new files there.
    """

    ca_file: str
    name: str = ""
    cert_file: str = ""
    key_file: str = ""
    sds_dir: str = ""

    def socket(self, addresses: Sequence[str]) -> dict[str, Any]:
        names = [self.name] if self.name else [host for host in map(_host, addresses) if host]
        sni = next((each for each in names if not _is_ip(each)), "")
        matches = [{"san_type": "IP_ADDRESS" if _is_ip(each) else "DNS", "matcher": {"exact": each}} for each in names]
        common: dict[str, Any] = {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "alpn_protocols": ["h2"],
        }
        default = {"match_typed_subject_alt_names": matches} if matches else {}
        if self.sds_dir:
            known = {"name": CONTROL_CA_SECRET, "sds_config": self._watched(CONTROL_CA_SECRET)}
            common["combined_validation_context"] = {"default_validation_context": default, "validation_context_sds_secret_config": known}
        else:
            common["validation_context"] = {"trusted_ca": {"filename": self.ca_file}, **default}
        if self.cert_file and self.sds_dir:
            own = {"name": CLIENT_SECRET, "sds_config": self._watched(CLIENT_SECRET)}
            common["tls_certificate_sds_secret_configs"] = [own]
        elif self.cert_file:
            common["tls_certificates"] = [_certificate(self.cert_file, self.key_file)]
        kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        typed = {"@type": kind, "common_tls_context": common, **({"sni": sni} if sni else {})}
        return {"name": "envoy.transport_sockets.tls", "typed_config": typed}

    def _watched(self, secret: str) -> dict[str, Any]:
        return {"path_config_source": {"path": f"{self.sds_dir}/{secret}.json"}, "resource_api_version": "V3"}

    def sds_file(self, secret: str) -> dict[str, Any]:
        """What lies in `sds_dir` as `<secret>.json` (envoy.service.discovery.v3.DiscoveryResponse)."""
        if secret == CLIENT_SECRET:
            told: dict[str, Any] = {"tls_certificate": _certificate(self.cert_file, self.key_file)}
        else:
            told = {"validation_context": {"trusted_ca": {"filename": self.ca_file}}}
        return {"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": secret, **told}]}


def _certificate(cert_file: str, key_file: str) -> dict[str, Any]:
    return {"certificate_chain": {"filename": cert_file}, "private_key": {"filename": key_file}}


def _host(address: str) -> str:
    return "" if address.startswith("unix:") else address.rpartition(":")[0].strip("[]")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


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
    transport: Transport | None = None,
) -> dict[str, Any]:
    """Envoy's bootstrap (envoy.config.bootstrap.v3.Bootstrap) as JSON.

    :param credential: what the node shows to control and usage with each stream, to stand in the bootstrap; "" with no `credential_file`
        where `control` is the agent beside this Envoy, which alone holds it.
    :param credential_file: in its place the path of a file that holds it as gateway.joining writes it; Envoy reads it again when
        another is moved into its place. gRPC's own metadata can be read from no file, and stands unhidden in Envoy's config_dump; a
        secret of the upstream filter `credential_injector` can, and does not.
    :param control: `unix:/path` or `host:port`, several separated by spaces; usage likewise.
    :param admin: the path of a unix socket, for this machine's operator alone.
    :param connections: how many callers may be connected at once; each further one is turned away.
    :param heap_mb: from 95 % of so much memory on, calls are refused; 0 sets no limit.
    :param address: where control may call the gateway to see for itself, `http://host:port`; "" tells it not to.
    :param transport: TLS of both; None for plain text.
    :raises WrongAddresses: they can't stand side by side.
    """
    # Envoy's own pauses grow to 30 s, in which a control that is back could revoke nothing.
    again = {"retry_back_off": {"base_interval": "0.2s", "max_interval": "2s"}}
    service = {"envoy_grpc": {"cluster_name": CONTROL_CLUSTER, "retry_policy": again}}
    secrets: list[dict[str, Any]] = [{"name": CA_SECRET, "validation_context": {"trusted_ca": {"filename": ca_file}}}]
    if credential:
        secrets.append({"name": NODE_SECRET, "generic_secret": {"secret": {"inline_string": bearer(credential)}}})
    shows = _shows(credential_file) if credential or credential_file else []
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
            "clusters": [
                _cluster(name, addresses, transport, filters=shows)
                for name, addresses in ((CONTROL_CLUSTER, control), (USAGE_CLUSTER, usage))
            ],
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


def _cluster(name: str, addresses: str, transport: Transport | None, *, filters: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    keepalive = {"interval": "5s", "timeout": "5s"}
    found = addresses.split()
    options = {"@type": kind, "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": keepalive}}}
    cluster: dict[str, Any] = {
        "name": name,
        "type": _discovery(found),
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(each)}} for each in found]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {**options, **({"http_filters": filters} if filters else {})}
        },
    }
    if name == USAGE_CLUSTER:
        cluster["per_connection_buffer_limit_bytes"] = LOG_BYTES
    if len(found) > 1:
        cluster |= _SEVERAL
    if transport is not None:
        cluster["transport_socket"] = transport.socket(found)
    return cluster


# One that does not answer is left out for a while, so that the next try reaches another; never all of them.
_SEVERAL = {
    "lb_policy": "ROUND_ROBIN",
    "outlier_detection": {
        "consecutive_5xx": 3,
        "consecutive_gateway_failure": 2,
        "enforcing_consecutive_gateway_failure": 100,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_time": "10s",
        "max_ejection_percent": 50,
    },
}


def _discovery(addresses: Sequence[str]) -> str:
    """
    :raises WrongAddresses: none, or sockets beside names.
    """
    if not addresses:
        raise WrongAddresses("No address is given; name one such as control.example:9001.")
    names = [each for each in addresses if not each.startswith("unix:")]
    if names and len(names) < len(addresses):
        raise WrongAddresses("A unix socket can't stand beside a host's name; give addresses of one kind.")
    return "STRICT_DNS" if names else "STATIC"


def _address(text: str) -> dict[str, Any]:
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
