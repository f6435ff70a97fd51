"""A pytest plugin that looks for secrets wherever they must not be, after every test and at the end of each worker.

Whatever secret this process makes is remembered, in memory alone: client secrets, API keys, addresses of calendars, private keys, what is
sealed, refresh tokens. Other processes' are known by what they look like. Loaded before the product is: modules take the makers by name.
"""

import base64
import logging
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from django.core import mail
from django.db import connection
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from redis import Redis

from keys import envelope, secrets, tokens
from portal.logs import Line
from portal.stack import Postgres, Stack, roles
from tests.servers import VAR

LOOKS = {
    "a client secret": re.compile(r"ptc_secret_[0-9A-Za-z]{43}_"),
    "an API key": re.compile(r"ptc_(?:live|test)_eyJ[\w-]+\.[\w-]+\.[\w-]{20}"),
    "a service key": re.compile(r"ptc_svc_[0-9A-Za-z]{22}_[0-9A-Za-z]{43}_"),
    "a gateway's credential": re.compile(r"ptc_node_[\w-]{43}"),
    "a join token": re.compile(r"ptc_join_[\w-]{43}"),
    "the address of a calendar": re.compile(r"ptc_feed_[0-9A-Za-z]{43}"),
    "a provider's key": re.compile(r"sk-mock-(?:429-)?canary-[0-9a-f]{32}"),
    "the secret of a webhook": re.compile(r"whsec_[A-Za-z0-9+/]{43}="),
    "a private key (PEM)": re.compile(r"BEGIN (?:\w+ )?PRIVATE KEY"),
    # What PKCS #8 begins with for P-256, P-384, Ed25519 and RSA, as base64.
    "a private key (PKCS #8)": re.compile(r"AgEAMB[MA]GByqGSM49AgEG|MC4CAQAwBQYDK2VwBCIE|IBADANBgkqhkiG9w0BAQEFAAS"),
    "a private key (JWK)": re.compile(r"""["']+d\\?["']+: ?\\?["']+[\w-]{40,}"""),
}
# Shorter ones, and those that a test made of nothing but zeros, could be part of something else.
SHORTEST, FEWEST_CHARACTERS = 12, 8
# Of a folder of Portico's: what is there to hold secrets, and PostgreSQL's own files, of which there is a dump.
LEFT_OUT = {"secrets", "postgres"}
# Files that are there to hold one: what an Envoy starts with, and the credential that it reads.
HOLDERS = {"bootstrap.json", "credential", "credential.json"}
# Of a job, as Celery queues it and MONITOR shows it: base64 in JSON in quotation marks.
BODY = re.compile(r'\\"body\\": \\"([A-Za-z0-9+/=]+)')

# Each with what it is; those of the test that runs apart, for they are all that its own rows can hold.
_made: dict[str, str] = {}
_recent: dict[str, str] = {}


class Leak(AssertionError):  # noqa: N818  (reads as the sentence it is)
    """A secret stands where it must not."""


# What is remembered


def remember(secret: str, kind: str) -> None:
    if len(secret) >= SHORTEST and len(set(secret)) >= FEWEST_CHARACTERS and "\n" not in secret:
        _recent[secret] = kind


