"""The connections of the portal's processes and of a gateway's agent, each cut in each way while calls go on and something is decided.

What is counted: calls that may pass and failed, and calls that may not and passed, which are none; decisions that were told as failed and
sent again, each of which was carried out once; and how long anybody waited for a sentence. tests/failure/test_cuts.py cuts what is between
Envoy, control, usage and the database in the same way, without an agent.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from portal.demo.job import Job
from portal.errors import AWAY, UNKNOWN
from portal.stack import Ports, Stack
from portal.stack.probes import accepts
from tests.failure.test_fail_static import Caller, expect
from tests.failure.test_outages import FOREIGN, TENANT
from tests.fault_proxy import FaultProxy, Mode
from tests.live import eventually
from tests.turns import some, whole

# So long a connection is away.
SECONDS = 8.0 if whole() else 4.0
# So long web waits for PostgreSQL here, and so long until whoever asks has a sentence: a statement, a new connection, a busy machine.
PATIENCE = 2
TOLD = PATIENCE + 5 + 8
# And until all is as it was decided once a connection is there again: what hangs for good is given up after ten seconds, twice at most.
HEALS = 40
SESSION = 120
# Whom each connection is between, and what is decided meanwhile: by somebody at the portal, or by a job at its time.
AT_THE_PORTAL = ("web and PostgreSQL", "agent and control", "Envoy and agent")
AT_ITS_TIME = ("worker and PostgreSQL", "worker and Valkey", "beat and Valkey")
CUTS = [(between, mode) for between in (*AT_THE_PORTAL, *AT_ITS_TIME) for mode in Mode if mode is not Mode.PASS]
# Where nothing that is said arrives, or no answer does.
SILENT = (Mode.CUT, Mode.RESET, Mode.STALL, Mode.HALF)


@dataclass
class Watched:
    """Somebody who may call until it is decided that they may not."""

    subscription: str
    caller: Caller


@dataclass
class World:
    stack: Stack
    job: Job
    people: dict[str, httpx.Client]
    callers: list[Caller]
    signed_in: float
    # Of those who call with an access token, which ends as well.
    clients: list[tuple[Caller, dict[str, str]]] = field(default_factory=list)
    proxies: dict[str, FaultProxy] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.stack.gateway_url}/acme/echo/v1/get"

    def client(self, name: str, *, subscribed: bool = True, status: int = 200) -> tuple[str, Caller]:
        mine = self.job.register(self.people["carl"], TENANT, name)
        asked = {"application": mine["application"], "api": "echo", "plan": "endless", "purpose": "A test."}
        subscription = expect(self.people["carl"].post(f"{TENANT}/subscriptions/", json=asked), 201)["id"] if subscribed else ""
        caller = Caller(name, self.url, {"Authorization": f"Bearer {self.job.token(mine)}"}, status)
        self.clients.append((caller, mine))
        return subscription, caller

    def sign_in_anew(self) -> None:
        """As a program does whose access token ends, after five minutes."""
        for client in self.people.values():
            client.close()
        self.people, self.signed_in = self.job.sign_in_all(), time.monotonic()
        for caller, mine in self.clients:
            caller.headers["Authorization"] = f"Bearer {self.job.token(mine)}"

    def watched(self) -> Watched:
        if time.monotonic() - self.signed_in > SESSION:
            self.sign_in_anew()
        found = Watched(*self.client("watched"))
        # Who is refused soon needs no other token.
        self.clients.pop()
        eventually(lambda: self.answers(found, 200))
        return found

    def answers(self, watched: Watched, status: int) -> bool:
        found = httpx.get(self.url, headers=watched.caller.headers, trust_env=False, timeout=10)
        assert found.status_code == status, found.text
        return True

    def events(self, watched: Watched, kind: str) -> int:
        """How often that happened to this subscription, asked past every proxy."""
        with psycopg.connect(self.stack.urls["DATABASE_URL"]) as connection:
            found = connection.execute("SELECT id FROM tenants_tenant WHERE slug = 'acme'").fetchone()
            assert found is not None
            connection.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(found[0])])
            asked = "SELECT count(*) FROM tenants_event WHERE subject_id = %s AND kind = %s"
            many = connection.execute(asked, [watched.subscription, kind])
            return int((many.fetchone() or [0])[0])

    def enforced(self, receipt: str) -> bool:
        found = expect(self.people["ada"].get(receipt), 200)
        return any(each["state"] == "enforced" for each in found["gateways"])

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Calls of those who may and of those who may not; each was answered as it should be."""
        before = [each.right for each in self.callers]
        with ExitStack() as all_of_them:
            for each in self.callers:
                all_of_them.enter_context(each.going_on())
            yield
        for each, was in zip(self.callers, before, strict=True):
            assert each.wrong == [], each.name
            assert each.right > was + 20, each.name


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="portico-cuts-"))
    # PostgreSQL runs as another user when we are root, and has to pass.
    folder.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment["PORTICO_DATABASE_SECONDS"] = str(PATIENCE)
    try:
        with Stack(folder / "var", listen=Ports(0, 0, 0, 0), environment=environment, say=lambda _: None) as stack:
            job = Job(stack.portal_url, stack.gateway_url, stack.upstream_url, stack.sign_ins, say=lambda _: None)
            found = World(stack, job, job.sign_in_all(), [], time.monotonic())
            try:
                yield arrange(found, folder)
            finally:
                for client in (job._caller, *found.people.values()):
                    client.close()
                for proxy in found.proxies.values():
                    proxy.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def arrange(world: World, folder: Path) -> World:
    pam, carl = world.people["pam"], world.people["carl"]
    plan = {"name": "endless", "calls": 1_000_000, "seconds": 1, "approval": "automatic"}
    expect(pam.post(f"{TENANT}/apis/echo/plans/", json=plan), 201)
    expect(pam.post(f"{TENANT}/apis/echo/plans/endless/publish/"), 200)
    _, token = world.client("a token")
    _, nobody = world.client("no subscription", subscribed=False, status=403)
    mine = world.job.register(carl, TENANT, "a key")
    asked = {"application": mine["application"], "api": "echo", "plan": "endless", "purpose": "A test."}
    expect(carl.post(f"{TENANT}/subscriptions/", json=asked), 201)
    key = expect(carl.post(f"{TENANT}/applications/{mine['application']}/credentials/", json={"kind": "api_key"}), 201)["api_key"]
    world.callers = [token, Caller("an API key", world.url, {"X-API-Key": key}, 200), nobody]

    def settled() -> bool:
        for each in world.callers:
            answer = httpx.get(each.url, headers=each.headers, trust_env=False)
            assert answer.status_code == each.status, f"{each.name}: {answer.text}"
        return True

    eventually(settled)
    between(world, folder)
    return world


