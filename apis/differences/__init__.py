"""What a new OpenAPI document changes for callers, each change with how much it asks of them.

docs/differences.md has every rule. References are followed, so a schema that moved without changing is no difference, and
one that changed is one in each operation that leads to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol, TypeAlias, TypeVar

from apis import contract, paths
from apis.contract import Content, Described, text
from apis.differences import bodies, parameters, sunset
from apis.differences.alike import unlike
from apis.differences.levels import Level
from apis.differences.offers import offer_changes
from apis.differences.saying import Change, Operation, Translate
from apis.differences.schemas import worst
from apis.differences.security import Security
from apis.differences.sunset import End
from apis.differences.targets import target_changes
from apis.differences.telling import Telling
from apis.openapi import METHODS
from apis.openapi_references import mapping, sequence

__all__ = ["Change", "Differences", "Level", "Operation", "Translate", "concerned", "differences", "offer_changes", "target_changes"]

# Method, and path without the names of its parameters: what gateways take for one operation is one.
Key: TypeAlias = tuple[str, paths.Pieces]


class Known(Protocol):
    """An operation as callers know it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


K = TypeVar("K", bound=Known)

# Of one operation, and of a whole document; what is left out is told as such.
TOLD = 100
TOLD_IN_ALL = 10_000

ADDED = "endpoint-added"
REMOVED = {
    End.WITHOUT_DEPRECATION: "api-removed-without-deprecation",
    End.WITH_DEPRECATION: "api-removed-with-deprecation",
    End.BEFORE_SUNSET: "api-removed-before-sunset",
    End.UNCLEAR: "api-path-sunset-parse",
}


@dataclass(frozen=True, slots=True)
class Differences:
    """Sorted by path, then method, then how bad they are; what is no operation's own comes last."""

    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def of(self, level: Level) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.level is level)

    @property
    def added(self) -> tuple[Operation, ...]:
        return tuple(each.operation for each in self.changes if each.operation and each.rule == ADDED)

    @property
    def removed(self) -> tuple[Operation, ...]:
        return tuple(each.operation for each in self.changes if each.operation and each.rule in REMOVED.values())

    @property
    def changed(self) -> dict[Operation, tuple[Change, ...]]:
        """The operations that are in both, with what differs."""
        found: dict[Operation, list[Change]] = {}
        for each in self.changes:
            if each.operation and each.rule != ADDED and each.rule not in REMOVED.values():
                found.setdefault(each.operation, []).append(each)
        return {operation: tuple(changes) for operation, changes in found.items()}

    def and_then(self, changes: Iterable[Change]) -> "Differences":
        return Differences((*self.changes, *changes))


def differences(old: Content | None, new: Content, *, today: date, gettext: Translate = str) -> Differences:
    """From one document to the next; from None, all is added. Where calls go is not compared.

    :param today: tells sunsets that have come from those that have not.
    """
    before, after = _by_key(old or {}), _by_key(new)
    # What is in one of them alone is told by its name.
    shared = {each[key].path for key in before.keys() & after.keys() for each in (before, after)}
    telling = Telling(*unlike(old or {}, new, shared), gettext)
    security = Security(telling.old, telling.new, telling.saying)
    looked_into = mapping(telling.new.document.get("paths"))
    found: list[Change] = []
    for key in sorted(before.keys() | after.keys(), key=lambda key: _place(after.get(key) or before[key])):
        if key not in before:
            changes = [telling.by(ADDED)]
        elif key not in after:
            was = before[key].content
            changes = [telling.by(REMOVED[sunset.end(was, today)], was=was.get("x-sunset"))]
        elif after[key].path not in looked_into:
            continue
        else:
            changes = list(dict.fromkeys((*_changes(telling, before[key], after[key], today), *security.changes(before[key], after[key]))))
        operation = _shown(after.get(key) or before[key])
        changes = _cut(telling, changes, TOLD_IN_ALL - len(found))
        found.extend(replace(each, operation=operation) for each in changes)
    return Differences((*found, *_webhooks(telling)))


