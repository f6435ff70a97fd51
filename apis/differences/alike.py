"""What two documents have alike, which nobody has to look into: most revisions change few of many operations.

A document is taken as its pieces: each path, webhook and component by itself, and whatever else stands at its top. Two of one
name are alike if they are written the same and refer to nothing that is not; that is found out from their JSON as text, an
order of magnitude faster than from what is in it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, TypeAlias
from urllib.parse import unquote

from apis.contract import Content
from apis.differences.digests import written
from apis.openapi_references import mapping, value_at
from apis.openapi_source import Path

# Where a piece is, and its JSON.
Pieces: TypeAlias = dict[Path, str]

# So many steps lead to a piece; to all others one.
STEPS = {"paths": 2, "webhooks": 2, "components": 3}
# What operations go by without a reference.
SECURITY = {("security",), ("components", "securitySchemes")}
REFERENCE = re.compile(r'"\$ref": ("(?:[^"\\]|\\.)*")')


def unlike(old: Content, new: Content, paths: Set[str]) -> tuple[Content, Content]:
    """Both documents with the webhooks, and of the `paths` those, that are not alike, and what these are made of."""
    webhooks = mapping(old.get("webhooks")), mapping(new.get("webhooks"))
    if not paths and not all(webhooks):
        return {"webhooks": webhooks[0]}, {"webhooks": webhooks[1]}
    were, are = dict(_pieces(old)), dict(_pieces(new))
    places = were.keys() | are.keys()
    leads = {place: _referred(were.get(place), are.get(place)) for place in places}
    if any(len(place) < STEPS.get(str(place[0]), 1) for found in leads.values() for place in found):
        # Something refers to a part that has pieces.
        return old, new
    comes: dict[Path, set[Path]] = {}
    for place, found in leads.items():
        for each in found:
            comes.setdefault(each, set()).add(place)
    differ = _reached((place for place in places if were.get(place) != are.get(place)), comes)
    everywhere = any(place[:2] in SECURITY for place in differ)
    compared = {("paths", path) for path in paths} | {place for place in places if place[0] == "webhooks"}
    security = {place for place in places if place[:2] in SECURITY}
    kept = _reached(security | (compared if everywhere else compared & differ), leads)
    # In their order, so that what is told does not depend on chance.
    return _with(old, [place for place in were if place in kept]), _with(new, [place for place in are if place in kept])


def _pieces(document: Content) -> Iterator[tuple[Path, str]]:
    for path, value in _places(document, ()):
        yield path, written(value)


def _places(node: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in node.items():
        path = (*at, key)
        if isinstance(value, dict) and len(path) < STEPS.get(str(path[0]), 1):
            yield from _places(value, path)
        else:
            yield path, value


def _referred(was: str | None, now: str | None) -> set[Path]:
    found = {each for text in {was, now} if text for each in REFERENCE.findall(text)}
    return {place for each in found if (place := _place(json.loads(each)))}


def _place(reference: str) -> Path:
    """Of the piece that it leads to or into; () if it leads out of the document."""
    if not reference.startswith("#/"):
        return ()
    steps = [unquote(part).replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/")]
    return tuple(steps[: STEPS.get(steps[0], 1)])


def _reached(from_: Iterable[Path], leads: Mapping[Path, set[Path]]) -> set[Path]:
    found = set(from_)
    waiting = list(found)
    while waiting:
        new = leads.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return found


def _with(document: Content, places: Iterable[Path]) -> Content:
    found: dict[str, Any] = {}
    for *steps, last in places:
        node = found
        for step in steps:
            node = node.setdefault(str(step), {})
        node[str(last)] = value_at(document, (*steps, last))
    return found
