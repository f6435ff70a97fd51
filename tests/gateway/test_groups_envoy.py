"""Two gateways in two groups: each answers for the APIs of its groups alone, and a move is enforced where its receipt says so."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from apis.actions import subscriptions
from apis.models import Api
from gateway import groups
from gateway.models import DEFAULT, GatewayGroup, GatewayNode, GroupedNode, GroupUse, Loaded
from portal.stack import Ports
from portal.stack.ports import choose
from tenants.models import Event
from tests import live
from tests.gateway.test_three_gateways import CONTROL, Further
from tests.live import Gateway, Shop, Upstream


@pytest.fixture
def two(gateway: Gateway, tmp_path: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """The second is in the group “eu” alone."""
    gateway.end("control")
    gateway.begin("control", argv=[sys.executable, "-c", CONTROL])
    gateway.parts["control"].wait_ready()
    second = Further(tmp_path, node="gateway-2", port=choose(Ports(0, 0, 0, 0), needed=set()).gateway)
    eu = groups.create(name="eu", url="https://eu.gw.example", by=None)
    try:
        gateway.wait_joined()
        second.start_envoy()
        groups.place_gateway(GatewayNode.objects.get(name="gateway-2"), [eu], by=None)
        yield gateway, second
    finally:
        second.stop()
        GatewayNode.objects.filter(name="gateway-2").update(revoked_at=timezone.now(), connected=False)
        GroupedNode.objects.all().delete()
        GatewayGroup.objects.exclude(pk=DEFAULT).delete()
        gateway.end("control")
        gateway.begin_and_wait("control")
        gateway.wait_joined()


@pytest.fixture
def shop(two: tuple[Gateway, Gateway], upstream: Upstream) -> Iterator[Shop]:
    made = live.shop(upstream)
    made.add_api("stock")
    yield made
    for each in made.apis.values():
        made.does(groups.place_api, each, ["default"], by=None)


def placed(shop: Shop, api: Api, names: list[str]) -> Event:
    event = shop.does(groups.place_api, api, names, by=None)
    assert event is not None
    return event


def test_each_gateway_answers_for_the_apis_of_its_groups(two: tuple[Gateway, Gateway], shop: Shop) -> None:
    first, second = two
    carl = shop.client()
    shop.subscribe(carl, shop.plan("stock"))
    first.settles(200, "", shop.path(), carl.token())
    # The tenant has nothing there: it is no tenant of that gateway, as one that nobody knows.
    second.settles(503, "NOT_READY", shop.path(), carl.token())
    moved = placed(shop, shop.apis["stock"], ["eu"])
    receipt = shop.enforced(moved)
    assert [each.gateway for each in receipt.gateways] == ["gateway-1", "gateway-2"]
    stock = shop.path(api="stock")
    # At once, since the receipt says so.
    answer = first.call(stock, carl.token())
    assert (answer.status, answer.code) == (404, "NO_SUCH_ROUTE")
    unknown = first.call(f"/{shop.slug}/nothing/v1/orders/1", carl.token())
    assert (unknown.status, unknown.code) == (404, "NO_SUCH_ROUTE")
    second.settles(200, "", stock, carl.token())
    second.settles(404, "NO_SUCH_ROUTE", shop.path(), carl.token())
    assert first.call(shop.path(), carl.token()).status == 200
    # The group's own host name is one of its gateways' alone.
    assert second.call(stock, carl.token(), host="eu.gw.example").status == 200
    assert first.call(shop.path(), carl.token(), host="eu.gw.example").status != 200
    # A decision is enforced where the API is.
    held = shop.subscribe(shop.client(status=""), shop.plan("stock"))
    suspended = shop.does(subscriptions.suspend, held, reason="A test.", by=shop.person("approver"))
    assert shop.enforced(suspended).total == 2


def test_a_move_out_takes_the_routes_away(two: tuple[Gateway, Gateway], shop: Shop) -> None:
    first, second = two
    carl = shop.client()
    both = placed(shop, shop.apis["orders"], ["default", "eu"])
    shop.enforced(both)
    for gateway in two:
        gateway.settles(200, "", shop.path(), carl.token())
    placed(shop, shop.apis["stock"], ["default", "eu"])
    moved = placed(shop, shop.apis["orders"], ["default"])
    receipt = shop.enforced(moved)
    assert {each.gateway: each.ms is not None for each in receipt.gateways} == {"gateway-1": True, "gateway-2": True}
    answer = second.call(shop.path(), carl.token())
    assert (answer.status, answer.code) == (404, "NO_SUCH_ROUTE")
    assert first.call(shop.path(), carl.token()).status == 200
    # With its last API the tenant goes, scope and all.
    last = placed(shop, shop.apis["stock"], ["default"])
    shop.enforced(last)
    live.eventually(lambda: not Loaded.objects.filter(node__name="gateway-2", tenant_id=shop.pk).exists())
    assert not GroupUse.objects.filter(tenant_id=shop.pk).exists()
    second.settles(503, "NOT_READY", shop.path(), carl.token())
    assert shop.receipt(last).total == 1


def test_a_gateway_that_is_moved_gets_and_loses_at_once_and_stays_connected(two: tuple[Gateway, Gateway], shop: Shop) -> None:
    first, second = two
    carl = shop.client()
    shop.enforced(placed(shop, shop.apis["orders"], ["eu"]))
    second.settles(200, "", shop.path(), carl.token())
    first.settles(404, "NO_SUCH_ROUTE", shop.path(), carl.token())
    node = GatewayNode.objects.get(name="gateway-2")
    stream = node.stream
    groups.place_gateway(node, [GatewayGroup.objects.get(pk=DEFAULT)], by=None)
    second.settles(404, "NO_SUCH_ROUTE", shop.path(), carl.token())
    groups.place_gateway(node, list(GatewayGroup.objects.all()), by=None)
    second.settles(200, "", shop.path(), carl.token())
    node.refresh_from_db()
    assert node.stream == stream
    # Also after it came anew, by what the database says.
    second.fresh_envoy()
    second.settles(200, "", shop.path(), carl.token())
