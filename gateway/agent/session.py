"""One stream of this agent's Envoy: what it asked for, what it acknowledged, and who answers, control or the snapshot.

An acknowledgement goes to control only when Envoy itself gave it, to the very response that control's present stream sent. Nonces are
the agent's own towards Envoy, so that an answer to a stream that has ended is taken for nothing else.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2

from gateway.agent.kinds import CLUSTER, LISTENER, ON_DEMAND, ROUTES, SCOPE, SECRET
from gateway.agent.snapshot import Snapshot

log = logging.getLogger(__name__)

Request: TypeAlias = discovery_pb2.DeltaDiscoveryRequest
Response: TypeAlias = discovery_pb2.DeltaDiscoveryResponse
# Control's side of a relay: a grpc.aio.StreamStreamCall, which has no type of its own.
Call: TypeAlias = Any

# Envoy has something, and which version is not certain or not in the snapshot: control sends it again.
UNSURE = "?"
# As gateway.delivery: a cluster that waits for its secret refuses calls.
SECRET_SECONDS = 1.0
_POLL_SECONDS = 0.005
ACK_SECONDS = 20.0


@dataclass(slots=True)
class Flight:
    """A response that Envoy has not answered. `call` is the stream of control's that sent it, as `nonce`; None for one of our own."""

    call: Call | None
    nonce: str
    url: str
    versions: dict[str, str]
    removed: tuple[str, ...]
    prepared: "asyncio.Future[str] | None" = None
    answered: "asyncio.Future[bool] | None" = None


