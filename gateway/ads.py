"""Delta ADS (https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds): the protocol of one gateway's stream.

Knows resources, versions and nonces; what a gateway should have is gateway.delivery's business. Every response holds one resource of
a tenant and has a nonce of its own: a bad one among several makes Envoy apply the others and refuse the nonce of all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from envoy.service.discovery.v3 import discovery_pb2

from gateway.envoy.resources import Resource

Request: TypeAlias = discovery_pb2.DeltaDiscoveryRequest
Response: TypeAlias = discovery_pb2.DeltaDiscoveryResponse
Write = Callable[[Response], Awaitable[None]]

# A gateway that has not answered a response by then is stuck or gone; the next change tries again.
ACK_SECONDS = 20.0
# A tenant of 1,000 operations and 5,000 subscriptions takes less than three megabytes.
MAX_MESSAGE = 64 * 1024 * 1024


class Refused(Exception):  # noqa: N818  (the protocol calls it a NACK)
    """The gateway refused a response; its own words."""

    def __init__(self, url: str, name: str, version: str, text: str) -> None:
        super().__init__(text)
        self.url, self.name, self.version = url, name, version


@dataclass(slots=True)
class Flight:
    url: str
    versions: dict[str, str]
    removed: tuple[str, ...]
    answered: asyncio.Future[None]


@dataclass(slots=True)
class Stream:
    """One stream of one gateway: what it asked for, what it has, and what is on its way.

    `asked` gets (type url, names newly subscribed, names unsubscribed, is the first request of the type).
    """

    write: Write
    asked: Callable[[str, Sequence[str], Sequence[str], bool], None]
    subscribed: dict[str, set[str]] = field(default_factory=dict)
    # Type url -> name -> version that the gateway has acknowledged.
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    _flights: dict[str, Flight] = field(default_factory=dict)
    # Held while the gateway looks at slow resources, see gateway.delivery.
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _serial: int = 0
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, requests: AsyncIterator[Request]) -> None:
        """Until the gateway goes."""
        try:
            async for request in requests:
                self.take(request)
        finally:
            for flight in self._flights.values():
                flight.answered.cancel()

    def take(self, request: Request) -> None:
        url = request.type_url
        if request.response_nonce:
            self._answered(request)
        first = url not in self.subscribed
        if first:
            self.subscribed[url] = set()
            self.known[url] = dict(request.initial_resource_versions)
        asked = [name for name in request.resource_names_subscribe if name != "*"]
        dropped = list(request.resource_names_unsubscribe)
        self.subscribed[url] |= set(asked)
        self.subscribed[url] -= set(dropped)
        # What is asked for again is sent again: the gateway may have let go of it. A first request says by itself what it has.
        for name in dropped if first else [*asked, *dropped]:
            self.known[url].pop(name, None)
        if first or asked or dropped:
            self.asked(url, asked, dropped, first)

    def _answered(self, request: Request) -> None:
        flight = self._flights.pop(request.response_nonce, None)
        if flight is None:
            return
        known = self.known.setdefault(flight.url, {})
        if request.HasField("error_detail"):
            name, version = next(iter(flight.versions.items()), ("", ""))
            if not flight.answered.done():
                flight.answered.set_exception(Refused(flight.url, name, version, request.error_detail.message))
            return
        known.update(flight.versions)
        for name in flight.removed:
            known.pop(name, None)
        if not flight.answered.done():
            flight.answered.set_result(None)

    async def send(self, url: str, resources: Sequence[Resource] = (), removed: Sequence[str] = ()) -> None:
        """Send one response and wait for the gateway's answer.

        :raises Refused: it said no. :raises TimeoutError: it said nothing.
        """
        flight = Flight(
            url,
            {each.name: each.version for each in resources},
            tuple(removed),
            asyncio.get_running_loop().create_future(),
        )
        response = Response(type_url=url, removed_resources=list(removed))
        for each in resources:
            response.resources.add(name=each.name, version=each.version, resource=each.body)
        if response.ByteSize() > MAX_MESSAGE - 1024:
            # Sent all the same it would end the stream, and with it every other tenant's.
            raise Refused(url, resources[0].name, resources[0].version, "This configuration is larger than a gateway takes (64 MB).")
        async with self._writing:
            self._serial += 1
            response.nonce = str(self._serial)
            self._flights[response.nonce] = flight
            await self.write(response)
        async with asyncio.timeout(ACK_SECONDS):
            await flight.answered

    def has(self, resource: Resource) -> bool:
        return self.known.get(resource.url, {}).get(resource.name) == resource.version

    def wants(self, url: str, name: str) -> bool:
        return name in self.subscribed.get(url, ())


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a gateway says of itself; `address` is where its canary may be called, "" not at all."""

    name: str
    version: str
    address: str


def node_facts(request: Request) -> NodeFacts:
    """From a stream's first request."""
    node = request.node
    build = node.user_agent_build_version.version
    fields = node.metadata.fields
    address = fields["address"].string_value if "address" in fields else ""
    return NodeFacts(node.id[:80], f"{build.major_number}.{build.minor_number}.{build.patch}", address[:200])