def between(world: World, folder: Path) -> None:
    """A proxy on each connection, and each process again with it."""
    urls, run = world.stack.urls, world.stack.places.run
    database, _, sockets = urls["DATABASE_URL"].partition("?host=")
    valkey, _, number = urls["VALKEY_URL"].removeprefix("unix://").partition("?")
    for part in ("web", "worker", "usage"):
        (folder / part).mkdir()
        world.proxies[f"{part} and PostgreSQL"] = FaultProxy(folder / part / ".s.PGSQL.5432", Path(sockets) / ".s.PGSQL.5432")
    for part in ("web", "worker", "beat"):
        world.proxies[f"{part} and Valkey"] = FaultProxy(folder / f"{part}.sock", Path(valkey))
    for part in ("web", "worker", "beat", "usage"):
        address = {"DATABASE_URL": f"{database}?host={folder / part}", "VALKEY_URL": f"unix://{folder / part}.sock?{number}"}
        start_anew(world, part, environment={name: value for name, value in address.items() if part != "usage" or name == "DATABASE_URL"})
    world.proxies["agent and control"] = FaultProxy(folder / "control.sock", run / "control.sock")
    behind, front = folder / "agent.sock", run / "agent.sock"
    other = {f"unix:{run / 'control.sock'}": f"unix:{folder / 'control.sock'}", f"unix:{front}": f"unix:{behind}"}
    argv = [other.get(str(each), str(each)) for each in world.stack._supervisor.processes["agent"].program.argv]
    start_anew(world, "agent", argv=argv, prepare=dict, ready=lambda _pid: accepts(behind))
    front.unlink(missing_ok=True)
    world.proxies["Envoy and agent"] = FaultProxy(front, behind)
    suspended = world.watched()
    complete(world, decide(world, suspended, str(uuid4())).json()["receipt"])


