"""Fetching a developer's JWKS leads nowhere but to it: public addresses, https, a certificate for the name, bounded time and size."""

import http.server
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from keys import fetching
from keys.fetching import check_url, fetch_jwks
from keys.jwks import JwksRefused
from tests.keys.https import certificate, serving
from tests.keys.proofs import PRIVATE as PAIRS
from tests.keys.proofs import public

NAME = "login.example.com"


def at(*found: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(found)


# --- where it may lead


@pytest.mark.parametrize(
    "url",
    ["", "login.example.com/jwks", "http://login.example.com/jwks", "ftp://login.example.com", "https://", "https:///jwks", "file:///etc/passwd",
     "https://user@login.example.com/", "https://user:word@login.example.com/", "https://login.example.com/#x", "https://login.example.com:0/",
     "https://login.example.com:x/", "https://login.example.com:99999/", "https://a b.example.com/", "https://ü.example.com/",
     "https://login.example.com\\@evil.example/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
     "https://[fe80::1%25eth0]/", "https://[::1", "https://-a.example.com/", "https://login.example.com/\n", "https://a/" + "x" * 500],
)  # fmt: skip
def test_what_is_no_address_of_a_jwks_is_called_by_nobody(url: str) -> None:
    with pytest.raises(JwksRefused):
        fetch_jwks(url, resolver=lambda host, port: pytest.fail("looked up"))


@pytest.mark.parametrize(
    "url", ["https://login.example.com/jwks?policy=b2c", "https://login.example.com:8443/", "https://93.184.216.34/jwks"]
)
def test_addresses_of_a_jwks(url: str) -> None:
    assert check_url(url).geturl() == url


INSIDE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fd00::1",
           "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_not_followed(address: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPSTREAM_NETWORKS = []
    monkeypatch.setattr(fetching, "_fetch", lambda *_: pytest.fail("called"))
    for found in ([address], ["93.184.216.34", address]):
        with pytest.raises(JwksRefused, match="has no public address") as refused:
            fetch_jwks("https://login.example.com/jwks", resolver=at(*found))
        assert address not in str(refused.value), "networks behind us are nobody's business"


def test_a_name_that_leads_nowhere_is_said_to() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise OSError

    def slow(host: str, port: int) -> list[str]:
        raise TimeoutError

    for resolver in (nowhere, slow, at()):
        with pytest.raises(JwksRefused, match="has no public address"):
            fetch_jwks("https://login.example.com/jwks", resolver=resolver)


# --- a server behind TLS


@dataclass
class Provider:
    """An identity provider on this machine, by its certificate `login.example.com`."""

    port: int
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # Seconds between two bytes.
    drip: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}/jwks?tenant=acme"


@pytest.fixture
def provider(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    settings.UPSTREAM_NETWORKS = ["127.0.0.0/8"]
    trusted = certificate(tmp_path, NAME)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.headers["Host"], self.path))
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(len(found.body)) if found.drip else [0]:
                try:
                    self.wfile.write(found.body[start : start + 1] if found.drip else found.body)
                except OSError:
                    return
                time.sleep(found.drip)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Handler, trusted, settings) as port:
        found = Provider(port, json.dumps(public()).encode())
        yield found


def test_keys_are_fetched_by_the_name_from_the_address_that_was_checked(provider: Provider) -> None:
    looked_up = []

    def resolver(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return ["127.0.0.1"]

    assert fetch_jwks(provider.url, resolver=resolver) == public()
    assert looked_up == [(NAME, provider.port)], "once: no second answer leads elsewhere"
    assert provider.asked == [(f"{NAME}:{provider.port}", "/jwks?tenant=acme")]


def test_a_certificate_for_another_name_is_not_the_providers(provider: Provider) -> None:
    for url in (provider.url.replace(NAME, "other.example.com"), provider.url.replace(NAME, "127.0.0.1")):
        with pytest.raises(JwksRefused, match="did not answer with keys"):
            fetch_jwks(url, resolver=at("127.0.0.1"))
    assert not provider.asked


def test_an_authority_that_is_not_trusted_vouches_for_nobody(provider: Provider, settings: Any) -> None:
    settings.GATEWAY_CA_FILE = ""
    fetching._trust.cache_clear()
    with pytest.raises(JwksRefused, match="did not answer with keys"):
        fetch_jwks(provider.url, resolver=at("127.0.0.1"))
    assert not provider.asked


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 302, "headers": {"Location": "https://169.254.169.254/latest/"}},
        {"status": 500},
        {"status": 204, "body": b""},
        {"body": b"\xff\xfe"},
        {"body": b"[" + b" " * 70_000},
        {"headers": {"Content-Encoding": "gzip"}, "body": b"\x1f\x8b"},
        {"headers": {"Content-Length": "-1"}},
    ],
)
def test_whatever_else_it_answers_is_no_jwks(provider: Provider, answer: dict[str, Any]) -> None:
    for name, value in answer.items():
        setattr(provider, name, value)
    with pytest.raises(JwksRefused):
        fetch_jwks(provider.url, resolver=at("127.0.0.1"))
    assert len(provider.asked) == 1, "a redirect is not followed"


def test_keys_that_are_no_good_are_refused_as_pasted_ones_are(provider: Provider) -> None:
    provider.body = json.dumps(PAIRS["ES256"].as_dict(private=True)).encode()
    with pytest.raises(JwksRefused, match="This is a private key"):
        fetch_jwks(provider.url, resolver=at("127.0.0.1"))


def test_a_server_that_drips_is_not_waited_for(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the last would come after some fifteen seconds."""
    monkeypatch.setattr(fetching, "SECONDS", 0.5)
    provider.drip = 0.1
    began = time.monotonic()
    with pytest.raises(JwksRefused, match="did not answer with keys"):
        fetch_jwks(provider.url, resolver=at("127.0.0.1"))
    # Half a second, on a busy machine with some more for the handshake.
    assert time.monotonic() - began < 5
