"""Portal, database, Valkey and control are stopped under load, and Envoy is killed meanwhile: no call that was allowed fails, and none
that was refused passes. Ten minutes with tokens of 900 s in `make test-long`."""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from portal.demo.job import Job
from portal.stack import Ports, Stack
from portal.stack.ports import HOST
from portal.stack.probes import accepts
from tests import turns
from tests.failure.test_outages import FOREIGN, TENANT
from tests.live import eventually

STOPPED = ("web", "valkey", "control", "postgres")
SECONDS = 600.0 if turns.whole() else 20.0
# Access tokens live as long as they may: the outage ends before they do.
LIFETIME = 900
# Of each caller; there are six of them.
CALLS_PER_SECOND = 20


@dataclass
class Caller:
    """Calls at a steady pace, and whatever was answered otherwise than it should be: (began, ended, what)."""

    name: str
    url: str
    headers: dict[str, str]
    status: int
    right: int = 0
    wrong: list[tuple[float, float, str]] = field(default_factory=list)

    def call(self, client: httpx.Client) -> None:
        began = time.monotonic()
        try:
            answer = client.get(self.url, headers=self.headers)
            said = "" if answer.status_code == self.status else f"{answer.status_code} {answer.text[:200]}"
        except httpx.HTTPError as error:
            said = f"{type(error).__name__} {error}"
        if said:
            self.wrong.append((began, time.monotonic(), said))
        else:
            self.right += 1

    def wrong_but(self, since: float, until: float) -> list[tuple[float, float, str]]:
        """Those that were over before `since` or began after `until`."""
        return [each for each in self.wrong if each[1] < since or each[0] > until]

    @contextmanager
    def going_on(self) -> Iterator[None]:
        ended = threading.Event()

        def loop() -> None:
            with httpx.Client(trust_env=False, timeout=10) as client:
                while not ended.wait(1 / CALLS_PER_SECOND):
                    self.call(client)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@dataclass
