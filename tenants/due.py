"""Jobs that come due per tenant, claimed by lease: a worker that dies gives its rows back after five minutes."""

import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from tenants import events
from tenants.models import Due
from tenants.scope import current_tenant_id, tenant_scope

log = logging.getLogger(__name__)

# How much a tenant holds is counted by the portal, and due from the moment it is made.
MEASURE_JOB = "measure_tenants"

MAIL_JOB = events.MAIL_JOB

# The job's work on one tenant, in its scope and under its lock; returns when it is due next, None when nothing is left.
Work = Callable[[], datetime | None]
# See `serve`.
Serve = Callable[[UUID, float], int]


def expect(job: str, at: datetime) -> None:
    """The tenant in scope has something for `job` at `at`, or earlier if it had already."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO tenants_due (tenant_id, job, at) VALUES (%s, %s, %s)
               ON CONFLICT (tenant_id, job) DO UPDATE SET at = LEAST(tenants_due.at, EXCLUDED.at)""",
            [current_tenant_id(), job, at],
        )


def is_expected(job: str) -> bool:
    """Whether the tenant in scope has anything for `job`."""
    return Due.objects.filter(tenant_id=current_tenant_id(), job=job).exists()


def now() -> datetime:
    """The database's clock, for who decides whether something is due before taking the lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


def claim(job: str, limit: int) -> list[UUID]:
    """Tenants whose `job` is due, taken for five minutes in a transaction of its own.

    Claiming and working in one transaction would take the locks in the wrong order and deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            # In a CTE it is looked for once. As `id IN (…)` a nested loop looks anew for each row, and takes more than the limit.
            """WITH taken AS MATERIALIZED (
                   SELECT id FROM tenants_due WHERE job = %s AND at <= now() ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED)
               UPDATE tenants_due d SET at = now() + interval '5 minutes' FROM taken WHERE d.id = taken.id
               RETURNING d.tenant_id""",
            [job, limit],
        )
        return [tenant_id for (tenant_id,) in cursor.fetchall()]


def give_back(job: str, tenants: Collection[UUID]) -> None:
    """Tenants that were claimed and not come to are due again at once."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_due SET at = now() WHERE job = %s AND tenant_id = ANY(%s)", [job, list(tenants)])


def postpone(job: str, wait: timedelta) -> None:
    """Whoever would be due for `job` before `wait` is over is due then: what it needs is away, for all of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE tenants_due SET at = now() + make_interval(secs => %(wait)s) WHERE id IN (
                   SELECT id FROM tenants_due WHERE job = %(job)s AND at < now() + make_interval(secs => %(wait)s)
                   FOR UPDATE SKIP LOCKED)""",
            {"job": job, "wait": wait.total_seconds()},
        )


def run(job: str, work: Work, *, limit: int = 100) -> int:
    """Do `work` for every tenant that is due, one transaction each; safe to run twice. Returns how many tenants it served."""
    served = 0
    while claimed := claim(job, limit):
        for tenant_id in claimed:
            try:
                with tenant_scope(tenant_id):
                    events.lock()
                    settle(job, work())
            except Exception:
                # One tenant's trouble must not hold up the others; its row comes back with the lease.
                log.exception("%s failed for tenant %s.", job, tenant_id)
                continue
            served += 1
    return served


def serve(job: str, work: Serve, *, seconds: float) -> int:
    """Let `work` do what takes seconds for one tenant after the other, until they are over; safe to run twice.

    :param work: gets the tenant, out of scope and without a lock, and the moment (of `time.monotonic`) from which it begins nothing
        more; it settles the job or gives the tenant back itself, and returns how much it did.
    :returns: the sum.
    """
    until = time.monotonic() + seconds
    served = 0
    while time.monotonic() < until and (claimed := claim(job, 1)):
        try:
            served += work(claimed[0], until)
        except Exception:
            # One tenant's trouble must not hold up the others; its row comes back with the lease.
            log.exception("%s failed for tenant %s.", job, claimed[0])
    return served


def hold(job: str) -> None:
    """Until this transaction ends nobody else says when the tenant in scope is due: for who settles without the lock, and looks before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM tenants_due WHERE tenant_id = %s AND job = %s FOR UPDATE", [current_tenant_id(), job])


def settle(job: str, at: datetime | None) -> None:
    """The tenant in scope is due for `job` again at `at`, or not at all."""
    with connection.cursor() as cursor:
        if at is None:
            cursor.execute("DELETE FROM tenants_due WHERE tenant_id = %s AND job = %s", [current_tenant_id(), job])
        else:
            cursor.execute("UPDATE tenants_due SET at = %s WHERE tenant_id = %s AND job = %s", [at, current_tenant_id(), job])
