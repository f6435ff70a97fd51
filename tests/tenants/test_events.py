"""Events: one order per tenant, without gaps, chained, on the record for good."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.utils import timezone

from apis.models import Api
from keys.models import Application
from portal.settings import DATABASE_OWNER_URL, DATABASE_URL
from tenants import events
from tenants.event_kinds import GATEWAY_KINDS, KINDS, PLATFORM_KINDS
from tenants.models import Event, EventFields, PlatformEvent, Tenant
from tenants.scope import held_lock, tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base


def happened(kind: str = "application.created", **data: Any) -> Event:
    return events.record(kind, Tenant.objects.get(slug="acme"), by=None, **data)


def broken_links(rows: list[Any], chain: str) -> list[int]:
    """Numbers of events that do not follow from the one before."""
    broken, digest, number = [], "0" * 64, 0
    for row in rows:
        if row.number != number + 1 or row.previous != digest or events.digest_of(row, chain=chain) != row.digest:
            broken.append(row.number)
        digest, number = row.digest, row.number
    return broken


def test_an_action_without_the_lock_is_a_defect(in_acme: Cast) -> None:
    with pytest.raises(RuntimeError, match="events.lock"), tenant_scope(in_acme.acme.pk):
        happened()


def test_the_lock_is_lost_with_the_savepoint_it_was_taken_in(in_acme: Cast) -> None:
    with pytest.raises(ZeroDivisionError), tenant_scope(in_acme.acme.pk):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            events.lock()
            raise ZeroDivisionError
        assert held_lock() is None
        with transaction.atomic():
            assert held_lock() is None
        with pytest.raises(RuntimeError, match="events.lock"):
            happened()
        raise ZeroDivisionError


def test_the_lock_stands_in_savepoints_inside_and_after_them(in_acme: Cast) -> None:
    events.lock()
    with transaction.atomic():
        assert held_lock() is not None
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        raise ZeroDivisionError
    assert held_lock() is not None


def test_a_nested_tenant_needs_a_lock_of_its_own(in_acme: Cast) -> None:
    events.lock()
    with tenant_scope(in_acme.globex.pk):
        assert held_lock() is None
    assert held_lock() is not None


def test_numbers_have_no_gaps_where_a_recorded_action_was_rolled_back(in_acme: Cast) -> None:
    events.lock()
    first = happened()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        happened()
        raise ZeroDivisionError
    assert happened().number == first.number + 1
    assert broken_links(list(Event.objects.order_by("number")), str(in_acme.acme.pk)) == []


def test_everything_done_to_a_tenant_makes_one_unbroken_chain(in_acme: Cast) -> None:
    make.subscription(status="suspended")
    make.credential()
    rows = list(Event.objects.order_by("number"))
    assert len(rows) > 12
    assert broken_links(rows, str(in_acme.acme.pk)) == []
    assert broken_links(rows, str(in_acme.globex.pk)) == [row.number for row in rows]


def test_the_platforms_chain_is_unbroken_too(cast: Cast) -> None:
    events.record_platform("login.refused", cast.pam, by=None)
    rows = list(PlatformEvent.objects.order_by("number"))
    assert len(rows) == 3
    assert broken_links(rows, "platform") == []


@pytest.mark.parametrize(
    "column,value",
    [
        ("actor_name", "'Somebody else'"),
        ("kind", "'subscription.rejected'"),
        ("data", """'{"reason": "another"}'"""),
        ("at", "at + interval '1 microsecond'"),
        ("subject_id", "gen_random_uuid()"),
        ("ip", "'192.0.2.1'"),
        ("number", "number + 100"),
        ("digest", "repeat('1', 64)"),
    ],
)
def test_the_chain_breaks_where_even_the_owner_altered_a_row(transactional_db: None, column: str, value: str) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk):
        make.subscription()
        last = Event.objects.order_by("number").last()
        assert last is not None
        altered = last.number - 2
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(acme.pk)])
        changed = owner.execute(f"UPDATE tenants_event SET {column} = {value} WHERE number = %s", [altered])
        assert changed.rowcount == 1
    with tenant_scope(acme.pk):
        broken = broken_links(list(Event.objects.order_by("number")), str(acme.pk))
    assert broken[0] in {altered, altered + 1}


def test_the_chain_breaks_where_a_row_is_missing(transactional_db: None) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk):
        make.subscription()
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(acme.pk)])
        assert owner.execute("DELETE FROM tenants_event WHERE number = 3").rowcount == 1
    with tenant_scope(acme.pk):
        assert broken_links(list(Event.objects.order_by("number")), str(acme.pk)) == [4]


@pytest.mark.parametrize("table", ["tenants_event", "tenants_platformevent"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET kind = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_serving_role_can_only_add_to_the_record(in_acme: Cast, table: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


def test_the_vocabulary_is_closed(in_acme: Cast) -> None:
    events.lock()
    with pytest.raises(ValueError, match="vocabulary"):
        happened("application.renamed")
    with pytest.raises(ValueError, match="vocabulary"):
        events.record_platform("application.created", in_acme.acme, by=None)
    assert set(GATEWAY_KINDS) <= KINDS


def test_the_record_says_who_where_and_what(cast: Cast, rest: Rest) -> None:
    response = rest(cast.carl).post(
        f"{base(cast.acme)}/applications/",
        {"name": "Shop", "purpose": "Sells."},
        headers={"user-agent": "Tests/1", "x-request-id": "abc-1"},
    )
    assert response.status_code == 201
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
    assert (event.kind, event.actor_id, event.actor_name) == ("application.created", cast.carl.pk, "Carl")
    assert (event.subject_type, str(event.subject_id), event.subject_name) == (
        "application",
        response.json()["id"],
        "Shop",
    )
    assert (event.ip, event.user_agent, event.request_id) == ("127.0.0.1", "Tests/1", "abc-1")
    assert response["X-Request-ID"] == "abc-1"


def test_a_job_is_on_the_record_as_portico(in_acme: Cast) -> None:
    events.lock()
    event = happened()
    assert (event.actor_id, event.actor_name, event.ip, event.request_id) == (None, "Portico", "", "")


def test_the_clock_is_the_databases(in_acme: Cast) -> None:
    lock = events.lock()
    assert events.now() == lock.now
    assert abs((timezone.now() - lock.now).total_seconds()) < 5
    assert events.lock().now >= lock.now


# --- what gateways hear ------------------------------------------------------------------------------------------


@pytest.fixture
def heard(transactional_db: None) -> Iterator[Any]:
    """What a listener on a connection of its own has heard so far: notices come in the order of commits, so one of our own is the last."""
    with psycopg.connect(DATABASE_URL, autocommit=True) as listener, psycopg.connect(DATABASE_URL, autocommit=True) as speaker:
        listener.execute(f"LISTEN {events.CHANNEL}")

        def all_heard() -> list[str]:
            speaker.execute(f"NOTIFY {events.CHANNEL}, 'that is all'")
            found: list[str] = []
            for notice in listener.notifies(timeout=20):
                if notice.payload == "that is all":
                    return found
                found.append(notice.payload)
            raise AssertionError("PostgreSQL told nothing.")

        yield all_heard


def test_gateways_hear_of_what_concerns_them_and_of_nothing_else(heard: Any) -> None:
    acme = make.tenant("acme")
    heard()
    for kind in sorted(KINDS):
        with tenant_scope(acme.pk):
            events.lock()
            happened(kind)
            assert heard() == [], f"{kind}: nothing is true before the commit"
        change = GATEWAY_KINDS.get(kind)
        assert heard() == ([f"{acme.pk} {'soon' if change.gathered else 'now'}"] if change else []), kind


def test_gateways_do_not_hear_of_what_was_rolled_back(heard: Any) -> None:
    acme = make.tenant("acme")
    heard()
    with pytest.raises(ZeroDivisionError), tenant_scope(acme.pk):
        events.lock()
        happened("subscription.approved")
        raise ZeroDivisionError
    assert heard() == []


# --- two at once -------------------------------------------------------------------------------------------------


def at_once(*works: Any) -> list[BaseException]:
    """Run each in a thread with a connection of its own, started together; what they raised."""
    start, raised = threading.Barrier(len(works)), []

    def run(work: Any) -> None:
        try:
            start.wait(10)
            work()
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "they wait for each other"
    return raised


def test_racing_transactions_share_no_number_and_never_deadlock(transactional_db: None) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk):
        rows = [make.application().pk, make.api().pk]

    def work(first: int) -> None:
        for _ in range(15):
            with tenant_scope(acme.pk):
                events.lock()
                # Two rows in opposite orders: without the lock before them this deadlocks.
                for which in (first, 1 - first):
                    model: Any = (Application, Api)[which]
                    assert model.objects.filter(pk=rows[which]).update(name=f"Name {first}") == 1
                happened()

    assert at_once(*(lambda first=first: work(first) for first in (0, 1, 0, 1))) == []
    with tenant_scope(acme.pk):
        assert broken_links(list(Event.objects.order_by("number")), str(acme.pk)) == []
        assert Event.objects.filter(kind="application.created").count() == 61


def test_racing_tenants_do_not_wait_for_each_other(transactional_db: None) -> None:
    acme, globex = make.tenant("acme"), make.tenant("globex")
    with tenant_scope(acme.pk):
        events.lock()

        def other() -> None:
            with tenant_scope(globex.pk), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                events.lock()

        assert at_once(other) == []


def test_without_the_lock_the_second_waits_for_the_first(transactional_db: None) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk):
        events.lock()

        def other() -> None:
            with tenant_scope(acme.pk), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '100ms'")
                events.lock()

        raised = at_once(other)
    assert isinstance(raised[0], DatabaseError)
    assert "lock timeout" in str(raised[0])


def test_every_event_field_is_in_the_digest(in_acme: Cast) -> None:
    event = Event.objects.latest("number")
    true = event.digest
    for field in EventFields._meta.fields:
        if field.name == "digest":
            continue
        changed = Event.objects.get(pk=event.pk)
        setattr(changed, field.attname, "other")
        assert events.digest_of(changed, chain=str(in_acme.acme.pk)) != true, field.name


def test_platform_kinds_are_apart() -> None:
    assert "login.succeeded" in PLATFORM_KINDS
    # What is found at a gateway concerns the tenant and its operator alike.
    both = {"gateway.drift_repaired", "gateway.serves_other"}
    assert {kind for kind in PLATFORM_KINDS & KINDS if not kind.startswith("tenant.")} == both
