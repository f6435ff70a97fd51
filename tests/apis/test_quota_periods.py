"""The periods of quotas lie end to end, and each begins at a midnight of its place, whatever the clocks do there."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apis.quotas import Period, is_zone, span, zones

SECOND = timedelta(seconds=1)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
ODD = ("America/Havana", "America/Sao_Paulo", "America/St_Johns", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
ZONES = st.sampled_from([*ODD, *zones()])
PERIODS = st.sampled_from(sorted(Period))


@given(at=MOMENTS, zone=ZONES, period=PERIODS)
def test_each_moment_lies_in_one_period_and_they_lie_end_to_end(at: datetime, zone: str, period: str) -> None:
    starts, ends = span(at, period, zone)
    assert starts <= at < ends
    assert span(starts, period, zone) == span(ends - SECOND, period, zone) == (starts, ends)
    assert span(ends, period, zone)[0] == ends
    assert span(starts - SECOND, period, zone)[1] == starts


@given(at=MOMENTS, zone=ZONES, period=PERIODS)
def test_a_period_begins_with_a_day_of_its_place(at: datetime, zone: str, period: str) -> None:
    place = ZoneInfo(zone)
    found = span(at, period, zone)
    for begin in found:
        each = begin.astimezone(place)
        assert (begin - SECOND).astimezone(place).date() < each.date()
        # Where midnight is skipped the day begins when the clocks say one.
        assert each.hour <= 1
        assert period == Period.DAY or each.day == 1
    length = (found[1] - found[0]) / timedelta(hours=1)
    # A day that a place leaves out, for it changes sides of the date line, belongs to the one before.
    assert 22 <= length <= 26 if period == Period.DAY else 27 * 24 <= length <= 32 * 24


@given(at=MOMENTS, zone=ZONES, period=PERIODS)
def test_a_quarter_of_an_hour_lies_in_one_period(at: datetime, zone: str, period: str) -> None:
    """What gateway.usage keeps of a call's time is enough to know its period."""
    quarter = datetime.fromtimestamp(at.timestamp() // 900 * 900, UTC)
    assert span(quarter, period, zone) == span(at, period, zone)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", date(2026, 3, 29), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        # Midnight comes twice.
        ("America/Havana", date(2026, 11, 1), 25),
        # And not at all.
        ("Asia/Beirut", date(2026, 3, 29), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
def test_days_are_as_long_as_clocks_make_them(zone: str, day: date, hours: float) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    starts, ends = span(noon, "day", zone)
    assert (ends - starts) / timedelta(hours=1) == hours


@pytest.mark.parametrize(("year", "month", "days"), [(2026, 2, 28), (2028, 2, 29), (2026, 4, 30), (2026, 12, 31)])
def test_months_are_as_long_as_they_are(year: int, month: int, days: int) -> None:
    assert span(datetime(year, month, 15, tzinfo=UTC), "month", "UTC") == (
        datetime(year, month, 1, tzinfo=UTC),
        datetime(year, month, 1, tzinfo=UTC) + timedelta(days=days),
    )


@pytest.mark.parametrize(
    ("name", "known"), [("UTC", True), ("Europe/Berlin", True), ("Mars/Olympus", False), ("../../etc/passwd", False), ("", False)]
)
def test_which_zones_there_are(name: str, known: bool) -> None:
    assert is_zone(name) is known
