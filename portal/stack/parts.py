"""Portico's own processes, each the same as in production, and the demo's upstream."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portal.stack import probes
from portal.stack.places import Places
from portal.stack.ports import HOST, Ports
from portal.stack.processes import Program

GRANIAN = ["granian", "--interface", "wsgi", "--host", HOST, "--workers", "1", "--no-ws", "--http", "1"]
# A single thread suffices to accept connections; requests run on the blocking threads.
GRANIAN += ["--runtime-threads", "1", "--loop", "asyncio", "--workers-kill-timeout", "2"]
# More would stand in each other's way: with 8 the token endpoint gave a quarter less.
WEB_THREADS = 4
# One worker has nobody to gossip with, and waiting for others' clocks takes a second of every start.
WORKER = ["--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]

# Those that tell Prometheus of themselves.
TELLING = ("web", "worker", "control", "usage", "mcp")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Describes the processes of one project, all of them with one environment."""

    project: Path
    places: Places
    ports: Ports
    environment: Mapping[str, str] = field(repr=False)

    def web(self) -> Program:
        """Pages, REST, tokens."""
        arguments = [*GRANIAN, "--port", str(self.ports.web), "--blocking-threads", str(WEB_THREADS), "portal.wsgi:application"]
        address = (HOST, self.ports.web)
        return self._python("web", arguments, stage=1, ready=lambda _pid: probes.answers_ok(address, "/readyz"))

    def control(self) -> Program:
        """Envoy's control plane."""
        return self._service("control")

    def usage(self) -> Program:
        """Receives the access logs."""
        return self._service("usage")

    def mcp(self) -> Program:
        """Serves APIs as tools for agents."""
        return self._service("mcp")

    def worker(self) -> Program:
        """Runs queued jobs."""
        return self._celery("worker", *WORKER)

    def beat(self) -> Program:
        """Queues jobs when they are due."""
        return self._celery("beat", "--schedule", str(self.places.state / "beat-schedule"))

    def upstream(self) -> Program:
        """The API that the demo's calls arrive at. It isn't ours, so it gets none of our secrets."""
        arguments = [*GRANIAN, "--port", str(self.ports.upstream), "--blocking-threads", "2", "httpbin:app"]
        address = (HOST, self.ports.upstream)
        return self._python(
            "upstream",
            arguments,
            stage=2,
            environment=self._bare(),
            ready=lambda _pid: probes.answers_ok(address, "/status/200"),
        )

    def provider(self) -> Program:
        """The provider of AI models that the demo's calls arrive at. It stands for somebody else's, so it gets none of our secrets."""
        address = (HOST, self.ports.provider)
        arguments = ["portal.demo.provider", "--port", str(self.ports.provider)]
        return self._python("provider", arguments, stage=2, environment=self._bare(), ready=lambda _pid: probes.accepts(address))

    def agent(self) -> Program:
        """Stands beside Envoy: relays what control says, and keeps it for a time without control. It gets none of our other secrets."""
        socket, folder = self.places.run / "agent.sock", self.places.var / "envoy"
        control = self.environment.get("PORTICO_CONTROL") or f"unix:{self.places.run / 'control.sock'}"
        usage = self.environment.get("PORTICO_USAGE", "unix:")
        arguments = ["gateway.agent", "--listen", f"unix:{socket}", "--control", control]
        arguments += [] if usage.startswith("unix:") else ["--usage", usage]
        arguments += ["--credential-file", str(folder / "credential"), "--snapshot", str(folder / "snapshot")]
        if hours := self.environment.get("PORTICO_GATEWAY_MAX_STALE_HOURS"):
            arguments += ["--max-stale-hours", hours]
        return self._python(
            "agent",
            arguments,
            stage=1,
            environment=self._bare(),
            prepare=lambda: _remove(socket),
            ready=lambda _pid: probes.accepts(socket),
        )

    def _bare(self) -> dict[str, str]:
        """The environment without anything that is a secret."""
        names = ("PATH", "PYTHONPATH", "MALLOC_ARENA_MAX")
        return {name: self.environment[name] for name in names if name in self.environment}

    def manage(self, name: str, *options: str, further: Mapping[str, str] | None = None, output: Path | None = None) -> Program:
        """A management command that does one thing."""
        environment = {**self.environment, **(further or {})}
        return Program(
            name=name,
            argv=[sys.executable, "manage.py", name, *options],
            log=self.places.log(name),
            environment=environment,
            directory=self.project,
            deadline=300,
            output=output,
        )

    def _environment(self, name: str) -> Mapping[str, str]:
        """The common one; where each process tells Prometheus of itself is a port of its own, counted from the one that was given."""
        host, _, port = self.environment.get("PORTICO_METRICS", "").rpartition(":")
        if not port.isdecimal() or name not in TELLING:
            return self.environment
        return {**self.environment, "PORTICO_METRICS": f"{host}:{int(port) + TELLING.index(name)}"}

    def _service(self, name: str) -> Program:
        socket = self.places.run / f"{name}.sock"
        return Program(
            name=name,
            argv=[sys.executable, "manage.py", name],
            log=self.places.log(name),
            environment=self._environment(name),
            directory=self.project,
            prepare=lambda: _remove(socket),
            ready=lambda _pid: probes.accepts(socket),
            stage=1,
        )

    def _celery(self, name: str, *options: str) -> Program:
        pidfile = self.places.state / f"{name}.pid"
        # Celery writes its pid when it has loaded the project and starts work, and refuses to start over an old file.
        arguments = ["celery", "-A", "portal", name, "--loglevel", "INFO", "--pidfile", str(pidfile), *options]
        return self._python(name, arguments, stage=2, prepare=lambda: _remove(pidfile), ready=lambda pid: _holds(pidfile, pid))

    def _python(
        self,
        name: str,
        arguments: list[str],
        *,
        stage: int,
        ready: Callable[[int], bool],
        prepare: Callable[[], Mapping[str, str]] = dict,
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        return Program(
            name=name,
            argv=[sys.executable, "-m", *arguments],
            log=self.places.log(name),
            environment=self._environment(name) if environment is None else environment,
            directory=self.project,
            prepare=prepare,
            ready=ready,
            stage=stage,
        )


def _remove(path: Path) -> Mapping[str, str]:
    path.unlink(missing_ok=True)
    return {}


def _holds(pidfile: Path, pid: int) -> bool:
    return pidfile.exists() and pidfile.read_text().strip() == str(pid)
