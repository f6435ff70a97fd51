"""Two control processes and three gateways that know both: one is killed amid decisions, and each is enforced all the same."""

import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.utils import timezone

from gateway import receipts
from gateway.models import GatewayNode
from portal.stack import Ports, probes
from portal.stack.ports import choose
from portal.stack.processes import Process, Program, Supervisor
from portal.stack.stack import PROJECT
from tests import live
from tests.gateway.test_three_gateways import CONTROL, Further, Life, Verdict, calling, calls_of, judge
from tests.live import Gateway, Upstream
from tests.turns import whole

NAMES = ("pair-1", "pair-2", "pair-3")
DECISIONS = 200 if whole() else 36
# How long gateways may be without control when one of two is gone.
SECONDS = 10.0


@dataclass
class Pair:
    """Two control processes, and where they listen."""

    supervisor: Supervisor
    folder: Path
    gateways: list[Gateway]
    parts: dict[str, Process] = field(default_factory=dict)

    def start(self, name: str) -> None:
        address = self.folder / f"{name}.sock"
        environment = {**self.gateways[0].environment, "PORTICO_CONTROL_LISTEN": f"unix:{address}"}
        argv = [sys.executable, "-c", CONTROL.replace("settings.CONTROL_ADDRESS", "settings.CONTROL_LISTEN")]
        program = Program(
            name=name,
            argv=argv,
            log=self.folder / f"{name}.log",
            environment=environment,
            directory=PROJECT,
            ready=lambda _pid: probes.accepts(address),
            stage=1,
        )
        self.parts[name] = self.supervisor.start(program)
        self.parts[name].wait_ready()

    def kill(self, name: str) -> None:
        """As a machine that is gone."""
        process = self.parts.pop(name)
        process.leave()
        process.send(signal.SIGKILL)
        process.wait_left()

    def at(self, name: str) -> set[str]:
        """Which gateways have joined at this process, by its log."""
        text = (self.folder / f"{name}.log").read_text()
        return {node for node in NAMES if text.count(f"Gateway {node} joined.") > text.count(f"Gateway {node} left.")}


@pytest.fixture
def pair(committed: None, tmp_path: Path) -> Iterator[Pair]:
    found: list[Gateway] = []
    supervisor = Supervisor(tmp_path / "controls.json", say=lambda _: None)
    supervisor.open()
    made = Pair(supervisor, tmp_path, found)
    try:
        for name in NAMES:
            (tmp_path / name).mkdir()
            one = Further(tmp_path / name, node=name, port=choose(Ports(0, 0, 0, 0), needed=set()).gateway)
            one.environment["PORTICO_CONTROL"] = f"unix:{tmp_path / 'a.sock'} unix:{tmp_path / 'b.sock'}"
            found.append(one)
        made.start("a")
        made.start("b")
        for each in found:
            each.start_envoy()
        yield made
    finally:
        for each in found:
            each.stop()
        supervisor.stop()
        GatewayNode.objects.filter(name__in=NAMES).update(revoked_at=timezone.now(), connected=False)


def test_a_control_that_is_killed_leaves_no_decision_unenforced(pair: Pair, upstream: Upstream, tmp_path: Path) -> None:
    chance = random.Random(11)
    shop = live.shop(upstream)
    plan = shop.plan(calls=1_000_000)
    lives = [Life(shop, shop.client(plan=plan), shop.person("admin")) for _ in range(3)]
    for gateway in pair.gateways:
        for each in lives:
            gateway.settles(200, "", shop.path(), each.client.token())
    files = {gateway.node: tmp_path / f"{gateway.node}.calls" for gateway in pair.gateways}
    # Whichever serves more of them.
    victim, other = sorted("ab", key=lambda name: len(pair.at(name)), reverse=True)
    held = pair.at(victim)
    assert held
    took = 0.0
    with ExitStack() as stack:
        for gateway in pair.gateways:
            stack.enter_context(calling(gateway, lives, files[gateway.node]))
        for number in range(DECISIONS):
            if number == DECISIONS // 4:
                pair.kill(victim)
                began = time.monotonic()
            event = chance.choice(lives).decide(chance)
            if number == DECISIONS // 2:
                pair.start(victim)
            if number == DECISIONS // 4:
                live.eventually(lambda: pair.at(other) == set(NAMES))
                took = time.monotonic() - began
            if chance.random() < 0.7:
                shop.enforced(event)
                time.sleep(0.05)
        shop.enforced(event)
        time.sleep(0.2)
    print(f"{len(held)} gateways were at the one that was killed; all were at the other within {took:.1f} s")
    assert took < SECONDS
    verdict, unenforced = Verdict(), list[int]()
    for who, each in enumerate(lives):
        events = [one.event for one in each.decided]
        with shop.scope():
            told = [receipts.receipts_of(events)[one.number] for one in events]
        for receipt in told:
            names = [at.gateway for at in receipt.gateways if at.gateway in NAMES]
            assert names == list(NAMES), "each is counted once"
            if not receipt.complete:
                unenforced.append(receipt.event)
        decided = [(one.event.at.timestamp(), one.passes) for one in each.decided]
        for gateway in pair.gateways:
            ms = [next(at.ms for at in receipt.gateways if at.gateway == gateway.node) for receipt in told]
            enforced = [one.at.timestamp() + (late or 0) / 1000 + 0.001 for one, late in zip(events, ms, strict=True)]
            judge(verdict, decided, calls_of(files[gateway.node], who), enforced)
    print(f"{DECISIONS} decisions; unenforced: {len(unenforced)}; wrong answers: {len(verdict.wrong)}; sure: {verdict.sure}")
    assert (unenforced, verdict.wrong) == ([], [])
    assert min(verdict.sure.values()) > DECISIONS
