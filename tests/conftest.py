"""What every test shares: the database as the role that serves, and the cast."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apis.models import api
from gateway import nodes
from gateway.models import DEFAULT, DEFAULT_NAME
from keys import oidc, throttle
from portal.settings import DATABASE_OWNER_URL, DATABASE_URL, database
from tenants import middleware, sessions
from tenants.models import Tenant, User
from tenants.scope import tenant_scope
from tests import secrets_search
from tests.cast import Cast, cast_of_a_test, make_cast
from tests.live import _gateway, fresh_gateway, gateway, upstream

__all__ = ["Cast", "_gateway", "fresh_gateway", "gateway", "make_cast", "upstream"]
QUERIES = Path(__file__).with_name("queries.json")
# Each test client makes the middleware anew, which would otherwise look at every static file each time.
settings.WHITENOISE_AUTOREFRESH = True


def _connect_as(url: str) -> None:
    connection.close()
    connection.settings_dict.update({key: value for key, value in database(url).items() if key in {"USER", "PASSWORD"}})


@contextmanager
def as_owner() -> Iterator[None]:
    """The owner migrates and cleans up; nothing else."""
    _connect_as(DATABASE_OWNER_URL)
    try:
        yield
    finally:
        _connect_as(DATABASE_URL)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> None:
    """Each worker's database was made by tests.servers; here it gets its tables."""
    with django_db_blocker.unblock(), as_owner():
        call_command("migrate", verbosity=0)
        secrets_search.prepare_database(connection.settings_dict["NAME"])
    # Before any test has changed anything.
    with django_db_blocker.unblock(), transaction.atomic():
        cast_of_a_test()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True, scope="session")
def _clean_up_as_owner() -> None:
    """TRUNCATE is denied to the serving role."""

    def teardown(self: TransactionTestCase) -> None:
        with as_owner():
            empty_tables()

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


def empty_tables() -> None:
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name not in kept]
        for tries_left in (2, 1, 0):
            try:
                cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
                break
            except OperationalError:
                # A control process that reads has one of them, and waits for another.
                if not tries_left:
                    raise
        cursor.execute("INSERT INTO tenants_platformcounter (number, digest) VALUES (0, repeat('0', 64))")
        cursor.execute(
            "INSERT INTO gateway_gatewaygroup (id, name, description, url, for_all, created_at) VALUES (%s, %s, '', '', true, now())",
            [DEFAULT, DEFAULT_NAME],
        )


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process keeps of tenants and clients ends with the test that made them, and not before on a slow machine."""
    monkeypatch.setattr(middleware, "_SLUG_SECONDS", 3_600.0)
    middleware._slugs.clear()
    middleware._absent.clear()
    oidc._documents.clear()
    throttle._clients.clear()
    throttle._addresses.clear()
    throttle._wrong.clear()
    api._outline.cache_clear()


@pytest.fixture(autouse=True, scope="session")
def _invalid_names_have_no_address() -> Iterator[None]:
    """As every resolver should say of them at once (RFC 6761 §6.4); the machine's own may be slow, or away."""
    asked = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **named: Any) -> Any:
        if isinstance(host, str) and host.rstrip(".").endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return asked(host, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        yield


@pytest.fixture(autouse=True)
def _cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password costs a fifth of a second on purpose, which tests of anything else need not pay; `costly_passwords` does."""
    if "costly_passwords" not in request.fixturenames:
        for name, value in {"time_cost": 1, "memory_cost": 8, "parallelism": 1}.items():
            monkeypatch.setattr(Argon2PasswordHasher, name, value)


@pytest.fixture
def costly_passwords() -> None:
    """Passwords cost what they do in earnest."""


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database that other processes see: nothing is rolled back and nothing removed, so such a test makes tenants of its own."""
    with django_db_blocker.unblock():
        yield
        connection.close()


@pytest.fixture
def cast(db: None) -> Cast:
    """Two tenants and their people."""
    return cast_of_a_test() if connection.in_atomic_block else make_cast()


@pytest.fixture
def in_acme(cast: Cast) -> Iterator[Cast]:
    """The test itself works in Acme's scope."""
    with tenant_scope(cast.acme.pk):
        yield cast


Rest = Callable[[User | None], APIClient]


@pytest.fixture
def rest() -> Rest:
    """`rest(cast.carl).get(...)`: a person's REST client; `rest(None)` is nobody's."""

    def client(user: User | None) -> APIClient:
        found = APIClient()
        if user is not None:
            found.force_authenticate(user)
        return found

    return client


@contextmanager
def queries(name: str) -> Iterator[None]:
    """The block makes as many queries as tests/queries.json says; a new name tells the number to write down."""
    wanted = json.loads(QUERIES.read_text()).get(name)
    with CaptureQueriesContext(connection) as found:
        yield
    # Now and then a request notes its browser, whatever it asks for.
    counted = [query["sql"] for query in found.captured_queries if not query["sql"].startswith('INSERT INTO "usersessions_usersession"')]
    sql = "\n".join(counted)
    assert len(counted) == wanted, f"{name}: {len(counted)} queries, tests/queries.json says {wanted}.\n{sql}"


def base(tenant: Tenant) -> str:
    return f"/api/v1/tenants/{tenant.slug}"


secrets_search.note_made(nodes, "new_secret", "a gateway's secret")
secrets_search.note_signed(sessions.Signed, "encode", "a token of a session over REST")
assert settings.configured
