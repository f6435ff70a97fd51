"""Everything that is wrong with a document of OpenAPI 3.0, 3.1 or Swagger 2.0, by line; else its operations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apis import openapi_security, paths
from apis.openapi_paths import template_parameters, template_problem
from apis.openapi_references import mapping, references, resolve, sequence, value_at
from apis.openapi_schema import violations
from apis.openapi_source import MAX_PROBLEMS, DocumentError, Path, Problem, Source, quote, refuse

# OPTIONS too: the gateway answers the preflight (OPTIONS with Origin and Access-Control-Request-Method) before any
# operation, and a plain OPTIONS is a call like others (RFC 9110, section 9.3.7). TRACE would echo credentials.
METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH")
PATH_ITEM_FIELDS = {"$ref", "summary", "description", "servers", "parameters"}

MAX_OPERATIONS = 2_000
MAX_OPERATION_ID = 200


def checked(source: Source, version: str) -> "Check":
    """
    :raises DocumentError: with all that is wrong with it.
    """
    try:
        found = Check(source)
        problems = [*found.problems, *_form_problems(found, version)]
    except RecursionError:
        raise refuse(source.start, "The document is nested too deeply to be checked.") from None
    if problems:
        raise DocumentError(sorted(problems, key=lambda problem: (problem.line, problem.column))[:MAX_PROBLEMS])
    return found


def _form_problems(found: "Check", version: str) -> Iterator[Problem]:
    """What breaks the schema, without what says little where something better has been said."""
    reported = {(problem.line, problem.column) for problem in found.problems}
    for path, message, vague in violations(found.source.value, version):
        place = found.source.place(path)
        if not (vague and place in reported):
            yield Problem(*place, message)
        reported.add(place)


@dataclass(frozen=True, slots=True)
class Found:
    """An operation before it has an id, at its place in the document."""

    method: str
    path: str
    at: Path
    content: dict[str, Any]


class Check:
    """Finds the operations, and the errors that the schema of OpenAPI can't express.

    It works on any value, also one that breaks the schema, so that all problems are told at once.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.found: list[Found] = []
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
                found = Found(key.upper(), path, (*at, key), content)
                self.found.append(found)
                self._path_parameters(found, shared)

    def _path_parameters(self, found: Found, shared: set[str] | None) -> None:
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
        seen: dict[tuple[str, paths.Pieces], Found] = {}
        for found in self.found:
            if found.path not in self.pieces:
                continue
            first = seen.setdefault((found.method, self.pieces[found.path]), found)
            if first is not found:
                where = f"{found.method} {quote(first.path)} on line {self._line(first.at)}"
                same = "the names of parameters or the spelling of characters"
                self._report(found.at, f"This is the same operation as {where}: only {same} differ.")

    def _operation_ids(self) -> None:
        seen: dict[str, Found] = {}
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
