"""What a call proves itself with: an access token, or an API key. How each is verified, and what has to be right about it.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as jwt_pb2
from google.protobuf import duration_pb2

from gateway.envoy import rbac
from gateway.envoy.names import API, CLAIMS, CLAIMS_HEADER, KEY, KEY_HEADER, SCOPES, TOKEN, TOKEN_HEADER
from gateway.envoy.state import Operation, Tenant
from keys.tokens import ACCESS_TOKEN_TYPE, API_KEY_TYPE, MAX_LIFETIME, api_key_prefix

Jwks = Sequence[Mapping[str, str]]
# A portal whose clock is a little ahead issues tokens that seem to live longer than they do.
CLOCK_DIFFERENCE = 60
CLOCK_SKEW = 5
JWT_CACHE = 1_000
BEARER = "Bearer "
API_KEY_HEADER = "x-api-key"
PREFIXES = tuple(map(api_key_prefix, ("live", "test")))
# Whose header stands where.
HEADERS = {TOKEN: TOKEN_HEADER, KEY: KEY_HEADER}


def verification(tenant: Tenant) -> jwt_pb2.JwtAuthentication:
    """Every call has a verified token or API key; what no key could have signed is looked for by nobody."""
    providers = {}
    if tenant.access.jwks:
        providers[TOKEN] = _tokens(tenant)
    if tenant.access.api_key_jwks:
        providers[KEY] = _api_keys(tenant.access.api_key_jwks)
    return jwt_pb2.JwtAuthentication(providers=providers, rules=[everywhere(providers)])


def everywhere(providers: Iterable[str]) -> jwt_pb2.RequirementRule:
    """One of them, on every path. Tokens come first: what is verified ends the search."""
    found = [jwt_pb2.JwtRequirement(provider_name=name) for name in (TOKEN, KEY) if name in providers]
    needed = found[0] if len(found) == 1 else jwt_pb2.JwtRequirement(requires_any=jwt_pb2.JwtRequirementOrList(requirements=found))
    return jwt_pb2.RequirementRule(match=route_pb2.RouteMatch(prefix="/"), requires=needed)


def _tokens(tenant: Tenant) -> jwt_pb2.JwtProvider:
    provider = _provider(TOKEN, tenant.access.jwks, [("authorization", BEARER)])
    provider.issuer = tenant.issuer
    provider.max_lifetime.CopyFrom(duration_pb2.Duration(seconds=MAX_LIFETIME + CLOCK_DIFFERENCE))
    provider.claim_to_headers.add(header_name=CLAIMS_HEADER, claim_name="enc")
    if requirements(tenant):
        provider.normalize_payload_in_metadata.space_delimited_claims.append("scope")
    return provider


def _api_keys(jwks: Jwks) -> jwt_pb2.JwtProvider:
    """They are short: no issuer, no audience, and no limit but their end. What they may do stands in tables."""
    places = [(name, before + prefix) for name, before in (("authorization", BEARER), (API_KEY_HEADER, "")) for prefix in PREFIXES]
    return _provider(KEY, jwks, places)


def _provider(name: str, jwks: Jwks, places: Iterable[tuple[str, str]]) -> jwt_pb2.JwtProvider:
    return jwt_pb2.JwtProvider(
        local_jwks=base_pb2.DataSource(inline_string=json.dumps({"keys": [dict(key) for key in jwks]}, sort_keys=True)),
        from_headers=[jwt_pb2.JwtHeader(name=header, value_prefix=prefix) for header, prefix in places],
        forward=False,
        require_expiration=True,
        clock_skew_seconds=CLOCK_SKEW,
        payload_in_metadata=CLAIMS,
        header_in_metadata=HEADERS[name],
        jwt_cache_config=jwt_pb2.JwtCacheConfig(jwt_cache_size=JWT_CACHE),
    )


def two() -> rbac.Principal:
    """The gateway would look at one of them, and which is not for the caller to guess."""
    return rbac.every(rbac.sends("authorization"), rbac.sends(API_KEY_HEADER))


def is_api_key() -> rbac.Principal:
    return rbac.equals(KEY_HEADER, "typ", API_KEY_TYPE)


def of_right_kind(tenant: Tenant) -> rbac.Principal:
    access = tenant.access
    return rbac.either(_kind(TOKEN_HEADER, ACCESS_TOKEN_TYPE, access.jwks), _kind(KEY_HEADER, API_KEY_TYPE, access.api_key_jwks))


def _kind(header: str, typ: str, jwks: Jwks) -> rbac.Principal:
    """What jwt_authn does not look at: the type, a key id, and no critical extension (RFC 8725 §3.11); and the algorithm once more."""
    return rbac.every(
        rbac.equals(header, "typ", typ),
        rbac.either(*(rbac.equals(header, "alg", alg) for alg in sorted({key["alg"] for key in jwks}))),
        rbac.present(header, "kid"),
        rbac.negated(rbac.present(header, "crit")),
    )


def for_audience(tenant: Tenant) -> rbac.Principal:
    """For the tenant's gateway, or narrowed to the API that is called (RFC 8707). API keys have no audience."""
    narrowed = (
        rbac.every(rbac.route_says(API, rbac.exactly(api)), rbac.either(*(_names(f"{each}/{api}") for each in tenant.audiences)))
        for api in sorted({version.api for version in tenant.routes or ()})
    )
    return rbac.either(is_api_key(), *map(_names, tenant.audiences), *narrowed)


def _names(audience: str) -> rbac.Principal:
    return rbac.either(rbac.equals(CLAIMS, "aud", audience), rbac.holds(CLAIMS, "aud", audience))


def requirement(operation: Operation) -> str:
    """What the operation's route says of the scopes that it needs: one alternative a line; "" if it needs none.

    No scope holds a space or the end of a line (RFC 6749 §3.3).
    """
    if not all(operation.scopes):
        return ""
    return "\n".join(sorted({" ".join(sorted(set(scopes))) for scopes in operation.scopes}))


def requirements(tenant: Tenant) -> list[str]:
    """Each different one: it is these that a call pays for, not the operations."""
    return sorted({requirement(operation) for version in tenant.routes or () for operation in version.operations} - {""})


def is_within(needed: str, scopes: Collection[str]) -> bool:
    """Whether these are enough for one of the alternatives of a `requirement`."""
    return any(set(line.split(" ")) <= set(scopes) for line in needed.split("\n"))


def lacks_scopes(tenant: Tenant) -> rbac.Principal:
    """The route needs scopes that the token has not; one that needs what is not listed here is met by no token. API keys have no scopes."""
    met = (rbac.every(rbac.route_says(SCOPES, rbac.exactly(needed)), _meets(needed)) for needed in requirements(tenant))
    return rbac.every(rbac.route_says(SCOPES, rbac.PRESENT), rbac.negated(is_api_key()), rbac.negated(rbac.either(*met)))


def _meets(needed: str) -> rbac.Principal:
    lines = needed.split("\n")
    return rbac.either(*(rbac.every(*(rbac.holds(CLAIMS, "scope", scope) for scope in line.split(" "))) for line in lines))
