"""Whether bodies come with an example."""

from collections.abc import Iterable, Mapping
from typing import Any

from apis.contract import Described, follow
from apis.examples import is_json
from apis.lint.notes import Notes
from apis.openapi_references import mapping, resolve, sequence, value_at
from apis.openapi_source import Path

# Schemas within schemas that are looked into.
DEPTH = 6
OWN = ("example", "examples", "const", "enum", "default")
# What else there is to show; a part without any only adds a condition.
MADE_OF = ("$ref", "properties", "items", "allOf", "oneOf", "anyOf")


def look_at_examples(document: Mapping[str, Any], operations: Iterable[tuple[Described, str, Path]], notes: Notes) -> None:
    """Of each body once, however many operations share it: as the first of them."""
    seen: set[Path] = set()
    examples = _Examples(document)
    for found, name, at in operations:
        bodies = [("request-example", "", (*at, "requestBody"))]
        bodies += [("response-example", status, (*at, "responses", status)) for status in mapping(found.content.get("responses"))]
        for rule, status, written in bodies:
            place = resolve(document, written)
            for media_type in mapping(mapping(value_at(document, place or ())).get("content")) if place else ():
                there = (*(place or ()), "content", media_type)
                if there not in seen and _wants_one(media_type):
                    seen.add(there)
                    wrong = not examples.has(mapping(value_at(document, there)))
                    notes.look(rule, there, wrong=wrong, operation=name, status=status, type=media_type)


def _wants_one(media_type: str) -> bool:
    """Of pictures and archives nobody can write one down."""
    return is_json(media_type) or media_type.startswith(("application/x-www-form-urlencoded", "application/xml"))


class _Examples:
    """Those of one document's schemas."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        # By the identity of what the document holds, and how deep may be looked.
        self._known: dict[tuple[int, int], bool] = {}

    def has(self, media: Mapping[str, Any]) -> bool:
        return "example" in media or bool(media.get("examples")) or self._of(media.get("schema"), DEPTH)

    def _of(self, given: Any, depth: int) -> bool:
        """Its own, or one that can be put together of those of its parts. Circles end where the depth does."""
        node = mapping(follow(self.document, given))
        key = id(node), depth
        if key not in self._known:
            self._known[key] = self._found(node, depth)
        return self._known[key]

    def _found(self, node: Mapping[str, Any], depth: int) -> bool:
        if any(word in node for word in OWN):
            return True
        if not depth:
            return False
        parts = [part for part in sequence(node.get("allOf")) if any(word in mapping(part) for word in (*OWN, *MADE_OF))]
        parts += mapping(node.get("properties")).values()
        if "items" in node:
            parts.append(node["items"])
        if parts:
            return all(self._of(part, depth - 1) for part in parts)
        return any(self._of(choice, depth - 1) for word in ("oneOf", "anyOf") for choice in sequence(node.get(word)))
