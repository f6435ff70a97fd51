"""One stream per gateway, the newest: receipts count gateways by name."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from django.db import connection
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from gateway.envoy.resources import CLUSTER
from gateway.models import GatewayNode
from gateway.register import issue_node_token
from tests import live
from tests.live import Gateway

Register = Callable[[], tuple[str, str]]


@pytest.fixture
def register(committed: None) -> Iterator[Register]:
    """Registers a gateway: its name and token. Gone afterwards, since receipts name every gateway that is not connected."""
    names: list[str] = []

    def made() -> tuple[str, str]:
        names.append(f"twin-{uuid4()}")
        return names[-1], issue_node_token(names[-1], address="")

    yield made
    live.eventually(lambda: not any(connected(name) for name in names))
    GatewayNode.objects.filter(name__in=names).delete()


async def first_request(name: str) -> AsyncIterator[discovery_pb2.DeltaDiscoveryRequest]:
    request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER)
    request.node.id = name
    yield request
    await asyncio.Event().wait()


def stream(channel: grpc.aio.Channel, name: str, token: str) -> Any:
    service = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
    return service.DeltaAggregatedResources(first_request(name), metadata=(("authorization", f"Bearer {token}"),))


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
