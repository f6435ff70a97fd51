"""Three gateways: each receipt agrees with what callers of each saw, under calls, and says which gateway is missing."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone

from apis.actions import subscriptions
from bench.stage import percentile
from gateway import receipts
from gateway.models import GatewayNode
from gateway.receipts import State
from keys.actions import application_life
from portal.stack import Ports
from portal.stack.ports import choose
from portal.stack.stack import PROJECT
from tenants.event_kinds import UNDO
from tenants.models import Event, User
from tests import live
from tests.live import Client, Gateway, Shop, Upstream
from tests.turns import whole

DECISIONS = 1_000 if whole() else 40
LIVES = 4
# Of each prober between two calls, in milliseconds: alone it calls as fast as it is answered.
PAUSE = 0 if whole() else 5
GOAL_MS = 1_000
NAMES = ("gateway-1", "gateway-2", "gateway-3")

# Gateways of one control listen at one port, each on a machine of its own. Here they share one.
CONTROL = """
import django
django.setup()
from urllib.parse import urlsplit
from django.conf import settings
from gateway.control import Control
from gateway.envoy.resources import compile_listener
from gateway.serving import serve

class OnOneMachine(Control):
    def _listeners(self, node):
        port = urlsplit(node.address).port
        self._listener = compile_listener(port=port, address=settings.GATEWAY_ADDRESS, portal_url=settings.PORTAL_URL)
        return super()._listeners(node)

