"""Digests of a document's parts: equal ones mean the same to callers, whichever references they are written with.

References are followed, so a schema that moved without changing is no difference. The work grows with the size of the
document, not with what it could be unfolded to.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

from apis.contract import Content
from apis.openapi_references import DATA, MAX_REFERENCE_HOPS, NAME_MAPS, pointer, references, value_at
from apis.openapi_source import Path

# Where the order of a list means nothing.
SETS = {"required", "enum", "type"}


class Side:
    """A document whose parts have digests: equal ones mean the same to callers, whichever references they are written with."""

    def __init__(self, document: Content) -> None:
        self.document = document
        # By the identity of what the document holds, whether its keys are names, and the circle where that matters.
        self._known: dict[tuple[int, bool, int], tuple[str, bool]] = {}
        self._digests: dict[Path, str] = {}
        self._circle: Set[Path] = frozenset()
        self._number = 1
        # By the text of each reference, where it leads and what is there.
        self._targets: dict[str, Path | None] = {}
        self._values: dict[str, Any] = {}
        for places, circular in _circles(self._edges()):
            self._add(places, circular=circular)

    def _edges(self) -> dict[Path, set[Path]]:
        """From each place that is referred to, to those that it refers to."""
        found = list(references(self.document))
        self._targets = {reference: pointer(self.document, reference) for _, reference in found}
        self._values = {reference: value_at(self.document, path) for reference, path in self._targets.items() if path is not None}
        edges: dict[Path, set[Path]] = {path: set() for path in self._targets.values() if path is not None}
        for at, reference in found:
            target = self._targets[reference]
            if target is not None:
                for length in range(len(at)):
                    if at[:length] in edges:
                        edges[at[:length]].add(target)
        return edges

    def _add(self, places: Set[Path], *, circular: bool) -> None:
        """Digests of places that refer to one another; of what they refer to beside, they are known already."""
        self._circle = places if circular else frozenset()
        bodies = {path: self.of(value_at(self.document, path)) for path in places}
        self._circle = frozenset()
        self._number += 1
        if circular:
            # Unfolded it had no end, so within the circle a place is known by its name.
            whole = digest(sorted((repr(path), body) for path, body in bodies.items()))
            bodies = {path: digest([whole, repr(path)]) for path in bodies}
        self._digests.update(bodies)

    def of(self, node: Any) -> str:
        return self._of(node, names=False)[0]

    def said(self, word: str, value: Any) -> str:
        """The digest of what a word of OpenAPI says, which may be data of any kind."""
        return digest(value) if word in DATA or word.startswith("x-") else self.of(value)

    def follow(self, node: Any) -> Any:
        """Where a value that may be a reference and nothing else leads; None: to nothing, or to itself."""
        for _ in range(MAX_REFERENCE_HOPS):
            if not isinstance(node, dict) or len(node) != 1 or not isinstance(node.get("$ref"), str):
                return node
            node = self.target(node["$ref"])
        return None

    def target(self, reference: str) -> Any:
        return self._values.get(reference)

    def _of(self, node: Any, *, names: bool) -> tuple[str, bool]:
        """The digest, and whether it holds in the present circle alone. `names`: keys are the author's, not words of OpenAPI."""
        if not isinstance(node, (dict, list)):
            return json.dumps(node), False
        for number in (0, self._number):
            if known := self._known.get((id(node), names, number)):
                return known
        found = self._mapping(node, names=names) if isinstance(node, dict) else self._list(node)
        self._known[id(node), names, self._number if found[1] else 0] = found
        return found

    def _list(self, node: list[Any]) -> tuple[str, bool]:
        found = [self._of(each, names=False) for each in node]
        return digest([each for each, _ in found]), any(bound for _, bound in found)

    def _mapping(self, node: dict[str, Any], *, names: bool) -> tuple[str, bool]:
        members, bound = {}, False
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str) and not names:
                found, here = self._reference(value)
            elif not names and key in SETS and isinstance(value, list):
                found, here = digest(sorted(map(digest, value))), False
            elif not names and (key in DATA or key.startswith("x-") or (key == "examples" and isinstance(value, list))):
                found, here = digest(value), False
            else:
                found, here = self._of(value, names=not names and key in NAME_MAPS)
            members[key] = found
            bound = bound or here
        if members.keys() == {"$ref"} and not names:
            return members["$ref"], bound
        return digest(members), bound

    def _reference(self, reference: str) -> tuple[str, bool]:
        path = self._targets.get(reference)
        if path is None:
            return digest(reference), False
        return (digest(["circle", repr(path)]), True) if path in self._circle else (self._digests[path], False)


# Made once: `json.dumps` would make one for each call.
written = json.JSONEncoder(sort_keys=True).encode


def digest(value: Any) -> str:
    return hashlib.sha256(written(value).encode()).hexdigest()


def _circles(edges: Mapping[Path, Set[Path]]) -> Iterator[tuple[Set[Path], bool]]:
    """Places that refer to one another together, and whether they do, after all that they refer to: Tarjan's algorithm."""
    number: dict[Path, int] = {}
    low: dict[Path, int] = {}
    open_: dict[Path, None] = {}
    for root in edges:
        if root in number:
            continue
        number[root] = low[root] = len(number)
        open_[root] = None
        under_way = [(root, iter(edges[root]))]
        while under_way:
            place, rest = under_way[-1]
            child = next(rest, None)
            if child is None:
                under_way.pop()
                if under_way:
                    low[under_way[-1][0]] = min(low[under_way[-1][0]], low[place])
                if low[place] == number[place]:
                    circle = _until(place, open_)
                    yield circle, len(circle) > 1 or place in edges[place]
            elif child not in number:
                number[child] = low[child] = len(number)
                open_[child] = None
                under_way.append((child, iter(edges[child])))
            elif child in open_:
                low[place] = min(low[place], number[child])


def _until(place: Path, open_: dict[Path, None]) -> Set[Path]:
    circle = set()
    while place in open_:
        circle.add(open_.popitem()[0])
    return circle
