"""How one gateway stops taking calls, and begins again: told to its load balancers first, then its listener goes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

from gateway import register
from gateway.ads import Refused, Stream
from gateway.database import RETRY_SECONDS, Database
from gateway.envoy.names import OWN
from gateway.envoy.resources import LISTENER, ROUTES, Resource, compile_ready
from gateway.register import NodeId

log = logging.getLogger(__name__)
READY = {draining: compile_ready(draining=draining) for draining in (False, True)}


@dataclass(slots=True)
class Entrance:
    """Whether a gateway takes calls, kept in step with what operators say by a task of its own.

    :param closes_in: seconds until its listener goes, None while it takes calls.
    """

    node: NodeId
    stream: Stream
    stream_id: UUID
    database: Database
    closes_in: float | None = None
    # Told when the listener is back: what Envoy asked for as a whole, for the one before, it does not ask for again.
    reopened: Callable[[], None] = lambda: None
    # What it listens with, once it has asked.
    listeners: Sequence[Resource] = ()
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _since: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def set(self, closes_in: float | None) -> None:
        """What the database says now; only whether it drains is new to anybody."""
        if (closes_in is None) != (self.closes_in is None):
            self.closes_in, self._since = closes_in, asyncio.get_running_loop().time()
            self.changed.set()

    def listen(self, listeners: Sequence[Resource]) -> None:
        """With these from now on; before it has asked there is nothing to change."""
        if self.listeners:
            self.listeners = listeners
            self.changed.set()

    @property
    def left(self) -> float:
        """Seconds until the listener goes."""
        assert self.closes_in is not None
        return self._since + self.closes_in - asyncio.get_running_loop().time()

    @property
    def wanted(self) -> list[Resource]:
        """The listeners that it should have."""
        return [] if self.closes_in is not None and self.left <= 0 else list(self.listeners)

    @property
    def ready(self) -> Resource:
        return READY[self.closes_in is not None]

    async def keep(self) -> None:
        """Until the gateway goes."""
        while True:
            self.changed.clear()
            working = asyncio.create_task(self._close() if self.closes_in is not None else self._open())
            working.add_done_callback(self._ended)
            try:
                await self.changed.wait()
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    def _ended(self, working: asyncio.Task[None]) -> None:
        if not working.cancelled() and (error := working.exception()) is not None:
            log.error("The entrance of gateway %s failed.", self.node.name, exc_info=error)

    async def _open(self) -> None:
        await self._insist(self._tell_ready)
        if missing := [each for each in self.wanted if not self.stream.has(each)]:
            await self._insist(lambda: self.stream.send(LISTENER, missing))
            self.reopened()

    async def _close(self) -> None:
        """Load balancers see it first. When the listener goes, Envoy takes no new connection, and lets those that there are end."""
        clock = asyncio.get_running_loop().time
        closes_at = clock() + self.left
        await self._insist(self._tell_ready)
        await asyncio.sleep(max(0.0, closes_at - clock()))
        while LISTENER not in self.stream.subscribed:
            # Connected this moment: what it has, it says with its first request for it.
            await asyncio.sleep(0.05)
        if names := list(self.stream.known.get(LISTENER, {})):
            await self._insist(lambda: self.stream.send(LISTENER, removed=names))
            await asyncio.sleep(settings.GATEWAY_DRAIN_TIME)
        else:
            # Taken away before this stream began: who was connected then may be so for as long.
            await asyncio.sleep(max(0.0, closes_at + settings.GATEWAY_DRAIN_TIME - clock()))
        await self.database.insist(register.drained, self.node, stream=self.stream_id)

    async def _tell_ready(self) -> None:
        """Where it has asked; else it is told when it does."""
        if self.stream.wants(ROUTES, OWN) and not self.stream.has(self.ready):
            await self.stream.send(ROUTES, [self.ready])

    async def _insist(self, send: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await send()
            except TimeoutError:
                log.warning("Gateway %s does not answer; trying again.", self.node.name)
                await asyncio.sleep(RETRY_SECONDS)
            except Refused as refusal:
                log.error("Gateway %s refused %s %s: %s", self.node.name, refusal.url, refusal.name, refusal)
                return
            else:
                return
