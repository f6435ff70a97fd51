"""How many calls pass: token buckets, each a gateway's share of a limit, and what callers are told of theirs.

A caller's bucket is asked first, then the API's, then the tenant's, so that what is refused earlier takes nothing from what others share;
a call that the API or the tenant refuses is counted against its caller. Only limits that are set have a step.

Callers are told of their own bucket: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) beside `x-ratelimit-*`.
How full a bucket is that they share with others would tell what the others do, so of it they hear when it is empty, and not before.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import TypeAlias

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.type.metadata.v3 import metadata_pb2
from envoy.type.v3 import percent_pb2, token_bucket_pb2
from google.protobuf import duration_pb2, wrappers_pb2
from google.protobuf.any_pb2 import Any

from gateway.envoy.extensions import FilterChainConfigPerRoute, extension, packed
from gateway.envoy.names import (
    API,
    ASKED,
    CLAIMS,
    EMPTY_HEADER,
    JWT,
    POLICY,
    POLICY_HEADER,
    PORTICO,
    RATE_HEADER,
    RBAC,
    REFUSAL_HEADER,
    RESERVED,
    TOKENS_LIMITED,
)
from gateway.envoy.state import AddressLimit, Grant, Tenant

# LocalRateLimit.enable_retry_after_header (field 19, bool), which xds-protos does not know yet.
RETRY_AFTER = bytes([0x98, 0x01, 0x01])
UNLIMITED = 1_000_000_000
_LocalRateLimit: TypeAlias = local_rate_limit_pb2.LocalRateLimit
_Descriptor: TypeAlias = ratelimit_pb2.LocalRateLimitDescriptor
_Entry: TypeAlias = ratelimit_pb2.RateLimitDescriptor.Entry
_Action: TypeAlias = route_pb2.RateLimit.Action
_MetaData: TypeAlias = route_pb2.RateLimit.Action.MetaData
_Option: TypeAlias = base_pb2.HeaderValueOption
_LEFT = "%RESP(X-RATELIMIT-REMAINING)%"
_Extension: TypeAlias = extension_pb2.TypedExtensionConfig


def share(most: int, gateways: int) -> int:
    """Of so many calls what one of the gateways lets pass at once: an equal part, rounded up, so never less than one."""
    return ceil(most / max(gateways, 1))


def policy(grant: Grant, gateways: int) -> str:
    """An item of RateLimit-Policy: what this gateway lets its caller have."""
    burst = share(grant.burst or grant.calls, gateways)
    calls = share(grant.calls, gateways)
    return f'"plan";q={calls};w={grant.seconds}' + (f";portico-burst={burst}" if burst < calls else "")


def of_callers(tenant: Tenant) -> _Extension:
    """One explicit bucket per caller and API: wildcard descriptors live in a cache, and leaving it refills them."""
    actions = [_from("api", _route(API)), _from("caller", _claim("sub"))]
    buckets = [
        _Descriptor(
            entries=[_Entry(key="api", value=grant.api), _Entry(key="caller", value=grant.client_id)],
            token_bucket=bucket(grant.calls, grant.seconds, burst=grant.burst, gateways=tenant.gateways),
        )
        for grant in sorted(tenant.access.grants, key=lambda each: f"{each.api}/{each.client_id}")
        if not grant.refusal
    ]
    whole = _limit("limit", bucket(UNLIMITED, 1), actions, buckets)
    whole.response_headers_to_add.append(_option(EMPTY_HEADER, '"plan";r=0'))
    whole.enable_x_ratelimit_headers = ratelimit_pb2.DRAFT_VERSION_03
    return extension("limited", whole, RETRY_AFTER)


def of_apis(tenant: Tenant) -> Iterator[_Extension]:
    """The step that protects upstreams; none where no API has a ceiling."""
    ceilings = {each.api: each.policies for each in tenant.routes or () if each.policies.max_calls}
    if ceilings:
        buckets = [
            _Descriptor(
                entries=[_Entry(key="api", value=api)],
                token_bucket=bucket(ceilings[api].max_calls, ceilings[api].max_calls_seconds, gateways=tenant.gateways),
            )
            for api in sorted(ceilings)
        ]
        whole = _limit("api_limit", bucket(UNLIMITED, 1), [_from("api", _route(API))], buckets)
        whole.response_headers_to_add.extend(_refusing("API_LIMITED", "api"))
        yield extension("api_limited", whole, RETRY_AFTER)


def of_the_tenant(tenant: Tenant) -> Iterator[_Extension]:
    """The step that keeps a tenant within what the platform's operators allow; none without a ceiling."""
    if tenant.max_calls:
        whole = _limit("tenant_limit", bucket(tenant.max_calls, 1, gateways=tenant.gateways))
        whole.response_headers_to_add.extend(_refusing("TENANT_LIMITED", "tenant"))
        yield extension("tenant_limited", whole, RETRY_AFTER)


