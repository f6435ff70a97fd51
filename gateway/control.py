"""The control plane process: hears of decisions, and brings every connected gateway in step."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc
import psycopg
from django.conf import settings
from django.db import DatabaseError
from envoy.service.discovery.v3 import ads_pb2_grpc
from uuid_utils.compat import uuid7

from gateway import desired, register
from gateway.ads import MAX_MESSAGE, Refused, Request, Stream, node_facts
from gateway.boards import Board
from gateway.canary import Canary, Probe
from gateway.database import AWAY, Database, forever
from gateway.envoy.resources import LISTENER, ROUTES, SCOPE, SECRET, Resource, compile_listener, compile_scope
from gateway.envoy.state import AddressLimit
from gateway.keeper import Keeper
from gateway.register import NodeId
from tenants.events import CHANNEL

log = logging.getLogger(__name__)

RECONCILE_SECONDS = 15.0
HEARTBEAT_SECONDS = 5.0
FIRST_REQUEST_SECONDS = 10.0
# What a gateway says of itself and asks for; what it is sent may be larger.
MAX_REQUEST = 8 * 1024 * 1024


@dataclass(slots=True)
class Node:
    """A gateway on its stream. `id` tells this stream from any other of the same gateway, here or at another control process."""

    id: UUID
    node: NodeId
    address: str
    stream: Stream
    task: asyncio.Task[Any]
    keepers: dict[str, Keeper] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)


class Control(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Delta ADS for every gateway that connects. `probe` is how a canary is called; tests bring their own."""

    def __init__(self, probe: Probe | None = None) -> None:
        self.id = uuid7()
        self.nodes: dict[UUID, Node] = {}
        self.boards: dict[str, Board] = {}
        self.slugs: dict[UUID, str] = {}
        self.database = Database()
        self._listener = _compile_listener()
        self._scopes: dict[str, Resource] = {}
        self._probe = probe or Canary()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, address: str, stopping: asyncio.Event) -> None:
        """Serve ADS at `address` until `stopping` is set."""
        await self.database.insist(register.control_began)
        self._add_tenants(await self.database.insist(register.tenants))
        for loop, every in ((self._listen, 1.0), (self._heartbeat, HEARTBEAT_SECONDS), (self.reconcile, RECONCILE_SECONDS)):
            self._spawn(forever(loop, every=every), self._tasks)
        sizes = [("grpc.max_receive_message_length", MAX_REQUEST), ("grpc.max_send_message_length", MAX_MESSAGE)]
        # A gateway that vanished without a word is noticed by its silence.
        silence = [("grpc.keepalive_time_ms", 5_000), ("grpc.keepalive_timeout_ms", 5_000), ("grpc.keepalive_permit_without_calls", 1)]
        server = grpc.aio.server(options=[*sizes, *silence, ("grpc.http2.min_ping_interval_without_data_ms", 2_000)])
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, server)
        server.add_insecure_port(address)
        await server.start()
        log.info("Serving gateways at %s.", address)
        await stopping.wait()
        await self._stop(server)

    async def _stop(self, server: grpc.aio.Server) -> None:
        await server.stop(0.2)
        for board in self.boards.values():
            board.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.database.ask(register.control_stopped, self.id)
        except DatabaseError:
            log.info("PostgreSQL is away, so it learns of the stop by silence.")
        self.database.close()

    def _spawn(self, work: Any, tasks: set[asyncio.Task[Any]]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        tasks.add(task)

        def done(_: asyncio.Task[Any]) -> None:
            tasks.discard(task)
            if not task.cancelled() and task.exception() is not None:
                log.error("A task of the control plane failed.", exc_info=task.exception())

        task.add_done_callback(done)
        return task

    # Hearing of changes

    async def _listen(self) -> None:
        """LISTEN on a direct connection. After each new start whatever was said meanwhile is looked up."""
        try:
            async with await psycopg.AsyncConnection.connect(settings.DATABASE_DIRECT_URL, autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                await self.reconcile()
                async for notice in connection.notifies():
                    await self._heard(notice.payload)
        except psycopg.OperationalError as error:
            log.warning("Not hearing decisions (%s); trying again.", str(error).strip().splitlines()[0])

    async def _heard(self, payload: str) -> None:
        tenant, _, urgency = payload.partition(" ")
        try:
            tenant_id = UUID(tenant)
        except ValueError:
            log.warning("A notice that names no tenant: %.80s", payload)
            return
        if tenant_id in self.slugs:
            self.boards[self.slugs[tenant_id]].changed(soon=urgency == "soon")
        else:
            self._spawn(self._meet(tenant_id), self._tasks)

    async def _meet(self, tenant_id: UUID) -> None:
        slug = await self.database.insist(register.tenant_slug, tenant_id)
        if slug is not None:
            self._add_tenants({slug: tenant_id})

    async def reconcile(self) -> None:
        """Compare with the database and with the gateways what was told: a lost notice costs seconds, never truth."""
        known = set(self.boards)
        found = await self.database.ask(register.tenants)
        self._add_tenants(found)
        self._forget_tenants(known - found.keys())
        for node in list(self.nodes.values()):
            self._offer_scopes(node)
        for board in list(self.boards.values()):
            if await board.is_behind():
                board.changed()

    def _add_tenants(self, found: dict[str, UUID]) -> None:
        new = [slug for slug in found if slug not in self.boards]
        for slug in new:
            self.boards[slug] = Board(found[slug], slug, self.database)
            self.slugs[found[slug]] = slug
            self._scopes[slug] = compile_scope(slug)
        for node in self.nodes.values() if new else ():
            self._offer_scopes(node)

    def _forget_tenants(self, erased: Collection[str]) -> None:
        """A gateway that hears that the scope is gone drops the routes by itself, and its keeper ends."""
        for slug in erased:
            board = self.boards.pop(slug)
            board.close()
            del self.slugs[board.tenant_id], self._scopes[slug]
        for node in self.nodes.values():
            if gone := [slug for slug in erased if slug in node.stream.known.get(SCOPE, {})]:
                self._spawn(self._talk(node, node.stream.send(SCOPE, removed=gone)), node.tasks)

    def _offer_scopes(self, node: Node) -> None:
        missing = [scope for scope in self._scopes.values() if not node.stream.has(scope)]
        if missing and SCOPE in node.stream.subscribed:
            self._send(node, SCOPE, missing)

    async def _heartbeat(self) -> None:
        """Say that this process and its gateways live; a gateway that has joined elsewhere since is let go here."""
        streams = {node.id: node.node.pk for node in self.nodes.values()}
        kept = await self.database.ask(register.heartbeat, self.id, streams)
        for stream_id in streams.keys() - kept:
            if stream_id in self.nodes:
                self._let_go(self.nodes[stream_id])
        await self.divide()

    async def divide(self) -> None:
        """Where limits are divided among another number of gateways than there are, divide them anew. Nothing else is sent anew, for each
        push fills the buckets.
        """
        gateways = await self.database.ask(desired.gateways_connected)
        for board in self.boards.values():
            if board.newest is not None and board.newest.desired.tenant.gateways != gateways:
                # Several may join within a moment.
                board.changed(soon=True)

    # Gateways

    async def DeltaAggregatedResources(  # noqa: N802  (the service's name for it)
        self, requests: AsyncIterator[Request], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        async with asyncio.timeout(FIRST_REQUEST_SECONDS):
            first = await anext(aiter(requests), None)
        if first is None:
            return
        facts = node_facts(first)
        stream_id = uuid7()
        try:
            node_id = await self.database.ask(register.authenticate, _authorization(context), facts.name)
            if node_id is None:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"No token of the gateway “{facts.name}”.")
            await self.database.ask(register.node_joined, node_id, stream=stream_id, address=facts.address, version=facts.version)
        except AWAY:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "PostgreSQL does not answer.")
        for other in [other for other in self.nodes.values() if other.node == node_id]:
            self._let_go(other)
        task = asyncio.current_task()
        assert task is not None
        stream = Stream(context.write, asked=lambda *asked: self._asked(self.nodes[stream_id], *asked))
        await self._serve(Node(stream_id, node_id, facts.address, stream, task), first, requests)

    def _let_go(self, node: Node) -> None:
        """One stream per gateway, the newest: receipts count gateways by name, and could speak for one of two only."""
        log.warning("Gateway %s has joined again; its older stream ends. Each gateway needs a name of its own.", node.node.name)
        node.task.cancel()

    async def _serve(self, node: Node, first: Request, requests: AsyncIterator[Request]) -> None:
        self.nodes[node.id] = node
        log.info("Gateway %s joined.", node.node.name)
        self._spawn(self.divide(), node.tasks)
        try:
            node.stream.take(first)
            await node.stream.read(requests)
        finally:
            del self.nodes[node.id]
            for task in node.tasks:
                task.cancel()
            log.info("Gateway %s left.", node.node.name)
            self._spawn(self.database.insist(register.node_lost, node.node, stream=node.id), self._tasks)

    def _asked(self, node: Node, url: str, names: Sequence[str], dropped: Sequence[str], first: bool) -> None:  # noqa: FBT001
        if url == ROUTES:
            if first:
                self._spawn(self.database.insist(register.forget_loaded, node.node, but=list(names)), node.tasks)
            for slug in names:
                self._want(node, slug)
            for slug in dropped:
                if slug in node.keepers:
                    node.keepers[slug].wanted = False
                    node.keepers[slug].wake.set()
        elif url == SECRET:
            for name in names:
                keeper = node.keepers.get(name.partition("/")[0])
                if keeper is not None:
                    self._spawn(self._talk(node, keeper.delivery.answer_secret(name)), node.tasks)
        elif first:
            self._first_of_a_kind(node, url)

    def _first_of_a_kind(self, node: Node, url: str) -> None:
        if url == LISTENER and not node.stream.known[url]:
            # It has just started and holds nothing, so whatever it had loaded is forgotten.
            self._spawn(self.database.insist(register.forget_loaded, node.node, but=[]), node.tasks)
        wanted = {LISTENER: [self._listener], SCOPE: list(self._scopes.values())}.get(url, [])
        # A wildcard type's first request needs an answer even if it is empty, or the gateway waits.
        self._send(node, url, [each for each in wanted if not node.stream.has(each)])

    def _want(self, node: Node, slug: str) -> None:
        keeper = node.keepers.get(slug)
        if keeper is not None:
            keeper.wanted = True
            keeper.wake.set()
        elif slug in self.boards:
            keeper = Keeper(node.node, node.address, node.stream, self.boards[slug], self.database, self._probe)
            node.keepers[slug] = keeper
            self._spawn(self._keep(node, slug, keeper), node.tasks)

    async def _keep(self, node: Node, slug: str, keeper: Keeper) -> None:
        try:
            await keeper.keep()
        finally:
            del node.keepers[slug]

    def _send(self, node: Node, url: str, resources: Sequence[Resource]) -> None:
        self._spawn(self._talk(node, node.stream.send(url, resources)), node.tasks)

    async def _talk(self, node: Node, sending: Awaitable[Any]) -> None:
        """Send what belongs to no tenant's delivery; a refusal is a fault of ours, and said loudly."""
        try:
            await sending
        except Refused as refusal:
            log.error("Gateway %s refused %s %s: %s", node.node.name, refusal.url, refusal.name, refusal)
        except TimeoutError:
            log.warning("Gateway %s does not answer.", node.node.name)


def _compile_listener() -> Resource:
    per_address = AddressLimit(settings.ADDRESS_CALLS_PER_SECOND, settings.ADDRESS_BURST, settings.ADDRESSES_KEPT)
    return compile_listener(
        port=settings.GATEWAY_PORT,
        address=settings.GATEWAY_ADDRESS,
        portal_url=settings.PORTAL_URL,
        per_address=per_address if per_address.calls else None,
    )


def _authorization(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    metadata = dict(context.invocation_metadata() or ())
    value = metadata.get("authorization", "")
    return value if isinstance(value, str) else value.decode("ascii", "replace")
