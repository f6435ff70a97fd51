"""A dump, restored elsewhere: with the key-encryption key it is the same Portico, without it nothing in it can be read."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from joserfc import jwt
from joserfc.jwk import KeySet

from apis.actions import publishing
from keys.actions import signing
from keys.kek import kek
from keys.keks.file import FileKek
from keys.models import SigningKey
from keys.rewrapping import sealed_columns, sealed_models, shared_sealed_models
from portal.stack import Postgres, ports, roles
from portal.stack.parts import Parts
from portal.stack.places import Places
from portal.stack.processes import Supervisor
from portal.stack.stack import PROJECT
from tenants import events
from tenants.models import Role, Tenant
from tenants.scope import tenant_scope
from tests import make
from tests.e2e.conftest import environment
from tests.portal.conftest import ANY_PORTS, open_folder
from tests.servers import VAR

SLUG = "restored"
HEADER_SECRET = "upstream-header-secret-of-a-dump"
# As operations.md has them.
COMMANDS = re.compile(r"^    (pg_(?:dump|restore) .+)$", re.MULTILINE)


@dataclass(frozen=True)
class Before:
    """What there was when the dump was made: the JWKS as it was served, and what was given out."""

    jwks: bytes
    retired: str
    active: str
    client: tuple[str, str]
    api_key: str
    tokens: dict[str, str]


@dataclass(frozen=True)
class Web:
    """Portico's web process, over the restored database."""

    url: str
    log: Path

    def jwks(self) -> httpx.Response:
        return httpx.get(f"{self.url}/t/{SLUG}/.well-known/jwks.json", timeout=30)

    def oauth(self, endpoint: str, client: tuple[str, str], **form: str) -> httpx.Response:
        return httpx.post(f"{self.url}/t/{SLUG}/oauth/{endpoint}", data=form, auth=client, timeout=30)


@pytest.fixture(scope="module")
def before(django_db_setup: None, django_db_blocker: Any) -> Iterator[Before]:
    """A tenant with keys that sign and one that retired, a token of either, an upstream's secret, and Carl's secret and API key."""
    with django_db_blocker.unblock():
        yield _before(make.tenant(SLUG))
        connection.close()


def _before(tenant: Tenant) -> Before:
    with tenant_scope(tenant.pk):
        target = make.target(header="X-Key", secret=HEADER_SECRET)
        publishing.add_revision(make.api().versions.get(), document=make.document(), target=target, by=make.somebody(Role.PUBLISHER))
        application = make.application()
        _, secret = make.credential(application)
        _, key = make.api_key(application)
    client = (application.client_id, secret)
    old, older = _signs(tenant.pk), _token(*client)
    with tenant_scope(tenant.pk):
        events.lock()
        signing.activate(signing.announce(signing.spare(tenant.pk, "access_token", "ES256"), planned_for=events.now(), by=None), by=None)
    new, newer = _signs(tenant.pk), _token(*client)
    jwks = Client().get(f"/t/{SLUG}/.well-known/jwks.json").content
    return Before(jwks, old, new, client, key, {old: older, new: newer})


def _signs(tenant_id: UUID) -> str:
    with tenant_scope(tenant_id):
        return SigningKey.objects.get(purpose="access_token", status="active").kid