def of_tokens(tenant: Tenant) -> Any | None:
    """`FilterChainConfigPerRoute` of what stands behind an AI API's chain: a bucket for each caller of a plan with so many tokens a minute.

    Once per tenant, or each endpoint would have buckets of its own. What a call takes stands in metadata by then, and calls of other
    APIs have no bucket. None where no plan limits tokens.
    """
    served = {version.api for version in tenant.routes or () if version.ai}
    limited = [each for each in tenant.access.grants if each.tokens_per_minute and not each.refusal and each.api in served]
    if not limited:
        return None
    buckets = [
        _Descriptor(
            entries=[_Entry(key="api", value=grant.api), _Entry(key="caller", value=grant.client_id)],
            token_bucket=bucket(grant.tokens_per_minute, 60, gateways=tenant.gateways),
        )
        for grant in sorted(limited, key=lambda each: f"{each.api}/{each.client_id}")
    ]
    whole = _limit("tokens", bucket(UNLIMITED, 1), [_from("api", _route(API)), _from("caller", _claim("sub"))], buckets)
    whole.rate_limits[0].hits_addend.format = f"%DYNAMIC_METADATA({ASKED}:{RESERVED})%"
    whole.response_headers_to_add.extend(_refusing("TOKENS_LIMITED"))
    per_route = FilterChainConfigPerRoute()
    per_route.filter_chain.filters.append(extension(TOKENS_LIMITED, whole, RETRY_AFTER))
    return packed(per_route)


def are_tokens(config: Any) -> bool:
    """It is that, and nothing else."""
    steps = FilterChainConfigPerRoute.FromString(config.value).filter_chain.filters
    return [(step.name, step.typed_config.Is(_LocalRateLimit.DESCRIPTOR)) for step in steps] == [(TOKENS_LIMITED, True)]


def of_addresses(most: AddressLimit) -> local_rate_limit_pb2.LocalRateLimit:
    """The listener's, before anything else is done for a call: a bucket per IPv4 address and per /64 of IPv6.

    They are made as addresses come, `most.kept` of them, those that were used last; whoever was forgotten begins with a full one. Not
    divided among gateways: it is this one's processor that it protects.
    """
    masked = _Action.MaskedRemoteAddress(
        v4_prefix_mask_len=wrappers_pb2.UInt32Value(value=32), v6_prefix_mask_len=wrappers_pb2.UInt32Value(value=64)
    )
    # An entry without a value stands for any.
    any_address = _Descriptor(entries=[_Entry(key="masked_remote_address")], token_bucket=bucket(most.calls, 1, burst=most.burst))
    whole = _limit("address_limit", bucket(UNLIMITED, 1), [_Action(masked_remote_address=masked)], [any_address])
    whole.max_dynamic_descriptors.value = most.kept
    whole.response_headers_to_add.extend(_refusing("ADDRESS_LIMITED"))
    return whole


