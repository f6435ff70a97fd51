"""OpenAPI 3.0, 3.1 and Swagger 2.0 documents: their operations, and everything that is wrong with them, by line.

`read` is for documents that people upload; it runs `parse` in a process with limits (`openapi_worker.py`).
"""

import dataclasses
import hashlib
import json
import logging
import re
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path as FilePath
from subprocess import PIPE
from typing import IO, Any

from apis import openapi_security, swagger
from apis.findings import Lint
from apis.openapi_check import MAX_OPERATION_ID, METHODS, Check, checked
from apis.openapi_source import MAX_BYTES, DocumentError, Problem, Source, Tell, load, quote, refuse, refuse_large, silent

__all__ = [
    "METHODS",
    "Document",
    "DocumentError",
    "Operation",
    "Problem",
    "TooManyAtOnceError",
    "accept",
    "from_json",
    "parse",
    "read",
    "to_json",
]

logger = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
EXIT_MEMORY = 75
# So many documents are read at once by one process of ours; a further one waits so long.
READERS = 2
WAIT_SECONDS = 5.0
_readers = threading.BoundedSemaphore(READERS)
WORKER = FilePath(__file__).resolve().with_name("openapi_worker.py")

# The other process tells how many hundredths are done, each on a line of its standard error.
PROGRESS = re.compile(rb"%([0-9]{1,3})\n")
# Of the whole, once the text is read, and once it is checked.
LOADED, CHECKED = 0.75, 0.9

UNEXPECTED = "The document could not be read, for a reason that isn't known. The operator's log has the details."


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the process in which a document is read. By the clock on the wall it may take longer: other things run as well."""

    seconds: int
    wall_seconds: float
    megabytes: int
    # Of the document.
    most_bytes: int

    @property
    def too_slow(self) -> str:
        return f"The document takes more than {self.seconds} seconds to read. Make it smaller or simpler."

    @property
    def too_big(self) -> str:
        return f"The document takes more than {self.megabytes} MB of memory to read. Make it smaller or simpler."


# While somebody waits for the answer, and for what a job reads.
AT_ONCE = Limits(seconds=5, wall_seconds=20, megabytes=256, most_bytes=MAX_BYTES)
BY_A_JOB = Limits(seconds=30, wall_seconds=120, megabytes=512, most_bytes=16 * MEGABYTE)


class TooManyAtOnceError(Exception):
    """Other documents are being read; this one was not looked at."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `operation_id` is unique in the document; `line` is where the operation starts.

    `scopes` are alternatives, of each of which all are needed; () where none is.
    """

    method: str
    path: str
    operation_id: str
    summary: str
    deprecated: bool
    tags: tuple[str, ...]
    line: int
    scopes: openapi_security.Requirement = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document. `openapi` is its version, `content` all of it, ready for JSON.

    `scopes`: each that it names, with what it allows in the author's words. `notes`: what the author should know of how
    it was read; only Swagger 2.0 has any, as it is kept as OpenAPI 3.0. `lint`: what the rules of apis.lint found, where they were asked.
    `source`: `digest_of` the text that it was read from, "" where nobody knows any more.
    """

    title: str
    version: str
    openapi: str
    operations: tuple[Operation, ...]
    content: dict[str, Any]
    scopes: dict[str, str]
    notes: tuple[Problem, ...] = ()
    lint: Lint | None = None
    # Where it comes from makes no other document of it.
    source: str = dataclasses.field(default="", compare=False)


def digest_of(text: str | bytes) -> str:
    """SHA-256 in hexadecimal: of the same text the same document is read."""
    return hashlib.sha256(_raw(text)).hexdigest()