def _token(client_id: str, secret: str) -> str:
    asked = urlencode({"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret})
    answer = Client().post(f"/t/{SLUG}/oauth/token", asked, content_type="application/x-www-form-urlencoded")
    found: str = answer.json()["access_token"]
    return found


@pytest.fixture(scope="module")
def restored(before: Before, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Another PostgreSQL, into which the dump was restored by the commands of operations.md."""
    dump, restore = COMMANDS.findall((PROJECT / "docs/operations.md").read_text())
    ours = Postgres(Path(os.environ[VAR]), say=lambda _: None)
    with open_folder() as folder, Postgres(folder / "var", durable=False, say=lambda _: None) as new:
        told = {
            "PATH": f"{new.programs}:/usr/bin:/bin",
            "BACKUP_URL": ours.url(roles.BACKUP, connection.settings_dict["NAME"]),
            "DATABASE_OWNER_URL": new.url(roles.OWNER),
        }
        for command in (dump, restore):
            done = subprocess.run(
                ["bash", "-euc", command], env=told, cwd=tmp_path_factory.getbasetemp(), capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
        yield new


def _environment(postgres: Postgres, var: Path, *secrets: str) -> dict[str, str]:
    """A new installation's own, with these secrets of the old one."""
    (var / "secrets").mkdir(mode=0o700, parents=True)
    for name in secrets:
        shutil.copy(settings.VAR / "secrets" / name, var / "secrets" / name)
    same = {"PORTICO_URL": settings.PORTAL_URL, "PORTICO_GATEWAY_URL": settings.GATEWAY_URL, "VALKEY_URL": settings.VALKEY_URL}
    return environment() | same | {"PORTICO_VAR": str(var), "DATABASE_URL": postgres.url()}


@contextmanager
def _web(told: dict[str, str]) -> Iterator[Web]:
    places = Places(Path(told["PORTICO_VAR"]))
    places.make()
    chosen = ports.choose(ANY_PORTS, needed=set())
    supervisor = Supervisor(places.book, say=lambda _: None)
    supervisor.open()
    try:
        supervisor.start(Parts(project=PROJECT, places=places, ports=chosen, environment=told).web()).wait_ready()
        yield Web(f"http://127.0.0.1:{chosen.web}", places.log("web"))
    finally:
        supervisor.stop()


def _rotate_kek(told: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "manage.py", "rotate_kek"], cwd=PROJECT, env=told, capture_output=True, text=True, check=False)


def _sealed(postgres: Postgres) -> int:
    """How many secrets are sealed in the whole database."""
    models = (*sealed_models(), *shared_sealed_models())
    places = [(model._meta.db_table, column) for model in models for column in sealed_columns(model)]
    return sum(int(postgres.psql(f"SELECT count(*) FROM {table} WHERE {column} > ''", roles.DATABASE)) for table, column in places)


def test_with_its_secrets_a_restored_portico_goes_on_as_before(before: Before, restored: Postgres, tmp_path: Path) -> None:
    with _web(_environment(restored, tmp_path / "var", "kek", "pepper")) as web:
        served = web.jwks()
        assert served.content == before.jwks
        keys = KeySet.import_key_set(served.json())
        assert {before.retired, before.active} < {key.kid for key in keys.keys}
        for kid, text in before.tokens.items():
            assert jwt.decode(text, keys, algorithms=["ES256"]).header["kid"] == kid
            assert web.oauth("introspect", before.client, token=text).json()["active"] is True
        assert web.oauth("introspect", before.client, token=before.api_key).json()["active"] is True
        given = web.oauth("token", before.client, grant_type="client_credentials")
        assert given.status_code == 200, given.text
        assert jwt.decode(given.json()["access_token"], keys, algorithms=["ES256"]).header["kid"] == before.active


def test_without_the_key_encryption_key_nothing_can_be_read_and_the_log_says_why(
    before: Before, restored: Postgres, tmp_path: Path
) -> None:
    told = _environment(restored, tmp_path / "var", "pepper")
    with _web(told) as web:
        refused = web.oauth("token", before.client, grant_type="client_credentials")
        assert refused.status_code == 503
        assert refused.json() == {
            "error": "temporarily_unavailable",
            "error_description": "The signing key of this tenant can not be read. The operator finds the reason in the log.",
        }
        assert web.jwks().content == before.jwks
        assert web.oauth("introspect", before.client, token=before.tokens[before.active]).json()["active"] is True
        logged = web.log.read_text()
    needed, path = kek().current_id, tmp_path / "var" / "secrets" / "kek"
    at_hand = FileKek(path).current_id
    why = f"sealed under the key-encryption key {needed}, and no other opens it. At hand: {at_hand} ({path})."
    assert why in logged
    assert "Traceback" not in logged
    for secret in (before.client[1], HEADER_SECRET, path.read_text().strip(), restored.url(), "PRIVATE KEY"):
        assert secret not in logged
    listed = _rotate_kek(told)
    count = _sealed(restored)
    assert listed.returncode == 1
    assert listed.stderr.count(why) == count >= 3
    assert f"{count:,} secrets can't be read and stay as they are; 0 others were re-sealed." in listed.stderr


def test_each_secret_of_a_dump_is_read_with_the_key_that_it_was_sealed_under(restored: Postgres, tmp_path: Path) -> None:
    """Sealed anew under the new stack's own key, which takes that every one of them was read."""
    told = _environment(restored, tmp_path / "var", "pepper")
    count = _sealed(restored)
    told["PORTICO_KEK_FILE_OLD"] = str(settings.KEK_FILE)
    done = _rotate_kek(told)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"; {count:,} were re-sealed now." in done.stdout
