"""A tenant whose time is over is erased, all of it and nothing else; until then nothing is."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from apis.models import Api
from gateway import erasing
from keys import audit_proof
from keys.actions import audit_keys
from tenants import due, events
from tenants.actions import add_tenant
from tenants.errors import NotAllowed
from tenants.models import Due, ErasedTenant, Event, PlatformEvent, ServiceAccount, Tenant, User
from tenants.people import tenants
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Rest, as_owner, base
from tests.portal.account_letters import folder, letters
from tests.tenants.test_closing import closed, now, suspended, time_is_over
from tests.tenants.test_isolation import TABLES, World, rows_seen, world

__all__ = ["folder", "world"]


def counts(tenant_id: UUID) -> dict[str, int]:
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE tenant_id = %s", [tenant_id])
            found[table] = cursor.fetchone()[0]
    return found


def test_all_of_it_is_gone_and_the_certificate_says_what(db: None, world: World) -> None:
    cast = world.cast
    time_is_over(closed(cast))
    before, others = counts(cast.acme.pk), counts(cast.globex.pk)
    with tenant_scope(cast.acme.pk):
        head = Event.objects.order_by("-number")[0]
        services = list(ServiceAccount.objects.values_list("user_id", flat=True))
    assert erasing.erase_all() == 1
    assert all(before.values())
    assert all(rows_seen(table, cast.acme.pk) == set() for table in TABLES)
    assert counts(cast.globex.pk) == others
    assert not Tenant.objects.filter(slug="acme").exists()
    assert not Due.objects.filter(tenant_id=cast.acme.pk).exists()
    erased = ErasedTenant.objects.get(slug="acme")
    keys = audit_proof.read_keys(json.dumps({"keys": audit_keys.public()}))
    told = audit_proof.opened(erased.certificate, keys, kind=erasing.CERTIFICATE)
    assert {table: told["rows"][table] for table in TABLES} == before
    assert told["events"] == {"number": head.number, "digest": head.digest}
    assert (told["tenant"]["slug"], told["closed"]["by"], told["closed"]["reason"]) == ("acme", str(cast.ada), "Moving.")
    assert PlatformEvent.objects.get(kind="tenant.erased").subject_id == cast.acme.pk
    # People keep their accounts; automation goes with the tenant.
    assert User.objects.filter(pk__in=[cast.ada.pk, cast.carl.pk]).count() == 2
    assert services
    assert not User.objects.filter(pk__in=services).exists()
    with pytest.raises(NotAllowed, match="never given twice"):
        add_tenant(slug="acme", name="Acme again", by=None)
    # A second run finds nothing to do.
    assert erasing.erase_all() == 0


def test_its_admins_get_the_certificate_and_operators_find_it(db: None, world: World, rest: Rest, folder: Path) -> None:
    cast = world.cast
    with tenant_scope(cast.acme.pk):
        make.member(cast.acme, "gone@acme.example", "admin")
        User.objects.filter(email="gone@acme.example").update(is_active=False)
    time_is_over(closed(cast))
    signed_in = Client()
    signed_in.force_login(cast.olga)
    assert rest(cast.olga).get("/api/v1/platform/tenants/acme/erasure/").status_code == 404
    erasing.erase_all()
    erased = ErasedTenant.objects.get(slug="acme")
    mails = [each for each in letters(folder) if each.subject == "A tenant was erased"]
    assert [each.to for each in mails] == [cast.ada.email]
    assert mails[0].attached == {"acme-erasure.jwt": erased.certificate.encode()}
    assert "Acme at" in mails[0].text
    assert mails[0].link == "/.well-known/portico-audit-keys"
    page = signed_in.get("/platform/erased/?q=acm").content.decode()
    address = f"/platform/erased/{cast.acme.pk}/certificate/"
    assert address in page
    assert signed_in.get(address).content.decode() == erased.certificate
    assert rest(cast.olga).get("/api/v1/platform/tenants/acme/erasure/").json()["certificate"] == erased.certificate
    assert rest(cast.eve).get("/api/v1/platform/tenants/acme/erasure/").status_code == 404
    stranger = Client()
    stranger.force_login(cast.eve)
    assert stranger.get(address).status_code == 404
    assert "No tenant is like that" in signed_in.get("/platform/erased/?q=globex").content.decode()


def test_a_certificate_that_is_not_signed_yet_is_not_given_away(db: None, world: World, rest: Rest, folder: Path) -> None:
    cast = world.cast
    time_is_over(closed(cast))
    with pytest.MonkeyPatch.context() as keys_away:
        keys_away.setattr(erasing, "sign", lambda: None)
        erasing.erase_all()
    signed_in = Client()
    signed_in.force_login(cast.olga)
    address = f"/platform/erased/{cast.acme.pk}/certificate/"
    assert "Being signed" in signed_in.get("/platform/erased/").content.decode()
    over_rest = "/api/v1/platform/tenants/acme/erasure/"
    assert signed_in.get(address).status_code == 404
    assert rest(cast.olga).get(over_rest).status_code == 404
    assert letters(folder) == []
    erasing.sign()
    assert signed_in.get(address).status_code == 200
    assert rest(cast.olga).get(over_rest).status_code == 200
    assert len(letters(folder)) == 1


def test_an_erased_tenant_looks_as_if_it_had_never_been(db: None, world: World, rest: Rest) -> None:
    cast = world.cast
    # Its slug is remembered for some seconds.
    assert rest(cast.ada).get(f"{base(cast.acme)}/").status_code == 200
    time_is_over(closed(cast))
    erasing.erase_all()
    for path in (f"{base(cast.acme)}/", "/t/acme/", "/t/acme/.well-known/jwks.json", "/.well-known/oauth-authorization-server/t/acme"):
        client = rest(cast.ada)
        client.force_login(cast.ada)
        assert client.get(path).status_code == 404, path
    assert rest(cast.ada).post(f"{base(cast.acme)}/export/").status_code == 404


def test_nothing_is_erased_before_its_time(db: None, world: World) -> None:
    cast = world.cast
    for tenant in (cast.acme, suspended(world.cast), closed(world.cast)):
        with (
            pytest.raises(DatabaseError, match="not closing, or its time is not over"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT tenants_erase(%s)", [tenant.pk])
    due_again = []
    with tenant_scope(cast.acme.pk):
        due.expect(tenants.ERASE_JOB, timezone.now())
        events.lock()
        due_again.append(erasing.erase())
    assert due_again == [now(cast.acme).erase_at]
    assert all(counts(cast.acme.pk).values())


def test_a_tenant_that_was_reopened_is_left_alone(db: None, world: World) -> None:
    cast = world.cast
    closed(cast)
    with tenant_scope(cast.acme.pk):
        tenants.reopen(by=cast.ada)
        due.expect(tenants.ERASE_JOB, timezone.now() - timedelta(days=1))
    erasing.erase_all()
    assert now(cast.acme).status == "active"
    assert not Due.objects.filter(tenant=cast.acme, job=tenants.ERASE_JOB).exists()


def test_a_row_that_is_overlooked_stops_the_erasure(world: World, django_db_blocker: Any) -> None:
    """As a policy would that hides rows from who deletes."""
    cast = world.cast
    with django_db_blocker.unblock():
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("CREATE POLICY hidden ON apis_plan AS RESTRICTIVE FOR DELETE USING (false)")
        try:
            with pytest.raises(IntegrityError), transaction.atomic():
                time_is_over(closed(cast))
                with connection.cursor() as cursor:
                    cursor.execute("SELECT tenants_erase(%s)", [cast.acme.pk])
        finally:
            with as_owner(), connection.cursor() as cursor:
                cursor.execute("DROP POLICY hidden ON apis_plan")
        with tenant_scope(cast.acme.pk):
            assert Api.objects.exists()
        assert now(cast.acme).status == "active"
        connection.close()


def test_the_function_is_for_the_role_that_serves_and_is_the_only_way(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_function_privilege('portico_backup', 'tenants_erase(uuid)', 'EXECUTE'),"
            " has_function_privilege('portico_app', 'tenants_erase(uuid)', 'EXECUTE'), prosecdef, proconfig"
            " FROM pg_proc WHERE proname = 'tenants_erase'"
        )
        assert cursor.fetchone() == (False, True, True, ["search_path=pg_catalog, public, pg_temp"])
    for statement in ("DELETE FROM tenants_tenant", "DELETE FROM tenants_erasedtenant"):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_the_scope_is_as_before_after_an_erasure(db: None, world: World) -> None:
    cast = world.cast
    time_is_over(closed(cast))
    with tenant_scope(cast.globex.pk):
        with connection.cursor() as cursor:
            cursor.execute("SELECT tenants_erase(%s)", [cast.acme.pk])
        assert set(Api.objects.values_list("tenant_id", flat=True)) == {cast.globex.pk}
