"""Tokens per second that one web worker issues, beside one of django-oauth-toolkit's: `python -m bench.tokens`. Needs `wrk`.

Goals: 1,000 a second, 100 times the toolkit as it is shipped, and 3 times the toolkit with client secrets in plain text. All three
are measured in turn, round by round: same machine, same PostgreSQL, same server with the same threads, same form.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import httpx

from bench.stage import ROOT, job, report, stack, wrk
from portal.stack import Stack, probes
from portal.stack.parts import GRANIAN, WEB_THREADS
from portal.stack.ports import HOST, Ports, choose
from portal.stack.postgres import SUPERUSER, Postgres
from portal.stack.processes import Program, Supervisor
from portal.stack.roles import OWNER
from portal.stack.stack import FRUGAL

GOAL = 1_000
# How many tokens of Portico to one of the toolkit.
RATIOS = {"as shipped": 100, "plain secrets": 3}
ROUNDS = 5
DATABASE = "toolkit"


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    form: str = field(repr=False)
    seconds: float = 3
    connections: int = 16

    def rate(self) -> float:
        """Tokens per second."""
        script = f"""
            wrk.method = "POST"
            wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
            wrk.body = "{self.form}"
        """
        return wrk(self.url, seconds=self.seconds, connections=self.connections, script=script, patience=30)

    def check(self) -> None:
        """That what is counted are tokens."""
        answer = httpx.post(self.url, content=self.form, headers={"Content-Type": "application/x-www-form-urlencoded"}, trust_env=False)
        assert answer.json()["access_token"]


def endpoint(url: str, client: dict[str, str], **how: Any) -> Endpoint:
    given = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    return Endpoint(url, urlencode({"grant_type": "client_credentials", **given}), **how)


@contextmanager
def toolkit(running: Stack) -> Iterator[dict[str, Endpoint]]:
    """django-oauth-toolkit in a new database of the stack's PostgreSQL."""
    postgres = Postgres(running.places.var)
    postgres.psql(f"DROP DATABASE IF EXISTS {DATABASE}", SUPERUSER)
    postgres.create_database(DATABASE)
    environment = {"PATH": os.environ["PATH"], **FRUGAL}
    made = subprocess.run(
        [sys.executable, "-m", "bench.toolkit"],
        env={**environment, "DATABASE_URL": postgres.url(OWNER, DATABASE)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    clients = json.loads(made.stdout)
    port = choose(Ports(0, 0, 0, 0), needed={"web"}).web
    program = Program(
        name="toolkit",
        argv=[sys.executable, "-m", *GRANIAN, "--port", str(port), "--blocking-threads", str(WEB_THREADS), "bench.toolkit:application"],
        log=running.places.log("toolkit"),
        environment={**environment, "DATABASE_URL": postgres.url(database=DATABASE)},
        directory=ROOT,
        ready=lambda _pid: probes.accepts((HOST, port)),
    )
    supervisor = Supervisor(running.places.state / "toolkit.json", say=lambda _: None)
    supervisor.open()
    try:
        supervisor.start(program).wait_ready()
        url = f"http://{HOST}:{port}/token"
        yield {
            # Checking a secret fills a core for a good part of a second: one at a time per core, so that few are cut off at the end.
            "as shipped": endpoint(url, clients["as shipped"], seconds=10, connections=min(WEB_THREADS, os.cpu_count() or 1)),
            "plain secrets": endpoint(url, clients["plain secrets"]),
        }
    finally:
        supervisor.stop()


def main() -> int:
    # The limit per client is a policy; here one client stands for many.
    with stack(PORTICO_TOKEN_RATE="100000000") as running, toolkit(running) as theirs:
        carl = job(running).sign_in_all()["carl"]
        mine = job(running).register(carl, "/api/v1/tenants/acme", "tokens")
        endpoints = {"Portico": endpoint(mine["token_endpoint"], mine), **theirs}
        for each in endpoints.values():
            each.check()
            replace(each, seconds=2).rate()
        rounds = [{name: each.rate() for name, each in endpoints.items()} for _ in range(ROUNDS)]
    return told(rounds)


def told(rounds: list[dict[str, float]]) -> int:
    """Report; 1 if a goal was missed."""
    figures: dict[str, Any] = {"rounds": ROUNDS, "cores": os.cpu_count()}
    for name in ("Portico", *RATIOS):
        rates = [each[name] for each in rounds]
        title = name if name == "Portico" else f"toolkit, {name}"
        figures[f"{title}: tokens per second, median"] = statistics.median(rates)
        figures[f"{title}: least and most"] = f"{min(rates):,.1f} {max(rates):,.1f}"
    holds = statistics.median(each["Portico"] for each in rounds) >= GOAL
    for name, least in RATIOS.items():
        ratios = [each["Portico"] / each[name] for each in rounds]
        figures[f"Portico to toolkit, {name}: median"] = statistics.median(ratios)
        figures[f"Portico to toolkit, {name}: rounds"] = " ".join(f"{ratio:.1f}" for ratio in ratios)
        holds = holds and statistics.median(ratios) >= least
    report("tokens", figures | {"goals": f"{GOAL:,} a second, {RATIOS['as shipped']} times, {RATIOS['plain secrets']} times"})
    return not holds


if __name__ == "__main__":
    raise SystemExit(main())
