"""What the tests of the embedded stack share: a folder to run in, stand-ins to run, and a supervisor to kill."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from portal.stack import Ports, Stack
from tests import secrets_search
from tests.portal import standin

ROOT = Path(__file__).resolve().parent.parent.parent
ANY_PORTS = Ports(0, 0, 0, 0)
UP = """
import sys
from pathlib import Path
from portal.stack import Ports, Stack
from portal.stack.__main__ import say, up
sys.exit(up(Stack(Path(sys.argv[1]), project=Path(sys.argv[2]), listen=Ports(0, 0, 0, 0), say=say)))
"""


@pytest.fixture
def var() -> Iterator[Path]:
    """A folder to be made in one that every user may enter, as a checkout in a home usually is; pytest's are closed."""
    with open_folder() as folder:
        yield folder / "var"


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter. What ran in its `var` must have left no secret in a file."""
    folder = Path(tempfile.mkdtemp(prefix="portico-test-"))
    folder.chmod(0o755)
    yield folder
    if (folder / "var").is_dir():
        secrets_search.check_files(folder / "var")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project made of stand-ins."""
    return standin.write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """What the stand-ins need to run, and nothing that would replace a part of the stack."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'portal'}"}


@pytest.fixture
def said() -> list[str]:
    """What a stack told the person."""
    return []


@pytest.fixture
def make_stack(var: Path, project: Path, environment: dict[str, str], said: list[str]) -> Iterator[Callable[..., Stack]]:
    """Makes stacks of stand-ins, on free ports, and stops them in the end."""
    made = []

    def make(*, demo: bool = False, project: Path = project, **further: str) -> Stack:
        given = {**environment, **further}
        made.append(Stack(var, demo=demo, listen=ANY_PORTS, environment=given, project=project, say=said.append))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()


@dataclass
class Up:
    """`manage.py up` as a process of its own, with everything below it."""

    popen: subprocess.Popen[str]
    lines: list[str]
    family: list[psutil.Process]

    def end(self, what: int) -> int:
        """Send a signal; returns the exit code."""
        self.popen.send_signal(what)
        self.lines += self.popen.communicate(timeout=120)[0].splitlines()
        return self.popen.returncode

    def left(self, *, within: float) -> list[psutil.Process]:
        """What still runs of its family after so many seconds at most."""
        until = time.monotonic() + within
        while (left := [process for process in self.family if runs(process)]) and time.monotonic() < until:
            time.sleep(0.05)
        return left

    def one(self, word: str) -> psutil.Process:
        """The member of the family with this word in its command line."""
        return next(process for process in self.family if word in " ".join(process.cmdline()))


def runs(process: psutil.Process) -> bool:
    """Whether it is the same process, and not a zombie that nobody has collected."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


@pytest.fixture
def start_up(var: Path, project: Path, environment: dict[str, str]) -> Iterator[Callable[..., Up]]:
    """Runs `up`, and returns when it is ready or has ended."""
    made: list[Up] = []

    def start(**further: str) -> Up:
        popen = subprocess.Popen(
            [sys.executable, "-c", UP, str(var), str(project)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment, **further},
        )
        up = Up(popen, [], [])
        made.append(up)
        assert popen.stdout is not None
        for line in popen.stdout:
            up.lines.append(line.rstrip())
            if "Ctrl-C" in line:
                up.family = psutil.Process(popen.pid).children(recursive=True)
                break
        else:
            popen.wait()
        return up

    yield start
    for up in made:
        if up.popen.poll() is None:
            up.popen.terminate()
        up.popen.communicate(timeout=120)
        # Only after a test that failed; psutil compares the time of birth before it signals.
        for process in up.left(within=0):
            process.kill()
