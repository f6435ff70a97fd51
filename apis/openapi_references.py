"""References inside a document, and its values whatever they are: any value, also one that breaks the schema, can be asked."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from apis.openapi_source import Path

MAX_REFERENCE_HOPS = 32

# Members that hold data, where "$ref" is only a word.
DATA = {"default", "enum", "const", "example", "value"}
# Members whose own keys are names that the author chose, not words of OpenAPI.
NAME_MAPS = {
    *(
        "callbacks",
        "content",
        "definitions",
        "$defs",
        "dependentSchemas",
        "encoding",
        "examples",
        "headers",
        "links",
        "parameters",
    ),
    *(
        "pathItems",
        "paths",
        "patternProperties",
        "properties",
        "requestBodies",
        "responses",
        "schemas",
        "securitySchemes",
        "webhooks",
    ),
}


def references(root: Any) -> Iterator[tuple[Path, str]]:
    """Path and text of every `$ref` that is a reference and not a word in someone's data."""
    waiting: list[tuple[Any, Path, bool]] = [(root, (), False)]
    while waiting:
        node, path, names = waiting.pop()
        if isinstance(node, list):
            waiting.extend((entry, (*path, index), False) for index, entry in enumerate(node))
        elif isinstance(node, dict):
            if not names and isinstance(node.get("$ref"), str):
                yield (*path, "$ref"), node["$ref"]
            waiting.extend(_members(node, path, names=names))


def _members(node: dict[str, Any], path: Path, *, names: bool) -> Iterator[tuple[Any, Path, bool]]:
    for key, child in node.items():
        is_data = not names and (key in DATA or key.startswith("x-") or (key == "examples" and isinstance(child, list)))
        if isinstance(child, (dict, list)) and not is_data:
            yield child, (*path, key), not names and key in NAME_MAPS


def resolve(root: Any, path: Path) -> Path | None:
    """Where a value that may be a reference leads in the end; None: to nothing, to itself or out of the document."""
    for _ in range(MAX_REFERENCE_HOPS):
        node = value_at(root, path)
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str):
            return path
        target = pointer(root, reference)
        if target is None:
            return None
        path = target
    return None


def pointer(root: Any, reference: str) -> Path | None:
    """The path of a JSON Pointer in a URI fragment (RFC 6901, section 6); None when nothing is there."""
    if not reference.startswith("#/"):
        return None
    path: list[str | int] = []
    node = root
    for part in reference[2:].split("/"):
        step: str | int = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and re.fullmatch("0|[1-9][0-9]{0,8}", str(step)):
            step = int(step)
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return None
        path.append(step)
    return tuple(path)


def value_at(root: Any, path: Path) -> Any:
    """The value at a path, None when nothing is there."""
    for step in path:
        try:
            root = root[step]
        except (KeyError, IndexError, TypeError):
            return None
    return root


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
