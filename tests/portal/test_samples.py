"""The samples are programs: run as they stand, they make exactly the call that is shown, whatever a document holds."""

import ast
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import playwright
import pytest
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test.testcases import LiveServerThread

from apis.examples import is_json
from apis.models import Subscription
from portal import samples
from portal.samples import Body, Call, address, curl, go, javascript, python
from tests import live, make
from tests.live import Gateway, Upstream

# The one that comes with the browsers' driver.
NODE = Path(playwright.__file__).parent / "driver" / "node"
SECRET = "ptc_secret_'\"$`"
HOSTILE_TEXTS = [
    "it's",
    '"; touch /tmp/owned; "',
    "$(touch /tmp/owned)",
    "`touch /tmp/owned`",
    "a\\b\\",
    "line\nline\r\nline\ttab",
    "${token}",
    "{token}",
    "日本語 – ümlaut 😀",
    "\u202egnp.exe\u2028\u2029\u200b",
    "\x00\x01\x7f\x85",
    "@/etc/passwd",
    "__proto__",
    "-H",
    "%s%d",
]


@dataclass
class Seen:
    """What reached the server: requests for tokens and calls."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    found = Seen()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path == "/t/acme/oauth/token":
                found.asked.append((self.headers["authorization"], body.decode()))
                content = b'{"access_token": "T-1.2_3", "token_type": "Bearer"}'
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                found.calls.append((self.command, self.path, headers, body))
                content = b'{"done": true}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def run(lang: str, text: str, secret: str = SECRET) -> str:
    """What the sample prints."""
    argv = {
        "curl": ["bash", "-euo", "pipefail", "-c", text],
        "python": [sys.executable, "-c", text],
        "javascript": [str(NODE), "--input-type=module", "-e", text],
    }[lang]
    # Nothing of the machine's proxies: the samples call where they say.
    environment = {"PATH": os.environ["PATH"], "SECRET": secret, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, env=environment)
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done.stdout


RUNS = {"curl": curl, "python": python, "javascript": javascript}


def call(seen: Seen, **more: Any) -> Call:
    given = {"method": "GET", "url": f"{seen.url}/acme/orders/v1/orders", **more}
    return Call(token_url=f"{seen.url}/t/acme/oauth/token", client_id="ptc_app_1", **given)


@pytest.mark.parametrize("lang", RUNS)
def test_a_body_arrives_as_the_document_has_it_however_hostile(seen: Seen, lang: str) -> None:
    value = {
        "texts": HOSTILE_TEXTS, **{f"key {text}": index for index, text in enumerate(HOSTILE_TEXTS)}, "__proto__": {"admin": True},
        "numbers": [1, -1.5, 12345678901234567890, True, None], "empty": [{}, []],
    }  # fmt: skip
    sent = call(seen, method="POST", body=Body("application/json", value))
    run(lang, RUNS[lang](sent))
    method, _, headers, body = seen.calls[-1]
    assert (method, json.loads(body), headers["content-type"]) == ("POST", value, "application/json")
    assert headers["authorization"] == "Bearer T-1.2_3"
    assert seen.asked[-1][1] == "grant_type=client_credentials"


@pytest.mark.parametrize("lang", RUNS)
def test_paths_queries_and_headers_arrive_whole(seen: Seen, lang: str) -> None:
    for text in HOSTILE_TEXTS:
        url = address(f"{seen.url}/acme/it's/v1", "/a'b%C3%A9/{id}.json", path_values={"id": text}, query=[("q'", text), ("n", 5)])
        sent = call(seen, url=url, method="DELETE", headers=(("X-Text", text), ("Bad\nName", "x"), ("Authorization", "no")))
        if lang == "curl" or text in HOSTILE_TEXTS[:3]:
            run(lang, RUNS[lang](sent))
            method, path, headers, _ = seen.calls[-1]
            assert (method, path) == ("DELETE", url.removeprefix(seen.url))
            assert "\n" not in headers["x-text"]
            assert headers["authorization"] == "Bearer T-1.2_3"
            assert not {"bad", "bad\nname"} & set(headers)


@pytest.mark.parametrize("lang", RUNS)
@pytest.mark.parametrize(
    "body,arrives",
    [
        (Body("text/plain", "it's `so`\n@x\u202e\x00"), "it's `so`\n@x"),
        (Body("application/x-www-form-urlencoded", {"a b": "c&d", "e": 1}), "a+b=c%26d&e=1"),
        (Body("application/vnd.acme+json", {"a": "é"}), '{\n  "a": "é"\n}'),
        (Body("application/json", "@/etc/passwd"), '"@/etc/passwd"'),
        (Body("application/json", float("inf")), "null"),
    ],
)
def test_bodies_of_each_type(seen: Seen, lang: str, body: Body, arrives: str) -> None:
    run(lang, RUNS[lang](call(seen, method="PUT", body=body)))
    _, _, headers, found = seen.calls[-1]
    assert headers["content-type"] == body.content_type
    if is_json(body.content_type):
        assert json.loads(found) == json.loads(arrives)
    else:
        assert found.decode() == arrives


@pytest.mark.parametrize("lang", RUNS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "OPTIONS"])
def test_every_method(seen: Seen, lang: str, method: str) -> None:
    run(lang, RUNS[lang](call(seen, method=method)))
    assert seen.calls[-1][0] == method


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_what_cannot_be_seen_stands_by_its_number(text: str) -> None:
    given = Call(
        token_url="https://p/t/a/oauth/token", client_id="c", method="POST", url="https://g/a", body=Body("application/json", [text])
    )
    for each in samples.samples(given):
        assert all(letter.isprintable() or letter in "\n\t" for letter in each.text), each


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_go_reads_the_same_text(text: str) -> None:
    """Of escapes it has only those that Python reads alike, and backticks hold only what may stand there (Go spec, string literals)."""
    assert ast.literal_eval(samples._quoted(text)) == text
    raw = samples._go_text(f"{text}\n")
    assert raw == f"`{text}\n`" if raw[0] == "`" else ast.literal_eval(raw) == f"{text}\n"
    assert "`" not in raw[1:-1] or raw[0] == '"'
    assert json.dumps("T") in go(call(Seen("https://gateway.example"), headers=(("X", "T"),)))


@pytest.mark.parametrize(
    "values,path",
    [
        ({"id": "7 a/b"}, "/orders/1"),
        ({"id": ".."}, "/orders/1"),
        ({"id": ""}, "/orders/1"),
        ({}, "/orders/1"),
        ({"id": "a b?c#d%"}, "/orders/a%20b%3Fc%23d%25"),
        ({"id": True}, "/orders/true"),
        ({"id": "\ud800"}, "/orders/%3F"),
    ],
)
def test_a_path_takes_what_a_gateway_takes(values: dict[str, Any], path: str) -> None:
    assert address("https://g", "/orders/{id}", path_values=values) == f"https://g{path}"


@pytest.fixture
def portal() -> Iterator[str]:
    """The token endpoint, served for programs outside."""
    thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
    thread.start()
    thread.is_ready.wait()
    assert thread.error is None
    yield f"http://127.0.0.1:{thread.port}"
    thread.terminate()
    thread.join()


@pytest.mark.parametrize("lang", RUNS)
def test_carls_sample_calls_through_the_real_gateway(gateway: Gateway, upstream: Upstream, portal: str, lang: str) -> None:
    shop = live.shop(upstream)
    with shop.scope():
        carl = make.application()
        _, secret = make.credential(carl)
        make.subscription(of=carl, to=make.plan(shop.apis["orders"]))
        assert Subscription.objects.get().status == "active"
    shop.enforced_newest()
    # The sample is run once, and a busy machine can need longer to load a tenant than Envoy holds a call.
    gateway.call(shop.path())
    sample = Call(
        token_url=f"{portal}/t/{shop.slug}/oauth/token",
        client_id=carl.client_id,
        method="POST",
        url=address(settings.GATEWAY_URL, shop.path("/orders"), path_values={}),
        body=Body("application/json", {"sku": "mug's"}),
    )
    printed = run(lang, RUNS[lang](sample), secret)
    assert '"path": "/orders"' in printed
    assert upstream.seen[-1].method == "POST"
    assert upstream.seen[-1].headers["x-portico-application"] == carl.client_id
    refused = run(lang, RUNS[lang](replace(sample, url=sample.url + "/nowhere/at/all")), secret)
    assert "NO_SUCH" in refused or "ROUTE" in refused
