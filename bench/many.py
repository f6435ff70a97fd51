"""The many tenants of bench.due, in a process of its own: Django reads the running stack's settings when it is loaded."""

import os
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
MONTH = timedelta(days=31)


def main(many: int) -> int:
    made = [tenant() for _ in range(many)]
    process = psutil.Process()
    sizes: list[int] = []
    announced = timed(many, process, sizes)
    for pk in made:
        age(pk)
    signs = timed(many, process, sizes)
    left = [pk for pk in made if not rotated(pk)]
    growth = max(sizes) / sizes[0]
    figures: dict[str, Any] = {
        "tenants": many,
        "announced, s": announced,
        "signing with the new key, the old one destroyed, s": signs,
        "rotated, s": announced + signs,
        "not rotated": len(left),
        "memory, MB at the start, most": f"{sizes[0] / 2**20:.0f}, {max(sizes) / 2**20:.0f}",
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


def timed(many: int, process: psutil.Process, sizes: list[int]) -> float:
    """Seconds for whatever is due; memory is looked at before and after each hundred."""
    at_once = rotation.AT_ONCE
    started = time.perf_counter()
    sizes.append(process.memory_info().rss)
    served = 0
    while found := rotation.advance_some():
        served += found
        if served % (10 * at_once) == 0:
            sizes.append(process.memory_info().rss)
    took = time.perf_counter() - started
    assert served >= many, served
    return took


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
    raise SystemExit(main(int(sys.argv[1]) if sys.argv[1:] else TENANTS))
