"""One cluster per distinct upstream, with the addresses that Portico resolved; and the secrets that it injects."""

import ipaddress
import math
from collections.abc import Iterator, Sequence

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, config_source_pb2, health_check_pb2, protocol_pb2
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.filters.http.credential_injector.v3 import credential_injector_pb2
from envoy.extensions.filters.http.upstream_codec.v3 import upstream_codec_pb2
from envoy.extensions.http.injected_credentials.generic.v3 import generic_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.matcher.v3 import string_pb2
from envoy.type.v3 import percent_pb2, range_pb2
from google.protobuf import duration_pb2, struct_pb2, wrappers_pb2

from apis.balancing import HealthCheck
from gateway.envoy.extensions import HttpFilter, extension, http_filter, packed
from gateway.envoy.names import CA_SECRET
from gateway.envoy.state import Target, Upstream

ADS = config_source_pb2.ConfigSource(ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3)
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS = common_pb2.TlsParameters
_CURVES = ("P-256", "P-384", "P-521")
_SAN = common_pb2.SubjectAltNameMatcher
# Where Envoy looks for what an endpoint's socket is matched by.
SOCKET_MATCH = "envoy.transport_socket_match"


def cluster_name(slug: str, upstream: Upstream) -> str:
    return f"{slug}/{upstream.key}"


def secret_name(slug: str, upstream: Upstream) -> str:
    return f"{slug}/{upstream.key}"


def client_certificate_name(slug: str, upstream: Upstream) -> str:
    return f"{slug}/{upstream.key}/client"


def cluster(slug: str, upstream: Upstream, *, before: Sequence[HttpFilter] = (), after: Sequence[HttpFilter] = ()) -> cluster_pb2.Cluster:
    """:param before: what of its own filters comes before the secret is put in, and `after` that."""
    name = cluster_name(slug, upstream)
    whole = cluster_pb2.Cluster(
        name=name,
        type=cluster_pb2.Cluster.STATIC,
        connect_timeout=_milliseconds(upstream.connect_timeout_ms),
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=32 * 1024),
        load_assignment=endpoint_pb2.ClusterLoadAssignment(
            cluster_name=name,
            endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=_endpoints(upstream))],
        ),
    )
    whole.typed_extension_protocol_options[_HTTP].CopyFrom(packed(_protocol(slug, upstream, before, after)))
    if upstream.retry_percent:
        whole.circuit_breakers.thresholds.append(_budget(upstream.retry_percent))
    if upstream.scheme == "https":
        whole.transport_socket.CopyFrom(_socket(slug, upstream, upstream.host))
        whole.transport_socket_matches.extend(
            cluster_pb2.Cluster.TransportSocketMatch(name=host, match=_named(host), transport_socket=_socket(slug, upstream, host))
            for host in _other_names(upstream)
        )
    if upstream.check:
        whole.health_checks.append(_check(upstream, upstream.check))
        # 0 %: not even where all of them fail does one get calls that failed. Envoy's own is 50 %.
        whole.common_lb_config.healthy_panic_threshold.SetInParent()
    return whole


def secrets(slug: str, upstream: Upstream) -> Iterator[secret_pb2.Secret]:
    """The value to inject, and what the gateway proves itself with in TLS; they reach gateways by SDS only."""
    if upstream.header:
        value = base_pb2.DataSource(inline_bytes=upstream.secret)
        yield secret_pb2.Secret(name=secret_name(slug, upstream), generic_secret=secret_pb2.GenericSecret(secret=value))
    if upstream.client_certificate:
        certificate = common_pb2.TlsCertificate(
            certificate_chain=base_pb2.DataSource(inline_string=upstream.client_certificate),
            private_key=base_pb2.DataSource(inline_bytes=upstream.client_key),
        )
        yield secret_pb2.Secret(name=client_certificate_name(slug, upstream), tls_certificate=certificate)


def _endpoints(upstream: Upstream) -> Iterator[endpoint_components_pb2.LbEndpoint]:
    if not upstream.further:
        for address in upstream.addresses:
            yield _endpoint(address, upstream.port)
        return
    called = [each for each in upstream.targets if each.weight and each.addresses]
    named = set(_other_names(upstream))
    for target, weight in zip(called, _weights(called), strict=True):
        for address in target.addresses:
            found = _endpoint(address, target.port)
            found.load_balancing_weight.value = weight
            # What Host and checks say.
            found.endpoint.hostname = upstream.authority(target.host, target.port)
            if upstream.check:
                found.endpoint.health_check_config.hostname = found.endpoint.hostname
            if target.host in named:
                found.metadata.filter_metadata[SOCKET_MATCH].CopyFrom(_named(target.host))
            yield found


def _weights(targets: Sequence[Target]) -> list[int]:
    """Of each address of a target: together they have the target's share, however many they are.

    With 100 as the highest weight, ten targets and sixteen addresses at most, all come to less than the 2^32 that they may.
    """
    parts = math.lcm(*(len(each.addresses) for each in targets))
    found = [each.weight * parts // len(each.addresses) for each in targets]
    shared = math.gcd(*found)
    return [each // shared for each in found]


def _endpoint(address: str, port: int) -> endpoint_components_pb2.LbEndpoint:
    socket = address_pb2.SocketAddress(address=address, port_value=port)
    return endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address_pb2.Address(socket_address=socket)))


