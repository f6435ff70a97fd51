"""What each process tells of itself: Prometheus' numbers, whether it lives and is ready; its log as JSON; and its traces."""

import http.server
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from gateway import measures as of_gateways
from portal import logs, measures
from portal.stack.parts import GRANIAN, TELLING, WORKER, Parts
from portal.stack.places import Places
from portal.stack.ports import Ports
from portal.stack.stack import PROJECT
from tenants import monitoring
from tenants.origin import Origin, origin
from tenants.scope import tenant_scope
from tests import live, make
from tests.live import Gateway, Upstream

HEALTHZ = "portal.health.healthz"
DASHBOARD = PROJECT / "docs" / "grafana" / "portico.json"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def told(text: str) -> dict[str, float]:
    """Each number by its name, added up over its labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


# --- the address ------------------------------------------------------------------------------------------------------


def test_alive_ready_and_numbers() -> None:
    needed = {"database": True}
    with monitoring.serving("127.0.0.1:0", lambda: needed) as port:
        assert ask(port, "/healthz") == (200, "ok\n")
        assert ask(port, "/readyz") == (200, '{"database": true}')
        needed["database"] = False
        assert ask(port, "/readyz") == (503, '{"database": false}')
        status, text = ask(port, "/metrics?x=1")
        assert status == 200
        assert "portico_http_requests_total" in text
        assert ask(port, "/elsewhere")[0] == 404
    with pytest.raises(urllib.error.URLError):
        ask(port, "/healthz")


def test_nothing_is_served_where_nobody_asked_for_it_and_where_somebody_is(caplog: pytest.LogCaptureFixture) -> None:
    with monitoring.serving("") as port:
        assert port == 0
    with monitoring.serving("127.0.0.1:0") as taken, monitoring.serving(f"127.0.0.1:{taken}") as port:
        assert port == 0
    assert "Nothing is told at" in caplog.text


def test_each_process_of_the_stack_has_an_address_of_its_own(tmp_path: Path) -> None:
    parts = Parts(project=PROJECT, places=Places(tmp_path), ports=Ports(), environment={"PORTICO_METRICS": "127.0.0.1:9464"})
    programs = (parts.web(), parts.worker(), parts.control(), parts.usage(), parts.mcp())
    assert tuple(each.name for each in programs) == TELLING
    assert [each.environment["PORTICO_METRICS"] for each in programs] == [f"127.0.0.1:{port}" for port in range(9464, 9469)]


# --- the numbers ------------------------------------------------------------------------------------------------------


def test_a_request_counts_by_the_name_of_its_view_and_never_by_its_address(db: None) -> None:
    def count(view: str, status: str, method: str = "GET") -> float:
        found: float = measures.REQUESTS.labels(method, view, status)._value.get()
        return found

    before = count(HEALTHZ, "200"), count("", "404"), count("token", "404", "POST")
    client = Client()
    client.get("/healthz")
    client.get("/somewhere-that-names-somebody/")
    client.post("/t/nobody/oauth/token")
    client.generic("BREW", "/healthz")
    assert (count(HEALTHZ, "200"), count("", "404"), count("token", "404", "POST")) == tuple(each + 1 for each in before)
    assert count("", "404") == before[1] + 1
    assert count("token", "404", "POST") == before[2] + 1
    assert "somebody" not in monitoring.metrics().decode()
    assert "BREW" not in monitoring.metrics().decode()


@contextmanager
def process(name: str, environment: Mapping[str, str], log: Path) -> Iterator[int]:
    port = free_port()
    given = {**environment, "PORTICO_METRICS": f"127.0.0.1:{port}"}
    argv = {
        "web": [*GRANIAN, "--port", str(free_port()), "--blocking-threads", "2", "portal.wsgi:application"],
        "worker": ["celery", "-A", "portal", "worker", *WORKER, "-Q", "nobodys"],
    }[name]
    with log.open("w") as out:
        running = subprocess.Popen([sys.executable, "-m", *argv], cwd=PROJECT, env=given, stdout=out, stderr=out)
    try:
        yield port
    except BaseException:
        print(log.read_text()[-3000:])
        raise
    finally:
        running.terminate()
        running.wait(30)


@pytest.mark.parametrize("name", ["web", "worker"])
def test_web_and_worker_tell_of_themselves(committed: None, gateway: Gateway, tmp_path: Path, name: str) -> None:
    with process(name, gateway.environment, tmp_path / "log") as port:

        def ready() -> bool:
            try:
                return ask(port, "/readyz")[0] in {200, 503}
            except OSError:
                return False

        live.eventually(ready, within=60)
        # A machine under load may ask in vain at first.
        live.eventually(lambda: json.loads(ask(port, "/readyz")[1])["database"])
        assert "portico_" in ask(port, "/metrics")[1]


def test_control_and_usage_tell_of_gateways_receipts_and_calls(fresh_gateway: Gateway, upstream: Upstream) -> None:
    gateway = fresh_gateway
    ports = {name: free_port() for name in ("control", "usage")}
    kept = gateway.environment
    for name, port in ports.items():
        gateway.end(name)
        gateway.environment = {**kept, "PORTICO_METRICS": f"127.0.0.1:{port}"}
        gateway.begin_and_wait(name)
    gateway.environment = kept
    try:
        gateway.wait_joined()
        shop = live.shop(upstream)
        carl = shop.client()
        gateway.settles(200, "", shop.path(), carl.token())
        shop.enforced_newest()
        assert ask(ports["control"], "/readyz") == (200, '{"database": true}')

        def control() -> bool:
            # What has labels stands there once it was counted.
            numbers = defaultdict(float, told(ask(ports["control"], "/metrics")[1]))
            assert numbers["portico_control_gateways"] == 1
            assert numbers["portico_control_receipts_total"] >= 1
            assert numbers["portico_control_receipt_seconds_count"] >= 1
            assert numbers["portico_control_acknowledgement_seconds_count"] >= 3
            assert numbers["portico_control_loaded_tenants"] >= 1
            return True

        live.eventually(control)
        live.eventually(lambda: told(ask(ports["usage"], "/metrics")[1]).get("portico_usage_entries_total", 0) >= 1)
        assert shop.slug not in ask(ports["control"], "/metrics")[1] + ask(ports["usage"], "/metrics")[1]
    finally:
        for name in ports:
            gateway.end(name)
            gateway.begin_and_wait(name)
        gateway.wait_joined()


def test_the_dashboard_asks_for_numbers_that_there_are() -> None:
    asked = set(re.findall(r"portico_\w+", DASHBOARD.read_text()))
    assert of_gateways.RECEIPTS
    there = set(re.findall(r"^# TYPE (\w+)", monitoring.metrics().decode(), re.MULTILINE))
    known = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in there}
    assert len(asked) > 8
    assert {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in asked} <= known


# --- the log ----------------------------------------------------------------------------------------------------------


def record(message: str) -> logging.LogRecord:
    found = logging.LogRecord("portal.there", logging.WARNING, __file__, 1, message, None, None)
    assert logs.Where().filter(found)
    return found


def formatter() -> logs.Json:
    formatters: Any = settings.LOGGING["formatters"]
    return logs.Json(formatters["json"]["members"])


def test_a_line_of_json_says_in_which_request_and_about_which_tenant(db: None) -> None:
    tenant = make.tenant("acme")
    token = origin.set(Origin("192.0.2.1", "curl", "request-1"))
    try:
        with tenant_scope(tenant.pk):
            line = json.loads(formatter().format(record('It said "no"\nand more')))
    finally:
        origin.reset(token)
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "portal.there", 'It said "no"\nand more')
    assert (line["request_id"], line["tenant"]) == ("request-1", str(tenant.pk))
    assert line["timestamp"].startswith("20")
    elsewhere = json.loads(formatter().format(record("It began.")))
    assert (elsewhere["request_id"], elsewhere["tenant"]) == ("", "")


def test_what_is_secret_in_an_address_is_in_no_line_of_json() -> None:
    text = formatter().format(record("GET /t/acme/feeds/ptc_feed_abcdef.ics and /t/acme/invitations/abcdef/"))
    assert "abcdef" not in text


# --- traces -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Somebody who takes OTLP, and what came."""
    came: list[tuple[str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", came
    server.shutdown()
    server.server_close()
    thread.join()


TRACED = """
import os, django
django.setup()
from portal import tracing
tracing.begin("test")
from django.test import Client as DjangoClient
Client = lambda: DjangoClient(HTTP_HOST="127.0.0.1")
assert Client().get("/healthz", HTTP_TRACEPARENT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").status_code == 200
assert Client().get("/readyz").status_code == 200
assert Client().get("/t/acme/feeds/ptc_feed_canary1.ics").status_code == 404
assert Client().get("/accounts/password/reset/key/canary2-canary3/").status_code < 500
assert Client().get("/accounts/login/?code=canary4&q=ptc_feed_canary5").status_code == 200
from opentelemetry import trace
trace.get_tracer_provider().force_flush()
"""


def test_traces_go_where_the_operator_says_and_go_on_with_the_callers(
    committed: None, gateway: Gateway, collector: tuple[str, list[tuple[str, bytes]]]
) -> None:
    url, came = collector
    environment = {
        **gateway.environment,
        "PORTICO_OTLP_ENDPOINT": url,
        "PYTHONWARNINGS": "ignore",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    done = subprocess.run([sys.executable, "-c", TRACED], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path for path, _ in came} == {"/v1/traces"}
    spans = b"".join(body for _, body in came)
    assert b"portico-test" in spans
    assert bytes.fromhex("0af7651916cd43dd8448eb211c80319c") in spans
    assert b"SELECT" in spans, "what PostgreSQL was asked is in it"
    assert b"/t/acme/feeds/ptc_feed_" in spans
    assert b"/accounts/login/" in spans
    assert b"canary" not in spans


def test_a_traceparent_passes_the_gateway_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    """W3C Trace Context: the caller's trace goes on behind the gateway."""
    shop = live.shop(upstream)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = gateway.settles(200, "", shop.path(), shop.client().token(), headers=[("traceparent", parent), ("tracestate", "a=1")])
    assert answer.json["headers"]["traceparent"] == parent
    assert answer.json["headers"]["tracestate"] == "a=1"
