"""A pytest plugin, loaded before the settings are: one PostgreSQL and one Valkey for the run, one database per worker.

The controller starts the servers; pytest-xdist's workers inherit their addresses. The code under test connects as portico_app:
a superuser would switch row security off without a word.
"""

import ipaddress
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from cryptography import x509

from portal.stack import Ports, Postgres, Valkey
from portal.stack.ports import choose
from tests.pki import Authority

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
VAR = "PORTICO_VAR"
_started: list[Postgres | Valkey] = []


def _start() -> None:
    var = Path(tempfile.mkdtemp(prefix="portico-tests-"))
    # PostgreSQL runs as another user when we are root, and has to pass.
    var.chmod(0o755)
    os.environ[VAR] = str(var)
    quiet = lambda _: None  # noqa: E731
    postgres, valkey = Postgres(var, durable=False, connections=100, say=quiet), Valkey(var, say=quiet)
    _started.extend([postgres, valkey])
    postgres.start()
    valkey.start()
    os.environ["VALKEY_URL"] = valkey.url()


def _choose_database() -> None:
    postgres = Postgres(Path(os.environ[VAR]), say=lambda _: None)
    name = f"test_{WORKER}"
    postgres.create_database(name)
    os.environ["DATABASE_URL"] = os.environ["DATABASE_DIRECT_URL"] = postgres.url(database=name)
    os.environ["DATABASE_OWNER_URL"] = postgres.url("portico_owner", name)
    os.environ["PORTICO_RUN"] = tempfile.mkdtemp(prefix=f"portico-{WORKER}-")
    # A free one, as the embedded stack chooses them; every process of this worker is told the same.
    ports = choose(Ports(0, 0, 0, 0), needed=set())
    os.environ["PORTICO_GATEWAY_PORT"], os.environ["PORTICO_GATEWAY_TLS_PORT"] = str(ports.gateway), str(ports.upstream)
    _make_certificate(Path(tempfile.mkdtemp(prefix=f"portico-tls-{WORKER}-")))
    os.environ["PORTICO_UPSTREAM_NETWORKS"] = "127.0.0.0/8 ::1/128"
    # Every worker derives the secrets from the shared folder, so tokens of one verify in another.
    os.environ["PORTICO_SECRET_KEY"] = "only-for-tests-0123456789-0123456789-0123456789"


def _make_certificate(folder: Path) -> None:
    """What gateways prove themselves with under their own names."""
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    pair = Authority().issue("gateway", extensions=(x509.SubjectAlternativeName(names),))
    for name, text, setting in (("gateway.crt", pair.certificate, "CERT"), ("gateway.key", pair.key, "KEY")):
        (folder / name).write_text(text)
        os.environ[f"PORTICO_GATEWAY_{setting}_FILE"] = str(folder / name)


if WORKER == "main":
    _start()
_choose_database()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ["PORTICO_RUN"], ignore_errors=True)
    shutil.rmtree(Path(os.environ["PORTICO_GATEWAY_KEY_FILE"]).parent, ignore_errors=True)
    for server in reversed(_started):
        server.stop()
    if _started:
        shutil.rmtree(os.environ[VAR], ignore_errors=True)