class World:
    stack: Stack
    subscription: str
    callers: list[Caller]

    def job(self) -> Job:
        return Job(self.stack.portal_url, self.stack.gateway_url, self.stack.upstream_url, self.stack.sign_ins, say=lambda _: None)

    def row(self) -> dict[str, Any]:
        with psycopg.connect(self.stack.urls["DATABASE_URL"], row_factory=psycopg.rows.dict_row) as connection:
            found: dict[str, Any] = connection.execute("SELECT * FROM gateway_gatewaynode").fetchone() or {}
            return found

    @contextmanager
    def without(self, *parts: str) -> Iterator[None]:
        """These are stopped for good, and started again at the end."""
        supervisor = self.stack._supervisor
        processes = [supervisor.processes.pop(name) for name in parts]
        for process in processes:
            process.leave()
        for process in processes:
            process.wait_left()
        try:
            yield
        finally:
            started = [supervisor.start(process.program) for process in reversed(processes)]
            for process in started:
                process.wait_ready()

    def decide(self, what: str) -> dict[str, Any]:
        """Ada decides anew. Returns the receipt once it is complete."""
        job = self.job()
        people = job.sign_in_all()
        try:
            answer = people["ada"].post(f"{TENANT}/subscriptions/{self.subscription}/{what}/", json={"reason": "A test."})
            assert answer.status_code == 200, answer.text

            def complete() -> dict[str, Any]:
                found: dict[str, Any] = people["ada"].get(answer.json()["receipt"]).json()
                assert found["complete"], found
                return found

            return eventually(complete)
        finally:
            for each in (job._caller, *people.values()):
                each.close()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="portico-static-"))
    # PostgreSQL runs as another user when we are root, and has to pass.
    folder.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    try:
        with Stack(folder / "var", listen=Ports(0, 0, 0, 0), environment=environment, say=lambda _: None) as stack:
            yield arrange(World(stack, "", []))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def arrange(world: World) -> World:
    """Two who may call, by a token and by a key; and four who may not: without a subscription, with what was taken from them."""
    job = world.job()
    people = job.sign_in_all()
    ada, carl, pam = people["ada"], people["carl"], people["pam"]
    expect(ada.patch(f"{TENANT}/token-policy/", json={"token_lifetime": LIFETIME, "overlap": 3 * LIFETIME}), 200)
    plan = {"name": "endless", "calls": 1_000_000, "seconds": 1, "approval": "automatic"}
    expect(pam.post(f"{TENANT}/apis/echo/plans/", json=plan), 201)
    expect(pam.post(f"{TENANT}/apis/echo/plans/endless/publish/"), 200)
    url = f"{world.stack.gateway_url}/acme/echo/v1/get"

    def client(*, subscribed: bool) -> tuple[dict[str, str], str, str, str]:
        mine = job.register(carl, TENANT, "an outage")
        of_mine = f"{TENANT}/applications/{mine['application']}/credentials/"
        key = expect(carl.post(of_mine, json={"kind": "api_key"}), 201)
        asked = {"application": mine["application"], "api": "echo", "plan": "endless", "purpose": "A test."}
        subscription = expect(carl.post(f"{TENANT}/subscriptions/", json=asked), 201)["id"] if subscribed else ""
        return mine, key["api_key"], f"{of_mine}{key['id']}/", subscription

    mine, key, _, world.subscription = client(subscribed=True)
    nobody, _, _, _ = client(subscribed=False)
    suspended, _, _, taken = client(subscribed=True)
    _, revoked_key, revoked, _ = client(subscribed=True)
    gone, _, _, _ = client(subscribed=True)

    def bearer(of: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {job.token(of)}"}

    world.callers = [
        Caller("a token", url, bearer(mine), 200),
        Caller("an API key", url, {"X-API-Key": key}, 200),
        Caller("no subscription", url, bearer(nobody), 403),
        Caller("a suspended subscription", url, bearer(suspended), 403),
        Caller("a revoked API key", url, {"X-API-Key": revoked_key}, 401),
        Caller("a revoked client secret", url, bearer(gone), 401),
    ]
    expect(ada.post(f"{TENANT}/subscriptions/{taken}/suspend/", json={"reason": "A test."}), 200)
    expect(carl.post(f"{revoked}revoke/", json={"reason": "A test."}), 200)
    expect(carl.post(f"{TENANT}/applications/{gone['application']}/credentials/{gone['id']}/revoke/", json={"reason": "A test."}), 200)
    for person in (job._caller, *people.values()):
        person.close()

    def settled() -> bool:
        with httpx.Client(trust_env=False) as caller:
            for each in world.callers:
                answer = caller.get(each.url, headers=each.headers)
                assert answer.status_code == each.status, f"{each.name}: {answer.text}"
        return True

    eventually(settled)
    return world


def expect(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


@contextmanager
def going_on(callers: list[Caller]) -> Iterator[None]:
    first, *others = callers
    with first.going_on():
        if others:
            with going_on(others):
                yield
        else:
            yield


def kill_envoy(world: World) -> tuple[float, float]:
    """When Envoy was killed, and when the one in its place listened."""
    envoy = world.stack._supervisor.processes["envoy"]
    was, killed = envoy.pid, time.monotonic()
    envoy.send(signal.SIGKILL)
    eventually(lambda: envoy.pid != was and accepts((HOST, world.stack.ports.gateway)))
    return killed, time.monotonic()


def rest(seconds: float, world: World) -> None:
    """For so long, in which everybody goes on calling."""
    before = [each.right for each in world.callers]
    time.sleep(seconds)
    assert all(each.right > was for each, was in zip(world.callers, before, strict=True))


def test_calls_go_on_without_everything_else(world: World) -> None:
    """And Envoy, killed in the middle of it, serves from the snapshot and says so afterwards."""
    assert world.row()["served_from_snapshot_since"] is None
    with going_on(world.callers):
        rest(1, world)
        with world.without(*STOPPED):
            rest(SECONDS / 2, world)
            killed, back = kill_envoy(world)
            rest(SECONDS / 2, world)
        rest(1, world)
        row = eventually(lambda: world.row()["served_from_snapshot_since"] and world.row())
    for caller in world.callers:
        assert caller.wrong_but(killed, back) == [], caller.name
        assert caller.right > SECONDS * CALLS_PER_SECOND / 10, caller.name
    assert all("Connect" in said or "Read" in said or "Remote" in said for caller in world.callers for _, _, said in caller.wrong)
    print(f"{sum(each.right for each in world.callers)} calls in {SECONDS:.0f} s; Envoy was away for {back - killed:.2f} s")
    assert row["snapshot_problem"] == ""
    assert row["served_from_snapshot_since"] < row["served_from_snapshot_until"]
    # One Envoy before and one after: its connection to the agent outlived control's absence.
    assert world.stack.places.log("agent").read_text().count("Envoy connected.") == 2
    suspended = world.decide("suspend")
    assert [each["state"] for each in suspended["gateways"]] == ["enforced"]
    with httpx.Client(trust_env=False) as client:
        for caller in world.callers[:2]:
            assert client.get(caller.url, headers=caller.headers).status_code == 403
    world.decide("resume")


def test_an_agent_that_is_killed_stops_no_call_and_no_decision(world: World) -> None:
    callers = world.callers[:2]
    eventually(lambda: httpx.get(callers[0].url, headers=callers[0].headers, trust_env=False).status_code == 200)
    for caller in callers:
        caller.wrong.clear()
    with going_on(callers):
        world.stack.kill("agent")
        world.stack.wait_ready("agent")
        time.sleep(1)
    assert [each.wrong for each in callers] == [[], []]
    eventually(lambda: world.row()["connected"])
    assert [each["state"] for each in world.decide("suspend")["gateways"]] == ["enforced"]
    world.decide("resume")
