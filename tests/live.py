"""A real gateway for tests: control and usage as processes of their own, a real Envoy, and an upstream that counts what reaches it.

Everything works on the worker's committed database, so each test makes tenants of its own.
"""

import http.client
import http.server
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.conf import settings

from apis.actions import publishing
from apis.models import Api, Plan, Revision, Subscription
from gateway import receipts
from gateway.models import Deployment, GatewayNode, Receipt
from keys import keyring, tokens
from keys.models import Application, Credential, SigningKey
from portal.stack import envoy, probes
from portal.stack.processes import Process, Program, Supervisor
from portal.stack.stack import PROJECT
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event, Role, User
from tenants.scope import tenant_scope
from tests import make

HOST = "127.0.0.1"
# How long anything that has to happen may take here; a machine under load is slow, and a test that waits is not.
DEADLINE = 20.0
T = TypeVar("T")
_numbers = count(1)
_made: set[str] = set()

DOCUMENT: dict[str, Any] = {
    **make.DOCUMENT,
    "paths": {**make.DOCUMENT["paths"], "/slow": {"get": {"operationId": "waitFor", "responses": {"200": {"description": "Later"}}}}},
}


def eventually(check: Callable[[], T], *, within: float = DEADLINE) -> T:
    """What `check` returns as soon as that is true; raises its last AssertionError, or one of ours, after the deadline."""
    until = time.monotonic() + within
    while True:
        try:
            found = check()
            if found:
                return found
            error: AssertionError = AssertionError(f"still {found!r} after {within} s")
        except AssertionError as raised:
            error = raised
        if time.monotonic() > until:
            raise error
        time.sleep(0.01)


def stays(check: Callable[[], T], *, seconds: float = 0.5) -> None:
    """`check` stays true for a while: long enough for what is told too early to be told."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert check()
        time.sleep(0.02)


# The upstream


@dataclass(frozen=True, slots=True)
class Seen:
    """One call as the upstream saw it; `headers` with names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    length: int


class Upstream:
    """Answers each call with what it saw, with `status` and with `headers`. `/…/slow?ms=500` takes its time."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.headers: dict[str, str] = {}
        self.status = 200
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                upstream.answer(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_TRACE = do_CONNECT = do_OPTIONS = do_HEAD = do_PATCH = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = _Server((HOST, 0), Handler)
        self.port = self.server.server_port
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = _chunked(handler) if "transfer-encoding" in headers else handler.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(handler.command, handler.path, headers, len(body))
        self.seen.append(seen)
        path, _, query = handler.path.partition("?")
        if path.endswith("/slow"):
            time.sleep(int(query.removeprefix("ms=")) / 1000)
        told = {"method": seen.method, "path": seen.path, "headers": headers, "length": seen.length}
        content = json.dumps(told).encode()
        handler.send_response(self.status)
        for name, value in {"content-type": "application/json", "content-length": str(len(content)), **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Envoy closes connections as it likes; that is no news."""


def _chunked(handler: http.server.BaseHTTPRequestHandler) -> bytes:
    whole = b""
    while size := int(handler.rfile.readline(), 16):
        whole += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return whole


