"""The embedded stack with one part after the other killed: calls that were allowed go on, and afterwards all is as it was."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal.demo.job import Job
from portal.stack import Ports, Stack
from tests.live import eventually

KILLED = ("control", "web", "worker", "beat", "usage", "valkey", "postgres")
# What the tests' own servers put into the environment; this stack brings everything itself.
FOREIGN = ("DATABASE_", "VALKEY_", "PORTICO_", "DJANGO_")
TENANT = "/api/v1/tenants/acme"


@dataclass
class Calls:
    """Calls in a loop, and every answer that was not 200."""

    url: str
    token: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        ended = threading.Event()

        def loop() -> None:
            with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, trust_env=False) as client:
                while not ended.is_set():
                    answer = client.get(self.url)
                    if answer.status_code == 200:
                        self.passed += 1
                    else:
                        self.failed.append(f"{answer.status_code} {answer.text[:200]}")

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
    ada: httpx.Client
    subscription: str
    calls: Calls

    def decide(self, what: str) -> dict[str, Any]:
        """Ada decides; her session outlives what was killed. Returns the receipt once it is complete."""

        def answered(method: str, path: str, **more: Any) -> dict[str, Any]:
            try:
                answer = self.ada.request(method, path, **more)
            except httpx.HTTPError as error:
                raise AssertionError(f"{path}: {error}") from error
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        decision = f"{TENANT}/subscriptions/{self.subscription}/{what}/"
        path = eventually(lambda: answered("POST", decision, json={"reason": "A test."}), within=20)["receipt"]

        def complete() -> dict[str, Any]:
            found = answered("GET", path)
            assert found["complete"], found
            return found

        return eventually(complete, within=20)

    def status(self) -> int:
        answer = httpx.get(self.calls.url, headers={"Authorization": f"Bearer {self.calls.token}"}, trust_env=False)
        return answer.status_code


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="portico-outages-"))
    # PostgreSQL runs as another user when we are root, and has to pass.
    folder.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    try:
        with Stack(folder / "var", listen=Ports(0, 0, 0, 0), environment=environment, say=lambda _: None) as stack:
            found = arrange(stack)
            yield found
            found.ada.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def arrange(stack: Stack) -> World:
    """The demo's waiting request of Carl's, approved, with a plan that no test exhausts."""
    job = Job(stack.portal_url, stack.gateway_url, stack.upstream_url, stack.sign_ins, say=lambda _: None)
    people = job.sign_in_all()
    ada, carl, pam = people["ada"], people["carl"], people["pam"]
    api = f"{TENANT}/apis/echo"
    plan = {"name": "endless", "calls": 1_000_000, "seconds": 1, "approval": "automatic"}
    assert pam.post(f"{api}/plans/", json=plan).status_code == 201
    assert pam.post(f"{api}/plans/endless/publish/").status_code == 200
    mine = job.register(carl, TENANT, "outages")
    asked = {"application": mine["application"], "api": "echo", "plan": "endless", "purpose": "A test."}
    subscription = carl.post(f"{TENANT}/subscriptions/", json=asked).json()["id"]
    calls = Calls(f"{stack.gateway_url}/acme/echo/v1/get", job.token(mine))
    for client in (job._caller, *people.values()):
        if client is not ada:
            client.close()
    found = World(stack, ada, subscription, calls)
    eventually(lambda: found.status() == 200)
    return found


def test_calls_go_on(world: World) -> None:
    """One test for all of them, since each part of a run that is split would start a stack of its own."""
    for part in KILLED:
        kill(world, part)
        # And decisions are enforced as before, which the receipt says and the call shows.
        suspended = world.decide("suspend")
        assert world.status() == 403
        assert [each["state"] for each in suspended["gateways"]] == ["enforced"]
        world.decide("resume")
        assert world.status() == 200


def kill(world: World, part: str) -> None:
    """Kill a part while calls go on, and return when it runs again."""
    passed = world.calls.passed
    with world.calls.going_on():
        eventually(lambda: world.calls.passed > passed + 5)
        was = world.stack.pids()[part]
        world.stack.kill(part)
        killed = world.calls.passed
        eventually(lambda: world.calls.passed > killed + 20)
        world.stack.wait_ready(part)
        assert world.stack.pids()[part] != was
        back = world.calls.passed
        eventually(lambda: world.calls.passed > back + 20)
    assert world.calls.failed == [], part
