"""A provider of models on this machine, without TLS: it keeps what it was sent, and answers as it is told."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MODELS = json.dumps({"object": "list", "data": [{"id": "gpt-5"}, {"id": "gpt-5-mini"}]}).encode()


@dataclass
class Answering:
    port: int = 0
    status: int = 200
    kind: str = "application/json"
    answer: bytes = MODELS
    # Seconds before it answers.
    slow: float = 0.0
    got: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def answering(**given: Any) -> Iterator[Answering]:
    found = Answering(**given)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            time.sleep(found.slow)
            try:
                self.send_response(found.status)
                self.send_header("Content-Type", found.kind)
                self.send_header("Location", "https://elsewhere.example/")
                self.end_headers()
                self.wfile.write(found.answer)
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
