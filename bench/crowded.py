"""How long pages and REST reads take in a portal as full as it may become: `python -m bench.crowded`. Goal: 100 ms at the 95th percentile.

The first run takes minutes to make ten thousand tenants, which are kept under var/crowded. The demo's people are at home in the biggest.
Every page is asked for with what it leads to itself, and every REST list also as long as it can be. `python -m bench.crowded audit`
measures only what has that in its name or address. Beside the time stands how much of it the web process and PostgreSQL computed:
where others are busy on the same machine, the time says more of them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace
from typing import Any

import httpx
import psutil

from bench.faces import faces
from bench.pages import PAGES, READS, read, sign_in
from bench.reads import reads
from bench.stage import ROOT, job, percentile, report, stack
from portal.stack import Stack
from tests.e2e.pages import places
from tests.e2e.world import World

CROWD = ROOT / "var" / "crowded"
GOAL_MS = 100.0
# The first who may see it reads it. Access tokens live for minutes, so all of them sign in anew for each address.
READERS = ("ada", "ugo", "carl", "olga")
SCHEMA = "/api/v1/schema/"
# Where a request id is typed leads on to what is known of it, also where "or" is typed.
FACES = PAGES | {302}


@dataclass(frozen=True, slots=True)
class Took:
    """What reading one address took, in ms: each time, and what of it was computing, on average."""

    times: list[float]
    computed: float

    @property
    def p95(self) -> float:
        return percentile(self.times, 0.95)

    def __str__(self) -> str:
        return f"p50 {percentile(self.times, 0.5):7.1f}  p95 {self.p95:7.1f}  computed {self.computed:7.1f} ms"


def main(*wanted: str) -> int:
    if not (CROWD / "demo.json").exists():
        with stack(CROWD, demo=False):
            subprocess.run([sys.executable, "manage.py", "seed_scale"], cwd=ROOT, env={**os.environ, "PORTICO_VAR": str(CROWD)}, check=True)
    with stack(CROWD) as running:
        # What falls due among so many tenants is another matter.
        running.send("worker", signal.SIGSTOP)
        try:
            took = dict(chain(pages(running, wanted), rest(running, wanted)))
        finally:
            running.send("worker", signal.SIGCONT)
    slowest = sorted(took, key=lambda name: took[name].p95, reverse=True)
    figures: dict[str, Any] = {name: str(took[name]) for name in slowest}
    worst = took[slowest[0]].p95
    report("crowded", {**figures, "worst p95 ms": worst, "goal": GOAL_MS})
    return worst >= GOAL_MS


def pages(running: Stack, wanted: tuple[str, ...]) -> Iterator[tuple[str, Took]]:
    # No browser is needed to read addresses.
    world = World(running, SimpleNamespace())  # type: ignore[arg-type]
    everywhere = places(world)
    clients = {email: sign_in(running.portal_url, email, world) for email in {place.email for place in everywhere}}
    seen: set[tuple[str, str]] = set()
    for place in everywhere:
        client = clients[place.email]
        for path in [place.path, *faces(place.path, client.get(place.path).text)]:
            name = f"{place.name}  {path}"
            if (place.email, path) not in seen and is_wanted(name, wanted):
                seen.add((place.email, path))
                yield name, timed(running, client, path, FACES)
    for client in clients.values():
        client.close()


def rest(running: Stack, wanted: tuple[str, ...]) -> Iterator[tuple[str, Took]]:
    def reader(path: str) -> httpx.Client | None:
        """Signed in as who may read it; None where nobody can."""
        people = job(running).sign_in_all()
        return next((people[name] for name in READERS if people[name].get(path).status_code == 200), None)

    def get(path: str) -> Any:
        client = reader(path)
        return client.get(path).json() if client else None

    with httpx.Client(base_url=running.portal_url, timeout=20) as anybody:
        schema = anybody.get(SCHEMA, headers={"accept": "application/vnd.oai.openapi+json"}).json()
    for path in reads(schema, get):
        if is_wanted(path, wanted) and (client := reader(path)):
            yield f"REST  {path}", timed(running, client, path, frozenset({200}))


def is_wanted(name: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or any(each in name for each in wanted)


def timed(running: Stack, client: httpx.Client, path: str, expected: Set[int] = PAGES) -> Took:
    for _ in range(5):
        read(client, path, expected)
    before = computed(running)
    times = [read(client, path, expected) for _ in range(READS)]
    return Took(times, (computed(running) - before) * 1000 / READS)


def computed(running: Stack) -> float:
    """Seconds of CPU that the web process and PostgreSQL have had."""
    pids = running.pids()
    mains = [psutil.Process(pids[name]) for name in ("web", "postgres")]
    family = [each for main in mains for each in (main, *main.children(recursive=True))]
    return sum(sum(each.cpu_times()[:2]) for each in family)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
