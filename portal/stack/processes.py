"""Starting processes, noticing when they die, starting them again, and stopping them in order."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from portal.stack import records
from portal.stack.errors import StackError, StopRequestedError, tail

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
STEADY_AFTER = 30.0
POLL = 0.02
LARGEST_LOG = 10_000_000

Say = Callable[[str], None]


class Account(NamedTuple):
    """The system user a process runs as, when it isn't ours."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, how to know that it is ready, and how to end it.

    `prepare` runs before every start, clears what a killed predecessor left, and returns further environment.
    `ready` gets the pid. Lower `stage`s are stopped first. `output` takes standard output away from the log.
    """

    name: str
    argv: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    account: Account | None = None
    prepare: Callable[[], Mapping[str, str]] = dict
    ready: Callable[[int], bool] = bool
    deadline: float = 60.0
    stage: int = 0
    stop_signal: int = signal.SIGTERM
    grace: float = 10.0
    output: Path | None = None


class Process:
    """One program, kept running by a thread of its own from the moment it was ready once."""

    def __init__(self, program: Program, supervisor: "Supervisor") -> None:
        self.program = program
        self.pid = 0
        self._supervisor = supervisor
        self._guard = threading.Lock()
        self._running = False
        self._settled = False
        self._leaving = threading.Event()
        self._ended = threading.Event()
        self._exit_code = 0
        self._log_start = 0
        self._born = 0.0
        self._keeper = threading.Thread(target=self._keep, name=f"keep {program.name}", daemon=True)

    def start(self) -> None:
        """Start it and return at once. Raises StackError when it can't even be executed."""
        try:
            popen = self._spawn()
        except OSError as error:
            raise self._failure(f"can't be run ({error})") from error
        self._first = popen
        self._keeper.start()

    def wait_ready(self) -> None:
        """Return when it is ready; from then on it is started again whenever it dies. Raises StackError."""
        self._wait(self._is_ready, "ready")
        self._settled = True

    def wait_end(self) -> None:
        """Return when a program that does one thing is done. Raises StackError unless its exit code is 0."""
        self._wait(lambda: self._ended.is_set() and self._exit_code == 0, "done")

    def send(self, what: int) -> None:
        """Send a signal, unless it has ended."""
        with self._guard:
            if self._running:
                os.kill(self.pid, what)

    def kill(self) -> None:
        """Kill it, and return when it is gone."""
        killed = self.pid
        self.send(signal.SIGKILL)
        while self._running and self.pid == killed:
            time.sleep(POLL)

    def leave(self) -> None:
        """Ask it to end, and not to be started again."""
        self._leaving.set()
        self.send(self.program.stop_signal)

    def wait_left(self) -> None:
        """Return when it has ended for good; end it and its children the hard way after its time of grace."""
        if not self._keeper.is_alive():
            return
        self._keeper.join(self.program.grace)
        if self._keeper.is_alive():
            self._kill_group()
            self._keeper.join()

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + self.program.deadline
        while not is_so():
            ended = self._ended.is_set()
            if self._supervisor.stopping.wait(POLL):
                raise StopRequestedError(f"{self.program.name} was stopped before it was {what}")
            if ended and not is_so():
                raise self._failure(f"ended ({_how(self._exit_code)})")
            if time.monotonic() > until:
                raise self._failure(f"was not {what} within {self.program.deadline:.0f} s")

    def _is_ready(self) -> bool:
        return self._running and self.program.ready(self.pid)

    def _spawn(self) -> subprocess.Popen[bytes]:
        program = self.program
        further = program.prepare()
        account = program.account
        _start_over_when_large(program.log)
        with program.log.open("ab") as log, (program.output or Path(os.devnull)).open("wb") as output:
            self._log_start = log.tell()
            popen = subprocess.Popen(  # nosec B603  (a part of the stack)
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=output if program.output else log,
                stderr=log,
                env={**program.environment, **further},
                cwd=program.directory,
                user=account and account.uid,
                group=account and account.gid,
                extra_groups=[] if account else None,
                # A session of its own: Ctrl-C reaches the supervisor alone, which then stops the parts in order.
                start_new_session=True,
            )
        with self._guard:
            self.pid, self._running, self._born = popen.pid, True, time.monotonic()
        self._supervisor.note(program, popen.pid)
        return popen

    def _keep(self) -> None:
        popen: subprocess.Popen[bytes] | None = self._first
        pause = FIRST_PAUSE
        while True:
            if popen is not None:
                self._reap(popen)
            if self._leaving.is_set() or not self._settled:
                self._ended.set()
                return
            if time.monotonic() - self._born >= STEADY_AFTER:
                pause = FIRST_PAUSE
            self._supervisor.say(f"{self.program.name} ended ({_how(self._exit_code)}); starting it again in {pause:.1f} s")
            if self._leaving.wait(pause):
                self._ended.set()
                return
            pause = min(pause * 2, LONGEST_PAUSE)
            popen = self._spawn_again()

    def _spawn_again(self) -> subprocess.Popen[bytes] | None:
        try:
            popen = self._spawn()
        except OSError as error:
            self._supervisor.say(f"{self.program.name} can't be run ({error})")
            return None
        # Asked to leave between the pause and the start: nobody else would tell the new one.
        if self._leaving.is_set():
            self.send(self.program.stop_signal)
        return popen

    def _reap(self, popen: subprocess.Popen[bytes]) -> None:
        if hasattr(os, "waitid"):
            # Not reaped yet, its pid can't be given to anybody else while we signal its group.
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
        else:
            popen.wait()
        with self._guard:
            self._running = False
            _kill_group(popen.pid)
            self._exit_code = popen.wait()
        self._supervisor.forget(popen.pid)

    def _kill_group(self) -> None:
        with self._guard:
            if self._running:
                _kill_group(self.pid)

    def _failure(self, what: str) -> StackError:
        lines = tail(self.program.log, since=self._log_start)
        text = f"{self.program.name} {what}."
        return StackError(f"{text} The end of {self.program.log}:\n{lines}" if lines else f"{text} It logged nothing.")


