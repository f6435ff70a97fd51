"""The calls that gateways refused, kept so that each can be explained.

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
from google.protobuf import struct_pb2

from gateway.database import AWAY, first_line
from gateway.envoy.names import CLAIMS, JWT
from gateway.models import KEPT, Refusal
from gateway.usage.calls import Call, operation_name, tenants_of
from gateway.usage.spent import asked_in
from keys.models import Application
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

# Of what a token lists, so much is kept: who signs tokens wrote it, but who asked for one chose.
_MOST_LISTED = 50


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
    asked: str = ""
    credential: str = ""
    scopes: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    details: str = ""


def refusal_of(call: Call, entry: accesslog_pb2.HTTPAccessLogEntry, gateway: str) -> Refused | None:
    """The refusal of a call; None if it was none, or names no tenant."""
    metadata = entry.common_properties.metadata.filter_metadata
    # What was verified is its tenant's whose chain did so, and that is told by the path that the chain remembered alone.
    if not call.code or not call.slug or (not call.verified and JWT in metadata and CLAIMS in metadata[JWT].fields):
        return None
    claims = metadata[JWT].fields[CLAIMS].struct_value.fields if call.verified else {}
    return Refused(
        slug=call.slug,
        client_id=call.client_id,
        at=entry.common_properties.start_time.ToDatetime(tzinfo=UTC),
        request_id=entry.request.request_id[:64],
        code=call.code,
        status=call.status,
        method=base_pb2.RequestMethod.Name(entry.request.request_method)[:10],
        path=call.path,
        gateway=gateway[:80],
        operation=operation_name(call.route),
        asked=asked_in(entry.common_properties),
        credential=call.credential,
        scopes=_texts(claims, "scope"),
        audience=_texts(claims, "aud"),
        details=call.details[:300],
    )


def _texts(claims: Mapping[str, struct_pb2.Value], name: str) -> tuple[str, ...]:
    """A claim that is a text or a list of such."""
    value = claims.get(name)
    if value is None:
        return ()
    found = [each.string_value for each in value.list_value.values] if value.HasField("list_value") else [value.string_value]
    return tuple(each[:200] for each in found[:_MOST_LISTED] if each)


def store(refusals: Sequence[Refused]) -> list[Refused]:
    """Keep the newest of each application, one transaction per tenant; returns those that have to wait for PostgreSQL.

    What PostgreSQL refuses is dropped: it would refuse it again, for ever.
    """
    waiting: dict[str, list[Refused]] = defaultdict(list)
    for refusal in refusals:
        waiting[refusal.slug].append(refusal)
    try:
        tenants = tenants_of(waiting)
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
        asked=refused.asked,
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
