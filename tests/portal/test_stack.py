"""The whole stack, with stand-ins for Portico's own processes: what runs, where, with what, and what it tells."""

import json
import os
import signal
import socket
import stat
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from portal.stack import Ports, Postgres, Stack, StackError, ports, roles
from portal.stack.__main__ import SIGNALS
from tests.portal import standin
from tests.portal.conftest import Up, open_folder

PARTS = {"postgres", "valkey", "control", "usage", "mcp", "web", "worker", "beat", "agent", "envoy", "watchdog"}

MakeStack = Callable[..., Stack]
StartUp = Callable[..., Up]


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return int(answer.status)


def test_everything_runs_and_answers(make_stack: MakeStack, tmp_path: Path, said: list[str]) -> None:
    project = standin.write_project(tmp_path)
    (project / "celery.py").unlink()
    stack = make_stack(demo=True, project=project).start()
    assert set(stack.memory()) == {*PARTS, "upstream", "provider"}
    assert all(size > 1_000_000 for size in stack.memory().values())
    assert status(f"{stack.portal_url}/readyz") == 200
    assert status(f"{stack.upstream_url}/get") == 200
    assert "celery" in " ".join(psutil.Process(stack.pids()["worker"]).cmdline())
    # It says so a moment after it has begun.
    until = time.monotonic() + 20
    while "ready." not in stack.places.log("worker").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert stack.sign_ins[0]["email"] == "ada@acme.example"
    assert {line.split(" …")[0] for line in said} >= {"PostgreSQL 18", "Valkey", "Migrations", "Demo data", "Gateway"}


@pytest.fixture(scope="module")
def running(project: Path, environment: dict[str, str]) -> Iterator[Stack]:
    """A stack that the tests only look at."""
    with open_folder() as folder:
        stack = Stack(
            folder / "var",
            demo=False,
            listen=Ports(0, 0, 0, 0),
            environment=environment,
            project=project,
            say=lambda _line: None,
        )
        with stack:
            yield stack


def test_nobody_else_can_reach_or_read_it(running: Stack) -> None:
    for pid in running.pids().values():
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for connection in (each for process in family for each in process.net_connections("inet")):
            assert connection.laddr.ip == "127.0.0.1", connection
    for name in ("secrets", "run", "log", "run/environment.json", "run/admin.sock", "run/valkey.sock"):
        assert stat.S_IMODE((running.places.var / name).stat().st_mode) & 0o077 == 0, name


def test_only_migrate_knows_the_owner(running: Stack) -> None:
    owner = Postgres(running.places.var, say=lambda _line: None).url(roles.OWNER)
    assert owner.startswith("postgresql://portico_owner:")
    told = running.places.environment.read_text()
    assert "DATABASE_OWNER_URL" not in told
    assert roles.OWNER not in told, "every process reads this file"
    for name in ("web", "worker", "control"):
        environment = psutil.Process(running.pids()[name]).environ()
        assert owner not in environment.values()
        assert environment["DATABASE_URL"] == running.urls["DATABASE_URL"]
        assert environment["PORTICO_RUN"] == str(running.places.run)


def test_settings_find_the_running_stack_and_no_other(make_stack: MakeStack) -> None:
    with make_stack(PORTICO_ENVOY="none") as stack:
        told = json.loads(stack.places.environment.read_text())
        assert {"DATABASE_URL", "DATABASE_DIRECT_URL", "VALKEY_URL", "PORTICO_PORT", "PORTICO_RUN"} <= set(told)
    assert not stack.places.environment.exists()


def migrations(stack: Stack) -> int:
    with psycopg.connect(stack.urls["DATABASE_URL"]) as app:
        row = app.execute("SELECT count(*) FROM django_migrations").fetchone()
    assert row
    return int(row[0])


