"""What two documents have for whoever compares their parts: digests, schemas, and words."""

from collections.abc import Iterator
from typing import Any

from apis.contract import Content
from apis.differences.digests import Side
from apis.differences.levels import Direction, Work
from apis.differences.saying import Change, Place, Saying, Translate
from apis.differences.schemas import Pair, Schemas
from apis.differences.words import NOTES

# Of one comparison: properties, values and pairs that are looked at. It takes about two seconds.
MOST_WORK = 2_000_000


class Telling:
    def __init__(self, old: Content, new: Content, gettext: Translate) -> None:
        self.old, self.new = Side(old), Side(new)
        self.work = Work(MOST_WORK)
        self.schemas = Schemas(self.old, self.new, self.work)
        self.saying = Saying(gettext)
        self.by = self.saying.by

    def differ(self, was: Any, now: Any) -> bool:
        return self.old.of(was) != self.new.of(now)

    def schema(self, was: Any, now: Any, direction: Direction, place: Place) -> Iterator[Change]:
        if pair := self.schemas.pair(was, now, direction):
            yield from self.pair(pair, place)

    def pair(self, pair: Pair, place: Place) -> Iterator[Change]:
        told = self.schemas.told(pair)
        if not self.work.take(len(told.changes)):
            yield self.by(f"further-{pair.worst}-changes")
            return
        for found, steps in told.changes:
            yield self.by("documentation-changed") if found.what == NOTES else self.saying.of_schema(found, steps, place)
        if told.further:
            yield self.by(f"further-{told.further}-changes")

    def notes(self, was: Content, now: Content, names: set[str]) -> Iterator[Change]:
        """That words for people differ, or extensions, which mean something to some programs alone."""
        both = {name for name in (*was, *now) if name in names or (name.startswith("x-") and name != "x-sunset")}
        if any(self.old.said(name, was.get(name)) != self.new.said(name, now.get(name)) for name in both):
            yield self.by("documentation-changed")

    def others(self, was: Content, now: Content, known: set[str]) -> list[str]:
        """Members that differ and are not known."""
        names = sorted({name for name in (*was, *now) if name not in known and not name.startswith("x-")})
        return [name for name in names if self.old.said(name, was.get(name)) != self.new.said(name, now.get(name))]
