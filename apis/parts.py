"""A document cut into parts, so that one operation can be told without reading all of it.

A part is a component, a path, or another member of a member of the document. Some parts put together are the document without the others;
whatever follows references from a path finds in those that the path `leads` to all that it finds in the whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from apis.contract import Content

# Names from the document down.
Place: TypeAlias = tuple[str, ...]

# What operations need without referring to it: members of the document, and of its components.
ALWAYS = {"info", "tags", "security", "consumes"}
SCHEMES = ("components", "securitySchemes")


@dataclass(frozen=True, slots=True)
class Outline:
    """Where each part stands, and which others it refers to, by their numbers."""

    places: Sequence[Place]
    leads: Sequence[Sequence[int]]

    def as_json(self) -> list[Any]:
        return [[list(place), list(leads)] for place, leads in zip(self.places, self.leads, strict=True)]

    @staticmethod
    def of(given: Sequence[Any]) -> "Outline":
        """What `as_json` said."""
        return Outline([tuple(place) for place, _ in given], [leads for _, leads in given])

    def needed(self, path: str) -> list[int]:
        """The parts that tell all of a path's operations."""
        return _led_to(self.leads, (number for number, place in enumerate(self.places) if place == ("paths", path) or _always(place)))

    def put_together(self, parts: Mapping[int, Any]) -> dict[str, Any]:
        """The document as far as these parts go."""
        document: dict[str, Any] = {}
        for number, content in sorted(parts.items()):
            *above, name = self.places[number]
            node = document
            for step in above:
                node = node.setdefault(step, {})
            node[name] = content
        return document


def cut(document: Content) -> tuple[Outline, list[Any]]:
    """The outline, and each part's content by its number: of what operations need, so without webhooks and what only they refer to."""
    pieces = dict(_pieces(document))
    # By its place, and by all above it, as a reference may lead to any of them.
    standing: dict[Place, list[int]] = {}
    for number, place in enumerate(pieces):
        for depth in range(1, len(place) + 1):
            standing.setdefault(place[:depth], []).append(number)
    places, contents = [*pieces], [*pieces.values()]
    leads = [_leads(content, standing) for content in contents]
    kept = _led_to(leads, (number for number, place in enumerate(places) if place[0] == "paths" or _always(place)))
    now = {was: number for number, was in enumerate(kept)}
    return Outline([places[was] for was in kept], [[now[each] for each in leads[was]] for was in kept]), [contents[was] for was in kept]


def _led_to(leads: Sequence[Sequence[int]], first: Iterable[int]) -> list[int]:
    waiting = list(first)
    found = set(waiting)
    while waiting:
        more = [number for number in leads[waiting.pop()] if number not in found]
        found.update(more)
        waiting.extend(more)
    return sorted(found)


def _always(place: Place) -> bool:
    return place[0] in ALWAYS or place[:2] == SCHEMES


def _pieces(document: Content) -> Iterator[tuple[Place, Any]]:
    for place, value in _members((), document):
        for inner in _members(place, value):
            yield from _members(*inner) if place == ("components",) else [inner]


def _members(place: Place, value: Any) -> list[tuple[Place, Any]]:
    """What stands in it by name, else itself."""
    return [((*place, name), member) for name, member in value.items()] if isinstance(value, Mapping) else [(place, value)]


def _leads(content: Any, standing: Mapping[Place, Sequence[int]]) -> list[int]:
    """Also to what only looks like a reference, in somebody's data: a part too many changes nothing."""
    found: set[int] = set()
    for reference in _references(content):
        found.update(_numbers(reference, standing))
    return sorted(found)


def _numbers(reference: str, standing: Mapping[Place, Sequence[int]]) -> Sequence[int]:
    """Of the part that it leads to or into, or of all that stand there."""
    if not reference.startswith("#/"):
        return ()
    steps = tuple(unquote(step).replace("~1", "/").replace("~0", "~") for step in reference[2:].split("/", 3)[:3])
    return next((standing[steps[:depth]] for depth in range(len(steps), 0, -1) if steps[:depth] in standing), ())


def _references(content: Any) -> set[str]:
    found, waiting = set[str](), [content]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            if isinstance(reference := node.get("$ref"), str):
                found.add(reference)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found
