"""A cluster for each key of a provider in each format, whose own filters make a call of ours one of the provider's, attempt by attempt.

They run for each attempt: another provider gets another key, host, path and name of the model. What one attempt changes in the headers
stays for the next, so the first of them takes away whatever another key may have left, and what is no provider's business.

No health checks, no outlier detection, and thresholds that nobody reaches: where a cluster has nobody to call, or as many calls as it may
have, Envoy goes on to no other.
"""

from collections.abc import Iterator

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import wrappers_pb2

from gateway.envoy import clusters
from gateway.envoy.ai.scripts import script
from gateway.envoy.ai.state import Key
from gateway.envoy.extensions import http_filter
from gateway.envoy.names import AI, IDENTITY_HEADERS, REWRITE
from gateway.envoy.state import Tenant, Upstream

CONNECT_MS = 3_000
# As many as there can be.
MOST = 2**32 - 1
# Headers that carry a key anywhere, what else callers send that is for the gateway alone, and by what some servers take a call for another
# than it is: to their files, say, with our key. The request id stays, or answers had none.
CLEANED = (
    "accept-encoding",
    "api-key",
    "authorization",
    "cf-connecting-ip",
    "cookie",
    "forwarded",
    "from",
    "openai-organization",
    "openai-project",
    "origin",
    "proxy-authorization",
    "referer",
    "via",
    "x-api-key",
    "x-goog-api-key",
    "x-goog-user-project",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    *IDENTITY_HEADERS,
)
CLEANED_BEGINNINGS = ("x-envoy-", "x-forwarded-", "x-portico-")


def cluster_name(slug: str, key: Key) -> str:
    return f"{slug}/{AI}/{key.id}/{key.format}/{key.digest}"


def keys(tenant: Tenant) -> list[Key]:
    """Each once, whichever APIs it is of; none while nothing passes, so that no secret lies at a gateway for nothing."""
    found = {
        cluster_name("", key): key for version in tenant.routes or () if version.ai and not tenant.suspended for key in version.ai.keys
    }
    return [found[name] for name in sorted(found)]


def cluster(slug: str, key: Key) -> cluster_pb2.Cluster:
    upstream = _upstream(key)
    context = {"provider": key.provider, "host": upstream.authority(key.host, key.port), "prefix": key.prefix, "usage": key.usage}
    found = clusters.cluster(
        slug, upstream, before=[http_filter("clean", clean())], after=[http_filter(REWRITE, *script("rewrite", context))]
    )
    found.circuit_breakers.thresholds.append(_no_thresholds())
    return found


def _no_thresholds() -> circuit_breaker_pb2.CircuitBreakers.Thresholds:
    """By itself Envoy repeats three calls of a cluster at once: the caller of a fourth would get what the first provider refused with."""
    names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return circuit_breaker_pb2.CircuitBreakers.Thresholds(**{name: wrappers_pb2.UInt32Value(value=MOST) for name in names})


def secrets(slug: str, key: Key) -> Iterator[secret_pb2.Secret]:
    yield from clusters.secrets(slug, _upstream(key))


def clean() -> header_mutation_pb2.HeaderMutation:
    removed = [mutation_rules_pb2.HeaderMutation(remove=name) for name in CLEANED]
    for beginning in CLEANED_BEGINNINGS:
        matched = string_pb2.StringMatcher(prefix=beginning)
        removed.append(
            mutation_rules_pb2.HeaderMutation(remove_on_match=mutation_rules_pb2.HeaderMutation.RemoveOnMatch(key_matcher=matched))
        )
    return header_mutation_pb2.HeaderMutation(mutations=header_mutation_pb2.Mutations(request_mutations=removed))


def _upstream(key: Key) -> Upstream:
    """As the clusters of other APIs are made; of its timeouts routes know, attempt by attempt."""
    return Upstream(
        key=cluster_name("", key)[1:],
        scheme=key.scheme,
        host=key.host,
        port=key.port,
        path="",
        connect_timeout_ms=CONNECT_MS,
        timeout_ms=0,
        addresses=key.addresses,
        header=key.header,
        secret=key.secret,
    )
