"""What control knows of each tenant: its newest state, read and compiled once for all gateways of a view that have it."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.utils import timezone

from gateway import measures, register, truth
from gateway.database import RETRY_SECONDS, Database, first_line
from gateway.delivery import Newest
from gateway.truth import Found, Marked
from gateway.views import USUAL, View

log = logging.getLogger(__name__)

# What only adds, and what a developer can cause, waits this long for more of its kind: each push refills rate-limit buckets.
GATHER_SECONDS = 1.0
# So many of those that only add are read at once, so that what takes access away finds a thread that is free: where gateways come and go,
# limits are divided anew for every tenant there is.
AT_LEISURE = 2
# So much drift of a tenant is remembered for gateways that are slow to acknowledge what puts it right.
DRIFTS = 20
# What only time changes is looked for so often: no row is another then, and no event may have come.
ANEW_SECONDS = 600.0


@dataclass(slots=True)
class Board:
    """One tenant as the gateways of one view see it. `watchers` are set whenever `newest` is new; without any, nothing is read.

    One task reads, and nobody who waits for it can end it: were it a gateway's own, a gateway that leaves could take the
    others' revocations with it.
    """

    tenant_id: UUID
    slug: str
    database: Database
    view: View = USUAL
    newest: Newest | None = None
    # Of what `newest` is about: when that was heard of, by the clock of this process.
    heard_at: float = 0.0
    watchers: set[asyncio.Event] = field(default_factory=set)
    # One for all boards of a process.
    leisure: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_LEISURE))
    # What was found apart from events, each with its number, and the last number. In `newest` it is put right.
    drifts: deque[tuple[int, Found]] = field(default_factory=lambda: deque(maxlen=DRIFTS))
    drifted: int = 0
    _found: list[Found] = field(default_factory=list)
    _marked: Marked | None = None
    _looked: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _later: asyncio.TimerHandle | None = None
    # Whether its turn among those that only add is still to come.
    _waits: bool = False
    _turns: set[asyncio.Task[None]] = field(default_factory=set)
    _read: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _noticed_at: float = 0.0

    def changed(self, *, soon: bool = False) -> None:
        """The tenant's desired state is new. `soon`: others of its kind may come within a moment."""
        if not self.watchers:
            self.newest = None
        elif not soon:
            self._now()
        elif self._later is None and not self._waits and not self._changed.is_set():
            self._later = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._queue)

    def watch(self, watcher: asyncio.Event) -> None:
        """Somebody needs the tenant from now on, and needs to see what has happened up to now."""
        self.watchers.add(watcher)
        if self._task is None:
            self._task = asyncio.create_task(self._keep_reading())
        self._now()

    def leave(self, watcher: asyncio.Event) -> None:
        self.watchers.discard(watcher)

    async def is_behind(self) -> bool:
        """Whether the database knows more than was read: a notice was lost."""
        if not self.watchers:
            return False
        return self.newest is None or await self.database.ask(register.newest_number, self.tenant_id) > self.newest.desired.number

    async def look(self) -> None:
        """Whether the tenant's rows are what was read, whatever the events say. What is not is read, and told as drift."""
        before, now = self.newest, asyncio.get_running_loop().time()
        if not self.watchers or before is None:
            return
        marked = await self.database.ask(truth.marks, self.tenant_id)
        changed = marked.changed(self._marked)
        if not changed and now - self._looked < ANEW_SECONDS:
            if marked.number > before.desired.number:
                # A notice was lost.
                self._now()
            return
        # First: what gateways have to refuse for a row that is gone is part of what is read.
        gone = await self.database.ask(truth.sweep, self.tenant_id) if changed & truth.SWEPT else {}
        read = await self.database.ask(register.newest, self.tenant_id, view=self.view)
        drift = await self._drift(before, read, changed) if self._marked else None
        if gone:
            drift = Found({**(drift.parts if drift else {}), "orphans": gone}, takes=True)
        if drift is not None:
            log.error("What gateways have of %s was changed by no event: %s.", self.slug, dict(drift.parts))
            self._found.append(replace(drift, at=timezone.now()))
        self._marked, self._looked = marked, now
        if self.newest is not before:
            # Read meanwhile, perhaps before what was found.
            self._now()
        elif drift is not None or read.desired != before.desired:
            self._publish(read)

    async def _drift(self, before: Newest, read: Newest, changed: set[str]) -> Found | None:
        was, now = before.desired, read.desired
        if was.tenant == now.tenant or await self.database.ask(truth.decided_between, self.tenant_id, was.number, now.number):
            return None
        return truth.difference(was.tenant, now.tenant, changed)

    def _publish(self, newest: Newest) -> None:
        self.newest = newest
        for found in self._found:
            self.drifted += 1
            self.drifts.append((self.drifted, found))
        self._found.clear()
        for watcher in self.watchers:
            watcher.set()

    def close(self) -> None:
        self._stop_waiting()
        for task in (*self._turns, *([self._task] if self._task is not None else [])):
            task.cancel()

    def _stop_waiting(self) -> None:
        self._waits = False
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _queue(self) -> None:
        self._later, self._waits = None, True
        turn = asyncio.create_task(self._take_turn())
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    async def _take_turn(self) -> None:
        async with self.leisure:
            # Unless it was read for something else meanwhile.
            if self._waits:
                self._now()
                await self._read.wait()

    def _now(self) -> None:
        self._stop_waiting()
        self._read.clear()
        if not self._changed.is_set():
            self._noticed_at = time.monotonic()
        self._changed.set()

    async def _keep_reading(self) -> None:
        while True:
            await self._changed.wait()
            # Before the read: whatever changes during it is read again.
            self._changed.clear()
            noticed_at, began = self._noticed_at, time.monotonic()
            try:
                newest = await self.database.ask(register.newest, self.tenant_id, view=self.view)
            except Exception as error:  # noqa: BLE001  (whatever it was, the next revocation must find a reader)
                log.warning("Reading %s failed (%s); trying again.", self.slug, first_line(error))
                self._read.set()
                self._changed.set()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.heard_at = noticed_at
            measures.COMPILED.observe(time.monotonic() - began)
            self._read.set()
            self._publish(newest)
