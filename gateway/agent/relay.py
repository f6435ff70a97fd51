"""The agent: serves delta ADS to one Envoy on this machine, relays it to control, and answers from the snapshot while control is away."""

import asyncio
import contextlib
import json
import logging
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc

from gateway.agent import logs
from gateway.agent.clocks import Away, ClockError, Moment, this_moment
from gateway.agent.kinds import LISTENER, MAX_MESSAGE, MAX_REQUEST
from gateway.agent.session import Request, Session
from gateway.agent.snapshot import Served, Snapshot

log = logging.getLogger(__name__)

# An Envoy that starts waits so long for control before it gets the snapshot.
GRACE_SECONDS = 1.0
# A control that has not answered the first request by then is asked anew.
ANSWER_SECONDS = 5.0
# As gateway.envoy.bootstrap's.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
CLOCK_SECONDS = 5.0
TELL_SECONDS = 60.0
FIRST_REQUEST_SECONDS = 10.0
# Control is there, and will have none of this gateway.
EOF = grpc.aio.EOF  # type: ignore[attr-defined]
REFUSALS = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION}
_SIZES = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
# A control that vanished without a word is noticed by its silence.
_SILENCE = [("grpc.keepalive_time_ms", 5_000), ("grpc.keepalive_timeout_ms", 5_000), ("grpc.keepalive_permit_without_calls", 1)]
# By default two pings are all that go out while nothing else does, and their answers have a minute.
_SILENCE += [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.ping_timeout_ms", 5_000), ("grpc.use_local_subchannel_pool", 1)]


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of PEM; "" where there is none. `name` is what control's certificate bears, where it is not its address."""

    ca: str
    certificate: str = ""
    key: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this agent stands. `max_stale` in seconds: without control for so long, its Envoy serves nobody any more.

    `control` may be several addresses, separated by spaces: one that does not answer is followed by the next. `usage` is where access logs
    go on to, "" where Envoy sends them there itself.
    """

    node: str
    listen: str
    control: str
    credential_file: Path
    snapshot: Path
    max_stale: float
    tls: Tls | None = None
    usage: str = ""


class Agent(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """One for each Envoy. Of its streams the newest counts."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.snapshot = Snapshot(place.snapshot, place.node, self.credential())
        self.session: Session | None = None
        self.contact = False
        # Control's own words, while it will have none of this gateway.
        self.refused = ""
        self._boot = ""
        self._tries = -1
        self._expired = False
        self._serving: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._told_problem = ""
        self._silent = 0.0

    def credential(self) -> str:
        """Read anew for each connection: whoever replaces the file replaces the credential."""
        return credential_in(self.place.credential_file.read_text())

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set."""
        self._load()
        # Envoy asks every few seconds whether anybody is there.
        asked = [("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.min_ping_interval_without_data_ms", 2_000)]
        sizes = [("grpc.max_receive_message_length", MAX_REQUEST), ("grpc.max_send_message_length", MAX_MESSAGE)]
        server = grpc.aio.server(options=[*sizes, *asked])
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, server)
        address = self.place.listen
        if address.startswith("unix:"):
            Path(address.removeprefix("unix:")).unlink(missing_ok=True)
        if self.place.usage:
            logs.add(server, lambda: self._channel(self.place.usage), self.credential)
        # Only this user may connect: who may is the gateway.
        before = os.umask(0o077)
        try:
            server.add_insecure_port(address)
            await server.start()
        finally:
            os.umask(before)
        log.info("Relaying from %s to %s.", address, self.place.control)
        loops = ((self._keep_time, CLOCK_SECONDS), (self._watch_age, min(1.0, self.place.max_stale / 4)))
        tasks = [asyncio.create_task(_forever(work, every)) for work, every in loops]
        await stopping.wait()
        for task in tasks:
            task.cancel()
        await server.stop(0.2)

    def _load(self) -> None:
        self.snapshot.load()
        now = self.now()
        if self.snapshot.away is not None:
            try:
                self.snapshot.away = self.snapshot.away.until(now)
            except ClockError as error:
                self.snapshot.refuse(str(error))
        if self.snapshot.away is None:
            # Nothing is known of control, so that its silence counts from here.
            self.snapshot.away = Away(now)

    def now(self) -> Moment:
        moment = this_moment()
        # Where the system does not tell one start from another, a process is one.
        self._boot = self._boot or moment.boot or uuid.uuid4().hex
        return replace(moment, boot=self._boot)

    def away(self) -> Away:
        """How long control has been away."""
        assert self.snapshot.away is not None
        return Away(self.now()) if self.contact else self.snapshot.away.until(self.now())

    # Envoy

    async def DeltaAggregatedResources(  # noqa: N802  (the service's name for it)
        self, requests: AsyncIterator[Request], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        async with asyncio.timeout(FIRST_REQUEST_SECONDS):
            first = await anext(aiter(requests), None)
        if first is None:
            return
        if first.node.id != self.place.node:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"This agent is that of {self.place.node}, not of {first.node.id[:80]}.")
        async with self._changing:
            if self._serving is not None:
                # An Envoy that was killed is noticed late; its place is taken.
                self._serving.cancel()
                await asyncio.wait([self._serving])
            serving = self._serving = asyncio.create_task(self._serve(first, requests, context))
        try:
            await asyncio.wait([serving])
        finally:
            serving.cancel()

    async def _serve(self, first: Request, requests: AsyncIterator[Request], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        session = Session(first.node, self.snapshot, context.write, self.may_serve, self._served)
        self.session = session
        log.info("Envoy connected.")
        await session.take(first)
        connecting = asyncio.create_task(self._keep_connected(session))
        patience = asyncio.create_task(self._wait_for_control(session))
        try:
            await session.read(requests)
        finally:
            for task in (connecting, patience):
                task.cancel()
            await asyncio.gather(connecting, patience, return_exceptions=True)
            session.end()
            self.session = None
            log.info("Envoy left.")

    async def _wait_for_control(self, session: Session) -> None:
        await asyncio.sleep(GRACE_SECONDS)
        if session.call is None:
            session.disconnected()

    def may_serve(self) -> bool:
        return not self.refused and not self._is_stale()

    def _is_stale(self) -> bool:
        return self.away().seconds > self.place.max_stale

    def _served(self, session: Session) -> None:
        if self.snapshot.served is not None and (self.snapshot.served.restarted >= 0 or not session.fresh):
            return
        seconds = self.away().seconds
        since = self.snapshot.served.since if self.snapshot.served is not None else seconds
        self.snapshot.served = Served(since, seconds if session.fresh else -1.0)
        log.warning("Control is away, so Envoy is served from the snapshot, which is %d s old.", seconds)

    # Control

    async def _keep_connected(self, session: Session) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._connect(session)
                pause = FIRST_PAUSE
            except grpc.aio.AioRpcError as error:
                self._failed(error)
            except (TimeoutError, OSError) as error:
                log.warning("Control does not answer (%s); trying again.", str(error) or "in time")
            except Exception:
                log.exception("Relaying failed; trying again.")
            session.disconnected()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _failed(self, error: grpc.aio.AioRpcError) -> None:
        said = (error.details() or error.code().name)[:300]
        if error.code() in REFUSALS:
            if said != self.refused:
                log.error("Control will have none of this gateway: %s", said)
            self.refused = said
        else:
            log.warning("Control does not answer (%s); trying again.", said)

    async def _connect(self, session: Session) -> None:
        """One stream to control, until it ends."""
        credential = self.credential()
        await self.snapshot.sealed_under(credential)
        addresses = self.place.control.split()
        self._tries += 1
        async with self._channel(addresses[self._tries % len(addresses)]) as channel:
            stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
            call = stub.DeltaAggregatedResources(metadata=(("authorization", f"Bearer {credential}"),))
            try:
                first = session.first_request(session.first_url())
                first.node.CopyFrom(self._node(session))
                async with asyncio.timeout(ANSWER_SECONDS):
                    await call.write(first)
                    response = await call.read()
                if response is EOF:
                    raise await _ended(call)
                await self._connected(session, call, first)
                try:
                    while response is not EOF:
                        await session.relay(call, response)
                        response = await call.read()
                except grpc.aio.AioRpcError as error:
                    self._failed(error)
                except asyncio.CancelledError:
                    # A call that was cancelled, see _keep_time, and not this task.
                    if not call.cancelled() or _is_ending():
                        raise
            finally:
                if session.call is call:
                    self.snapshot.away = Away(self.now())
                    self.contact = False
                    log.warning("Control is away; Envoy goes on with what it has.")
                call.cancel()

    async def _connected(self, session: Session, call: Any, first: Request) -> None:
        log.info("Connected to control.")
        self.contact, self.refused, self._expired = True, "", False
        # It has been told by now.
        self.snapshot.served = None
        self._told_problem = self._problem()
        await self.snapshot.note(self.away())
        await session.connected(call, first)

    def _channel(self, address: str) -> grpc.aio.Channel:
        tls = self.place.tls
        options: list[tuple[str, Any]] = [*_SIZES, *_SILENCE]
        if tls is None:
            return grpc.aio.insecure_channel(address, options=options)
        if tls.name:
            options.append(("grpc.ssl_target_name_override", tls.name))
        pair = [Path(each).read_bytes() if each else None for each in (tls.key, tls.certificate)]
        credentials = grpc.ssl_channel_credentials(Path(tls.ca).read_bytes() if tls.ca else None, *pair)
        return grpc.aio.secure_channel(address, credentials, options=options)

    def _problem(self) -> str:
        return " ".join(each for each in (self.snapshot.refused, self.snapshot.problem) if each)

    def _node(self, session: Session) -> base_pb2.Node:
        """Envoy's, with what the agent says: seconds, since no two machines' clocks agree."""
        node = base_pb2.Node()
        node.CopyFrom(session.node)
        told: dict[str, Any] = {"problem": self._problem(), "max_stale_s": self.place.max_stale}
        served, seconds = self.snapshot.served, self.away().seconds
        if served is not None:
            told |= {"age_s": seconds, "served_s": seconds - served.since}
            if served.restarted >= 0:
                told["restarted_s"] = seconds - served.restarted
        node.metadata.fields["snapshot"].struct_value.update(told)
        return node

    # Time

    async def _keep_time(self) -> None:
        self._silent += CLOCK_SECONDS
        if self._silent >= TELL_SECONDS:
            # What was refused at the start has been told, and there is a new one by now.
            self._silent, self.snapshot.refused = 0.0, "" if self.contact else self.snapshot.refused
            await self._tell()
        elif self._problem() != self._told_problem:
            await self._tell()
        mended = await self.snapshot.note(self.away())
        if mended and self.session is not None and self.session.call is not None:
            # A new stream begins with what is missing in the snapshot.
            self.session.call.cancel()

    async def _tell(self) -> None:
        session = self.session
        if session is not None and session.call is not None:
            self._told_problem = self._problem()
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await session.tell(self._node(session))

    async def _watch_age(self) -> None:
        """A gateway that is cut off must not honour for ever what has been revoked."""
        if self.contact or not self._is_stale():
            return
        if not self._expired:
            self._expired = True
            log.error(
                "No word from control for %d s, which is longer than it may be: no call is served until it is back.", self.away().seconds
            )
        session = self.session
        if session is not None and not session.drained and session.known.get(LISTENER):
            await session.drain()


async def _forever(work: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await work()
        except Exception:
            log.exception("Something failed; trying again.")


def credential_in(content: str) -> str:
    """A token by itself, or as a gateway that joined has it in its file: a secret as Envoy reads it."""
    content = content.strip()
    if not content.startswith("{"):
        return content
    try:
        held = json.loads(content)["resources"][0]["generic_secret"]["secret"]["inline_string"]
        return str(held).removeprefix("Bearer ")
    except (ValueError, LookupError, TypeError) as error:
        raise OSError("The credential's file can't be understood.") from error


async def _ended(call: Any) -> grpc.aio.AioRpcError:
    details = await call.details() or "it ended"
    return grpc.aio.AioRpcError(await call.code(), await call.initial_metadata(), await call.trailing_metadata(), details, "")


def _is_ending() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
