"""What a new OpenAPI document changes for callers, operation by operation.

References are followed, so a schema that moved without changing is no difference, and one that changed is one in each
operation that leads to it. The work grows with the size of the documents, not with what they could be unfolded to.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

from apis import contract, paths
from apis.contract import Content, Described, follow, text
from apis.openapi import METHODS
from apis.openapi_references import DATA, NAME_MAPS, mapping, pointer, references, value_at
from apis.openapi_security import Requirement, required, schemes
from apis.openapi_source import Path

# A sentence in the reader's language: `gettext`, or `str` for English.
Translate: TypeAlias = Callable[[str], str]
# Method, and path without the names of its parameters: what gateways take for one operation is one.
Key: TypeAlias = tuple[str, paths.Pieces]

# Where the order of a list means nothing.
SETS = {"required", "enum", "type"}


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    operation_id: str
    summary: str


@dataclass(frozen=True, slots=True)
class Changed:
    """An operation as it is in the new document, and a sentence for each thing that differs.

    `breaks`: calls that were right before now lack something that is asked for.
    """

    operation: Operation
    changes: tuple[str, ...]
    breaks: bool


@dataclass(frozen=True, slots=True)
class Differences:
    """Each sorted by path, then method."""

    added: tuple[Operation, ...]
    removed: tuple[Operation, ...]
    changed: tuple[Changed, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def differences(old: Content | None, new: Content, *, gettext: Translate = str) -> Differences:
    """From one document to the next; from None, all is added. Where calls go is not compared."""
    before, after = _by_key(old or {}), _by_key(new)
    said = _Comparison(old or {}, new, gettext)
    changed = [said.changed(before[key], after[key]) for key in after if key in before]
    return Differences(
        added=_sorted(_shown(after[key]) for key in after if key not in before),
        removed=_sorted(_shown(before[key]) for key in before if key not in after),
        changed=tuple(sorted((each for each in changed if each.changes), key=lambda each: _place(each.operation))),
    )


def _by_key(document: Content) -> dict[Key, Described]:
    return {_key(each): each for each in contract.operations(document)}


def _key(operation: Described) -> Key:
    try:
        return operation.method, paths.pieces(operation.path)
    except paths.UnsupportedTemplate:
        return operation.method, ((operation.path,),)


def _shown(found: Described) -> Operation:
    return Operation(found.method, found.path, found.operation_id, found.summary)


def _sorted(found: Iterable[Operation]) -> tuple[Operation, ...]:
    return tuple(sorted(found, key=_place))


def _place(operation: Operation) -> tuple[str, int]:
    return operation.path, METHODS.index(operation.method)


class _Comparison:
    """Two documents, and what differs between an operation of the one and the same of the other."""

    def __init__(self, old: Content, new: Content, gettext: Translate) -> None:
        self.old, self.new, self.gettext = _Side(old), _Side(new), gettext

    def changed(self, before: Described, after: Described) -> Changed:
        changes = (
            *self._texts(before, after),
            *self._parameters(before, after),
            *self._body(before, after),
            *self._responses(before, after),
            *self._rest(before, after),
            *self._scopes(before, after),
        )
        return Changed(_shown(after), changes, self._breaks(before, after))

    def _breaks(self, before: Described, after: Described) -> bool:
        were, are = self.old.parameters(before), self.new.parameters(after)
        asks = any(_is_required(now) and not _is_required(were.get(key, {})) for key, now in are.items())
        body = self.new.body_is_required(after) and not self.old.body_is_required(before)
        return asks or body or bool(_stricter(self.old.scopes(before), self.new.scopes(after)))

    def _texts(self, before: Described, after: Described) -> Iterator[str]:
        gettext = self.gettext
        if before.operation_id != after.operation_id:
            yield gettext("The operation id was %(was)s.") % {"was": before.operation_id}
        if before.summary != after.summary:
            yield gettext("The summary changed.")
        if before.description != after.description:
            yield gettext("The description changed.")
        if before.deprecated != after.deprecated:
            yield gettext("It is deprecated now.") if after.deprecated else gettext("It is no longer deprecated.")

    def _parameters(self, before: Described, after: Described) -> Iterator[str]:
        gettext = self.gettext
        were, are = self.old.parameters(before), self.new.parameters(after)
        for key in sorted(were.keys() | are.keys()):
            was, now = were.get(key), are.get(key)
            named = {"name": text((now or was or {}).get("name")), "where": key[0]}
            if was is None or now is None:
                yield self._came_or_went(named, now)
                continue
            if was.get("name") != now.get("name") and key[0] == "path":
                yield gettext("The path parameter %(was)s is called %(name)s now.") % {**named, "was": text(was.get("name"))}
            if not _is_required(was) and _is_required(now):
                yield gettext("The parameter %(name)s (%(where)s) is required now.") % named
            if _is_required(was) and not _is_required(now):
                yield gettext("The parameter %(name)s (%(where)s) is optional now.") % named
            if self.old.parameter(was) != self.new.parameter(now):
                yield gettext("The parameter %(name)s (%(where)s) changed.") % named

    def _came_or_went(self, named: dict[str, str], now: Content | None) -> str:
        gettext = self.gettext
        if now is None:
            return gettext("The parameter %(name)s (%(where)s) is gone.") % named
        if _is_required(now):
            return gettext("The parameter %(name)s (%(where)s) is new and required.") % named
        return gettext("The parameter %(name)s (%(where)s) is new.") % named

    def _body(self, before: Described, after: Described) -> Iterator[str]:
        was, now = (follow(side.document, each.content.get("requestBody")) for side, each in ((self.old, before), (self.new, after)))
        gettext = self.gettext
        if was is None and now is not None:
            yield gettext("A request body is new.")
        elif was is not None and now is None:
            yield gettext("The request body is gone.")
        elif self.new.body_is_required(after) and not self.old.body_is_required(before):
            yield gettext("The request body is required now.")
        elif self.old.of(was) != self.new.of(now):
            yield gettext("The request body changed.")

    def _responses(self, before: Described, after: Described) -> Iterator[str]:
        gettext = self.gettext
        were, are = mapping(before.content.get("responses")), mapping(after.content.get("responses"))
        for status in sorted(were.keys() | are.keys()):
            if status not in were:
                yield gettext("The response %(status)s is new.") % {"status": status}
            elif status not in are:
                yield gettext("The response %(status)s is gone.") % {"status": status}
            elif self.old.of(were[status]) != self.new.of(are[status]):
                yield gettext("The response %(status)s changed.") % {"status": status}

    def _rest(self, before: Described, after: Described) -> Iterator[str]:
        gettext = self.gettext
        if self.old.of(before.content.get("callbacks")) != self.new.of(after.content.get("callbacks")):
            yield gettext("The callbacks changed.")
        if self.old.security(before) != self.new.security(after):
            yield gettext("What a caller has to prove changed.")

    def _scopes(self, before: Described, after: Described) -> Iterator[str]:
        gettext = self.gettext
        was, now = self.old.scopes(before), self.new.scopes(after)
        missing = _stricter(was, now)
        if len(missing) > 1:
            yield gettext("Callers need one of these scopes now: %(scopes)s.") % {"scopes": ", ".join(map(" + ".join, missing))}
        elif missing and len(missing[0]) > 1:
            yield gettext("Callers need the scopes %(scopes)s now.") % {"scopes": ", ".join(missing[0])}
        elif missing:
            yield gettext("Callers need the scope %(scope)s now.") % {"scope": missing[0][0]}
        elif was != now:
            yield gettext("Callers need fewer scopes than before.")


def _is_required(described: Content) -> bool:
    return described.get("required") is True


def _stricter(was: Requirement, now: Requirement) -> Requirement:
    """What callers who had enough may lack now, as alternatives; () if all of them still have enough."""
    had = [frozenset(each) for each in was] or [frozenset()]
    if not now or all(any(each <= has for each in map(frozenset, now)) for has in had):
        return ()
    if len(now) > 1:
        return now
    return (tuple(scope for scope in now[0] if not all(scope in has for has in had)),)


class _Side:
    """A document whose parts have digests: equal ones mean the same to callers, whichever references they are written with."""

    def __init__(self, document: Content) -> None:
        self.document = document
        self._schemes = schemes(document)
        # By the identity of what the document holds, whether its keys are names, and the circle where that matters.
        self._known: dict[tuple[int, bool, int], tuple[str, bool]] = {}
        self._digests: dict[Path, str] = {}
        self._circle: Set[Path] = frozenset()
        self._number = 1
        self._targets: dict[str, Path | None] = {}
        for places, circular in _circles(self._edges()):
            self._add(places, circular=circular)

    def _edges(self) -> dict[Path, set[Path]]:
        """From each place that is referred to, to those that it refers to."""
        found = list(references(self.document))
        self._targets = {reference: pointer(self.document, reference) for _, reference in found}
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
            whole = _digest(sorted((repr(path), body) for path, body in bodies.items()))
            bodies = {path: _digest([whole, repr(path)]) for path in bodies}
        self._digests.update(bodies)

    def of(self, node: Any) -> str:
        return self._of(node, names=False)[0]

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
        return _digest([digest for digest, _ in found]), any(bound for _, bound in found)

    def _mapping(self, node: dict[str, Any], *, names: bool) -> tuple[str, bool]:
        members, bound = {}, False
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str) and not names:
                digest, here = self._reference(value)
            elif not names and key in SETS and isinstance(value, list):
                digest, here = _digest(sorted(map(_digest, value))), False
            elif not names and (key in DATA or key.startswith("x-") or (key == "examples" and isinstance(value, list))):
                digest, here = _digest(value), False
            else:
                digest, here = self._of(value, names=not names and key in NAME_MAPS)
            members[key] = digest
            bound = bound or here
        if members.keys() == {"$ref"} and not names:
            return members["$ref"], bound
        return _digest(members), bound

    def _reference(self, reference: str) -> tuple[str, bool]:
        path = self._targets.get(reference)
        if path is None:
            return _digest(reference), False
        return (_digest(["circle", repr(path)]), True) if path in self._circle else (self._digests[path], False)

    def parameters(self, operation: Described) -> dict[tuple[str, str], Content]:
        """By place and name; those of the path by their place in it, as their names are the author's."""
        names = re.findall(r"\{([^{}]+)\}", operation.path)
        found = {}
        for parameter in contract.parameters(self.document, operation):
            name, where = text(parameter.get("name")), text(parameter.get("in"))
            if where == "path" and name in names:
                name = f"{names.index(name):04}"
            found[where, name.lower() if where == "header" else name] = parameter
        return found

    def parameter(self, parameter: Content) -> str:
        """But for its name and whether it is required."""
        rest = {key: value for key, value in parameter.items() if key not in {"name", "required"}}
        return self._mapping(rest, names=False)[0]

    def security(self, operation: Described) -> list[str]:
        """Alternatives, without the order in which they stand, and without scopes, which are compared by themselves."""
        return sorted(
            {
                _digest({name: self._scheme(name, scopes) for name, scopes in alternative.items()})
                for alternative in contract.security(self.document, operation)
            }
        )

    def _scheme(self, name: str, scopes: Any) -> list[Any]:
        given = mapping(follow(self.document, mapping(mapping(self.document.get("components")).get("securitySchemes")).get(name)))
        if name not in self._schemes:
            return [sorted(map(str, scopes)), self.of(given)]
        flows = {flow: {**mapping(told), "scopes": {}} for flow, told in mapping(given.get("flows")).items()}
        return [_digest({**given, "flows": flows})]

    def scopes(self, operation: Described) -> Requirement:
        return required(contract.security(self.document, operation), self._schemes)

    def body_is_required(self, operation: Described) -> bool:
        return _is_required(mapping(follow(self.document, operation.content.get("requestBody"))))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


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
