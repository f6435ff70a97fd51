"""What the measurements share: a stack of their own, the demo's people, calls by `wrk`, and a place for results."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from portal.demo.job import Job
from portal.stack import Ports, Stack

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "bench"
# What a stack has that begins empty.
STACK = VAR / "stack"
RESULTS = ROOT / "bench" / "results"


@contextmanager
def stack(kept: Path | None = None, *, demo: bool = True, **environment: str) -> Iterator[Stack]:
    """The embedded stack on free ports. It begins empty, so that nothing is measured among what another measurement left.

    :param kept: the folder of one that goes on with what it has.
    """
    if kept is None:
        shutil.rmtree(STACK, ignore_errors=True)
    # Measurements decide more often in a minute than a person may.
    given = {**os.environ, "PORTICO_WRITE_RATE": "1000000", "PORTICO_ADDRESS_CALLS_PER_SECOND": "0", **environment}
    with Stack(kept or STACK, demo=demo, listen=Ports(0, 0, 0, 0), environment=given, say=lambda _: None) as found:
        yield found


def job(of: Stack) -> Job:
    return Job(of.portal_url, of.gateway_url, of.upstream_url, of.sign_ins, say=lambda _: None)


def wrk(
    url: str,
    *,
    seconds: float = 3,
    connections: int = 16,
    script: str = "",
    headers: dict[str, str] | None = None,
    patience: int = 2,
) -> float:
    """Calls per second that were answered with success; raises when any was not, or not within `patience` seconds."""
    binary = shutil.which("wrk")
    if binary is None:
        sys.exit("This measurement needs wrk: apt-get install wrk")
    command = [binary, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{patience}s"]
    command += [f"-H{name}: {value}" for name, value in (headers or {}).items()]
    if script:
        path = RESULTS / "wrk.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        command += ["-s", str(path)]
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if failed := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", said):
        raise RuntimeError(f"{url}: {failed[0]}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(name: str, figures: dict[str, Any]) -> None:
    """Print, and keep under bench/results/, with the machine."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    whole = {"at": when, "machine": machine(), "figures": figures}
    (RESULTS / f"{name}-{when}.json").write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    width = max(map(len, figures))
    for key, value in figures.items():
        print(f"{key:{width}}  {value:,.2f}" if isinstance(value, float) else f"{key:{width}}  {value}")


def machine() -> dict[str, Any]:
    """What measured, and how busy it was: how many processes waited for its cores, on average of the last quarter of an hour."""
    processor = platform.processor()
    with suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        processor = found[1] if found else processor
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        "cores": os.cpu_count(),
        "memory, GB": round(psutil.virtual_memory().total / 2**30),
        "Python": platform.python_version(),
        "load": round(os.getloadavg()[2], 1),
    }


def until(test: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)
