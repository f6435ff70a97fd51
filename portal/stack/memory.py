"""How much memory processes take, with what they share counted once."""

from collections.abc import Mapping
from pathlib import Path

from portal.stack import records

if not records.LINUX:
    import psutil


def of(processes: Mapping[str, int]) -> dict[str, int]:
    """Bytes per name: each process with all its descendants, except those that have a name of their own.

    On Linux the proportional set size (PSS): a page that five processes share counts a fifth in each, so the sum is
    what the machine really spends. Elsewhere the resident set size, which counts shared pages several times.
    """
    children: dict[int, list[int]] = {}
    for seen in records.everyone():
        children.setdefault(seen.parent, []).append(seen.pid)
    named = set(processes.values())
    return {name: sum(map(_size, _family(pid, children, named))) for name, pid in processes.items()}


def _family(pid: int, children: Mapping[int, list[int]], named: set[int]) -> list[int]:
    found = [pid]
    for child in children.get(pid, []):
        if child not in named:
            found += _family(child, children, named)
    return found


def _size(pid: int) -> int:
    if not records.LINUX:
        return int(psutil.Process(pid).memory_info().rss) if psutil.pid_exists(pid) else 0
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
