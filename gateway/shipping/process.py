"""Beside the usage process that counts: what was chosen waits in queues of its own, and a thread makes records of it and sends them.

`take` is all that a call costs who counts: a look-up where nobody logs, and a copy of the entry's bytes where it was chosen. Whatever a
destination does, `take` never waits; what finds no place is dropped, and counted.
"""

import asyncio
import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar
from uuid import UUID, uuid4

from envoy.data.accesslog.v3 import accesslog_pb2

from gateway import measures
from gateway.database import AWAY, first_line, fresh_connection
from gateway.shipping import standing
from gateway.shipping.destinations import Place, Threads
from gateway.shipping.outcomes import Outcome, Trouble
from gateway.shipping.records import Told, example, made, place, threshold
from gateway.shipping.standing import Chosen, Went
from gateway.usage.calls import Call

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

# How often it is looked what people decided, and written down how it went.
LOOK_SECONDS = 2.0
# And read anew although nobody said that anything changed: an own host came or went.
ANEW_SECONDS = 300.0
BATCH_SECONDS = 1.0
MOST_IN_BATCH, BATCH_BYTES = 200, 1024 * 1024
# What waits of one API, of one tenant, and of all; beyond the last, tenants that have little may have some more.
MOST_WAITING = 2_000
TENANT_BYTES, MOST_BYTES, LITTLE_BYTES = 4 * 1024 * 1024, 128 * 1024 * 1024, 128 * 1024
# What is told of one tenant, and of all, in a second; to tell takes as long as counting, and must not take its place.
TENANT_A_SECOND, MOST_A_SECOND = 500, 1_500
# How often a batch is sent before it is dropped: for some four minutes.
TRIES, FIRST_PAUSE, LONGEST_PAUSE = 9, 1.0, 60.0
STOP_SECONDS = 2.0


class Lane:
    """What waits for one API's destination. Whoever counts puts in, the thread takes out."""

    def __init__(self, chosen: Chosen) -> None:
        self.went = Went()
        self.waiting: deque[Told] = deque()
        self.task: asyncio.Task[None] | None = None
        self.salt = chosen.pk.bytes
        self.follow(chosen)

    def follow(self, chosen: Chosen) -> None:
        """From now on it is done so; what waits is told as it is now, too."""
        self.chosen = chosen
        self.below = threshold(chosen.rules.percent)
        self.place = Place(chosen.rules, tenant=chosen.slug, api=chosen.api, authorization=chosen.authorization)


