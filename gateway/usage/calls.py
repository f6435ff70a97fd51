"""What an access-log entry says of a call. An entry is read once: whatever is counted goes by what was read of it then."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf import wrappers_pb2

from apis.actions import operation_uses, version_days
from apis.actions.version_days import Outcome
from gateway.envoy.doors import is_host
from gateway.envoy.names import (
    BLOCKED_PREFIX,
    BROWN_OUT_PREFIX,
    CALLED,
    CANARY,
    CLAIMS,
    DOOR,
    GRANT_PREFIX,
    JWT,
    KEY_HEADER,
    MCP_PREFIX,
    OPERATION_PREFIX,
    OWN_MCP_PREFIX,
    PLAN_PREFIX,
    RBAC,
    REFUSAL_HEADER,
    TEST_PREFIX,
    canary_path,
)
from gateway.envoy.rbac import decided
from gateway.usage.spent import TO_PROVIDERS, Spent, spent
from tenants.models import HostName, Tenant

# What Envoy says of an answer that the upstream gave, whatever that bears; and of an answer of the route's own.
VIA_UPSTREAM = "via_upstream"
IN_PLACE = "direct_response"
# And of a preflight.
PREFLIGHT = "cors_response"
# And of a call that waited for its tenant, when it begins anew with that tenant's routes: what becomes of it has an entry of its own.
BEGUN_ANEW = "internal_redirect"
# What the gateway says itself where the upstream failed, and where it refuses what the caller asks for and not because it can't.
UNAVAILABLE = "PROVIDER_UNAVAILABLE"
UPSTREAMS = frozenset({UNAVAILABLE, "UPSTREAM_TIMEOUT", "UPSTREAM_UNAVAILABLE"})
CALLERS = frozenset({"UPGRADE_NOT_SUPPORTED"})
# Routes of operations that there are.
_OPERATIONS = (OPERATION_PREFIX, BLOCKED_PREFIX, BROWN_OUT_PREFIX)
_GRANT, _PLAN = decided(GRANT_PREFIX), decided(PLAN_PREFIX)
_Text = wrappers_pb2.StringValue


class Call(NamedTuple):
    """:param slug: the tenant's, or a host of its own where nothing more is known.

    :param verified: whether it brought an access token or API key that the gateway verified.

    :param path: as it was called, without the query, which may hold secrets. :param code: of what the gateway refused, "" if nothing.
    :param credential: the token's cid or the API key's id. :param grant: the verdict's name: the subscription, where it let the call pass.
    :param sent_on: to an upstream, or answered in its place. :param us: how long it took, in microseconds.
    """

    slug: str
    api: str
    version: str
    path: str
    verified: bool
    client_id: str
    credential: str
    route: str
    grant: str
    plan: str
    sent_on: bool
    status: int
    details: str
    code: str
    us: int
    bytes_in: int
    bytes_out: int
    # What a model's provider said of it; None of a call that no model answered.
    spent: Spent | None = None


def read(entry: accesslog_pb2.HTTPAccessLogEntry) -> Call:
    """Nothing that a caller sends is kept at length."""
    common, response = entry.common_properties, entry.response
    metadata, route, details = common.metadata.filter_metadata, common.route_name, response.response_code_details
    # The path that the chain remembered when it had verified the call; the entry's own is the upstream's once the router ran.
    state = common.filter_state_objects
    kept, door, slug = state.get(CALLED), state.get(DOOR), ""
    called = _Text.FromString(kept.value).value if kept is not None else ""
    path = (called or entry.request.path).partition("?")[0][:500]
    if door is not None:
        of, _, host = _Text.FromString(door.value).value.partition(" ")
        # At a host of the tenant's own the path has no slug.
        path = f"/{of}{path}"[:500] if host not in {"", "-"} else path
    elif own := _own_host(common.tls_properties.tls_sni_hostname):
        # Refused before the chain said whose it is. The path has no slug there, so its first part must not be taken for one.
        slug, path = own, f"/{own}{path}"[:500]
    parts = path.split("/", 4)
    client_id = credential = grant = plan = ""
    verified = metadata.get(JWT) if called and len(parts) > 1 else None
    if verified is not None:
        fields = verified.fields
        if CLAIMS in fields:
            claims = fields[CLAIMS].struct_value.fields
            client_id, credential = claims["sub"].string_value[:40], claims["jti" if KEY_HEADER in fields else "cid"].string_value[:40]
        else:
            verified = None
    said = metadata.get(RBAC) if verified is not None else None
    if said is not None:
        fields = said.fields
        if _GRANT in fields:
            grant = fields[_GRANT].string_value
        if _PLAN in fields:
            plan = fields[_PLAN].string_value
    code = response.response_headers.get(REFUSAL_HEADER, "")[:40]
    if details == VIA_UPSTREAM and code and not _is_unavailable(entry, code):
        code = ""
    duration = common.duration
    return Call(
        slug or (parts[1][:40] if len(parts) > 1 else ""),
        # Both or none.
        parts[2][:40] if len(parts) > 3 else "",
        parts[3][:20] if len(parts) > 3 else "",
        path,
        verified is not None,
        client_id,
        credential,
        route[:220],
        grant,
        plan,
        details == VIA_UPSTREAM or _was_sent_on(entry, route, details),
        response.response_code.value,
        details,
        code,
        duration.seconds * 1_000_000 + duration.nanos // 1_000,
        common.downstream_wire_bytes_received,
        common.downstream_wire_bytes_sent,
        spent(common, response.response_code.value) if TO_PROVIDERS in common.upstream_cluster else None,
    )


@lru_cache(maxsize=1_000)
def _own_host(name: str) -> str:
    """Of the name that a handshake asked for: "" where it led to the door of every tenant. No slug has a dot."""
    return name if is_host(name) and name not in settings.GATEWAY_HOSTS else ""


def tenants_of(slugs: Iterable[str]) -> dict[str, UUID]:
    """By what calls say, a slug or a tenant's own host; without those that are nobody's."""
    wanted = list(slugs)
    found = dict(Tenant.objects.filter(slug__in=wanted).values_list("slug", "pk"))
    if hosts := [each for each in wanted if "." in each]:
        found |= dict(HostName.objects.filter(name__in=hosts).values_list("name", "tenant_id"))
    return found


def _is_unavailable(entry: accesslog_pb2.HTTPAccessLogEntry, code: str) -> bool:
    """What the gateway says in place of a provider that refused our key or showed a page; Envoy still calls it the upstream's answer."""
    said = code == UNAVAILABLE and entry.response.response_code.value == 503
    return said and TO_PROVIDERS in entry.common_properties.upstream_cluster