def start_anew(world: World, part: str, *, environment: dict[str, str] | None = None, **more: Any) -> None:
    supervisor = world.stack._supervisor
    process = supervisor.processes.pop(part)
    process.leave()
    process.wait_left()
    program = replace(process.program, environment={**process.program.environment, **(environment or {})}, **more)
    supervisor.start(program).wait_ready()


def decide(world: World, watched: Watched, key: str) -> httpx.Response:
    """Ada suspends them, by a request that may be sent again."""
    address = f"{TENANT}/subscriptions/{watched.subscription}/suspend/"
    return world.people["ada"].post(address, json={"reason": "A test."}, headers={"Idempotency-Key": key}, timeout=60)


def complete(world: World, receipt: str) -> None:
    def is_so() -> bool:
        found = expect(world.people["ada"].get(receipt), 200)
        assert found["complete"], found
        return True

    eventually(is_so, within=60)


def test_each_connection_is_cut(world: World) -> None:
    """One stack for all of them: what one cut left behind, the next would find."""
    for pair, mode in some(CUTS, "portal cuts", 5):
        try:
            cut(world, pair, mode)
        except AssertionError as error:
            raise AssertionError(f"{pair}, {mode}: {error}") from error


def cut(world: World, pair: str, mode: Mode) -> None:
    watched, proxy = world.watched(), world.proxies[pair]
    began = time.monotonic()
    if pair in AT_ITS_TIME:
        ends = (datetime.now(UTC) + timedelta(seconds=SECONDS / 2)).isoformat()
        address = f"{TENANT}/subscriptions/{watched.subscription}/dates/"
        expect(world.people["ada"].post(address, json={"ends_at": ends}), 200)
    with world.going_on():
        proxy.set(mode)
        try:
            kind = "subscription.expired" if pair in AT_ITS_TIME else "subscription.suspended"
            again = None if pair in AT_ITS_TIME else at_the_portal(world, watched, pair, mode)
            # What has its time comes meanwhile, and that it did is for the job to find.
            time.sleep(SECONDS if again is None else 0)
        finally:
            proxy.set(Mode.PASS)
        back = time.monotonic()
        if again is not None:
            again()
        eventually(lambda: world.answers(watched, 403), within=60)
        # The gateway knows by itself when a subscription ends; that it did is for the job to say.
        eventually(lambda: world.events(watched, kind) == 1, within=60)
        enforced = time.monotonic()
        time.sleep(1)
    assert world.events(watched, kind) == 1
    assert enforced - back < HEALS
    print(f"\n{pair}, {mode}: {back - began:.1f} s away, all was as decided {enforced - back:.1f} s after it was back")


def at_the_portal(world: World, watched: Watched, pair: str, mode: Mode) -> Callable[[], None]:
    """Somebody decides, and is told within seconds that it was done, or that it was not. Returns how they send the same again."""
    key, began = str(uuid4()), time.monotonic()
    answer = decide(world, watched, key)
    assert time.monotonic() - began < TOLD
    if pair == "web and PostgreSQL" and mode in SILENT:
        assert (answer.status_code, answer.json()["detail"]) == (503, str(AWAY))
        page_says_so(world)
        ready_says_so(world)
    elif pair != "web and PostgreSQL":
        receipt = expect(answer, 200)["receipt"]
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            # A receipt that says so while it can't be known is a lie.
            assert mode not in SILENT or not world.enforced(receipt)
            time.sleep(0.1)

    def send_again() -> None:
        def done() -> str:
            found = decide(world, watched, key)
            assert found.status_code == 200, found.text
            return str(found.json()["receipt"])

        complete(world, eventually(done, within=30))

    return send_again


def page_says_so(world: World) -> None:
    began = time.monotonic()
    page = httpx.get(f"{world.stack.portal_url}/t/acme/", headers={"Accept": "text/html"}, trust_env=False, timeout=60)
    assert time.monotonic() - began < TOLD
    assert page.status_code == 503
    assert str(AWAY) in page.text.replace("&#x27;", "'")


