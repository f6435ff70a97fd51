"""Behind a pooler that gives every transaction another's connection (PgBouncer, pool_mode = transaction) no tenant sees another's rows."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from portal.stack import account
from tenants.scope import NoTenant, tenant_scope
from tests import make, turns
from tests.conftest import Cast, as_owner, empty_tables, make_cast

MANY = 10_000 if turns.whole() else 400
THREADS = 4
PORT = 6432


@pytest.fixture
def pooled(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    """Acme and Globex, and every connection of ours through one connection of the pooler's."""
    binary = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        pytest.fail("This test needs PgBouncer. On Debian and Ubuntu: apt-get install pgbouncer.")
    folder = Path(tempfile.mkdtemp(prefix="portico-pooler-"))
    with django_db_blocker.unblock():
        direct = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
        given = connection.settings_dict
        (folder / "ini").write_text(
            f"[databases]\n"
            f"* = host={given['HOST']} user={given['USER']} password={given['PASSWORD']}\n"
            f"[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {folder}\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = 1\nmax_client_conn = 50\npidfile = {folder}/pid\n"
        )
        folder.chmod(0o700)
        as_somebody: dict[str, Any] = {}
        # Neither works as root, and PostgreSQL's socket is for its own user alone.
        if who := account.for_postgres(lambda _: None):
            for each in (folder, folder / "ini"):
                os.chown(each, who.uid, who.gid)
            as_somebody = {"user": who.uid, "group": who.gid, "extra_groups": []}
        with (folder / "log").open("wb") as log:
            pooler = subprocess.Popen([binary, "-q", str(folder / "ini")], stderr=log, **as_somebody)
        try:
            until = time.monotonic() + 10
            while not (folder / f".s.PGSQL.{PORT}").exists():
                assert pooler.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)
            cast = make_cast()
            connection.close()
            connection.settings_dict.update({"HOST": str(folder), "PORT": str(PORT)})
            yield cast
        finally:
            connection.close()
            connection.settings_dict.update(direct)
            pooler.terminate()
            pooler.wait(10)
            shutil.rmtree(folder, ignore_errors=True)
            with as_owner():
                empty_tables()
            connection.close()


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_requests_of_two_tenants_never_cross(pooled: Cast) -> None:
    owners = {"acme": pooled.carl, "globex": pooled.eve}
    for tenant in (pooled.acme, pooled.globex):
        with tenant_scope(tenant.pk):
            for number in range(3):
                make.application(owners[tenant.slug], name=f"{tenant.slug} {number}")
    wanted = {slug: {f"{slug} {number}" for number in range(3)} for slug in owners}
    wrong: list[Any] = []
    backends: set[int] = set()

    def ask(first: int) -> None:
        clients = {slug: APIClient() for slug in owners}
        for slug, user in owners.items():
            clients[slug].force_authenticate(user)
        backends.add(backend())
        for number in range(MANY // THREADS):
            slug = ("acme", "globex")[(first + number) % 2]
            answer = clients[slug].get(f"/api/v1/tenants/{slug}/applications/")
            found = {row["name"] for row in answer.json()["results"]} if answer.status_code == 200 else answer.status_code
            if found != wanted[slug]:
                wrong.append((slug, found))
        backends.add(backend())
        connection.close()

    threads = [threading.Thread(target=ask, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert wrong == []
    assert len(backends) == 1, "all of them shared one connection to PostgreSQL"


def test_what_a_transaction_set_is_gone_for_the_next(pooled: Cast) -> None:
    with tenant_scope(pooled.acme.pk):
        make.application(pooled.carl)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('portico.tenant_id', true)")
        assert not cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM keys_application")
        assert cursor.fetchone()[0] == 0
    with pytest.raises(NoTenant):
        make.application(pooled.carl)
