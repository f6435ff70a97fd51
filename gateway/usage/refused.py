"""The last refused calls of each application."""

import logging
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection
from envoy.config.core.v3 import base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2

from gateway.database import AWAY, first_line
from gateway.models import KEPT, Refusal
from gateway.usage.calls import Call
from keys.models import Application
from tenants.models import Tenant
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """One refused call of a caller that the gateway knew."""

    slug: str
    client_id: str
    at: datetime
    request_id: str
    code: str
    status: int
    method: str
    path: str
    gateway: str


def refusal_of(call: Call, entry: accesslog_pb2.HTTPAccessLogEntry, gateway: str) -> Refused | None:
    """The refusal of a call; None if it was none, or nobody's."""
    if not call.code or not call.verified:
        return None
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
    )


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
    applications = dict(Application.objects.filter(client_id__in={each.client_id for each in refusals}).values_list("client_id", "pk"))
    newest: Mapping[Any, deque[Refusal]] = defaultdict(lambda: deque(maxlen=KEPT))
    for each in refusals:
        if (pk := applications.get(each.client_id)) is not None:
            newest[pk].append(
                Refusal(
                    application_id=pk,
                    at=each.at,
                    request_id=each.request_id,
                    code=each.code,
                    status=each.status,
                    method=each.method,
                    path=each.path,
                    gateway=each.gateway,
                )
            )
    Refusal.objects.bulk_create(refusal for found in newest.values() for refusal in found)
    for pk in newest:
        with connection.cursor() as cursor:
            cursor.execute(
                """DELETE FROM gateway_refusal WHERE application_id = %s AND id < (
                       SELECT id FROM gateway_refusal WHERE application_id = %s ORDER BY id DESC OFFSET %s LIMIT 1)""",
                [pk, pk, KEPT - 1],
            )
