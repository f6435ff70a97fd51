"""Lists of a tenant with 100,000 subscriptions: `python -m bench.subscriptions`. Goal: 100 ms at the 95th percentile, constant queries.

The first run takes minutes to make the tenant, which is kept under var/subscriptions. The queue, the console's lists and the lists of REST
are asked for, each from its beginning, narrowed, and from its middle. `python -m bench.subscriptions requests` measures only what has that
in its address. What the lists do in PostgreSQL is counted in the tests (tests/queries.json).
"""

import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from bench.crowded import Took, is_wanted, timed
from bench.pages import sign_in
from bench.stage import ROOT, job, report, stack
from tests.e2e.world import TENANT, World

FULL = ROOT / "var" / "subscriptions"
GOAL_MS = 100.0
PER_APPLICATION = 30
PEOPLE, EVENTS = 8_400, 345_000
# Before anything else takes it from there.
FILL = f"""
import os
from portal.scale import sizes
sizes.SUBSCRIPTIONS_PER_APPLICATION = {PER_APPLICATION}
os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "seed_scale", "--tenants", "1", "--people", "{PEOPLE}", "--events", "{EVENTS}"])
from django.db import connection
from portal.scale.run import ours
from tenants.scope import tenant_scope
# As many as may be open, and half of that: the others have ended long ago.
with tenant_scope(ours(1, 1)[0]), connection.cursor() as cursor:
    cursor.execute(
        "UPDATE apis_subscription SET status = 'cancelled', ended_at = now() - interval '60 days', undo_until = NULL, asked_at = NULL"
        " WHERE id IN (SELECT id FROM apis_subscription WHERE status = 'active' ORDER BY md5(id::text)"
        " OFFSET (SELECT 40000 - count(*) FROM apis_subscription WHERE status IN ('pending', 'suspended')))"
    )
    cursor.execute("SELECT status, count(*) FROM apis_subscription GROUP BY status ORDER BY status")
    print(cursor.fetchall())
# Of so much that is new PostgreSQL knows nothing before it has looked itself, within some minutes.
import time
NEW = "SELECT count(*) FROM pg_stat_user_tables WHERE n_mod_since_analyze > 1000 + n_live_tup / 2"
until = time.monotonic() + 300
while time.monotonic() < until:
    with connection.cursor() as cursor:
        cursor.execute(NEW)
        if not cursor.fetchone()[0]:
            break
    time.sleep(2)
"""
CONSOLE = f"/t/{TENANT}/console"
STATES = ("pending", "active", "rejected", "suspended", "cancelled")
PAGES = (
    f"{CONSOLE}/requests/", f"{CONSOLE}/requests/?show=decided", f"{CONSOLE}/requests/?show=all",
    f"{CONSOLE}/requests/list/", f"{CONSOLE}/requests/list/?waits=overdue&sort=newest", f"{CONSOLE}/requests/list/?q=nothing+of+the+kind",
    f"{CONSOLE}/subscriptions/", *(f"{CONSOLE}/subscriptions/?status={each}" for each in STATES),
    f"{CONSOLE}/subscriptions/?q=or", f"{CONSOLE}/subscriptions/?q=nothing+of+the+kind", f"{CONSOLE}/applications/",
    f"{CONSOLE}/applications/?q=nothing+of+the+kind", f"{CONSOLE}/apis/", f"{CONSOLE}/plans/",
    f"{CONSOLE}/audit/?kind=subscription.approved",
    f"/t/{TENANT}/inbox/",
)  # fmt: skip
_REST = f"/api/v1/tenants/{TENANT}"
LISTS = (
    f"{_REST}/subscriptions/", f"{_REST}/subscriptions/?limit=200", f"{_REST}/subscriptions/?q=nothing+of+the+kind",
    *(f"{_REST}/subscriptions/?limit=200&status={each}" for each in STATES),
    f"{_REST}/applications/?limit=200", f"{_REST}/events/?limit=200&kind=subscription.approved", f"{_REST}/apis/",
)  # fmt: skip


def main(*wanted: str) -> int:
    if not (FULL / "demo.json").exists():
        with stack(FULL, demo=False):
            subprocess.run([sys.executable, "-c", FILL], cwd=ROOT, env={**os.environ, "PORTICO_VAR": str(FULL)}, check=True)
    took: dict[str, Took] = {}
    with stack(FULL) as running:
        world = World(running, SimpleNamespace())  # type: ignore[arg-type]
        ada = sign_in(running.portal_url, f"ada@{TENANT}.example", world)
        for path in PAGES:
            if is_wanted(path, wanted):
                took[path] = timed(running, ada, path, frozenset({200}))
                if older := _older(ada.get(path).text, path):
                    took[older] = timed(running, ada, older, frozenset({200}))
        ada.close()
        for path in LISTS:
            if is_wanted(path, wanted):
                # An access token lives for minutes.
                people = job(running).sign_in_all()
                took[path] = timed(running, people["ada"], path, frozenset({200}))
                if following := people["ada"].get(path).json()["next"]:
                    took[f"{path} (next)"] = timed(running, people["ada"], following, frozenset({200}))
        if is_wanted(own := f"{_REST}/subscriptions/?limit=200", wanted):
            took[f"{own} (Carl's)"] = timed(running, job(running).sign_in_all()["carl"], own, frozenset({200}))
    slowest = sorted(took, key=lambda name: took[name].p95, reverse=True)
    figures: dict[str, Any] = {name: str(took[name]) for name in slowest}
    worst = took[slowest[0]].p95
    report("subscriptions", {**figures, "worst p95 ms": worst, "goal": GOAL_MS})
    return worst >= GOAL_MS


def _older(html: str, path: str) -> str:
    found = re.search(r'href="(\?[^"]*before=[^"]*)"', html)
    return f"{path.partition('?')[0]}{found[1].replace('&amp;', '&')}" if found else ""


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
