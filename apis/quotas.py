"""The periods of a quota: days and months of a time zone, each from one midnight to another, without gap or overlap."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

MOST_CALLS = 10**12
# Above so many percent of a quota its people are warned, once per period.
WARNED_AT = 80


class Period(StrEnum):
    DAY = "day"
    MONTH = "month"


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """The names that may be chosen: those of places, and UTC; without the old ones, which are other names for them."""
    kept = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return ("UTC", *sorted(name for name in available_timezones() if name.startswith(kept)))


def is_zone(name: str) -> bool:
    return name in zones()


def span(at: datetime, period: str, zone: str) -> tuple[datetime, datetime]:
    """The period that a moment lies in: when it began, and when it ends, in UTC. It began at or before `at`, and ends after it."""
    place = ZoneInfo(zone)
    begins = [_midnight(day, place) for day in _days_around(at.astimezone(place).date(), Period(period))]
    # Where clocks go back over midnight a day begins once, the first time that it is that day.
    last = max(place for place, begin in enumerate(begins) if begin <= at)
    return begins[last], next(begin for begin in begins[last:] if begin > at)


def _days_around(day: date, period: Period) -> Iterator[date]:
    step: Callable[[date], date] = _next_month if period == Period.MONTH else _next_day
    first = day.replace(day=1) if period == Period.MONTH else day
    before = (first - timedelta(days=1)).replace(day=1) if period == Period.MONTH else day - timedelta(days=2)
    for _ in range(6):
        yield before
        before = step(before)


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


@lru_cache(maxsize=4096)
def _midnight(day: date, place: ZoneInfo) -> datetime:
    """The first moment, to the second, at which it is this day there, or a later one where there is no such day."""
    found = [datetime.combine(day, time(fold=fold), place).astimezone(UTC) for fold in (0, 1)]
    early, late = min(found), max(found)
    if early.astimezone(place).date() >= day:
        return early
    # The clocks skip this midnight.
    while late - early > timedelta(seconds=1):
        middle = (early + (late - early) / 2).replace(microsecond=0)
        early, late = (early, middle) if middle.astimezone(place).date() >= day else (middle, late)
    return late
