"""The whole of Portico on one machine: servers from wheels, and the same processes as in production."""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from portal.stack import envoy, memory, ports, roles
from portal.stack.errors import StackError, StopRequestedError
from portal.stack.parts import Parts
from portal.stack.places import Places, private, write_private
from portal.stack.ports import HOST, Ports
from portal.stack.postgres import Postgres
from portal.stack.prepared import Prepared
from portal.stack.processes import Process, Say, Supervisor
from portal.stack.valkey import Valkey

PROJECT = Path(__file__).resolve().parent.parent.parent
# glibc keeps up to eight heaps per core, which a process of a few threads never fills.
FRUGAL = {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}
# The demo upstream, and what a developer runs, listens here; an upstream on a private network is refused otherwise.
LOOPBACK = "127.0.0.0/8 ::1/128"

OWNER_NAMES = ("DATABASE_OWNER_URL", "DATABASE_OWNER_URL_FILE")


class Stack:
    """Starts, watches and stops everything under `var`; a context manager, or `start()` and `stop()`.

    `environment` replaces parts as the real environment does for `manage.py up` (DATABASE_URL, VALKEY_URL,
    PORTICO_ENVOY); `listen` says on which ports, 0 for a free one. `say` gets one line per thing that happens.
    """

    def __init__(
        self,
        var: Path | None = None,
        *,
        demo: bool = True,
        listen: Ports | None = None,
        environment: Mapping[str, str] | None = None,
        project: Path = PROJECT,
        say: Say = print,
    ) -> None:
        self._given = dict(os.environ if environment is None else environment)
        self.places = Places(var or Path(self._given.get("PORTICO_VAR") or project / "var"))
        self.demo = demo
        self._wanted = ports.from_environment(self._given) if listen is None else listen
        self._project = project
        self._say = say
        self._supervisor = Supervisor(self.places.book, say=say)
        self._stops = threading.Lock()
        self._lock: IO[str] | None = None
        self._owner: dict[str, str] = {}
        self.ports = self._wanted

    def start(self) -> Self:
        """Start everything and return when all of it is ready. Raises StackError, having stopped what was started."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything in order and return when nothing runs any more. Safe to call twice, and during start()."""
        self._supervisor.stop()
        with self._stops:
            if self._lock:
                self.places.environment.unlink(missing_ok=True)
                self._lock.close()
                self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def portal_url(self) -> str:
        """Where the pages are."""
        return f"http://{HOST}:{self.ports.web}"

    @property
    def gateway_url(self) -> str:
        """Where the APIs are called."""
        return f"http://{HOST}:{self.ports.gateway}"

    @property
    def upstream_url(self) -> str:
        """Where the demo's calls arrive."""
        return f"http://{HOST}:{self.ports.upstream}"

    @property
    def provider_url(self) -> str:
        """Where the demo's calls for AI models arrive."""
        return f"http://{HOST}:{self.ports.provider}"

    @property
    def urls(self) -> dict[str, str]:
        """Every address by name: portal, gateway, and what environment.json tells the settings."""
        return {
            "portal": self.portal_url,
            "gateway": self.gateway_url,
            **json.loads(self.places.environment.read_text()),
        }

    @property
    def sign_ins(self) -> list[dict[str, str]]:
        """The demo's accounts, as `manage.py seed` left them."""
        with suppress(FileNotFoundError):
            found: list[dict[str, str]] = json.loads((self.places.var / "demo.json").read_text())["sign_ins"]
            return found
        return []

    def pids(self) -> dict[str, int]:
        """The main process of each part, and the watchdog."""
        parts = {name: process.pid for name, process in self._supervisor.processes.items()}
        return {**parts, "watchdog": self._supervisor.watchdog_pid}

    def memory(self) -> dict[str, int]:
        """Bytes each part takes, its child processes included."""
        return memory.of(self.pids())

    def send(self, name: str, what: int) -> None:
        """Send a signal to the main process of a part."""
        self._supervisor.processes[name].send(what)

    def kill(self, name: str) -> None:
        """Kill a part as the out-of-memory killer would. It is started again, like everything that dies."""
        self._supervisor.processes[name].kill()

    def wait_ready(self, name: str) -> None:
        """Return when a part, after it was started again, is ready. Raises StackError after its deadline."""
        self._supervisor.processes[name].wait_ready()

    def _start(self) -> None:
        self.places.make()
        self._lock = self._take_lock()
        self._supervisor.open()
        self.ports = ports.choose(self._wanted, needed=self._needed_ports())
        postgres = None if self._gives("DATABASE_URL") else self._postgres()
        valkey = None if self._gives("VALKEY_URL") else Valkey(self.places.var, supervisor=self._supervisor)
        embedded = self._embedded(postgres, valkey)
        owner = {"DATABASE_OWNER_URL": postgres.url(roles.OWNER)} if postgres else {}
        write_private(self.places.environment, json.dumps(embedded))
        parts = self._parts(embedded, owner)
        self._together(
            *([lambda: self._start_postgres(postgres)] if postgres else []),
            *([lambda: self._timed("Valkey", valkey.start)] if valkey else []),
        )
        self._prepare(parts, postgres)
        self._start_parts(parts)

    def _take_lock(self) -> IO[str]:
        """One stack per var. The system gives the lock back however we end."""
        lock = (self.places.var / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise StackError(f"Portico already runs on {self.places.var} (process {holder}). Stop that one first.") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def _gives(self, name: str) -> bool:
        """Whether the environment brings this part from outside."""
        return bool(self._given.get(name) or self._given.get(f"{name}_FILE"))

    @property
    def _wants_gateway(self) -> bool:
        return self._given.get("PORTICO_ENVOY") != envoy.NONE

    def _needed_ports(self) -> set[str]:
        return {"web", *(["gateway"] if self._wants_gateway else []), *(["upstream", "provider"] if self.demo else [])}

    def _postgres(self) -> Postgres:
        return Postgres(self.places.var, supervisor=self._supervisor, say=self._say)

    def _embedded(self, postgres: Postgres | None, valkey: Valkey | None) -> dict[str, str]:
        """What the settings have to know, here and in every other process that finds the running stack.

        Never the owner's address, past which row security stands open: that is for `migrate` alone.
        """
        known = {
            "PORTICO_RUN": str(self.places.run),
            "PORTICO_PORT": str(self.ports.web),
            "PORTICO_GATEWAY_PORT": str(self.ports.gateway),
            "PORTICO_UPSTREAM_PORT": str(self.ports.upstream),
            "PORTICO_PROVIDER_PORT": str(self.ports.provider),
            "PORTICO_UPSTREAM_NETWORKS": self._given.get("PORTICO_UPSTREAM_NETWORKS", LOOPBACK),
            "PORTICO_LOG_SHIPPING_FOLDER": self._given.get("PORTICO_LOG_SHIPPING_FOLDER", str(self.places.var / "calls")),
        }
        if postgres:
            known |= {"DATABASE_URL": postgres.url(), "DATABASE_DIRECT_URL": postgres.url()}
        if valkey:
            known |= {"VALKEY_URL": valkey.url()}
        return known

    def _parts(self, embedded: Mapping[str, str], owner: Mapping[str, str]) -> Parts:
        """The processes with their environment, from which the owner's address is missing: only `migrate` gets it."""
        environment = {**FRUGAL, **self._given, **embedded, "PORTICO_VAR": str(self.places.var)}
        environment.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
        given = {name: environment.pop(name) for name in OWNER_NAMES if name in environment}
        self._owner = dict(owner or given)
        return Parts(project=self._project, places=self.places, ports=self.ports, environment=environment)

    def _start_postgres(self, postgres: Postgres) -> None:
        started = time.monotonic()
        postgres.start()
        self._say_done(f"PostgreSQL {postgres.version}", started)

    def _prepare(self, parts: Parts, postgres: Postgres | None) -> None:
        """Migrate and seed. A database from outside is always asked; of our own we know what was done to it."""
        done = Prepared(self.places.var / "prepared.json", project=self._project, postgres=postgres) if postgres else None
        if not (done and done.is_migrated()):
            self._timed("Migrations", lambda: self._supervisor.run(parts.manage("migrate", further=self._owner)))
            if done:
                done.note_migrated()
        if self.demo and not (done and done.is_seeded() and self.sign_ins):
            self._timed("Demo data", lambda: self._supervisor.run(parts.manage("seed")))
            if done:
                done.note_seeded()

    def _start_parts(self, parts: Parts) -> None:
        control = self._supervisor.start(parts.control())
        programs = {"Usage": parts.usage(), "Portal": parts.web(), "Worker": parts.worker(), "Beat": parts.beat(), "MCP": parts.mcp()}
        if self.demo:
            programs |= {"Demo upstream": parts.upstream(), "Demo provider": parts.provider()}
        waits = {title: self._supervisor.start(program).wait_ready for title, program in programs.items()}
        waits["Control plane"] = control.wait_ready
        if self._wants_gateway:
            waits["Gateway"] = lambda: self._start_gateway(parts, control)
        self._together(*[partial(self._timed, title, wait) for title, wait in waits.items()])

    def _start_gateway(self, parts: Parts, control: Process) -> None:
        folder = private(self.places.var / "envoy")
        bootstrap = folder / "bootstrap.json"
        options = ["--agent", f"unix:{self.places.run / 'agent.sock'}", "--agent-credential-file", str(folder / "credential")]
        self._supervisor.run(parts.manage("gateway_bootstrap", *options, output=bootstrap))
        agent = self._supervisor.start(parts.agent())
        # An Envoy that finds nobody pauses before it asks again, which takes longer than waiting here.
        control.wait_ready()
        agent.wait_ready()
        binary = envoy.executable(self._given.get("PORTICO_ENVOY", ""))
        seconds = int(self._given.get("PORTICO_GATEWAY_DRAIN_TIME") or envoy.DRAIN_SECONDS)
        self._supervisor.start(envoy.gateway(binary, bootstrap, log=self.places.log("envoy"), drain_seconds=seconds)).wait_ready()

    def _together(self, *steps: Callable[[], object]) -> None:
        """Do steps side by side. When one fails the others give up, and its error is raised."""
        errors: list[BaseException] = []

        def attempt(step: Callable[[], object]) -> None:
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                errors.append(error)
                self._supervisor.give_up()

        threads = [threading.Thread(target=attempt, args=[step]) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise min(errors, key=lambda error: isinstance(error, StopRequestedError))

    def _timed(self, title: str, step: Callable[[], object]) -> None:
        started = time.monotonic()
        step()
        self._say_done(title, started)

    def _say_done(self, title: str, started: float) -> None:
        self._say(f"{title} … {time.monotonic() - started:.1f} s")
