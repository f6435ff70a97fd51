"""Stand-ins for Portico's processes, each as small as what the stack needs to see of it.

The stack's own tests run it with these, so that they take seconds and fail only for the stack's reasons.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import psycopg

FILES = {
    "manage.py": "import standin\nstandin.main()\n",
    "portal/__init__.py": "",
    "portal/settings.py": "SECRET_KEY = 'stand-in'\n",
    "portal/wsgi.py": "from standin import application\n",
    "portal/demo/__init__.py": "",
    "portal/demo/provider.py": "import standin\nstandin.provider()\n",
    "gateway/__init__.py": "",
    "gateway/agent.py": "import standin\nstandin.agent()\n",
    # Found before the installed one, which takes seconds to start and stop.
    "celery.py": "import standin\nstandin.celery()\n",
    "portal/celery.py": (
        "import os\nfrom celery import Celery\n"
        "app = Celery('portal', broker=os.environ['VALKEY_URL'].replace('unix://', 'redis+socket://', 1))\n"
        "app.conf.broker_connection_retry_on_startup = True\n"
    ),
}


def write_project(folder: Path) -> Path:
    """A project folder whose every file points here; the processes need this file's folder on their PYTHONPATH."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def application(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Web: every page is ready."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def migrate() -> None:
    """Make a table and Django's list of migrations, as the owner; count the runs."""
    with psycopg.connect(os.environ.get("DATABASE_OWNER_URL") or os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS thing (id bigserial PRIMARY KEY, name text)")
        connection.execute("CREATE TABLE IF NOT EXISTS django_migrations (app text, name text)")
        connection.execute("INSERT INTO django_migrations VALUES ('portal', 'one run')")


def seed() -> None:
    """Write a row, as the app, and the sign-ins."""
    if "DATABASE_OWNER_URL" in os.environ:
        sys.exit("only migrate may know the owner's address")
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO thing (name) VALUES ('demo')")
    ada = {"role": "approver", "email": "ada@acme.example", "password": "correct horse", "tenant": "Acme"}
    (Path(os.environ["PORTICO_VAR"]) / "demo.json").write_text(json.dumps({"sign_ins": [ada]}))


def gateway_bootstrap() -> None:
    """Print the bootstrap of an Envoy that serves nothing."""
    admin = {"pipe": {"path": str(Path(os.environ["PORTICO_RUN"]) / "admin.sock"), "mode": 0o600}}
    print(json.dumps({"node": {"id": "one", "cluster": "all"}, "admin": {"address": admin}}))


def agent() -> None:
    """Beside Envoy, without an environment of Portico's."""
    if "DATABASE_URL" in os.environ:
        sys.exit("an agent needs no database")
    serve(sys.argv[sys.argv.index("--listen") + 1].removeprefix("unix:"))


def provider() -> None:
    """The demo's provider of AI models, without an environment of Portico's."""
    if "DATABASE_URL" in os.environ:
        sys.exit("a provider needs no database")
    with socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1]))) as server:
        while True:
            server.accept()[0].close()


def serve(path: str) -> None:
    """Control, usage, agent: accept connections on a unix socket for ever."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        while True:
            server.accept()[0].close()


def celery() -> None:
    """Worker, beat: write the pid file, and wait for a signal."""
    Path(sys.argv[sys.argv.index("--pidfile") + 1]).write_text(str(os.getpid()))
    threading.Event().wait()


def main() -> None:
    """The command line: a command that is told to fails or hangs."""
    name = sys.argv[1]
    if os.environ.get("STANDIN_FAILS") == name:
        sys.exit(f"{name} has no mind to")
    if os.environ.get("STANDIN_HANGS") == name:
        threading.Event().wait()
    if name in {"control", "usage", "mcp"}:
        serve(str(Path(os.environ["PORTICO_RUN"]) / f"{name}.sock"))
    {"migrate": migrate, "seed": seed, "gateway_bootstrap": gateway_bootstrap}[name]()