def _raw(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def read(text: str | bytes, *, gateway: str = "", limits: Limits | None = None, tell: Tell = silent) -> Document:
    """Parse a document from outside in a process of its own, and lint it: no files, no network, an empty environment.

    :param gateway: where gateways are called, see `apis.lint.lint`.
    :param limits: AT_ONCE without.
    :param tell: is called with how much of it is done, from 0 to 1, now and then.
    :raises DocumentError: also when the limits end the process.
    :raises TooManyAtOnceError: it was not looked at.
    """
    limits = limits or AT_ONCE
    raw = _raw(text)
    refuse_large(len(raw), limits.most_bytes)
    if not _readers.acquire(timeout=WAIT_SECONDS):
        raise TooManyAtOnceError
    try:
        done = _run(raw, gateway, limits, tell)
    except subprocess.TimeoutExpired:
        raise refuse((1, 1), limits.too_slow) from None
    finally:
        _readers.release()
    if done.returncode:
        raise refuse((1, 1), _why_it_ended(done, limits))
    answer = json.loads(done.stdout)
    if "problems" in answer:
        raise DocumentError(Problem(**problem) for problem in answer["problems"])
    return dataclasses.replace(from_json(answer["document"]), source=digest_of(raw))


def to_json(document: Document) -> dict[str, Any]:
    """The document, ready for JSON; `from_json` turns it back."""
    # Not asdict(document): it would copy the content.
    fields = {field.name: getattr(document, field.name) for field in dataclasses.fields(document)}
    lists = {name: [dataclasses.asdict(each) for each in fields[name]] for name in ("operations", "notes")}
    return fields | lists | {"lint": document.lint and document.lint.as_json()}


def from_json(document: dict[str, Any]) -> Document:
    """What `to_json` said."""
    notes = tuple(Problem(**note) for note in document["notes"])
    operations = tuple(map(_operation, document["operations"]))
    lint = Lint.of(**document["lint"]) if document["lint"] else None
    return Document(**{**document, "operations": operations, "notes": notes, "lint": lint})


def _run(raw: bytes, gateway: str, limits: Limits, tell: Tell) -> subprocess.CompletedProcess[bytes]:
    """:raises subprocess.TimeoutExpired: it was killed."""
    numbers = [str(each) for each in (limits.seconds, limits.megabytes, limits.most_bytes)]
    command = [sys.executable, "-I", str(WORKER), *numbers, gateway]
    with (
        ThreadPoolExecutor(2) as threads,
        subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={}, cwd="/") as process,  # nosec B603  (a program of ours; what was sent is its input)
    ):
        sent, answer, said = process.stdin, process.stdout, process.stderr
        assert sent is not None
        assert answer is not None
        assert said is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(limits.wall_seconds, end)
        watch.start()
        threads.submit(_send, sent, raw)
        told = threads.submit(answer.read)
        rest = []
        # Here and not in a thread, so that `tell` may use the caller's connection to the database.
        for line in said:
            if found := PROGRESS.fullmatch(line):
                tell(int(found[1]) / 100)
            else:
                rest.append(line)
        code = process.wait()
        watch.cancel()
        if code == -signal.SIGKILL and late.is_set():
            raise subprocess.TimeoutExpired(command, limits.wall_seconds)
        return subprocess.CompletedProcess(command, code, told.result(), b"".join(rest))


def _send(into: IO[bytes], raw: bytes) -> None:
    # It may end before it has read all.
    with suppress(BrokenPipeError), into:
        into.write(raw)


def _operation(told: dict[str, Any]) -> Operation:
    return Operation(**{**told, "tags": tuple(told["tags"]), "scopes": tuple(map(tuple, told["scopes"]))})


def _why_it_ended(done: subprocess.CompletedProcess[bytes], limits: Limits) -> str:
    if done.returncode == -signal.SIGXCPU:
        return limits.too_slow
    # Python says when memory is out; a library in C may fall over it, and a kernel short of memory kills.
    if done.returncode in (EXIT_MEMORY, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGKILL):
        return limits.too_big
    logger.error(
        "The process that reads OpenAPI documents ended with %s: %s",
        done.returncode,
        done.stderr[-2000:].decode(errors="replace"),
    )
    return UNEXPECTED


