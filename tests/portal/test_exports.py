"""All of a tenant's data leaves as a file: every column but the secrets, in one picture, to its admins alone."""

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
from django.test import Client

from portal import exports
from portal.settings import DATABASE_URL
from tenants.checks import tenant_models
from tenants.models import Tenant
from tests.conftest import Rest, base, queries
from tests.tenants.test_closing import kinds
from tests.tenants.test_isolation import World, world

__all__ = ["world"]


def exported(tenant: Tenant) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(exports.lines(tenant)).splitlines()]


def test_every_column_of_every_table_is_exported_or_left_out_with_a_reason(db: None, world: World) -> None:
    header, *rows, end = exported(world.cast.acme)
    assert header["tenant"] == {"id": str(world.cast.acme.pk), "slug": "acme", "name": "Acme", "status": "active"}
    assert header["left_out"] == exports.LEFT_OUT
    found: dict[str, set[str]] = {}
    for row in rows:
        assert found.setdefault(row["table"], set(row["row"])) == set(row["row"])
    for model in tenant_models():
        table = model._meta.db_table
        every = {field.column for field in model._meta.concrete_fields if not field.generated}
        left_out = {name.partition(".")[2] for name in exports.LEFT_OUT if name.startswith(f"{table}.")}
        assert found.pop(table) == every - left_out, table
        assert left_out <= every, table
    assert found == {"tenants_user": {"id", "email", "name"}}
    assert end["rows"] == {table: sum(row["table"] == table for row in rows) for table in end["rows"]}
    assert sum(end["rows"].values()) == len(rows)


def test_what_sounds_like_a_secret_is_left_out() -> None:
    names = [f"{model._meta.db_table}.{field.column}" for model in tenant_models() for field in model._meta.concrete_fields]
    suspicious = {name for name in names if re.search(r"sealed|hmac|nonce|secret|jti|pepper|password|passphrase|private", name)}
    # No secrets, but of no use to anybody either.
    useless = {"keys_identityprovider.era", "gateway_loggedcontent.request", "gateway_loggedcontent.answer"}
    assert suspicious | useless == set(exports.LEFT_OUT)
    assert all(exports.LEFT_OUT.values())


def test_an_export_holds_one_tenant_and_its_people(db: None, world: World) -> None:
    text = b"".join(exports.lines(world.cast.acme)).decode()
    for stranger in (world.cast.globex.pk, world.cast.eve.pk, world.cast.eve.email, "orders-of-eve"):
        assert str(stranger) not in text
    people = {row["row"]["email"] for row in exported(world.cast.acme)[1:-1] if row["table"] == "tenants_user"}
    assert people == {each.email for each in (world.cast.pam, world.cast.ada, world.cast.carl)} | {"deputy-of-carl@example.com"}


def test_two_exports_of_one_tenant_are_alike_but_for_the_hour(db: None, world: World) -> None:
    first, second = exported(world.cast.acme), exported(world.cast.acme)
    assert first[1:] == second[1:]


def test_one_export_of_a_tenant_at_a_time(db: None, world: World, rest: Rest) -> None:
    running = exports.lines(world.cast.acme)
    next(running)
    response = rest(world.cast.ada).post(f"{base(world.cast.acme)}/export/")
    assert (response.status_code, "already" in response.json()["detail"]) == (409, True)
    assert "tenant.exported" not in kinds(world.cast.acme)
    assert exported(world.cast.globex)
    running.close()  # type: ignore[attr-defined]
    assert exported(world.cast.acme)


def test_an_export_is_a_file_and_an_event(db: None, world: World, rest: Rest) -> None:
    with queries("POST export/"):
        response = rest(world.cast.ada).post(f"{base(world.cast.acme)}/export/")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/jsonl")
    assert re.fullmatch(r'attachment; filename="acme-\d{4}-\d\d-\d\d\.jsonl"', response.headers["Content-Disposition"])
    assert json.loads(b"".join(response.streaming_content).splitlines()[-1])["end"] is True  # type: ignore[attr-defined]
    assert kinds(world.cast.acme)[-1] == "tenant.exported"


def test_what_happens_during_an_export_is_not_in_it(db: None, world: World) -> None:
    """It is one picture, whatever is written and committed meanwhile."""
    running: Iterator[bytes] = exports.lines(world.cast.globex)
    with psycopg.connect(DATABASE_URL, autocommit=True) as other:
        other.execute("UPDATE tenants_user SET name = 'Evelyn' WHERE id = %s", [world.cast.eve.pk])
        try:
            assert b"Evelyn" not in b"".join(running)
            assert b"Evelyn" in b"".join(exports.lines(world.cast.globex))
        finally:
            other.execute("UPDATE tenants_user SET name = 'Eve' WHERE id = %s", [world.cast.eve.pk])


def test_the_page_sends_the_file(db: None, world: World) -> None:
    client = Client()
    client.force_login(world.cast.ada)
    assert "Export all data of Acme?" in client.get("/t/acme/console/settings/export/").content.decode()
    response = client.post("/t/acme/console/settings/export/")
    assert b"".join(response.streaming_content).startswith(b'{"portico_export":1')  # type: ignore[attr-defined]
