"""OpenAPI 3.0 and 3.1 documents: their operations, and everything that is wrong with them, by line.

`read` is for documents that people upload; it runs `parse` in a process with limits (`openapi_worker.py`).
"""

import json
import logging
import re
import signal
import string
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import unquote

from apis import openapi_security, paths
from apis.findings import Lint
from apis.openapi_references import mapping, references, resolve, sequence, value_at
from apis.openapi_schema import violations
from apis.openapi_source import MAX_PROBLEMS, DocumentError, Path, Problem, Source, load, quote, refuse, refuse_large

__all__ = [
    "METHODS",
    "Document",
    "DocumentError",
    "Operation",
    "Problem",
    "TooManyAtOnceError",
    "accept",
    "parse",
    "read",
    "template_problem",
]

logger = logging.getLogger(__name__)

# OPTIONS too: the gateway answers the preflight (OPTIONS with Origin and Access-Control-Request-Method) before any
# operation, and a plain OPTIONS is a call like others (RFC 9110, section 9.3.7). TRACE would echo credentials.
METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH")
PATH_ITEM_FIELDS = {"$ref", "summary", "description", "servers", "parameters"}

MAX_OPERATIONS = 2_000
MAX_OPERATION_ID = 200

SECONDS = 5
# By the clock on the wall it may take longer on a machine that is busy with other things.
WALL_SECONDS = 20
MEMORY_BYTES = 256 * 1024 * 1024
EXIT_MEMORY = 75
# So many documents are read at once by one process of ours; a further one waits so long.
READERS = 2
WAIT_SECONDS = 5.0
_readers = threading.BoundedSemaphore(READERS)
WORKER = FilePath(__file__).resolve().with_name("openapi_worker.py")

TOO_SLOW = f"The document takes more than {SECONDS} seconds to read. Make it smaller or simpler."
TOO_BIG = f"The document takes more than {MEMORY_BYTES // 1024 // 1024} MB of memory to read. Make it smaller or simpler."
UNEXPECTED = "The document could not be read, for a reason that isn't known. The operator's log has the details."


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
    """A valid document. `openapi` is its version as written, `content` all of it, ready for JSON.

    `scopes`: each that it names, with what it allows in the author's words. `lint`: what the rules of apis.lint found, where they were
    asked.
    """

    title: str
    version: str
    openapi: str
    operations: tuple[Operation, ...]
    content: dict[str, Any]
    scopes: dict[str, str]
    lint: Lint | None = None


