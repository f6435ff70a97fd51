"""The parts of a document where they are written, by kind: each once, however often it is referred to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from apis.openapi import METHODS
from apis.openapi_source import Path


class Kind(Enum):
    DOCUMENT, COMPONENTS, PATH, OPERATION, CALLBACK, BODY, RESPONSE, PARAMETER, HEADER, MEDIA, ENCODING, SCHEMA = range(12)


@dataclass(frozen=True, slots=True)
class Part:
    """`path` is where it stands. It may be a reference."""

    kind: Kind
    path: Path
    content: Mapping[str, Any]


class _Shape(Enum):
    """How a member holds parts: it is one, a list of them, or a map from names to them."""

    ONE, LIST, MAP = range(3)


_ONE, _LIST, _MAP = _Shape
_SCHEMAS = {
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), (Kind.SCHEMA, _MAP)),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), (Kind.SCHEMA, _LIST)),
    **dict.fromkeys(
        (
            *("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"),
            *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
        ),
        (Kind.SCHEMA, _ONE),
    ),
}
# OpenAPI 3.1.1, section 4.8; 3.0 has fewer of them.
_MEMBERS: Mapping[Kind, Mapping[str, tuple[Kind, _Shape]]] = {
    Kind.DOCUMENT: {"paths": (Kind.PATH, _MAP), "webhooks": (Kind.PATH, _MAP), "components": (Kind.COMPONENTS, _ONE)},
    Kind.COMPONENTS: {
        "schemas": (Kind.SCHEMA, _MAP),
        "responses": (Kind.RESPONSE, _MAP),
        "parameters": (Kind.PARAMETER, _MAP),
        "requestBodies": (Kind.BODY, _MAP),
        "headers": (Kind.HEADER, _MAP),
        "callbacks": (Kind.CALLBACK, _MAP),
        "pathItems": (Kind.PATH, _MAP),
    },
    Kind.PATH: {"parameters": (Kind.PARAMETER, _LIST), **{method.lower(): (Kind.OPERATION, _ONE) for method in METHODS}},
    Kind.OPERATION: {
        "parameters": (Kind.PARAMETER, _LIST),
        "requestBody": (Kind.BODY, _ONE),
        "responses": (Kind.RESPONSE, _MAP),
        "callbacks": (Kind.CALLBACK, _MAP),
    },
    # A callback is a map itself: from expressions to paths.
    Kind.CALLBACK: {},
    Kind.BODY: {"content": (Kind.MEDIA, _MAP)},
    Kind.RESPONSE: {"content": (Kind.MEDIA, _MAP), "headers": (Kind.HEADER, _MAP)},
    Kind.PARAMETER: {"schema": (Kind.SCHEMA, _ONE), "content": (Kind.MEDIA, _MAP)},
    Kind.HEADER: {"schema": (Kind.SCHEMA, _ONE), "content": (Kind.MEDIA, _MAP)},
    Kind.MEDIA: {"schema": (Kind.SCHEMA, _ONE), "encoding": (Kind.ENCODING, _MAP)},
    Kind.ENCODING: {"headers": (Kind.HEADER, _MAP)},
    Kind.SCHEMA: _SCHEMAS,
}


def parts(document: Mapping[str, Any]) -> Iterator[Part]:
    """In the order of the document."""
    waiting = [Part(Kind.DOCUMENT, (), document)]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed([each for each in _members(part) if isinstance(each.content, dict)]))


def _members(part: Part) -> Iterator[Part]:
    members = _MEMBERS[part.kind]
    for name, content in part.content.items():
        if part.kind is Kind.CALLBACK and name != "$ref":
            yield Part(Kind.PATH, (*part.path, name), content)
        elif name in members:
            kind, shape = members[name]
            yield from _held(kind, shape, (*part.path, name), content)


def _held(kind: Kind, shape: _Shape, path: Path, content: Any) -> Iterator[Part]:
    if shape is _ONE:
        yield Part(kind, path, content)
    elif shape is _MAP and isinstance(content, dict):
        extensible = kind in {Kind.PATH, Kind.RESPONSE}
        yield from (Part(kind, (*path, name), each) for name, each in content.items() if not (extensible and name.startswith("x-")))
    elif shape is _LIST and isinstance(content, list):
        yield from (Part(kind, (*path, index), each) for index, each in enumerate(content))
