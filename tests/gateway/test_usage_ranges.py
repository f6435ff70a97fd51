"""Which time a report looks at, and which tables tell it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.usage_ranges import DAY, HOUR, MINUTE, NAMED, Grain, Range, custom, floor, named, pieces

BERLIN, KOLKATA, ZERO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")
NOW = datetime(2026, 11, 29, 14, 7, 42, tzinfo=UTC)
LONG_AGO = NOW - 500 * DAY


THIS_HOUR = floor(NOW, HOUR)


def told(span: Range, *, rolled: datetime = THIS_HOUR, minutes_since: datetime = LONG_AGO, stepwise: bool = True) -> list[str]:
    found = pieces(span, rolled_until=rolled, minutes_since=minutes_since, stepwise=stepwise)
    return [f"{each.grain} {each.since:%d %H:%M}-{each.until:%d %H:%M}" for each in found]


@pytest.mark.parametrize(
    ("name", "many", "first"),
    [("1h", 60, "29 13:08"), ("24h", 96, "28 14:15"), ("7d", 168, "22 15:00"), ("30d", 30, "31 00:00"), ("90d", 90, "01 00:00")],
)
def test_a_named_range_ends_with_the_minute_that_is_under_way(name: str, many: int, first: str) -> None:
    span = named(name, now=NOW, zone=ZERO)
    starts = list(span.starts())
    assert (len(starts), f"{starts[0]:%d %H:%M}") == (many, first)
    assert span.until == floor(NOW, MINUTE) + MINUTE


def test_days_begin_at_the_readers_midnight_also_when_clocks_change() -> None:
    span = named("30d", now=datetime(2026, 11, 5, 12, tzinfo=UTC), zone=BERLIN)
    local = [each.astimezone(BERLIN) for each in span.starts()]
    assert {(each.hour, each.minute) for each in local} == {(0, 0)}
    assert [(b.date() - a.date()).days for a, b in pairwise(local)] == [1] * 29
    assert {each.utcoffset() for each in local} == {timedelta(hours=1), timedelta(hours=2)}
    assert span.start_of(datetime(2026, 10, 25, 22, 59, tzinfo=UTC)).astimezone(BERLIN).day == 25
    assert span.start_of(datetime(2026, 10, 25, 23, 0, tzinfo=UTC)).astimezone(BERLIN).day == 26


@pytest.mark.parametrize(
    ("hours", "step"),
    [
        (1, MINUTE),
        (2, MINUTE),
        (3, 5 * MINUTE),
        (12, 5 * MINUTE),
        (13, 15 * MINUTE),
        (36, 15 * MINUTE),
        (37, HOUR),
        (24 * 8, HOUR),
        (24 * 9, DAY),
    ],
)
def test_a_custom_range_has_steps_that_fit(hours: int, step: timedelta) -> None:
    span = custom(NOW - hours * HOUR, NOW, now=NOW, zone=ZERO, minutes_since=LONG_AGO)
    assert span.step == step
    assert 1 <= len(list(span.starts())) <= 400


def test_minutes_that_are_gone_are_told_by_hours() -> None:
    since = NOW - 60 * DAY
    span = custom(since, since + HOUR, now=NOW, zone=ZERO, minutes_since=NOW - 30 * DAY)
    assert (span.step, [f"{each:%H:%M}" for each in span.starts()]) == (HOUR, ["14:00", "15:00"])


def test_the_coarsest_table_tells_what_it_can_and_minutes_the_hour_that_is_under_way() -> None:
    assert told(named("1h", now=NOW, zone=ZERO)) == ["minute 29 13:08-29 14:08"]
    assert told(named("7d", now=NOW, zone=ZERO)) == ["hour 22 15:00-29 14:00", "minute 29 14:00-29 14:08"]
    assert told(named("30d", now=NOW, zone=ZERO)) == ["day 31 00:00-29 00:00", "hour 29 00:00-29 14:00", "minute 29 14:00-29 14:08"]
    assert told(named("30d", now=NOW, zone=BERLIN)) == ["hour 30 23:00-29 14:00", "minute 29 14:00-29 14:08"]
    whole = told(named("30d", now=NOW, zone=KOLKATA), stepwise=False)
    assert whole == [
        "minute 30 18:30-30 19:00", "hour 30 19:00-31 00:00", "day 31 00:00-29 00:00", "hour 29 00:00-29 14:00", "minute 29 14:00-29 14:08",
    ]  # fmt: skip


def test_hours_that_are_not_rolled_up_are_told_by_their_minutes() -> None:
    rolled = floor(NOW, HOUR) - 3 * HOUR
    assert told(named("7d", now=NOW, zone=ZERO), rolled=rolled) == ["hour 22 15:00-29 11:00", "minute 29 11:00-29 14:08"]


def test_the_edge_of_an_old_range_is_told_by_the_hour_it_lies_in() -> None:
    span = named("30d", now=NOW, zone=KOLKATA)
    assert told(span, minutes_since=NOW - DAY)[0] == "hour 30 18:30-30 19:00"


def test_earlier_is_the_same_time_of_the_day() -> None:
    span = named("30d", now=datetime(2026, 11, 5, 12, tzinfo=UTC), zone=BERLIN)
    before = span.earlier(30 * DAY)
    assert before.until.astimezone(BERLIN).hour == span.until.astimezone(BERLIN).hour
    assert before.since.astimezone(BERLIN).hour == 0


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))


@given(
    now=MOMENTS,
    name=st.sampled_from(sorted(NAMED)),
    zone=st.sampled_from([BERLIN, KOLKATA, ZERO]),
    late=st.integers(0, 50),
    whole=st.booleans(),
)
def test_the_pieces_are_the_range_once(now: datetime, name: str, zone: ZoneInfo, late: int, whole: bool) -> None:
    span = named(name, now=now, zone=zone)
    found = pieces(span, rolled_until=floor(now, HOUR) - late * HOUR, minutes_since=now - 400 * DAY, stepwise=not whole)
    assert (found[0].since, found[-1].until) == (span.since, span.until)
    assert all(one.until == other.since and one.since < one.until for one, other in pairwise(found))
    for each in found:
        assert each.grain == Grain.MINUTE or each.until <= floor(now, HOUR) - late * HOUR
        assert each.since == floor(each.since, each.grain.length)
        assert each.until == floor(each.until, each.grain.length)
    # No row of a coarse table lies in two steps.
    if not whole and zone != KOLKATA:
        starts = set(span.starts())
        assert all(each.grain.length <= span.step or len(starts) == 1 for each in found)
