"""How long the web process takes for REST reads with the demo's data: `python -m bench.rest`. Goal: 30 ms at the 95th percentile.

One client on one connection, so that what is timed is the server's work and a loopback round trip. Signed in as who may see it.
"""

import time
from typing import Any

import httpx

from bench.stage import job, percentile, report, stack

GOAL_MS = 30.0
READS = 100
ACME = "/api/v1/tenants/acme"
PATHS = {
    "tenant": ("carl", f"{ACME}/"),
    "apis": ("carl", f"{ACME}/apis/"),
    "api": ("carl", f"{ACME}/apis/echo/"),
    "applications": ("carl", f"{ACME}/applications/"),
    "subscriptions": ("ada", f"{ACME}/subscriptions/"),
    "members": ("ada", f"{ACME}/members/"),
    "events": ("ada", f"{ACME}/events/"),
    "gateways": ("ada", f"{ACME}/gateways/"),
    "receipt": ("ada", f"{ACME}/receipts/1/"),
}


def main() -> int:
    figures: dict[str, Any] = {}
    worst = 0.0
    with stack() as running:
        people = job(running).sign_in_all()
        for name, (person, path) in PATHS.items():
            times = [read(people[person], path) for _ in range(READS + 5)][5:]
            figures[f"{name}, p50 ms"], figures[f"{name}, p95 ms"] = percentile(times, 0.5), percentile(times, 0.95)
            worst = max(worst, percentile(times, 0.95))
        for client in people.values():
            client.close()
    report("rest", {**figures, "worst p95 ms": worst, "goal": GOAL_MS})
    return worst >= GOAL_MS


def read(client: httpx.Client, path: str) -> float:
    started = time.perf_counter()
    answer = client.get(path)
    taken = (time.perf_counter() - started) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:200]}")
    return taken


if __name__ == "__main__":
    raise SystemExit(main())
