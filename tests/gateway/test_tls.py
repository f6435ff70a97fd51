"""TLS between gateways and control: who shows the right certificate joins, and every other is refused with a reason."""

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.core.exceptions import ImproperlyConfigured
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from gateway import tls
from gateway.envoy.bootstrap import CLIENT_SECRET, CONTROL_CA_SECRET
from gateway.listening import listen
from gateway.models import GatewayNode, Refusal
from gateway.nodes import issue_credential
from portal.stack import Ports, envoy, probes
from portal.stack.ports import choose
from portal.stack.processes import Program
from portal.stack.stack import PROJECT
from tests import live
from tests.live import HOST, Gateway, Upstream
from tests.pki import DAY, NOW, Authority, Pair

SERVER = "control.test"
REFUSED = "remote connection failure"


def named(by: Authority, name: str, **fields: Any) -> Pair:
    return by.issue(name, extensions=(x509.SubjectAlternativeName([x509.DNSName(name)]),), **fields)


def write(folder: Path, pair: Pair) -> None:
    """As who renews a certificate does: each file moved to its place whole."""
    folder.mkdir(exist_ok=True)
    for name, text in (("key.pem", pair.key), ("cert.pem", pair.certificate)):
        (folder / f"new-{name}").write_text(text)
        (folder / f"new-{name}").rename(folder / name)


def free_port() -> int:
    return choose(Ports(0, 0, 0, 0), needed=set()).gateway


@dataclass
class Secure:
    """Control and usage with TLS, and the authorities: `server` signed theirs, `clients` sign what gateways show."""

    gateway: Gateway
    folder: Path
    server: Authority
    clients: Authority
    control: int
    usage: int

    def envoy(self, node: str, *, ca: Authority | None = None, own: Pair | None) -> str:
        """Start an Envoy with these, and return its part's name; it may or may not join."""
        place = self.folder / node
        place.mkdir()
        (place / "ca.pem").write_text((ca or self.server).certificate)
        options = ["--control-ca-file", str(place / "ca.pem"), "--control-name", SERVER, "--sds-dir", str(place)]
        if own is not None:
            write(place, own)
            options += ["--cert-file", str(place / "cert.pem"), "--key-file", str(place / "key.pem")]
        for secret in [CONTROL_CA_SECRET, *([CLIENT_SECRET] if own is not None else [])]:
            (place / f"{secret}.json").write_text(self.command(*options, "--sds-file", secret))
        own_address = ["--address", f"http://{HOST}:{self.gateway.port}", "--admin", str(place / "admin.sock")]
        bootstrap = place / "bootstrap.json"
        bootstrap.write_text(self.command("--node", node, *own_address, *options))
        binary = envoy.executable("")
        # By a name of its own: the supervisor ends what it knows by name.
        program = replace(envoy.gateway(binary, bootstrap, log=place / "envoy.log"), name=node)
        self.gateway.parts[node] = self.gateway.supervisor.start(program)
        return node

    def command(self, *options: str) -> str:
        argv = [sys.executable, "manage.py", "gateway_bootstrap", *options]
        done = subprocess.run(argv, cwd=PROJECT, env=self.gateway.environment, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self, node: str) -> str:
        return (self.folder / node / "envoy.log").read_text()


def _accepts(port: int, _pid: int) -> bool:
    return probes.accepts((HOST, port))


def joined(node: str) -> bool:
    return GatewayNode.objects.connected().filter(name=node).exists()


