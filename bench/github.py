"""GitHub's published document (over 1,000 operations), from import to calls: `python -m bench.github`. Needs npm and `wrk`.

Goals: imported in < 30 s with progress, its pages in < 100 ms of the web process, its routes at the gateways in < 1 s, and calls per second
to its last operation / its first >= 0.95, median of 7 paired runs.
"""

import json
import re
import shutil
import statistics
import time
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import httpx

from bench.documents import DOCUMENTS, fetched
from bench.pages import read, sign_in
from bench.stage import job, percentile, report, stack, until, wrk
from portal.demo.call import expect
from portal.demo.job import Job
from tests.e2e.pages import PAM
from tests.e2e.world import World

ACME, API = "/api/v1/tenants/acme", f"github-{time.time_ns()}"
VERSION = f"{ACME}/apis/{API}/versions/v1"
PUSHED = "routes at the gateways after, ms"
PAIRS, READS = 7, 20
GOALS = {"imported in, s": 30.0, PUSHED: 1_000.0}
GOAL_PAGE_MS, GOAL_RATIO = 100.0, 0.95


def main() -> int:
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not here, which fetches the document.")
        return 0
    folder = Path(mkdtemp(prefix="portico-github-"))
    try:
        package, path = DOCUMENTS[0]
        text = (fetched(npm, folder, package) / path).read_text()
    finally:
        shutil.rmtree(folder)
    with stack() as running:
        return measure(running, job(running), text)


def measure(running: Any, main_job: Job, text: str) -> int:
    people = main_job.sign_in_all()
    pam = people["pam"]
    pam.timeout = httpx.Timeout(60)
    expect(pam.post(f"{ACME}/apis/", json={"slug": API, "name": "GitHub"}), 201)
    expect(pam.post(f"{ACME}/apis/{API}/versions/", json={"name": "v1"}), 201)
    figures = imported(pam, running.upstream_url, text)
    publish(pam)
    pages = times_of_pages(World(running, SimpleNamespace()))  # type: ignore[arg-type]
    token = main_job.token(client_of(main_job, people))
    ratios = called(running, token, text)
    # Access tokens are short-lived, and the calls took their time.
    pam = main_job.sign_in_all()["pam"]
    figures |= pushed(pam, running.upstream_url, text)
    figures |= pages | {"last operation / first, calls per second, median": statistics.median(ratios)}
    figures["of pairs"] = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    report("github", figures)
    retire(pam)
    missed = any(figures[name] >= goal for name, goal in GOALS.items()) or max(pages.values()) >= GOAL_PAGE_MS
    return missed or statistics.median(ratios) < GOAL_RATIO


def imported(pam: httpx.Client, upstream: str, text: str) -> dict[str, Any]:
    """By the job, as a large file is."""
    body = {"document": text, "upstream": {"url": f"{upstream}/anything"}}
    began = time.monotonic()
    answer = pam.post(f"{VERSION}/imports/", json=body)
    expect(answer, 202)
    sent = time.monotonic() - began
    seen: list[int] = []
    while (told := expect(pam.get(answer.headers["location"]), 200))["state"] in {"waiting", "reading"}:
        seen.append(told["progress"])
        time.sleep(0.2)
    if told["state"] != "ready":
        raise RuntimeError(told)
    return {"taken in, s": sent, "imported in, s": time.monotonic() - began, "progress seen": ", ".join(map(str, sorted(set(seen))))}


def publish(pam: httpx.Client) -> None:
    plan = {"name": "wide", "calls": 1_000_000, "seconds": 1, "approval": "automatic"}
    expect(pam.post(f"{ACME}/apis/{API}/plans/", json=plan), 201)
    expect(pam.post(f"{ACME}/apis/{API}/plans/wide/publish/"), 200)
    expect(pam.post(f"{VERSION}/revisions/1/live/"), 200)
    expect(pam.post(f"{VERSION}/publish/"), 200)


def pushed(pam: httpx.Client, upstream: str, text: str) -> dict[str, Any]:
    """The same document once more, made live where gateways have the first: all routes are compiled and pushed."""
    pam.timeout = httpx.Timeout(60)
    imported(pam, upstream, text)
    receipt = expect(pam.post(f"{VERSION}/revisions/2/live/"), 200)["receipt"]
    until(lambda: expect(pam.get(receipt), 200)["complete"], seconds=30)
    return {PUSHED: expect(pam.get(receipt), 200)["ms"]}


def retire(pam: httpx.Client) -> None:
    """The stack is kept, and what stays live in it is compiled and pushed with the routes of the next measurement."""
    said = {"reason": "It was measured."}
    expect(pam.post(f"{VERSION}/deprecate/", json=said), 200)
    expect(pam.post(f"{VERSION}/retire/", json={**said, "override": True}), 200)


def times_of_pages(world: World) -> dict[str, float]:
    """95th percentiles, as somebody who sees all of it."""
    console, catalogue = f"/t/acme/console/apis/{API}/", f"/t/acme/apis/{API}/"
    client = sign_in(world.stack.portal_url, PAM, world)
    found = {}
    operation = re.search(r"[?&;]operation=([^\"&]+)", client.get(f"{catalogue}?tab=reference").text)
    assert operation is not None
    paths = [console, f"{console}v1/revisions/1/", f"{console}v1/life/", "/t/acme/console/apis/", "/t/acme/", catalogue]
    paths += [f"{catalogue}?tab=reference", f"{catalogue}?tab=reference&operation={operation[1]}"]
    for path in paths:
        found[f"{path}, p95 ms"] = percentile([read(client, path) for _ in range(READS + 5)][5:], 0.95)
    client.close()
    return found


def client_of(main_job: Job, people: dict[str, httpx.Client]) -> dict[str, str]:
    mine = main_job.register(people["carl"], ACME, API)
    body = {"application": mine["application"], "api": API, "plan": "wide", "purpose": "Measuring."}
    asked = expect(people["carl"].post(f"{ACME}/subscriptions/", json=body), 201)
    if asked["status"] == "pending":
        expect(people["ada"].post(f"{ACME}/subscriptions/{asked['id']}/approve/"), 200)
    return mine


def called(running: Any, token: str, text: str) -> list[float]:
    gets = [path for path, item in json.loads(text)["paths"].items() if "get" in item and path != "/"]
    headers = {"Authorization": f"Bearer {token}"}
    first, last = (f"{running.gateway_url}/acme/{API}/v1{re.sub('{[^}]*}', 'x', gets[at])}" for at in (0, -1))
    with httpx.Client(trust_env=False) as caller:
        for url in (first, last):
            until(lambda url=url: caller.get(url, headers=headers).status_code == 200, seconds=30)
    pairs = [(wrk(first, seconds=2, headers=headers), wrk(last, seconds=2, headers=headers)) for _ in range(PAIRS)]
    return [late / early for early, late in pairs]


if __name__ == "__main__":
    raise SystemExit(main())
