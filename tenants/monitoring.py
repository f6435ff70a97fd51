"""What a process tells of itself: numbers for Prometheus, whether it lives, and whether it is ready, at an address of its own.

Apart from what the process serves, so that nobody who may call Portico can read it. No number names a tenant.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps

from django.db import connections
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

log = logging.getLogger(__name__)

# The parts that a process needs, each with whether it answers.
Ready = Callable[[], Mapping[str, bool]]


def nothing_needed() -> Mapping[str, bool]:
    return {}


def begin(address: str, ready: Ready = nothing_needed) -> ThreadingHTTPServer | None:
    """Serve /metrics, /healthz and /readyz at `address` (`host:port`) for as long as the process lives; "" serves nothing.

    Where the address is taken the process goes on without: it may be one of several workers, of which one tells for all
    (`PROMETHEUS_MULTIPROC_DIR`).
    """
    if not address:
        return None
    host, _, port = address.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), _handler(ready))
    except OSError as error:
        log.warning("Nothing is told at %s (%s).", address, error.strerror)
        return None
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True, name="monitoring").start()
    log.info("Telling of this process at %s.", address)
    return server


@contextmanager
def serving(address: str, ready: Ready = nothing_needed) -> Iterator[int]:
    """The same for as long as the block runs. Gives the port, 0 where nothing is served."""
    server = begin(address, ready)
    try:
        yield server.server_port if server else 0
    finally:
        if server:
            server.shutdown()
            server.server_close()


def metrics() -> bytes:
    """In Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(ready: Ready) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, metrics())
                case "/healthz":
                    self._answer(200, "text/plain", b"ok\n")
                case "/readyz":
                    try:
                        parts = ready()
                    finally:
                        # This thread is the request's alone.
                        connections.close_all()
                    self._answer(200 if all(parts.values()) else 503, "application/json", dumps(parts).encode())
                case _:
                    self._answer(404, "text/plain", b"/metrics, /healthz and /readyz are here.\n")

        def _answer(self, status: int, media_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody needs a line for each time that Prometheus asks."""

    return Handler
