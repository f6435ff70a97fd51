"""The agent between a control and an Envoy that do what a test says: who is told what, and in which order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.discovery.v3 import ads_pb2_grpc

from gateway import snapshots
from gateway.agent import relay
from gateway.agent.kinds import CLUSTER, LISTENER, MAX_MESSAGE, ROUTES, SCOPE, SECRET
from gateway.agent.relay import Agent, Place
from gateway.agent.session import Request, Response

SIZES = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
TOKEN = "ptc_node_of-edge"


@dataclass
class Control(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Puts down what it is asked, and says what the test has it say."""

    address: str
    code: grpc.StatusCode | None = None
    silent: bool = False
    heard: "asyncio.Queue[Request]" = field(default_factory=asyncio.Queue)
    tokens: list[str] = field(default_factory=list)
    say: Callable[[Response], Awaitable[None]] | None = None
    _server: Any = None

    async def DeltaAggregatedResources(self, requests: AsyncIterator[Request], context: Any) -> None:  # noqa: N802
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        if self.code is not None:
            await context.abort(self.code, "None of ours.")
        first = True
        async for request in requests:
            await self.heard.put(request)
            if first and not self.silent:
                first, self.say = False, context.write
                await context.write(Response(type_url=request.type_url, nonce="first"))

    async def start(self) -> None:
        self._server = grpc.aio.server(options=SIZES)
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)
        self.say = None
        while not self.heard.empty():
            self.heard.get_nowait()

    async def hears(self, url: str, *, nonce: str = "") -> Request:
        """The next request of a type, whatever else it is asked before; with a nonce the answer to that."""
        async with asyncio.timeout(5):
            while True:
                request = await self.heard.get()
                if request.type_url == url and request.response_nonce == nonce:
                    return request

    async def sends(self, url: str, name: str, version: str, *, nonce: str, size: int = 10) -> None:
        assert self.say is not None
        response = Response(type_url=url, nonce=nonce)
        response.resources.add(name=name, version=version).resource.value = bytes(size)
        await self.say(response)

    async def has_heard_nothing(self) -> None:
        await asyncio.sleep(0.2)
        found = []
        while not self.heard.empty():
            found.append(self.heard.get_nowait())
        assert [each for each in found if each.response_nonce != "first"] == []


@dataclass
class Envoy:
    call: Any
    told: "asyncio.Queue[Response]" = field(default_factory=asyncio.Queue)

    async def listen(self) -> None:
        with suppress(grpc.aio.AioRpcError):
            async for response in self.call:
                await self.told.put(response)

    async def asks(self, url: str, *names: str, has: dict[str, str] | None = None, node: str = "") -> None:
        request = Request(type_url=url, resource_names_subscribe=names, initial_resource_versions=has or {})
        if node:
            request.node.id = node
        await self.call.write(request)

    async def hears(self, url: str) -> Response:
        async with asyncio.timeout(5):
            while True:
                response = await self.told.get()
                if response.type_url == url and (response.resources or response.removed_resources):
                    return response
                # What is empty wants an answer, too.
                await self.answers(response)

    async def answers(self, response: Response, *, refuses: str = "") -> None:
        request = Request(type_url=response.type_url, response_nonce=response.nonce)
        if refuses:
            request.error_detail.message = refuses
        await self.call.write(request)

    async def hears_nothing(self, seconds: float = 0.3) -> None:
        await asyncio.sleep(seconds)
        while not self.told.empty():
            response = self.told.get_nowait()
            assert not response.resources
            await self.answers(response)


@dataclass
class World:
    folder: Path
    agent: Agent
    control: Control

    @asynccontextmanager
    async def envoy(
        self, *, node: str = "edge", has: dict[str, dict[str, str]] | None = None, urls: tuple[str, ...] = (CLUSTER, LISTENER, SCOPE)
    ) -> AsyncIterator[Envoy]:
        """An Envoy that has asked for clusters, listeners and scopes, with what it says that it has."""
        async with grpc.aio.insecure_channel(f"unix:{self.folder / 'agent.sock'}", options=SIZES) as channel:
            made = Envoy(ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources())
            # One that is refused hears so while it still asks; what it heard the test looks at.
            with suppress(grpc.aio.AioRpcError):
                for url in urls:
                    await made.asks(url, has=(has or {}).get(url), node=node)
            listening = asyncio.create_task(made.listen())
            yield made
            made.call.cancel()
            await asyncio.wait([listening])


