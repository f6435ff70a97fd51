"""One stream per gateway, the newest: receipts count gateways by name."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import pytest
from django.db import connection
from django.utils import timezone
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from gateway import nodes
from gateway.envoy.resources import CLUSTER
from gateway.models import GatewayNode, NodeCredential
from gateway.nodes import issue_credential
from tenants.models import PlatformEvent
from tests import live
from tests.live import Gateway

Register = Callable[[], tuple[str, str]]
T = TypeVar("T")


@pytest.fixture
def register(committed: None) -> Iterator[Register]:
    """Registers a gateway: its name and token. Gone afterwards, since receipts name every gateway that is not connected."""
    names: list[str] = []

    def made() -> tuple[str, str]:
        names.append(f"twin-{uuid4()}")
        return names[-1], issue_credential(names[-1], address="")

    yield made
    live.eventually(lambda: not any(connected(name) for name in names))
    GatewayNode.objects.filter(name__in=names).delete()


async def first_request(name: str, minor: int = 40) -> AsyncIterator[discovery_pb2.DeltaDiscoveryRequest]:
    request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER)
    request.node.id = name
    version = request.node.user_agent_build_version.version
    version.major_number, version.minor_number, version.patch = 1, minor, 2
    yield request
    await asyncio.Event().wait()


def stream(channel: grpc.aio.Channel, name: str, token: str, *, minor: int = 40) -> Any:
    """:param minor: of the Envoy's version."""
    service = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
    return service.DeltaAggregatedResources(first_request(name, minor), metadata=(("authorization", f"Bearer {token}"),))


def connected(name: str) -> bool:
    return GatewayNode.objects.connected().filter(name=name).exists()


def connected_by_now(name: str) -> bool:
    """The same from a thread, whose connection ends with it."""
    try:
        return connected(name)
    finally:
        connection.close()


def test_the_newer_of_two_gateways_with_one_name_ends_the_older(gateway: Gateway, register: Register) -> None:
    name, token = register()

    async def main() -> None:
        async with grpc.aio.insecure_channel(f"unix:{gateway.folder / 'control.sock'}") as channel:
            older = stream(channel, name, token)
            assert (await older.read()).type_url == CLUSTER
            newer = stream(channel, name, token)
            assert (await newer.read()).type_url == CLUSTER
            # At once; the heartbeat would find it too, but later.
            async with asyncio.timeout(1):
                with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
                    assert await older.read() is not grpc.aio.EOF  # type: ignore[attr-defined]
                    raise AssertionError("The older stream goes on.")
            assert not newer.done()
            # The end of the older one is not taken for the gateway's.
            await asyncio.sleep(0.2)
            assert await asyncio.to_thread(connected_by_now, name)
            newer.cancel()

    asyncio.run(main())


