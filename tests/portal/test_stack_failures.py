"""What the stack does when its parts, its supervisor or its watchdog are killed."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from portal.stack import Stack, StackError
from portal.stack.errors import StopRequestedError
from tests.portal.conftest import UP, Up, runs

MakeStack = Callable[..., Stack]
StartUp = Callable[..., Up]


def test_whatever_is_killed_starts_again(make_stack: MakeStack, said: list[str]) -> None:
    stack = make_stack().start()
    before = stack.pids()
    for name in ("usage", "mcp", "web", "worker", "beat", "agent", "envoy", "valkey", "postgres", "control"):
        stack.kill(name)
        stack.wait_ready(name)
        assert f"{name} ended (signal SIGKILL); starting it again in 0.2 s" in said
    after = stack.pids()
    assert all(before[name] != after[name] for name in before if name != "watchdog")
    with psycopg.connect(stack.urls["DATABASE_URL"]) as app:
        assert app.execute("SELECT 1").fetchone() == (1,)


def test_children_of_a_killed_part_do_not_outlive_it(make_stack: MakeStack) -> None:
    stack = make_stack(PORTICO_ENVOY="none").start()
    children = psutil.Process(stack.pids()["web"]).children(recursive=True)
    assert children
    stack.kill("web")
    stack.wait_ready("web")
    assert [child for child in children if runs(child)] == []


def test_pauses_grow_while_a_part_keeps_dying(make_stack: MakeStack, said: list[str]) -> None:
    stack = make_stack(PORTICO_ENVOY="none").start()
    for _ in range(3):
        stack.kill("control")
        stack.wait_ready("control")
    assert [line.split("again in ")[1] for line in said if line.startswith("control ended")] == [
        "0.2 s",
        "0.4 s",
        "0.8 s",
    ]


def test_a_killed_supervisor_leaves_nothing_running(start_up: StartUp) -> None:
    up = start_up()
    assert len(up.family) > 10
    up.end(signal.SIGKILL)
    assert up.left(within=10) == []


def test_after_a_kill_the_next_one_starts_at_once(start_up: StartUp) -> None:
    first = start_up()
    first.popen.kill()
    second = start_up()
    assert any("Portal " in line for line in second.lines), second.lines
    assert first.left(within=0) == []
    assert second.end(signal.SIGTERM) == 0


def test_the_next_one_ends_what_a_killed_watchdog_could_not(start_up: StartUp) -> None:
    first = start_up()
    first.one("records.py").kill()
    first.end(signal.SIGKILL)
    assert len(first.left(within=0.5)) > 5
    second = start_up()
    assert any("Portal " in line for line in second.lines), second.lines
    assert first.left(within=0) == []
    assert second.end(signal.SIGTERM) == 0


def test_stop_during_the_start_stops_everything(make_stack: MakeStack) -> None:
    stack = make_stack(STANDIN_HANGS="migrate")
    errors: list[StackError] = []

    def start() -> None:
        with pytest.raises(StopRequestedError) as raised:
            stack.start()
        errors.append(raised.value)

    starter = threading.Thread(target=start)
    starter.start()
    while "migrate" not in stack.pids():
        time.sleep(0.05)
    family = [psutil.Process(pid) for pid in stack.pids().values()]
    stack.stop()
    starter.join(10)
    assert len(errors) == 1
    assert [process for process in family if runs(process)] == []


def test_a_kill_during_the_first_start_leaves_a_usable_folder(
    start_up: StartUp, var: Path, project: Path, environment: dict[str, str]
) -> None:
    for delay in (0.15, 0.3, 0.6):
        with subprocess.Popen([sys.executable, "-c", UP, str(var), str(project)], env=environment) as popen:
            time.sleep(delay)
            popen.kill()
    up = start_up()
    assert any("Portal " in line for line in up.lines), up.lines
    assert up.end(signal.SIGINT) == 0