def read(text: str | bytes, *, gateway: str = "") -> Document:
    """Parse a document from outside in a process of its own, and lint it: 5 s of CPU, 256 MB, no files, no network, an empty environment.

    Raises DocumentError, also when the limits end the process, and TooManyAtOnceError.

    :param gateway: where gateways are called, see `apis.lint.lint`.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    refuse_large(len(raw))
    command = [sys.executable, "-I", str(WORKER), str(SECONDS), gateway]
    if not _readers.acquire(timeout=WAIT_SECONDS):
        raise TooManyAtOnceError
    try:
        done = subprocess.run(command, input=raw, capture_output=True, timeout=WALL_SECONDS, env={}, cwd="/", check=False)  # nosec B603  (a program of ours; what was sent is its input)
    except subprocess.TimeoutExpired:
        raise refuse((1, 1), TOO_SLOW) from None
    finally:
        _readers.release()
    if done.returncode:
        raise refuse((1, 1), _why_it_ended(done))
    answer = json.loads(done.stdout)
    if "problems" in answer:
        raise DocumentError(Problem(**problem) for problem in answer["problems"])
    document = answer["document"]
    operations = tuple(map(_operation, document["operations"]))
    return Document(**{**document, "operations": operations, "lint": Lint.of(**document["lint"])})


def _operation(told: dict[str, Any]) -> Operation:
    return Operation(**{**told, "tags": tuple(told["tags"]), "scopes": tuple(map(tuple, told["scopes"]))})


def _why_it_ended(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode == -signal.SIGXCPU:
        return TOO_SLOW
    # Python says when memory is out; a library in C may fall over it, and a kernel short of memory kills.
    if done.returncode in (EXIT_MEMORY, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGKILL):
        return TOO_BIG
    logger.error(
        "The process that reads OpenAPI documents ended with %s: %s",
        done.returncode,
        done.stderr[-2000:].decode(errors="replace"),
    )
    return UNEXPECTED


def parse(text: str) -> Document:
    """Parse a document in this process, without limits of time and memory. Raises DocumentError."""
    return accept(load(text))


def accept(source: Source) -> Document:
    """The document, if nothing is wrong with it. Raises DocumentError."""
    openapi = _version(source)
    try:
        checked = _Check(source)
        problems = [*checked.problems, *_form_problems(checked, minor=int(openapi[2]))]
    except RecursionError:
        raise refuse(source.start, "The document is nested too deeply to be checked.") from None
    if problems:
        raise DocumentError(sorted(problems, key=lambda problem: (problem.line, problem.column))[:MAX_PROBLEMS])
    info = source.value["info"]
    operations = _operations(checked)
    scopes = openapi_security.named(source.value, (each.scopes for each in operations), checked.schemes)
    return Document(info["title"], info["version"], openapi, operations, source.value, scopes)


def _version(source: Source) -> str:
    content = source.value
    if not isinstance(content, dict):
        raise refuse(
            source.start,
            "This isn't an OpenAPI document: it must be a mapping that starts with openapi: 3.1.0 or the like.",
        )
    if "swagger" in content:
        place = source.place(("swagger",))
        raise refuse(place, "This is a Swagger 2.0 document, which is not supported yet. Convert it to OpenAPI 3.0 or 3.1.")
    if "openapi" not in content:
        raise refuse(source.start, "This isn't an OpenAPI document: it has no field “openapi” with its version, such as 3.1.0.")
    openapi, place = content["openapi"], source.place(("openapi",))
    if not isinstance(openapi, str):
        raise refuse(place, "The version in “openapi” must be text of three numbers, such as 3.1.0.")
    if not re.fullmatch(r"3\.[01]\.[0-9]{1,4}(-[0-9A-Za-z.]{1,40})?", openapi):
        raise refuse(place, f"OpenAPI version {quote(openapi)} is not supported. Use 3.0 or 3.1, written like 3.1.0.")
    return openapi


def _form_problems(checked: "_Check", *, minor: int) -> Iterator[Problem]:
    """What breaks the schema, without what says little where something better has been said."""
    reported = {(problem.line, problem.column) for problem in checked.problems}
    for path, message, vague in violations(checked.source.value, minor=minor):
        place = checked.source.place(path)
        if not (vague and place in reported):
            yield Problem(*place, message)
        reported.add(place)


@dataclass(frozen=True, slots=True)
class _Found:
    """An operation before it has an id, at its place in the document."""

    method: str
    path: str
    at: Path
    content: dict[str, Any]


class _Check:
    """Finds the operations, and the errors that the schema of OpenAPI can't express.

    It works on any value, also one that breaks the schema, so that all problems are told at once.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.found: list[_Found] = []
        # Of each path that a gateway can hold, the form in which gateways compare paths.
        self.pieces: dict[str, paths.Pieces] = {}
        self.schemes = openapi_security.schemes(source.value)
        self._references()
        self._tags()
        self._paths()
        self._identical_paths()
        self._operation_ids()
        self._scopes()

    def _report(self, path: Path, message: str) -> None:
        self.problems.append(Problem(*self.source.place(path), message))

    def _line(self, path: Path) -> int:
        return self.source.place(path)[0]

    def _references(self) -> None:
        for path, reference in references(self.source.value):
            if not reference.startswith("#/"):
                kind = "Only references inside the document (#/...) are read, not other files or addresses"
                self._report(path, f"{kind}: {quote(reference)}.")
            elif resolve(self.source.value, path[:-1]) is None:
                self._report(path, f"The reference {quote(reference)} leads to nothing, or back to itself.")

    def _tags(self) -> None:
        seen: set[str] = set()
        for index, tag in enumerate(sequence(self.source.value.get("tags"))):
            name = mapping(tag).get("name")
            if not isinstance(name, str):
                continue
            if name in seen:
                self._report(("tags", index), f"The tag {quote(name)} is described a second time here.")
            seen.add(name)

    def _paths(self) -> None:
        before = len(self.problems)
        for path in mapping(self.source.value.get("paths")):
            if path.startswith("x-"):
                continue
            if problem := template_problem(path):
                self._report(("paths", path), problem)
            else:
                self.pieces[path] = paths.pieces(path)
            self._path_item(path)
        if not self.found and len(self.problems) == before:
            self._report(("paths",), "The document has no operations: “paths” is missing or empty.")
        for extra in self.found[MAX_OPERATIONS : MAX_OPERATIONS + 1]:
            self._report(extra.at, f"The document has more than {MAX_OPERATIONS:,} operations.")

    def _path_item(self, path: str) -> None:
        written: Path = ("paths", path)
        at = resolve(self.source.value, written) or written
        item = mapping(value_at(self.source.value, at))
        if at != written and any(key.upper() in METHODS for key in value_at(self.source.value, written)):
            self._report(written, "A path with $ref can't have operations too: OpenAPI leaves open which of them count.")
        shared = self._parameters((*at, "parameters"), path)
        for key, content in item.items():
            if key in PATH_ITEM_FIELDS or key.startswith("x-"):
                continue
            if key.upper() not in METHODS:
                methods = ", ".join(METHODS)
                self._report((*at, key), f"{quote(key)} is no method that the gateway passes ({methods}) and no field of a path.")
            elif key != key.lower():
                self._report((*at, key), f"Write the method {quote(key)} in lower case.")
            elif isinstance(content, dict):
                found = _Found(key.upper(), path, (*at, key), content)
                self.found.append(found)
                self._path_parameters(found, shared)

    def _path_parameters(self, found: _Found, shared: set[str] | None) -> None:
        own = self._parameters((*found.at, "parameters"), found.path)
        if own is None or shared is None:
            return
        for name in sorted(template_parameters(found.path) - own - shared):
            place = f"the path has {{{name}}}, but no parameter of that name is described with in: path."
            self._report(found.at, f"In {found.method} {quote(found.path)} {place}")

    def _parameters(self, at: Path, path: str) -> set[str] | None:
        """The names of the path parameters in this list; None when it can't be read (the schema says why)."""
        names: set[str] = set()
        seen: set[tuple[str, str]] = set()
        for index in range(len(sequence(value_at(self.source.value, at)))):
            target = resolve(self.source.value, (*at, index))
            parameter = mapping(value_at(self.source.value, target)) if target else {}
            name, where = parameter.get("name"), parameter.get("in")
            if not isinstance(name, str) or not isinstance(where, str):
                return None
            if (name, where) in seen:
                self._report((*at, index), f"The {where} parameter {quote(name)} is described twice.")
            seen.add((name, where))
            if where == "path":
                names.add(name)
                if name not in template_parameters(path):
                    self._report(
                        (*at, index),
                        f"The parameter {quote(name)} is described with in: path, but {quote(path)} doesn't have it.",
                    )
        return names

    def _identical_paths(self) -> None:
        seen: dict[tuple[str, paths.Pieces], _Found] = {}
        for found in self.found:
            if found.path not in self.pieces:
                continue
            first = seen.setdefault((found.method, self.pieces[found.path]), found)
            if first is not found:
                where = f"{found.method} {quote(first.path)} on line {self._line(first.at)}"
                same = "the names of parameters or the spelling of characters"
                self._report(found.at, f"This is the same operation as {where}: only {same} differ.")

    def _operation_ids(self) -> None:
        seen: dict[str, _Found] = {}
        for found in self.found:
            name = found.content.get("operationId")
            if not isinstance(name, str) or not name:
                continue
            if len(name) > MAX_OPERATION_ID:
                self._report((*found.at, "operationId"), f"The operationId is longer than {MAX_OPERATION_ID} characters.")
            first = seen.setdefault(name, found)
            if first is not found:
                where = f"{first.method} {quote(first.path)} on line {self._line(first.at)}"
                self._report((*found.at, "operationId"), f"The operationId {quote(name)} belongs to {where} already.")

    def _scopes(self) -> None:
        places: list[Path] = [("security",), *((*found.at, "security") for found in self.found)]
        for path, message in openapi_security.problems(self.source.value, places, self.schemes):
            self._report(path, message)


