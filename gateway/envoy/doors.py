"""The doors of a gateway that speak TLS: its own names with the certificate of its operator, and tenants' host names with theirs.

One listener for all, which no domain changes: the name that a handshake asks for (SNI, RFC 6066 §3) chooses the chain, the certificate is
fetched by that name when it is first asked for, and the scope of a call at a tenant's host is that name, never the header Host.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

from envoy.config.core.v3 import address_pb2, base_pb2, extension_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from google.protobuf import wrappers_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2, regex_pb2, string_pb2

from gateway.envoy import listener
from gateway.envoy.clusters import ADS
from gateway.envoy.extensions import OnDemandSecret, Sni, packed
from gateway.envoy.names import DEFAULT_CERTIFICATE
from gateway.envoy.state import AddressLimit, OwnHost

NAME = "gateway-tls"
SHARED, OWN = "shared", "own"
# A host name of two labels or more, in lower case, as Envoy gives it: what else a handshake says could name another secret.
HOST = r"^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"
_TLS = common_pb2.TlsParameters
# Of TLS 1.2 what has forward secrecy and authenticates (RFC 9325 §4.2); TLS 1.3 has nothing else.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
Socket: TypeAlias = base_pb2.TransportSocket


def is_host(name: str) -> bool:
    """Whether a secret of this name is a host's certificate: tenants' other secrets have a slash, the rest has no dot."""
    return re.match(HOST, name) is not None


def tls_listener(
    *, port: int, address: str, portal_url: str, hosts: Sequence[str], default: bool, per_address: AddressLimit | None = None
) -> listener_pb2.Listener:
    """:param hosts: the gateway's own names. :param default: whether it has a certificate for them; without, only tenants' hosts answer."""
    managers = {OWN: listener.manager(portal_url, per_address, own=True)}
    if default:
        managers[SHARED] = listener.manager(portal_url, per_address)
    sockets = {OWN: _socket(_on_demand()), SHARED: _socket(_by_default())}
    chains = [
        listener_components_pb2.FilterChain(
            name=name,
            filters=[listener_components_pb2.Filter(name="http", typed_config=packed(manager))],
            transport_socket=sockets[name],
        )
        for name, manager in sorted(managers.items())
    ]
    inspector = listener_components_pb2.ListenerFilter(name="tls_inspector", typed_config=packed(tls_inspector_pb2.TlsInspector()))
    return listener_pb2.Listener(
        name=NAME,
        address=address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port)),
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=listener.BUFFER_BYTES),
        listener_filters=[inspector],
        filter_chains=chains,
        filter_chain_matcher=_chooses(hosts, default=default),
    )


def certificate(host: OwnHost) -> secret_pb2.Secret:
    return secret_pb2.Secret(
        name=host.name,
        tls_certificate=common_pb2.TlsCertificate(
            certificate_chain=base_pb2.DataSource(inline_string=host.certificate),
            private_key=base_pb2.DataSource(inline_bytes=host.key),
        ),
    )


def default_certificate(certificate_file: str, key_file: str) -> secret_pb2.Secret:
    """Read by the gateway itself, from its own files, and again whenever one is put in their place."""
    return secret_pb2.Secret(
        name=DEFAULT_CERTIFICATE,
        tls_certificate=common_pb2.TlsCertificate(
            certificate_chain=base_pb2.DataSource(filename=certificate_file),
            private_key=base_pb2.DataSource(filename=key_file),
        ),
    )


def _chooses(hosts: Sequence[str], *, default: bool) -> matcher_pb2.Matcher:
    """The gateway's own names and handshakes without one: the shared door. What has the form of a host: a tenant's. The rest: none."""
    matchers = []
    if default:
        own_names = [_predicate(string_pb2.StringMatcher(exact=name)) for name in sorted({name.lower() for name in hosts})]
        matchers.append(_field(_either(own_names), SHARED))
    shaped = _predicate(
        string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(google_re2=regex_pb2.RegexMatcher.GoogleRE2(), regex=HOST))
    )
    matchers.append(_field(shaped, OWN))
    found = matcher_pb2.Matcher(matcher_list=matcher_pb2.Matcher.MatcherList(matchers=matchers))
    if default:
        found.on_no_match.CopyFrom(_chain(SHARED))
    return found


def _either(predicates: list[matcher_pb2.Matcher.MatcherList.Predicate]) -> matcher_pb2.Matcher.MatcherList.Predicate:
    if len(predicates) == 1:
        return predicates[0]
    whole = matcher_pb2.Matcher.MatcherList.Predicate.PredicateList(predicate=predicates)
    return matcher_pb2.Matcher.MatcherList.Predicate(or_matcher=whole)


def _predicate(matches: string_pb2.StringMatcher) -> matcher_pb2.Matcher.MatcherList.Predicate:
    name = xds_extension_pb2.TypedExtensionConfig(name="sni", typed_config=packed(network_inputs_pb2.ServerNameInput()))
    single = matcher_pb2.Matcher.MatcherList.Predicate.SinglePredicate(input=name, value_match=matches)
    return matcher_pb2.Matcher.MatcherList.Predicate(single_predicate=single)


def _field(predicate: matcher_pb2.Matcher.MatcherList.Predicate, chain: str) -> matcher_pb2.Matcher.MatcherList.FieldMatcher:
    return matcher_pb2.Matcher.MatcherList.FieldMatcher(predicate=predicate, on_match=_chain(chain))


def _chain(name: str) -> matcher_pb2.Matcher.OnMatch:
    chosen = xds_extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(wrappers_pb2.StringValue(value=name)))
    return matcher_pb2.Matcher.OnMatch(action=chosen)


def _socket(common: tls_pb2.CommonTlsContext) -> Socket:
    common.tls_params.CopyFrom(
        _TLS(tls_minimum_protocol_version=_TLS.TLSv1_2, tls_maximum_protocol_version=_TLS.TLSv1_3, cipher_suites=CIPHERS)
    )
    common.alpn_protocols.extend(("h2", "http/1.1"))
    # A session that is resumed proves no certificate: it would outlive the one it began with, and a domain that was taken away.
    context = tls_pb2.DownstreamTlsContext(
        common_tls_context=common, disable_stateless_session_resumption=True, disable_stateful_session_resumption=True
    )
    return Socket(name="envoy.transport_sockets.tls", typed_config=packed(context))


def _by_default() -> tls_pb2.CommonTlsContext:
    named = secret_pb2.SdsSecretConfig(name=DEFAULT_CERTIFICATE, sds_config=ADS)
    return tls_pb2.CommonTlsContext(tls_certificate_sds_secret_configs=[named])


def _on_demand() -> tls_pb2.CommonTlsContext:
    mapper = extension_pb2.TypedExtensionConfig(name="sni", typed_config=packed(Sni(default_value="-")))
    selector = OnDemandSecret(config_source=ADS, certificate_mapper=mapper)
    found = tls_pb2.CommonTlsContext()
    found.custom_tls_certificate_selector.name = "by_host"
    found.custom_tls_certificate_selector.typed_config.CopyFrom(packed(selector))
    return found