@pytest.fixture
def secure(committed: None, tmp_path: Path) -> Iterator[Secure]:
    made = Gateway(tmp_path, node="tls-1", port=free_port())
    found = Secure(made, tmp_path, Authority("Portico"), Authority("Gateways"), free_port(), free_port())
    write(tmp_path / "server", named(found.server, SERVER))
    (tmp_path / "clients.pem").write_text(found.clients.certificate)
    made.environment |= {
        "PORTICO_CONTROL": f"{HOST}:{found.control}",
        "PORTICO_USAGE": f"{HOST}:{found.usage}",
        "PORTICO_CONTROL_CERT_FILE": str(tmp_path / "server" / "cert.pem"),
        "PORTICO_CONTROL_KEY_FILE": str(tmp_path / "server" / "key.pem"),
        "PORTICO_CONTROL_CLIENT_CA_FILE": str(tmp_path / "clients.pem"),
    }
    try:
        for name, port in (("control", found.control), ("usage", found.usage)):
            made.parts[name] = made.supervisor.start(
                Program(
                    name=name,
                    argv=[sys.executable, "manage.py", name],
                    log=tmp_path / f"{name}.log",
                    environment=made.environment,
                    directory=PROJECT,
                    ready=partial(_accepts, port),
                    stage=1,
                )
            )
        for name in ("control", "usage"):
            made.parts[name].wait_ready()
        yield found
    finally:
        made.stop()
        GatewayNode.objects.filter(name__startswith="tls-").update(connected=False, revoked_at="2026-01-01T00:00:00Z")


def test_a_gateway_with_the_right_certificate_joins_serves_and_is_heard(secure: Secure, upstream: Upstream) -> None:
    secure.envoy("tls-1", own=named(secure.clients, "tls-1"))
    live.eventually(lambda: joined("tls-1"))
    shop = live.shop(upstream)
    carl, dora = shop.client(), shop.client("suspended")
    secure.gateway.settles(200, "", shop.path(), carl.token())
    secure.gateway.settles(403, "SUBSCRIPTION_SUSPENDED", shop.path(), dora.token())

    def told() -> bool:
        with shop.scope():
            return Refusal.objects.filter(application=dora.application, gateway="tls-1").exists()

    live.eventually(told)


def test_each_wrong_certificate_is_refused_and_said(secure: Secure) -> None:
    other = Authority("Somebody else")
    wrong = {
        secure.envoy("tls-wrong-ca", ca=other, own=named(secure.clients, "tls-wrong-ca")): "CERTIFICATE_VERIFY_FAILED",
        secure.envoy("tls-foreign", own=named(other, "tls-foreign")): REFUSED,
        secure.envoy("tls-expired", own=named(secure.clients, "tls-expired", since=NOW - 3 * DAY, until=NOW - DAY)): REFUSED,
        secure.envoy("tls-none", own=None): REFUSED,
        secure.envoy("tls-misnamed", own=named(secure.clients, "tls-1")): "for tls-1, and not for the gateway tls-misnamed.",
    }
    for node, said in wrong.items():

        def is_said(node: str = node, said: str = said) -> bool:
            assert said in secure.log(node), secure.log(node)[-1500:]
            return True

        live.eventually(is_said)
    # Who refuses says why: with TLS 1.3 the other side only sees that it was.
    told = (secure.folder / "control.log").read_text()
    for said in ("unable to get local issuer certificate", "certificate has expired", "PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        assert said in told
    assert [node for node in wrong if joined(node)] == []


def test_renewed_certificates_are_picked_up_on_both_sides(secure: Secure) -> None:
    node = secure.envoy("tls-2", own=named(secure.clients, "tls-2", since=NOW - 3 * DAY, until=NOW - DAY))
    live.eventually(lambda: REFUSED in secure.log(node))
    write(secure.folder / node, named(secure.clients, "tls-2"))
    live.eventually(lambda: joined("tls-2"))
    own = named(secure.clients, "tls-2")
    write(secure.folder / "mine", own)
    before = shown(secure)
    renewed = named(secure.server, SERVER)
    # Half of it is no certificate, so the one from before goes on.
    (secure.folder / "server" / "key.pem").write_text(renewed.key)
    assert shown(secure) == before
    write(secure.folder / "server", renewed)
    live.eventually(lambda: shown(secure) == renewed.fingerprint)
    assert before != renewed.fingerprint
    assert joined("tls-2")


def shown(secure: Secure) -> str:
    """The certificate that control shows now."""
    folder = secure.folder / "mine"
    context = ssl.create_default_context(cadata=secure.server.certificate)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((HOST, secure.control)) as plain, context.wrap_socket(plain, server_hostname=SERVER) as wrapped:
        found = wrapped.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found).fingerprint(hashes.SHA256()).hex()