def test_a_later_start_does_only_what_is_missing(make_stack: MakeStack, project: Path, said: list[str]) -> None:
    with make_stack(demo=True) as first:
        assert migrations(first) == 1
    said.clear()
    with make_stack(demo=True) as second:
        assert migrations(second) == 1
        assert not [line for line in said if line.startswith(("Migrations", "Demo data"))]
    new = project / "portal" / "migrations" / "0002_more.py"
    new.parent.mkdir()
    new.touch()
    with make_stack(demo=True) as third:
        assert migrations(third) == 2
    new.unlink()
    new.parent.rmdir()


def test_parts_from_outside_are_used_and_not_started(running: Stack, make_stack: MakeStack) -> None:
    urls = {name: running.urls[name] for name in ("DATABASE_URL", "VALKEY_URL")}
    urls["DATABASE_OWNER_URL"] = Postgres(running.places.var, say=lambda _line: None).url(roles.OWNER)
    with make_stack(PORTICO_ENVOY="none", **urls) as stack:
        assert set(stack.pids()) == PARTS - {"postgres", "valkey", "agent", "envoy"}
        assert not (stack.places.var / "postgres").exists()
    assert set(running.pids()) == PARTS


@pytest.mark.parametrize("signal_number", SIGNALS)
def test_a_signal_stops_everything(start_up: StartUp, signal_number: int) -> None:
    up = start_up(PORTICO_ENVOY="none")
    assert any("Portal     http://127.0.0.1:" in line for line in up.lines)
    assert any("MB." in line for line in up.lines)
    assert up.end(signal_number) == 0
    assert up.left(within=0) == []
    assert up.lines[-1].startswith("Stopped")


def test_a_second_one_on_the_same_folder_is_refused(start_up: StartUp) -> None:
    first, second = start_up(PORTICO_ENVOY="none"), start_up()
    assert second.popen.returncode == 1
    assert f"(process {first.popen.pid}). Stop that one first." in second.lines[-1]
    assert first.left(within=0) == first.family
    assert first.end(signal.SIGTERM) == 0
    assert start_up(PORTICO_ENVOY="none").end(signal.SIGTERM) == 0


@pytest.mark.parametrize("part", ["migrate", "control", "gateway_bootstrap"])
def test_a_part_that_fails_is_named_with_its_log(start_up: StartUp, part: str) -> None:
    up = start_up(STANDIN_FAILS=part)
    assert up.popen.returncode == 1
    text = "\n".join(up.lines)
    assert f"{part} ended (exit code 1). The end of" in text
    assert up.lines[-1] == f"{part} has no mind to"


def test_a_missing_envoy_is_named(make_stack: MakeStack) -> None:
    with pytest.raises(StackError, match=r"envoy can't be run .*nowhere/envoy"):
        make_stack(PORTICO_ENVOY="/nowhere/envoy").start()


def test_a_taken_port_is_named_before_anything_starts(make_stack: MakeStack) -> None:
    stack = make_stack()
    with socket.create_server(("127.0.0.1", 0)) as other:
        stack._wanted = Ports(0, other.getsockname()[1], 0, 0)
        with pytest.raises(StackError, match=r"Port \d+ is taken, and the gateway wants it.*PORTICO_GATEWAY_PORT"):
            stack.start()
    assert not (stack.places.var / "postgres").exists()


def test_ports_are_numbers_and_differ() -> None:
    assert ports.from_environment({"PORTICO_PORT": "9000"}) == Ports(9000, 8080, 8090, 8091)
    for wrong in ("http", "70000", "-1", "²"):
        with pytest.raises(StackError, match="PORTICO_PORT is"):
            ports.from_environment({"PORTICO_PORT": wrong})
    with pytest.raises(StackError, match=r"both want port 8123. Change PORTICO_PORT or PORTICO_GATEWAY_PORT"):
        ports.choose(Ports(8123, 8123, 0), needed={"web", "gateway"})
    assert len(set(ports.choose(Ports(0, 0, 0, 0), needed=set()))) == 4


def test_as_many_signals_as_one_likes(start_up: StartUp) -> None:
    up = start_up()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(up.popen.pid, number)
    assert up.end(signal.SIGTERM) == 0
    assert up.left(within=0) == []
