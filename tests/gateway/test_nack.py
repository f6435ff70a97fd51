"""What a gateway refuses delays no revocation, and the receipts say so truthfully."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from apis.actions import subscriptions
from apis.models import ApiVersion, Operation, Revision
from apis.models import Upstream as UpstreamRow
from gateway import keeper
from gateway.receipts import State
from tests import live
from tests.live import Client, Gateway, Shop, Upstream

REASON = "A test."
# A path that the import refuses, and the compiler as well.
NO_TEMPLATE = "/broken/{a}{b}"


def version_of(shop: Shop) -> ApiVersion:
    with shop.scope():
        return ApiVersion.objects.select_related("live_revision").get(api=shop.apis["orders"])


def live_revision(shop: Shop) -> Revision:
    found = version_of(shop).live_revision
    assert found is not None
    return found


def spoil(shop: Shop, revision: Revision, **fields: object) -> Revision:
    """What no form and no action would write, written."""
    with shop.scope():
        UpstreamRow.objects.filter(revisions=revision).update(**fields)
    return revision


def add_operation(shop: Shop, revision: Revision, path: str) -> None:
    with shop.scope():
        Operation.objects.create(revision=revision, operation_id="broken", method="GET", path=path)


def suspend(shop: Shop, client: Client) -> Any:
    return shop.does(subscriptions.suspend, client.subscription, reason=REASON, by=shop.person("approver"))


def resume(shop: Shop, client: Client) -> Any:
    return shop.does(subscriptions.resume, client.subscription, by=shop.person("approver"))


def refused_route(shop: Shop) -> Revision:
    """Envoy takes no host name with a line feed in it; our compiler does."""
    return spoil(shop, shop.add_revision(version_of(shop)), host="two\nlines")


def refused_cluster(shop: Shop) -> Revision:
    return spoil(shop, shop.add_revision(version_of(shop)), connect_timeout_ms=0)


def refused_by_the_compiler(shop: Shop) -> Revision:
    revision = shop.add_revision(version_of(shop))
    add_operation(shop, revision, NO_TEMPLATE)
    return revision


def state(shop: Shop, gateway: Gateway) -> str:
    return str(shop.deployment(gateway.node).state)


@pytest.fixture
def running(gateway: Gateway, upstream: Upstream) -> tuple[Gateway, Shop, Client]:
    """A tenant that the gateway has loaded and acknowledged."""
    shop = live.shop(upstream)
    carl = shop.client()
    assert gateway.call(shop.path(), carl.token()).status == 200
    live.eventually(lambda: shop.pushes() and state(shop, gateway) == "in_step")
    return gateway, shop, carl


Break = Callable[[Shop], Revision]


@pytest.mark.parametrize("broken", [refused_route, refused_cluster, refused_by_the_compiler])
def test_a_refused_route_delays_no_suspension(running: tuple[Gateway, Shop, Client], upstream: Upstream, broken: Break) -> None:
    gateway, shop, carl = running
    globex = live.shop(upstream)
    eve, dora = globex.client(), shop.client()
    assert gateway.call(globex.path(), eve.token()).status == 200
    shop.enforced_newest()
    good = live_revision(shop)

    made_live = shop.make_live(broken(shop))
    live.eventually(lambda: state(shop, gateway) == "held")
    receipt = shop.receipt(made_live)
    assert (receipt.complete, receipt.gateways[0].state) == (False, State.REFUSED)
    assert receipt.gateways[0].detail
    assert receipt.sentence == "gateway-1 refused the configuration."
    # The last good routes serve on.
    assert gateway.call(shop.path(), carl.token()).status == 200

    for client in (carl, dora):
        receipt = shop.enforced(suspend(shop, client))
        assert receipt.ms is not None
        assert receipt.ms < 2000
        assert gateway.call(shop.path(), client.token()).code == "SUBSCRIPTION_SUSPENDED"
    shop.enforced(resume(shop, carl))
    assert gateway.call(shop.path(), carl.token()).status == 200
    assert state(shop, gateway) == "held"
    assert shop.receipt(made_live).gateways[0].state is State.REFUSED
    # Told once, with the gateway's words, and not to the other tenant.
    assert len(shop.events("gateway.rejected_config")) == 1
    assert globex.events("gateway.rejected_config") == []
    # The other tenant does not notice.
    assert globex.enforced(suspend(globex, eve)).complete
    assert gateway.call(globex.path(), eve.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert state(globex, gateway) == "in_step"

    # What is mended is in step again.
    mended = shop.make_live(good)
    shop.enforced(mended)
    live.eventually(lambda: state(shop, gateway) == "in_step")
    assert gateway.call(shop.path(), carl.token()).status == 200
    assert gateway.call(shop.path(), dora.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert shop.deployment(gateway.node).refused_text == ""


@pytest.mark.parametrize("broken", [refused_route, refused_cluster, refused_by_the_compiler])
def test_without_good_routes_the_gateway_closes(gateway: Gateway, upstream: Upstream, broken: Break) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    good = live_revision(shop)
    made_live = shop.make_live(broken(shop))
    before = len(upstream.seen)
    gateway.settles(503, "NOT_READY", shop.path(), carl.token())
    live.eventually(lambda: shop.pushes() and state(shop, gateway) == "closed")
    assert shop.receipt(made_live).gateways[0].state is State.REFUSED
    # Closed, it enforces what takes access away, and nothing that gives it.
    assert shop.enforced(suspend(shop, carl)).complete
    resumed = resume(shop, carl)
    live.eventually(lambda: shop.receipt(resumed).gateways[0].state is State.REFUSED)
    assert len(upstream.seen) == before
    shop.enforced(shop.make_live(good))
    assert shop.receipt(resumed).complete
    assert gateway.call(shop.path(), carl.token()).status == 200
    assert state(shop, gateway) == "in_step"


def test_held_routes_outlive_control(running: tuple[Gateway, Shop, Client]) -> None:
    """The last good routes are in the database, so a control that starts anew knows them."""
    gateway, shop, carl = running
    shop.make_live(refused_route(shop))
    live.eventually(lambda: state(shop, gateway) == "held")
    gateway.end("control")
    gateway.begin_and_wait("control")
    gateway.wait_joined()
    assert gateway.call(shop.path(), carl.token()).status == 200
    assert shop.enforced(suspend(shop, carl)).complete
    assert gateway.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert state(shop, gateway) == "held"
    # And with an Envoy that holds nothing.
    shop.enforced(resume(shop, carl))
    gateway.fresh_envoy()
    gateway.settles(200, "", shop.path(), carl.token())
    assert state(shop, gateway) == "held"
    # A configuration that was refused is not tried twice, not even by another control or another Envoy of that name.
    digests = [event.data["digest"] for event in shop.events("gateway.rejected_config")]
    assert len(digests) == len(set(digests))


OPEN_GATE = """
import django
django.setup()
from django.conf import settings
from gateway.canary import Answered
from gateway.control import Control
from gateway.serving import serve

