"""Each process of a gateway's plane killed in each phase of a decision, and each connection cut in each way, under calls.

What is counted: calls that may pass and failed, which are none; calls that were let through after a receipt said that they are refused,
which are none; receipts that claimed what was not so, which are none; and calls that usage lost, which are told.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Sum

from apis.actions import subscriptions
from apis.models import OperationUse
from gateway.receipts import State
from tenants.models import Event, User
from tests import live, make
from tests.fault_proxy import FaultProxy, Mode
from tests.live import Client, Gateway, Shop, Upstream
from tests.turns import some, whole

# So long a connection is away, and a fault lasts.
SECONDS = 6.0 if whole() else 1.0
ROUNDS = 8 if whole() else 1
CUTS = [(between, mode) for between in ("ads", "database", "listen", "usage") for mode in Mode if mode is not Mode.PASS]
PHASES = ("idle", "committed", "pushed", "random")
KILLS = [(part, phase) for part in ("control", "usage") for phase in PHASES]


@dataclass
class Call:
    began: float
    status: int
    code: str


@dataclass
class Caller:
    """One that calls in a loop, on connections of its own."""

    gateway: Gateway
    path: str
    token: str
    calls: list[Call] = field(default_factory=list)

    def loop(self, ended: threading.Event) -> None:
        while not ended.is_set():
            began = time.monotonic()
            try:
                answer = live.call(self.gateway.port, self.path, self.token)
                self.calls.append(Call(began, answer.status, answer.code))
            except OSError as error:
                self.calls.append(Call(began, 0, str(error)))
            ended.wait(0.005)

    def let_through(self, since: float, until: float) -> list[Call]:
        return [each for each in self.calls if since <= each.began < until and each.status < 400]


@dataclass
class World:
    gateway: Gateway
    shop: Shop
    ada: User
    # Whom Ada suspends and resumes, and who may call, by a token and by a key.
    dora: Client
    carl: Client
    key: str
    proxies: dict[str, FaultProxy]
    # While what a receipt said was true: from when, until when, and which.
    closed: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def calls(self) -> Iterator[tuple[list[Caller], list[Caller]]]:
        """Those who may call and those who may not: Dora is watched by what receipts say of her."""
        path = self.shop.path()
        allowed = [Caller(self.gateway, path, self.carl.token()), Caller(self.gateway, path, self.key)]
        watched = [Caller(self.gateway, path, self.dora.token()), Caller(self.gateway, path, "")]
        ended = threading.Event()
        threads = [threading.Thread(target=each.loop, args=[ended]) for each in (*allowed, *watched)]
        for thread in threads:
            thread.start()
        try:
            yield allowed, watched
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def suspend(self) -> Event:
        return self.shop.does(subscriptions.suspend, self.dora.subscription, reason="A test.", by=self.ada)

    def resume(self) -> Event:
        return self.shop.does(subscriptions.resume, self.dora.subscription, by=self.ada)

    def says_enforced(self, event: Event) -> bool:
        """That the gateway acknowledged it; one that is not connected is named, and enforces nothing by that."""
        return any(each.state is State.ENFORCED for each in self.shop.receipt(event).gateways)

    def decide_under(self, trouble: Callable[[Event | None], None]) -> None:
        """A suspension while something goes wrong. Whatever its receipt says is held against what Dora's calls are answered."""
        with self.calls() as (allowed, watched):
            live.eventually(lambda: all(len(each.calls) > 3 for each in (*allowed, *watched)))
            trouble(None)
            event = self.suspend()
            trouble(event)
            live.eventually(lambda: self.says_enforced(event), within=60)
            enforced = time.monotonic()
            many = len(watched[0].calls)
            live.eventually(lambda: len(watched[0].calls) > many + 5)
            until = time.monotonic()
            resumed = self.resume()
            live.eventually(lambda: self.says_enforced(resumed), within=60)
        failed = [each for caller in allowed for each in caller.calls if each.status != 200]
        assert failed == []
        assert watched[0].let_through(enforced, until) == []
        assert [each for each in watched[1].calls if each.code != "TOKEN_MISSING"] == []


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, FaultProxy]]:
    folder = tmp_path_factory.mktemp("p")
    sockets = Path(settings.DATABASE_DIRECT_URL.partition("?host=")[2]) / ".s.PGSQL.5432"
    found = {
        "ads": FaultProxy(folder / "ads.sock", settings.RUN / "control.sock"),
        "usage": FaultProxy(folder / "usage.sock", settings.RUN / "usage.sock"),
    }
    for name in ("database", "listen"):
        (folder / name).mkdir()
        found[name] = FaultProxy(folder / name / ".s.PGSQL.5432", sockets)
    yield found
    for each in found.values():
        each.stop()


