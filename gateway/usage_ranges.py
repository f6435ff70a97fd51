"""Which time a report of usage looks at, in what steps, and which of the tables tell it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What may be looked at at once.
LONGEST = timedelta(days=400)
# Up to so long, a custom range has steps of so much. What is longer has days.
STEPS: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(hours=2), MINUTE),
    (timedelta(hours=12), timedelta(minutes=5)),
    (timedelta(hours=36), timedelta(minutes=15)),
    (timedelta(days=8), HOUR),
)


class Grain(StrEnum):
    """A table of usage, by how long each of its rows is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        return {Grain.MINUTE: MINUTE, Grain.HOUR: HOUR, Grain.DAY: DAY}[self]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a range that one table tells, `until` excluded."""

    grain: Grain
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """`until` is excluded. Steps begin at whole ones; days at the midnights of `zone`."""

    name: str
    since: datetime
    until: datetime
    step: timedelta
    zone: ZoneInfo

    @property
    def by_days(self) -> bool:
        return self.step == DAY

    def starts(self) -> Iterator[datetime]:
        """When each step begins."""
        at = self.since
        while at < self.until:
            yield at
            at = _next_day(at, self.zone) if self.by_days else at + self.step

    def start_of(self, at: datetime) -> datetime:
        """When the step begins that this moment lies in."""
        return _midnight(at, self.zone) if self.by_days else floor(at, self.step)

    def earlier(self, by: timedelta) -> "Range":
        """As long, and so much earlier. Between days it is the same time of the day, also where a clock was changed."""
        if by % DAY:
            return replace(self, since=self.since - by, until=self.until - by)
        return replace(self, since=_days_before(self.since, by, self.zone), until=_days_before(self.until, by, self.zone))


# The ranges with a name: how long, and in what steps.
NAMED: dict[str, tuple[timedelta, timedelta]] = {
    "1h": (HOUR, MINUTE),
    "24h": (DAY, timedelta(minutes=15)),
    "7d": (7 * DAY, HOUR),
    "30d": (30 * DAY, DAY),
    "90d": (90 * DAY, DAY),
}
CUSTOM = "custom"


def named(name: str, *, now: datetime, zone: ZoneInfo) -> Range:
    """The last hour, day, …, with the step that is under way as its last.

    It ends with the minute that is under way, so that it compares with as much of the time before.
    """
    length, step = NAMED[name]
    until = floor(now, MINUTE) + MINUTE
    if step == DAY:
        return Range(name, _days_before(_midnight(now, zone), length - DAY, zone), until, step, zone)
    return Range(name, floor(now, step) - length + step, until, step, zone)


def custom(since: datetime, until: datetime, *, now: datetime, zone: ZoneInfo, minutes_since: datetime) -> Range:
    """From one moment to another, in steps that fit; its ends are moved outwards to whole ones.

    :param minutes_since: older minutes are not kept.
    """
    step = next((step for most, step in STEPS if until - since <= most), DAY)
    if step < HOUR and since < minutes_since:
        step = HOUR
    until = min(until, floor(now, MINUTE) + MINUTE)
    if step == DAY:
        begins, ends = _midnight(since, zone), _midnight(until, zone)
        return Range(CUSTOM, begins, until if ends == until else min(_next_day(ends, zone), floor(now, MINUTE) + MINUTE), step, zone)
    return Range(CUSTOM, floor(since, step), min(ceil(until, step), floor(now, MINUTE) + MINUTE), step, zone)


def pieces(span: Range, *, rolled_until: datetime, minutes_since: datetime, stepwise: bool = True) -> list[Piece]:
    """The tables that tell this range: the coarsest that has its steps, and finer ones for what begins or ends amid a row.

    :param rolled_until: before it hours and days are final; what came since stands in the table of minutes alone.
    :param minutes_since: older minutes are not kept; they are told by the hour that they were in, which belongs to where it began.
    :param stepwise: whether each step is told by itself, and not the whole alone.
    """
    grains = list(reversed(Grain))
    if stepwise:
        # The table's days are UTC's.
        whole_days = span.by_days and all(each == floor(each, DAY) for each in span.starts())
        grains = [each for each in grains if each.length <= (DAY if whole_days else min(HOUR, span.step))]
    found = _cut(span.since, span.until, grains, rolled_until)
    gone = min(ceil(minutes_since, HOUR), floor(rolled_until, HOUR))
    return [replace(each, grain=Grain.HOUR) if each.grain == Grain.MINUTE and each.until <= gone else each for each in found]


def _cut(since: datetime, until: datetime, grains: Sequence[Grain], rolled_until: datetime) -> Iterator[Piece]:
    grain, *finer = grains
    if not finer:
        yield Piece(grain, since, until)
        return
    first, last = ceil(since, grain.length), floor(min(until, rolled_until), grain.length)
    if first >= last:
        yield from _cut(since, until, finer, rolled_until)
        return
    if since < first:
        yield from _cut(since, first, finer, rolled_until)
    yield Piece(grain, first, last)
    if last < until:
        yield from _cut(last, until, finer, rolled_until)


def floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - _EPOCH) % step


def ceil(at: datetime, step: timedelta) -> datetime:
    return at + (_EPOCH - at) % step


def ceil_to(length: timedelta, step: timedelta) -> timedelta:
    """As long, or a little longer: whole steps."""
    return length + -length % step


def _midnight(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def _next_day(at: datetime, zone: ZoneInfo) -> datetime:
    # Amid the next one, however long this one is.
    return _midnight(_midnight(at, zone) + timedelta(hours=36), zone)


def _days_before(at: datetime, by: timedelta, zone: ZoneInfo) -> datetime:
    """So many days earlier by the calendar, at the same time."""
    return (at.astimezone(zone) - by).astimezone(UTC)