async def answers(address, path):
    return Answered(204)

serve(lambda address, stopping: Control(answers).run(address, stopping), settings.CONTROL_ADDRESS)
"""


def test_a_canary_that_answers_closes_the_tenant(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    gateway.end("control")
    gateway.begin("control", argv=[sys.executable, "-c", OPEN_GATE])
    try:
        gateway.parts["control"].wait_ready()
        gateway.wait_joined()
        gateway.call(shop.path(), carl.token())
        live.eventually(lambda: shop.pushes() and state(shop, gateway) == "closed")
        assert gateway.call(shop.path(), carl.token()).code == "NOT_READY"
        assert shop.deployment(gateway.node).refused_text == keeper.OPEN_GATE
        assert [event.data["text"] for event in shop.events("gateway.rejected_config")] == [keeper.OPEN_GATE]
    finally:
        gateway.end("control")
        gateway.begin_and_wait("control")
        gateway.wait_joined()
    # It stays closed until the configuration is another one, which is tried again.
    assert gateway.call(shop.path(), carl.token()).code == "NOT_READY"
    shop.client()
    shop.enforced_newest()
    gateway.settles(200, "", shop.path(), carl.token())
    assert state(shop, gateway) == "in_step"


def test_what_was_refused_once_is_refused_again(running: tuple[Gateway, Shop, Client]) -> None:
    """The same broken revision made live twice is sent once, and named as refused both times."""
    gateway, shop, carl = running
    good, broken = live_revision(shop), refused_route(shop)
    for _ in range(2):
        made_live = shop.make_live(broken)
        live.eventually(lambda event=made_live: shop.receipt(event).gateways[0].state is State.REFUSED)  # type: ignore[misc]
        assert shop.receipt(made_live).gateways[0].detail
        assert gateway.call(shop.path(), carl.token()).status == 200
        shop.enforced(shop.make_live(good))
    assert len(shop.events("gateway.rejected_config")) == 1