def concerned(found: Differences, operations: Iterable[K], level: Level) -> list[K]:
    """Those of the operations of the old document that a change of this level concerns.

    :param operations: as `differences` had them, or the old revision's rows, by whose ids gateways count calls.
    """
    keys = {_key(each.operation.method, each.operation.path) for each in found.of(level) if each.operation}
    return [each for each in operations if _key(each.method, each.path) in keys]


def _by_key(document: Content) -> dict[Key, Described]:
    return {_key(each.method, each.path): each for each in contract.operations(document)}


def _key(method: str, path: str) -> Key:
    try:
        return method, paths.pieces(path)
    except paths.UnsupportedTemplate:
        return method, ((path,),)


def _place(operation: Described) -> tuple[str, int]:
    return operation.path, METHODS.index(operation.method)


def _shown(found: Described) -> Operation:
    return Operation(found.method, found.path, found.operation_id, found.summary)


def _cut(telling: Telling, changes: list[Change], room: int) -> list[Change]:
    """The worst first, and of many a part."""
    changes.sort(key=lambda each: each.level.rank)
    most = max(1, min(TOLD, room))
    if len(changes) <= most:
        return changes
    left = worst(each.level for each in changes[most - 1 :])
    return list(dict.fromkeys((*changes[: most - 1], telling.by(f"further-{left}-changes"))))


def _changes(telling: Telling, before: Described, after: Described, today: date) -> Iterator[Change]:
    unlike = telling.differ(before.content, after.content) or telling.differ(before.item.get("parameters"), after.item.get("parameters"))
    if unlike or before.path != after.path:
        yield from _about(telling, before, after)
        yield from parameters.changes(telling, before, after, today)
        yield from bodies.request(telling, before, after)
        yield from bodies.responses(telling, before, after)
        if telling.differ(before.content.get("callbacks"), after.content.get("callbacks")):
            yield telling.by("callbacks-changed")
    elif (before.summary, before.description) != (after.summary, after.description):
        yield telling.by("documentation-changed")


def _about(telling: Telling, before: Described, after: Described) -> Iterator[Change]:
    by = telling.by
    was, now = (text(each.content.get("operationId")) for each in (before, after))
    if was and was != now:
        yield by("api-operation-id-removed", was=was)
    elif now and not was:
        yield by("api-operation-id-added", now=now)
    tags_were, tags = ([text(tag) for tag in sequence(each.content.get("tags"))] for each in (before, after))
    for tag in tags_were:
        if tag not in tags:
            yield by("api-tag-removed", was=tag)
    for tag in tags:
        if tag not in tags_were:
            yield by("api-tag-added", now=tag)
    if (before.summary, before.description) != (after.summary, after.description):
        yield by("documentation-changed")
    yield from telling.notes(before.content, after.content, {"externalDocs"})
    yield from _deprecated(telling, before, after)


def _deprecated(telling: Telling, before: Described, after: Described) -> Iterator[Change]:
    by = telling.by
    (was, day_was), (now, day) = ((each.content.get("x-sunset"), sunset.day_of(each.content)) for each in (before, after))
    if before.deprecated and not after.deprecated:
        yield by("endpoint-reactivated")
    elif after.deprecated and not before.deprecated:
        yield by("endpoint-deprecated-with-sunset", now=now) if day else by("endpoint-deprecated")
    elif after.deprecated and day_was and not day:
        yield by("sunset-deleted", was=was)
    elif after.deprecated and day and not day_was:
        yield by("sunset-added", now=now)
    elif after.deprecated and day and day_was and day != day_was:
        yield by("api-sunset-date-changed-too-small" if day < day_was else "sunset-postponed", was=was, now=now)


def _webhooks(telling: Telling) -> Iterator[Change]:
    """What callers are called with."""
    were, are = mapping(telling.old.document.get("webhooks")), mapping(telling.new.document.get("webhooks"))
    for name in sorted(were.keys() | are.keys()):
        if name not in were:
            yield telling.by("webhook-added", name=name)
        elif name not in are:
            yield telling.by("webhook-removed", name=name)
        elif telling.differ(were[name], are[name]):
            yield telling.by("webhook-changed", name=name)
