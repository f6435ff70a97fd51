"""The fleet, with three real Envoys: one joins and rolls its credential, one drains under calls, one is stopped, one leaves."""

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from gateway import fleet, joining, nodes
from gateway.models import GatewayNode, Loaded, NodeCredential
from portal.stack.stack import PROJECT
from tests import live
from tests.gateway.test_three_gateways import CONTROL, Further, loaded, shop, suspend, three
from tests.live import HOST, Gateway, Shop

__all__ = ["shop", "three"]
GRACE, DRAIN = 4.0, 3


@pytest.fixture(autouse=True)
def _quickly(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of every control and Envoy that `three` starts; asked for before it."""
    monkeypatch.setitem(gateway.environment, "PORTICO_GATEWAY_DRAIN_GRACE", str(GRACE))
    monkeypatch.setitem(gateway.environment, "PORTICO_GATEWAY_DRAIN_TIME", str(DRAIN))
    monkeypatch.setattr(Further, "drain_seconds", DRAIN)
    yield
    GatewayNode.objects.update(draining_at=None, drained_at=None)


def node(name: str) -> GatewayNode:
    return GatewayNode.objects.get(name=name)


def standing(name: str) -> fleet.Standing:
    return fleet.standings([node(name)])[0]


def ready(port: int) -> int:
    """What a load balancer is told; 0 where nobody listens."""
    try:
        return live.call(port, "/.portico/ready", host="10.1.2.3").status
    except OSError:
        return 0


def listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


# Draining


@dataclass
class Caller:
    """Calls without a pause on a connection that it keeps, through a load balancer that asks every gateway whether it is ready."""

    ports: list[int]
    path: str
    token: str
    done: threading.Event = field(default_factory=threading.Event)
    # Port and status of each answer; 0 for a call that was not answered.
    seen: list[tuple[int, int]] = field(default_factory=list)

    def run(self) -> None:
        kept: dict[int, http.client.HTTPConnection] = {}
        turn = 0
        while not self.done.is_set():
            turn += 1
            port = self.ports[turn % len(self.ports)]
            if port not in kept:
                # A new connection goes to a gateway that says it is ready.
                if ready(port) != 200:
                    time.sleep(0.005)
                    continue
                kept[port] = http.client.HTTPConnection(HOST, port, timeout=10)
            try:
                kept[port].request("GET", self.path, headers={"authorization": f"Bearer {self.token}"})
                answer = kept[port].getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.seen.append((port, 0))
                kept.pop(port).close()
                continue
            self.seen.append((port, answer.status))
            if answer.will_close:
                kept.pop(port).close()
        for each in kept.values():
            each.close()


@pytest.fixture
def callers(three: list[Gateway], shop: Shop) -> Iterator[list[Caller]]:
    carl = shop.client(plan=shop.plan(calls=1_000_000))
    loaded(three, shop, carl)
    found = [Caller([each.port for each in three], shop.path(), carl.token()) for _ in range(3)]
    threads = [threading.Thread(target=each.run) for each in found]
    for thread in threads:
        thread.start()
    yield found
    for each in found:
        each.done.set()
    for thread in threads:
        thread.join()


def calls_at(callers: list[Caller], port: int) -> int:
    return sum(each[0] == port for caller in callers for each in caller.seen)


def test_a_gateway_drains_under_calls_and_comes_back(three: list[Gateway], shop: Shop, callers: list[Caller]) -> None:
    going = three[1]
    assert {ready(each.port) for each in three} == {200}
    live.eventually(lambda: calls_at(callers, going.port) > 20)
    slow: list[int] = []
    token = callers[0].token
    waits = threading.Thread(target=lambda: slow.append(live.call(going.port, shop.path("/slow?ms=5000"), token).status))
    nodes.drain(node(going.node), by=None)
    live.eventually(lambda: ready(going.port) == 503, within=2)
    answer = live.call(going.port, "/.portico/ready")
    assert (answer.status, answer.code) == (503, "DRAINING")
    # Load balancers are told first: whoever is connected, or comes all the same, is served.
    assert live.call(going.port, shop.path(), token).status == 200
    assert standing(going.node).state == "draining"
    waits.start()
    live.eventually(lambda: not listens(going.port), within=GRACE + 3)
    # Each kept connection is asked to go elsewhere with its next answer.
    time.sleep(0.5)
    before = calls_at(callers, going.port)
    waits.join()
    assert slow == [200], "a call under way ends as it would"
    live.eventually(lambda: standing(going.node).state == "drained", within=DRAIN + 5)
    assert calls_at(callers, going.port) == before
    assert [ready(each.port) for each in three] == [200, 0, 200]
    # Nobody waits for it any more.
    event = suspend(shop, shop.client())
    receipt = shop.enforced(event)
    assert (receipt.total, receipt.not_connected) == (2, ())
    nodes.undrain(node(going.node), by=None)
    live.eventually(lambda: ready(going.port) == 200, within=10)
    already = calls_at(callers, going.port)
    live.eventually(lambda: calls_at(callers, going.port) > already + 20)
    assert standing(going.node).state == "connected"
    assert shop.enforced(suspend(shop, shop.client())).total == 3
    for each in callers:
        each.done.set()
    statuses = [status for caller in callers for _, status in caller.seen]
    assert set(statuses) == {200}, f"{len(statuses)} calls"
    print(f"{len(statuses)} calls while one of three gateways drained and came back, none of them failed")


def test_an_undrain_before_the_listener_went_leaves_everything_as_it_was(three: list[Gateway], shop: Shop) -> None:
    carl = shop.client()
    loaded(three, shop, carl)
    staying = three[2]
    kept = http.client.HTTPConnection(HOST, staying.port, timeout=10)
    kept.connect()
    nodes.drain(node(staying.node), by=None)
    live.eventually(lambda: ready(staying.port) == 503)
    nodes.undrain(node(staying.node), by=None)
    live.eventually(lambda: ready(staying.port) == 200)
    live.stays(lambda: listens(staying.port), seconds=GRACE + 0.5)
    kept.request("GET", shop.path(), headers={"authorization": f"Bearer {carl.token()}"})
    assert kept.getresponse().status == 200, "the same connection"
    kept.close()


def test_a_gateway_that_drains_stays_closed_when_control_starts_again(three: list[Gateway], shop: Shop) -> None:
    carl = shop.client()
    loaded(three, shop, carl)
    going, first = three[2], three[0]
    nodes.drain(node(going.node), by=None)
    live.eventually(lambda: not listens(going.port), within=GRACE + 5)
    argv = [sys.executable, "-c", CONTROL]
    first.end("control")
    first.begin("control", argv=argv)
    first.parts["control"].wait_ready()
    live.eventually(lambda: standing(going.node).connected)
    live.stays(lambda: not listens(going.port), seconds=1)
    live.eventually(lambda: standing(going.node).state == "drained", within=DRAIN + 5)
    nodes.undrain(node(going.node), by=None)
    live.eventually(lambda: listens(going.port))
    going.settles(200, "", shop.path(), carl.token())


# Joining


@pytest.fixture
def portal(committed: None) -> Iterator[str]:
    server = LiveServer(HOST)
    yield str(server.url)
    server.stop()


class Joining(Further):
    """A machine with a join token and the portal's address, and no shell on Portico's machine."""

    def start(self, portal: str, join_token: str) -> None:
        (self.folder / "join-token").write_text(f"{join_token}\n")
        self.by_hand(portal, "--join-token-file", str(self.folder / "join-token"))
        (self.folder / "join-token").unlink()
        argv = [sys.executable, "manage.py", "gateway_bootstrap", "--node", self.node, "--address", f"http://{HOST}:{self.port}"]
        argv += ["--admin", str(self.folder / "admin.sock"), "--credential-file", str(self.credential)]
        done = subprocess.run(argv, cwd=PROJECT, env=self.environment, capture_output=True, check=True, text=True)
        assert "ptc_node_" not in done.stdout
        (self.folder / "bootstrap.json").write_text(done.stdout)
        self._run_envoy(self.folder / "bootstrap.json")

    @property
    def credential(self) -> Path:
        return self.folder / "credential.json"

    def by_hand(self, portal: str, *more: str) -> None:
        argv = [sys.executable, "-m", "gateway.joining", portal, "--credential-file", str(self.credential), *more]
        done = subprocess.run(argv, cwd=PROJECT, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr
        assert "ptc_" not in done.stdout


@pytest.fixture
def joining_one(three: list[Gateway], tmp_path: Path) -> Iterator[Joining]:
    (tmp_path / "joins").mkdir()
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        port = bound.getsockname()[1]
    found = Joining(tmp_path / "joins", node="gateway-4", port=port)
    yield found
    found.stop()
    live.eventually(lambda: not GatewayNode.objects.connected().filter(name="gateway-4").exists())
    GatewayNode.objects.filter(name="gateway-4").update(revoked_at=timezone.now())


def test_a_machine_joins_is_called_and_rolls_its_credential(three: list[Gateway], shop: Shop, joining_one: Joining, portal: str) -> None:
    carl = shop.client()
    loaded(three, shop, carl)
    _, join_token = nodes.issue_join_token("gateway-4", address=f"http://{HOST}:{joining_one.port}", by=None)
    joining_one.start(portal, join_token)
    joining_one.settles(200, "", shop.path(), carl.token())
    assert shop.enforced(suspend(shop, shop.client())).total == 4
    assert joining_one.credential.stat().st_mode & 0o777 == 0o600
    first = joining.read(joining_one.credential)
    assert standing("gateway-4").credentials[0].last_four == first[-4:]
    # Nothing is cut: the same stream goes on.
    stream = node("gateway-4").stream
    joining_one.by_hand(portal)
    second = joining.read(joining_one.credential)
    assert first != second
    time.sleep(1)
    assert node("gateway-4").stream == stream
    # When the overlap is over, control ends the stream, and Envoy comes back with what it read meanwhile.
    NodeCredential.objects.filter(sha256=nodes.digest(first)).update(ends_at=timezone.now())
    live.eventually(lambda: node("gateway-4").connected and node("gateway-4").stream not in {stream, None})
    used = node("gateway-4").credential
    assert used is not None
    assert used.sha256 == nodes.digest(second)
    joining_one.settles(200, "", shop.path(), carl.token())
    dump = subprocess.run(
        ["curl", "-s", "--unix-socket", str(joining_one.folder / "admin.sock"), "http://envoy/config_dump"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert json.loads(dump)["configs"]
    assert "ptc_node_" not in dump, "Envoy's own dump does not show it"
    # A second machine with the same token.
    with pytest.raises(joining.NotJoined, match="lets nobody in") as refused:
        joining.join(portal, join_token)
    assert refused.value.answered == 401
    # It leaves.
    nodes.revoke(node("gateway-4"), by=None)
    live.eventually(lambda: shop.enforced(suspend(shop, shop.client())).total == 3, within=5)
    with pytest.raises(joining.NotJoined) as refused:
        joining.roll(portal, second)
    assert refused.value.answered == 401


def test_secrets_go_to_https_alone() -> None:
    for address in ("http://portal.example", "http://10.0.0.1", "ftp://127.0.0.1", "portal.example", ""):
        with pytest.raises(joining.NotJoined, match="no https address"):
            joining.join(address, "ptc_join_x")
    with pytest.raises(joining.NotJoined, match="not reached"):
        joining.join("https://127.0.0.1:1", "ptc_join_x")
    assert "ptc_node_x" not in repr(joining.Credential("eu-1", "ptc_node_x"))


# Drift


def test_a_gateway_that_stands_still_is_behind_and_then_gone(three: list[Gateway], shop: Shop) -> None:
    carl = shop.client()
    loaded(three, shop, carl)
    still = three[2]
    assert standing(still.node).behind == 0
    with still.paused("envoy"):
        suspend(shop, carl)
        live.eventually(lambda: standing(still.node).behind == 1, within=14)
        assert list(fleet.behind(node(still.node))) == [shop.pk]
        assert standing(three[1].node).behind == 0
        live.eventually(lambda: standing(still.node).state == "gone", within=20)
    live.eventually(lambda: standing(still.node).state == "connected")
    still.settles(403, "SUBSCRIPTION_SUSPENDED", shop.path(), carl.token())
    live.eventually(lambda: Loaded.objects.filter(node=node(still.node), tenant_id=shop.pk, behind_since=None).exists(), within=14)
    assert standing(still.node).behind == 0


def test_the_clock_of_a_gateway_is_looked_at(three: list[Gateway]) -> None:
    GatewayNode.objects.update(clock_ms=None, clock_at=None)
    live.eventually(lambda: node("gateway-2").clock_ms is not None, within=40)
    assert abs(node("gateway-2").clock_ms or 0) < 2_000
    assert not standing("gateway-2").clock_is_off


def test_what_a_gateway_last_acknowledged(three: list[Gateway], shop: Shop) -> None:
    carl = shop.client()
    loaded(three, shop, carl)

    def is_of_this_one() -> bool:
        # What others' first calls leave behind may be acknowledged in between.
        shop.client()
        shop.enforced_newest()
        for each in three:
            last = standing(each.node).last
            assert last is not None
            assert last.tenant == shop.slug
        return True

    live.eventually(is_of_this_one)
    connection.close()
