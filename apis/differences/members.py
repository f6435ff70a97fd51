"""The schemas that two schemas are made of: which of the one is which of the other, and those that came and went."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apis.contract import text
from apis.differences.digests import Side
from apis.differences.levels import Direction
from apis.differences.views import NOTHING, View, Views
from apis.differences.words import Found
from apis.openapi_references import mapping


@dataclass(frozen=True, slots=True)
class Child:
    """Two schemas in one place below another; `step` leads there: `.name`, `[]`, `.*`, `(Cat)`."""

    step: str
    was: Any
    now: Any


def properties(old: View, new: View, olds: Views, news: Views, direction: Direction) -> Iterator[Found | Child]:
    """Of a request those that are read-only are no part, of a response those that are write-only are not."""
    hidden = "readOnly" if direction is Direction.REQUEST else "writeOnly"
    for name in sorted(old.properties.keys() | new.properties.keys() | old.required | new.required):
        was, now = _schema_of(name, old), _schema_of(name, new)
        needed, is_needed = name in old.required, name in new.required
        step = f".{name}"
        if was is None and now is None:
            continue
        if was is None:
            if not _is(news, now, hidden):
                yield Found("added-required" if is_needed else "added-optional", {}, step)
        elif now is None:
            if not _is(olds, was, hidden):
                yield Found(_removed(new, direction, needed=needed), {}, step)
        elif needed != is_needed or olds.side.of(was) != news.side.of(now):
            yield from _both(Child(step, was, now), olds.of(was), news.of(now), hidden, (needed, is_needed))


def _is(views: Views, node: Any, word: str) -> bool:
    found = mapping(views.side.follow(node))
    return views.of(found).has(word) if "allOf" in found or "$ref" in found else found.get(word) is True


def _schema_of(name: str, view: View) -> Any:
    """What a property has to be; None if it is not spoken of, or can't be there."""
    if name in view.properties:
        return view.properties[name]
    return None if name not in view.required or view.additional is False else view.additional or NOTHING


def _removed(new: View, direction: Direction, *, needed: bool) -> str:
    if direction is Direction.RESPONSE:
        return "removed-required" if needed else "removed"
    return "removed-closed" if new.additional is False else "removed"


def _both(child: Child, old: View, new: View, hidden: str, needed: tuple[bool, bool]) -> Iterator[Found | Child]:
    need = "required" if needed[1] else "optional"
    for word, name in (("readOnly", "read-only"), ("writeOnly", "write-only")):
        if old.has(word) != new.has(word):
            yield Found(f"{need}-became-{name}" if new.has(word) else f"{need}-became-not-{name}", {}, child.step)
    if old.has(hidden) or new.has(hidden):
        return
    if needed[0] != needed[1]:
        yield Found("became-required" if needed[1] else "became-optional", {}, child.step)
    yield child


def parts(old: View, new: View, direction: Direction) -> Iterator[Found | Child]:
    """Items, and properties without names."""
    for index in range(max(len(old.prefix), len(new.prefix))):
        yield Child(f"[{index}]", _item(old, index), _item(new, index))
    if (old.items, new.items) != (None, None):
        yield Child("[]", _any(old.items), _any(new.items))
    for pattern in sorted(old.patterns.keys() | new.patterns.keys()):
        step = f"./{pattern}/"
        if pattern not in old.patterns:
            yield Found("pattern-property-added", {}, step)
        elif pattern not in new.patterns:
            gone = _removed(new, direction, needed=False)
            yield Found("pattern-property-removed" if gone == "removed" else gone, {}, step)
        else:
            yield Child(step, old.patterns[pattern], new.patterns[pattern])
    if False not in (old.additional, new.additional) and (old.additional, new.additional) != (None, None):
        yield Child(".*", _any(old.additional), _any(new.additional))


def _any(node: Any) -> Any:
    return NOTHING if node is None else node


def _item(view: View, index: int) -> Any:
    return view.prefix[index] if index < len(view.prefix) else _any(view.items)


def alternatives(was: list[Any], now: list[Any], sides: tuple[Side, Side], union: str) -> Iterator[Found | Child]:
    """Pairs of the same name, then of equal ones, of the same type, and what is left by its position."""
    name = "one-of" if union == "oneOf" else "any-of"
    left, right = numbered(was, sides[0]), numbered(now, sides[1])
    for same in (_by_name, _by_digest, _by_title, _by_type, _by_position):
        yield from _paired(left, right, same)
    if left:
        yield Found(f"{name}-removed", {"values": [each.label for each in left]})
    if right:
        yield Found(f"{name}-added", {"values": [each.label for each in right]})


@dataclass(frozen=True, slots=True)
class Member:
    node: Any
    side: Side
    position: int

    @property
    def name(self) -> str:
        return text(mapping(self.node).get("$ref")).rpartition("/")[2]

    @property
    def title(self) -> str:
        return text(mapping(self.side.follow(self.node)).get("title"))

    @property
    def type(self) -> str:
        return text(mapping(self.side.follow(self.node)).get("type"))

    @property
    def label(self) -> str:
        return self.name or self.title or self.type or str(self.position + 1)


def numbered(nodes: list[Any], side: Side) -> list[Member]:
    return [Member(node, side, position) for position, node in enumerate(nodes)]


def _by_name(member: Member) -> str:
    return member.name


def _by_digest(member: Member) -> str:
    return member.side.of(member.node)


def _by_title(member: Member) -> str:
    return "" if member.name else member.title


def _by_type(member: Member) -> str:
    return "" if member.name or member.type == "object" else member.type


def _by_position(member: Member) -> str:
    # One that has a name is gone if nothing has its name.
    return "" if member.name else str(member.position)


def _paired(left: list[Member], right: list[Member], same: Callable[[Member], str]) -> Iterator[Child]:
    """Takes those away that are the same, of several the first."""
    found: dict[str, list[Member]] = {}
    for each in reversed(right):
        if key := same(each):
            found.setdefault(key, []).append(each)
    taken: set[int] = set()
    rest = []
    for each in left:
        key = same(each)
        if key and (others := found.get(key)):
            other = others.pop()
            taken.add(other.position)
            yield Child(f"({other.label})", each.node, other.node)
        else:
            rest.append(each)
    left[:] = rest
    right[:] = [each for each in right if each.position not in taken]
