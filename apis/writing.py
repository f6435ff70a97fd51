"""OpenAPI documents as text: begun from a list of operations, tidied, and written from values for somebody to edit."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from apis.openapi_check import METHODS
from apis.yaml_text import as_yaml

# A larger document takes seconds to write, and nobody tidies one by hand.
MOST_CHARACTERS = 500_000
MOST_OPERATIONS = 100

# In the order in which people write them; what is not named comes after, and what they hold in NAMED stays as it is.
ORDER = {
    name: rank
    for rank, name in enumerate(
        "openapi info servers tags security paths webhooks components "
        "$ref title name in version operationId summary description deprecated required type format "
        "get put post delete options head patch trace parameters requestBody responses "
        "headers content schema allOf oneOf anyOf properties items enum default example examples externalDocs".split()
    )
}
# Members of these are names or values of the author's own.
NAMED = frozenset(
    "paths webhooks properties patternProperties $defs dependentSchemas schemas responses parameters examples requestBodies headers "
    "securitySchemes links callbacks pathItems content encoding mapping scopes variables example default value enum const security".split()
)


class Comments(Exception):  # noqa: N818  (reads as the sentence it is)
    """The text has comments, which writing it anew would lose."""


class TooLong(Exception):  # noqa: N818
    """The text has more than MOST_CHARACTERS."""


def tidied(text: str, value: Any) -> str:
    """The text with one member per line and two spaces of indent: JSON stays JSON, YAML stays YAML.

    :param value: what `openapi_source.load` reads it as.
    :raises Comments: they would be lost.
    :raises TooLong: it is more than MOST_CHARACTERS.
    """
    if len(text) > MOST_CHARACTERS:
        raise TooLong
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return f"{json.dumps(value, ensure_ascii=False, indent=2)}\n"
    if _has_comments(text):
        raise Comments
    return as_yaml(value)


def _has_comments(text: str) -> bool:
    """Of a text that is YAML: whether a # stands between its tokens, or behind the mark of a block of lines."""
    last = 0
    text = text.removeprefix("\ufeff")
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        start, end = token.start_mark.index, token.end_mark.index
        if "#" in text[last:start]:
            return True
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">") and "#" in text[start:end].partition("\n")[0]:
            return True
        last = max(last, end)
    return "#" in text[last:]


def ordered(value: Any, *, named: bool = False) -> Any:
    """The same value with its members in the order in which people write them: PostgreSQL keeps none.

    :param named: whether its members are names of the author's own, which stay as they are.
    """
    if isinstance(value, Mapping):
        members = value.items() if named else sorted(value.items(), key=lambda member: ORDER.get(member[0], len(ORDER)))
        # A property may be called `properties`: below a name there is no name.
        return {name: ordered(member, named=not named and name in NAMED) for name, member in members}
    if isinstance(value, list):
        return [ordered(each) for each in value]
    return value


def editable(content: Mapping[str, Any], paths: Iterable[str]) -> str:
    """A document that is kept, as YAML to edit.

    :param paths: of its operations, in the order that they had.
    """
    rank = {path: number for number, path in enumerate(dict.fromkeys(paths))}
    found = sorted(content.get("paths", {}).items(), key=lambda item: rank.get(item[0], len(rank)))
    return as_yaml(ordered({**content, "paths": dict(found)}))


@dataclass(frozen=True, slots=True)
class Sketch:
    """An operation in a line: `GET /orders/{id} One order`."""

    method: str
    path: str
    summary: str


class SketchError(ValueError):
    """A line is no operation. `line` counts from 1; `kind` is why: "method", "path", "braces", "twice", "many", or "none" at all."""

    def __init__(self, line: int, kind: str) -> None:
        self.line, self.kind = line, kind
        super().__init__(f"line {line}: {kind}")


_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]{0,99})\}")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/{}-]{0,499}")


def sketches(text: str) -> list[Sketch]:
    """The operations of a list with one in each line; empty lines are left out.

    :raises SketchError: for the first line that is none, and where there is none at all or too many.
    """
    found: list[Sketch] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        method, path, summary = [*line.split(None, 2), "", ""][:3]
        if method.upper() not in METHODS:
            raise SketchError(number, "method")
        if not _PATH.fullmatch(path):
            raise SketchError(number, "path")
        names = _PARAMETER.findall(path)
        if {"{", "}"} & set(_PARAMETER.sub("", path)) or len(set(names)) != len(names):
            raise SketchError(number, "braces")
        if any((each.method, each.path) == (method.upper(), path) for each in found):
            raise SketchError(number, "twice")
        if len(found) == MOST_OPERATIONS:
            raise SketchError(number, "many")
        found.append(Sketch(method.upper(), path, summary.strip()))
    if not found:
        raise SketchError(1, "none")
    return found


# What a method is answered with where all went well (RFC 9110, section 15.3), and whether the answer has a body.
SUCCESS = {"POST": ("201", True), "DELETE": ("204", False), "HEAD": ("200", False), "OPTIONS": ("204", False)}
ASKED_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH"})


def begin(*, title: str, description: str, operations: Sequence[Sketch]) -> dict[str, Any]:
    """An OpenAPI 3.1 document with these operations, true as far as it goes: what calls and answers hold is left open."""
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        item = paths.setdefault(each.path, {})
        if names := _PARAMETER.findall(each.path):
            item["parameters"] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
        item[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1.0.0", **({"description": description} if description else {})},
        "security": [{"gateway": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "gateway": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token or an API key of an application that is subscribed.",
                }
            }
        },
    }


def _operation(sketch: Sketch) -> dict[str, Any]:
    json_object = {"content": {"application/json": {"schema": {"type": "object"}}}}
    status, has_body = SUCCESS.get(sketch.method, ("200", True))
    return {
        "operationId": _operation_id(sketch),
        **({"summary": sketch.summary} if sketch.summary else {}),
        **({"requestBody": {"required": True, **json_object}} if sketch.method in ASKED_WITH_A_BODY else {}),
        "responses": {
            status: {"description": "It went well.", **(json_object if has_body else {})},
            "4XX": {"description": "It was refused."},
        },
    }


def _operation_id(sketch: Sketch) -> str:
    """`getOrdersById` for GET /orders/{id}: in camelCase, as most documents have it."""
    said = _PARAMETER.sub(lambda found: f"/by/{found[1]}", sketch.path)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", said) if word]
    return sketch.method.lower() + "".join(word[0].upper() + word[1:] for word in words)
