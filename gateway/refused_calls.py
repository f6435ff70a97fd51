"""The calls that gateways refused: read from their access logs, and kept so that each can be explained.

Of each application the last 200, and as many of those that were nobody's: of which nothing that came with them was verified.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection
from envoy.config.core.v3 import base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf import struct_pb2, wrappers_pb2

from gateway.database import AWAY, first_line
from gateway.envoy.names import BLOCKED_PREFIX, BROWN_OUT_PREFIX, CALLED, CLAIMS, DOOR, JWT, KEY_HEADER, OPERATION_PREFIX, REFUSAL_HEADER
from gateway.models import KEPT, Refusal
from keys.models import Application
from tenants.models import Tenant
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

# What Envoy says of an answer that the upstream gave, whatever that bears.
VIA_UPSTREAM = "via_upstream"
# Of what a token lists, so much is kept: who signs tokens wrote it, but who asked for one chose.
_MOST_LISTED = 50
_OPERATIONS = (OPERATION_PREFIX, BLOCKED_PREFIX, BROWN_OUT_PREFIX)


@dataclass(frozen=True, slots=True)
class Refused:
    """One refused call. `client_id` and what comes of a verified token or API key is empty where none was."""

    slug: str
    client_id: str
    at: datetime
    request_id: str
    code: str
    status: int
    method: str
    path: str
    gateway: str
    operation: str = ""
    credential: str = ""
    scopes: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    details: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified access token or API key says: whose it is, of which credential, and for what."""

    client_id: str
    credential: str
    scopes: tuple[str, ...]
    audience: tuple[str, ...]


def read(entry: accesslog_pb2.HTTPAccessLogEntry, gateway: str) -> Refused | None:
    """The refusal in an access-log entry; None if it was none, or names no tenant."""
    code = entry.response.response_headers.get(REFUSAL_HEADER, "")
    if not code or entry.response.response_code_details == VIA_UPSTREAM:
        return None
    path, common, said = path_of(entry), entry.common_properties, verified(entry)
    slug = path.split("/")[1:2]
    # What was verified is its tenant's whose chain did so, and that is told by the path that the chain remembered alone.
    if not slug or not slug[0] or (said is not None and not called(entry)):
        return None
    prefix = next((each for each in _OPERATIONS if common.route_name.startswith(each)), None)
    return Refused(
        slug=slug[0][:40],
        client_id=said.client_id if said else "",
        at=common.start_time.ToDatetime(tzinfo=UTC),
        request_id=entry.request.request_id[:64],
        code=code[:40],
        status=entry.response.response_code.value,
        method=base_pb2.RequestMethod.Name(entry.request.request_method)[:10],
        path=path[:500],
        gateway=gateway[:80],
        operation=common.route_name.removeprefix(prefix)[:200] if prefix else "",
        credential=said.credential if said else "",
        scopes=said.scopes if said else (),
        audience=said.audience if said else (),
        details=entry.response.response_code_details[:300],
    )


def verified(entry: accesslog_pb2.HTTPAccessLogEntry) -> Verified | None:
    """None where no access token and no API key was verified."""
    metadata = entry.common_properties.metadata.filter_metadata.get(JWT)
    if metadata is None or CLAIMS not in metadata.fields:
        return None
    claims = metadata.fields[CLAIMS].struct_value.fields
    return Verified(
        client_id=claims["sub"].string_value[:40],
        credential=claims["jti" if KEY_HEADER in metadata.fields else "cid"].string_value[:40],
        scopes=_texts(claims, "scope"),
        audience=_texts(claims, "aud"),
    )


def _texts(claims: Mapping[str, struct_pb2.Value], name: str) -> tuple[str, ...]:
    """A claim that is a text or a list of such."""
    value = claims.get(name)
    if value is None:
        return ()
    found = [each.string_value for each in value.list_value.values] if value.HasField("list_value") else [value.string_value]
    return tuple(each[:200] for each in found[:_MOST_LISTED] if each)


