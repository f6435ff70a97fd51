"""Jobs that come due: claimed by lease, done once, given back by the dead."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from portal.settings import DATABASE_URL
from tenants import due, events
from tenants.models import Due, Tenant
from tenants.scope import current_tenant_id, tenant_scope
from tests import make

JOB = "test_job"


@pytest.fixture
def acme(transactional_db: None) -> Tenant:
    return make.tenant("acme")


def expect(tenant: Tenant, at: datetime) -> None:
    with tenant_scope(tenant.pk):
        due.expect(JOB, at)


def at(tenant: Tenant) -> datetime | None:
    return Due.objects.filter(tenant=tenant, job=JOB).values_list("at", flat=True).first()


def ago(**how_long: float) -> datetime:
    return timezone.now() - timedelta(**how_long)


def test_the_earliest_expectation_stands(acme: Tenant) -> None:
    early, late = ago(days=-1), ago(days=-2)
    expect(acme, late)
    expect(acme, early)
    expect(acme, late)
    assert at(acme) == early
    assert Due.objects.filter(job=JOB).count() == 1


def test_a_claim_is_a_lease_that_a_second_worker_respects(acme: Tenant) -> None:
    expect(acme, ago(seconds=1))
    assert due.claim(JOB, 10) == [acme.pk]
    assert due.claim(JOB, 10) == []
    lease = at(acme)
    assert lease is not None
    assert timedelta(minutes=4, seconds=50) < lease - timezone.now() <= timedelta(minutes=5, seconds=5)


def test_a_dead_workers_row_comes_back(acme: Tenant) -> None:
    expect(acme, ago(seconds=1))
    due.claim(JOB, 10)
    Due.objects.filter(job=JOB).update(at=ago(seconds=1))  # five minutes later
    assert due.claim(JOB, 10) == [acme.pk]


def test_what_is_not_due_yet_is_left_alone(acme: Tenant) -> None:
    expect(acme, ago(seconds=-60))
    assert due.claim(JOB, 10) == []


def test_what_is_away_for_all_is_waited_for_by_all(acme: Tenant) -> None:
    globex, later = make.tenant("globex"), ago(minutes=-5)
    expect(acme, ago(seconds=1))
    expect(globex, later)
    due.postpone(JOB, timedelta(seconds=30))
    wait = at(acme)
    assert wait is not None
    assert timedelta(seconds=25) < wait - timezone.now() <= timedelta(seconds=30)
    assert at(globex) == later
    assert due.claim(JOB, 10) == []


def test_a_job_runs_in_the_tenants_scope_under_its_lock(acme: Tenant) -> None:
    globex = make.tenant("globex")
    seen = []

    def work() -> datetime | None:
        events.require_lock()
        seen.append(current_tenant_id())
        return None

    expect(acme, ago(seconds=1))
    expect(globex, ago(seconds=2))
    assert due.run(JOB, work, limit=1) == 2
    assert seen == [globex.pk, acme.pk]
    assert at(acme) is None


def test_a_job_says_when_it_is_due_again(acme: Tenant) -> None:
    again = ago(days=-1)
    expect(acme, ago(seconds=1))
    assert due.run(JOB, lambda: again) == 1
    assert at(acme) == again
    assert due.run(JOB, lambda: again) == 0


def test_one_tenants_trouble_does_not_hold_up_the_others(acme: Tenant, caplog: Any) -> None:
    globex = make.tenant("globex")
    done = []

    def work() -> datetime | None:
        if current_tenant_id() == acme.pk:
            due.settle(JOB, None)
            raise ZeroDivisionError
        done.append(current_tenant_id())
        return None

    expect(acme, ago(seconds=2))
    expect(globex, ago(seconds=1))
    assert due.run(JOB, work) == 1
    assert done == [globex.pk]
    assert f"{JOB} failed for tenant {acme.pk}" in caplog.text
    left = at(acme)
    assert left is not None
    assert left > timezone.now()


def test_a_row_that_another_worker_is_claiming_is_skipped_not_waited_for(acme: Tenant) -> None:
    expect(acme, ago(seconds=1))
    with psycopg.connect(DATABASE_URL) as other:
        other.execute("SELECT 1 FROM tenants_due WHERE job = %s FOR UPDATE", [JOB])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        assert due.claim(JOB, 10) == []
        connection.close()
    assert due.claim(JOB, 10) == [acme.pk]


def test_no_more_are_claimed_than_were_asked_for_however_it_is_planned(acme: Tenant) -> None:
    """PostgreSQL may plan a join with what is taken so that it looks for that anew for each row."""
    expect(acme, ago(seconds=2))
    expect(make.tenant("globex"), ago(seconds=1))
    with transaction.atomic(), connection.cursor() as cursor:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        assert due.claim(JOB, 1) == [acme.pk]
        assert len(due.claim(JOB, 1)) == 1