@pytest.fixture
def world(gateway: Gateway, upstream: Upstream, proxies: dict[str, FaultProxy]) -> Iterator[World]:
    """The gateway with a proxy on each of its connections and control's."""
    was = dict(gateway.environment)

    def through(name: str) -> str:
        folder = Path(str(proxies[name].listen)).parent
        return f"{settings.DATABASE_DIRECT_URL.partition('?host=')[0]}?host={folder}"

    gateway.end("control")
    gateway.end("envoy")
    gateway.environment |= {"DATABASE_URL": through("database"), "DATABASE_DIRECT_URL": through("listen")}
    gateway.begin_and_wait("control")
    gateway.environment |= {"PORTICO_CONTROL": f"unix:{proxies['ads'].listen}", "PORTICO_USAGE": f"unix:{proxies['usage'].listen}"}
    gateway.start_envoy()
    shop = live.shop(upstream)
    dora, carl = shop.client(), shop.client()
    with shop.scope():
        _, key = make.api_key(carl.application)
    gateway.settles(200, "", shop.path(), carl.token())
    gateway.settles(200, "", shop.path(), key)
    shop.enforced_newest()
    try:
        yield World(gateway, shop, shop.person("approver"), dora, carl, key, proxies)
    finally:
        for each in proxies.values():
            each.set(Mode.PASS)
        gateway.environment.clear()
        gateway.environment |= was
        gateway.end("control")
        gateway.end("envoy")
        gateway.mend()


def test_failures(world: World, record_property: Callable[[str, object], None]) -> None:
    """One gateway for all of them: what one failure left behind, the next would find; and each start of it takes as long as a few."""
    connections_are_cut(world)
    a_listener_that_was_forgotten_listens_anew(world)
    processes_are_killed(world)
    usage_is_away(world, record_property)
    the_database_is_away_for_long(world)


def connections_are_cut(world: World) -> None:
    for _ in range(ROUNDS):
        for between, mode in some(CUTS, "cuts", 4):
            cut(world, between, mode)


def cut(world: World, between: str, mode: Mode) -> None:
    proxy = world.proxies[between]

    def trouble(event: Event | None) -> None:
        if event is None:
            proxy.set(mode)
            return
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            # A receipt that says so while it can't be known is a lie; one that is true is held against the calls.
            if between == "ads" and mode in {Mode.CUT, Mode.RESET, Mode.STALL, Mode.HALF}:
                assert not world.says_enforced(event), f"{between} {mode}"
            time.sleep(0.05)
        proxy.set(Mode.PASS)

    try:
        world.decide_under(trouble)
    except AssertionError as error:
        raise AssertionError(f"{between} {mode}: {error}") from error


def a_listener_that_was_forgotten_listens_anew(world: World) -> None:
    """Not by the reconciler alone, which would find each decision by itself, seconds later."""
    proxy = world.proxies["listen"]
    listened = proxy.accepted
    proxy.set(Mode.LOST)
    proxy.set(Mode.PASS)
    with world.calls() as (allowed, _):
        live.eventually(lambda: proxy.accepted > listened, within=30)
    assert [each for caller in allowed for each in caller.calls if each.status != 200] == []


