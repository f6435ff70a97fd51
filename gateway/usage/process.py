"""The process itself: it takes the streams, and writes every second."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import grpc
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from gateway import measures
from gateway.callers import Caller
from gateway.database import AWAY, first_line, fresh_connection
from gateway.envoy.names import ATTEMPTS_LOG, CONTENTS_LOG
from gateway.listening import listen
from gateway.usage import attempts, contents, freshness, tokens, writing
from gateway.usage.attempts import Keys, began_at
from gateway.usage.calls import Call, caller_of, is_no_call, operation_of, outcome_of, passed, read
from gateway.usage.contents import Contents, content_of
from gateway.usage.counters import (
    QUARTER,
    Calls,
    Granted,
    Operations,
    Outcomes,
    count,
    count_granted,
    count_operations,
    count_outcomes,
)
from gateway.usage.minutes import Minutes
from gateway.usage.refused import Refused, refusal_of, store
from gateway.usage.tokens import Tokens
from tenants.models.base import new_id

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")

FLUSH_SECONDS = 1.0
# What waits while PostgreSQL is away; beyond that the oldest are lost.
MOST_WAITING = 10_000
# Apart from those, for anybody can make them; what comes beyond within a second is left out.
MOST_OF_NOBODY = 1_000
# Envoy sends what it has every half second or 64 KiB, no header of a call is longer than 16, and the texts of one are below 180; more is no
# access log.
MAX_MESSAGE = 1024 * 1024


class Usage(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    def __init__(self, also: Callable[[Call, accesslog_pb2.HTTPAccessLogEntry, str], None] | None = None) -> None:
        """:param also: is told of each call; it takes no time, and raises nothing."""
        self._also = also
        self._id, self._started_at = new_id(), datetime.now(UTC)
        self._waiting: deque[Refused] = deque(maxlen=MOST_WAITING)
        self._of_nobody: list[Refused] = []
        self._calls: Calls = Counter()
        self._operations: Operations = Counter()
        self._outcomes: Outcomes = Counter()
        self._granted: Granted = Counter()
        self._minutes = Minutes()
        self._tokens = Tokens()
        self._keys = Keys()
        self._contents = Contents()
        # Calls that could not be kept, and that nobody was told of yet.
        self._lost = 0
        # At a unix socket who may connect is this user, whose gateways may have begun before they sent a token.
        self._needs_token = False
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")

    async def StreamAccessLogs(  # noqa: N802  (the service's name for it)
        self,
        requests: AsyncIterator[als_pb2.StreamAccessLogsMessage],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> als_pb2.StreamAccessLogsResponse:
        gateway, log_name, caller = "", "", Caller(context, needs_token=self._needs_token)
        async for message in requests:
            # Both stand in a stream's first message alone.
            gateway, log_name = message.identifier.node.id or gateway, message.identifier.log_name or log_name
            await caller.insist(gateway, self._ask)
            if log_name == ATTEMPTS_LOG:
                self.take_attempts(message)
            elif log_name == CONTENTS_LOG:
                self.take_contents(message)
            else:
                self.take(message, gateway)
        return als_pb2.StreamAccessLogsResponse()

    def take(self, message: als_pb2.StreamAccessLogsMessage, gateway: str) -> None:
        measures.ENTRIES.inc(len(message.http_logs.log_entry))
        # By one clock, and not by each gateway's.
        now = time.time()
        quarter, minute = datetime.fromtimestamp(now // QUARTER * QUARTER, UTC), int(now // 60)
        for entry in message.http_logs.log_entry:
            call = read(entry)
            if is_no_call(call):
                continue
            self._minutes.add(call, minute)
            if call.spent is not None:
                self._tokens.add(call, minute)
                self._keys.answered(call, began_at(entry))
                if contents.is_left_out(entry):
                    self._contents.leave_out()
            if self._also is not None:
                self._also(call, entry, gateway)
            if call.code:
                self._refuse(call, entry, gateway)
            if not call.verified:
                continue
            if (caller := caller_of(call)) is not None:
                slug, _, credential = caller
                self._calls[slug, credential] += 1
            if (called := operation_of(call)) is not None:
                self._operations[called] += 1
            if (went := outcome_of(call)) is not None:
                self._outcomes[went] += 1
            if (let_through := passed(call)) is not None:
                slug, subscription = let_through
                self._granted[slug, (subscription, quarter)] += 1

    def take_attempts(self, message: als_pb2.StreamAccessLogsMessage) -> None:
        """Of attempts to reach providers those that failed; the calls that they were made for are told of elsewhere."""
        now = time.time()
        for entry in message.http_logs.log_entry:
            self._keys.failed(entry, now)

    def take_contents(self, message: als_pb2.StreamAccessLogsMessage) -> None:
        """What was asked and answered, of calls that are told of elsewhere."""
        for entry in message.http_logs.log_entry:
            if (content := content_of(read(entry), entry)) is not None:
                self._contents.add(content)

    def _refuse(self, call: Call, entry: accesslog_pb2.HTTPAccessLogEntry, gateway: str) -> None:
        if not call.verified and len(self._of_nobody) >= MOST_OF_NOBODY:
            return
        if (refused := refusal_of(call, entry, gateway)) is not None:
            (self._waiting if refused.client_id else self._of_nobody).append(refused)

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
                await self._write_or_say()
        await server.stop(0.2)
        await self.write()
        self._threads.shutdown(wait=True)

    async def _write_or_say(self) -> None:
        """Whatever went wrong, what comes next has to be counted."""
        try:
            await self.write()
        except Exception:
            log.exception("What was counted could not be written.")

    async def write(self) -> None:
        """What was counted, and how fresh it is, though there was nothing: that is to be known, too."""
        heard_until, began = datetime.now(UTC), time.monotonic()
        await self.flush()
        measures.FLUSHED.observe(time.monotonic() - began)
        measures.WAITING.set(len(self._waiting) + len(self._of_nobody))
        if not (self._minutes.held_back or self._tokens.held_back):
            await self._tell(heard_until)

    async def flush(self) -> None:
        # First: it may end somebody's calls.
        if self._granted:
            granted, self._granted = self._granted, Counter()
            self._granted.update(await self._ask(count_granted, granted))
        if spent := self._tokens.take():
            told = await self._ask(tokens.write, spent)
            self._tokens.give_back(told.waiting)
        if verdicts := self._keys.take():
            self._keys.give_back(await self._ask(attempts.tell, verdicts))
        if taken := self._minutes.take():
            written = await self._ask(writing.write, taken)
            self._minutes.give_back(written.waiting)
            self._minutes.learn(written.places)
            self._lost += written.lost
        if self._calls:
            calls, self._calls = self._calls, Counter()
            self._calls.update(await self._ask(count, calls))
        if self._operations:
            operations, self._operations = self._operations, Counter()
            self._operations.update(await self._ask(count_operations, operations))
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, Counter()
            self._outcomes.update(await self._ask(count_outcomes, outcomes))
        if texts := self._contents.take():
            self._contents.give_back(await self._ask(contents.write, texts))
        batch = [*self._waiting, *self._of_nobody]
        if not batch:
            return
        self._waiting.clear()
        self._of_nobody.clear()
        left = await self._ask(store, batch)
        if left:
            # Before what came in meanwhile; when that is too much, the beginning goes.
            self._waiting = deque([*(each for each in left if each.client_id), *self._waiting], maxlen=MOST_WAITING)
            self._of_nobody = [*(each for each in left if not each.client_id), *self._of_nobody][-MOST_OF_NOBODY:]

    async def _tell(self, written_until: datetime) -> None:
        self._lost += self._minutes.lost + self._tokens.lost
        self._minutes.lost = self._tokens.lost = 0
        if self._lost:
            log.warning("%s calls are not counted: there was too much, or PostgreSQL would not have them.", self._lost)
        told = partial(
            freshness.tell, started_at=self._started_at, written_until=written_until, waiting=self._minutes.waiting, lost=self._lost
        )
        try:
            await self._ask(told, self._id)
        except AWAY as error:
            log.warning("PostgreSQL does not answer (%s); how fresh counts are is not told.", first_line(error))
            return
        self._lost = 0

    async def _ask(self, work: Callable[[T], R], given: T) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, fresh_connection(work), given)
