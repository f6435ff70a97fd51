"""The process itself."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from gateway import tls
from gateway.database import Database
from gateway.mcp.service import Service

log = logging.getLogger(__name__)
# Envoy keeps a connection for 30 seconds at most, so none is closed while it sends on it.
IDLE_SECONDS = 60


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Whoever runs it listens to them."""
        yield


async def run(address: str, stopping: asyncio.Event) -> None:
    listening = _listening(address)
    database = Database()
    service = Service(secret=settings.MCP_SECRET, gateway=settings.MCP_GATEWAY, database=database)
    config = uvicorn.Config(
        service, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = _Server(config)
    async with service.running():
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        log.info("Serving MCP at %s.", address)
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        waiting.cancel()
        await serving
    await service.close()
    database.close()


def _listening(address: str) -> socket.socket:
    """What callers bring is not for others to read, so it comes over a socket of this machine, or where the operator says so."""
    if address.startswith("unix:"):
        found = socket.socket(socket.AF_UNIX)
        found.bind(address.removeprefix("unix:"))
    else:
        if not (tls.is_here(address) or settings.CONTROL_PLAINTEXT):
            raise ImproperlyConfigured(
                f"MCP would take credentials at {address} without TLS. Let it listen on this machine, or set PORTICO_CONTROL_PLAINTEXT=1 "
                "where nobody else is on that network."
            )
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        found = socket.socket(_family(host))
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, int(port)))
    found.listen(512)
    return found


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        return socket.AF_INET