@dataclass(slots=True)
class Session:
    """`write` sends to Envoy. `may_serve`: whether the snapshot may be served now. `served` hears of the first that is."""

    node: base_pb2.Node
    snapshot: Snapshot
    write: Callable[[Response], Awaitable[None]]
    may_serve: Callable[[], bool]
    served: Callable[["Session"], None]
    # By type url, in the order in which Envoy asked: the names, with "*" for all.
    subscribed: dict[str, dict[str, None]] = field(default_factory=dict)
    # By type url, name and the version that Envoy acknowledged.
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    # It began without anything.
    fresh: bool = False
    drained: bool = False
    call: Call | None = None
    # Nobody answers for control.
    away: bool = False
    _flights: dict[str, Flight] = field(default_factory=dict)
    _serial: int = 0
    # Types that control's present stream was asked for.
    _opened: set[str] = field(default_factory=set)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _serving: set["asyncio.Task[None]"] = field(default_factory=set)

    # From Envoy

    async def read(self, requests: AsyncIterator[Request]) -> None:
        """Until Envoy goes."""
        async for request in requests:
            await self.take(request)

    async def take(self, request: Request) -> None:
        url = request.type_url
        flight = self._flights.pop(request.response_nonce, None) if request.response_nonce else None
        first = url not in self.subscribed
        asked = [name for name in request.resource_names_subscribe if name != "*"]
        dropped = list(request.resource_names_unsubscribe)
        if flight is not None:
            await self._answered(flight, request)
        if first:
            self.known[url] = dict(request.initial_resource_versions)
            self.fresh = self.fresh or (url == LISTENER and not self.known[url])
        if "*" in dropped:
            # It wants nothing of the kind any more, as when its listener went. Asked again it begins anew.
            await self._pass_on(request, flight)
            del self.subscribed[url], self.known[url]
            self._opened.discard(url)
            return
        wanted = self.subscribed.setdefault(url, {})
        wanted |= dict.fromkeys(request.resource_names_subscribe)
        for name in dropped:
            wanted.pop(name, None)
        # What is asked for again may have been let go of. A first request says by itself what it has.
        for name in dropped if first else [*asked, *dropped]:
            self.known[url].pop(name, None)
        if dropped and self.call is not None and url in ON_DEMAND:
            await self.snapshot.drop(url, dropped)
        await self._pass_on(request, flight)
        if self.away and url in self.subscribed and (first or asked):
            self._serve(url, asked, first=first)

    async def _answered(self, flight: Flight, request: Request) -> None:
        """What control hears of is on the disk before: a receipt must not be forgotten by a restart."""
        taken = not request.HasField("error_detail")
        if taken:
            known = self.known.setdefault(flight.url, {})
            known |= flight.versions
            for name in flight.removed:
                known.pop(name, None)
            if flight.call is not None:
                await self._write_down(flight)
        else:
            self.snapshot.discard(flight.prepared)
            if flight.call is None:
                names = ", ".join([*flight.versions][:3])
                log.error("Envoy refuses %s of the snapshot: %s", names, request.error_detail.message)
        if flight.answered is not None and not flight.answered.done():
            flight.answered.set_result(taken)

    async def _write_down(self, flight: Flight) -> None:
        url, wanted = flight.url, self.subscribed.get(flight.url, {})
        versions = {name: version for name, version in flight.versions.items() if url not in ON_DEMAND or name in wanted}
        await self.snapshot.commit(url, versions, flight.removed, flight.prepared)
        if url == SCOPE and versions:
            await self.snapshot.drop(SCOPE, [name for name in self.snapshot.names(SCOPE) if name not in self.known.get(SCOPE, {})])

    # To control

    async def _pass_on(self, request: Request, flight: Flight | None) -> None:
        call = self.call
        if call is None:
            return
        async with self._sending:
            if request.type_url not in self._opened:
                await self._open(call, request.type_url)
                return
            told = Request()
            told.CopyFrom(request)
            told.ClearField("node")
            told.ClearField("initial_resource_versions")
            told.response_nonce = flight.nonce if flight is not None and flight.call is call else ""
            if not told.response_nonce:
                told.ClearField("error_detail")
            if told.response_nonce or told.resource_names_subscribe or told.resource_names_unsubscribe:
                await call.write(told)

    def first_url(self) -> str:
        """The type that Envoy asked for first: control answers it, even with nothing."""
        return next(iter(self.subscribed))

    def first_request(self, url: str) -> Request:
        """What a new stream to control begins with for a type: what Envoy wants, and what it has."""
        request = Request(type_url=url, resource_names_subscribe=list(self.subscribed[url]))
        wanted = self.subscribed[url]
        flying = {name for each in self._flights.values() if each.url == url for name in (*each.versions, *each.removed)}
        for name in {**self.known[url], **dict.fromkeys(flying)}:
            if url in ON_DEMAND and name not in wanted:
                continue
            version = self.known[url].get(name, UNSURE)
            sure = name not in flying and self.snapshot.has(url, name, version)
            request.initial_resource_versions[name] = version if sure else UNSURE
        return request

    async def connected(self, call: Call, told: Request) -> None:
        """Control has answered the first request: from now on it answers everything. `told` is that request."""
        self.call, self.away, self.drained, self._opened = call, False, False, {told.type_url}
        for task in self._serving:
            task.cancel()
        async with self._sending:
            later = [name for name in self.subscribed[told.type_url] if name not in set(told.resource_names_subscribe)]
            if later:
                await call.write(Request(type_url=told.type_url, resource_names_subscribe=later))
            for url in [*self.subscribed]:
                if url not in self._opened:
                    await self._open(call, url)

    async def _open(self, call: Call, url: str) -> None:
        if url == LISTENER and not self.known[url]:
            # Control takes it that Envoy has just started, and that it holds no tenant.
            await self.snapshot.keep_tenants(())
        elif url == ROUTES:
            # The gateway's own and those of tenants' hosts, by their names; other secrets are told by their tenant's slug.
            certificates = [name for name in self.subscribed.get(SECRET, {}) if "/" not in name]
            await self.snapshot.keep_tenants(self.subscribed[url].keys(), certificates)
        self._opened.add(url)
        await call.write(self.first_request(url))

    async def tell(self, node: base_pb2.Node) -> None:
        """Control hears what the agent says of itself."""
        async with self._sending:
            if self.call is not None:
                await self.call.write(Request(type_url=self.first_url(), node=node))

    async def relay(self, call: Call, response: Response) -> None:
        """A response of control's, on to Envoy."""
        resources = list(response.resources)
        prepared = self.snapshot.prepare(response.type_url, resources) if resources else None
        await self._send(
            response, Flight(call, response.nonce, response.type_url, _versions(resources), tuple(response.removed_resources), prepared)
        )

    async def _send(self, response: Response, flight: Flight) -> None:
        async with self._writing:
            self._serial += 1
            response.nonce = str(self._serial)
            self._flights[response.nonce] = flight
            await self.write(response)

    # While control is away

    def disconnected(self) -> None:
        """Control is gone, or does not answer: from now on the snapshot does, for what Envoy does not have."""
        self.call = None
        self._opened = set()
        if self.away:
            return
        self.away = True
        for url, names in self.subscribed.items():
            self._serve(url, [name for name in names if name != "*"], first=True)

    def end(self) -> None:
        for task in self._serving:
            task.cancel()

    def _serve(self, url: str, names: Sequence[str], *, first: bool) -> None:
        if not self.may_serve():
            return
        if url == ROUTES:
            for slug in names:
                if slug not in self.known[url]:
                    self._spawn(self._give_tenant(slug))
        elif url == SECRET:
            self._spawn(self._give(url, names))
            self._refuse_hosts(names)
        elif url in {LISTENER, SCOPE}:
            self._spawn(self._give(url, self.snapshot.names(url)))
        elif url == CLUSTER and first:
            # Until it has an answer Envoy waits, and asks for no listener.
            self._spawn(self._send(Response(type_url=url), Flight(None, "", url, {}, ())))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._serving.add(task)

        def done(_: object) -> None:
            self._serving.discard(task)
            if not task.cancelled() and task.exception() is not None:
                log.error("Serving from the snapshot failed.", exc_info=task.exception())

        task.add_done_callback(done)

    async def _give(self, url: str, names: Iterable[str]) -> None:
        flying = {name for each in self._flights.values() if each.url == url for name in each.versions}
        resources = await self.snapshot.read(url, [name for name in names if name not in self.known[url] and name not in flying])
        if resources:
            await self._give_these(url, resources)

    def _refuse_hosts(self, names: Iterable[str]) -> None:
        """As control does: a handshake that names a host whose certificate is not here ends. Else Envoy would wait, and ask control for
        whatever anybody named meanwhile, all at once. Tenants' other secrets have a slash, the gateway's own certificate has no dot."""
        flying = {name for each in self._flights.values() if each.url == SECRET for name in each.versions}
        here = {*self.snapshot.names(SECRET), *self.known[SECRET], *flying}
        unknown = [name for name in names if "." in name and "/" not in name and name not in here]
        if unknown:
            response = Response(type_url=SECRET, removed_resources=unknown)
            self._spawn(self._send(response, Flight(None, "", SECRET, {}, tuple(unknown))))

    async def _give_these(self, url: str, resources: Sequence[discovery_pb2.Resource]) -> "asyncio.Future[bool]":
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.served(self)
        await self._send(Response(type_url=url, resources=resources), Flight(None, "", url, _versions(resources), (), answered=answered))
        return answered

    async def _give_tenant(self, slug: str) -> None:
        """As gateway.delivery does: clusters, the secrets that Envoy then asks for, routes."""
        routes = await self.snapshot.read(ROUTES, [slug])
        if not routes:
            return
        missing = [name for name in self.snapshot.names(CLUSTER, slug) if name not in self.known.get(CLUSTER, {})]
        answers = [await self._give_these(CLUSTER, [each]) for each in await self.snapshot.read(CLUSTER, missing)]
        if answers:
            await asyncio.wait(answers, timeout=ACK_SECONDS)
        await self._wait_for_secrets(self.snapshot.names(SECRET, slug))
        await self._give_these(ROUTES, routes)

    async def _wait_for_secrets(self, names: Collection[str]) -> None:
        until = asyncio.get_running_loop().time() + SECRET_SECONDS
        while any(name not in self.known.get(SECRET, {}) for name in names) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_POLL_SECONDS)

    async def drain(self) -> None:
        """No more calls: Envoy lets go of its listener, and of its connections with their next answers."""
        self.drained = True
        listeners = sorted(self.known.get(LISTENER, {}))
        if listeners:
            response = Response(type_url=LISTENER, removed_resources=listeners)
            await self._send(response, Flight(None, "", LISTENER, {}, tuple(listeners)))


def _versions(resources: Iterable[discovery_pb2.Resource]) -> dict[str, str]:
    return {each.name: each.version for each in resources}