# The gateway


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is the header x-portico-refusal, "" when the call was not refused."""

    status: int
    code: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.status} {self.code} {self.body[:300]!r}"


class Gateway:
    """control, usage and one Envoy. Another Gateway with a port of its own is another node of the same Portico."""

    drain_seconds = envoy.DRAIN_SECONDS

    def __init__(self, folder: Path, *, node: str, port: int = 0, ca_file: str = "", agent: bool = False) -> None:
        """:param agent: whether one stands beside the Envoy."""
        self.agent = agent
        self.folder, self.node, self.port, self.ca_file = folder, node, port or settings.GATEWAY_PORT, ca_file
        self.environment = {
            **os.environ,
            "PORTICO_RUN": str(folder),
            "PORTICO_GATEWAY_PORT": str(self.port),
            # Of several gateways on one machine the first alone has the port.
            "PORTICO_GATEWAY_TLS_PORT": str(settings.GATEWAY_TLS_PORT if self.port == settings.GATEWAY_PORT else 0),
            "PORTICO_GATEWAY_TLS_PUBLIC_PORT": str(settings.GATEWAY_TLS_PUBLIC_PORT),
            "PORTICO_GATEWAY_URL": settings.GATEWAY_URL,
            # Each test would wait for it otherwise.
            "PORTICO_RECONCILE_SECONDS": "1",
            "PORTICO_LOG_SHIPPING_FOLDER": str(folder / "calls"),
            "PYTHONWARNINGS": "default",
        }
        self.supervisor = Supervisor(folder / "processes.json", say=lambda _: None)
        self.supervisor.open()
        self.parts: dict[str, Process] = {}
        # Whether a tenant's first call is repeated until the tenant is loaded, and the tenants that were called.
        self.patient = True
        self.called: set[str] = set()

    def start_services(self) -> None:
        for name in ("control", "usage"):
            self.begin(name)
        for name in ("control", "usage"):
            self.parts[name].wait_ready()

    def mend(self) -> None:
        """Start what does not run; an Envoy that the database knows nothing of gets a token again."""
        for name in ("control", "usage"):
            if name not in self.parts:
                self.begin_and_wait(name)
        if "envoy" in self.parts and not GatewayNode.objects.filter(name=self.node).exists():
            self.end("envoy")
        if "envoy" not in self.parts:
            self.start_envoy()
        self.wait_joined()

    def stop(self) -> None:
        self.supervisor.stop()

    def begin(self, name: str, argv: Sequence[str] = ()) -> None:
        """Start control or usage, or what `argv` has in its place."""
        address = self.folder / f"{name}.sock"
        program = Program(
            name=name,
            argv=argv or [sys.executable, "manage.py", name],
            log=self.folder / f"{name}.log",
            # As it is now, also when it is started again after its death.
            environment=dict(self.environment),
            directory=PROJECT,
            ready=lambda _pid: probes.accepts(address),
            stage=1,
        )
        self.parts[name] = self.supervisor.start(program)

    def end(self, name: str) -> None:
        """Stop one part for good."""
        process = self.parts.pop(name)
        process.leave()
        process.wait_left()

    def begin_and_wait(self, name: str) -> None:
        self.begin(name)
        self.parts[name].wait_ready()

    def start_envoy(self) -> None:
        bootstrap = self.folder / "bootstrap.json"
        argv = [sys.executable, "manage.py", "gateway_bootstrap", "--node", self.node]
        argv += ["--address", f"http://{HOST}:{self.port}", "--admin", str(self.folder / "admin.sock")]
        argv += ["--ca-file", self.ca_file] if self.ca_file else []
        if self.agent:
            argv += ["--agent", f"unix:{self.folder / 'agent.sock'}", "--agent-credential-file", str(self.folder / "credential")]
        done = subprocess.run(argv, cwd=PROJECT, env=self.environment, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr
        bootstrap.write_text(done.stdout)
        if self.agent and "agent" not in self.parts:
            self.start_agent()
        self._run_envoy(bootstrap)

    def start_agent(self, *more: str, control: str = "") -> None:
        """The helper beside the Envoy; `more` of its command line."""
        argv = [sys.executable, "-m", "gateway.agent", "--node", self.node, "--listen", f"unix:{self.folder / 'agent.sock'}"]
        argv += ["--control", control or f"unix:{self.folder / 'control.sock'}", "--credential-file", str(self.folder / "credential")]
        self.begin("agent", [*argv, "--snapshot", str(self.folder / "snapshot"), *more])
        self.parts["agent"].wait_ready()

    def _run_envoy(self, bootstrap: Path) -> None:
        binary = envoy.executable(os.environ.get("PORTICO_ENVOY", ""))
        self.parts["envoy"] = self.supervisor.start(
            envoy.gateway(binary, bootstrap, log=self.folder / "envoy.log", drain_seconds=self.drain_seconds)
        )
        self.parts["envoy"].wait_ready()
        self.wait_joined()

    def fresh_envoy(self) -> None:
        """Another Envoy in the place of this one: it has loaded no tenant."""
        self.end("envoy")
        self._run_envoy(self.folder / "bootstrap.json")

    def wait_joined(self) -> None:
        eventually(lambda: GatewayNode.objects.connected().filter(name=self.node).exists())
        # The listener may take a moment longer than the admin interface.
        eventually(lambda: probes.accepts((HOST, self.port)))

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """The process stands still, as on a machine that is overloaded."""
        self.parts[name].send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.parts[name].send(signal.SIGCONT)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    # Calls

    def call(
        self,
        path: str,
        token: str = "",
        *,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        host: str = "",
        source: str = "",
        timeout: float = DEADLINE,
    ) -> Answer:
        def once() -> Answer:
            return call(self.port, path, token, method=method, headers=headers, body=body, host=host, source=source, timeout=timeout)

        answer, slug = once(), path.removeprefix("/").partition("/")[0]
        if answer.code == "NOT_READY" and self.patient and slug in _made - self.called:
            # A busy machine can need longer to load a tenant than the second for which Envoy holds the call.
            with suppress(AssertionError):
                answer = eventually(lambda: _ready(once()), within=5)
        self.called.add(slug)
        return answer

    def trickle(self, path: str, token: str, pieces: Sequence[bytes], *, pause: float) -> Answer:
        """A POST whose body comes in pieces with pauses between them; its answer may come before the last."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=DEADLINE)
        try:
            connection.putrequest("POST", path)
            connection.putheader("content-length", str(sum(map(len, pieces))))
            if token:
                connection.putheader("authorization", f"Bearer {token}")
            connection.endheaders()
            for piece in pieces:
                if select.select([connection.sock], [], [], pause)[0]:
                    break
                connection.send(piece)
            return _read(connection.getresponse())
        finally:
            connection.close()

    def raw(self, request: bytes) -> Answer:
        return raw(self.port, request)

    def loads(self, slug: str) -> None:
        """Until it has the tenant, by what counts as no call: who calls once would be told that it is not ready."""
        self.settles(401, "TOKEN_MISSING", f"/{slug}/.portico/canary")

    def settles(self, status: int, code: str, path: str, token: str = "", **more: Any) -> Answer:
        """The call, once it is answered so."""

        def check() -> Answer:
            answer = self.call(path, token, **more)
            assert (answer.status, answer.code) == (status, code), str(answer)
            return answer

        return eventually(check)


