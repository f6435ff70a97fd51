"""An identity provider that says whatever a test wants, over HTTP on this machine; in earnest see tests/idp.py."""

import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.keys.proofs import kid, public, signed

CLIENT, SECRET = "portico-at-acme", "hunter2-of-the-provider"
ENDS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks", "userinfo_endpoint": "userinfo"}
CARL = {"email": "carl@acme.example", "email_verified": True, "name": "Carl"}


@dataclass(frozen=True)
class Said:
    """An answer. `drip` is how many seconds lie between two of its bytes."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: float = 0.0


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    form: dict[str, str]


@dataclass
class Hostile:
    """By path what is answered. `claims` and `header` are what its ID token says beside what it should, without what is None."""

    port: int
    says: dict[str, Said] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    keys: list[Any] = field(default_factory=lambda: public("RS256")["keys"])
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    key: Any = None
    alg: str = "RS256"
    told: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""
    id_token: str | None = None
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sent(self, address: str) -> str:
        """It read where the browser was sent; returns the `state`."""
        query = parse_qs(urlsplit(address).query)
        self.nonce = query["nonce"][0]
        return query["state"][0]

    def token(self) -> str:
        now = int(time.time())
        told = {"iss": self.url, "aud": CLIENT, "sub": "carl-1", "iat": now, "exp": now + 300, "nonce": self.nonce, **CARL, **self.claims}
        return signed(told, alg=self.alg, key=self.key, **{"typ": "JWT", "kid": kid(self.alg), **self.header})

    def answer(self, path: str) -> Said:
        if path in self.says:
            return self.says[path]
        match path:
            case "/.well-known/openid-configuration":
                ends = {name: f"{self.url}/{end}" for name, end in ENDS.items()}
                return told({"issuer": self.url, **ends, **self.document})
            case "/jwks":
                return told({"keys": self.keys})
            case "/token":
                return told({"access_token": "an-access-token", "token_type": "Bearer", "id_token": self.id_token or self.token()})
            case "/userinfo":
                return told(self.told)
        return Said(status=404)


def told(what: Any) -> Said:
    return Said(json.dumps(what).encode(), headers={"Content-Type": "application/json"})


@contextmanager
def running() -> Iterator[Hostile]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers["Content-Length"] or 0)
            path = urlsplit(self.path).path
            found.asked.append(Asked(self.command, path, dict(self.headers), dict(parse_qsl(self.rfile.read(length).decode()))))
            said = found.answer(path)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(len(said.body)) if said.drip else [0]:
                try:
                    self.wfile.write(said.body[start : start + 1] if said.drip else said.body)
                except OSError:
                    return
                time.sleep(said.drip)

        do_POST = do_GET  # noqa: N815  (its name)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    found = Hostile(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