def _operations(checked: _Check) -> tuple[Operation, ...]:
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


def template_problem(path: str) -> str | None:
    """Why the gateway can't hold this path template, as a sentence; None when it can.

    Between slashes stands text with parameters in braces anywhere in it. What a gateway or an upstream could read in
    two ways (dots, escaped slashes, backslashes) is refused. OpenAPI 3.1.1, section 4.8.8.2; RFC 3986, section 3.3.
    """
    name = f"The path {quote(path)}"
    if not path.startswith("/"):
        return f"{name} must begin with a slash."
    if len(path) > paths.MAX_PATH:
        return f"{name} is longer than {paths.MAX_PATH:,} characters."
    if problem := _character_problem(path):
        return f"{name} {problem}"
    *inner, last = path[1:].split("/")
    if "" in inner:
        return f"{name} has an empty segment (two slashes)."
    for segment in (*inner, last):
        if problem := _segment_problem(segment):
            return f"{name} {problem}"
    try:
        paths.pieces(path)
    except paths.UnsupportedTemplate as error:
        return str(error)
    return None


def _character_problem(path: str) -> str | None:
    if "?" in path or "#" in path:
        return "must not have a query (?) or fragment (#): describe query parameters with in: query."
    if "\\" in path:
        return "has a backslash."
    if any(char.isspace() or not char.isprintable() for char in path):
        return "has a space or an invisible character."
    escapes = re.findall("%(.{0,2})", path)
    if not all(len(escape) == 2 and set(escape) <= set(string.hexdigits) for escape in escapes):
        return "has a % without two hexadecimal digits after it."
    if any(int(escape, 16) < 0x20 or chr(int(escape, 16)) in "/\\\x7f" for escape in escapes):
        return "has an escaped slash, backslash or control character, which gateways and servers read in different ways."
    return None


def _segment_problem(segment: str) -> str | None:
    literal = re.sub(r"\{[^{}]+\}", "{}", segment)
    if "{}" in segment:
        return "has a parameter without a name."
    if "{}{}" in literal:
        return "has two parameters without text between them."
    if "{" in literal.replace("{}", "") or "}" in literal.replace("{}", ""):
        return "has a brace without its partner, or braces within braces."
    if unquote(segment) in (".", ".."):
        return "has a segment of dots, which means another path."
    return None


def template_parameters(path: str) -> set[str]:
    """The names in braces."""
    return set(re.findall(r"\{([^{}]+)\}", path))
