"""The enforcement chain: what every call to a tenant passes, once per tenant, in the route configuration.

In order: what the log has of headers, scrub, one credential, what is handed on of it, verify, who calls, right kind, right audience, in
force, from where, until when, granted, scopes, how large, plan, what callers are told, within limits of the caller, the API and the tenant,
identify, mark. What removes access is looked up in tables, so that five thousand subscriptions or API keys cost no more than one.
"""

from collections.abc import Sequence
from email.utils import formatdate
from typing import TypeAlias

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2, substitution_format_string_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2 as state_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from google.protobuf.any_pb2 import Any
from xds.type.matcher.v3 import matcher_pb2

from gateway.envoy import credentials, limits, logged, mcp, policies, rbac
from gateway.envoy.extensions import FilterChainConfigPerRoute, extension, packed
from gateway.envoy.names import (
    API,
    APPLICATION_HEADER,
    ATTEMPT_HEADERS,
    CALLED,
    CALLED_API,
    CALLER,
    CLAIMS,
    CREDENTIAL,
    DOOR,
    DOOR_HEADER,
    GRANT_PREFIX,
    IDENTITY_HEADERS,
    JWT,
    KEY_HEADER,
    KEY_TYPE,
    NEEDED,
    PASSED,
    PLAN_HEADER,
    PLAN_PREFIX,
    PORTICO,
    RBAC,
    SCOPES,
    SUBSCRIPTION_HEADER,
    TENANT_HEADER,
    TOKEN_ID,
    TOLD_PREFIX,
    UNTIL_PREFIX,
)
from gateway.envoy.state import Access, ApiKey, Grant, Tenant
from keys.tokens import API_KEY_TYPE

Extension: TypeAlias = extension_pb2.TypedExtensionConfig
# Every step, in order; the compiler refuses a chain that is not these. Of the optional ones a tenant has those that it needs.
OPTIONAL = ("logged", "handed", "addresses", "until", "request_too_large", "length_required", "api_limited", "tenant_limited")
STEPS = (
    "logged",
    "scrub",
    "two_credentials",
    "handed",
    "verify",
    "caller",
    "token_wrong_kind",
    "token_wrong_audience",
    "in_force",
    "addresses",
    "until",
    "granted",
    "scope_missing",
    "request_too_large",
    "length_required",
    "planned",
    "told",
    "limited",
    "api_limited",
    "tenant_limited",
    "identify",
    "mark",
)


def _claim(name: str) -> str:
    return f"%DYNAMIC_METADATA({JWT}:{CLAIMS}:{name})%"


# What there is not, as Envoy formats it.
ABSENT = "-"
# What is remembered of each verified call. Its path is the one that routes went by, whatever x-envoy-original-path says.
CALL = {
    KEY_TYPE: f"%DYNAMIC_METADATA({JWT}:{KEY_HEADER}:typ)%",
    CALLED_API: f"%METADATA(ROUTE:{PORTICO}:{API})%",
    CREDENTIAL: _claim("cid"),
    TOKEN_ID: _claim("jti"),
    CALLER: f"%METADATA(ROUTE:{PORTICO}:{API})%/{_claim('sub')}",
    CALLED: "%PATH(NQ:PATH)%",
}
# And where a plan includes some scopes only.
NEEDS = {NEEDED: f"%METADATA(ROUTE:{PORTICO}:{SCOPES})%"}
# And where the tenant has hosts of its own: whose call it is, which its path does not say there.
AT_OWN_HOST = f"%REQ({DOOR_HEADER})%"
MARK = {PASSED: "yes"}


def chain(tenant: Tenant) -> Any:
    """`FilterChainConfigPerRoute` for the gate, as Any."""
    access = tenant.access
    limited = any(grant.scopes for grant in access.grants)
    steps = [
        *logged.headers(tenant.logged),
        _scrub(),
        rbac.denial("TWO_CREDENTIALS", credentials.two()),
        *([_remember("handed", mcp.HANDED_ON)] if mcp.is_served(tenant) else []),
        extension("verify", credentials.verification(tenant)),
        _remember("caller", CALL | (NEEDS if limited else {}) | ({DOOR: f"{tenant.slug} {AT_OWN_HOST}"} if tenant.own_hosts else {})),
        rbac.denial("TOKEN_WRONG_KIND", rbac.negated(credentials.of_right_kind(tenant))),
        rbac.denial("TOKEN_WRONG_AUDIENCE", rbac.negated(credentials.for_audience(tenant))),
        _in_force(access),
        *policies.addresses(tenant),
        *_until(access),
        _granted(tenant),
        rbac.denial("SCOPE_MISSING", credentials.lacks_scopes(tenant)),
        *policies.sizes(tenant),
        _planned(tenant),
        limits.told(),
        limits.of_callers(tenant),
        *limits.of_apis(tenant),
        *limits.of_the_tenant(tenant),
        _identify(tenant.slug),
        _remember("mark", MARK),
    ]
    per_route = FilterChainConfigPerRoute()
    per_route.filter_chain.filters.extend(steps)
    return packed(per_route)


def caller(grant: Grant) -> str:
    """The grant table's key: API and client id, of an access token as of an API key."""
    return f"{grant.api}/{grant.client_id}"


