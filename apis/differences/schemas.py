"""What differs between two schemas and all that they are made of.

Pairs of schemas are compared once, however many operations lead to them and however they refer to one another; what
differs below a pair is gathered from there. The work is bounded: what there is no room for is told as a change that
nobody looked into.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from apis.differences import members, words
from apis.differences.digests import Side
from apis.differences.levels import Direction, Level, Work
from apis.differences.members import Child
from apis.differences.rules import LEVELS
from apis.differences.views import View, Views
from apis.differences.words import Found, Sides

# Steps from a body to what is told of it, pairs that are looked at below one, and changes that are told of one.
DEPTH = 20
PLACES = 300
TOLD = 50
# What it costs to look at a pair, at a member of one, and to keep what differs.
PAIR, MEMBER, KEEP = 100, 5, 10

Key: TypeAlias = tuple[int, int, Direction]


@dataclass(slots=True, eq=False)
class Pair:
    """Two schemas in one place: what differs, and which pairs they are made of. `worst`: of all that differs here and below."""

    direction: Direction
    found: list[Found] = field(default_factory=list)
    below: list[tuple[str, "Pair"]] = field(default_factory=list)
    above: list["Pair"] = field(default_factory=list)
    worst: Level | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a pair, the worst first: each with the steps to where it happened. `further`: the worst of what is left out."""

    changes: tuple[tuple[Found, tuple[str, ...]], ...]
    further: Level | None


def level_of(found: Found, direction: Direction) -> Level:
    return LEVELS.get((found.what, direction), Level.SAFE)


class Schemas:
    def __init__(self, old: Side, new: Side, work: Work) -> None:
        self.old, self.new, self.work = Views(old, work), Views(new, work), work
        self._pairs: dict[Key, Pair] = {}
        self._told: dict[int, Told] = {}

    def pair(self, was: Any, now: Any, direction: Direction) -> Pair | None:
        """Two schemas and all below them; None if they mean the same."""
        made: list[tuple[Pair, Any, Any]] = []
        root = self._known_or_made(was, now, direction, made)
        at = 0
        while at < len(made):
            pair, left, right = made[at]
            at += 1
            for each in self._differences(left, right, direction):
                if isinstance(each, Found):
                    self.work.take(KEEP)
                    pair.found.append(each)
                elif child := self._known_or_made(each.was, each.now, direction, made):
                    pair.below.append((each.step, child))
                    child.above.append(pair)
        _settle([pair for pair, _, _ in made])
        return root if root is not None and root.worst else None

    def _known_or_made(self, was: Any, now: Any, direction: Direction, made: list[tuple[Pair, Any, Any]]) -> Pair | None:
        """The pair, a new one if need be, to be looked at; None if both mean the same."""
        if self.old.side.of(was) == self.new.side.of(now):
            return None
        key = (id(self.old.side.follow(was)), id(self.new.side.follow(now)), direction)
        if key not in self._pairs:
            self._pairs[key] = Pair(direction)
            made.append((self._pairs[key], was, now))
        return self._pairs[key]

    def _differences(self, was: Any, now: Any, direction: Direction) -> Iterator[Found | Child]:
        if self.work.left <= 0:
            yield Found("changed", {"word": "schema"})
            return
        old, new = self.old.of(self.old.side.follow(was)), self.new.of(self.new.side.follow(now))
        if not self.work.take(PAIR + sum(map(_cost, (old, new)))):
            yield Found("changed", {"word": "schema"})
            return
        yield from words.remarks(old, new)
        if bool(old.union) != bool(new.union):
            single, several = (old, new) if new.union else (new, old)
            if single.open or not several.bare or not words.covers(several.types, single.types):
                yield self._union(old, new)
            else:
                yield from words.nullability(old, new)
                yield from self._alternatives(was, now, old, new)
                return
        elif old.union:
            yield from self._alternatives(was, now, old, new)
        yield from words.kinds(old, new)
        if words.unlike(old, new):
            return
        yield from words.words(old, new, Sides(self.old.side, self.new.side))
        if old.open != new.open:
            # What fits anything has no properties to compare.
            return
        yield from members.properties(old, new, self.old, self.new, direction)
        yield from members.parts(old, new, direction)

    def _alternatives(self, was: Any, now: Any, old: View, new: View) -> Iterator[Found | Child]:
        """A schema without alternatives is the one that it has."""
        sides = (self.old.side, self.new.side)
        yield from members.alternatives(old.alternatives or [was], new.alternatives or [now], sides, new.union or old.union)

    def _union(self, old: View, new: View) -> Found:
        """Alternatives where there were none, or no longer any, of a schema that is more than its alternatives."""
        view, side = (new, self.new.side) if new.union else (old, self.old.side)
        labels = [each.label for each in members.numbered(view.alternatives, side)]
        return Found("became-union" if new.union else "became-not-union", {"values": labels})

    def told(self, pair: Pair) -> Told:
        if id(pair) not in self._told:
            self._told[id(pair)] = self._gathered(pair)
        return self._told[id(pair)]

    def _gathered(self, pair: Pair) -> Told:
        """The nearest first, as far as there is room; a pair that stands below itself is told once."""
        # Each with the place it was come to from, the step from there, and how far it is.
        places: list[tuple[Pair, int, str, int]] = [(pair, -1, "", 0)]
        found: list[tuple[Found, int]] = []
        left: list[Level | None] = []
        at = 0
        while at < len(places) and at < PLACES and self.work.take(MEMBER):
            here, _, _, depth = places[at]
            found.extend((each, at) for each in here.found)
            for step, child in here.below:
                if child.worst is None or _is_above(child, places, at):
                    continue
                if depth < DEPTH and len(places) < 2 * PLACES:
                    places.append((child, at, step, depth + 1))
                else:
                    left.append(child.worst)
            at += 1
        left.extend(each.worst for each, *_ in places[at:])
        found.sort(key=lambda each: level_of(each[0], pair.direction).rank)
        left.extend(level_of(each, pair.direction) for each, _ in found[TOLD:])
        return Told(tuple((each, _steps(places, place)) for each, place in found[:TOLD]), worst(left))


def _cost(view: View) -> int:
    return MEMBER * (len(view.properties) + len(view.required) + len(view.alternatives)) + len(view.values or ())


def worst(levels: Iterable[Level | None]) -> Level | None:
    return min((each for each in levels if each), key=lambda each: each.rank, default=None)


def _settle(made: list[Pair]) -> None:
    """Says of new pairs what the worst is that differs below them. Those that were there before have been settled."""
    fresh = set(map(id, made))
    for pair in made:
        pair.worst = worst(level_of(each, pair.direction) for each in pair.found)
        pair.worst = worst((pair.worst, *(child.worst for _, child in pair.below if id(child) not in fresh)))
    for level in Level:
        waiting = [pair for pair in made if pair.worst is level]
        while waiting:
            for above in waiting.pop().above:
                if above.worst is None or above.worst.rank > level.rank:
                    above.worst = level
                    waiting.append(above)


def _is_above(pair: Pair, places: list[tuple[Pair, int, str, int]], at: int) -> bool:
    while at >= 0:
        if places[at][0] is pair:
            return True
        at = places[at][1]
    return False


def _steps(places: list[tuple[Pair, int, str, int]], at: int) -> tuple[str, ...]:
    steps: list[str] = []
    while at > 0:
        _, before, step, _ = places[at]
        steps.append(step)
        at = before
    return tuple(reversed(steps))