def call(
    port: int,
    path: str,
    token: str = "",
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes | None = None,
    host: str = "",
    source: str = "",
    timeout: float = DEADLINE,
) -> Answer:
    """One call on a connection of its own, its headers exactly as given.

    :param source: the address that it comes from, one of this machine's.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout, source_address=(source, 0) if source else None)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", host or f"{HOST}:{port}")
        if token:
            connection.putheader("authorization", f"Bearer {token}")
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        # A refusal may come, and the connection close, before all of a large body is sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            if body:
                connection.send(body)
        return _read(connection.getresponse())
    finally:
        connection.close()


def raw(port: int, request: bytes) -> Answer:
    """Exactly these bytes; for what a client library would not send."""
    with socket.create_connection((HOST, port), timeout=DEADLINE) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return _read(response)


def _ready(answer: Answer) -> Answer:
    assert answer.code != "NOT_READY", str(answer)
    return answer


def _read(response: http.client.HTTPResponse) -> Answer:
    # Several of one name are one list (RFC 9110 §5.3).
    headers = {name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers}
    return Answer(response.status, headers.get("x-portico-refusal", ""), headers, response.read())


# Tenants


@dataclass
class Client:
    """An application with a credential and, perhaps, a subscription."""

    shop: "Shop"
    application: Application
    credential: Credential
    subscription: Subscription | None = None

    @property
    def client_id(self) -> str:
        return self.application.client_id

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = tokens.claims(
            issuer=tokens.issuer(settings.PORTAL_URL, self.shop.slug),
            audience=tokens.audience(settings.GATEWAY_URL, self.shop.slug),
            client_id=self.client_id,
            credential_id=str(self.credential.pk),
            token_id=str(UUID(int=next(_numbers))),
            now=now,
            lifetime=600,
        )
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def token(self) -> str:
        """An access token as the token endpoint makes it."""
        return tokens.sign(self.claims(), self.shop.key)


@dataclass
class Shop:
    """A tenant of one test's own, with an API that is published."""

    slug: str
    pk: UUID
    upstream: str
    apis: dict[str, Api] = field(default_factory=dict)

    @contextmanager
    def scope(self) -> Iterator[None]:
        with tenant_scope(self.pk):
            yield

    @property
    def key(self) -> tokens.Key:
        return self.active_key(SigningKey.Use.ACCESS_TOKEN)

    def active_key(self, purpose: str) -> tokens.Key:
        with self.scope():
            key_id = SigningKey.objects.get(purpose=purpose, status=SigningKey.Status.ACTIVE).pk
        return keyring.signing_key(self.pk, key_id)

    def person(self, role: str) -> User:
        with self.scope():
            return make.somebody(role)

    def path(self, rest: str = "/orders/1", *, api: str = "orders", version: str = "v1") -> str:
        return f"/{self.slug}/{api}/{version}{rest}"

    def add_api(self, slug: str, *, url: str = "", content: dict[str, Any] | None = None, **target: Any) -> Api:
        with self.scope():
            found = publishing.create_api(slug=slug, name=slug.title(), description="", by=None)
            version = publishing.add_version(found, name="v1", by=None)
        revision = self.add_revision(version, url=url, content=content, **target)
        with self.scope():
            publishing.make_live(revision, by=None)
            version.refresh_from_db()
            publishing.publish(version, by=None)
        self.apis[slug] = found
        return found

    def add_revision(
        self, version: Any, *, url: str = "", content: dict[str, Any] | None = None, mock: bool = False, **target: Any
    ) -> Revision:
        """:param mock: it answers from the document's examples."""
        document = make.document(content or DOCUMENT)
        goes_to = publishing.answer_from_examples(document) if mock else make.target(url or self.upstream, **target)
        with self.scope():
            return publishing.add_revision(version, document=document, target=goes_to, by=None)

    def make_live(self, revision: Revision) -> Event:
        with self.scope():
            return publishing.make_live(revision, by=None)

    def plan(self, api: str = "orders", **fields: Any) -> Plan:
        with self.scope():
            return make.plan(self.apis[api], **{"calls": 100_000, **fields})

    def client(self, status: str = "active", *, api: str = "orders", plan: Plan | None = None) -> Client:
        """:param status: of its subscription; "" for none."""
        with self.scope():
            application = make.application()
            credential, _ = make.credential(application)
            found = Client(self, application, credential)
            if status:
                to = plan or make.plan(self.apis[api], calls=100_000)
                found.subscription = make.subscription(status=status, of=application, to=to)
        return found

    def subscribe(self, client: Client, plan: Plan, *, status: str = "active") -> Subscription:
        with self.scope():
            return make.subscription(status=status, of=client.application, to=plan)

    def does(self, action: Callable[..., T], *args: Any, **named: Any) -> T:
        """An action in the tenant's scope, committed when this returns."""
        with self.scope():
            return action(*args, **named)

    def receipt(self, event: Event) -> receipts.Receipt:
        with self.scope():
            return receipts.receipt(event)

    def enforced(self, event: Event) -> receipts.Receipt:
        """The event's receipt, once every gateway enforces it."""

        def check() -> receipts.Receipt:
            receipt = self.receipt(event)
            assert receipt.complete, receipt.sentence
            return receipt

        return eventually(check)

    def enforced_newest(self) -> receipts.Receipt:
        """The receipt of the newest event that concerns gateways, once it is enforced."""
        with self.scope():
            event = Event.objects.filter(kind__in=GATEWAY_KINDS).order_by("-number")[0]
        return self.enforced(event)

    def used(self, *credentials: Credential, gateways: int = 1) -> None:
        """So many gateways have what says that these were used for the first time, which is no decision and is sent all the same."""

        def check() -> bool:
            found = [each for each in self.events("credential.first_used") if each.subject_id in {one.pk for one in credentials}]
            assert len(found) == len(credentials)
            told = Receipt.objects.filter(tenant_id=self.pk, routes__gte=max(each.number for each in found))
            return told.values("node").distinct().count() == gateways

        eventually(check)

    def deployment(self, node: str) -> Deployment:
        with self.scope():
            return Deployment.objects.select_related("node").get(node__name=node)

    def pushes(self) -> int:
        """How many receipts there are."""
        return Receipt.objects.filter(tenant_id=self.pk).count()

    def events(self, kind: str) -> list[Event]:
        with self.scope():
            return list(Event.objects.filter(kind=kind).order_by("number"))


