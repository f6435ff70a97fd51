"""What control knows of each tenant: its newest state, read and compiled once for all gateways of a view that have it."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from uuid import UUID

from gateway import measures, register
from gateway.database import RETRY_SECONDS, Database, first_line
from gateway.delivery import Newest
from gateway.views import USUAL, View

log = logging.getLogger(__name__)

# What only adds, and what a developer can cause, waits this long for more of its kind: each push refills rate-limit buckets.
GATHER_SECONDS = 1.0


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
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _later: asyncio.TimerHandle | None = None
    _task: asyncio.Task[None] | None = None
    _noticed_at: float = 0.0

    def changed(self, *, soon: bool = False) -> None:
        """The tenant's desired state is new. `soon`: others of its kind may come within a moment."""
        if not self.watchers:
            self.newest = None
        elif not soon:
            self._now()
        elif self._later is None and not self._changed.is_set():
            self._later = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._now)

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

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _now(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
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
                self.newest = await self.database.ask(register.newest, self.tenant_id, view=self.view)
            except Exception as error:  # noqa: BLE001  (whatever it was, the next revocation must find a reader)
                log.warning("Reading %s failed (%s); trying again.", self.slug, first_line(error))
                self._changed.set()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.heard_at = noticed_at
            measures.COMPILED.observe(time.monotonic() - began)
            for watcher in self.watchers:
                watcher.set()
