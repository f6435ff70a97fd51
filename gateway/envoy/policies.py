"""What an API's policies do to its calls, by Envoy's own means.

From where one may call is a step of the chain, not of each route: the lists stand once per API, and cost a look-up by the API's name
and one in a trie of networks. It comes after the caller is known, so that they find the refusal among their application's, and before
anything is counted against their plan.

How large a call may be is asked of its Content-Length, before any of it is read. Envoy's buffer would hold every body back until it is
whole, up to the limit of each call in memory, and stop what streams. What says no length can't be judged so: with a method that
means to send a body it is refused. Whether a GET sends one without a word can't be told from its headers (Envoy takes
Transfer-Encoding off before filters see it), so for methods like that the buffer does count; it costs nothing where there is no
body, as almost always.
"""

from collections.abc import Iterator, Sequence

from envoy.config.core.v3 import address_pb2, base_pb2, extension_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.extensions.matching.input_matchers.ip.v3 import ip_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from google.protobuf import duration_pb2, wrappers_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from apis.policies import Policies
from gateway.envoy import compression, rbac
from gateway.envoy.extensions import extension, packed
from gateway.envoy.names import BUFFER, CALLED_API, MAX_BODY, NOWHERE, PORTICO
from gateway.envoy.state import Tenant

# Methods whose calls bring a body as a rule (RFC 9110 §9.3).
WITH_BODY = ("PATCH", "POST", "PUT")
# Methods that one may not repeat without asking (RFC 9110 §9.2.2).
WITH_EFFECT = ("PATCH", "POST")
# Nothing of the call has reached anybody; and what may pass if it is tried again.
UNREACHED = "connect-failure,refused-stream,reset-before-request"
FAILED = "gateway-error,reset"
# In seconds.
SILENCE = 300
_List = matcher_pb2.Matcher.MatcherList
# The caller's, as the listener takes it: the other end of the connection, or what a trusted hop says of it.
_SOURCE = xds_extension_pb2.TypedExtensionConfig(name="source", typed_config=packed(network_inputs_pb2.SourceIPInput()))


def addresses(tenant: Tenant) -> Iterator[extension_pb2.TypedExtensionConfig]:
    """The step that refuses callers by their address; none where no API has lists."""
    lists = {version.api: version.policies for version in tenant.routes or () if version.policies.ip_allow or version.policies.ip_deny}
    if lists:
        verdicts = {api: rbac.further(_from_where(lists[api])) for api in sorted(lists)}
        yield extension("addresses", rbac.decision(rbac.table(CALLED_API, verdicts, rbac.verdict("everywhere")), "addresses_"))


def sizes(tenant: Tenant) -> Iterator[extension_pb2.TypedExtensionConfig]:
    """The steps that refuse bodies that are too large, or may be; none where no API has a limit."""
    limits = sorted({version.policies.max_body_kib for version in tenant.routes or ()} - {0})
    if limits:
        too_large = [rbac.every(rbac.route_says(MAX_BODY, rbac.exactly(str(kib))), rbac.length_beyond(kib * 1024)) for kib in limits]
        yield rbac.denial("REQUEST_TOO_LARGE", rbac.either(*too_large))
        limited = rbac.route_says(MAX_BODY, rbac.PRESENT)
        silent = rbac.negated(rbac.sends("content-length"))
        yield rbac.denial("LENGTH_REQUIRED", rbac.every(limited, silent, rbac.of_method(WITH_BODY)))


def apply(policies: Policies, method: str, route: route_pb2.Route) -> None:
    """What of them stands on each route of an operation."""
    _headers(policies, route)
    # To ask a route that answers by itself where it leads would make it lead there.
    if route.HasField("route") and route.route.cluster != NOWHERE:
        _at_the_upstream(policies, method, route.route)
    if policies.max_body_kib:
        _size(policies, method, route)
    if policies.compress:
        compression.apply(route)


def _size(policies: Policies, method: str, route: route_pb2.Route) -> None:
    route.metadata.filter_metadata[PORTICO][MAX_BODY] = str(policies.max_body_kib)
    if method not in WITH_BODY:
        most = wrappers_pb2.UInt32Value(value=policies.max_body_kib * 1024)
        counted = buffer_pb2.BufferPerRoute(buffer=buffer_pb2.Buffer(max_request_bytes=most))
        route.typed_per_filter_config[BUFFER].CopyFrom(packed(counted))


def _headers(policies: Policies, route: route_pb2.Route) -> None:
    """After the chain, so that the upstream's identity headers are set by then; Envoy removes before it adds."""
    route.request_headers_to_add.extend(_set(name, value) for name, value in policies.set_request_headers)
    route.request_headers_to_remove.extend(policies.remove_request_headers)
    route.response_headers_to_add.extend(_set(name, value) for name, value in policies.set_response_headers)
    route.response_headers_to_remove.extend(policies.remove_response_headers)


def _at_the_upstream(policies: Policies, method: str, action: route_pb2.RouteAction) -> None:
    if policies.retries:
        conditions = UNREACHED if method in WITH_EFFECT else f"{UNREACHED},{FAILED}"
        elsewhere = packed(previous_hosts_pb2.PreviousHostsPredicate())
        action.retry_policy.CopyFrom(
            route_pb2.RetryPolicy(
                retry_on=conditions,
                num_retries=wrappers_pb2.UInt32Value(value=policies.retries),
                # Another of its addresses, if there is one.
                retry_host_predicate=[route_pb2.RetryPolicy.RetryHostPredicate(name="elsewhere", typed_config=elsewhere)],
                host_selection_retry_max_attempts=3,
            )
        )
    if policies.streaming:
        # None at all; Envoy ends what falls silent.
        action.timeout.CopyFrom(duration_pb2.Duration())
        action.idle_timeout.CopyFrom(duration_pb2.Duration(seconds=SILENCE))


def _set(name: str, value: str) -> base_pb2.HeaderValueOption:
    # A percent sign begins a command of Envoy's, which could read whatever Envoy knows of the call; doubled, it is itself.
    header = base_pb2.HeaderValue(key=name, value=value.replace("%", "%%"))
    return base_pb2.HeaderValueOption(header=header, append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)


def _from_where(policies: Policies) -> matcher_pb2.Matcher:
    """The first that fits decides: what is denied stays so, whatever else is allowed."""
    refused, welcome = rbac.verdict("IP_DENIED", rbac.DENY), rbac.verdict("welcome")
    looked_up = [(policies.ip_deny, refused), (policies.ip_allow, welcome)]
    matchers = [_List.FieldMatcher(predicate=_within(networks), on_match=then) for networks, then in looked_up if networks]
    return matcher_pb2.Matcher(matcher_list=_List(matchers=matchers), on_no_match=refused if policies.ip_allow else welcome)


def _within(networks: Sequence[str]) -> matcher_pb2.Matcher.MatcherList.Predicate:
    ranges = ip_pb2.Ip(cidr_ranges=[_range(text) for text in networks], stat_prefix="addresses")
    matcher = xds_extension_pb2.TypedExtensionConfig(name="ip", typed_config=packed(ranges))
    return _List.Predicate(single_predicate=_List.Predicate.SinglePredicate(input=_SOURCE, custom_match=matcher))


def _range(text: str) -> address_pb2.CidrRange:
    address, _, length = text.partition("/")
    return address_pb2.CidrRange(address_prefix=address, prefix_len=wrappers_pb2.UInt32Value(value=int(length)))
