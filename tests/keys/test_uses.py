"""How much each credential is used: counted in batches, and the first time told."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.utils import timezone

from keys import uses
from keys.models import Credential, CredentialUse
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    uses._tokens.clear()
    yield
    uses._tokens.clear()


@pytest.fixture
def shop(in_acme: Cast) -> Credential:
    return make.credential()[0]


def counted(credential: Credential) -> list[tuple[int, int]]:
    return list(CredentialUse.objects.filter(credential=credential).order_by("day").values_list("tokens", "calls"))


def firsts() -> list[Event]:
    return list(Event.objects.filter(kind="credential.first_used").order_by("number"))


def test_uses_add_up_per_day_and_the_first_is_told_once(in_acme: Cast, shop: Credential) -> None:
    uses.store(in_acme.acme.pk, tokens={shop.pk: 1})
    first = CredentialUse.objects.get()
    uses.store(in_acme.acme.pk, calls={shop.pk: 5})
    uses.store(in_acme.acme.pk, tokens={shop.pk: 2}, calls={shop.pk: 3})
    assert counted(shop) == [(3, 8)]
    now = CredentialUse.objects.get()
    assert now.day == datetime.now(UTC).date()
    assert first.first_at == now.first_at <= now.last_at
    [told] = firsts()
    assert (told.actor_id, told.subject_id, told.data) == (None, shop.pk, {"application": shop.application.name})


def test_another_day_is_another_row_and_no_first_time(in_acme: Cast, shop: Credential) -> None:
    uses.store(in_acme.acme.pk, calls={shop.pk: 5})
    yesterday = timezone.now() - timedelta(days=1)
    CredentialUse.objects.update(day=yesterday.date(), first_at=yesterday, last_at=yesterday)
    uses.store(in_acme.acme.pk, calls={shop.pk: 2})
    assert counted(shop) == [(0, 5), (0, 2)]
    assert len(firsts()) == 1


def test_a_batch_for_many_takes_one_statement_and_the_lock_only_for_new_ones(in_acme: Cast, django_assert_num_queries: object) -> None:
    many = [make.credential(make.application())[0] for _ in range(12)]
    uses.store(in_acme.acme.pk, calls={each.pk: 1 for each in many})
    assert len(firsts()) == 12
    with django_assert_num_queries(6) as found:  # type: ignore[operator]
        uses.store(in_acme.acme.pk, calls={each.pk: 1 for each in many})
    assert not [query for query in found.captured_queries if "FOR UPDATE" in query["sql"]]
    assert {counted(each)[0] for each in many} == {(0, 2)}


def test_what_is_unknown_or_another_tenants_is_nobodys(cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        eves, _ = make.credential()
    with tenant_scope(cast.acme.pk):
        carls, _ = make.credential()
    uses.store(cast.acme.pk, calls={eves.pk: 7, uuid4(): 7, carls.pk: 1})
    with tenant_scope(cast.acme.pk):
        assert list(CredentialUse.objects.values_list("credential_id", "calls")) == [(carls.pk, 1)]
    with tenant_scope(cast.globex.pk):
        assert not CredentialUse.objects.exists()
        assert not firsts()


def test_tokens_wait_for_the_next_flush_and_are_written_once(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        carls, _ = make.credential()
    with tenant_scope(cast.globex.pk):
        eves, _ = make.credential()
    for _ in range(3):
        uses.note_token(cast.acme.pk, carls.pk)
    uses.note_token(cast.globex.pk, eves.pk)
    with tenant_scope(cast.acme.pk):
        assert counted(carls) == [], "nothing is written while a token is issued"
    uses.flush()
    uses.flush()
    for tenant, credential, many in ((cast.acme, carls, 3), (cast.globex, eves, 1)):
        with tenant_scope(tenant.pk):
            assert counted(credential) == [(many, 0)]


def test_what_postgresql_is_away_for_waits_and_what_it_refuses_is_dropped(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenant_scope(cast.acme.pk):
        carls, _ = make.credential()
    uses.note_token(cast.acme.pk, carls.pk)
    for error, waits in ((OperationalError("away"), True), (DatabaseError("no"), False)):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            # One more comes in meanwhile.
            uses.note_token(cast.acme.pk, carls.pk)
            raise error

        monkeypatch.setattr(uses, "store", fail)
        before = uses._tokens[cast.acme.pk, carls.pk]
        uses.flush()
        assert uses._tokens[cast.acme.pk, carls.pk] == (before if waits else 0) + 1
    monkeypatch.undo()
    uses.flush()
    with tenant_scope(cast.acme.pk):
        assert counted(carls) == [(1, 0)]


def test_two_processes_that_see_a_credential_first_tell_it_once(transactional_db: None) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk):
        credentials = [make.credential(make.application())[0].pk for _ in range(8)]
    start = threading.Barrier(4)
    failed: list[Exception] = []

    def process(backwards: bool) -> None:
        try:
            start.wait()
            for _ in range(5):
                uses.store(acme.pk, calls=dict.fromkeys(credentials[::-1] if backwards else credentials, 1))
        except DatabaseError as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=process, args=(number % 2 == 0,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    with tenant_scope(acme.pk):
        assert list(CredentialUse.objects.values_list("calls", flat=True)) == [20] * 8
        assert len(firsts()) == 8
