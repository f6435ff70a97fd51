"""Minutes are added up to hours, and hours to days, once an hour is over; and what a tenant keeps no longer is deleted.

Neither takes the tenant's lock: it would hold up decisions. An hour of which minutes were written is open until it is rolled up, and is
opened again by what comes late.
"""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Min
from django.utils import timezone

from gateway.models import UsageOpenHour
from gateway.usage import tables
from tenants import due
from tenants.models import TenantSettings
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope

JOB = "roll_up_usage"
PRUNE_JOB = "prune_usage"
RUN_SECONDS = 20.0
# How long after its beginning an hour is rolled up: what was counted in its last second is written by then.
AFTER = timedelta(hours=1, seconds=30)
EVERY = timedelta(days=1)


def open_hours(hours: Iterable[datetime]) -> None:
    """Of the tenant in scope, in the transaction that writes their minutes. Waits while one of them is being rolled up."""
    wanted = list(hours)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO gateway_usageopenhour AS kept (id, tenant_id, at, writes)
                   SELECT new.id, %s, new.at, 1 FROM unnest(%s::uuid[], %s::timestamptz[]) AS new (id, at) ORDER BY new.at
               ON CONFLICT (tenant_id, at) DO UPDATE SET writes = kept.writes + 1""",
            [current_tenant_id(), [new_id() for _ in wanted], wanted],
        )


def roll_up_all(*, seconds: float = RUN_SECONDS) -> int:
    """Roll up what is over; safe to run twice, and to be killed at any moment. Returns how many hours that were."""
    return due.serve(JOB, _roll_up, seconds=seconds)


def _roll_up(tenant_id: UUID, until: float) -> int:
    hours = 0
    while time.monotonic() < until:
        with tenant_scope(tenant_id):
            if not _roll_up_one():
                # Before it is looked: whoever opens an hour then says afterwards when it is due.
                due.hold(JOB)
                next_one = UsageOpenHour.objects.aggregate(at=Min("at"))["at"]
                due.settle(JOB, next_one and next_one + AFTER)
                if hours:
                    due.expect(PRUNE_JOB, timezone.now() + EVERY)
                return hours
        hours += 1
    due.give_back(JOB, [tenant_id])
    return hours


def _roll_up_one() -> bool:
    """The oldest hour that is over and open, and its day; whether there was one."""
    with connection.cursor() as cursor:
        # Waits for whoever writes its minutes, and whoever comes then opens it again.
        cursor.execute(
            """DELETE FROM gateway_usageopenhour WHERE tenant_id = %(tenant)s AND at = (
                   SELECT min(at) FROM gateway_usageopenhour
                   WHERE tenant_id = %(tenant)s AND at <= now() - make_interval(secs => %(after)s))
               RETURNING at""",
            {"tenant": current_tenant_id(), "after": AFTER.total_seconds()},
        )
        row = cursor.fetchone()
    if row is None:
        return False
    day = row[0].replace(hour=0)
    for table in tables.ALL:
        table.add_up(table.minute, table.hour, {"at": row[0], "end": row[0] + timedelta(hours=1)})
        table.add_up(table.hour, table.day, {"at": day, "end": day + timedelta(days=1)})
    return True


def prune_all(*, seconds: float = RUN_SECONDS) -> int:
    """Delete what each tenant keeps no longer; safe to run twice. Returns how many rows that were."""
    return due.serve(PRUNE_JOB, _prune, seconds=seconds)


def _prune(tenant_id: UUID, until: float) -> int:
    """By pieces, a transaction each: nobody waits for a day's rows."""
    with tenant_scope(tenant_id):
        kept = TenantSettings.objects.values_list("usage_minutes_days", "usage_days").get()
    now, deleted = timezone.now(), 0
    minutes = now - timedelta(days=min(kept[0], settings.USAGE_MINUTES_MOST_DAYS))
    periods = now - timedelta(days=min(kept[1], settings.USAGE_MOST_DAYS))
    pieces = [
        piece
        for each in tables.ALL
        for piece in ((each.minute, minutes, timedelta(hours=1)), (each.hour, periods, EVERY), (each.day, periods, EVERY * 30))
    ]
    for model, before, piece in pieces:
        while time.monotonic() < until:
            with tenant_scope(tenant_id):
                # By whole days, as partitions are.
                rows = model.objects.filter(at__lt=before.replace(hour=0, minute=0, second=0, microsecond=0))
                oldest = rows.aggregate(at=Min("at"))["at"]
                if oldest is None:
                    break
                deleted += rows.filter(at__lt=oldest + piece).delete()[0]
    with tenant_scope(tenant_id):
        left = any(each.objects.exists() for table in tables.ALL for each in (table.minute, table.day))
        due.settle(PRUNE_JOB, (timezone.now() + (EVERY if time.monotonic() < until else timedelta())) if left else None)
    return deleted
