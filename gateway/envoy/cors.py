"""Which pages of other origins may call an API from a browser: a policy per route, read by the filter before the gate.

Envoy's filter passes over answers that a route gives by itself, so what answers 404 and 405 for such an API is a route to
a cluster that does not exist: the filter sees its policy, and it reaches nothing.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/cors_filter
"""

from collections.abc import Sequence

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import wrappers_pb2

from gateway.envoy.extensions import packed
from gateway.envoy.names import CORS, MOCK_HEADER, REFUSAL_HEADER

# What a page may send, and what it may read, besides what every page may (Fetch Standard, CORS-safelisted headers).
ALLOWED = ("accept", "authorization", "content-type", "idempotency-key", "x-api-key", "x-request-id")
# And what the SDKs of AI providers send from a page.
SDKS = (
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "openai-beta",
    *(
        f"x-stainless-{name}"
        for name in ("arch", "helper-method", "lang", "os", "package-version", "retry-count", "runtime", "runtime-version", "timeout")
    ),
)
EXPOSED = (
    "deprecation",
    "link",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "sunset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    MOCK_HEADER,
    REFUSAL_HEADER,
    "x-request-id",
)
MAX_AGE = 600
_VARY = base_pb2.HeaderValue(key="vary", value="Origin")
# Taken off what an upstream answers: for such an API only the gateway says who may read.
ANSWERED = (
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
)


def policy(origins: Sequence[str], methods: Sequence[str], *, allowed: Sequence[str] = ALLOWED) -> cors_pb2.CorsPolicy:
    """:param origins: in their normal form; "*" alone is every origin, which Envoy takes for that as well."""
    return cors_pb2.CorsPolicy(
        allow_origin_string_match=[string_pb2.StringMatcher(exact=origin) for origin in sorted(origins)],
        allow_methods=", ".join(sorted(set(methods))),
        allow_headers=", ".join(allowed),
        expose_headers=", ".join(EXPOSED),
        max_age=str(MAX_AGE),
        allow_credentials=wrappers_pb2.BoolValue(value=False),
    )


def portal_policy(origin: str, methods: Sequence[str]) -> cors_pb2.CorsPolicy:
    """For all routes of a tenant that have no policy of their own. Its pages send whatever header a document asks for."""
    return policy([origin], methods, allowed=(*ALLOWED, "*"))


def is_the_portals(policy: cors_pb2.CorsPolicy, origin: str, methods: Sequence[str]) -> bool:
    """It is that, and nothing wider."""
    return bool(origin) and origin != "*" and policy == portal_policy(origin, methods)


def apply(policy: cors_pb2.CorsPolicy, route: route_pb2.Route) -> None:
    """The route answers pages of the policy's origins. Answers differ by origin, and caches have to know."""
    route.typed_per_filter_config[CORS].CopyFrom(packed(policy))
    route.response_headers_to_add.add(header=_VARY)


def apply_to_answer(origins: Sequence[str], route: route_pb2.Route) -> None:
    """What the filter would say, where the route answers by itself and the filter passes it over: nothing to other origins.

    Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/substitution_formatter (CEL); a header without a value
    is not sent.
    """
    named = ", ".join(f"'{origin}'" for origin in sorted(origins))
    allowed = "'origin' in request.headers" if "*" in origins else f"request.headers['origin'] in [{named}]"
    said = {"access-control-allow-origin": "request.headers['origin']", "access-control-expose-headers": f"'{', '.join(EXPOSED)}'"}
    for name, value in said.items():
        route.response_headers_to_add.add(header=base_pb2.HeaderValue(key=name, value=f"%CEL({allowed} ? {value} : '')%"))
    route.response_headers_to_add.add(header=_VARY)


def is_narrow(policy: cors_pb2.CorsPolicy) -> bool:
    """It names origins and methods one by one, lends no credentials, and answers nobody else's preflight."""
    lenient = policy.allow_credentials.value or policy.allow_private_network_access.value
    switched = policy.HasField("filter_enabled") or policy.HasField("shadow_enabled")
    keeps = policy.HasField("forward_not_matching_preflights") and not policy.forward_not_matching_preflights.value
    named = all(matcher.exact for matcher in policy.allow_origin_string_match) and bool(policy.allow_origin_string_match)
    listed = policy.allow_methods and "*" not in policy.allow_methods and "*" not in policy.allow_headers
    return bool(named and listed) and not (lenient or switched or keeps)