async def status_of(gateway: Gateway, name: str, token: str) -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(f"unix:{gateway.folder / 'control.sock'}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stream(channel, name, token).read()
        return refused.value.code()


@pytest.mark.parametrize("token", ["", "ptc_node_of-nobody"])
def test_a_stream_without_the_gateways_token_is_refused(gateway: Gateway, register: Register, token: str) -> None:
    name, _ = register()
    assert asyncio.run(status_of(gateway, name, token)) is grpc.StatusCode.UNAUTHENTICATED
    assert not connected(name)


def test_a_token_of_another_gateway_is_refused(gateway: Gateway, register: Register) -> None:
    (one, _), (_, token) = register(), register()
    assert asyncio.run(status_of(gateway, one, token)) is grpc.StatusCode.UNAUTHENTICATED


# Versions


@pytest.mark.parametrize("minor", [37, 41])
def test_an_envoy_of_another_version_is_turned_away_with_a_sentence(gateway: Gateway, register: Register, minor: int) -> None:
    name, token = register()

    async def refused() -> Any:
        async with grpc.aio.insecure_channel(f"unix:{gateway.folder / 'control.sock'}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as found:
                await stream(channel, name, token, minor=minor).read()
            return found.value

    for _ in range(2):
        error = asyncio.run(refused())
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert f"This is Envoy 1.{minor}.2. Portico configures Envoy 1.38 to 1.40" in error.details()
    node = GatewayNode.objects.get(name=name)
    assert (node.refused_version, node.connected) == (f"1.{minor}.2", False)
    told = PlatformEvent.objects.filter(kind="gateway.version_refused", subject_id=node.pk)
    assert [event.data["version"] for event in told] == [f"1.{minor}.2"], "once for each version"
    # Whose credential is wrong hears of that alone.
    assert asyncio.run(status_of(gateway, name, "ptc_node_of-nobody")) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("minor", [38, 39, 40])
def test_an_envoy_of_a_supported_version_is_served(gateway: Gateway, register: Register, minor: int) -> None:
    name, token = register()
    GatewayNode.objects.filter(name=name).update(refused_version="1.37.2", refused_at=timezone.now())

    async def served() -> None:
        async with grpc.aio.insecure_channel(f"unix:{gateway.folder / 'control.sock'}") as channel:
            found = stream(channel, name, token, minor=minor)
            assert (await found.read()).type_url == CLUSTER
            assert await asyncio.to_thread(connected_by_now, name)
            found.cancel()

    asyncio.run(served())
    node = GatewayNode.objects.get(name=name)
    assert (node.version, node.refused_version, node.refused_at) == (f"1.{minor}.2", "", None)


# A credential that ends


def ended_by(gateway: Gateway, name: str, token: str, end: Callable[[], object], *, within: float = 2) -> None:
    """The stream with this credential ends, `within` seconds after what `end` does."""

    def ends() -> None:
        end()
        connection.close()

    async def main() -> None:
        async with grpc.aio.insecure_channel(f"unix:{gateway.folder / 'control.sock'}") as channel:
            found = stream(channel, name, token)
            assert (await found.read()).type_url == CLUSTER
            await asyncio.to_thread(ends)
            async with asyncio.timeout(within):
                with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
                    assert await found.read() is not grpc.aio.EOF  # type: ignore[attr-defined]
                    raise AssertionError("The stream goes on.")

    asyncio.run(main())


def test_a_revoked_gateways_stream_ends_at_once(gateway: Gateway, register: Register) -> None:
    name, token = register()
    ended_by(gateway, name, token, lambda: nodes.revoke(GatewayNode.objects.get(name=name), by=None))
    assert not connected(name)
    assert asyncio.run(status_of(gateway, name, token)) is grpc.StatusCode.UNAUTHENTICATED


def test_joining_again_ends_the_stream_of_the_credential_before(gateway: Gateway, register: Register) -> None:
    name, token = register()
    _, join_token = nodes.issue_join_token(name, by=None)
    got: list[str] = []

    def join() -> None:
        joined = nodes.join(join_token)
        assert joined is not None
        got.append(joined.credential)

    ended_by(gateway, name, token, join)
    assert asyncio.run(status_of(gateway, name, token)) is grpc.StatusCode.UNAUTHENTICATED
    ended_by(gateway, name, got[0], lambda: nodes.revoke(GatewayNode.objects.get(name=name), by=None))


def test_a_rolled_credentials_stream_goes_on_until_the_overlap_is_over(gateway: Gateway, register: Register) -> None:
    name, token = register()

    async def main() -> None:
        async with grpc.aio.insecure_channel(f"unix:{gateway.folder / 'control.sock'}") as channel:
            found = stream(channel, name, token)
            assert (await found.read()).type_url == CLUSTER
            rolled = await asyncio.to_thread(in_a_thread, lambda: nodes.roll(token))
            assert isinstance(rolled, nodes.Rolled)
            await asyncio.sleep(1)
            assert not found.done(), "nothing is cut"
            again = stream(channel, name, token)
            assert (await again.read()).type_url == CLUSTER, "and it may connect by the old one"
            newer = stream(channel, name, rolled.credential)
            assert (await newer.read()).type_url == CLUSTER
            newer.cancel()

    asyncio.run(main())
    NodeCredential.objects.filter(node__name=name).exclude(rolled_at=None).update(ends_at=timezone.now())
    assert asyncio.run(status_of(gateway, name, token)) is grpc.StatusCode.UNAUTHENTICATED


def test_a_stream_ends_with_the_overlap_of_its_credential(gateway: Gateway, register: Register) -> None:
    name, token = register()

    def over() -> None:
        assert isinstance(nodes.roll(token), nodes.Rolled)
        NodeCredential.objects.filter(node__name=name).exclude(rolled_at=None).update(ends_at=timezone.now())

    # No notice tells of it: the heartbeat finds it.
    ended_by(gateway, name, token, over, within=8)


def in_a_thread(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connection.close()
