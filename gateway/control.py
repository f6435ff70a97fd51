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

from gateway import desired, measures, register, snapshots, tls, views
from gateway.ads import MAX_MESSAGE, Refused, Request, Stream, node_facts
from gateway.boards import AT_LEISURE, Board
from gateway.callers import authorization
from gateway.canary import Canary, Probe
from gateway.clocks import Clocks
from gateway.database import AWAY, Database, forever
from gateway.doors import Doors
from gateway.draining import Entrance
from gateway.envoy import versions
from gateway.envoy.doors import is_host
from gateway.envoy.names import DEFAULT_CERTIFICATE, OWN
from gateway.envoy.resources import (
    LISTENER,
    ROUTES,
    SCOPE,
    SECRET,
    Resource,
    compile_listener,
    compile_ready_scope,
    compile_scope,
    compile_tls_listener,
)
from gateway.envoy.state import AddressLimit
from gateway.keeper import Keeper
from gateway.listening import listen
from gateway.nodes import NOTICE
from gateway.reconciler import Reconciler
from gateway.register import NodeId
from gateway.views import Groups, View
from tenants.events import CHANNEL

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
CLOCK_SECONDS = 30.0
FIRST_REQUEST_SECONDS = 10.0
# After so long without a decision it is asked whether the database still knows that somebody listens.
QUIET_SECONDS = 5.0
# What a gateway says of itself and asks for; what it is sent may be larger.
MAX_REQUEST = 8 * 1024 * 1024


@dataclass(slots=True)
class Node:
    """A gateway on its stream. `id` tells this stream from any other of the same gateway, here or at another control process."""

    id: UUID
    node: NodeId
    address: str
    view: View
    stream: Stream
    task: asyncio.Task[Any]
    entrance: Entrance
    keepers: dict[str, Keeper] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    # Looks at the certificates that it has of tenants' hosts.
    looking: asyncio.Task[Any] | None = None
    # Tenants that were behind at the last heartbeat, and those that the database knows of.
    lagging: set[UUID] = field(default_factory=set)
    noted: set[UUID] = field(default_factory=set)
    # Whether control ends the stream.
    let_go: bool = False


