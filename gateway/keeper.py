"""One tenant on one gateway, kept in step by a task of its own: a gateway that refuses one tenant, or is slow, holds up nothing else."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from gateway import measures, register, truth
from gateway.ads import Refused, Stream
from gateway.boards import Board
from gateway.canary import Answered, Probe, stands_open
from gateway.database import RETRY_SECONDS, Database
from gateway.delivery import Delivery, Kind, Newest, Outcome
from gateway.desired import RoutesRef
from gateway.envoy.resources import ROUTES
from gateway.register import NodeId

log = logging.getLogger(__name__)

# A receipt waits this long for the canary; a canary that answers later can still close the gate.
CANARY_PATIENCE_SECONDS = 0.25
# So many looks in a row that find a gateway silent, or serving other routes than it acknowledged, are told.
SILENT_LOOKS, STALE_LOOKS = 3, 2
OPEN_GATE = "The canary was let through without a token, so this gateway is closed for this tenant until it connects again."


@dataclass(slots=True)
class Keeper:
    """:param address: where the gateway's canary may be called, "" not at all."""

    node: NodeId
    address: str
    stream: Stream
    board: Board
    database: Database
    probe: Probe
    wanted: bool = True
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    delivery: Delivery = field(init=False)
    _routes: int = 0
    _access: int = 0
    _written: Kind | None = None
    _probe_is_slow: bool = False
    _probing: asyncio.Task[Answered | None] | None = None
    _looking: bool = False
    _seen_open: bool = False
    _silent: int = 0
    _stale: int = 0
    # Whether it is known to be silent, and stale; None before anything was written down.
    _sight: tuple[bool, bool] | None = None
    # Up to which of the board's drifts this gateway's repair is written down.
    _told: int = 0

    def __post_init__(self) -> None:
        self.delivery = Delivery(self.stream, self.board.slug, self._held)

    @property
    def is_behind(self) -> bool:
        """Whether there is something newer than what the gateway has acknowledged."""
        return self.board.newest is None or self.board.newest.desired.number > self._access

    async def keep(self) -> None:
        """Until the gateway no longer wants the tenant; loading and unloading happen here one after the other, never side by side."""
        while self.wanted:
            await self._load()
            self.board.watch(self.wake)
            try:
                await self._follow()
            finally:
                self.board.leave(self.wake)
            await self.database.insist(register.tenant_unloaded, self.node, self.board.tenant_id)
            await self.delivery.forget()

    def turn_to(self, board: Board) -> None:
        """The gateway sees the tenant otherwise from now on: another board says what it should have."""
        self.board.leave(self.wake)
        self.board = board
        # Its drifts have numbers of their own.
        self._told = board.drifted
        board.watch(self.wake)

    async def _load(self) -> None:
        standing = await self.database.insist(register.tenant_loaded, self.node, self.board.tenant_id)
        self.delivery.good_routes = standing.good_routes
        self.delivery.refused |= standing.refused
        self._routes, self._access = standing.routes, standing.access
        # What was found before is right in what it loads.
        self._told = self.board.drifted

    async def _follow(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            if not self.wanted:
                return
            try:
                if self.board.newest is not None:
                    drifted = self.board.drifted
                    await self._bring(self.board.newest)
                    await self._tell(drifted)
            except Refused as refusal:
                log.error("Gateway %s refused %s: %s", self.node.name, self.board.slug, refusal)
                digest = f"{refusal.url} {refusal.version}"
                await self.database.insist(register.save_refusal, self.node, self.board.tenant_id, digest, str(refusal))
            except TimeoutError:
                log.warning("Gateway %s does not acknowledge %s; trying again.", self.node.name, self.board.slug)
                self.wake.set()
            except Exception:
                # Whatever it was: this tenant's next revocation must still find somebody at work.
                log.exception("Bringing %s to gateway %s failed; trying again.", self.board.slug, self.node.name)
                await asyncio.sleep(RETRY_SECONDS)
                self.wake.set()

    async def _bring(self, newest: Newest) -> None:
        if newest.desired.number < self._access:
            # Read before this gateway acknowledged something newer, at another control process: never an older grant table.
            self.board.changed()
            return
        if self._seen_open:
            self._seen_open = False
            await self._close(newest)
        if self._probing is not None and self._probing.done():
            await self._judge(newest, self._probing)
        outcome = await self.delivery.bring(newest)
        if outcome.pushed and outcome.offer.kind is not Kind.CLOSED and self.address:
            self._probing = asyncio.create_task(self.probe(self.address, self.board.slug))
            patience = 0 if self._probe_is_slow else CANARY_PATIENCE_SECONDS
            await asyncio.wait([self._probing], timeout=patience)
            self._probe_is_slow = not self._probing.done()
            if self._probing.done() and stands_open(self._probing.result()):
                await self._judge(newest, self._probing)
                return
            # An answer that comes later is judged then.
            self._probing.add_done_callback(lambda _: self.wake.set())
        await self._write_down(outcome)

    async def _tell(self, up_to: int) -> None:
        """What was found apart from events is right at this gateway, which has acknowledged it."""
        for number, found in list(self.board.drifts):
            if self._told < number <= up_to:
                self._told = number
                await self.database.insist(truth.save_drift, self.node, self.board.tenant_id, found)

    async def look(self) -> None:
        """Call the canary, whether or not anything was pushed: does the gate stand, and does the gateway serve what it acknowledged?"""
        expected = self.delivery.serves
        if self._looking or not self.address or not expected:
            return
        self._looking = True
        try:
            answered = await self.probe(self.address, self.board.slug)
            if stands_open(answered):
                # Closed by this tenant's own task, one thing after the other.
                self._seen_open = True
                self.wake.set()
            elif expected == self.delivery.serves:
                await self._saw(answered, expected)
        finally:
            self._looking = False

    async def _saw(self, answered: Answered | None, expected: str) -> None:
        other = answered is not None and bool(answered.serves) and answered.serves != expected
        self._silent = 0 if answered else self._silent + 1
        # Of one that is silent nothing new is known.
        self._stale = self._stale if answered is None else self._stale + 1 if other else 0
        if other and self._stale < STALE_LOOKS:
            # Acknowledged, or on its way to the threads that serve: sent once more before anybody is alarmed.
            self.stream.known.get(ROUTES, {}).pop(self.board.slug, None)
            self.wake.set()
        sight = (self._silent >= SILENT_LOOKS, self._stale >= STALE_LOOKS)
        if sight != self._sight:
            if sight[1]:
                log.error("Gateway %s serves other routes of %s than it acknowledged.", self.node.name, self.board.slug)
            await self.database.ask(truth.save_sight, self.node, self.board.tenant_id, unreached=sight[0], stale=sight[1])
            self._sight = sight

    async def _judge(self, newest: Newest, probing: asyncio.Task[Answered | None]) -> None:
        self._probing = None
        if stands_open(probing.result()):
            await self._close(newest)

    async def _close(self, newest: Newest) -> None:
        log.error("The gate of %s stands open on gateway %s; closing it.", self.board.slug, self.node.name)
        outcome = await self.delivery.close(newest)
        outcome.refusals.append((f"open {newest.compiled.digest if newest.compiled else ''}", OPEN_GATE))
        await self._write_down(outcome)
        await self.database.insist(truth.save_open, self.node, self.board.tenant_id)

    async def _write_down(self, outcome: Outcome) -> None:
        offer = outcome.offer
        before = self._access
        self._access = max(self._access, offer.number)
        if offer.kind is Kind.IN_STEP:
            self._routes = max(self._routes, offer.number)
        nothing_new = before == self._access and self._written is offer.kind
        if nothing_new and not outcome.pushed and not outcome.refusals:
            return
        await self.database.insist(
            register.save_outcome, self.node, self.board.tenant_id, outcome, routes=self._routes, access=self._access
        )
        self._written = offer.kind
        measures.RECEIPTS.labels(offer.kind).inc()
        if before < self._access:
            measures.RECEIPT.observe(time.monotonic() - self.board.heard_at)

    async def _held(self, routes: RoutesRef) -> Newest:
        return await self.database.insist(register.newest, self.board.tenant_id, routes, view=self.board.view)