class Shipper:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By how calls name the tenant, and the API.
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._by_id: dict[UUID, Lane] = {}
        self._bytes: Counter[UUID] = Counter()
        self._all_bytes = 0
        self._second, self._told = 0, Counter[UUID]()
        self._read: dict[UUID, tuple[datetime, float]] = {}
        self._names: dict[UUID, tuple[str, ...]] = {}
        self._tests: set[asyncio.Task[None]] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="shipping", daemon=True)
        self._database = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shipping-database")
        self._threads = Threads()

    # --- by who counts

    def take(self, call: Call, entry: accesslog_pb2.HTTPAccessLogEntry, gateway: str) -> None:
        lane = self._lanes.get((call.slug, call.api))
        if lane is None or not lane.below:
            return
        if place(lane.salt, entry.request.request_id) >= lane.below:
            return
        self._put(lane, call, entry, gateway)

    def _put(self, lane: Lane, call: Call, entry: accesslog_pb2.HTTPAccessLogEntry, gateway: str) -> None:
        tenant, size = lane.chosen.tenant_id, entry.ByteSize()
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._told = second, Counter()
            has = self._bytes[tenant] + size
            if (
                len(lane.waiting) >= MOST_WAITING
                or has > TENANT_BYTES
                or (self._all_bytes + size > MOST_BYTES and has > LITTLE_BYTES)
                or self._told[tenant] >= TENANT_A_SECOND
                or self._told.total() >= MOST_A_SECOND
            ):
                lane.went.dropped += 1
                measures.SHIPPED.labels("dropped").inc()
                return
            self._told[tenant] += 1
            self._bytes[tenant] = has
            self._all_bytes += size
            lane.waiting.append(Told(call, entry.SerializeToString(), gateway))

    # --- the thread

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What waits is sent once more, for two seconds; then it is dropped."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS + 4)

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._look()
                await self._write()
            except AWAY as error:
                log.warning("PostgreSQL does not answer (%s); logs go where they went.", first_line(error))
            except Exception:
                log.exception("Shipping logs could not look at what was decided.")
            while not self._stopping.is_set() and time.monotonic() < began + LOOK_SECONDS:
                await asyncio.sleep(0.1)
        await self._end()

    async def _end(self) -> None:
        tasks = [lane.task for lane in self._by_id.values() if lane.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in tasks:
                task.cancel()
            # Each counts what it had in hand as dropped.
            await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self._by_id.values():
            lane.went.dropped += len(lane.waiting)
        try:
            await self._write()
        except Exception:
            log.exception("How shipping logs went could not be written.")
        self._database.shutdown(wait=False)
        self._threads.close()

    # --- what was decided

    async def _look(self) -> None:
        now = time.monotonic()
        found = await self._ask(standing.changed)
        for gone in self._read.keys() - found.keys():
            self._follow(gone, standing.Read())
            del self._read[gone]
        for tenant_id, changed_at in sorted(found.items(), key=lambda each: str(each[0])):
            known = self._read.get(tenant_id)
            if known is not None and known[0] == changed_at and now < known[1] + ANEW_SECONDS:
                continue
            read = await self._ask(standing.read, tenant_id)
            self._follow(tenant_id, read)
            self._read[tenant_id] = (changed_at, now)
            for chosen in read.tests:
                task = asyncio.create_task(self._test(chosen))
                self._tests.add(task)
                task.add_done_callback(self._tests.discard)

    def _follow(self, tenant_id: UUID, read: standing.Read) -> None:
        lanes = dict(self._lanes)
        for key, lane in self._lanes.items():
            if lane.chosen.tenant_id == tenant_id:
                del lanes[key]
        chosen_now = {each.pk: each for each in read.chosen}
        for pk, lane in list(self._by_id.items()):
            if lane.chosen.tenant_id == tenant_id and pk not in chosen_now:
                # What waits is not wanted any more.
                self._drop(lane)
                del self._by_id[pk]
        for pk, chosen in chosen_now.items():
            lane = self._by_id.get(pk) or Lane(chosen)
            lane.follow(chosen)
            self._by_id[pk] = lane
            for name in read.names:
                lanes[name, chosen.api] = lane
            if lane.task is None or lane.task.done():
                lane.task = asyncio.create_task(self._serve(lane))
        # One assignment: whoever counts sees all of it or nothing.
        self._lanes = lanes

    def _drop(self, lane: Lane) -> None:
        if lane.task is not None:
            lane.task.cancel()
        with self._lock:
            waiting, lane.waiting = list(lane.waiting), deque()
            self._give_back(lane, waiting)

    async def _write(self) -> None:
        went: dict[UUID, dict[UUID, Went]] = {}
        for pk, lane in self._by_id.items():
            with self._lock:
                each, lane.went = lane.went, Went()
            if each != Went():
                went.setdefault(lane.chosen.tenant_id, {})[pk] = each
        measures.SHIPPING.set(self._all_bytes)
        for tenant_id, of in sorted(went.items(), key=lambda each: str(each[0])):
            try:
                await self._ask(standing.store, tenant_id, of)
            except AWAY:
                # It is written down later.
                for pk, each in of.items():
                    self._keep(pk, each)
                raise

    def _keep(self, pk: UUID, went: Went) -> None:
        if (lane := self._by_id.get(pk)) is not None:
            with self._lock:
                now = lane.went
                lane.went = Went(now.sent + went.sent, now.dropped + went.dropped, now.last or went.last, now.trouble or went.trouble)

    async def _ask(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._database, partial(fresh_connection(work), *args, **kwargs))

    # --- sending

    async def _serve(self, lane: Lane) -> None:
        while True:
            if not lane.waiting:
                if self._stopping.is_set():
                    return
                await asyncio.sleep(BATCH_SECONDS if not self._stopping.is_set() else 0)
                continue
            batch = self._batch(lane)
            try:
                await self._send(lane, batch)
            except asyncio.CancelledError:
                lane.went.dropped += len(batch)
                raise
            except Exception:
                log.exception("Calls of %s/%s could not be told.", lane.chosen.slug, lane.chosen.api)
                self._note(lane, Outcome(Trouble.FAILED), dropped=len(batch))
            if len(lane.waiting) < MOST_IN_BATCH and not self._stopping.is_set():
                await asyncio.sleep(BATCH_SECONDS)

    def _batch(self, lane: Lane) -> list[Told]:
        batch: list[Told] = []
        size = 0
        with self._lock:
            while lane.waiting and len(batch) < MOST_IN_BATCH and size < BATCH_BYTES:
                batch.append(lane.waiting.popleft())
                size += len(batch[-1].entry)
            self._give_back(lane, batch)
        return batch

    def _give_back(self, lane: Lane, batch: list[Told]) -> None:
        size = sum(len(each.entry) for each in batch)
        self._bytes[lane.chosen.tenant_id] -= size
        self._all_bytes -= size

    async def _send(self, lane: Lane, batch: list[Told]) -> None:
        again, rules = str(uuid4()), lane.chosen.rules
        body = lane.place.body([made(each, rules) for each in batch])
        for tried in range(1, TRIES + 1):
            outcome = await self._once(lane, body, again)
            if outcome.taken:
                rejected = min(outcome.rejected, len(batch))
                self._note(lane, outcome, sent=len(batch) - rejected, dropped=rejected)
                return
            self._note(lane, outcome)
            if not outcome.again or tried == TRIES or self._stopping.is_set():
                break
            pause = max(min(FIRST_PAUSE * 2 ** (tried - 1), LONGEST_PAUSE), min(outcome.rest, LONGEST_PAUSE))
            # Not all at once, where one address serves many.
            await self._rest(pause * random.uniform(0.8, 1.2))  # nosec B311  (no secret)
            if lane.chosen.rules != rules:
                # Masked, or sent, as it is decided now.
                rules = lane.chosen.rules
                body = lane.place.body([made(each, rules) for each in batch])
        self._note(lane, outcome, dropped=len(batch))

    async def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopping.is_set():
            await asyncio.sleep(min(0.25, max(until - time.monotonic(), 0)))

    async def _once(self, lane: Lane, body: bytes, again: str) -> Outcome:
        if not lane.chosen.readable:
            # Without it the destination would be asked as nobody; the next look may have it.
            self._read.pop(lane.chosen.tenant_id, None)
            return Outcome(Trouble.SEALED)
        return await lane.place.send(body, self._threads, again=again)

    def _note(self, lane: Lane, outcome: Outcome, *, sent: int = 0, dropped: int = 0) -> None:
        with self._lock:
            lane.went.sent += sent
            lane.went.dropped += dropped
            lane.went.last = outcome
            if outcome.trouble is not None:
                lane.went.trouble = outcome
        measures.SHIPPED.labels("sent").inc(sent)
        measures.SHIPPED.labels("dropped").inc(dropped)

    async def _test(self, chosen: Chosen) -> None:
        """One record of no call, once; what came back stands on the page."""
        try:
            if chosen.readable:
                to = Place(chosen.rules, tenant=chosen.slug, api=chosen.api, authorization=chosen.authorization)
                body = to.body([example(chosen.slug, chosen.api, chosen.rules)])
                outcome = await to.send(body, self._threads, again=str(uuid4()))
            else:
                outcome = Outcome(Trouble.SEALED)
        except Exception:
            log.exception("A test of %s/%s could not be sent.", chosen.slug, chosen.api)
            outcome = Outcome(Trouble.FAILED)
        try:
            await self._ask(standing.tested, chosen.tenant_id, chosen.pk, outcome)
        except Exception:
            log.exception("What came of a test could not be written.")
