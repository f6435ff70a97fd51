"""What was started, written down, and how to end it when nobody is left who started it.

Two read the record: the watchdog, a tiny process that sees its standard input close when the supervisor dies, and the
next start, in case the watchdog was killed as well. A process is only ever signalled when both its pid and the moment
it was born match the record, so a pid that the system gave to somebody else is never touched.

This file also runs as a script (the watchdog). To stay small it imports the bare standard library and nothing of ours.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LINUX = sys.platform == "linux"
POLL = 0.03


class Seen(NamedTuple):
    """A living process as the system shows it. `born` is in ticks since boot on Linux, in epoch seconds elsewhere."""

    pid: int
    parent: int
    group: int
    born: int


class Record(NamedTuple):
    """A process that was started: who it is, and how it wants to be ended. Lower stages end first."""

    name: str
    pid: int
    born: int
    boot: str
    stage: int
    stop_signal: int
    grace: float


class Book(NamedTuple):
    """All records of one supervisor; `owner` is a random word that tells it from the one before and the one after."""

    owner: str
    records: list[Record]


def boot() -> str:
    """Names this boot of the machine: on Linux births are only comparable within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() if LINUX else ""


def look(pid: int) -> Seen | None:
    """The process with this pid, or None when there is none or only a zombie."""
    if LINUX:
        return _look_in_proc(pid)
    return next(iter(_ask_ps("-p", str(pid))), None)


def everyone() -> list[Seen]:
    """Every living process."""
    if LINUX:
        found = (_look_in_proc(int(entry)) for entry in os.listdir("/proc") if entry.isdecimal())  # noqa: PTH208
        return [seen for seen in found if seen]
    return _ask_ps("-ax")


def command_line(pid: int) -> str:
    """The command line of a process, or an empty text."""
    if LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return _ps("-o", "command=", "-p", str(pid))


def write(path: Path, book: Book) -> None:
    """Replace the record on disk; a reader sees the old one or the new one."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"owner": book.owner, "records": [record._asdict() for record in book.records]}))
    new.replace(path)


def read(path: Path) -> Book:
    """The record on disk; empty when there is none."""
    if not path.exists():
        return Book("", [])
    content = json.loads(path.read_text())
    return Book(content["owner"], [Record(**record) for record in content["records"]])


def is_alive(record: Record) -> bool:
    """Whether the very process of the record still runs."""
    seen = look(record.pid)
    return seen is not None and seen.born == record.born and record.boot == boot()


def end(records: Iterable[Record]) -> None:
    """End what still runs of these, stage by stage, and then what their own children left behind."""
    records = [record for record in records if record.boot == boot()]
    for stage in sorted({record.stage for record in records}):
        _end_together([record for record in records if record.stage == stage])
    for orphan in _orphans(records):
        _send(orphan.pid, signal.SIGKILL)


def _end_together(records: list[Record]) -> None:
    living = [record for record in records if is_alive(record)]
    for record in living:
        _send(record.pid, record.stop_signal)
    started = time.monotonic()
    while living:
        time.sleep(POLL)
        living = [record for record in living if is_alive(record)]
        for record in living:
            if time.monotonic() - started > record.grace:
                _send(record.pid, signal.SIGKILL)


def _orphans(records: list[Record]) -> list[Seen]:
    """Members of a recorded group that outlived its leader. A group's number isn't given away while one lives."""
    born = {record.pid: record.born for record in records}
    return [seen for seen in everyone() if seen.group in born and seen.born >= born[seen.group]]


def _send(pid: int, what: int) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return


def _look_in_proc(pid: int) -> Seen | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the name in brackets and may hold anything, so count from the last bracket (proc_pid_stat(5)).
    fields = text.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return Seen(pid, parent=int(fields[1]), group=int(fields[2]), born=int(fields[19]))


def _ask_ps(*which: str) -> list[Seen]:
    rows = _ps("-o", "pid=,ppid=,pgid=,stat=,lstart=", *which).splitlines()
    return [_parse_ps(row) for row in rows if not row.split()[3].startswith("Z")]


def _parse_ps(row: str) -> Seen:
    pid, parent, group, _state, *started = row.split()
    born = time.mktime(time.strptime(" ".join(started), "%a %b %d %H:%M:%S %Y"))
    return Seen(int(pid), int(parent), int(group), int(born))


def _ps(*arguments: str) -> str:
    environment = {"LC_ALL": "C", "PATH": "/bin:/usr/bin"}
    done = subprocess.run(["ps", *arguments], env=environment, capture_output=True, text=True, check=False)  # nosec B603 B607  (in PATH above)
    return done.stdout


def watch(path: Path, owner: str) -> None:
    """Wait until the supervisor is gone, however it went, and end what it had running."""
    sys.stdin.buffer.read()
    book = read(path)
    if book.owner == owner:
        end(book.records)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), sys.argv[2])