def ready_says_so(world: World) -> None:
    began = time.monotonic()
    found = httpx.get(f"{world.stack.portal_url}/readyz", trust_env=False, timeout=60)
    assert time.monotonic() - began < TOLD
    assert (found.status_code, found.json()["database"], found.json()["broker"]) == (503, False, True)
    assert httpx.get(f"{world.stack.portal_url}/healthz", trust_env=False).status_code == 200


def test_many_at_once_are_told_as_well(world: World) -> None:
    """More than web has threads, while PostgreSQL says nothing; and afterwards pages are there again at once."""
    with world.proxies["web and PostgreSQL"].faulty(Mode.STALL):
        found: list[tuple[int, float]] = []

        def one() -> None:
            began = time.monotonic()
            answer = httpx.get(f"{world.stack.portal_url}/t/acme/", headers={"Accept": "text/html"}, trust_env=False, timeout=120)
            found.append((answer.status_code, time.monotonic() - began))

        threads = [threading.Thread(target=one) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {status for status, _ in found} == {503}
    assert max(took for _, took in found) < 4 * TOLD
    print(f"\n12 at once: the last was told after {max(took for _, took in found):.1f} s")
    world.sign_in_anew()
    assert world.people["ada"].get(f"{TENANT}/apis/").status_code == 200


def test_without_valkey_web_decides_and_says_that_it_is_away(world: World) -> None:
    for mode in some([mode for mode in Mode if mode not in {Mode.PASS, Mode.DELAY, Mode.LOST}], "web and Valkey", 2):
        watched = world.watched()
        with world.proxies["web and Valkey"].faulty(mode):
            began = time.monotonic()
            found = httpx.get(f"{world.stack.portal_url}/readyz", trust_env=False)
            assert time.monotonic() - began < 3
            assert (found.status_code, found.json()["database"], found.json()["broker"]) == (200, True, False)
            complete(world, expect(decide(world, watched, str(uuid4())), 200)["receipt"])
            world.answers(watched, 403)


def test_a_decision_whose_answer_was_lost_is_told_as_open_and_carried_out_once(world: World) -> None:
    """PostgreSQL commits, and web never hears of it."""
    watched, proxy, key = world.watched(), world.proxies["web and PostgreSQL"], str(uuid4())
    answers = []
    try:
        # That of the decision: others are under way.
        proxy.set_after(b"COMMIT", Mode.HALF, first=b"INSERT INTO tenants_event (")
        answers.append(decide(world, watched, key))
    finally:
        proxy.set(Mode.PASS)
    assert answers[0].status_code == 503
    assert answers[0].json()["detail"] == str(UNKNOWN)

    def sent_again() -> httpx.Response:
        found = decide(world, watched, key)
        assert found.status_code == 200, found.text
        return found

    found = eventually(sent_again)
    assert found.headers.get("Idempotent-Replayed") == "true"
    complete(world, found.json()["receipt"])
    world.answers(watched, 403)
    assert world.events(watched, "subscription.suspended") == 1


def test_what_usage_counted_waits_for_postgresql(world: World) -> None:
    """Nothing is lost; a second of calls can be there twice where its commit was not answered, and is not where it was never sent."""
    caller = world.callers[0]
    world.sign_in_anew()

    def counted() -> int:
        found = expect(world.people["ada"].get(f"{TENANT}/usage/", params={"range": "1h"}), 200)
        return int(found["total"]["calls"])

    for mode in some([mode for mode in Mode if mode not in {Mode.PASS, Mode.HALF}], "usage and PostgreSQL", 2):
        time.sleep(3)
        before, made = counted(), caller.right
        with caller.going_on():
            time.sleep(1)
            with world.proxies["usage and PostgreSQL"].faulty(mode):
                time.sleep(SECONDS)
            time.sleep(1)
        made = caller.right - made

        def all_of_them(before: int = before, made: int = made) -> bool:
            assert counted() - before == made
            return True

        eventually(all_of_them, within=30)
        print(f"\nusage and PostgreSQL, {mode}: {made} calls, all of them counted")
    assert caller.wrong == []