class Control(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Delta ADS for every gateway that connects. `probe` is how a canary is called; tests bring their own."""

    def __init__(self, probe: Probe | None = None) -> None:
        self.id = uuid7()
        self.nodes: dict[UUID, Node] = {}
        self.tenants: dict[str, UUID] = {}
        # By slug, and by how gateways see the tenant.
        self.boards: dict[str, dict[View, Board]] = {}
        self.groups = Groups()
        self.slugs: dict[UUID, str] = {}
        self.database = Database()
        # Its own: that this process and its gateways live must not wait for what is read for thousands of tenants.
        self._pulse = Database(threads=1)
        self._leisure = asyncio.Semaphore(AT_LEISURE)
        self._listener = compile_listener(
            port=settings.GATEWAY_PORT, address=settings.GATEWAY_ADDRESS, portal_url=settings.PORTAL_URL, per_address=_per_address()
        )
        # By the names that gateways of a view have beside PORTICO_GATEWAY_HOSTS.
        self._tls: dict[tuple[str, ...], Resource | None] = {}
        self._certificate = _tls(())[1]
        self._scopes: dict[str, Resource] = {OWN: compile_ready_scope()}
        self.doors = Doors(self.database)
        self._probe = probe or Canary()
        self._clocks = Clocks()
        self._grouping, self._opening = asyncio.Lock(), asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    def _listeners(self, node: Node) -> list[Resource]:
        """In which the certificate of the gateway's own names is for those of its groups as well."""
        hosts = node.view.hosts
        if hosts not in self._tls:
            self._tls[hosts] = _tls(hosts)[0]
        speaks_tls = self._tls[hosts]
        return [self._listener, *([speaks_tls] if speaks_tls is not None else [])]

    async def run(self, address: str, stopping: asyncio.Event) -> None:
        """Serve ADS at `address` until `stopping` is set."""
        await self.database.insist(register.control_began)
        self._add_tenants(await self.database.insist(register.tenants))
        await self._refresh_doors()
        reconciler = Reconciler(self._all_boards, self._keepers_of, every=settings.RECONCILE_SECONDS)
        for loop, every in (
            (self._listen, 1.0),
            (self._heartbeat, HEARTBEAT_SECONDS),
            (self._meet_all, settings.RECONCILE_SECONDS),
            (reconciler.cycle, 0.1),
            (self._read_clocks, CLOCK_SECONDS),
        ):
            self._spawn(forever(loop, every=every), self._tasks)
        sizes = [("grpc.max_receive_message_length", MAX_REQUEST), ("grpc.max_send_message_length", MAX_MESSAGE)]
        # A gateway that vanished without a word is noticed by its silence.
        silence = [("grpc.keepalive_time_ms", 5_000), ("grpc.keepalive_timeout_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1)]
        # By default two pings are all that go out while nothing else does, and their answers have a minute.
        silence += [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.ping_timeout_ms", 10_000)]
        server = grpc.aio.server(options=[*sizes, *silence, ("grpc.http2.min_ping_interval_without_data_ms", 2_000)])
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, server)
        listen(server, address)
        await server.start()
        log.info("Serving gateways at %s.", address)
        await stopping.wait()
        await self._stop(server)

    async def _stop(self, server: grpc.aio.Server) -> None:
        await server.stop(0.2)
        for board in self._all_boards():
            board.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.database.ask(register.control_stopped, self.id)
        except DatabaseError:
            log.info("PostgreSQL is away, so it learns of the stop by silence.")
        self.database.close()
        self._pulse.close()

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
                # Beside it: with thousands of tenants it takes seconds, in which a revocation has to be heard.
                catching_up = self._spawn(self._catch_up(), self._tasks)
                try:
                    while True:
                        async for notice in connection.notifies(timeout=QUIET_SECONDS):
                            await self._heard(notice.payload)
                        await _insist_on_answer(connection)
                finally:
                    catching_up.cancel()
        except psycopg.OperationalError as error:
            log.warning("Not hearing decisions (%s); trying again.", str(error).strip().splitlines()[0])

    async def _heard(self, payload: str) -> None:
        if payload == views.NOTICE:
            self._spawn(self._regroup(), self._tasks)
            return
        tenant, _, urgency = payload.partition(" ")
        if tenant == NOTICE:
            self._spawn(self._look_after_nodes(), self._tasks)
            return
        try:
            tenant_id = UUID(tenant)
        except ValueError:
            log.warning("A notice that names no tenant: %.80s", payload)
            return
        if tenant_id in self.slugs:
            for board in self.boards[self.slugs[tenant_id]].values():
                board.changed(soon=urgency == "soon")
            if urgency != "soon":
                self._spawn(self._refresh_doors(tenant_id), self._tasks)
        else:
            self._spawn(self._meet(tenant_id), self._tasks)

    async def _meet(self, tenant_id: UUID) -> None:
        slug = await self.database.insist(register.tenant_slug, tenant_id)
        if slug is not None:
            self._add_tenants({slug: tenant_id})

    async def _catch_up(self) -> None:
        """Whatever was said while nobody listened. What is lost otherwise, gateway.reconciler finds: it costs seconds, never truth."""
        await self._meet_all()
        for board in self._all_boards():
            if await board.is_behind():
                board.changed()

    async def _meet_all(self) -> None:
        """Which tenants there are, to the gateways as well."""
        known = set(self.boards)
        found = await self.database.ask(register.tenants)
        self._add_tenants(found)
        # Another look may have found the same meanwhile.
        self._forget_tenants((known - found.keys()) & self.boards.keys())
        await self._regroup()
        await self._refresh_doors()

    def _keepers_of(self, board: Board) -> list[Keeper]:
        return [keeper for node in self.nodes.values() if (keeper := node.keepers.get(board.slug)) and keeper.board is board]

    def _all_boards(self) -> list[Board]:
        return [board for boards in self.boards.values() for board in boards.values()]

    async def _regroup(self) -> None:
        """Look up which gateway is in which groups, and whose APIs are there, and let each gateway see what it should from now on."""
        async with self._grouping:
            self.groups = await self.database.insist(views.read)
        for node in list(self.nodes.values()):
            view = self.groups.view(node.node.pk)
            if view != node.view:
                was, node.view = node.view, view
                if view.hosts != was.hosts:
                    node.entrance.listen(self._listeners(node))
                for slug, keeper in node.keepers.items():
                    if slug in self.tenants:
                        keeper.turn_to(self._board(slug, view))
            self._offer_scopes(node)
            # Tenants may have come, or have nothing there any more: then their private keys go as well.
            self._look_at_doors(node)
        self._forget_views()

    def _board(self, slug: str, view: View) -> Board:
        boards = self.boards[slug]
        if view not in boards:
            boards[view] = Board(self.tenants[slug], slug, self.database, view, leisure=self._leisure)
        return boards[view]

    def _forget_views(self) -> None:
        """Boards of views that no gateway has any more."""
        needed = {node.view for node in self.nodes.values()}
        for boards in self.boards.values():
            for view in [view for view, board in boards.items() if view not in needed and not board.watchers]:
                boards.pop(view).close()

    def _add_tenants(self, found: dict[str, UUID]) -> None:
        new = [slug for slug in found if slug not in self.boards]
        for slug in new:
            self.tenants[slug], self.boards[slug] = found[slug], {}
            self.slugs[found[slug]] = slug
            self._scopes[slug] = compile_scope(slug)
        for node in self.nodes.values() if new else ():
            self._offer_scopes(node)

    def _forget_tenants(self, erased: Collection[str]) -> None:
        """A gateway that hears that the scope is gone drops the routes by itself, and its keeper ends."""
        for slug in erased:
            for board in self.boards.pop(slug).values():
                board.close()
            del self.slugs[self.tenants.pop(slug)], self._scopes[slug]
        for node in self.nodes.values() if erased else ():
            self._offer_scopes(node)

    def _scopes_of(self, node: Node) -> dict[str, Resource]:
        """Of the tenants that have something there."""
        if node.view.serves_all:
            return self._scopes
        return {name: scope for name, scope in self._scopes.items() if name == OWN or self.groups.serves(node.view, self._whose(name))}

    def _whose(self, scope: str) -> UUID:
        """Of a slug, or of a tenant's own host."""
        return self.tenants[scope] if scope in self.tenants else self.doors.hosts[scope]

    async def _refresh_doors(self, tenant_id: UUID | None = None) -> None:
        """Bring tenants' own hosts in step: the scopes by which calls find their tenant, and the certificates that gateways have.

        :param tenant_id: whose alone have changed; None for whoever's.
        """
        async with self._opening:
            gone = [host for host in await self.doors.read(tenant_id) if self._scopes.pop(host, None) is not None]
        new = {host: of for host, of in self.doors.hosts.items() if of in self.slugs and host not in self._scopes}
        self._scopes |= {host: compile_scope(self.slugs[of], host=host) for host, of in new.items()}
        for node in list(self.nodes.values()):
            # Every decision of a tenant comes by here, and all scopes of all tenants are many.
            if gone or new or tenant_id is None:
                self._offer_scopes(node)
            self._look_at_doors(node, tenant_id)

    def _look_at_doors(self, node: Node, tenant_id: UUID | None = None) -> None:
        """One after the other: the threads that ask PostgreSQL are there for revocations first."""
        if node.looking is not None and not node.looking.done() and tenant_id is None:
            return
        if names := list(self.doors.to_look_at(node.stream, tenant_id)):
            looking = self._spawn(self._answer_doors(node, names), node.tasks)
            node.looking = looking if tenant_id is None else node.looking

    async def _answer_doors(self, node: Node, names: Sequence[str]) -> None:
        for name in names:
            try:
                await self._talk(node, self.doors.answer(node.stream, name, serves=lambda of: self.groups.serves(node.view, of)))
            except AWAY:
                log.info("PostgreSQL is away, so the certificate of %s is looked up later.", name)

    def _offer_scopes(self, node: Node) -> None:
        """What it misses, and away with what it should not have: then it lets go of the routes, too."""
        if SCOPE not in node.stream.subscribed:
            return
        wanted = self._scopes_of(node)
        missing = [scope for scope in wanted.values() if not node.stream.has(scope)]
        gone = [slug for slug in node.stream.known[SCOPE] if slug not in wanted]
        if missing or gone:
            self._send(node, SCOPE, missing, removed=gone)

    def _reopened(self, node: Node) -> None:
        """A new listener needs every scope, which Envoy holds no more."""
        if SCOPE in node.stream.subscribed:
            node.stream.known[SCOPE].clear()
            self._offer_scopes(node)

    async def _heartbeat(self) -> None:
        self._measure()
        await self._look_after_nodes()
        for node in list(self.nodes.values()):
            await self._note_behind(node)

    async def _look_after_nodes(self) -> None:
        """Say that this process and its gateways live. One that has joined elsewhere since, or whose credential has ended, is let go here;
        one that drains, or does so no more, is told."""
        streams = {node.id: node.node.pk for node in self.nodes.values()}
        kept = await self._pulse.ask(register.heartbeat, self.id, streams)
        for stream_id in streams.keys() - kept:
            if stream_id in self.nodes:
                self._let_go(self.nodes[stream_id])
        for stream_id, closes_in in (await self._pulse.ask(register.draining, kept)).items():
            if stream_id in self.nodes:
                self.nodes[stream_id].entrance.set(closes_in)
        await self.divide()

    async def divide(self) -> None:
        """Where limits are divided among another number of gateways than there are, divide them anew. Nothing else is sent anew, for each
        push fills the buckets.
        """
        for view in {node.view for node in self.nodes.values()}:
            gateways = await self._pulse.ask(desired.gateways_connected, view)
            for boards in self.boards.values():
                board = boards.get(view)
                if board is not None and board.newest is not None and board.newest.desired.tenant.gateways != gateways:
                    # Several may join within a moment.
                    board.changed(soon=True)

    async def _note_behind(self, node: Node) -> None:
        """What was behind at the last heartbeat, too: a push that is under way is no drift."""
        behind = {keeper.board.tenant_id for keeper in node.keepers.values() if keeper.is_behind}
        drift, node.lagging = behind & node.lagging, behind
        if drift != node.noted:
            await self.database.ask(register.note_behind, node.node, drift)
            node.noted = drift

    async def _read_clocks(self) -> None:
        for node in list(self.nodes.values()):
            ahead = await self._clocks(node.address) if node.address else None
            if ahead is not None:
                await self.database.ask(register.note_clock, node.node.pk, ahead)

    def _measure(self) -> None:
        measures.GATEWAYS.set(len(self.nodes))
        measures.TENANTS.set(len(self.boards))
        measures.LOADED.set(sum(len(node.keepers) for node in self.nodes.values()))

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
            node_id = await self.database.ask(register.authenticate, authorization(context), facts.name)
            if node_id is None:
                log.info("A stream that says it is the gateway %r shows no credential of it.", facts.name)
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"No token of the gateway “{facts.name}”.")
            if said := tls.refusal(context.auth_context(), facts.name):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, said)
            if not versions.is_supported(facts.version):
                await self.database.ask(register.version_refused, node_id, facts.version)
                log.warning("Gateway %s is refused: Envoy %s; supported %s.", facts.name, facts.version, versions.supported())
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, versions.refusal(facts.version))
            await self.database.ask(snapshots.note, node_id, snapshots.told(first))
            await self.database.ask(
                register.node_joined, node_id, stream=stream_id, address=facts.address, version=facts.version, control=self.id
            )
            # Then its version is known, by which it sees more or less.
            async with self._grouping:
                self.groups = await self.database.ask(views.read)
            closes_in = (await self.database.ask(register.draining, [stream_id])).get(stream_id)
        except AWAY:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "PostgreSQL does not answer.")
        for other in [other for other in self.nodes.values() if other.node == node_id]:
            self._let_go(other)
        task = asyncio.current_task()
        assert task is not None
        stream = Stream(context.write, asked=lambda *asked: self._asked(self.nodes[stream_id], *asked))
        view = self.groups.view(node_id.pk)
        entrance = Entrance(node_id, stream, stream_id, self.database, closes_in, lambda: self._reopened(self.nodes[stream_id]))
        node = Node(stream_id, node_id, facts.address, view, stream, task, entrance)
        try:
            await self._serve(node, first, requests)
        except asyncio.CancelledError:
            if not node.let_go:
                raise
            task.uncancel()
            # A handler that is only cancelled tells its gateway nothing, and Envoy would wait for ever.
            await context.abort(grpc.StatusCode.ABORTED, "A newer stream of this gateway has begun, or its credential has ended.")

    def _let_go(self, node: Node) -> None:
        """One stream per gateway, the newest: receipts count gateways by name, and could speak for one of two only."""
        log.warning("A stream of gateway %s ends: a newer one has begun, or its credential has ended.", node.node.name)
        node.let_go = True
        node.task.cancel()

    async def _serve(self, node: Node, first: Request, requests: AsyncIterator[Request]) -> None:
        self.nodes[node.id] = node
        log.info("Gateway %s joined.", node.node.name)
        self._spawn(node.entrance.keep(), node.tasks)
        self._spawn(self.divide(), node.tasks)
        try:
            node.stream.take(first)
            await node.stream.read(self._noticing(node, requests))
        finally:
            del self.nodes[node.id]
            for task in node.tasks:
                task.cancel()
            log.info("Gateway %s left.", node.node.name)
            self._spawn(self.database.insist(register.node_lost, node.node, stream=node.id), self._tasks)

    async def _noticing(self, node: Node, requests: AsyncIterator[Request]) -> AsyncIterator[Request]:
        """What the agent beside a gateway says of its snapshot later on."""
        async for request in requests:
            if request.HasField("node") and (said := snapshots.told(request)) is not None:
                self._spawn(self.database.insist(snapshots.note, node.node, said), node.tasks)
            yield request

    def _asked(self, node: Node, url: str, names: Sequence[str], dropped: Sequence[str], first: bool) -> None:  # noqa: FBT001
        if url == ROUTES:
            if first:
                self._spawn(self.database.insist(register.forget_loaded, node.node, but=list(names)), node.tasks)
            if OWN in names:
                self._send(node, url, [each for each in [node.entrance.ready] if not node.stream.has(each)])
            for slug in names:
                self._want(node, slug)
            for slug in dropped:
                if slug in node.keepers:
                    node.keepers[slug].wanted = False
                    node.keepers[slug].wake.set()
        elif url == SECRET:
            for name in names:
                if name == DEFAULT_CERTIFICATE and self._certificate is not None:
                    self._send(node, SECRET, [self._certificate])
                if is_host(name.lower()):
                    self._spawn(self._answer_doors(node, [name]), node.tasks)
                keeper = node.keepers.get(name.partition("/")[0])
                if keeper is not None:
                    self._spawn(self._talk(node, keeper.delivery.answer_secret(name)), node.tasks)
        elif first:
            self._first_of_a_kind(node, url)

    def _first_of_a_kind(self, node: Node, url: str) -> None:
        if url == LISTENER and not node.stream.known[url]:
            # It has just started and holds nothing, so whatever it had loaded is forgotten.
            self._spawn(self.database.insist(register.forget_loaded, node.node, but=[]), node.tasks)
        if url == LISTENER:
            node.entrance.listeners = self._listeners(node)
        wanted = {LISTENER: node.entrance.wanted, SCOPE: list(self._scopes_of(node).values())}.get(url, [])
        # Of listeners those that there are at all: when one that drains loses them is its entrance's business.
        names = {each.name for each in (node.entrance.listeners if url == LISTENER else wanted)}
        gone = [name for name in node.stream.known[url] if name not in names] if url in {SCOPE, LISTENER} else []
        # A wildcard type's first request needs an answer even if it is empty, or the gateway waits.
        self._send(node, url, [each for each in wanted if not node.stream.has(each)], removed=gone)

    def _want(self, node: Node, slug: str) -> None:
        keeper = node.keepers.get(slug)
        if keeper is not None:
            keeper.wanted = True
            keeper.wake.set()
        elif slug in self.boards:
            keeper = Keeper(node.node, node.address, node.stream, self._board(slug, node.view), self.database, self._probe)
            node.keepers[slug] = keeper
            self._spawn(self._keep(node, slug, keeper), node.tasks)

    async def _keep(self, node: Node, slug: str, keeper: Keeper) -> None:
        try:
            await keeper.keep()
        finally:
            keeper.board.leave(keeper.wake)
            del node.keepers[slug]

    def _send(self, node: Node, url: str, resources: Sequence[Resource], removed: Sequence[str] = ()) -> None:
        self._spawn(self._talk(node, node.stream.send(url, resources, removed)), node.tasks)

    async def _talk(self, node: Node, sending: Awaitable[Any]) -> None:
        """Send what belongs to no tenant's delivery; a refusal is a fault of ours, and said loudly."""
        try:
            await sending
        except Refused as refusal:
            log.error("Gateway %s refused %s %s: %s", node.node.name, refusal.url, refusal.name, refusal)
        except TimeoutError:
            log.warning("Gateway %s does not answer.", node.node.name)