def told() -> _Extension:
    """What callers are told. It stands before the buckets, for answers pass the steps backwards: what those said is there by then.

    Envoy writes no header without a value, so where no bucket was asked there is nothing. An expression that decides would cost each call
    more than all of this. `t` is when the next call passes, and stands on refusals: while calls pass there is nothing to wait for.
    """
    if_there = _Option.OVERWRITE_IF_EXISTS
    mutations = [
        _put(RATE_HEADER, _LEFT),
        _put(RATE_HEADER, f'"plan";r={_LEFT}', where=if_there),
        _put(EMPTY_HEADER, f"%RESP({EMPTY_HEADER})%;t=%RESP(RETRY-AFTER)%", where=if_there),
        _put(RATE_HEADER, f"%RESP({EMPTY_HEADER})%"),
        mutation_rules_pb2.HeaderMutation(remove=EMPTY_HEADER),
        _put(POLICY_HEADER, f"%DYNAMIC_METADATA({RBAC}:{POLICY})%"),
    ]
    return extension("told", header_mutation_pb2.HeaderMutation(mutations=header_mutation_pb2.Mutations(response_mutations=mutations)))


def bucket(calls: int, seconds: int, *, burst: int = 0, gateways: int = 1) -> token_bucket_pb2.TokenBucket:
    """So many at once, each gateway its share; what fills it again is exactly a gateway's part, whatever the share was rounded to.

    :param burst: how many at once; 0 for as many as `calls`.
    """
    return token_bucket_pb2.TokenBucket(
        max_tokens=share(burst or calls, gateways),
        tokens_per_fill=wrappers_pb2.UInt32Value(value=calls),
        fill_interval=duration_pb2.Duration(seconds=seconds * max(gateways, 1)),
    )


def _limit(
    prefix: str, otherwise: token_bucket_pb2.TokenBucket, actions: Sequence[_Action] = (), buckets: Sequence[_Descriptor] = ()
) -> _LocalRateLimit:
    """:param otherwise: the bucket of calls that none of the others is for."""
    everything = percent_pb2.FractionalPercent(numerator=100)
    enabled = base_pb2.RuntimeFractionalPercent(default_value=everything)
    return _LocalRateLimit(
        stat_prefix=prefix,
        filter_enabled=enabled,
        filter_enforced=enabled,
        token_bucket=otherwise,
        always_consume_default_token_bucket=wrappers_pb2.BoolValue(value=False),
        rate_limits=[route_pb2.RateLimit(actions=actions)] if actions else [],
        descriptors=buckets,
    )


def _refusing(code: str, name: str = "") -> list[_Option]:
    """What is on refusals of this step alone, which Envoy itself tells from no other step's."""
    empty = [_option(EMPTY_HEADER, f'"{name}";r=0')] if name else []
    return [_option(REFUSAL_HEADER, code), *empty]


def _from(key: str, found: _MetaData) -> _Action:
    found.descriptor_key = key
    return _Action(metadata=found)


def _route(name: str) -> _MetaData:
    return _MetaData(source=_MetaData.ROUTE_ENTRY, metadata_key=_metadata_key(PORTICO, name))


def _claim(name: str) -> _MetaData:
    return _MetaData(metadata_key=_metadata_key(JWT, CLAIMS, name))


def _metadata_key(name: str, *path: str) -> metadata_pb2.MetadataKey:
    return metadata_pb2.MetadataKey(key=name, path=[metadata_pb2.MetadataKey.PathSegment(key=part) for part in path])


def _put(name: str, value: str, *, where: int = _Option.OVERWRITE_IF_EXISTS_OR_ADD) -> mutation_rules_pb2.HeaderMutation:
    return mutation_rules_pb2.HeaderMutation(append=_option(name, value, where=where))


def _option(name: str, value: str, *, where: int = _Option.OVERWRITE_IF_EXISTS_OR_ADD) -> _Option:
    return _Option(header=base_pb2.HeaderValue(key=name, value=value), append_action=where)
