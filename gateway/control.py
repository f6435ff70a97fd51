"""The control plane process: hears of decisions, and brings every connected gateway in step.

One task per (gateway, tenant) does the talking, so a gateway that refuses one tenant's configuration, or is slow, holds up nothing else.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4

import grpc
import psycopg
from django.conf import settings
from django.db import DatabaseError
from envoy.service.discovery.v3 import ads_pb2_grpc

from gateway import register
from gateway.ads import Refused, Request, Stream, node_facts
from gateway.canary import Canary, Probe, stands_open
from gateway.delivery import Delivery, Kind, Newest, Outcome
from gateway.desired import RoutesRef
from gateway.envoy.resources import LISTENER, ROUTES, SCOPE, SECRET, Resource, compile_listener, compile_scope
from gateway.register import NodeId
from tenants.events import CHANNEL

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

# What only adds, and what a developer can cause, waits this long for more of its kind: each push refills rate-limit buckets.
GATHER_SECONDS = 1.0
RECONCILE_SECONDS = 15.0
HEARTBEAT_SECONDS = 5.0
RETRY_SECONDS = 1.0
# A tenant of 1,000 operations and 5,000 subscriptions compiles to a few megabytes.
MAX_MESSAGE = 64 * 1024 * 1024


@dataclass(slots=True)
class TenantOnNode:
    """The task that keeps one tenant on one gateway in step, and what it has covered."""

    node: NodeId
    tenant_id: UUID
    delivery: Delivery
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    routes: int = 0
    access: int = 0
    covered: Kind | None = None


@dataclass(slots=True)
class Node:
    id: NodeId
    address: str
    stream: Stream
    tenants: dict[str, TenantOnNode] = field(default_factory=dict)


@dataclass(slots=True)
class TenantBoard:
    """What this process knows of a tenant. `newest` is None until a gateway asks for it."""

    tenant_id: UUID
    slug: str
    newest: Newest | None = None
    refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)
    queued: bool = False
    # A change heard of while nobody has read it yet.
    pending: asyncio.Task[None] | None = None


class Control(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Delta ADS for every gateway that connects. `probe` is how a canary is called; tests bring their own."""

    def __init__(self, probe: Probe | None = None) -> None:
        self.id = uuid4()
        self.nodes: dict[int, Node] = {}
        self.tenants: dict[str, TenantBoard] = {}
        self.slugs: dict[UUID, str] = {}
        self._listener = compile_listener(port=settings.GATEWAY_PORT, address=settings.GATEWAY_ADDRESS, portal_url=settings.PORTAL_URL)
        self._scopes: dict[str, Resource] = {}
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._probe = probe or Canary()

    # Running

    async def run(self, address: str, stopping: asyncio.Event) -> None:
        """Serve ADS at `address` until `stopping` is set."""
        self._spawn(self._listen())
        self._spawn(self._every(HEARTBEAT_SECONDS, self._heartbeat))
        self._spawn(self._every(RECONCILE_SECONDS, self.reconcile))
        await self._until_done(self._load_tenants)
        limit = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
        server = grpc.aio.server(options=[*limit, ("grpc.http2.min_ping_interval_without_data_ms", 2_000)])
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, server)
        server.add_insecure_port(address)
        await server.start()
        log.info("Serving gateways at %s.", address)
        await stopping.wait()
        await server.stop(0.2)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._db(register.control_stopped, self.id)
        except DatabaseError:
            log.info("PostgreSQL is away, so it learns of the stop by silence.")
        self._threads.shutdown(wait=False)

    async def _db(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        call = partial(register.fresh_connection(work), *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _until_done(self, work: Callable[[], Awaitable[R]]) -> R:
        """Through an outage of the database: gateways go on with what they have meanwhile."""
        while True:
            try:
                return await work()
            except DatabaseError as error:
                log.warning("PostgreSQL does not answer (%s); trying again.", str(error).strip().splitlines()[0])
                await asyncio.sleep(RETRY_SECONDS)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("A task of the control plane failed.", exc_info=task.exception())

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except DatabaseError:
                log.warning("PostgreSQL does not answer; trying again in %s s.", seconds)
            await asyncio.sleep(seconds)

    async def _heartbeat(self) -> None:
        await self._db(register.heartbeat, self.id, [node.id.pk for node in self.nodes.values()])

    # Hearing of changes

    async def _listen(self) -> None:
        """LISTEN on a direct connection. After each new start whatever was said meanwhile is looked up."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(settings.DATABASE_DIRECT_URL, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._spawn(self.reconcile())
                    async for notice in connection.notifies():
                        tenant_id, _, urgency = notice.payload.partition(" ")
                        self.changed(UUID(tenant_id), soon=urgency == "soon")
            except psycopg.Error as error:
                log.warning("Not hearing decisions (%s); trying again.", str(error).strip().splitlines()[0])
                await asyncio.sleep(RETRY_SECONDS)

    def changed(self, tenant_id: UUID, *, soon: bool = False) -> None:
        board = self.tenants.get(self.slugs.get(tenant_id, ""))
        if board is None:
            self._spawn(self._until_done(partial(self._meet, tenant_id)))
            return
        if board.pending is not None and soon:
            return
        if board.pending is not None:
            board.pending.cancel()
        board.pending = self._spawn(self._refresh_after(board, GATHER_SECONDS if soon else 0.0))

    async def _refresh_after(self, board: TenantBoard, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        board.pending = None
        await self._until_done(partial(self.refresh, board))

    async def refresh(self, board: TenantBoard) -> None:
        """Read and compile the tenant, if any gateway here has it, and wake its deliveries."""
        if not any(board.slug in node.tenants for node in self.nodes.values()):
            board.newest = None
            return
        if board.queued:
            # One that has not read yet will see this change too.
            return
        board.queued = True
        async with board.refreshing:
            board.queued = False
            board.newest = await self._db(register.newest, board.tenant_id)
        for node in self.nodes.values():
            if board.slug in node.tenants:
                node.tenants[board.slug].wake.set()

    async def reconcile(self) -> None:
        """Compare with the database what was told: a lost notice costs seconds, never truth."""
        await self._load_tenants()
        for board in list(self.tenants.values()):
            if board.newest is not None and await self._db(register.newest_number, board.tenant_id) > board.newest.desired.number:
                await self.refresh(board)

    async def _load_tenants(self) -> None:
        for slug, tenant_id in (await self._db(register.tenants)).items():
            self._add_tenant(slug, tenant_id)

    async def _meet(self, tenant_id: UUID) -> None:
        slug = await self._db(register.tenant_slug, tenant_id)
        if slug is not None:
            self._add_tenant(slug, tenant_id)

    def _add_tenant(self, slug: str, tenant_id: UUID) -> None:
        if slug in self.tenants:
            return
        self.tenants[slug] = TenantBoard(tenant_id, slug)
        self.slugs[tenant_id] = slug
        self._scopes[slug] = compile_scope(slug)
        for node in self.nodes.values():
            if SCOPE in node.stream.subscribed:
                self._spawn(self._send(node, SCOPE, [self._scopes[slug]]))

    # Gateways

    async def DeltaAggregatedResources(  # noqa: N802  (the service's name for it)
        self, requests: AsyncIterator[Request], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        facts = node_facts(first)
        try:
            node_id = await self._db(register.authenticate, _authorization(context), facts["name"])
            if node_id is None:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"No token of the gateway “{facts['name']}”.")
            await self._db(
                register.node_joined,
                node_id,
                address=facts["address"],
                version=facts["version"],
                fresh=not first.initial_resource_versions,
            )
        except DatabaseError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "PostgreSQL does not answer.")
        await self._serve(node_id, facts["address"], first, requests, context)

    async def _serve(
        self,
        node_id: NodeId,
        address: str,
        first: Request,
        requests: AsyncIterator[Request],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        key = id(context)
        stream = Stream(context.write, asked=lambda *asked: self._asked(self.nodes[key], *asked))
        node = self.nodes[key] = Node(node_id, address, stream)
        log.info("Gateway %s joined.", node_id.name)
        try:
            stream.take(first)
            await stream.read(requests)
        finally:
            del self.nodes[key]
            for here in node.tenants.values():
                if here.task is not None:
                    here.task.cancel()
            log.info("Gateway %s left.", node_id.name)
            if not any(other.id == node_id for other in self.nodes.values()):
                self._spawn(self._until_done(partial(self._db, register.node_lost, node_id)))

    def _asked(self, node: Node, url: str, names: Sequence[str], dropped: Sequence[str], first: bool) -> None:  # noqa: FBT001
        if url == ROUTES:
            for slug in names:
                self._start_tenant(node, slug)
            for slug in dropped:
                self._spawn(self._drop_tenant(node, slug))
        elif url == SECRET:
            for name in names:
                here = node.tenants.get(name.partition("/")[0])
                if here is not None:
                    self._spawn(self._talk(node, here.delivery.answer_secret(name)))
        elif first:
            wanted = {LISTENER: [self._listener], SCOPE: list(self._scopes.values())}.get(url, [])
            # A wildcard type's first request needs an answer even if it is empty, or the gateway waits.
            self._spawn(self._send(node, url, [each for each in wanted if not node.stream.has(each)]))

    async def _send(self, node: Node, url: str, resources: Sequence[Resource]) -> None:
        await self._talk(node, node.stream.send(url, resources))

    async def _talk(self, node: Node, sending: Awaitable[Any]) -> None:
        """Send what belongs to no tenant's delivery; a refusal is a fault of ours, and said loudly."""
        try:
            await sending
        except Refused as refusal:
            log.error("Gateway %s refused %s %s: %s", node.id.name, refusal.url, refusal.name, refusal)
        except TimeoutError:
            log.warning("Gateway %s does not answer.", node.id.name)

    def _start_tenant(self, node: Node, slug: str) -> None:
        board = self.tenants.get(slug)
        if board is None or slug in node.tenants:
            return
        held = partial(self._held, board.tenant_id)
        here = node.tenants[slug] = TenantOnNode(node.id, board.tenant_id, Delivery(node.stream, slug, held))
        here.task = self._spawn(self._keep(node, board, here))

    async def _held(self, tenant_id: UUID, routes: RoutesRef) -> Newest:
        return await self._until_done(partial(self._db, register.newest, tenant_id, routes))

    async def _drop_tenant(self, node: Node, slug: str) -> None:
        here = node.tenants.pop(slug, None)
        if here is None or here.task is None:
            return
        here.task.cancel()
        await self._until_done(partial(self._db, register.tenant_unloaded, node.id, here.tenant_id))
        await self._talk(node, here.delivery.forget())

    async def _keep(self, node: Node, board: TenantBoard, here: TenantOnNode) -> None:
        """Bring the tenant in step on this gateway, whenever it changed, until the gateway goes."""
        standing = await self._until_done(partial(self._db, register.tenant_loaded, node.id, board.tenant_id))
        here.delivery.good_routes = standing.good_routes
        here.delivery.refused |= {standing.refused_digest} - {""}
        here.routes, here.access = standing.routes, standing.access
        await self._until_done(partial(self.refresh, board))
        while True:
            await here.wake.wait()
            here.wake.clear()
            newest = board.newest
            if newest is None:
                continue
            try:
                await self._bring(node, here, newest)
            except Refused as refusal:
                log.error("Gateway %s refused %s: %s", node.id.name, board.slug, refusal)
            except TimeoutError:
                log.warning("Gateway %s does not acknowledge %s; trying again.", node.id.name, board.slug)
                here.wake.set()
            except Exception:
                # Whatever it was: this tenant's next revocation must still find somebody at work.
                log.exception("Bringing %s to gateway %s failed; trying again.", board.slug, node.id.name)
                await asyncio.sleep(RETRY_SECONDS)
                here.wake.set()

    async def _bring(self, node: Node, here: TenantOnNode, newest: Newest) -> None:
        outcome = await here.delivery.bring(newest)
        await self._write_down(node, here, outcome)
        if not outcome.pushed or outcome.offer.kind is Kind.CLOSED or not node.address:
            return
        if stands_open(await self._probe(node.address, here.delivery.slug)):
            log.error("The gate of %s stands open on gateway %s; closing it.", here.delivery.slug, node.id.name)
            outcome = await here.delivery.close(newest)
            outcome.refusals.append((newest.compiled.digest if newest.compiled else "", "The canary answered without a token."))
            await self._write_down(node, here, outcome)

    async def _write_down(self, node: Node, here: TenantOnNode, outcome: Outcome) -> None:
        offer = outcome.offer
        if offer.kind is Kind.IN_STEP:
            here.routes = max(here.routes, offer.number)
        before, here.access = here.access, max(here.access, offer.number)
        if before == here.access and not outcome.pushed and not outcome.refusals and here.covered is offer.kind:
            return
        here.covered = offer.kind
        save = partial(self._db, register.save_outcome, node.id, here.tenant_id, outcome, routes=here.routes, access=here.access)
        await self._until_done(save)


def _authorization(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    metadata = dict(context.invocation_metadata() or ())
    value = metadata.get("authorization", "")
    return value if isinstance(value, str) else value.decode("ascii", "replace")
