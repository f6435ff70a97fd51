"""A receipt says where a decision is enforced; what it says is true at the gateway."""

import threading
import time

import pytest

from apis.actions import subscriptions
from gateway.receipts import State
from tenants.models import Event
from tests import live
from tests.live import Client, Gateway, Shop, Upstream

SUSPENSIONS = 20


@pytest.fixture
def running(gateway: Gateway, upstream: Upstream) -> tuple[Gateway, Shop, Client]:
    shop = live.shop(upstream)
    carl = shop.client()
    assert gateway.call(shop.path(), carl.token()).status == 200
    shop.enforced_newest()
    return gateway, shop, carl


def suspend(shop: Shop, client: Client) -> Event:
    return shop.does(subscriptions.suspend, client.subscription, reason="A test.", by=shop.person("approver"))


def resume(shop: Shop, client: Client) -> Event:
    return shop.does(subscriptions.resume, client.subscription, by=shop.person("approver"))


def test_a_tenant_nobody_called_counts_as_enforced(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client("suspended")
    receipt = shop.enforced_newest()
    assert [(each.gateway, each.state, each.ms) for each in receipt.gateways] == [(gateway.node, State.NOT_LOADED, None)]
    assert receipt.sentence == "Enforced on 1/1 gateways."
    assert gateway.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    live.eventually(lambda: shop.enforced_newest().gateways[0].state is State.ENFORCED)


def test_waiting_for_a_gateway_that_stands_still(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    with gateway.paused("envoy"):
        event = suspend(shop, carl)
        receipt = shop.receipt(event)
        assert (receipt.complete, receipt.gateways[0].state, receipt.ms) == (False, State.WAITING, None)
        assert receipt.sentence == "Enforced on 0/1 gateways; waiting for gateway-1."
        # It was sent, and nothing counts before its answer.
        live.stays(lambda: shop.receipt(event).gateways[0].state is State.WAITING)
    receipt = shop.enforced(event)
    assert receipt.gateways[0].state is State.ENFORCED
    assert receipt.ms is not None
    assert receipt.sentence == f"Enforced on 1/1 gateways in {receipt.ms} ms."
    assert gateway.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"


def test_waiting_while_control_stands_still(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    with gateway.paused("control"):
        event = suspend(shop, carl)
        assert shop.receipt(event).gateways[0].state is State.WAITING
        assert gateway.call(shop.path(), carl.token()).status == 200
    shop.enforced(event)
    assert gateway.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"


def test_events_that_change_nothing_there(running: tuple[Gateway, Shop, Client]) -> None:
    _, shop, carl = running
    shop.used(carl.credential)
    pushes = shop.pushes()
    event = shop.events("application.created")[0]
    receipt = shop.receipt(event)
    assert (receipt.complete, receipt.gateways, receipt.sentence) == (True, (), "Nothing changes at the gateways.")
    assert shop.pushes() == pushes


def test_a_gateway_that_left_is_named(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    gateway.end("envoy")
    event = suspend(shop, carl)
    live.eventually(lambda: shop.receipt(event).not_connected)
    receipt = shop.receipt(event)
    assert (receipt.total, receipt.not_connected) == (0, ("gateway-1",))
    assert receipt.sentence == "No gateway is connected; each will load this when it connects."
    gateway.mend()
    assert gateway.call(shop.path(), carl.token()).code in {"SUBSCRIPTION_SUSPENDED", "NOT_READY"}


def test_decisions_made_while_control_was_gone(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    gateway.end("control")
    event = suspend(shop, carl)
    assert not [each for each in shop.receipt(event).gateways if each.state is State.ENFORCED]
    gateway.begin_and_wait("control")
    gateway.wait_joined()
    shop.enforced(event)
    assert gateway.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"


def test_a_gateway_that_comes_back_is_sent_only_what_changed(running: tuple[Gateway, Shop, Client], upstream: Upstream) -> None:
    """The bucket of a limit begins anew with each configuration, so this shows that none was sent."""
    gateway, changed, carl = running
    same = live.shop(upstream)
    dora = same.client(plan=same.plan(calls=3, seconds=600))
    token = dora.token()
    assert [gateway.call(same.path(), token).status for _ in range(4)] == [200, 200, 200, 429]
    gateway.end("control")
    suspended = suspend(changed, carl)
    gateway.begin_and_wait("control")
    gateway.wait_joined()
    changed.enforced(suspended)
    same.enforced_newest()
    assert gateway.call(same.path(), token).code == "RATE_LIMITED"
    # Had it been sent, the bucket were full.
    same.client()
    same.enforced_newest()
    assert gateway.call(same.path(), token).status == 200


def test_no_call_after_the_receipt_gets_through(running: tuple[Gateway, Shop, Client]) -> None:
    """Twenty suspensions under parallel calls: whatever began after a complete receipt was refused."""
    gateway, shop, carl = running
    token = carl.token()
    calls: list[tuple[float, int]] = []
    ended = threading.Event()

    def loop() -> None:
        while not ended.is_set():
            began = time.monotonic()
            calls.append((began, gateway.call(shop.path(), token).status))

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    closed: list[tuple[float, float]] = []
    try:
        for _ in range(SUSPENSIONS):
            shop.enforced(suspend(shop, carl))
            since = time.monotonic()
            seen = len(calls)
            live.eventually(lambda seen=seen: len(calls) > seen + 4)  # type: ignore[misc]
            closed.append((since, time.monotonic()))
            shop.enforced(resume(shop, carl))
            seen = len(calls)
            live.eventually(lambda seen=seen: any(status == 200 for _, status in calls[seen:]))  # type: ignore[misc]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    late = [(began, status) for began, status in calls for since, until in closed if since <= began < until]
    assert len(late) >= SUSPENSIONS * 4
    assert {status for _, status in late} == {403}
    assert {status for _, status in calls} == {200, 403}
