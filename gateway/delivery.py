"""One tenant on one gateway: bring it in step, and never let what takes access away wait for what the gateway refuses.

When the gateway refuses the newest configuration it gets at once the last routes it acknowledged with today's keys, grants and
denials; never an older grant table, for that would give back what was taken. If that is refused too, it gets the closed one.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.ads import Refused, Stream
from gateway.desired import Desired, RoutesRef
from gateway.envoy.resources import CLUSTER, ROUTES, SECRET, Compiled, Resource, compile_tenant

log = logging.getLogger(__name__)

# A cluster that injects a secret makes the gateway ask for it; until it has it, calls would be refused.
SECRET_SECONDS = 1.0
_POLL_SECONDS = 0.005


class Kind(StrEnum):
    """The values of gateway.models.Deployment.State."""

    IN_STEP = "in_step"
    HELD = "held"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Offer:
    """A configuration to try, true up to event `number`. `routes_ref` is set where it serves the newest routes."""

    kind: Kind
    compiled: Compiled
    number: int
    routes_ref: RoutesRef | None = None


@dataclass(frozen=True, slots=True)
class Newest:
    """A tenant's desired state, compiled; or why it can't be."""

    desired: Desired
    compiled: Compiled | None
    error: str = ""


@dataclass(slots=True)
class Outcome:
    """What the gateway now has, whether anything had to be sent, and (digest, text) of what was refused on the way."""

    offer: Offer
    pushed: bool
    refusals: list[tuple[str, str]] = field(default_factory=list)


# Today's access with the routes that a reference names.
Held = Callable[[RoutesRef], Awaitable[Newest]]


def key_of(ref: RoutesRef) -> str:
    return json.dumps(ref, sort_keys=True)


@dataclass(slots=True)
class Delivery:
    """:param good_routes: the routes this gateway last acknowledged, also from before a restart of control.
    :param refused: digests it refused, with its words; they are not sent to it again.
    """

    stream: Stream
    slug: str
    held: Held
    good_routes: RoutesRef | None = None
    refused: dict[str, str] = field(default_factory=dict)
    # Routes that the gateway refused while it took the same access with older ones: not worth a try until they change.
    _bad_routes: str | None = None
    # The canary got through here once.
    _open: bool = False
    # What the gateway says to a canary while it serves what it acknowledged last; "" before that.
    serves: str = ""
    _offered: Compiled | None = None
    _answering: set[str] = field(default_factory=set)

    async def bring(self, newest: Newest) -> Outcome:
        """Give the gateway the best that it accepts.

        :raises TimeoutError: it answers nothing. :raises Refused: it refuses even the closed configuration.
        """
        refusals: list[tuple[str, str]] = []
        if newest.compiled is None:
            refusals.append((f"uncompiled {key_of(newest.desired.routes_ref)}: {newest.error}", newest.error))
        async for offer in self._offers(newest):
            digest = offer.compiled.digest
            # The closed one is tried however often: the reason that it was refused for may have passed.
            if digest in self.refused and offer.kind is not Kind.CLOSED:
                refusals.append((digest, self.refused[digest]))
                continue
            try:
                pushed = await self._push(offer.compiled)
            except Refused as refusal:
                if offer.kind is Kind.CLOSED:
                    raise
                self.refused[digest] = str(refusal)
                refusals.append((digest, str(refusal)))
                continue
            self._learn(offer, newest)
            return Outcome(offer, pushed, refusals)
        raise AssertionError("The closed configuration is always offered.")

    async def close(self, newest: Newest) -> Outcome:
        """Let nothing through from now on: the canary answered without a token. Only a new stream of the gateway is trusted again."""
        self._open = True
        offer = _closed(newest)
        return Outcome(offer, await self._push(offer.compiled))

    async def _offers(self, newest: Newest) -> AsyncIterator[Offer]:
        if self._open:
            yield _closed(newest)
            return
        wanted = key_of(newest.desired.routes_ref)
        if newest.compiled is not None and newest.desired.tenant.suspended:
            # It refuses every call, so that it was taken says nothing of the routes.
            yield Offer(Kind.IN_STEP, newest.compiled, newest.desired.number)
        elif newest.compiled is not None and wanted != self._bad_routes:
            yield Offer(Kind.IN_STEP, newest.compiled, newest.desired.number, newest.desired.routes_ref)
        if self.good_routes is not None and key_of(self.good_routes) != wanted:
            held = await self.held(self.good_routes)
            if held.compiled is not None:
                yield Offer(Kind.HELD, held.compiled, held.desired.number)
        yield _closed(newest)

    def _learn(self, offer: Offer, newest: Newest) -> None:
        match offer.kind:
            case Kind.IN_STEP if offer.routes_ref is not None:
                self.good_routes, self._bad_routes = offer.routes_ref, None
            case Kind.HELD:
                self._bad_routes = key_of(newest.desired.routes_ref)
            case Kind.CLOSED:
                # Whose fault it was is not known, so the next change is tried whole.
                self._bad_routes = None

    async def _push(self, compiled: Compiled) -> bool:
        """Clusters first, whose secrets the gateway asks for meanwhile, then the routes, then away with what nobody needs.

        Returns whether anything had to be sent.
        """
        self._offered = compiled
        fresh = [cluster for cluster in compiled.clusters if not self.stream.has(cluster)]
        pushed = bool(fresh)
        await self._give_clusters(fresh)
        for secret in compiled.secrets:
            await self._give_secret(secret)
        pushed = await self._give_doors(compiled) or pushed
        if not self.stream.has(compiled.routes):
            await self.stream.send(ROUTES, [compiled.routes])
            pushed = True
        self.serves = compiled.served
        await self._remove_leftovers(compiled)
        return pushed

    async def _give_clusters(self, clusters: Sequence[Resource]) -> None:
        for cluster in clusters:
            if not cluster.slow:
                await self.stream.send(CLUSTER, [cluster])
        slow = [cluster for cluster in clusters if cluster.slow]
        if not slow:
            return
        # While a gateway checks the health of a new cluster for the first time it acknowledges none, of whatever tenant. So a tenant's
        # are checked at once, and one tenant's after the other's: nobody else waits for longer than one check may take.
        async with self.stream.looking:
            answers = await asyncio.gather(*(self.stream.send(CLUSTER, [cluster]) for cluster in slow), return_exceptions=True)
        for answer in answers:
            if answer is not None:
                raise answer

    async def _give_secret(self, secret: Resource) -> None:
        """Wait until the gateway has it, and send it if it asked while nobody here listened."""
        try:
            async with asyncio.timeout(SECRET_SECONDS):
                while not self.stream.has(secret):
                    if self.stream.wants(SECRET, secret.name):
                        await self.answer_secret(secret.name)
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            log.warning("A gateway did not ask for the secret of %s; its calls may be refused until it does.", secret.name)

    async def answer_secret(self, name: str) -> None:
        """The gateway asks for a secret of what it was offered.

        At once: it acknowledges no cluster, of whatever tenant, while one still waits for its secret.
        """
        for secret in self._offered.secrets if self._offered else ():
            if secret.name == name and name not in self._answering and not self.stream.has(secret):
                self._answering.add(name)
                try:
                    await self.stream.send(SECRET, [secret])
                finally:
                    self._answering.discard(name)

    async def _give_doors(self, compiled: Compiled) -> bool:
        """The certificates of the tenant's own hosts, of which a gateway has those that it was called under. Others it will ask for."""
        stale = [each for each in compiled.doors if self.stream.wants(SECRET, each.name) and not self.stream.has(each)]
        for each in stale:
            await self.stream.send(SECRET, [each])
        return bool(stale)

    async def _remove_leftovers(self, compiled: Compiled) -> None:
        needed = {cluster.name for cluster in compiled.clusters}
        leftover = [name for name in self.stream.known.get(CLUSTER, {}) if name.startswith(f"{self.slug}/") and name not in needed]
        if leftover:
            await self.stream.send(CLUSTER, removed=leftover)

    async def forget(self) -> None:
        """The gateway no longer wants the tenant."""
        leftover = [name for name in self.stream.known.get(CLUSTER, {}) if name.startswith(f"{self.slug}/")]
        if leftover:
            await self.stream.send(CLUSTER, removed=leftover)


def _closed(newest: Newest) -> Offer:
    return Offer(Kind.CLOSED, compile_tenant(replace(newest.desired.tenant, routes=None)), newest.desired.number)