def _was_sent_on(entry: accesslog_pb2.HTTPAccessLogEntry, route: str, details: str) -> bool:
    if details == IN_PLACE:
        return route.startswith((OPERATION_PREFIX, TEST_PREFIX))
    common = entry.common_properties
    return common.HasField("upstream_remote_address") and not common.response_flags.upstream_connection_failure


def caller_of(call: Call) -> tuple[str, str, str] | None:
    """The tenant's slug, the client id and the credential's id behind a verified access token or API key; None without one.

    The tenant is the one whose chain verified it: the path's first segment, by which the gateway chose that chain.
    """
    return (call.slug, call.client_id, call.credential) if call.verified else None


def operation_of(call: Call) -> tuple[str, operation_uses.Called] | None:
    """The tenant's slug, and what was called by whom; None for a call of no operation, and of nobody.

    A refused one counts where only the version's state refused it: that is a call by who may, and would have passed.
    """
    route = call.route
    if not call.verified or not call.version or not route.startswith(_OPERATIONS) or (call.code and route.startswith(OPERATION_PREFIX)):
        return None
    return call.slug, (call.client_id, call.api, call.version, route.partition("/")[2][:200])


def outcome_of(call: Call) -> tuple[str, version_days.Went] | None:
    """The tenant's slug, and how a call of a version went; None where it should not have been answered, or nobody waited for it.

    A version that answers no calls has routes of other names, and so has a revision that is tried; what the gateway answers from
    examples, or refuses for a reason of the caller's, says nothing of the version.
    """
    if not call.verified or not call.version or not call.route.startswith(OPERATION_PREFIX):
        return None
    outcome = _outcome(call)
    return (call.slug, (call.api, call.version, outcome)) if outcome is not None else None


def _outcome(call: Call) -> Outcome | None:
    if call.details == VIA_UPSTREAM:
        return Outcome.FAILED_UPSTREAM if call.status >= 500 else Outcome.ANSWERED if call.status else None
    if call.code:
        ours = Outcome.FAILED_GATEWAY if call.status >= 500 and call.code not in CALLERS else None
        return Outcome.FAILED_UPSTREAM if call.code in UPSTREAMS else ours
    # An answer that had begun and then broke.
    return Outcome.FAILED_UPSTREAM if call.details.startswith("upstream") else None


def passed(call: Call) -> tuple[str, UUID] | None:
    """The tenant's slug, and the subscription that let a call pass which was sent on, or answered in an upstream's place.

    Whoever leaves without waiting for the answer has called; what the gateway refused, or could bring to no upstream, was no call.
    """
    subscription = uuid_of(call.grant) if call.sent_on else None
    return (call.slug, subscription) if subscription else None


def is_no_call(call: Call) -> bool:
    """A preflight that the gateway answered, which is the browser's; control looking with its own eyes; the first half of a call; and what
    an agent sends to where tools are, for what a tool calls comes by itself. That is told only where it was refused.
    """
    if call.route.startswith((MCP_PREFIX, OWN_MCP_PREFIX)) and not call.code:
        return True
    if call.details == PREFLIGHT or (call.details == BEGUN_ANEW and not call.status):
        return True
    return call.route == CANARY or call.path == canary_path(call.slug)


def operation_name(route: str) -> str:
    """What a route's name says was called: an operation's id, with TEST_PREFIX that of a revision that is tried; "" for anything else."""
    if route.startswith(_OPERATIONS):
        return route.partition("/")[2][:200]
    return route[:200] if route.startswith(TEST_PREFIX) else ""


@lru_cache(maxsize=10_000)
def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
