"""The usage process: the gateways' access logs (gRPC ALS), of which it keeps the last refusals of each application.

Apart from control, so that a flood of calls never delays a revocation; and best effort: calls never wait for it.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
from django.conf import settings
from django.db import DatabaseError, connection
from envoy.config.core.v3 import base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from google.protobuf import wrappers_pb2

from gateway.database import AWAY, first_line, fresh_connection
from gateway.envoy.names import CALLED, JWT, REFUSAL_HEADER, TOKEN
from gateway.models import KEPT, Refusal
from keys.models import Application
from keys.tokens import issuer
from tenants.models import Tenant
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
# What waits while PostgreSQL is away; beyond that the oldest are lost.
MOST_WAITING = 10_000
# Envoy sends what it has every half second or 16 KB, and no header of a call is longer than that; more is no access log.
MAX_MESSAGE = 1024 * 1024
# What Envoy says of an answer that the upstream gave, whatever that bears.
VIA_UPSTREAM = "via_upstream"


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


def read_entry(entry: accesslog_pb2.HTTPAccessLogEntry, gateway: str) -> Refused | None:
    """The refusal in an access-log entry; None if it was none, or nobody's: without a verified token there is no application."""
    code = entry.response.response_headers.get(REFUSAL_HEADER, "")
    token = entry.common_properties.metadata.filter_metadata.get(JWT)
    if not code or entry.response.response_code_details == VIA_UPSTREAM or token is None or TOKEN not in token.fields:
        return None
    claims = token.fields[TOKEN].struct_value.fields
    return Refused(
        slug=claims["iss"].string_value.removeprefix(issuer(settings.PORTAL_URL, ""))[:40],
        client_id=claims["client_id"].string_value[:40],
        at=entry.common_properties.start_time.ToDatetime(tzinfo=UTC),
        request_id=entry.request.request_id[:64],
        code=code[:40],
        status=entry.response.response_code.value,
        method=base_pb2.RequestMethod.Name(entry.request.request_method)[:10],
        path=_path(entry)[:500],
        gateway=gateway[:80],
    )


def _path(entry: accesslog_pb2.HTTPAccessLogEntry) -> str:
    """The path as it was called: the entry's own is the upstream's once the router ran. Never the query, which may hold secrets."""
    called = wrappers_pb2.StringValue()
    kept = entry.common_properties.filter_state_objects.get(CALLED)
    if kept is not None:
        kept.Unpack(called)
    return (called.value or entry.request.path).partition("?")[0]


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


class Usage(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        self._waiting: deque[Refused] = deque(maxlen=MOST_WAITING)
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")

    async def StreamAccessLogs(  # noqa: N802  (the service's name for it)
        self,
        requests: AsyncIterator[als_pb2.StreamAccessLogsMessage],
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002
    ) -> als_pb2.StreamAccessLogsResponse:
        gateway = ""
        async for message in requests:
            gateway = message.identifier.node.id or gateway
            for entry in message.http_logs.log_entry:
                if (refused := read_entry(entry, gateway)) is not None:
                    self._waiting.append(refused)
        return als_pb2.StreamAccessLogsResponse()

    async def run(self, address: str, stopping: asyncio.Event) -> None:
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE)])
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self, server)
        server.add_insecure_port(address)
        await server.start()
        log.info("Serving access logs at %s.", address)
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), FLUSH_SECONDS)
            except TimeoutError:
                await self.flush()
        await server.stop(0.2)
        await self.flush()
        self._threads.shutdown(wait=True)

    async def flush(self) -> None:
        batch = list(self._waiting)
        if not batch:
            return
        self._waiting.clear()
        left = await asyncio.get_running_loop().run_in_executor(self._threads, fresh_connection(store), batch)
        if left:
            # Before what came in meanwhile; when that is too much, the beginning goes.
            self._waiting = deque([*left, *self._waiting], maxlen=MOST_WAITING)