@asynccontextmanager
async def world(folder: Path, *, control: bool = True, max_stale: float = 3600.0, usage: str = "") -> AsyncIterator[World]:
    (folder / "credential").write_text(f"{TOKEN}\n")
    at = f"unix:{folder / 'control.sock'}"
    place = Place("edge", f"unix:{folder / 'agent.sock'}", at, folder / "credential", folder / "snapshot", max_stale, usage=usage)
    found = World(folder, Agent(place), Control(at))
    if control:
        await found.control.start()
    stopping = asyncio.Event()
    running = asyncio.create_task(found.agent.run(stopping))
    while not (folder / "agent.sock").exists():
        await asyncio.sleep(0.01)
    try:
        yield found
    finally:
        stopping.set()
        await running
        if found.control._server is not None:
            await found.control.stop()


async def give(of: World, envoy: Envoy, url: str, name: str, version: str) -> None:
    """Control gives it, and Envoy takes it."""
    await of.control.sends(url, name, version, nonce=f"{name}-{version}")
    await envoy.answers(await envoy.hears(url))
    await of.control.hears(url, nonce=f"{name}-{version}")


def test_control_hears_envoys_own_answers(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as found, found.envoy() as envoy:
            first = await found.control.hears(CLUSTER)
            assert first.node.id == "edge"
            assert found.control.tokens == [f"Bearer {TOKEN}"]
            await found.control.hears(SCOPE)
            await found.control.sends(LISTENER, "gateway", "1", nonce="seven")
            told = await envoy.hears(LISTENER)
            assert told.nonce != "seven"
            await found.control.has_heard_nothing()
            await envoy.answers(told)
            assert not (await found.control.hears(LISTENER, nonce="seven")).HasField("error_detail")
            await found.control.sends(LISTENER, "gateway", "2", nonce="eight")
            await envoy.answers(await envoy.hears(LISTENER), refuses="No such filter.")
            assert (await found.control.hears(LISTENER, nonce="eight")).error_detail.message == "No such filter."
            assert found.agent.snapshot.entries[LISTENER]["gateway"].version == "1"

    asyncio.run(main())


def test_control_that_is_back_hears_what_envoy_has(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as found, found.envoy() as envoy:
            await found.control.hears(SCOPE)
            await envoy.asks(ROUTES, "acme", "globex", "late")
            await found.control.hears(ROUTES)
            for name in ("acme", "globex"):
                await give(found, envoy, ROUTES, name, "1")
            await give(found, envoy, LISTENER, "gateway", "1")
            # On its way while control goes: nobody knows which of the two Envoy has.
            await found.control.sends(ROUTES, "globex", "2", nonce="on-its-way")
            late = await envoy.hears(ROUTES)
            await found.control.stop()
            await found.control.start()
            assert dict((await found.control.hears(LISTENER)).initial_resource_versions) == {"gateway": "1"}
            again = await found.control.hears(ROUTES)
            assert list(again.resource_names_subscribe) == ["acme", "globex", "late"]
            assert dict(again.initial_resource_versions) == {"acme": "1", "globex": "?"}
            # Its answer to a stream that has ended is none to this one.
            await envoy.answers(late)
            await found.control.has_heard_nothing()
            assert found.agent.snapshot.entries[ROUTES]["globex"].version == "2"

    asyncio.run(main())


def test_what_envoy_has_and_the_snapshot_has_not_is_sent_again(tmp_path: Path) -> None:
    """An agent that is put beside a gateway that runs, or whose disk was replaced."""

    async def main() -> None:
        async with world(tmp_path) as found, found.envoy(has={LISTENER: {"gateway": "1"}, CLUSTER: {"acme/a": "1"}}):
            assert dict((await found.control.hears(CLUSTER)).initial_resource_versions) == {"acme/a": "?"}
            assert dict((await found.control.hears(LISTENER)).initial_resource_versions) == {"gateway": "?"}

    asyncio.run(main())


def test_an_envoy_that_starts_without_control_gets_clusters_first(tmp_path: Path) -> None:
    async def fill() -> None:
        async with world(tmp_path) as found, found.envoy() as envoy:
            await found.control.hears(SCOPE)
            await envoy.asks(ROUTES, "acme")
            await found.control.hears(ROUTES)
            await give(found, envoy, LISTENER, "gateway", "1")
            await give(found, envoy, SCOPE, "acme", "1")
            await give(found, envoy, CLUSTER, "acme/a", "1")
            await give(found, envoy, CLUSTER, "acme/b", "1")
            await give(found, envoy, ROUTES, "acme", "1")

    async def main() -> None:
        async with world(tmp_path, control=False) as found, found.envoy() as envoy:
            for url in (LISTENER, SCOPE):
                await envoy.answers(await envoy.hears(url))
            await envoy.asks(ROUTES, "acme", "unknown")
            clusters = [await envoy.hears(CLUSTER), await envoy.hears(CLUSTER)]
            assert [[each.name for each in told.resources] for told in clusters] == [["acme/a"], ["acme/b"]]
            await envoy.hears_nothing()
            for told in clusters:
                await envoy.answers(told)
            routes = await envoy.hears(ROUTES)
            assert [(each.name, each.version) for each in routes.resources] == [("acme", "1")]
            await envoy.answers(routes)
            await envoy.hears_nothing()
            await found.control.start()
            first = await found.control.hears(CLUSTER)
            said = snapshots.told(first)
            assert said is not None
            assert said.problem == ""
            assert said.served is not None
            assert said.restarted is not None
            assert dict(first.initial_resource_versions) == {"acme/a": "1", "acme/b": "1"}
            assert dict((await found.control.hears(ROUTES)).initial_resource_versions) == {"acme": "1"}
            # Told once: the next time it is no news.
            await found.control.stop()
            await found.control.start()
            assert (snapshots.told(await found.control.hears(CLUSTER)) or said).served is None

    asyncio.run(fill())
    asyncio.run(main())


def test_hosts_that_a_handshake_names_while_control_is_away_are_refused_and_not_gathered(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path, control=False) as found, found.envoy() as envoy:
            await asyncio.sleep(relay.GRACE_SECONDS)
            await envoy.asks(SECRET, "nobody.example", "acme/a", "portico-gateway")
            told = await envoy.hears(SECRET)
            assert list(told.removed_resources) == ["nobody.example"]
            await envoy.answers(told)
            await envoy.call.write(Request(type_url=SECRET, resource_names_unsubscribe=["nobody.example"]))
            await found.control.start()
            assert sorted((await found.control.hears(SECRET)).resource_names_subscribe) == ["acme/a", "portico-gateway"]

    asyncio.run(main())


def test_certificates_that_envoy_has_are_kept_when_control_is_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as found, found.envoy() as envoy:
            await found.control.hears(SCOPE)
            await give(found, envoy, LISTENER, "gateway-tls", "1")
            await envoy.asks(SECRET, "portico-gateway", "api.acme.example")
            await found.control.hears(SECRET)
            for name in ("portico-gateway", "api.acme.example"):
                await give(found, envoy, SECRET, name, "1")
            await envoy.asks(ROUTES, "acme")
            await found.control.hears(ROUTES)
            await found.control.stop()
            await found.control.start()
            await found.control.hears(ROUTES)
            assert found.agent.snapshot.names(SECRET) == ["api.acme.example", "portico-gateway"]

    asyncio.run(main())


async def with_a_listener(folder: Path) -> None:
    async with world(folder) as found, found.envoy() as envoy:
        await found.control.hears(SCOPE)
        await give(found, envoy, LISTENER, "gateway", "1")


def test_a_control_that_answers_nothing_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "GRACE_SECONDS", 0.2)

    async def main() -> None:
        await with_a_listener(tmp_path)
        async with world(tmp_path) as found:
            found.control.silent = True
            async with found.envoy() as envoy:
                assert [each.name for each in (await envoy.hears(LISTENER)).resources] == ["gateway"]

    asyncio.run(main())


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.FAILED_PRECONDITION])
def test_a_gateway_that_control_will_have_none_of_is_not_served(tmp_path: Path, code: grpc.StatusCode) -> None:
    async def main() -> None:
        await with_a_listener(tmp_path)
        async with world(tmp_path) as found:
            found.control.code = code
            async with found.envoy() as envoy:
                await envoy.hears_nothing(1.5)

    asyncio.run(main())


