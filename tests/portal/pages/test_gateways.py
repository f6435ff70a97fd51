"""Ada sees where calls are enforced: which gateways there are, what each acknowledged, and what one refused."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from gateway.acknowledged import history_of, newest_of
from gateway.models import Deployment, Drift, GatewayNode, Loaded, Receipt
from gateway.pruning import prune_drift
from keys.actions.credentials import revoke
from tenants.models import Event, Role
from tenants.scope import current_tenant_id
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.gateway.test_many_receipts import covers, decisions, node
from tests.portal.pages.test_console import signed_in, text

GATEWAYS = "/t/acme/console/gateways/"
WORDS = "route: unknown cluster <orders.internal:8080>"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


def newest() -> Event:
    return Event.objects.latest("number")


def acknowledges(at: GatewayNode, event: Event, *, after: timedelta, routes: int | None = None, closed: bool = False) -> Receipt:
    number = event.number if routes is None else routes
    return Receipt.objects.create(
        node=at, tenant_id=current_tenant_id(), routes=number, access=event.number, closed=closed, at=event.at + after
    )


def test_all_but_developers_see_them(in_acme: Cast) -> None:
    node("gateway-1")
    auditor = make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)
    for address in (GATEWAYS, f"{GATEWAYS}gateway-1/"):
        for user, status in ((in_acme.ada, 200), (in_acme.pam, 200), (auditor, 200), (in_acme.carl, 403), (in_acme.eve, 404)):
            assert signed_in(user).get(address).status_code == status


def test_before_there_is_one_it_says_how_to_add_it(ada: Client) -> None:
    assert "manage.py gateway_bootstrap" in text(ada.get(GATEWAYS))


@pytest.mark.parametrize("name", ["no-such", "x" * 500, "%01", "gateway-1%2F.."])
def test_there_is_no_such_gateway(ada: Client, in_acme: Cast, name: str) -> None:
    node("gateway-1")
    assert ada.get(f"{GATEWAYS}{name}/").status_code == 404


def test_how_each_stands(ada: Client, in_acme: Cast) -> None:
    node("eu/gateway-1", loaded=False)
    lost, held, closed = node("lost", connected=False), node("held"), node("closed")
    node("new")
    revoked = node("revoked")
    GatewayNode.objects.filter(pk=revoked.pk).update(revoked_at=timezone.now())
    GatewayNode.objects.filter(pk=lost.pk).update(seen_at=timezone.now() - timedelta(days=2))
    Deployment.objects.create(node=lost)
    for each, state in ((held, "held"), (closed, "closed")):
        Deployment.objects.create(node=each, state=state, refused_at=timezone.now(), refused_text=WORDS)
    said = text(ada.get(GATEWAYS))
    assert "eu/gateway-1 Connected Not loaded yet" in said
    assert "lost Not connected last heard of 2 days ago It goes on with what it last acknowledged" in said
    refused = "It refused the newest routes. It serves the ones before, with today's access. What it said (held)"
    assert f"held Connected Older routes {refused} {WORDS}" in said
    assert "closed Connected Closed It lets no call through for this tenant" in said
    assert "new Connected Waiting nothing yet" in said
    assert "5 in all" in said
    assert "revoked" not in said
    assert ada.get(f"{GATEWAYS}eu/gateway-1/").status_code == 200


def test_what_another_tenant_refused_is_not_told(in_acme: Cast) -> None:
    Deployment.objects.create(node=node("gateway-1"), state="held", refused_at=timezone.now(), refused_text=WORDS)
    covers(GatewayNode.objects.get(), newest().number, newest().number)
    eve = signed_in(in_acme.eve)
    for address in ("/t/globex/console/gateways/", "/t/globex/console/gateways/gateway-1/"):
        said = text(eve.get(address))
        assert WORDS not in said
        assert "Not loaded yet" in said
    assert "nothing yet" in text(eve.get("/t/globex/console/gateways/"))


def test_what_it_last_acknowledged_and_after_how_long(ada: Client, in_acme: Cast) -> None:
    decisions(2)
    gateway, event = node("gateway-1"), newest()
    acknowledges(gateway, Event.objects.get(number=event.number - 1), after=timedelta(milliseconds=30))
    acknowledges(gateway, event, after=timedelta(milliseconds=12))
    assert f"Event {event.number} after 12 ms" in text(ada.get(GATEWAYS))
    assert "The newest decision: Enforced on 1/1 gateways in 12 ms" in text(ada.get(GATEWAYS))
    # It connects anew, and loads the same.
    acknowledges(gateway, event, after=timedelta(hours=3))
    said = text(ada.get(GATEWAYS))
    assert f"Event {event.number}" in said
    assert "after" not in said.partition(f"Event {event.number}")[2][:20]


def test_the_last_receipts_in_words(ada: Client, in_acme: Cast) -> None:
    decisions(60)
    gateway = node("gateway-1")
    for event in Event.objects.filter(kind__in=["subscription.suspended", "subscription.resumed"]).order_by("number"):
        acknowledges(gateway, event, after=timedelta(milliseconds=event.number))
    response = ada.get(f"{GATEWAYS}gateway-1/")
    said = text(response)
    assert response.content.decode().count("/t/acme/receipts/") == 20
    assert f"resumed {newest().subject_name} {newest().number} ms" in said
    assert "loaded again" not in said


def test_a_gateway_that_was_away_is_told_in_minutes(ada: Client, in_acme: Cast) -> None:
    decisions(2)
    gateway, event = node("gateway-1"), newest()
    acknowledges(gateway, Event.objects.get(number=event.number - 1), after=timedelta())
    acknowledges(gateway, event, after=timedelta(minutes=5))
    assert "after 5 min" in text(ada.get(GATEWAYS))


def test_a_receipt_tells_the_newest_decision_that_it_covers(in_acme: Cast) -> None:
    """What gives is not in a closed configuration, and what changes routes not in older ones."""
    api = make.api()
    published = newest()
    assert published.kind == "version.published"
    application = make.application(in_acme.carl)
    credential, _ = make.credential(application)
    make.subscription(of=application, to=make.plan(api))
    approved = newest()
    make.application(in_acme.carl)
    gateway = node("gateway-1")

    def told() -> Event | None:
        return newest_of([gateway])[gateway.pk].event

    acknowledges(gateway, newest(), after=timedelta())
    # The application that was registered since is no decision that gateways hear of.
    assert told() == approved
    acknowledges(gateway, approved, after=timedelta(), closed=True)
    closed = told()
    assert closed is not None
    assert closed.kind == "subscription.requested"
    revoked = revoke(credential, by=in_acme.carl)
    acknowledges(gateway, revoked, after=timedelta(), closed=True)
    assert told() == revoked
    live = make.api()
    assert live
    acknowledges(gateway, newest(), after=timedelta(), routes=revoked.number)
    assert told() == revoked
    assert [each.ms for each in history_of(gateway, most=20)] == [None, 0, None, None]


def test_as_many_queries_for_many(ada: Client, in_acme: Cast) -> None:
    decisions(4)
    for name in ("a", "b", "c", "d"):
        gateway = node(name)
        Deployment.objects.create(node=gateway)
        for _ in range(3):
            covers(gateway, newest().number, newest().number)
    with queries("page:gateways"):
        ada.get(GATEWAYS)
    with queries("page:gateway"):
        ada.get(f"{GATEWAYS}a/")


def test_what_it_has_in_store_for_a_time_without_control(ada: Client, in_acme: Cast) -> None:
    """Members read that something is wrong, and operators what."""
    at, path = node("gateway-1"), "/var/lib/portico-agent/snapshot"
    assert "snapshot" not in text(ada.get(GATEWAYS))
    GatewayNode.objects.filter(pk=at.pk).update(snapshot_at=timezone.now())
    assert "Its snapshot was as it should be" in text(ada.get(GATEWAYS))
    olga = signed_in(in_acme.olga)
    assert "No agent beside it" not in text(olga.get("/platform/gateways/"))
    GatewayNode.objects.filter(pk=at.pk).update(
        snapshot_problem=f"{path} is full.",
        served_from_snapshot_since=timezone.now() - timedelta(hours=3),
        served_from_snapshot_until=timezone.now(),
    )
    for address in (GATEWAYS, f"{GATEWAYS}gateway-1/"):
        shown = text(ada.get(address))
        assert "Its snapshot has a problem" in shown
        assert "It last served from it" in shown
        assert path not in shown
    assert path in text(olga.get("/platform/gateways/"))
    GatewayNode.objects.filter(pk=at.pk).update(snapshot_problem="", snapshot_at=None)
    assert "No agent beside it" in text(olga.get("/platform/gateways/"))


def test_what_was_put_right_and_what_a_canary_said(ada: Client, in_acme: Cast) -> None:
    silent, other = node("silent"), node("other")
    Loaded.objects.filter(node=silent).update(unreached_since=timezone.now() - timedelta(hours=2))
    Loaded.objects.filter(node=other).update(stale_since=timezone.now() - timedelta(hours=3), unreached_since=timezone.now())
    now = timezone.now()
    parts = {"subscriptions": {"gone": 2, "changed": 1}, "orphans": {"subscription": 2, "application": 1}}
    for tenant, at in ((in_acme.acme, now), (in_acme.globex, now), (in_acme.acme, now - timedelta(days=31))):
        Drift.objects.create(node=silent, tenant=tenant, parts=parts, takes=True, found_at=at, at=at)
    said = text(ada.get(GATEWAYS))
    assert "silent Connected Waiting Its canary can't be reached, since 2 hours ago put right once in 30 days" in said
    assert "other Connected Waiting It serves other routes than it acknowledged, since 3 hours ago nothing yet" in said
    said = text(ada.get(f"{GATEWAYS}silent/"))
    assert "Subscriptions: 2 gone, 1 changed; Rows that were deleted: 3" in said
    assert "Put right" not in text(ada.get(f"{GATEWAYS}other/"))


def test_an_operator_sees_it_of_all_tenants(in_acme: Cast) -> None:
    silent = node("silent")
    Loaded.objects.filter(node=silent).update(unreached_since=timezone.now())
    for tenant in (in_acme.acme, in_acme.globex):
        Drift.objects.create(node=silent, tenant=tenant, parts={}, takes=True, found_at=timezone.now(), at=timezone.now())
    said = text(signed_in(in_acme.olga).get("/platform/gateways/"))
    assert "its canary can't be reached for 1 tenant" in said


def test_rest_says_the_same(in_acme: Cast, rest: Rest) -> None:
    silent = node("silent")
    node("new", loaded=False)
    Loaded.objects.filter(node=silent).update(unreached_since=timezone.now())
    Drift.objects.create(node=silent, tenant=in_acme.acme, parts={}, takes=True, found_at=timezone.now(), at=timezone.now())
    found = {each["name"]: each for each in rest(in_acme.ada).get(f"{base(in_acme.acme)}/gateways/").json()}
    assert (found["silent"]["put_right"], found["new"]["put_right"]) == (1, 0)
    assert found["silent"]["unreached_since"]
    assert (found["silent"]["serves_other_since"], found["new"]["unreached_since"]) == (None, None)
    assert rest(in_acme.eve).get(f"{base(in_acme.acme)}/gateways/").status_code == 404


def test_what_was_put_right_long_ago_is_forgotten(in_acme: Cast) -> None:
    at = node("gateway-1")
    for days in (1, 31):
        then = timezone.now() - timedelta(days=days)
        Drift.objects.create(node=at, tenant=in_acme.acme, parts={}, takes=True, found_at=then, at=then)
    assert prune_drift() == 1
    assert prune_drift() == 0