def parse(text: str, *, most_bytes: int = MAX_BYTES, tell: Tell = silent) -> Document:
    """Parse a document in this process, without limits of time and memory. Raises DocumentError."""
    return accept(*load_as_openapi(text, most_bytes=most_bytes, tell=tell), tell=tell)


def load_as_openapi(text: str, *, most_bytes: int = MAX_BYTES, tell: Tell = silent) -> tuple[Source, tuple[Problem, ...]]:
    """The document, converted where it is Swagger 2.0, and what its author should know of that. Raises DocumentError."""
    source = load(text, most_bytes=most_bytes, tell=lambda done: tell(done * LOADED))
    if not swagger.is_swagger(source):
        return source, ()
    checked(source, _swagger_version(source))
    return swagger.convert(source)


def accept(source: Source, notes: tuple[Problem, ...] = (), *, tell: Tell = silent) -> Document:
    """The document, if nothing is wrong with it. Raises DocumentError."""
    openapi = _version(source)
    tell(LOADED)
    # What was converted is checked as well: nothing else is ever kept.
    found = checked(source, openapi[:3])
    tell(CHECKED)
    info = source.value["info"]
    operations = _operations(found)
    scopes = openapi_security.named(source.value, (each.scopes for each in operations), found.schemes)
    return Document(info["title"], info["version"], openapi, operations, source.value, scopes, notes)


def _swagger_version(source: Source) -> str:
    version: Any = source.value["swagger"]
    if version != "2.0" or not isinstance(version, str):
        raise refuse(source.place(("swagger",)), 'Of Swagger the version 2.0 is read. Write it in quotes: swagger: "2.0".')
    return version


def _version(source: Source) -> str:
    content = source.value
    if not isinstance(content, dict):
        raise refuse(
            source.start,
            "This isn't an OpenAPI document: it must be a mapping that starts with openapi: 3.1.0 or the like.",
        )
    if "openapi" not in content:
        raise refuse(source.start, "This isn't an OpenAPI document: it has no field “openapi” with its version, such as 3.1.0.")
    openapi, place = content["openapi"], source.place(("openapi",))
    if not isinstance(openapi, str):
        raise refuse(place, "The version in “openapi” must be text of three numbers, such as 3.1.0.")
    if not re.fullmatch(r"3\.[01]\.[0-9]{1,4}(-[0-9A-Za-z.]{1,40})?", openapi):
        raise refuse(place, f"OpenAPI version {quote(openapi)} is not supported. Use 3.0 or 3.1, written like 3.1.0.")
    return openapi


def _operations(checked: Check) -> tuple[Operation, ...]:
    taken = {found.content["operationId"] for found in checked.found if found.content.get("operationId")}
    everywhere = openapi_security.required(checked.source.value.get("security"), checked.schemes)
    operations = []
    for found in checked.found:
        operation_id = found.content.get("operationId") or made_up_id(found.method, found.path, taken)
        taken.add(operation_id)
        content = found.content
        operations.append(
            Operation(
                method=found.method,
                path=found.path,
                operation_id=operation_id,
                summary=content.get("summary", ""),
                deprecated=content.get("deprecated", False),
                tags=tuple(content.get("tags", ())),
                line=checked.source.place(found.at)[0],
                scopes=openapi_security.required(content["security"], checked.schemes) if "security" in content else everywhere,
            )
        )
    return tuple(operations)


def made_up_id(method: str, path: str, taken: Container[str]) -> str:
    """`get_orders_id` for GET /orders/{id}. It depends on nothing but the document."""
    ascii_path = unicodedata.normalize("NFKD", path).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", ascii_path)
    # Room for a number after it.
    slug = "_".join([method.lower(), *words])[: MAX_OPERATION_ID - 5]
    number = 1
    unique = slug
    while unique in taken:
        number += 1
        unique = f"{slug}_{number}"
    return unique
