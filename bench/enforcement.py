"""From a decision to the first changed answer at the gateway: `python -m bench.enforcement`. Goal: p99 < 250 ms. Needs `wrk`.

Idle, and while the gateway serves half of the calls per second that the same run measured as its most. Each decision is timed from
the event's own time, which is taken before its commit, to the end of the first call that was answered differently.
"""

import shutil
import statistics
import subprocess
import threading
import time
from datetime import datetime
from typing import Any

import httpx

from bench.stage import RESULTS, job, percentile, report, stack, wrk
from portal.demo.job import TLS, Job

DECISIONS = 100
GOAL_MS = 250.0


def main() -> int:
    figures: dict[str, Any] = {}
    with stack() as running:
        client = job(running)
        people = client.sign_in_all()
        url, token, subscription = arrange(client, people)
        headers = {"Authorization": f"Bearer {token}"}
        figures |= measure("idle", people["ada"], subscription, url, headers)
        most = wrk(url, headers=headers)
        figures["calls per second, most"] = most
        with load(url, headers, rate=most / 2):
            figures |= measure("half load", people["ada"], subscription, url, headers)
    figures["goal, p99 ms"] = GOAL_MS
    report("enforcement", figures)
    return any(value >= GOAL_MS for name, value in figures.items() if name.endswith("p99 ms") and name != "goal, p99 ms")


def arrange(client: Job, people: dict[str, httpx.Client]) -> tuple[str, str, str]:
    """An API with a plan that is never exhausted, and an active subscription to it."""
    acme = "/api/v1/tenants/acme"
    slug = client.publish(people["pam"], acme)
    wide = {"name": "wide", "calls": 1_000_000, "seconds": 1, "approval": "manual"}
    people["pam"].post(f"{acme}/apis/{slug}/plans/", json=wide).raise_for_status()
    people["pam"].post(f"{acme}/apis/{slug}/plans/wide/publish/").raise_for_status()
    mine = client.register(people["carl"], acme, slug)
    body = {"application": mine["application"], "api": slug, "plan": "wide", "purpose": "A measurement."}
    asked = people["carl"].post(f"{acme}/subscriptions/", json=body).raise_for_status().json()
    path = f"{acme}/subscriptions/{asked['id']}"
    people["ada"].post(f"{path}/approve/").raise_for_status()
    url, token = f"{client.gateway}/acme/{slug}/v1/uuid", client.token(mine)
    with httpx.Client(verify=TLS, trust_env=False) as caller:
        while caller.get(url, headers={"Authorization": f"Bearer {token}"}).status_code != 200:
            time.sleep(0.05)
    return url, token, path


def measure(name: str, ada: httpx.Client, path: str, url: str, headers: dict[str, str]) -> dict[str, float]:
    found: dict[str, list[float]] = {"suspend": [], "resume": []}
    for _ in range(DECISIONS):
        found["suspend"].append(decide(ada, f"{path}/suspend/", url, headers, status=403))
        found["resume"].append(decide(ada, f"{path}/resume/", url, headers, status=200))
    return {
        f"{name}, {decision}, {label} ms": value
        for decision, times in found.items()
        for label, value in (("p50", statistics.median(times)), ("p99", percentile(times, 0.99)))
    }


def decide(ada: httpx.Client, decision: str, url: str, headers: dict[str, str], *, status: int) -> float:
    """Milliseconds from the event to the end of the first call with `status`."""
    changed: list[float] = []

    def watch() -> None:
        with httpx.Client(verify=TLS, trust_env=False) as caller:
            while not changed:
                if caller.get(url, headers=headers).status_code == status:
                    changed.append(time.time())

    watcher = threading.Thread(target=watch)
    watcher.start()
    body = {"reason": "A measurement."} if "suspend" in decision else {}
    answer = ada.post(decision, json=body).raise_for_status().json()
    watcher.join(10)
    receipt = ada.get(answer["receipt"]).raise_for_status().json()
    return (changed[0] - datetime.fromisoformat(receipt["at"]).timestamp()) * 1000


class load:  # noqa: N801  (a context manager reads like a function)
    """Calls at a steady rate in the background; what they are answered does not matter."""

    def __init__(self, url: str, headers: dict[str, str], *, rate: float) -> None:
        # wrk has no rate limit, so each of its connections waits as long as makes the rate.
        connections = 16
        delay = max(1, round(connections / rate * 1000))
        script = f"function delay() return {delay} end"

        path = RESULTS / "load.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        named = [f"-H{name}: {value}" for name, value in headers.items()]
        self._command = [str(shutil.which("wrk")), "-t1", f"-c{connections}", "-d600s", "-s", str(path), *named, url]

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
