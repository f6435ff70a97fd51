"""Minutes are added up to hours and days, whatever comes late, and what a tenant keeps no longer is deleted."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from gateway.latency import percentile
from gateway.models import UsageDay, UsageHour, UsageMinute, UsageOpenHour
from gateway.usage import days, rolling
from tenants import due
from tenants.models import Due, Tenant, TenantSettings
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.live import stays

HOUR = timedelta(hours=1)
# Over for long, and of one day.
NOON = (timezone.now().astimezone(UTC) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)


def called(calls: int = 1, *, at: datetime = NOON, ms: int = 40, **key: Any) -> None:
    """As the usage process writes it, in the scope that there is."""
    make.usage(calls, at=at, ms=ms, **key)
    hour = at.replace(minute=0, second=0, microsecond=0)
    rolling.open_hours([hour])
    due.expect(rolling.JOB, hour + rolling.AFTER)


def hours(tenant: Tenant) -> dict[int, int]:
    with tenant_scope(tenant.pk):
        return {at.astimezone(UTC).hour: calls for at, calls in UsageHour.objects.values_list("at", "calls")}


def days_of(tenant: Tenant) -> list[int]:
    with tenant_scope(tenant.pk):
        return list(UsageDay.objects.order_by("at").values_list("calls", flat=True))


def test_minutes_become_hours_and_days(cast: Cast) -> None:
    api = uuid4()
    with tenant_scope(cast.acme.pk):
        called(2, ms=4, api=api)
        called(3, at=NOON + timedelta(minutes=59), ms=700, api=api)
        called(5, at=NOON + HOUR, api=api)
    with tenant_scope(cast.globex.pk):
        called(7)
    assert rolling.roll_up_all() == 3
    assert (hours(cast.acme), days_of(cast.acme)) == ({12: 5, 13: 5}, [10])
    assert (hours(cast.globex), days_of(cast.globex)) == ({12: 7}, [7])
    with tenant_scope(cast.acme.pk):
        row = UsageHour.objects.get(at=NOON)
        assert (row.api, row.bytes_in, row.bytes_out, row.duration_ms_sum) == (api, 500, 5_000, 2_108)
        assert (row.histogram[3], row.histogram[16], sum(row.histogram)) == (2, 3, 5)
        assert sum(UsageDay.objects.get().histogram) == 10
        assert not UsageOpenHour.objects.exists()
    assert rolling.roll_up_all() == 0


def test_what_calls_have_in_common_stays_apart(cast: Cast) -> None:
    keys: list[dict[str, Any]] = [
        {"api": None},
        {"application": uuid4()},
        {"status_class": 4, "code": "RATE_LIMITED"},
        {"operation": "getOrder"},
    ]
    with tenant_scope(cast.acme.pk):
        for key in keys:
            called(1, **key)
    rolling.roll_up_all()
    with tenant_scope(cast.acme.pk):
        assert (UsageHour.objects.count(), UsageDay.objects.count()) == (4, 4)


def test_twice_is_once_and_what_comes_late_is_added(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        called(2)
    rolling.roll_up_all()
    with tenant_scope(cast.acme.pk):
        rolling.open_hours([NOON])
        due.expect(rolling.JOB, NOON)
    assert rolling.roll_up_all() == 1
    assert (hours(cast.acme), days_of(cast.acme)) == ({12: 2}, [2])
    with tenant_scope(cast.acme.pk):
        called(1, at=NOON + timedelta(minutes=1))
    rolling.roll_up_all()
    assert (hours(cast.acme), days_of(cast.acme)) == ({12: 3}, [3])


def test_what_comes_late_to_minutes_that_were_deleted_takes_nothing_away(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        called(5)
    rolling.roll_up_all()
    with tenant_scope(cast.acme.pk):
        UsageMinute.objects.all().delete()
        called(1, at=NOON + timedelta(minutes=1))
    rolling.roll_up_all()
    assert (hours(cast.acme), days_of(cast.acme)) == ({12: 5}, [5])


def test_an_hour_is_rolled_up_once_it_is_over(cast: Cast) -> None:
    now = timezone.now().astimezone(UTC)
    with tenant_scope(cast.acme.pk):
        called(1, at=now)
        Due.objects.filter(tenant_id=cast.acme.pk, job=rolling.JOB).update(at=NOON)
    assert rolling.roll_up_all() == 0
    with tenant_scope(cast.acme.pk):
        assert UsageOpenHour.objects.count() == 1
        at = Due.objects.get(tenant_id=cast.acme.pk, job=rolling.JOB).at
    assert at == now.replace(minute=0, second=0, microsecond=0) + rolling.AFTER


def test_who_writes_and_who_rolls_up_wait_for_each_other(committed: None) -> None:
    """Whoever is claimed already; what is being written then is added up."""
    tenant = make.tenant()
    with tenant_scope(tenant.pk):
        called(1)
    rolled = threading.Event()

    def roll_up() -> None:
        try:
            rolling._roll_up(tenant.pk, time.monotonic() + 20)
        finally:
            connection.close()
            rolled.set()

    thread = threading.Thread(target=roll_up)
    with tenant_scope(tenant.pk):
        called(4, at=NOON + timedelta(minutes=1))
        thread.start()
        stays(lambda: not rolled.is_set())
    thread.join(20)
    assert hours(tenant) == {12: 5}


# --- what is kept


def test_a_tenant_keeps_as_long_as_it_says(cast: Cast) -> None:
    now = timezone.now().astimezone(UTC)
    with tenant_scope(cast.acme.pk):
        TenantSettings.objects.update(usage_minutes_days=5, usage_days=40)
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            for back in (4, 6, 29, 31):
                make.usage(at=now - timedelta(days=back))
            for back in (39, 41, 399, 401):
                make.usage(at=now - timedelta(days=min(back, 400)), of=UsageHour, api=UUID(int=back))
                make.usage(at=now - timedelta(days=back % 400), of=UsageDay, api=UUID(int=back))
            UsageHour.objects.filter(api=UUID(int=401)).update(at=now - timedelta(days=401))
            UsageDay.objects.filter(api=UUID(int=401)).update(at=now - timedelta(days=401))
            due.expect(rolling.PRUNE_JOB, NOON)
    rolling.prune_all()

    def left(tenant: Tenant) -> tuple[int, int, int]:
        with tenant_scope(tenant.pk):
            return UsageMinute.objects.count(), UsageHour.objects.count(), UsageDay.objects.count()

    assert (left(cast.acme), left(cast.globex)) == ((1, 1, 1), (3, 3, 3))
    assert Due.objects.filter(job=rolling.PRUNE_JOB, at__gt=now + timedelta(hours=23)).count() == 2
    assert rolling.prune_all() == 0


def test_a_tenant_without_rows_is_asked_no_more(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        make.usage(at=timezone.now() - timedelta(days=31))
        due.expect(rolling.PRUNE_JOB, NOON)
    assert rolling.prune_all() == 1
    assert not Due.objects.filter(job=rolling.PRUNE_JOB).exists()


def test_nobody_keeps_more_than_the_platform_does(cast: Cast, settings: Any) -> None:
    settings.USAGE_MINUTES_MOST_DAYS = 10
    with tenant_scope(cast.acme.pk):
        make.usage(at=timezone.now() - timedelta(days=11))
        due.expect(rolling.PRUNE_JOB, NOON)
    assert rolling.prune_all() == 1


def test_days_to_come_are_made_and_old_ones_dropped(cast: Cast, settings: Any) -> None:
    settings.USAGE_MINUTES_MOST_DAYS = 10
    with tenant_scope(cast.acme.pk):
        make.usage(at=timezone.now() - timedelta(days=12))
        make.usage(at=timezone.now() - timedelta(days=10))
    assert days.turn() == 1
    assert days.turn() == 0
    with tenant_scope(cast.acme.pk):
        assert UsageMinute.objects.count() == 1


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_rolled_up_counts_tell_the_same_percentile(cast: Cast, share: float) -> None:
    with tenant_scope(cast.acme.pk):
        called(95, ms=4)
        called(5, at=NOON + timedelta(minutes=1), ms=4_000)
    rolling.roll_up_all()
    with tenant_scope(cast.acme.pk):
        found = percentile(UsageHour.objects.get().histogram, share)
    assert found == {0.5: 3 + 2 * 50 / 95, 0.95: 5.0}[share]