def _other_names(upstream: Upstream) -> list[str]:
    """Those that targets prove themselves under beside `host`; none where all have the one of `sni`."""
    if upstream.scheme != "https" or upstream.sni:
        return []
    return sorted({each.host for each in upstream.further if each.weight} - {upstream.host})


def _named(host: str) -> struct_pb2.Struct:
    """What an endpoint and its socket are matched by."""
    return struct_pb2.Struct(fields={"name": struct_pb2.Value(string_value=host)})


def _check(upstream: Upstream, check: HealthCheck) -> health_check_pb2.HealthCheck:
    """https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/health_checking

    It passes none of the cluster's filters, so the secret is not on it.
    """
    first, last = check.statuses
    seconds = duration_pb2.Duration(seconds=check.interval)
    return health_check_pb2.HealthCheck(
        timeout=_milliseconds(check.timeout_ms),
        interval=seconds,
        # Else a cluster that nobody has called yet is looked at once a minute.
        no_traffic_interval=seconds,
        unhealthy_threshold=wrappers_pb2.UInt32Value(value=check.failures),
        healthy_threshold=wrappers_pb2.UInt32Value(value=check.successes),
        http_health_check=health_check_pb2.HealthCheck.HttpHealthCheck(
            host=upstream.authority(upstream.host, upstream.port),
            path=check.path,
            expected_statuses=[range_pb2.Int64Range(start=first, end=last + 1)],
            # Else a single answer with another status is enough, whatever the threshold.
            retriable_statuses=[range_pb2.Int64Range(start=100, end=600)],
        ),
    )


def _milliseconds(value: int) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(value)
    return duration


def _budget(percent: int) -> circuit_breaker_pb2.CircuitBreakers.Thresholds:
    """So many of the calls under way may be repetitions, and three in any case."""
    budget = circuit_breaker_pb2.CircuitBreakers.Thresholds.RetryBudget(
        budget_percent=percent_pb2.Percent(value=percent), min_retry_concurrency=wrappers_pb2.UInt32Value(value=3)
    )
    return circuit_breaker_pb2.CircuitBreakers.Thresholds(retry_budget=budget)


def _protocol(
    slug: str, upstream: Upstream, before: Sequence[HttpFilter], after: Sequence[HttpFilter]
) -> http_protocol_options_pb2.HttpProtocolOptions:
    options = http_protocol_options_pb2.HttpProtocolOptions(
        explicit_http_config=http_protocol_options_pb2.HttpProtocolOptions.ExplicitHttpConfig(
            http_protocol_options=protocol_pb2.Http1ProtocolOptions()
        ),
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=duration_pb2.Duration(seconds=60)),
    )
    options.http_filters.extend(before)
    if upstream.header:
        injector = credential_injector_pb2.CredentialInjector(overwrite=True, credential=_credential(slug, upstream))
        options.http_filters.append(http_filter("inject", injector))
    options.http_filters.extend(after)
    if options.http_filters:
        options.http_filters.append(http_filter("envoy.filters.http.upstream_codec", upstream_codec_pb2.UpstreamCodec()))
    return options


def _credential(slug: str, upstream: Upstream) -> TypedExtensionConfig:
    named = secret_pb2.SdsSecretConfig(name=secret_name(slug, upstream), sds_config=ADS)
    return extension("generic", generic_pb2.Generic(credential=named, header=upstream.header))


def _socket(slug: str, upstream: Upstream, host: str) -> base_pb2.TransportSocket:
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(_tls(slug, upstream, upstream.sni or host)))


def _tls(slug: str, upstream: Upstream, host: str) -> tls_pb2.UpstreamTlsContext:
    """TLS 1.2 or later, its own authorities or the system's as the gateway's bootstrap names them, SNI, and the name in the certificate."""
    try:
        ipaddress.ip_address(host)
        san_type, sni = _SAN.IP_ADDRESS, ""
    except ValueError:
        san_type, sni = _SAN.DNS, host
    wanted = _SAN(san_type=san_type, matcher=string_pb2.StringMatcher(exact=host))
    valid = common_pb2.CertificateValidationContext(match_typed_subject_alt_names=[wanted])
    # By itself Envoy would go no further than TLS 1.2 as a client.
    versions = common_pb2.TlsParameters(tls_minimum_protocol_version=_TLS.TLSv1_2, tls_maximum_protocol_version=_TLS.TLSv1_3)
    common = tls_pb2.CommonTlsContext(tls_params=versions)
    if upstream.ca:
        valid.trusted_ca.inline_string = upstream.ca
        common.validation_context.CopyFrom(valid)
    else:
        common.combined_validation_context.default_validation_context.CopyFrom(valid)
        common.combined_validation_context.validation_context_sds_secret_config.name = CA_SECRET
    if upstream.client_certificate:
        own = secret_pb2.SdsSecretConfig(name=client_certificate_name(slug, upstream), sds_config=ADS)
        common.tls_certificate_sds_secret_configs.append(own)
        # Over TLS 1.2 a server takes a certificate only of a curve that the client names (RFC 8422 §5.1).
        common.tls_params.ecdh_curves.extend(_CURVES)
    return tls_pb2.UpstreamTlsContext(common_tls_context=common, sni=sni)