def shop(upstream: Upstream | None = None, *, api: bool = True, **target: Any) -> Shop:
    """A tenant with the API “orders” v1 at this upstream."""
    slug = f"shop-{next(_numbers)}"
    _made.add(slug)
    tenant = make.tenant(slug)
    found = Shop(slug, tenant.pk, upstream.url if upstream else "")
    with found.scope():
        for role in (Role.APPROVER, Role.DEVELOPER, Role.PUBLISHER):
            make.somebody(role)
    if api:
        found.add_api("orders", **target)
    return found


# Fixtures, which tests/conftest.py gives to every test


@pytest.fixture(scope="session")
def _gateway(django_db_setup: None) -> Iterator[Gateway]:
    made = Gateway(settings.RUN, node="gateway-1")
    try:
        made.start_services()
        yield made
    finally:
        made.stop()


@pytest.fixture
def gateway(committed: None, _gateway: Gateway) -> Gateway:
    """One gateway for all tests of a worker, whatever the test before did to its parts."""
    _gateway.mend()
    return _gateway


@pytest.fixture
def fresh_gateway(gateway: Gateway) -> Iterator[Gateway]:
    """The same with an Envoy that has loaded no tenant, whose first calls are answered as they are."""
    gateway.fresh_envoy()
    gateway.patient = False
    yield gateway
    gateway.patient = True


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.stop()
