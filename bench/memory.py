"""How much memory a gateway takes: `python -m bench.memory`. Goal: < 200 MB with 5,000 tenants known, 100 of them served.

A stack of its own, made anew, whose database gets 5,000 tenants: 4,890 of them are rows alone, 100 have an API with twenty operations and
50 subscriptions, and 10 the same with 1,000. It is started again, so that control reads them as it would; a gateway is told of all, and
loads a tenant with its first call. What is told is the resident set of the real Envoy, with two workers, as the system counts it and with
nothing taken off: its own program is in it. Beside it what Envoy says that it has allocated.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.stage import ROOT, report, stack, until
from portal.stack.stack import Stack

KNOWN, SERVED, SUBSCRIPTIONS = 5_000, 100, 50
# Those by which the price of a subscription is found.
FULL, EACH = 10, 1_000
FOLDER = ROOT / "var" / "known"
GOAL_MB = 200.0


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    with stack(FOLDER) as running:
        empty = size(running)
        command = [sys.executable, "-m", "bench.known", running.upstream_url]
        made = subprocess.run(command, env={**os.environ, "PORTICO_VAR": str(FOLDER)}, stdout=subprocess.PIPE, text=True, check=True)
        calls = json.loads(made.stdout)
    with stack(FOLDER) as running:
        known = size(running)
        call(running, calls["served"])
        served = size(running)
        call(running, calls["full"])
        full = size(running)
        control = psutil.Process(running.pids()["control"]).memory_info().rss / 2**20
    per_tenant = (served[0] - known[0]) / SERVED
    per_full = (full[0] - served[0]) / FULL
    figures: dict[str, Any] = {
        "nothing known, MB": empty[0],
        f"{KNOWN:,} tenants known, MB": known[0],
        f"{KNOWN:,} known, {SERVED} served, MB": served[0],
        f"{KNOWN:,} known, {SERVED} served, allocated MB": served[1],
        f"a served tenant of {SUBSCRIPTIONS} subscriptions, MB": per_tenant,
        f"a served tenant of {EACH:,} subscriptions, MB": per_full,
        "1,000 subscriptions, MB": (per_full - per_tenant) / (EACH - SUBSCRIPTIONS) * 1_000,
        "the same, allocated MB": ((full[1] - served[1]) / FULL - (served[1] - known[1]) / SERVED) / (EACH - SUBSCRIPTIONS) * 1_000,
        f"with {FULL} such beside, MB": full[0],
        "control then, MB": control,
        "goal, MB": GOAL_MB,
    }
    report("memory", figures)
    return served[0] >= GOAL_MB


def size(running: Stack) -> tuple[float, float]:
    """Of Envoy, once it has come to rest: its resident set, and what it says is allocated, in MB."""
    time.sleep(5)
    bootstrap = json.loads((running.places.var / "envoy" / "bootstrap.json").read_text())
    admin = Path(bootstrap["admin"]["address"]["pipe"]["path"])
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(admin)), base_url="http://envoy") as client:
        allocated = int(client.get("/memory").raise_for_status().json()["allocated"])
    return psutil.Process(running.pids()["envoy"]).memory_info().rss / 2**20, allocated / 2**20


def call(running: Stack, calls: Sequence[Sequence[str]]) -> None:
    """Each once, which loads its tenant. Their upstream is gone with the stack before, so what comes so far is answered with that."""
    with httpx.Client(base_url=running.gateway_url, trust_env=False) as client:
        for path, key in calls:
            until(lambda path=path, key=key: passes(client, path, key), seconds=30)


def passes(client: httpx.Client, path: str, key: str) -> bool:
    answer = client.get(path, headers={"X-API-Key": key})
    return "UPSTREAM_UNAVAILABLE" in answer.headers.get("x-portico-refusal", "")


if __name__ == "__main__":
    raise SystemExit(main())