def _remember_sealed(plain: bytes) -> None:
    text = plain.decode("latin-1")
    lines = text.splitlines()
    if len(lines) > 1 and "PRIVATE KEY" in lines[0]:
        # As base64 without the ends of its lines as well: a line stands in it. What is public of it stands in certificates, too.
        public = load_pem_private_key(plain, None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for line in lines[1:-1]:
            if base64.b64decode(line) not in public:
                remember(line, "a private key")
    else:
        remember(text, "a sealed secret")


def _remember_key(key: tokens.Key) -> None:
    remember(str(key.private.as_dict(private=True)["d"]), "a private key")


def _noting(make: Callable[..., Any], note: Callable[[Any], None]) -> Callable[..., Any]:
    @wraps(make)
    def noted(*args: Any, **named: Any) -> Any:
        found = make(*args, **named)
        note(found)
        return found

    return noted


def note_signed(owner: Any, name: str, kind: str) -> None:
    """Of what this makes, a JWS, the signature is the secret; the rest stands in rows."""
    setattr(owner, name, _noting(getattr(owner, name), lambda found: remember(found.rpartition(".")[2], kind)))


def note_made(owner: Any, name: str, kind: str) -> None:
    """What this makes is secret behind its prefix."""
    setattr(owner, name, _noting(getattr(owner, name), lambda found: remember(found.split("_", 2)[2], kind)))


def _plant() -> None:
    """From here on the makers remember what they made."""
    secrets.new_secret = _noting(secrets.new_secret, lambda found: remember(found.split("_")[2], "a client secret"))
    secrets.new_service_key = _noting(secrets.new_service_key, lambda found: remember(found.split("_")[3], "a service key"))
    secrets.new_feed_secret = _noting(secrets.new_feed_secret, lambda found: remember(found, "the address of a calendar"))
    note_signed(tokens, "api_key", "an API key")
    note_signed(tokens, "sign", "an access token")
    tokens.generate = _noting(tokens.generate, _remember_key)
    seal = envelope.seal

    @wraps(seal)
    def noted(plain: bytes, *args: Any, **named: Any) -> str:
        _remember_sealed(plain)
        return seal(plain, *args, **named)

    envelope.seal = noted


_plant()


# Where it is looked


def found_in(text: str, among: dict[str, str]) -> str:
    """What stands in the text that must not, with its surroundings; "" if nothing does."""
    for secret, kind in among.items():
        if (at := text.find(secret)) >= 0:
            return f"{kind}: …{text[max(0, at - 120) : at]}>>>{secret[:6]}…"
    for kind, look in LOOKS.items():
        if match := look.search(text):
            return f"{kind}: …{text[max(0, match.start() - 120) : match.start()]}>>>{match[0][:16]}…"
    return ""


def check(text: str, where: str) -> None:
    """
    :raises Leak: if a secret stands in the text.
    """
    if found := found_in(text, {**_made, **_recent}):
        raise Leak(f"{where} holds {found}")


def check_files(*folders: Path) -> None:
    """Every file below, but for those that are there to hold secrets."""
    files = [path for folder in folders for path in _files(folder)]
    for path in files:
        text = path.read_text(errors="replace")
        if found := found_in(text, {}):
            raise Leak(f"{path} holds {found}")
    _check_many(files)


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            if entry.name not in LEFT_OUT:
                yield from _files(entry)
        elif entry.is_file() and not entry.is_symlink() and entry.name not in HOLDERS:
            yield entry


def _check_many(files: list[Path]) -> None:
    """Thousands of secrets in megabytes: grep looks for all of them at once."""
    known = {**_made, **_recent}
    if not files or not known:
        return
    told = "\n".join(known).encode("latin-1", errors="replace")
    done = subprocess.run(["grep", "-aoFHf", "-", *files], input=told, capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr.decode()
    for line in done.stdout.decode("latin-1").splitlines():
        path, _, secret = line.partition(":")
        raise Leak(f"{path} holds {known.get(secret, 'a secret')} ({secret[:6]}…)")


def check_database(url: str, postgres: Postgres, folder: Path) -> None:
    """All that the database holds now, as a backup of it has it."""
    dump = folder / "all.dump.sql"
    with dump.open("wb") as out:
        subprocess.run([postgres.programs / "pg_dump", url], stdout=out, check=True)
    try:
        check_files(folder)
    finally:
        dump.unlink()


def check_broker(url: str) -> None:
    """All that Valkey holds now."""
    with Redis.from_url(url) as broker:
        for key in broker.scan_iter():
            check(f"{key!r} {broker.dump(key)!r}", "Valkey")


@contextmanager
def overheard(path: str) -> Iterator[Callable[[], str]]:
    """All that Valkey is told meanwhile, and what the jobs among it carry: by then no job waits any more."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.connect(path)
        listener.sendall(b"MONITOR\r\n")
        thread = threading.Thread(target=lambda: heard.extend(iter(partial(listener.recv, 65536), b"")), daemon=True)
        thread.start()
        try:
            yield lambda: _with_jobs(b"".join(heard).decode(errors="replace"))
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _with_jobs(text: str) -> str:
    jobs = [base64.b64decode(body).decode() for body in BODY.findall(text)]
    assert jobs, "No job was queued."
    return "\n".join([text, *jobs])


def check_stack(stack: Stack, broker: str, folder: Path) -> None:
    """A whole Portico: its database, its files, what its jobs carried, and what its gateway was told."""
    postgres = Postgres(stack.places.var, say=lambda _: None)
    check_database(postgres.url(roles.BACKUP), postgres, folder)
    check_files(stack.places.var)
    check(broker, "Valkey")
    check(config_dump(stack.places.run / "envoy-admin.sock"), "The gateway's configuration")


def config_dump(admin: Path) -> str:
    """All that an Envoy has been told."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(admin))) as client:
        return client.get("http://envoy/config_dump?include_eds").raise_for_status().text


# When it is looked

EVERYTHING = """
    CREATE SCHEMA canaries;
    GRANT USAGE ON SCHEMA canaries TO PUBLIC;
    DO $do$ BEGIN
        EXECUTE 'CREATE FUNCTION canaries.everything() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER'
            || ' SET search_path = public SET bytea_output = escape AS $body$ BEGIN RETURN QUERY '
            || (SELECT string_agg(format('SELECT %L || t::text FROM %I t', tablename || ' ', tablename), ' UNION ALL ')
                FROM pg_tables WHERE schemaname = 'public')
            || '; END $body$';
    END $do$;
    GRANT EXECUTE ON FUNCTION canaries.everything() TO PUBLIC;
"""


def prepare_database(name: str) -> None:
    """Let a test see the rows of all tenants in its own transaction: whoever defines the function is not bound by row security."""
    _postgres().psql(EVERYTHING, name)


def _postgres() -> Postgres:
    return Postgres(Path(os.environ[VAR]), say=lambda _: None)


class _Log(logging.Handler):
    """What the process logs, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(Line("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


_log = _Log()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Rows are gone after the test, so they are looked at before its fixtures are taken down."""
    logging.getLogger().addHandler(_log)
    try:
        yield
        told = [f"{message.subject}\n{message.body}\n{message.alternatives}" for message in getattr(mail, "outbox", [])]
        for where, lines in {"The database": _rows(), "The log": _log.lines, "A mail": told}.items():
            if found := found_in("\n".join(lines), _recent):
                raise Leak(f"{where} holds {found}")
    finally:
        logging.getLogger().removeHandler(_log)
        _log.lines.clear()
        _made.update(_recent)
        _recent.clear()


def _rows() -> list[str]:
    """Every row of every table, those of the open transaction among them."""
    raw = connection.connection
    if raw is None or raw.closed or raw.info.transaction_status not in {TransactionStatus.IDLE, TransactionStatus.INTRANS}:
        return []
    with raw.cursor(row_factory=tuple_row) as cursor:
        return [row for (row,) in cursor.execute("SELECT canaries.everything()").fetchall()]


@pytest.fixture(autouse=True, scope="session")
def _nothing_leaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is left when a worker ends: rows that were committed, files that processes wrote, and what waits in the broker."""
    yield
    var = Path(os.environ[VAR])
    for name in ("kek", "pepper", "session", "django"):
        if (path := var / "secrets" / name).exists():
            _made[path.read_text().strip()] = f"the secret of {name}"
    name = os.environ["DATABASE_URL"].partition("@/")[2].partition("?")[0]
    check_database(_postgres().url(roles.BACKUP, name), _postgres(), tmp_path_factory.mktemp("dump"))
    check_files(var, Path(os.environ["PORTICO_RUN"]))
    check_broker(os.environ["VALKEY_URL"])
