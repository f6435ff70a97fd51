"""A web server that Pam's document stands on: on this machine, by its certificate `127.0.0.1` and `docs.example.com`."""

import http.server
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.keys.https import certificate, serving

NAME = "docs.example.com"
SMALL = """openapi: 3.1.0
info: {title: Orders, version: "1"}
paths:
  /orders:
    get: {operationId: listOrders, responses: {"200": {description: Orders.}}}
"""


@dataclass
class Site:
    port: int
    body: bytes = SMALL.encode()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # Seconds before each 64 KB.
    drip: float = 0.0
    # If-None-Match of each call, "" without.
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/openapi.yaml"


@pytest.fixture
def site(tmp_path: Path, settings: Any) -> Iterator[Site]:
    trusted = certificate(tmp_path, NAME, "127.0.0.1")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.headers["If-None-Match"] or "")
            etag = found.headers.get("ETag")
            same = etag is not None and self.headers["If-None-Match"] == etag
            self.send_response(304 if same else found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(0, 0 if same else len(found.body), 65536):
                time.sleep(found.drip)
                try:
                    self.wfile.write(found.body[start : start + 65536])
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Handler, trusted, settings) as port:
        found = Site(port)
        yield found
