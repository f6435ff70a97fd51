"""Requests of the command line that get no answer are sent again with the same key; what is refused is not."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from cli.portal import Portal, Problem
from cli.refusals import Refused, Usage
from cli.session import Session, checked


class Server(http.server.BaseHTTPRequestHandler):
    """Does to each request what the next of `does` says, and notes its key."""

    does: ClassVar[list[Any]] = []
    keys: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.keys.append(self.headers["Idempotency-Key"])
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        what = self.does.pop(0)
        if what == "hang up":
            self.connection.close()
            return
        body = json.dumps({"detail": "No."} if what >= 400 else {"done": True}).encode()
        self.send_response(what)
        self.send_header("Content-Length", str(len(body)))
        if what == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def portal() -> Iterator[Portal]:
    Server.does, Server.keys = [], []
    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    with Portal(Session(f"http://127.0.0.1:{server.server_port}", "acme", access="key")) as found:
        yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_change_without_an_answer_is_sent_again_with_its_key(portal: Portal) -> None:
    Server.does += [503, "hang up", 200]
    assert portal.post(f"{portal.tenant}x/") == {"done": True}
    assert len(Server.keys) == 3
    assert len(set(Server.keys)) == 1
    Server.does += [200]
    portal.post(f"{portal.tenant}x/")
    assert len(set(Server.keys)) == 2


def test_a_refusal_is_not_sent_again(portal: Portal) -> None:
    Server.does += [409, 200]
    with pytest.raises(Problem, match=r"^No\.$"):
        portal.post(f"{portal.tenant}x/")
    assert Server.does == [200]


def test_a_portal_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.portal.TIMES", 1)
    with Portal(Session("http://127.0.0.1:9", "acme")) as away, pytest.raises(Refused, match="does not answer"):
        away.post(away.tenant)


def test_what_is_no_tenant_or_no_portal_is_not_asked() -> None:
    with Portal(Session("http://127.0.0.1:9", "../platform")) as elsewhere, pytest.raises(Usage):
        _ = elsewhere.tenant
    for url in ("ftp://x", "portal", "https://a:b@x", "http://portal.example.com", "https://[x"):
        with pytest.raises(Usage):
            checked(url)
    assert checked("https://portal.example.com/") == "https://portal.example.com"
