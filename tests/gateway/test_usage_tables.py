"""The tables of usage: their partitions, who may read them, and what adds up."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from gateway.models import UsageMinute
from tenants.checks import every_tenant_table_is_guarded
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, as_owner


def partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'gateway_usageminute'::regclass ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def asked(function: str, day: date) -> bool | int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [day])
        found: bool | int = cursor.fetchone()[0]
        return found


def today() -> datetime:
    return timezone.now().astimezone(UTC)


def test_a_day_is_made_once(cast: Cast) -> None:
    day = today().date() + timedelta(days=20)
    assert asked("gateway_usage_day", day) is True
    assert asked("gateway_usage_day", day) is False
    assert f"gateway_usageminute_{day:%Y%m%d}" in partitions()


@pytest.mark.parametrize("away", [-401, 32])
def test_no_day_is_made_far_away(cast: Cast, away: int) -> None:
    with pytest.raises(DatabaseError, match="No partition is made"), transaction.atomic():
        asked("gateway_usage_day", today().date() + timedelta(days=away))


def test_old_days_are_dropped_and_young_ones_never(cast: Cast) -> None:
    old = today() - timedelta(days=9)
    with tenant_scope(cast.acme.pk):
        make.usage(at=old)
    assert asked("gateway_usage_drop", old.date()) == 0
    assert asked("gateway_usage_drop", old.date() + timedelta(days=1)) == 1
    with pytest.raises(DatabaseError, match="younger than two days"), transaction.atomic():
        asked("gateway_usage_drop", today().date())
    with tenant_scope(cast.acme.pk):
        assert UsageMinute.objects.count() == 0


def test_a_minute_is_of_one_tenant_whichever_name_of_the_table_is_asked(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        make.usage(3)
    name = f"gateway_usageminute_{today():%Y%m%d}"
    with tenant_scope(cast.globex.pk):
        assert UsageMinute.objects.count() == 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM gateway_usageminute")
            assert cursor.fetchone()[0] == 0
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {name}")
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            make.usage(tenant_id=cast.acme.pk)


def test_the_same_calls_have_one_row_though_nothing_is_known_of_them(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        at = today()
        make.usage(at=at)
        make.usage(at=at, api=uuid4())
        with pytest.raises(IntegrityError, match="_at_"), transaction.atomic():
            make.usage(at=at)


def test_a_partition_without_row_security_is_found(committed: None) -> None:
    name = f"gateway_usageminute_{today():%Y%m%d}"
    assert list(every_tenant_table_is_guarded()) == []
    for off, on in (("DISABLE", "ENABLE"), ("NO FORCE", "FORCE")):
        with as_owner(), connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {name} {off} ROW LEVEL SECURITY")
        try:
            assert [each.msg for each in every_tenant_table_is_guarded()] == [f"{name} has no forced row security."]
        finally:
            with as_owner(), connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE {name} {on} ROW LEVEL SECURITY")