def test_a_database_that_is_away_is_control_away(tmp_path: Path) -> None:
    async def main() -> None:
        await with_a_listener(tmp_path)
        async with world(tmp_path) as found:
            found.control.code = grpc.StatusCode.UNAVAILABLE
            async with found.envoy() as envoy:
                assert [each.name for each in (await envoy.hears(LISTENER)).resources] == ["gateway"]

    asyncio.run(main())


def test_a_snapshot_that_is_too_old_is_not_served_and_envoy_lets_go(tmp_path: Path) -> None:
    async def main() -> None:
        await with_a_listener(tmp_path)
        async with world(tmp_path, control=False, max_stale=3.0) as found, found.envoy() as envoy:
            told = await envoy.hears(LISTENER)
            assert [each.name for each in told.resources] == ["gateway"]
            await envoy.answers(told)
            drained = await envoy.hears(LISTENER)
            assert list(drained.removed_resources) == ["gateway"]
            await envoy.answers(drained)
            async with found.envoy() as another:
                await another.hears_nothing(1.5)
            async with found.envoy() as third:
                await found.control.start()
                assert dict((await found.control.hears(LISTENER)).initial_resource_versions) == {}
                await give(found, third, LISTENER, "gateway", "2")

    asyncio.run(main())


def test_an_envoy_of_another_name_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        # Whoever still writes when it is refused may hear that alone, and not why.
        async with world(tmp_path) as found, found.envoy(node="other", urls=(CLUSTER,)) as envoy:
            assert await envoy.call.details() == "This agent is that of edge, not of other."

    asyncio.run(main())