def _per_address() -> AddressLimit | None:
    """What one address may send; None where there is no limit."""
    found = AddressLimit(settings.ADDRESS_CALLS_PER_SECOND, settings.ADDRESS_BURST, settings.ADDRESSES_KEPT)
    return found if found.calls else None


def _tls(hosts: Sequence[str]) -> tuple[Resource | None, Resource | None]:
    """The listener that speaks TLS and the gateway's own certificate, where the operator has set them.

    :param hosts: the gateway's own names beside PORTICO_GATEWAY_HOSTS.
    """
    if not settings.GATEWAY_TLS_PORT:
        return None, None
    return compile_tls_listener(
        port=settings.GATEWAY_TLS_PORT,
        address=settings.GATEWAY_ADDRESS,
        portal_url=settings.PORTAL_URL,
        hosts=[*settings.GATEWAY_HOSTS, *hosts],
        certificate_file=settings.GATEWAY_CERT_FILE,
        key_file=settings.GATEWAY_KEY_FILE,
        per_address=_per_address(),
    )


async def _insist_on_answer(connection: psycopg.AsyncConnection[Any]) -> None:
    """Of one whose other end has forgotten it nothing would ever be heard again.

    :raises psycopg.OperationalError: it does not answer, and is closed.
    """
    try:
        await asyncio.wait_for(connection.execute("SELECT 1"), QUIET_SECONDS)
    except TimeoutError:
        await connection.close()
        raise psycopg.OperationalError("the connection does not answer") from None