def path_of(entry: accesslog_pb2.HTTPAccessLogEntry) -> str:
    """The path as it was called: the entry's own is the upstream's once the router ran. Never the query, which may hold secrets."""
    return (called(entry) or entry.request.path).partition("?")[0]


def called(entry: accesslog_pb2.HTTPAccessLogEntry) -> str:
    """The path that the chain remembered when it had verified the call, as it is under the gateway's names; "" before."""
    found, (slug, _, host) = _kept(entry, CALLED), _kept(entry, DOOR).partition(" ")
    # At a host of the tenant's own the path has no slug.
    return f"/{slug}{found}" if found and host not in {"", "-"} else found


def _kept(entry: accesslog_pb2.HTTPAccessLogEntry, name: str) -> str:
    value = wrappers_pb2.StringValue()
    kept = entry.common_properties.filter_state_objects.get(name)
    if kept is not None:
        kept.Unpack(value)
    return value.value


def store(refusals: Sequence[Refused]) -> list[Refused]:
    """Keep the newest of each application, one transaction per tenant; returns those that have to wait for PostgreSQL.

    What PostgreSQL refuses is dropped: it would refuse it again, for ever.
    """
    waiting: dict[str, list[Refused]] = defaultdict(list)
    for refusal in refusals:
        waiting[refusal.slug].append(refusal)
    try:
        tenants = dict(Tenant.objects.filter(slug__in=waiting).values_list("slug", "pk"))
        for slug in sorted(waiting.keys() - tenants.keys()):
            del waiting[slug]
        for slug, tenant_id in sorted(tenants.items()):
            _store_for(tenant_id, waiting[slug])
            del waiting[slug]
    except AWAY as error:
        log.warning("PostgreSQL does not answer (%s); %s refusals wait.", first_line(error), sum(map(len, waiting.values())))
    return [refusal for refusal in refusals if refusal.slug in waiting]


def _store_for(tenant_id: UUID, refusals: list[Refused]) -> None:
    try:
        with tenant_scope(tenant_id):
            _store_here(refusals)
    except AWAY:
        raise
    except (DatabaseError, ValueError) as error:
        # An application that went meanwhile, or a text that PostgreSQL can't hold.
        log.warning("%s refusals are lost: %s", len(refusals), first_line(error))


def _store_here(refusals: list[Refused]) -> None:
    named = {each.client_id for each in refusals if each.client_id}
    applications = dict(Application.objects.filter(client_id__in=named).values_list("client_id", "pk"))
    newest: Mapping[UUID | None, deque[Refusal]] = defaultdict(lambda: deque(maxlen=KEPT))
    for each in refusals:
        whose = applications.get(each.client_id)
        if whose is not None or not each.client_id:
            newest[whose].append(_row(each, whose))
    Refusal.objects.bulk_create(refusal for found in newest.values() for refusal in found)
    _forget(newest)


def _row(refused: Refused, application: UUID | None) -> Refusal:
    return Refusal(
        application_id=application,
        at=refused.at,
        request_id=refused.request_id,
        code=refused.code,
        status=refused.status,
        method=refused.method,
        path=refused.path,
        gateway=refused.gateway,
        operation=refused.operation,
        credential=refused.credential,
        scopes=list(refused.scopes),
        audience=list(refused.audience),
        details=refused.details,
    )


def _forget(whose: Iterable[UUID | None]) -> None:
    """All but the last of each of these applications; None of those that are nobody's."""
    for pk in whose:
        of, given = ("application_id = %s", [pk]) if pk is not None else ("application_id IS NULL", [])
        asked: list[Any] = [*given, *given, KEPT - 1]
        with connection.cursor() as cursor:
            cursor.execute(
                f"""DELETE FROM gateway_refusal WHERE {of} AND id < (
                        SELECT id FROM gateway_refusal WHERE {of} ORDER BY id DESC OFFSET %s LIMIT 1)""",  # nosec B608  (`of` is ours)
                asked,
            )