def _scrub() -> Extension:
    return _headers("scrub", [mutation_rules_pb2.HeaderMutation(remove=name) for name in (*IDENTITY_HEADERS, *ATTEMPT_HEADERS)])


def _in_force(access: Access) -> Extension:
    """An API key has to be known and to work; an access token passes unless it, or the credential that earned it, was revoked."""
    api_keys = {key.id: _api_key(key) for key in access.api_keys}
    known = rbac.table(TOKEN_ID, api_keys, rbac.verdict("KEY_UNKNOWN", rbac.DENY))
    revoked = rbac.verdict("TOKEN_REVOKED", rbac.DENY)
    # The explicit ALLOW: without it whatever is in no table would be refused.
    one_by_one = rbac.table(TOKEN_ID, dict.fromkeys(access.revoked_tokens, revoked), rbac.verdict("not_revoked"))
    tokens = rbac.table(CREDENTIAL, dict.fromkeys(access.revoked_credentials, revoked), rbac.further(one_by_one))
    kinds = {API_KEY_TYPE: rbac.further(known), ABSENT: rbac.further(tokens)}
    return extension("in_force", rbac.decision(rbac.table(KEY_TYPE, kinds, rbac.verdict("TOKEN_WRONG_KIND", rbac.DENY)), "in_force_"))


def _api_key(key: ApiKey) -> matcher_pb2.Matcher.OnMatch:
    return rbac.verdict(key.refusal, rbac.DENY) if key.refusal else rbac.verdict("works")


def _until(access: Access) -> list[Extension]:
    """Refuses nobody: it looks up when whoever is refused for now may call again, for the refusal's Retry-After."""
    dates = {caller(grant): rbac.verdict(formatdate(grant.until, usegmt=True)) for grant in access.grants if grant.until}
    return [extension("until", rbac.decision(rbac.table(CALLER, dates, rbac.verdict("-")), UNTIL_PREFIX))] if dates else []


def _granted(tenant: Tenant) -> Extension:
    needed = credentials.requirements(tenant)
    verdicts = {caller(grant): _grant(grant, needed) for grant in tenant.access.grants}
    matcher = rbac.table(CALLER, verdicts, rbac.verdict("SUBSCRIPTION_REQUIRED", rbac.DENY))
    return extension("granted", rbac.decision(matcher, GRANT_PREFIX))


def _grant(grant: Grant, needed: Sequence[str]) -> matcher_pb2.Matcher.OnMatch:
    """:param needed: what the tenant's operations need, each different one."""
    if grant.refusal:
        return rbac.verdict(grant.refusal, rbac.DENY)
    granted = rbac.verdict(grant.subscription)
    if not grant.scopes:
        return granted
    beyond = rbac.verdict("SCOPE_NOT_IN_PLAN", rbac.DENY)
    verdicts = {each: granted if credentials.is_within(each, grant.scopes) else beyond for each in needed}
    # Of what is not listed here nobody knows that the plan includes it.
    return rbac.further(rbac.table(NEEDED, {ABSENT: granted, **verdicts}, beyond))


def _planned(tenant: Tenant) -> Extension:
    """Refuses nobody: it looks up the plan's name for the upstream, and its limit for the caller. A header can't be cut out of the grant's
    name.
    """
    grants = [grant for grant in tenant.access.grants if not grant.refusal]
    plans = {caller(grant): rbac.verdict(grant.plan) for grant in grants}
    told = {caller(grant): rbac.verdict(limits.policy(grant, tenant.gateways)) for grant in grants}
    names, policies = rbac.table(CALLER, plans, rbac.verdict("-")), rbac.table(CALLER, told, rbac.verdict("-"))
    return extension("planned", rbac.beside(rbac.decision(names, PLAN_PREFIX), policies, TOLD_PREFIX))


def _identify(slug: str) -> Extension:
    """Tell the upstream who calls, and give it neither the token nor the key."""
    told = {
        TENANT_HEADER: slug,
        APPLICATION_HEADER: _claim("sub"),
        SUBSCRIPTION_HEADER: _verdict(GRANT_PREFIX),
        PLAN_HEADER: _verdict(PLAN_PREFIX),
    }
    removed = [mutation_rules_pb2.HeaderMutation(remove=name) for name in ("authorization", credentials.API_KEY_HEADER)]
    return _headers("identify", [*removed, *(_put(name, value) for name, value in told.items())])


def _put(name: str, value: str) -> mutation_rules_pb2.HeaderMutation:
    option = base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=name, value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return mutation_rules_pb2.HeaderMutation(append=option)


def _headers(name: str, mutations: Sequence[mutation_rules_pb2.HeaderMutation]) -> Extension:
    return extension(name, header_mutation_pb2.HeaderMutation(mutations=header_mutation_pb2.Mutations(request_mutations=mutations)))


def _remember(name: str, states: dict[str, str]) -> Extension:
    values = [
        state_pb2.FilterStateValue(
            object_key=key,
            factory_key="envoy.string",
            format_string=substitution_format_string_pb2.SubstitutionFormatString(
                text_format_source=base_pb2.DataSource(inline_string=text)
            ),
        )
        for key, text in states.items()
    ]
    return extension(name, set_filter_state_pb2.Config(on_request_headers=values))


def _verdict(prefix: str) -> str:
    return f"%DYNAMIC_METADATA({RBAC}:{rbac.decided(prefix)})%"