# Usage


async def write_log(channel: grpc.aio.Channel, name: str, metadata: Sequence[tuple[str, str]]) -> grpc.StatusCode:
    message = als_pb2.StreamAccessLogsMessage()
    message.identifier.node.id = name
    async with channel:
        call = als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs(metadata=tuple(metadata))
        try:
            await call.write(message)
            await call.done_writing()
            await call
        except grpc.aio.AioRpcError as refused:
            return refused.code()
    return grpc.StatusCode.OK


# Whose certificate, whose token, as whom.
WRITERS = {
    "right": ("tls-3", "own", "tls-3", grpc.StatusCode.OK),
    "no token": ("tls-3", "", "tls-3", grpc.StatusCode.UNAUTHENTICATED),
    "wrong token": ("tls-3", "wrong", "tls-3", grpc.StatusCode.UNAUTHENTICATED),
    "another's name": ("tls-3", "own", "tls-4", grpc.StatusCode.UNAUTHENTICATED),
    "another's certificate": ("tls-4", "own", "tls-3", grpc.StatusCode.UNAUTHENTICATED),
    "no certificate": ("", "own", "tls-3", grpc.StatusCode.UNAVAILABLE),
}


def test_only_gateways_write_access_logs(secure: Secure) -> None:
    tokens = {"own": issue_credential("tls-3", address=""), "wrong": "ptc_node_of-nobody"}
    (secure.folder / "ca.pem").write_text(secure.server.certificate)

    async def answered(certificate: str, token: str, name: str) -> grpc.StatusCode:
        files, mine = {}, secure.folder / f"of-{certificate}"
        if certificate:
            write(mine, named(secure.clients, certificate))
            files = {"cert_file": str(mine / "cert.pem"), "key_file": str(mine / "key.pem")}
        to = tls.channel(f"{HOST}:{secure.usage}", ca_file=str(secure.folder / "ca.pem"), name=SERVER, **files)
        return await write_log(to, name, [("authorization", f"Bearer {tokens[token]}")] if token else [])

    for writer, (certificate, token, name, code) in WRITERS.items():
        assert asyncio.run(answered(certificate, token, name)) is code, writer
    assert "not for the gateway tls-3." in (secure.folder / "usage.log").read_text()


# What can't be set up


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("unix:/run/control.sock", True), ("127.0.0.1:9001", True), ("[::1]:9001", True), ("localhost:9001", True),
        ("0.0.0.0:9001", False), ("[::]:9001", False), ("control:9001", False), ("10.0.0.1:9001", False),
    ],
)  # fmt: skip
def test_plain_text_is_for_this_machine_alone(settings: Any, address: str, is_here: bool) -> None:
    class Server:
        ports: list[str] = []

        def add_insecure_port(self, address: str) -> None:
            self.ports.append(address)

    server: Any = Server()
    server.ports = []
    if is_here:
        listen(server, address)
    else:
        with pytest.raises(ImproperlyConfigured, match="in plain text"):
            listen(server, address)
        settings.CONTROL_PLAINTEXT = True
        listen(server, address)
    assert server.ports == [address]
    with pytest.raises(ImproperlyConfigured, match="one address"):
        listen(server, f"{address} {address}")


def test_files_that_are_no_certificate_are_named(settings: Any, tmp_path: Path) -> None:
    one, other = (named(Authority(), SERVER) for _ in range(2))
    write(tmp_path, Pair(one.certificate, other.key))
    cert, key, nothing = (str(tmp_path / name) for name in ("cert.pem", "key.pem", "nothing.pem"))
    for files, said in (
        ((cert, key), "is not the one of the certificate"), ((nothing, key), "can't be read"), ((key, key), "no certificate"),
        ((cert, cert), "no private key"), ((cert, ""), "needs both"),
    ):  # fmt: skip
        settings.CONTROL_CERT_FILE, settings.CONTROL_KEY_FILE = files
        with pytest.raises(ImproperlyConfigured, match=said):
            listen(None, "127.0.0.1:1")  # type: ignore[arg-type]