class Supervisor:
    """All processes of one stack, the record of them on disk, and the watchdog that ends them if we are killed."""

    def __init__(self, book: Path, *, say: Say) -> None:
        self.stopping = threading.Event()
        self.processes: dict[str, Process] = {}
        self.watchdog_pid = 0
        self._path = book
        self._say = say
        self._owner = secrets.token_hex(8)
        self._starts = threading.Lock()
        self._stops = threading.Lock()
        self._guard = threading.Lock()
        self._records: dict[int, records.Record] = {}
        self._lifeline: int | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """End what an earlier supervisor left running, and set up the watchdog."""
        records.end(records.read(self._path).records)
        self._write()
        read, self._lifeline = os.pipe()
        argv = [sys.executable, "-S", "-E", "-s", records.__file__, str(self._path), self._owner]
        self._watchdog = subprocess.Popen(argv, stdin=read, start_new_session=True)  # nosec B603  (portal/stack/records.py)
        self.watchdog_pid = self._watchdog.pid
        os.close(read)

    def start(self, program: Program) -> Process:
        """Start a program and return at once."""
        process = Process(program, self)
        # Held while it starts: whoever stops either sees the process or keeps it from starting.
        with self._starts:
            if self.stopping.is_set():
                raise StopRequestedError(f"{program.name} was not started")
            process.start()
            self.processes[program.name] = process
        return process

    def run(self, program: Program) -> None:
        """Run a program that does one thing. Raises StackError unless it ends with 0."""
        self.start(program).wait_end()
        self.processes.pop(program.name)

    def give_up(self) -> None:
        """Let every part that is still starting stop waiting, and start nothing any more."""
        with self._starts:
            self.stopping.set()

    def stop(self) -> None:
        """Stop everything, the lowest stage first. Safe to call twice, and from two threads."""
        self.give_up()
        with self._stops:
            self._stop()

    def say(self, line: str) -> None:
        """Tell the person something, unless everything is about to end anyway."""
        if not self.stopping.is_set():
            self._say(line)

    def note(self, program: Program, pid: int) -> None:
        """Write down a process that was just started."""
        seen = records.look(pid)
        if seen is None:
            return
        record = records.Record(program.name, pid, seen.born, records.boot(), program.stage, program.stop_signal, program.grace)
        with self._guard:
            self._records[pid] = record
            self._write()

    def forget(self, pid: int) -> None:
        """Take a process that ended out of the record."""
        with self._guard:
            self._records.pop(pid, None)
            self._write()

    def _stop(self) -> None:
        processes = list(self.processes.values())
        for stage in sorted({process.program.stage for process in processes}):
            together = [process for process in processes if process.program.stage == stage]
            for process in together:
                process.leave()
            for process in together:
                process.wait_left()
        self._close()

    def _write(self) -> None:
        records.write(self._path, records.Book(self._owner, list(self._records.values())))

    def _close(self) -> None:
        if self._lifeline is None or self._watchdog is None:
            return
        self._path.unlink(missing_ok=True)
        os.close(self._lifeline)
        self._lifeline = None
        self._watchdog.wait()


def _start_over_when_large(log: Path) -> None:
    """Keep one older log, so that starting again and again doesn't fill the disk."""
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".old"))


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # macOS answers "not permitted" for a group of which only a zombie is left.
        return


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
