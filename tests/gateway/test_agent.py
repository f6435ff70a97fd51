"""A real Envoy with the agent beside it: control goes and comes, Envoy and the agent are killed, the disk fails."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from apis.actions import subscriptions
from gateway.agent import journal, sealing
from gateway.agent.kinds import ROUTES
from gateway.models import GatewayNode
from gateway.receipts import Receipt, State
from portal.stack import probes
from portal.stack.ports import Ports, choose
from tenants.models import PlatformEvent
from tests import live
from tests.live import Gateway, Upstream, shop

SECRET = "upstream-header-secret-0815"


@pytest.fixture(scope="module")
def _beside(django_db_setup: None, django_db_blocker: Any) -> Iterator[Gateway]:
    folder = Path(tempfile.mkdtemp(prefix="portico-agent-"))
    made = Gateway(folder, node=f"beside-{uuid4()}", port=choose(Ports(0, 0, 0, 0), needed=set()).gateway, agent=True)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
        with django_db_blocker.unblock():
            # Receipts of other tests name every gateway that may connect.
            GatewayNode.objects.filter(name=made.node).update(revoked_at=timezone.now(), connected=False)
            connection.close()


@pytest.fixture
def beside(committed: None, _beside: Gateway) -> Gateway:
    """A gateway of its own with an agent, whatever the test before did to its parts."""
    if "agent" not in _beside.parts and "envoy" in _beside.parts:
        _beside.start_agent()
    _beside.mend()
    return _beside


def row(gateway: Gateway) -> GatewayNode:
    return GatewayNode.objects.get(name=gateway.node)


def state_at(gateway: Gateway, receipt: Receipt) -> State:
    return next(each.state for each in receipt.gateways if each.gateway == gateway.node)


def kept(gateway: Gateway) -> set[str]:
    """The tenants whose routes are in the snapshot."""
    folder, credential = gateway.folder / "snapshot", (gateway.folder / "credential").read_text()
    key = sealing.unwrapped((folder / "key").read_bytes(), node=gateway.node, credential=credential)
    found: set[str] = set()
    for record in journal.read(folder / "journal", sealing.Sealer(gateway.node, key)).records:
        found |= {name for name, _ in record["of"]} if record.get("put") == ROUTES else set()
        found -= {name for url, name in record.get("drop", ()) if url == ROUTES}
    return found


def restart_envoy(gateway: Gateway) -> None:
    """As after a crash of its own, whether control is there or not."""
    gateway.parts["envoy"].kill()
    live.eventually(lambda: probes.accepts((live.HOST, gateway.port)))


def comes_back(gateway: Gateway) -> None:
    was = row(gateway).stream
    gateway.begin_and_wait("control")
    live.eventually(lambda: row(gateway).stream not in {None, was})
    gateway.wait_joined()


def test_decisions_pass_through_it_and_its_bootstrap_holds_no_token(beside: Gateway, upstream: Upstream) -> None:
    assert "ptc_node" not in (beside.folder / "bootstrap.json").read_text()
    acme = shop(upstream, header="X-Key", secret=SECRET)
    carl = acme.client()
    beside.settles(200, "", acme.path(), carl.token())
    assert upstream.seen[-1].headers["x-key"] == SECRET
    suspended = acme.does(subscriptions.suspend, carl.subscription, reason="A test.", by=acme.person("approver"))
    assert state_at(beside, acme.enforced(suspended)) is State.ENFORCED
    assert beside.call(acme.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert row(beside).snapshot_at is not None
    assert row(beside).snapshot_problem == ""


def test_nobody_but_envoy_acknowledges(beside: Gateway, upstream: Upstream) -> None:
    acme = shop(upstream)
    carl = acme.client()
    beside.settles(200, "", acme.path(), carl.token())
    acme.enforced_newest()
    with beside.paused("envoy"):
        suspended = acme.does(subscriptions.suspend, carl.subscription, reason="A test.", by=acme.person("approver"))
        live.stays(lambda: state_at(beside, acme.receipt(suspended)) is State.WAITING, seconds=1.5)
    acme.enforced(suspended)
    assert beside.call(acme.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"


def test_an_envoy_that_starts_while_control_is_away_is_served_from_the_snapshot(beside: Gateway, upstream: Upstream) -> None:
    acme, globex, late = shop(upstream, header="X-Key", secret=SECRET), shop(upstream), shop(upstream)
    carl, sam, eve = acme.client(), acme.client(), globex.client()
    nobody = acme.client("")
    for who in (carl, sam, eve):
        beside.settles(200, "", who.shop.path(), who.token())
    acme.enforced(acme.does(subscriptions.suspend, sam.subscription, reason="A test.", by=acme.person("approver")))
    beside.end("control")
    restart_envoy(beside)
    assert beside.call(acme.path(), carl.token()).status == 200
    assert upstream.seen[-1].headers["x-key"] == SECRET
    assert beside.call(globex.path(), eve.token()).status == 200
    assert beside.call(acme.path(), sam.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert beside.call(acme.path(), nobody.token()).code == "SUBSCRIPTION_REQUIRED"
    assert beside.call(acme.path(), eve.token()).status == 401
    assert beside.call(acme.path()).code == "TOKEN_MISSING"
    # A tenant that it had not loaded is not there.
    beside.patient = False
    token, began = late.client().token(), time.monotonic()
    assert beside.call(late.path(), token).code == "NOT_READY"
    assert time.monotonic() - began < 1.5
    beside.patient = True

    comes_back(beside)
    said = row(beside)
    assert said.served_from_snapshot_since
    assert said.served_from_snapshot_until
    assert timezone.now() - said.served_from_snapshot_since < timedelta(seconds=60)
    assert said.served_from_snapshot_since < said.served_from_snapshot_until
    told = PlatformEvent.objects.filter(kind="gateway.served_from_snapshot", subject_id=said.pk)
    assert [each.data["restarted"] is not None for each in told] == [True]
    # And what is decided from now on is enforced, on what it had from the snapshot and on what it had not.
    for who in (carl, eve):
        by = who.shop.person("approver")
        who.shop.enforced(who.shop.does(subscriptions.suspend, who.subscription, reason="A test.", by=by))
        assert beside.call(who.shop.path(), who.token()).code == "SUBSCRIPTION_SUSPENDED"
    beside.settles(200, "", late.path(), late.client().token())


def test_what_was_taken_while_envoy_had_not_loaded_the_tenant_does_not_come_back(beside: Gateway, upstream: Upstream) -> None:
    """Control does not wait for a gateway that has not loaded a tenant: it will load the newest. So the agent must not load the oldest."""
    acme = shop(upstream)
    carl = acme.client()
    beside.settles(200, "", acme.path(), carl.token())
    restart_envoy(beside)
    beside.wait_joined()
    suspended = acme.does(subscriptions.suspend, carl.subscription, reason="A test.", by=acme.person("approver"))
    assert state_at(beside, acme.enforced(suspended)) is State.NOT_LOADED
    beside.end("control")
    beside.patient = False
    assert beside.call(acme.path(), carl.token()).code == "NOT_READY"
    restart_envoy(beside)
    assert beside.call(acme.path(), carl.token()).code == "NOT_READY"
    beside.patient = True
    comes_back(beside)
    beside.settles(403, "SUBSCRIPTION_SUSPENDED", acme.path(), carl.token())


@pytest.mark.parametrize("away", [False, True], ids=["control is there", "control is away"])
def test_an_agent_that_was_killed_goes_on_where_it_was(beside: Gateway, upstream: Upstream, away: bool) -> None:
    acme = shop(upstream)
    carl, sam = acme.client(), acme.client()
    for who in (carl, sam):
        beside.settles(200, "", acme.path(), who.token())
    if away:
        beside.end("control")
    beside.parts["agent"].kill()
    live.stays(lambda: beside.call(acme.path(), carl.token()).status == 200)
    beside.parts["agent"].wait_ready()
    if away:
        restart_envoy(beside)
        assert beside.call(acme.path(), carl.token()).status == 200
        comes_back(beside)
    live.eventually(lambda: GatewayNode.objects.connected().filter(name=beside.node).exists())
    acme.enforced(acme.does(subscriptions.suspend, carl.subscription, reason="A test.", by=acme.person("approver")))
    assert beside.call(acme.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert beside.call(acme.path(), sam.token()).status == 200


def test_a_snapshot_that_somebody_changed_is_not_served_and_is_named(beside: Gateway, upstream: Upstream) -> None:
    acme = shop(upstream)
    carl = acme.client()
    beside.settles(200, "", acme.path(), carl.token())
    acme.enforced_newest()
    beside.end("agent")
    journal = beside.folder / "snapshot" / "journal"
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(bytes(content))
    beside.end("control")
    beside.start_agent()
    restart_envoy_without_listener(beside)
    comes_back(beside)
    assert "journal is not what this gateway wrote" in row(beside).snapshot_problem
    assert PlatformEvent.objects.filter(kind="gateway.snapshot_failed", subject_id=row(beside).pk).count() == 1
    beside.settles(200, "", acme.path(), carl.token())
    # The new one is as good as any.
    beside.end("agent")
    beside.start_agent()
    live.eventually(lambda: row(beside).snapshot_problem == "")


def restart_envoy_without_listener(gateway: Gateway) -> None:
    gateway.parts["envoy"].kill()
    live.stays(lambda: not probes.accepts((live.HOST, gateway.port)), seconds=1.5)


def test_a_disk_that_takes_nothing_stops_nothing(beside: Gateway, upstream: Upstream) -> None:
    acme = shop(upstream)
    carl, sam = acme.client(), acme.client()
    for who in (carl, sam):
        beside.settles(200, "", acme.path(), who.token())
    bundles = beside.folder / "snapshot" / "bundles"
    bundles.rename(bundles.with_name("away"))
    acme.enforced(acme.does(subscriptions.suspend, carl.subscription, reason="A test.", by=acme.person("approver")))
    assert beside.call(acme.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert live.eventually(lambda: row(beside).snapshot_problem) == "The snapshot can't be written: No such file or directory."
    # What lies there is older than what Envoy has, and so it goes.
    assert not (beside.folder / "snapshot" / "journal").exists()
    bundles.with_name("away").rename(bundles)
    live.eventually(lambda: row(beside).snapshot_problem == "")
    # Control sends what is missing, by the same stream that says so.
    live.eventually(lambda: acme.slug in kept(beside))
    beside.end("control")
    restart_envoy(beside)
    assert beside.call(acme.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert beside.call(acme.path(), sam.token()).status == 200


@pytest.mark.parametrize("starts", [False, True], ids=["Envoy goes on", "Envoy starts"])
def test_a_gateway_that_has_been_cut_off_for_too_long_serves_nobody(beside: Gateway, upstream: Upstream, starts: bool) -> None:
    acme = shop(upstream)
    carl = acme.client()
    beside.end("agent")
    beside.start_agent("--max-stale-hours", "0.002")
    beside.wait_joined()
    beside.settles(200, "", acme.path(), carl.token())
    beside.end("control")
    assert beside.call(acme.path(), carl.token()).status == 200
    live.eventually(lambda: not probes.accepts((live.HOST, beside.port)))
    assert "No word from control" in beside.log("agent")
    if starts:
        restart_envoy_without_listener(beside)
    comes_back(beside)
    beside.settles(200, "", acme.path(), carl.token())
    beside.end("agent")


def test_nothing_on_the_disk_is_readable(beside: Gateway, upstream: Upstream) -> None:
    acme = shop(upstream, header="X-Key", secret=SECRET)
    carl = acme.client()
    beside.settles(200, "", acme.path(), carl.token())
    acme.enforced_newest()
    files = [path for path in (beside.folder / "snapshot").rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600
        content = path.read_bytes()
        for plain in (SECRET, acme.slug, acme.key.kid, "listener"):
            assert plain.encode() not in content
    assert (beside.folder / "agent.sock").stat().st_mode & 0o777 == 0o700
