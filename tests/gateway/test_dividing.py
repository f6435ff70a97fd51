"""A limit among three gateways: each lets its share pass, and the shares follow as gateways come and go."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apis.actions.policies import change_policies
from gateway import desired, register
from gateway.models import COUNTED, ControlProcess, GatewayNode
from portal.stack import Ports
from portal.stack.ports import choose
from tests import live
from tests.gateway.test_limits import fields
from tests.gateway.test_three_gateways import CONTROL, NAMES, Further, loaded
from tests.live import Gateway, Upstream

# How long a gateway that is lost keeps its share here: less than half a minute, and longer than a busy machine needs to start one anew.
KEPT = 12.0
HASTY = f"""
import django
django.setup()
from datetime import timedelta
from gateway import control, register
register.COUNTED = timedelta(seconds={KEPT})
control.HEARTBEAT_SECONDS = 0.5
"""


@pytest.fixture
def three(gateway: Gateway, tmp_path: Path) -> Iterator[list[Gateway]]:
    gateway.end("control")
    GatewayNode.objects.update(counted_until=None)
    gateway.begin("control", argv=[sys.executable, "-c", HASTY + CONTROL])
    gateway.parts["control"].wait_ready()
    found: list[Gateway] = [gateway]
    try:
        gateway.wait_joined()
        for name in NAMES[1:]:
            (tmp_path / name).mkdir()
            one = Further(tmp_path / name, node=name, port=choose(Ports(0, 0, 0, 0), needed=set()).gateway)
            found.append(one)
            one.start_envoy()
        yield found
    finally:
        for further in found[1:]:
            further.stop()
        GatewayNode.objects.filter(name__in=NAMES[1:]).update(revoked_at=timezone.now(), connected=False)
        gateway.end("control")
        gateway.begin_and_wait("control")
        gateway.wait_joined()


def shares(gateways: list[Gateway], path: str, token: str) -> set[int]:
    """What each says that a caller may have of it."""
    return {fields(each.call(path, token).headers["ratelimit-policy"])["plan"]["q"] for each in gateways}


def passed(gateways: list[Gateway], path: str, token: str, calls: int) -> int:
    """How many of so many calls pass, spread evenly."""
    return sum(gateways[n % len(gateways)].call(path, token).status == 200 for n in range(calls))


def test_three_gateways_let_pass_what_one_would(three: list[Gateway], upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client(plan=shop.plan(calls=100, seconds=3600))
    path, token = shop.path(), carl.token()
    loaded(three, shop, carl)
    live.eventually(lambda: shares(three, path, token) == {34})
    # Each bucket fills anew with a push; 100 an hour flow in, so next to nothing meanwhile.
    event = shop.does(change_policies, shop.apis["orders"], given={"max_calls": 31, "max_calls_seconds": 60}, by=None)
    assert event is not None
    shop.enforced(event)
    # 31 a minute among three are 11 at once each, and ten and a third more each minute.
    began = time.monotonic()
    found = passed(three, path, token, 90)
    flowed = 31 * (time.monotonic() - began) / 60
    assert 0.9 * 31 <= found <= 33 + flowed + 3
    assert {each.call(path, token).code for each in three} == {"API_LIMITED"}
    event = shop.does(change_policies, shop.apis["orders"], given={"max_calls": 0}, by=None)
    assert event is not None
    shop.enforced(event)
    found = passed(three, path, token, 150)
    assert 0.9 * 100 <= found <= 102 + 3
    assert {each.call(path, token).code for each in three} == {"RATE_LIMITED"}


def test_who_leaves_gives_its_share_to_the_others_after_a_while(three: list[Gateway], upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client(plan=shop.plan(calls=100, seconds=3600))
    path, token = shop.path(), carl.token()
    loaded(three, shop, carl)
    live.eventually(lambda: shares(three, path, token) == {34})
    shop.used(carl.credential, gateways=len(three))
    pushes = shop.pushes()
    # Gone for a moment, and back: nobody's share changes, and no bucket is filled.
    three[2].fresh_envoy()
    three[2].settles(200, "", path, token)
    live.stays(lambda: desired.gateways_connected() == 3, seconds=1)
    assert shop.pushes() - pushes <= 1, "who came back loads it anew, and nobody else"
    began = time.monotonic()
    three[2].kill_envoy()  # type: ignore[attr-defined]
    assert shares(three[:2], path, token) == {34}
    live.eventually(lambda: shares(three[:2], path, token) == {50}, within=KEPT + 20)
    assert time.monotonic() - began > KEPT - 2
    three[2].start_envoy()
    live.eventually(lambda: shares(three, path, token) == {34})


# Who is counted


@pytest.mark.django_db
def test_a_gateway_counts_for_half_a_minute_after_it_was_lost() -> None:
    node = GatewayNode.objects.create(name="g-1")
    assert desired.gateways_connected() == 1, "nobody is connected, and whoever comes first has all"
    other = GatewayNode.objects.create(name="g-2")
    for each in (node, other):
        register.node_joined(register.NodeId(each.pk, each.name), stream=each.pk, address="", version="1.40.0")
    assert desired.gateways_connected() == 2
    register.node_lost(register.NodeId(other.pk, other.name), stream=other.pk)
    assert desired.gateways_connected() == 2
    GatewayNode.objects.filter(pk=other.pk).update(counted_until=Now())
    assert desired.gateways_connected() == 1
    GatewayNode.objects.filter(pk=node.pk).update(revoked_at=Now())
    assert desired.gateways_connected() == 1


@pytest.mark.django_db
def test_a_gateway_that_has_drained_has_no_share() -> None:
    for n in (1, 2):
        node = GatewayNode.objects.create(name=f"g-{n}")
        register.node_joined(register.NodeId(node.pk, node.name), stream=node.pk, address="", version="1.40.0")
    GatewayNode.objects.filter(name="g-1").update(draining_at=Now())
    assert desired.gateways_connected() == 2, "those that are connected to it still call"
    GatewayNode.objects.filter(name="g-1").update(drained_at=Now())
    assert desired.gateways_connected() == 1


@pytest.mark.django_db
def test_while_control_was_away_nobody_left() -> None:
    ControlProcess.objects.all().delete()
    for n in (1, 2, 3):
        node = GatewayNode.objects.create(name=f"g-{n}")
        register.node_joined(register.NodeId(node.pk, node.name), stream=node.pk, address="", version="1.40.0")
    GatewayNode.objects.filter(name__in=["g-1", "g-2"]).update(counted_until=timezone.now() - COUNTED)
    GatewayNode.objects.filter(name="g-3").update(counted_until=timezone.now() - register.AWAY_AT_MOST - COUNTED)
    register.control_began()
    assert desired.gateways_connected() == 2, "one that was gone for long before has left"
    GatewayNode.objects.update(counted_until=timezone.now() - COUNTED)
    ControlProcess.objects.create(seen_at=timezone.now())
    register.control_began()
    assert not GatewayNode.objects.filter(counted_until__gt=timezone.now()).exists(), "another control saw them leave"


@pytest.mark.django_db
def test_after_an_outage_of_the_database_those_count_that_were_there() -> None:
    for n in (1, 2):
        node = GatewayNode.objects.create(name=f"g-{n}")
        register.node_joined(register.NodeId(node.pk, node.name), stream=node.pk, address="", version="1.40.0")
    GatewayNode.objects.update(counted_until=timezone.now() - COUNTED)
    assert desired.gateways_connected() == 2
