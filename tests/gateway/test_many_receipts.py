"""A page with fifty decisions asks for their receipts once."""

import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apis.actions import subscriptions
from apis.models import Subscription
from gateway import receipts
from gateway.models import Deployment, GatewayNode, Loaded, Receipt
from gateway.receipts import NodeReceipt, State
from tenants.event_kinds import GATEWAY_KINDS, Part
from tenants.models import Event
from tenants.scope import current_tenant_id, tenant_scope
from tests import make
from tests.conftest import Cast


def node(name: str, *, connected: bool = True, loaded: bool = True) -> GatewayNode:
    found = GatewayNode.objects.create(name=name, connected=connected, seen_at=timezone.now())
    if loaded:
        Loaded.objects.create(node=found, tenant_id=current_tenant_id(), at=timezone.now())
    return found


def covers(at: GatewayNode, routes: int, access: int, *, closed: bool = False, tenant_id: UUID | None = None) -> Receipt:
    tenant_id = tenant_id or current_tenant_id()
    return Receipt.objects.create(node=at, tenant_id=tenant_id, routes=routes, access=access, closed=closed, at=timezone.now())


def decisions(count: int) -> None:
    """So many suspensions and resumptions of one subscription."""
    subscription, ada = make.subscription(), make.somebody("approver")
    for _ in range(count // 2):
        subscriptions.suspend(subscription, reason="A test.", by=ada)
        subscriptions.resume(subscription, by=ada)


def first_by_hand(event: Event, rows: Sequence[Receipt], at: GatewayNode) -> Receipt | None:
    """What the documents say of a receipt, one row after the other."""
    change = GATEWAY_KINDS[event.kind]
    for row in rows:
        number = row.routes if change.part is Part.ROUTES else row.access
        if row.node_id == at.pk and number >= event.number and not (row.closed and change.gives):
            return row
    return None


@pytest.fixture
def nodes(in_acme: Cast) -> list[GatewayNode]:
    make.api()
    decisions(40)
    found = [node("a"), node("b", loaded=False), node("c"), node("d"), node("gone", connected=False)]
    Deployment.objects.create(node=found[2], state=Deployment.State.HELD, refused_at=timezone.now(), refused_text="no such cluster")
    Deployment.objects.create(node=found[3], state=Deployment.State.CLOSED, refused_at=timezone.now(), refused_text="no")
    return found


@pytest.mark.parametrize("seed", range(5))
def test_each_is_what_the_receipts_say_one_by_one(in_acme: Cast, nodes: list[GatewayNode], seed: int) -> None:
    chance = random.Random(seed)
    last = Event.objects.latest("number").number
    for each in nodes:
        for _ in range(12):
            covers(each, chance.randrange(last), chance.randrange(last - 2), closed=chance.random() < 0.3)
    # Another tenant has numbers, too.
    covers(nodes[0], 10_000, 10_000, tenant_id=in_acme.globex.pk)
    events, rows = list(Event.objects.order_by("number")), list(Receipt.objects.filter(tenant=in_acme.acme).order_by("id"))
    found = receipts.receipts_of(events)
    assert list(found) == [event.number for event in events]
    states = set()
    for event in events:
        receipt = found[event.number]
        assert receipt == receipts.receipt(event)
        assert (receipt.event, receipt.kind, receipt.at) == (event.number, event.kind, event.at)
        assert receipt.concerns_gateways == (event.kind in GATEWAY_KINDS)
        if not receipt.concerns_gateways:
            assert (receipt.gateways, receipt.not_connected) == ((), ())
            continue
        assert receipt.not_connected == ("gone",)
        assert [each.gateway for each in receipt.gateways] == ["a", "b", "c", "d"]
        for at, said in zip(nodes, receipt.gateways, strict=False):
            row = first_by_hand(event, rows, at)
            if row is not None:
                ms = max(0, round((row.at - event.at) / timedelta(milliseconds=1)))
                assert said == NodeReceipt(at.name, State.ENFORCED, ms)
            else:
                assert said == expected_without(event, at)
            states.add(said.state)
    assert states == set(State)


def expected_without(event: Event, at: GatewayNode) -> NodeReceipt:
    routes = GATEWAY_KINDS[event.kind].part is Part.ROUTES
    match at.name, routes:
        case "b", _:
            return NodeReceipt("b", State.NOT_LOADED)
        case "c", True:
            return NodeReceipt("c", State.REFUSED, detail="no such cluster")
        case "d", _:
            return NodeReceipt("d", State.REFUSED, detail="no")
    return NodeReceipt(at.name, State.WAITING)


def test_fifty_events_and_twenty_gateways_take_as_many_queries_as_one_and_one(in_acme: Cast) -> None:
    decisions(50)
    node("gateway-0")
    events = list(Event.objects.filter(kind__in=GATEWAY_KINDS).order_by("-number")[:50])
    assert len(events) == 50
    with CaptureQueriesContext(connection) as one:
        receipts.receipts_of(events[:1])
    for number in range(1, 20):
        covers(node(f"gateway-{number}"), events[0].number, events[0].number)
    with CaptureQueriesContext(connection) as many:
        found = receipts.receipts_of(events)
    assert len(many) == len(one) == 5
    assert {receipt.sentence.partition(";")[0] for receipt in found.values()} == {"Enforced on 19/20 gateways"}


def test_what_gateways_do_not_hear_of_asks_nothing(in_acme: Cast, nodes: list[GatewayNode]) -> None:
    events = list(Event.objects.exclude(kind__in=GATEWAY_KINDS))
    assert events
    with CaptureQueriesContext(connection) as asked:
        assert receipts.receipts_of([]) == {}
        assert all(receipt.complete and not receipt.gateways for receipt in receipts.receipts_of(events).values())
    assert len(asked) == 0


def test_the_newest_decision_of_each_in_one_query(in_acme: Cast) -> None:
    ada = make.somebody("approver")
    suspended, pending, active = make.subscription(status="suspended"), make.subscription(status="pending"), make.subscription()
    undecided = make.application(in_acme.carl)
    subscriptions.approve(pending, by=ada)
    subscriptions.undo(pending, by=ada)
    subjects = [suspended.pk, pending.pk, active.pk, undecided.pk, uuid4()]
    with CaptureQueriesContext(connection) as asked:
        found = receipts.newest_decisions(subjects)
    assert len(asked) == 1
    assert {pk: event.kind for pk, event in found.items()} == {
        suspended.pk: "subscription.suspended",
        pending.pk: "subscription.decision_undone",
        active.pk: "subscription.approved",
    }
    assert receipts.newest_decisions([]) == {}


def test_eve_sees_nothing_of_it(in_acme: Cast) -> None:
    theirs = [make.subscription().pk for _ in range(2)]
    assert Subscription.objects.filter(pk__in=theirs).count() == len(receipts.newest_decisions(theirs)) == 2
    with tenant_scope(in_acme.globex.pk):
        assert receipts.newest_decisions(theirs) == {}
