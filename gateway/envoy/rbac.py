"""RBAC filters: one denial per filter, and tables that cost one hash look-up."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from envoy.config.core.v3 import extension_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as filter_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2, value_pb2
from envoy.type.v3 import range_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from gateway.envoy.extensions import extension, packed
from gateway.envoy.names import JWT, PORTICO

Principal: TypeAlias = rbac_pb2.Principal
Extension: TypeAlias = extension_pb2.TypedExtensionConfig
ALLOW, DENY = rbac_pb2.RBAC.ALLOW, rbac_pb2.RBAC.DENY
# Envoy refuses an empty exact_match_map, so each carries this entry; no key of ours can be it.
RESERVED = "!"
PRESENT = value_pb2.ValueMatcher(present_match=True)
NOBODY = Principal(not_id=Principal(any=True))


def claim(namespace: str, name: str, value: value_pb2.ValueMatcher) -> Principal:
    """A claim (or header) of a verified token, as jwt_authn left it in the metadata."""
    return Principal(metadata=_at(JWT, (namespace, name), value))


def route_says(name: str, value: value_pb2.ValueMatcher) -> Principal:
    """What the call's route bears in its metadata."""
    matcher = _at(PORTICO, (name,), value)
    return Principal(sourced_metadata=rbac_pb2.SourcedMetadata(metadata_matcher=matcher, metadata_source=rbac_pb2.ROUTE))


def _at(namespace: str, path: Sequence[str], value: value_pb2.ValueMatcher) -> metadata_pb2.MetadataMatcher:
    segments = [metadata_pb2.MetadataMatcher.PathSegment(key=key) for key in path]
    return metadata_pb2.MetadataMatcher(filter=namespace, path=segments, value=value)


def noted(namespace: str, name: str, value: value_pb2.ValueMatcher) -> Principal:
    """What a step before left in metadata of its own."""
    return Principal(metadata=_at(namespace, (name,), value))


def sends(header: str) -> Principal:
    return Principal(header=route_pb2.HeaderMatcher(name=header, present_match=True))


def length_beyond(most: int) -> Principal:
    """It says that its body is longer, in bytes, or says what is no length."""
    within = range_pb2.Int64Range(start=0, end=most + 1)
    header = route_pb2.HeaderMatcher(name="content-length", range_match=within, invert_match=True)
    return every(sends("content-length"), Principal(header=header))


def of_method(methods: Sequence[str]) -> Principal:
    return either(*(Principal(header=_exact(":method", method)) for method in methods))


def _exact(header: str, text: str) -> route_pb2.HeaderMatcher:
    return route_pb2.HeaderMatcher(name=header, string_match=string_pb2.StringMatcher(exact=text))


def present(namespace: str, name: str) -> Principal:
    return claim(namespace, name, PRESENT)


def exactly(text: str) -> value_pb2.ValueMatcher:
    return value_pb2.ValueMatcher(string_match=string_pb2.StringMatcher(exact=text))


def equals(namespace: str, name: str, text: str) -> Principal:
    return claim(namespace, name, exactly(text))


def holds(namespace: str, name: str, text: str) -> Principal:
    """The claim is a list with this text in it."""
    return claim(namespace, name, value_pb2.ValueMatcher(list_match=value_pb2.ListMatcher(one_of=exactly(text))))


def every(*principals: Principal) -> Principal:
    return Principal(and_ids=Principal.Set(ids=principals))


def either(*principals: Principal) -> Principal:
    """Envoy refuses a choice of nothing, so that is nobody."""
    return Principal(or_ids=Principal.Set(ids=principals)) if principals else NOBODY


def negated(principal: Principal) -> Principal:
    return Principal(not_id=principal)


def denial(code: str, when: Principal) -> Extension:
    """Refuse with `code`. One policy per filter: with several, Envoy reports the wrong one's name."""
    policy = rbac_pb2.Policy(permissions=[rbac_pb2.Permission(any=True)], principals=[when])
    rules = rbac_pb2.RBAC(action=DENY, policies={code: policy})
    return extension(code.lower(), filter_pb2.RBAC(rules=rules, rules_stat_prefix=f"{code.lower()}_"))


@lru_cache(maxsize=1_000)
def verdict(name: str, action: int = ALLOW) -> matcher_pb2.Matcher.OnMatch:
    """To be copied and never changed: thousands of callers share a few plans."""
    chosen = rbac_pb2.Action(name=name, action=action)
    return matcher_pb2.Matcher.OnMatch(action=xds_extension_pb2.TypedExtensionConfig(name="verdict", typed_config=packed(chosen)))


def further(matcher: matcher_pb2.Matcher) -> matcher_pb2.Matcher.OnMatch:
    """Another look-up decides."""
    return matcher_pb2.Matcher.OnMatch(matcher=matcher)


def table(key: str, verdicts: Mapping[str, matcher_pb2.Matcher.OnMatch], otherwise: matcher_pb2.Matcher.OnMatch) -> matcher_pb2.Matcher:
    """A look-up of the filter state `key`.

    Filter state, never dynamic metadata: with DynamicMetadataInput an exact_match_map is accepted and never matches.
    """
    state = network_inputs_pb2.FilterStateInput(key=key)
    tree = matcher_pb2.Matcher.MatcherTree(input=xds_extension_pb2.TypedExtensionConfig(name=key, typed_config=packed(state)))
    entries = tree.exact_match_map.map
    entries[RESERVED].CopyFrom(verdict("reserved", DENY))
    for name, found in verdicts.items():
        entries[name].CopyFrom(found)
    return matcher_pb2.Matcher(matcher_tree=tree, on_no_match=otherwise)


def decided(prefix: str) -> str:
    """The key in the metadata of RBAC under which the filter with this prefix leaves the name of its verdict."""
    return f"{prefix}enforced_effective_policy_id"


def decision(matcher: matcher_pb2.Matcher, prefix: str) -> filter_pb2.RBAC:
    """:param prefix: of the metadata keys this filter writes; each RBAC needs its own."""
    return filter_pb2.RBAC(matcher=matcher, rules_stat_prefix=prefix)


def beside(whole: filter_pb2.RBAC, matcher: matcher_pb2.Matcher, prefix: str) -> filter_pb2.RBAC:
    """It looks up something else as well, in the same step: what Envoy calls a shadow decides nothing, and its name is kept."""
    whole.shadow_matcher.CopyFrom(matcher)
    whole.shadow_rules_stat_prefix = prefix
    return whole


def denies_by_default(matcher: matcher_pb2.Matcher) -> bool:
    found = rbac_pb2.Action()
    matcher.on_no_match.action.typed_config.Unpack(found)
    return found.action == DENY and bool(found.name)
