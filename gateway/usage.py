"""The usage process: the gateways' access logs (gRPC ALS). It counts the calls of each credential, of each operation and of each
subscription, which quotas go by, and how those of each version went, and keeps each application's last refusals.

Apart from control, so that a flood of calls never delays a revocation; and best effort: calls never wait for it.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import grpc
from django.db import DatabaseError
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from apis.actions import operation_uses, quotas, version_days
from apis.actions.version_days import Outcome
from gateway import measures, refused_calls
from gateway.callers import Caller
from gateway.database import AWAY, first_line, fresh_connection
from gateway.envoy.names import (
    BLOCKED_PREFIX,
    BROWN_OUT_PREFIX,
    CLAIMS,
    GRANT_PREFIX,
    JWT,
    KEY_HEADER,
    OPERATION_PREFIX,
    RBAC,
    REFUSAL_HEADER,
    TEST_PREFIX,
)
from gateway.envoy.rbac import decided
from gateway.listening import listen
from gateway.refused_calls import VIA_UPSTREAM, Refused, called
from keys import uses
from tenants.models import Tenant

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=Hashable)

FLUSH_SECONDS = 1.0
# What waits while PostgreSQL is away; beyond that the oldest are lost.
MOST_WAITING = 10_000
# Apart from those, for anybody can make them.
MOST_OF_NOBODY = 1_000
# Envoy sends what it has every half second or 16 KB, and no header of a call is longer than that; more is no access log.
MAX_MESSAGE = 1024 * 1024


def caller_of(entry: accesslog_pb2.HTTPAccessLogEntry) -> tuple[str, str, str] | None:
    """The tenant's slug, the client id and the credential's id behind a verified access token or API key; None without one.

    The tenant is the one whose chain verified it: the path's first segment, by which the gateway chose that chain.
    """
    verified = entry.common_properties.metadata.filter_metadata.get(JWT)
    slug = called(entry).split("/")[1:2]
    if verified is None or CLAIMS not in verified.fields or not slug:
        return None
    claims = verified.fields[CLAIMS].struct_value.fields
    credential = claims["jti" if KEY_HEADER in verified.fields else "cid"]
    return slug[0][:40], claims["sub"].string_value[:40], credential.string_value[:40]


def operation_of(entry: accesslog_pb2.HTTPAccessLogEntry) -> tuple[str, operation_uses.Called] | None:
    """The tenant's slug, and what was called by whom; None for a call of no operation, and of nobody.

    A refused one counts where only the version's state refused it: that is a call by who may, and would have passed.
    """
    caller, name = caller_of(entry), entry.common_properties.route_name
    prefix = next((each for each in (OPERATION_PREFIX, BLOCKED_PREFIX, BROWN_OUT_PREFIX) if name.startswith(each)), "")
    place = called(entry).split("/")[2:4]
    refused = entry.response.response_headers.get(REFUSAL_HEADER, "") and entry.response.response_code_details != VIA_UPSTREAM
    if caller is None or not prefix or len(place) != 2 or (refused and prefix == OPERATION_PREFIX):
        return None
    slug, client_id, _ = caller
    api, version = place
    return slug, (client_id, api[:40], version[:20], name.removeprefix(prefix)[:200])


# What the gateway says itself where the upstream failed, and where it refuses what the caller asks for and not because it can't.
UPSTREAMS = frozenset({"UPSTREAM_TIMEOUT", "UPSTREAM_UNAVAILABLE"})
CALLERS = frozenset({"UPGRADE_NOT_SUPPORTED"})


def outcome_of(entry: accesslog_pb2.HTTPAccessLogEntry) -> tuple[str, version_days.Went] | None:
    """The tenant's slug, and how a call of a version went; None where it should not have been answered, or nobody waited for it.

    A version that answers no calls has routes of other names, and so has a revision that is tried; what the gateway answers from
    examples, or refuses for a reason of the caller's, says nothing of the version.
    """
    caller, place = caller_of(entry), called(entry).split("/")[2:4]
    if caller is None or not entry.common_properties.route_name.startswith(OPERATION_PREFIX) or len(place) != 2:
        return None
    outcome = _outcome(entry)
    api, version = place
    return (caller[0], (api[:40], version[:20], outcome)) if outcome is not None else None


def _outcome(entry: accesslog_pb2.HTTPAccessLogEntry) -> Outcome | None:
    details, status = entry.response.response_code_details, entry.response.response_code.value
    if details == VIA_UPSTREAM:
        return Outcome.FAILED_UPSTREAM if status >= 500 else Outcome.ANSWERED if status else None
    if code := entry.response.response_headers.get(REFUSAL_HEADER, ""):
        ours = Outcome.FAILED_GATEWAY if status >= 500 and code not in CALLERS else None
        return Outcome.FAILED_UPSTREAM if code in UPSTREAMS else ours
    # An answer that had begun and then broke.
    return Outcome.FAILED_UPSTREAM if details.startswith("upstream") else None


def passed(entry: accesslog_pb2.HTTPAccessLogEntry) -> tuple[str, UUID] | None:
    """The tenant's slug, and the subscription that let a call pass which was sent on, or answered in an upstream's place.

    Whoever leaves without waiting for the answer has called; what the gateway refused, or could bring to no upstream, was no call.
    """
    said = entry.common_properties.metadata.filter_metadata.get(RBAC)
    caller = caller_of(entry)
    if said is None or caller is None or not _was_sent_on(entry):
        return None
    subscription = _uuid(said.fields[_GRANT].string_value if _GRANT in said.fields else "")
    return (caller[0], subscription) if subscription else None


_GRANT = decided(GRANT_PREFIX)
# What Envoy says of an answer of the route's own.
_IN_PLACE = "direct_response"


def _was_sent_on(entry: accesslog_pb2.HTTPAccessLogEntry) -> bool:
    common, details = entry.common_properties, entry.response.response_code_details
    if details == VIA_UPSTREAM:
        return True
    if details == _IN_PLACE:
        return common.route_name.startswith((OPERATION_PREFIX, TEST_PREFIX))
    return common.HasField("upstream_remote_address") and not common.response_flags.upstream_connection_failure


# The calls of each credential: by the tenant's slug, and the credential's id as its token or API key has it.
Calls = Counter[tuple[str, str]]


def count(calls: Calls) -> Calls:
    """Add them to what is known of each credential; returns those that have to wait for PostgreSQL."""
    known = Counter({(slug, pk): many for (slug, credential), many in calls.items() if (pk := _uuid(credential)) is not None})
    waiting = _added(known, lambda tenant_id, found: uses.store(tenant_id, calls=found), "credentials")
    return Counter({(slug, str(pk)): many for (slug, pk), many in waiting.items()})


# The calls of each operation, by the tenant's slug and what was called.
Operations = Counter[tuple[str, operation_uses.Called]]


def count_operations(calls: Operations) -> Operations:
    """Add them to what is known; returns those that have to wait for PostgreSQL."""
    return _added(calls, operation_uses.store, "operations")


# How the calls of each version went, by the tenant's slug.
Outcomes = Counter[tuple[str, version_days.Went]]


def count_outcomes(calls: Outcomes) -> Outcomes:
    """Add them to what is known; returns those that have to wait for PostgreSQL."""
    return _added(calls, version_days.store, "versions")


# The calls of each subscription, by the tenant's slug, and by when they were told.
Granted = Counter[tuple[str, quotas.Counted]]
# A period begins on such a moment, wherever: zones differ by whole quarters of an hour.
QUARTER = 900


def count_granted(calls: Granted) -> Granted:
    """Add them to what is known, and say what follows; returns those that have to wait for PostgreSQL."""
    return _added(calls, quotas.count, "subscriptions")


def _added(calls: Counter[tuple[str, K]], add: Callable[[UUID, dict[K, int]], None], of: str) -> Counter[tuple[str, K]]:
    """Add them one transaction per tenant; returns those that have to wait.

    :param add: raises what PostgreSQL says; what it refuses is dropped, for it would refuse it again, for ever.
    """
    waiting: dict[str, dict[K, int]] = defaultdict(dict)
    for (slug, each), many in calls.items():
        waiting[slug][each] = many
    try:
        tenants = dict(Tenant.objects.filter(slug__in=waiting).values_list("slug", "pk"))
        for slug, tenant_id in sorted(tenants.items()):
            try:
                add(tenant_id, waiting[slug])
            except AWAY:
                raise
            except (DatabaseError, ValueError) as error:
                log.warning("The calls of %s %s are lost: %s", len(waiting[slug]), of, first_line(error))
            del waiting[slug]
    except AWAY as error:
        log.warning("PostgreSQL does not answer (%s); the calls of %s %s wait.", first_line(error), len(calls), of)
        return Counter({(slug, each): many for slug, counts in waiting.items() for each, many in counts.items()})
    return Counter()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class Usage(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        self._waiting: deque[Refused] = deque(maxlen=MOST_WAITING)
        self._of_nobody: deque[Refused] = deque(maxlen=MOST_OF_NOBODY)
        self._calls: Calls = Counter()
        self._operations: Operations = Counter()
        self._outcomes: Outcomes = Counter()
        self._granted: Granted = Counter()
        # At a unix socket who may connect is this user, whose gateways may have begun before they sent a token.
        self._needs_token = False
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")

    async def StreamAccessLogs(  # noqa: N802  (the service's name for it)
        self,
        requests: AsyncIterator[als_pb2.StreamAccessLogsMessage],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> als_pb2.StreamAccessLogsResponse:
        gateway, caller = "", Caller(context, needs_token=self._needs_token)
        async for message in requests:
            gateway = message.identifier.node.id or gateway
            await caller.insist(gateway, self._ask)
            measures.ENTRIES.inc(len(message.http_logs.log_entry))
            # By one clock, and not by each gateway's.
            quarter = datetime.fromtimestamp(time.time() // QUARTER * QUARTER, UTC)
            for entry in message.http_logs.log_entry:
                if (found := caller_of(entry)) is not None:
                    slug, _, credential = found
                    self._calls[slug, credential] += 1
                if (called := operation_of(entry)) is not None:
                    self._operations[called] += 1
                if (went := outcome_of(entry)) is not None:
                    self._outcomes[went] += 1
                if (let_through := passed(entry)) is not None:
                    slug, subscription = let_through
                    self._granted[slug, (subscription, quarter)] += 1
                if (refused := refused_calls.read(entry, gateway)) is not None:
                    (self._waiting if refused.client_id else self._of_nobody).append(refused)
        return als_pb2.StreamAccessLogsResponse()

    async def run(self, address: str, stopping: asyncio.Event) -> None:
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE)])
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self, server)
        self._needs_token = not address.startswith("unix:")
        listen(server, address)
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
        began = time.monotonic()
        await self._flush()
        measures.FLUSHED.observe(time.monotonic() - began)
        measures.WAITING.set(len(self._waiting))

    async def _flush(self) -> None:
        # First: it may end somebody's calls.
        if self._granted:
            granted, self._granted = self._granted, Counter()
            self._granted.update(await self._ask(count_granted, granted))
        if self._calls:
            calls, self._calls = self._calls, Counter()
            self._calls.update(await self._ask(count, calls))
        if self._operations:
            operations, self._operations = self._operations, Counter()
            self._operations.update(await self._ask(count_operations, operations))
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, Counter()
            self._outcomes.update(await self._ask(count_outcomes, outcomes))
        batch = [*self._waiting, *self._of_nobody]
        if not batch:
            return
        self._waiting.clear()
        self._of_nobody.clear()
        left = await self._ask(refused_calls.store, batch)
        if left:
            # Before what came in meanwhile; when that is too much, the beginning goes.
            self._waiting = deque([*(each for each in left if each.client_id), *self._waiting], maxlen=MOST_WAITING)
            nobodys = (each for each in left if not each.client_id)
            self._of_nobody = deque([*nobodys, *self._of_nobody], maxlen=MOST_OF_NOBODY)

    async def _ask(self, work: Callable[[T], R], given: T) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, fresh_connection(work), given)