def processes_are_killed(world: World) -> None:
    chance = random.Random(7)
    for _ in range(ROUNDS):
        for part, phase in some(KILLS, "kills", 4):
            kill(world, part, phase, chance)


def kill(world: World, part: str, phase: str, chance: random.Random) -> None:
    """
    :param phase: idle: before the decision; committed: control has not pushed it; pushed: the gateway has not answered; random: at some
        moment of it.
    """
    process, envoy, control = (world.gateway.parts[name] for name in (part, "envoy", "control"))

    def trouble(event: Event | None) -> None:
        match phase, event:
            case "idle", None:
                process.kill()
            case "committed", None:
                control.send(signal.SIGSTOP)
            case "pushed", None:
                envoy.send(signal.SIGSTOP)
                # Calls wait for it as long; they fail by no decision of ours.
            case "committed", _:
                process.kill()
                control.send(signal.SIGCONT)
            case "pushed", Event():
                time.sleep(0.3)
                assert not world.says_enforced(event), f"{part} {phase}"
                process.kill()
                envoy.send(signal.SIGCONT)
            case "random", Event():
                time.sleep(chance.uniform(0, 0.06))
                process.kill()

    try:
        world.decide_under(trouble)
    except AssertionError as error:
        raise AssertionError(f"{part} {phase}: {error}") from error
    process.wait_ready()
    world.gateway.wait_joined()


def usage_is_away(world: World, record_property: Callable[[str, object], None]) -> None:
    """Best effort, and it says how good: nothing is lost while its connection stands, and never more is counted than was called."""
    # What was called under the last trouble is counted by then.
    live.stays(lambda: True, seconds=3)
    before = counted(world)
    with world.calls() as (allowed, _):
        live.eventually(lambda: len(allowed[0].calls) > 50)
    made = passed(allowed)
    live.eventually(lambda: counted(world) - before == made)
    before = counted(world)
    with world.calls() as (allowed, _):
        live.eventually(lambda: len(allowed[0].calls) > 20)
        with world.proxies["usage"].faulty(Mode.CUT):
            many = len(allowed[0].calls)
            live.eventually(lambda: len(allowed[0].calls) > many + 100)
        world.gateway.parts["usage"].kill()
        many = len(allowed[0].calls)
        live.eventually(lambda: len(allowed[0].calls) > many + 100)
        world.gateway.parts["usage"].wait_ready()
        many = len(allowed[0].calls)
        live.eventually(lambda: len(allowed[0].calls) > many + 50)
    made = passed(allowed)
    assert [each for caller in allowed for each in caller.calls if each.status != 200] == []
    live.eventually(lambda: counted(world) > before)
    live.stays(lambda: True, seconds=3)
    found = counted(world) - before
    assert 0 < found <= made
    record_property("usage_called", made)
    record_property("usage_lost", made - found)
    print(f"\nUsage was away twice: {made} calls, {made - found} of them not counted.")


def passed(callers: list[Caller]) -> int:
    return sum(each.status == 200 for caller in callers for each in caller.calls)


def counted(world: World) -> int:
    with world.shop.scope():
        rows = OperationUse.objects.filter(application=world.carl.application)
        return int(rows.aggregate(many=Sum("calls"))["many"] or 0)


def the_database_is_away_for_long(world: World) -> None:
    """Who may call goes on calling, and what was decided meanwhile is enforced once it is back."""
    with world.proxies["database"].faulty(Mode.CUT), world.proxies["listen"].faulty(Mode.CUT), world.calls() as (allowed, _):
        event = world.suspend()
        live.stays(lambda: not world.says_enforced(event), seconds=SECONDS)
    assert [each for caller in allowed for each in caller.calls if each.status != 200] == []
    live.eventually(lambda: world.says_enforced(event), within=60)
    assert world.gateway.call(world.shop.path(), world.dora.token()).code == "SUBSCRIPTION_SUSPENDED"
    connection.close()
