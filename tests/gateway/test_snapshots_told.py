"""What an agent says of its snapshot stands in its gateway's row, whatever it says."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from gateway.ads import Request
from gateway.models import GatewayNode
from gateway.register import NodeId
from gateway.snapshots import Told, note, told
from tenants.models import PlatformEvent
from tests.gateway.test_many_receipts import node

pytestmark = pytest.mark.django_db


def said(**snapshot: Any) -> Request:
    request = Request()
    request.node.metadata.update({"snapshot": snapshot})
    return request


@pytest.fixture
def edge() -> GatewayNode:
    return node("edge", loaded=False)


def noted(edge: GatewayNode, request: Request) -> GatewayNode:
    note(NodeId(edge.pk, edge.name), told(request))
    edge.refresh_from_db()
    return edge


def test_a_gateway_without_an_agent_has_no_snapshot(edge: GatewayNode) -> None:
    assert noted(edge, said(problem="")).snapshot_at is not None
    found = noted(edge, Request())
    assert (found.snapshot_at, found.snapshot_problem) == (None, "")


def test_that_it_was_served_from_it_is_told_once(edge: GatewayNode) -> None:
    found = noted(edge, said(problem="", served_s=30, restarted_s=40))
    assert found.served_from_snapshot_since
    assert found.served_from_snapshot_until
    assert found.served_from_snapshot_until - found.served_from_snapshot_since == timedelta(seconds=30)
    noted(edge, said(problem=""))
    event = PlatformEvent.objects.get(kind="gateway.served_from_snapshot")
    assert (event.subject_id, event.data) == (edge.pk, {"seconds": 30, "restarted": 40})
    assert found.served_from_snapshot_until <= timezone.now()


def test_a_problem_is_told_once_and_its_end_stands_in_the_row(edge: GatewayNode) -> None:
    GatewayNode.objects.update(snapshot_at=Now() - timedelta(days=1))
    for _ in range(3):
        found = noted(edge, said(problem="The snapshot can't be written: No space left on device."))
    assert found.snapshot_at
    assert timezone.now() - found.snapshot_at > timedelta(hours=23)
    assert PlatformEvent.objects.get(kind="gateway.snapshot_failed").data == {"problem": found.snapshot_problem}
    found = noted(edge, said(problem=""))
    assert (found.snapshot_problem, PlatformEvent.objects.filter(kind="gateway.snapshot_failed").count()) == ("", 1)


@pytest.mark.parametrize(
    ("snapshot", "understood"),
    [
        ({"problem": "a\0b" + "x" * 2000}, Told("ab" + "x" * 998)),
        ({"problem": 4}, Told("")),
        ({"served_s": float("nan")}, Told("")),
        ({"served_s": float("inf"), "restarted_s": -1}, Told("")),
        ({"served_s": "30"}, Told("")),
        ({"served_s": 1e300}, Told("")),
        ({"served_s": 0, "restarted_s": 0}, Told("", 0.0, 0.0)),
        ({}, Told("")),
    ],
)
def test_nothing_that_it_says_breaks_anything(edge: GatewayNode, snapshot: dict[str, Any], understood: Told) -> None:
    assert told(said(**snapshot)) == understood
    noted(edge, said(**snapshot))


def test_something_else_in_its_place_is_no_agent() -> None:
    request = Request()
    request.node.metadata.update({"snapshot": "yes"})
    assert told(request) is None
