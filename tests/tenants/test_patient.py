"""Nobody waits for PostgreSQL without end, and what may have been done is not told as if it had not."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.urls import get_resolver

from portal.errors import AWAY, UNKNOWN
from tenants.models import Tenant
from tenants.patient import Patience, UnknownOutcomeError, may_be_done
from tenants.patient.base import Connection
from tests import make
from tests.fault_proxy import FaultProxy, Mode

SECONDS = 2.0
# What a busy machine takes besides.
MORE = 4


@pytest.fixture
def proxy(committed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    """Between this process and PostgreSQL."""
    folder = tmp_path_factory.mktemp("d")
    made = FaultProxy(folder / ".s.PGSQL.5432", Path(settings.DATABASE_DIRECT_URL.partition("?host=")[2]) / ".s.PGSQL.5432")
    connection.close()
    was = connection.settings_dict["HOST"]
    connection.settings_dict["HOST"] = str(folder)
    try:
        yield made
    finally:
        made.set(Mode.PASS)
        connection.close()
        connection.settings_dict["HOST"] = was
        made.stop()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "seconds", SECONDS)


def asks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("mode", [Mode.STALL, Mode.HALF, Mode.LOST], ids=str)
def test_a_statement_that_is_not_answered_ends(proxy: FaultProxy, patient: None, mode: Mode) -> None:
    assert asks() == 1
    proxy.set(mode)
    began = time.monotonic()
    with pytest.raises(OperationalError, match=f"did not answer within {SECONDS:g} seconds"):
        asks()
    assert time.monotonic() - began < SECONDS + MORE
    proxy.set(Mode.PASS)
    # The connection is gone: what it would answer now is of another statement.
    assert not connection.is_usable()
    connection.close()
    assert asks() == 1


def test_a_lock_that_is_not_given_ends_the_wait_too(proxy: FaultProxy, patient: None) -> None:
    with transaction.atomic():
        pk = make.tenant("locked").pk
    with pytest.raises(OperationalError, match="did not answer"), transaction.atomic():
        other = Connection.connect(**connection.get_connection_params())
        other.execute("SELECT FROM tenants_tenant WHERE id = %s FOR UPDATE", [pk])
        Tenant.objects.select_for_update().get(pk=pk)
    other.close()


def test_whoever_works_through_waits_as_long_as_it_takes(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs and commands have no such limit."""
    assert Patience.seconds is None
    assert asks() == 1
    proxy.set(Mode.STALL)
    proxy._loop.call_soon_threadsafe(proxy._loop.call_later, 2 * SECONDS, lambda: proxy._loop.create_task(proxy._set(Mode.PASS)))
    assert asks() == 1


def test_what_was_lost_while_it_committed_may_have_been_done(proxy: FaultProxy, patient: None) -> None:
    slug = "perhaps"
    with pytest.raises(OperationalError) as told, transaction.atomic():
        make.tenant(slug)
        proxy.set_after(b"COMMIT", Mode.HALF)
    assert may_be_done(told.value)
    proxy.set(Mode.PASS)
    connection.close()
    # It was.
    assert Tenant.objects.filter(slug=slug).exists()


def test_what_was_lost_before_was_not_done(proxy: FaultProxy, patient: None) -> None:
    slug = "not-at-all"
    with pytest.raises(OperationalError) as told, transaction.atomic():
        make.tenant(slug)
        proxy.set(Mode.STALL)
        asks()
    assert not may_be_done(told.value)
    proxy.set(Mode.PASS)
    connection.close()
    assert not Tenant.objects.filter(slug=slug).exists()


LOST = [(psycopg.OperationalError("gone"), AWAY), (UnknownOutcomeError("gone"), UNKNOWN)]


@pytest.mark.parametrize(("error", "says"), LOST, ids=["before", "while it committed"])
def test_people_and_programs_are_told_which(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch, error: psycopg.OperationalError, says: Any
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise OperationalError(str(error)) from error

    # Whoever imported it only now would have lost it for good.
    assert get_resolver().url_patterns
    monkeypatch.setattr("tenants.middleware.tenant_id_of", lost)
    client.raise_request_exception = False
    page = client.get("/t/acme/", headers={"accept": "text/html"})
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert str(says) in page.content.decode().replace("&#x27;", "'")
    answer = client.get("/api/v1/tenants/acme/apis/")
    assert (answer.status_code, answer.json()["detail"], answer.json()["code"]) == (503, str(says), "away")


def test_the_other_end_is_looked_after() -> None:
    """Over TCP a machine that is gone is noticed, however long a job may take."""
    options = settings.DATABASES["default"]["OPTIONS"]
    assert {name: options[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
        "connect_timeout": "5",
        "keepalives_idle": "15",
        "tcp_user_timeout": "30000",
    }
