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

from gateway.models import UsageDay, UsageHour, UsageMinute, UsageOpenHour
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
# What the rows of a period have in common.
_KEY = "api, version, operation, application, subscription, plan, status_class, code"


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
    _add_up("gateway_usageminute", "gateway_usagehour", row[0], timedelta(hours=1))
    _add_up("gateway_usagehour", "gateway_usageday", row[0].replace(hour=0), timedelta(days=1))
    return True


def _add_up(source: str, target: str, at: datetime, length: timedelta) -> None:
    """Anew from all that there is. Counts only grow: where there is less, some of it was deleted in its time, and what stands is right."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO {target} AS kept (id, tenant_id, at, {_KEY}, calls, bytes_in, bytes_out, duration_ms_sum, histogram)
                   SELECT gen_random_uuid(), %(tenant)s, %(at)s, {_KEY},
                       sum(calls), sum(bytes_in), sum(bytes_out), sum(duration_ms_sum), gateway_usage_sum(histogram)
                   FROM {source} WHERE tenant_id = %(tenant)s AND at >= %(at)s AND at < %(end)s
                   GROUP BY {_KEY}
               ON CONFLICT (tenant_id, at, {_KEY}) DO UPDATE SET
                   calls = EXCLUDED.calls, bytes_in = EXCLUDED.bytes_in, bytes_out = EXCLUDED.bytes_out,
                   duration_ms_sum = EXCLUDED.duration_ms_sum, histogram = EXCLUDED.histogram
               WHERE EXCLUDED.calls > kept.calls""",  # nosec B608  (names of ours)
            {"tenant": current_tenant_id(), "at": at, "end": at + length},
        )


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
    for model, before, piece in ((UsageMinute, minutes, timedelta(hours=1)), (UsageHour, periods, EVERY), (UsageDay, periods, EVERY * 30)):
        while time.monotonic() < until:
            with tenant_scope(tenant_id):
                # By whole days, as partitions are.
                rows = model.objects.filter(at__lt=before.replace(hour=0, minute=0, second=0, microsecond=0))
                oldest = rows.aggregate(at=Min("at"))["at"]
                if oldest is None:
                    break
                deleted += rows.filter(at__lt=oldest + piece).delete()[0]
    with tenant_scope(tenant_id):
        left = UsageMinute.objects.exists() or UsageDay.objects.exists()
        due.settle(PRUNE_JOB, (timezone.now() + (EVERY if time.monotonic() < until else timedelta())) if left else None)
    return deleted