serve(lambda address, stopping: OnOneMachine().run(address, stopping), settings.CONTROL_ADDRESS)
"""


class Further(Gateway):
    """One more Envoy of the same control and usage."""

    def __init__(self, folder: Path, *, node: str, port: int) -> None:
        super().__init__(folder, node=node, port=port)
        self.environment["PORTICO_RUN"] = str(settings.RUN)

    def kill_envoy(self) -> None:
        """For good: nobody starts it again."""
        process = self.parts.pop("envoy")
        process.send(signal.SIGSTOP)
        process.leave()
        process.kill()
        process.wait_left()


@pytest.fixture
def three(gateway: Gateway, tmp_path: Path) -> Iterator[list[Gateway]]:
    gateway.end("control")
    gateway.begin("control", argv=[sys.executable, "-c", CONTROL])
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


@pytest.fixture
def shop(three: list[Gateway], upstream: Upstream) -> Shop:
    return live.shop(upstream)


def loaded(three: Sequence[Gateway], shop: Shop, client: Client) -> None:
    for gateway in three:
        gateway.settles(200, "", shop.path(), client.token())
    live.eventually(lambda: {each.state for each in shop.enforced_newest().gateways} == {State.ENFORCED})


# Who decides


@dataclass
class Decided:
    event: Event
    # Whether calls pass from then on.
    passes: bool


@dataclass
class Life:
    """One application, what was decided about it, and how it stands."""

    shop: Shop
    client: Client
    ada: User
    state: str = "active"
    decided: list[Decided] = field(default_factory=list)
    approved_at: float = 0.0

    def ways(self) -> dict[str, tuple[Callable[[], Event], str]]:
        """What may be decided now, each with how it stands afterwards."""
        held, application, ada = self.client.subscription, self.client.application, self.ada
        assert held is not None
        ends = {
            "suspend": (lambda: subscriptions.suspend(held, reason="A test.", by=ada), "suspended"),
            "cancel": (lambda: subscriptions.cancel(held, by=ada), "ended"),
            "halt": (lambda: application_life.suspend(application, reason="A test.", by=ada), "halted"),
        }
        match self.state:
            case "approved" if time.monotonic() - self.approved_at < UNDO.total_seconds() / 2:
                return {**ends, "undo": (lambda: subscriptions.undo(held, by=ada), "pending")}
            case "active" | "approved":
                return ends
            case "suspended":
                resume = (lambda: subscriptions.resume(held, by=ada), "active")
                return {"resume": resume, "resume again": resume, "cancel": ends["cancel"]}
            case "pending":
                approve = (lambda: subscriptions.approve(held, by=ada), "approved")
                return {"approve": approve, "reject": (lambda: subscriptions.reject(held, reason="A test.", by=ada), "ended")}
            case "halted":
                return {"let go on": (lambda: application_life.resume(application, by=ada), "active")}
        return {"ask and approve": (self.ask_and_approve, "approved")}

    def ask_and_approve(self) -> Event:
        was = self.client.subscription
        assert was is not None
        owner = self.client.application.owner
        found, _ = subscriptions.request(self.client.application, api=was.api, plan=was.plan, purpose="A test.", by=owner)
        self.client.subscription = found
        return subscriptions.approve(found, by=self.ada)

    def decide(self, chance: random.Random) -> Event:
        ways = self.ways()
        act, state = ways[chance.choice(sorted(ways))]
        event = self.shop.does(act)
        self.state = state
        self.approved_at = time.monotonic() if state == "approved" else 0.0
        self.decided.append(Decided(event, state in {"active", "approved"}))
        return event


# Who calls


@dataclass(frozen=True, slots=True)
class Call:
    began: float
    ended: float
    status: int


@contextmanager
def calling(gateway: Gateway, lives: Sequence[Life], to: Path) -> Iterator[None]:
    """Calls of everyone at this gateway by turns, written down in the file."""
    argv = [sys.executable, "-m", "tests.gateway.calls", str(gateway.port), str(PAUSE)]
    told = json.dumps([(each.shop.path(), each.client.token()) for each in lives])
    with to.open("wb") as written, subprocess.Popen(argv, cwd=PROJECT, stdin=subprocess.PIPE, stdout=written) as process:
        assert process.stdin is not None
        process.stdin.write(f"{told}\n".encode())
        process.stdin.flush()
        try:
            live.eventually(lambda: process.poll() is None and to.stat().st_size)
            yield
        finally:
            process.stdin.close()
            process.wait()


def calls_of(file: Path, who: int) -> list[Call]:
    rows = (line.split() for line in file.read_text().splitlines())
    return [Call(float(began), float(ended), int(status)) for began, ended, which, status in rows if int(which) == who]


@dataclass
class Verdict:
    """What calls saw, beside what receipts say."""

    wrong: list[str] = field(default_factory=list)
    # Calls of which the receipts say how they had to be answered, by that.
    sure: dict[int, int] = field(default_factory=lambda: {200: 0, 403: 0})
    # Decisions after whose receipt, and before the next, somebody called at the gateway.
    seen: int = 0


def judge(verdict: Verdict, decided: Sequence[tuple[float, bool]], calls: Sequence[Call], enforced: Sequence[float]) -> None:
    """
    :param decided: when, and whether calls pass from then on.
    :param enforced: when this gateway enforced each decision, by its receipt.

    A call may be answered by any decision that was made before it ended and not replaced, by its receipt, before it began.
    """
    made, passes = zip((0.0, True), *decided, strict=True)
    known, first, last, seen = [0.0, *enforced], 0, 0, set()
    for call in calls:
        while first + 1 < len(known) and known[first + 1] <= call.began:
            first += 1
        while last + 1 < len(made) and made[last + 1] <= call.ended:
            last += 1
        may = {200 if passes[each] else 403 for each in range(first, last + 1)}
        if call.status not in may:
            verdict.wrong.append(f"{call.status} from {call.began:.3f} to {call.ended:.3f}; decisions {first} to {last}")
        elif len(may) == 1:
            verdict.sure[call.status] += 1
            seen |= {first} if first == last else set()
    verdict.seen += len(seen)


def test_each_receipt_agrees_with_what_calls_at_each_gateway_saw(three: list[Gateway], shop: Shop, tmp_path: Path) -> None:
    """Decisions at random, some before the one before is enforced. No call that began after “enforced” is answered otherwise."""
    chance = random.Random(7)
    plan = shop.plan(calls=1_000_000)
    lives = [Life(shop, shop.client(plan=plan), shop.person("admin")) for _ in range(LIVES)]
    for each in lives:
        loaded(three, shop, each.client)
    files = {gateway.node: tmp_path / f"{gateway.node}.calls" for gateway in three}
    with ExitStack() as stack:
        for gateway in three:
            stack.enter_context(calling(gateway, lives, files[gateway.node]))
        for _ in range(DECISIONS):
            event = chance.choice(lives).decide(chance)
            if chance.random() < 0.8:
                shop.enforced(event)
                # A few calls by each of them.
                time.sleep(0.05)
            else:
                time.sleep(chance.random() * 0.02)
        shop.enforced(event)
        time.sleep(0.2)
    verdict, took = Verdict(), list[float]()
    for number, each in enumerate(lives):
        events = [one.event for one in each.decided]
        with shop.scope():
            told = [receipts.receipts_of(events)[event.number] for event in events]
        decided = [(one.event.at.timestamp(), one.passes) for one in each.decided]
        assert all(receipt.complete and [at.gateway for at in receipt.gateways] == list(NAMES) for receipt in told)
        took += [float(receipt.ms) for receipt in told if receipt.ms is not None]
        for gateway in three:
            ms = [next(at.ms for at in receipt.gateways if at.gateway == gateway.node) for receipt in told]
            assert None not in ms
            # Milliseconds are rounded.
            enforced = [event.at.timestamp() + (each or 0) / 1000 + 0.001 for event, each in zip(events, ms, strict=True)]
            judge(verdict, decided, calls_of(files[gateway.node], number), enforced)
    assert len(took) == DECISIONS
    p50, p99 = (percentile(took, share) for share in (0.5, 0.99))
    print(f"{DECISIONS} decisions, in ms: p50 {p50:.0f}, p99 {p99:.0f}, most {max(took):.0f}")
    print(f"calls, by what they had to be answered with: {verdict.sure}; wrong: {len(verdict.wrong)}")
    assert verdict.wrong == []
    assert verdict.seen > DECISIONS, "of three gateways each decision should have been seen by more than one"
    assert min(verdict.sure.values()) > DECISIONS
    # A short run has no hundredth decision.
    assert (p99 if whole() else p50) < GOAL_MS


@pytest.mark.parametrize(
    ("began", "ended", "status", "is_wrong"),
    [
        (9.0, 9.9, 200, False),
        (9.0, 9.9, 403, True),
        (9.9, 10.1, 403, False),
        (10.4, 10.6, 200, False),
        (10.6, 10.7, 200, True),
        (19.0, 19.9, 200, True),
        (19.0, 20.1, 200, False),
        (20.6, 20.7, 403, True),
        (20.6, 20.7, 0, True),
    ],
)
def test_a_call_that_contradicts_a_receipt_is_found(began: float, ended: float, status: int, is_wrong: bool) -> None:
    """Suspended at 10 and resumed at 20, each enforced half a second later."""
    verdict = Verdict()
    judge(verdict, [(10.0, False), (20.0, True)], [Call(began, ended, status)], [10.5, 20.5])
    assert bool(verdict.wrong) == is_wrong


# One of them is missing


def page(shop: Shop, event: Event) -> str:
    browser = Browser()
    browser.force_login(shop.person("admin"))
    return browser.get(f"/t/{shop.slug}/receipts/{event.number}/").content.decode()


def suspend(shop: Shop, client: Client) -> Event:
    return shop.does(subscriptions.suspend, client.subscription, reason="A test.", by=shop.person("approver"))


def test_the_receipt_and_the_page_say_which_gateway_is_missing(three: list[Gateway], shop: Shop) -> None:
    carl, dora = shop.client(), shop.client()
    loaded(three, shop, carl)
    loaded(three, shop, dora)
    missing = three[2]
    assert isinstance(missing, Further)
    # The first page of a process takes its time, and a gateway that is silent for ten seconds is gone.
    page(shop, suspend(shop, shop.client()))
    with missing.paused("envoy"):
        event = suspend(shop, carl)
        live.eventually(lambda: shop.receipt(event).enforced == 2)
        receipt = shop.receipt(event)
        said = "Enforced on 2/3 gateways; waiting for gateway-3."
        assert (receipt.sentence, receipt.complete) == (said, False)
        assert said in page(shop, event)
        for each in three[:2]:
            assert each.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    receipt = shop.enforced(event)
    assert [(each.gateway, each.state) for each in receipt.gateways] == [(name, State.ENFORCED) for name in NAMES]
    assert missing.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
    missing.kill_envoy()
    event = suspend(shop, dora)
    live.eventually(lambda: shop.receipt(event).not_connected)
    receipt = shop.enforced(event)
    assert (receipt.total, receipt.not_connected) == (2, ("gateway-3",))
    html = page(shop, event)
    assert "Enforced on 2/2 gateways in" in html
    assert "gateway-3" in html.partition("gateway-2")[2]
    assert "Not connected" in html
    # It is back, holds nothing, and loads the newest with the first call.
    missing.start_envoy()
    assert missing.call(shop.path(), dora.token()).code in {"SUBSCRIPTION_SUSPENDED", "NOT_READY"}
    missing.settles(403, "SUBSCRIPTION_SUSPENDED", shop.path(), dora.token())
    assert shop.receipt(event).not_connected == ()
