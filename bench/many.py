"""The many tenants of bench.due, in a process of its own: Django reads the running stack's settings when it is loaded."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import django
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Models can be imported only once Django is set up.
from django.db import connection  # noqa: E402
from django.db.models.functions import Now  # noqa: E402

from bench.stage import report  # noqa: E402
from gateway import rotation  # noqa: E402
from keys import tokens  # noqa: E402
from keys.actions.signing import ADVANCE_JOB  # noqa: E402
from keys.models import SigningKey, TokenPolicy  # noqa: E402
from tenants import due  # noqa: E402
from tenants.models import EventCounter, Tenant, new_id  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402

TENANTS, GOAL_SECONDS, GOAL_GROWTH = 10_000, 120.0, 1.10
WORKERS = os.cpu_count() or 1
# The argument by which this module runs as one of them.
WORK = "work"
MONTH = timedelta(days=31)


def main(many: int) -> int:
    made = [tenant() for _ in range(many)]
    announced, first = timed(many)
    for pk in made:
        age(pk)
    signs, second = timed(many)
    sizes = first + second
    left = [pk for pk in made if not rotated(pk)]
    growth = max(most / at_first for at_first, most in sizes)
    figures: dict[str, Any] = {
        "tenants": many,
        "workers": WORKERS,
        "announced, s": announced,
        "signing with the new key, the old one destroyed, s": signs,
        "rotated, s": announced + signs,
        "not rotated": len(left),
        "memory of each worker, MB at the start, most": " ".join(f"{at_first / 2**20:.0f}-{most / 2**20:.0f}" for at_first, most in sizes),
        "goal, s": GOAL_SECONDS,
    }
    report("due", figures)
    for pk in made:
        forget(pk)
    return bool(left) or announced + signs >= GOAL_SECONDS or growth >= GOAL_GROWTH


def tenant() -> Any:
    """One whose keys were made a month ago. Their private halves are never asked for again."""
    pk = new_id()
    Tenant.objects.create(pk=pk, slug=f"due-{pk.hex[-12:]}", name="Due")
    with tenant_scope(pk):
        EventCounter.objects.create()
        TokenPolicy.objects.create()
        for purpose in SigningKey.Use.values:
            key = tokens.generate()
            SigningKey.objects.create(
                purpose=purpose,
                alg=key.alg,
                kid=key.kid,
                public_jwk=tokens.public_jwk(key),
                sealed="v1",
                status="active",
                activated_at=Now() - MONTH,
                last_exp=Now(),
            )
        with connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            due.expect(ADVANCE_JOB, cursor.fetchone()[0])
    return pk


def timed(many: int) -> tuple[float, list[tuple[int, int]]]:
    """Seconds until the workers found nothing more that is due, their start included, and how large each was at first and at most."""
    started = time.perf_counter()
    command = [sys.executable, "-m", __spec__.name, WORK]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)]
    said = [json.loads(worker.communicate()[0]) for worker in workers]
    took = time.perf_counter() - started
    served = sum(each["served"] for each in said)
    assert served >= many, served
    return took, [(each["first"], each["most"]) for each in said]


def work() -> None:
    """What a worker's job does; memory is looked at after each hundred."""
    process = psutil.Process()
    served, sizes = 0, []
    while found := rotation.advance_some():
        served += found
        sizes.append(process.memory_info().rss)
    print(json.dumps({"served": served, "first": sizes[0], "most": max(sizes)}))


def age(pk: Any) -> None:
    with tenant_scope(pk):
        SigningKey.objects.filter(status="published").update(known_at=Now() - MONTH, planned_for=Now() - MONTH)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE tenants_due SET at = now() WHERE tenant_id = %s", [pk])


def rotated(pk: Any) -> bool:
    with tenant_scope(pk):
        found = set(SigningKey.objects.values_list("purpose", "status"))
    return found == {(purpose, state) for purpose in SigningKey.Use.values for state in ("active", "retired")}


def forget(pk: Any) -> None:
    """No job comes to it again."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tenants_due WHERE tenant_id = %s", [pk])


if __name__ == "__main__":
    if sys.argv[1:] == [WORK]:
        work()
    else:
        raise SystemExit(main(int(sys.argv[1]) if sys.argv[1:] else TENANTS))