def test_a_credential_that_is_replaced_counts_from_the_next_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as found, found.envoy():
            await found.control.hears(SCOPE)
            (tmp_path / "credential").write_text("ptc_node_new")
            await found.control.stop()
            await found.control.start()
            await found.control.hears(SCOPE)
            assert found.control.tokens == [f"Bearer {TOKEN}", "Bearer ptc_node_new"]

    asyncio.run(main())


def test_a_configuration_as_large_as_may_be_passes(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as found, found.envoy() as envoy:
            await found.control.hears(SCOPE)
            size = 64 * 1024 * 1024 - 2048
            await found.control.sends(LISTENER, "gateway", "1", nonce="large", size=size)
            told = await envoy.hears(LISTENER)
            assert len(told.resources[0].resource.value) == size
            await envoy.answers(told)
            await found.control.hears(LISTENER, nonce="large")
            assert found.agent.snapshot.problem == ""
            assert len((await found.agent.snapshot.read(LISTENER, ["gateway"]))[0].resource.value) == size

    asyncio.run(main())


# Access logs


class Usage(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.heard: list[bytes] = []

    async def StreamAccessLogs(self, requests: AsyncIterator[als_pb2.StreamAccessLogsMessage], context: Any) -> Any:  # noqa: N802
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        async for message in requests:
            self.heard.append(message.SerializeToString())
        return als_pb2.StreamAccessLogsResponse()


def test_access_logs_go_on_to_usage_with_the_credential(tmp_path: Path) -> None:
    async def main() -> None:
        usage, server, at = Usage(), grpc.aio.server(), f"unix:{tmp_path / 'usage.sock'}"
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(usage, server)
        server.add_insecure_port(at)
        await server.start()
        messages = [als_pb2.StreamAccessLogsMessage(identifier={"log_name": f"calls {number}"}) for number in range(3)]
        async with world(tmp_path, usage=at) as found, grpc.aio.insecure_channel(f"unix:{found.folder / 'agent.sock'}") as channel:
            call = als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs()
            for message in messages:
                await call.write(message)
            await call.done_writing()
            assert await call == als_pb2.StreamAccessLogsResponse()
            assert usage.tokens == [f"Bearer {TOKEN}"]
            assert usage.heard == [each.SerializeToString() for each in messages]
            # Away, it is away for Envoy, too, which tries again by itself.
            await server.stop(0)
            lost = als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs()
            await lost.write(messages[0])
            async with asyncio.timeout(5):
                assert await lost.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(main())


@pytest.mark.parametrize(
    "content",
    [
        "ptc_node_x\n",
        '{"resources": [{"name": "n", "generic_secret": {"secret": {"inline_string": "Bearer ptc_node_x"}}}]}',
    ],
)
def test_a_credential_stands_by_itself_or_as_envoy_reads_it(content: str) -> None:
    assert relay.credential_in(content) == "ptc_node_x"


@pytest.mark.parametrize("content", ["{", "{}", '{"resources": []}', '{"resources": 4}'])
def test_a_credential_that_can_not_be_read_is_none(content: str) -> None:
    with pytest.raises(OSError, match="can.t be understood"):
        relay.credential_in(content)
