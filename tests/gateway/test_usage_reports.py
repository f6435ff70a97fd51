"""What the tables tell of a range: sums that add up, steps, lines, and what is not known."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gateway.models import UsageDay, UsageFreshness, UsageHour, UsageMinute, UsageOpenHour
from gateway.usage_ranges import DAY, HOUR, MINUTE, Range, floor, named
from gateway.usage_reports import Against, Dimension, Figures, Of, Report, choose, earlier, report, tables, totals
from tenants.errors import Invalid
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

ZERO = ZoneInfo("UTC")
ALL = tuple(Dimension)


def now() -> datetime:
    return timezone.now()


def fresh(ago: float = 1, *, seen: float = 0, **more: int) -> None:
    at = now()
    UsageFreshness.objects.create(
        started_at=at - DAY, seen_at=at - timedelta(seconds=seen), written_until=at - timedelta(seconds=ago), **more
    )


def of_range(name: str = "24h", of: Of | None = None, *, against: Against = Against.NOTHING, zone: ZoneInfo = ZERO) -> Report:
    known = tables()
    span = named(name, now=known.now, zone=zone)
    return report(span, of or Of(), known, by=ALL, against=earlier(span, against))


def test_each_call_is_one_of_four(in_acme: Cast) -> None:
    make.usage(50)
    make.usage(7, status_class=4)
    make.usage(5, status_class=4, code="RATE_LIMITED")
    make.usage(3, status_class=5)
    make.usage(2, status_class=5, code="UPSTREAM_TIMEOUT", ms=40_000)
    make.usage(1, status_class=0)
    total = of_range().total
    assert (total.calls, total.answered, total.refused, total.failed, total.unanswered) == (68, 57, 5, 5, 1)
    assert (total.bytes_in, total.bytes_out) == (6_800, 68_000)
    assert total.calls == total.answered + total.refused + total.failed + total.unanswered
    assert total.failed_share == 5 / 68


def test_refusals_do_not_hide_how_long_answers_take(in_acme: Cast) -> None:
    make.usage(100, ms=170)
    make.usage(10_000, ms=0, status_class=4, code="TOKEN_EXPIRED")
    total = of_range().total
    assert total.p50 == 175
    assert total.p99 == pytest.approx(199.5)
    assert Figures().p50 is None


def test_the_steps_are_the_total(in_acme: Cast) -> None:
    fresh()
    make.usage(3)
    make.usage(4, at=now() - 20 * MINUTE)
    make.usage(99, at=now() - 2 * HOUR)
    found = of_range("1h")
    assert found.total.calls == 7
    known = [figures.calls for _, figures in found.series if figures]
    assert (len(found.series), sum(known), known[-1]) == (60, 7, 3)


def test_hours_and_days_tell_what_is_over_and_minutes_the_rest(in_acme: Cast) -> None:
    fresh()
    make.usage(1)
    # Told by the day or the hour; its minutes are there as well, and don't count twice.
    for ago in (2 * DAY, 5 * DAY):
        make.usage(10, at=now() - ago)
        make.usage(10, at=now() - ago, of=UsageHour)
        make.usage(10, at=now() - ago, of=UsageDay)
    for name in ("7d", "30d", "90d"):
        assert of_range(name).total.calls == 21, name
    berlin = of_range("30d", zone=ZoneInfo("Europe/Berlin"))
    assert berlin.total.calls == 21
    assert [figures.calls for _, figures in berlin.series if figures and figures.calls] == [10, 10, 1]


def test_an_hour_that_is_open_is_told_by_its_minutes(in_acme: Cast) -> None:
    late = floor(now(), HOUR) - 3 * HOUR
    make.usage(10, at=late, of=UsageHour)
    make.usage(25, at=late + 5 * MINUTE)
    assert of_range("7d").total.calls == 10
    UsageOpenHour.objects.create(at=late)
    assert of_range("7d").total.calls == 25


def test_who_and_what_it_was(in_acme: Cast) -> None:
    orders, stock, shop, bot = uuid4(), uuid4(), uuid4(), uuid4()
    make.usage(9, api=orders, version="v1", operation="getOrder", application=shop, plan="gold")
    make.usage(5, api=orders, version="v1", operation="getOrder", application=bot, plan="gold")
    make.usage(4, api=orders, version="v2", operation="listOrders", application=bot, plan="free", ms=900)
    make.usage(2, api=stock, version="v1", operation="getStock", application=bot, status_class=5)
    make.usage(30, api=None, application=None, status_class=4, code="NO_SUCH_ROUTE")
    found = of_range()
    told = {by: [(line.key, line.figures.calls) for line in lines] for by, lines in found.lines.items()}
    assert told[Dimension.APPLICATION] == [((None,), 30), ((bot,), 11), ((shop,), 9)]
    assert told[Dimension.API] == [((None,), 30), ((orders,), 18), ((stock,), 2)]
    assert told[Dimension.VERSION][1:] == [((orders, "v1"), 14), ((orders, "v2"), 4), ((stock, "v1"), 2)]
    assert told[Dimension.OPERATION][1] == ((orders, "v1", "getOrder"), 14)
    assert told[Dimension.PLAN][1:3] == [((orders, "gold"), 14), ((orders, "free"), 4)]
    assert told[Dimension.CODE] == [(("NO_SUCH_ROUTE", 4), 30), (("", 2), 18), (("", 5), 2)]
    # Called ten times or more, by how long it took.
    assert [line.key[2] for line in found.slow()] == ["getOrder"]
    for of, calls in (
        (Of(application=bot), 11),
        (Of(api=orders, version="v1"), 14),
        (Of(plan="gold"), 14),
        (Of(api=orders, operation="x"), 0),
    ):
        assert of_range(of=of).total.calls == calls
        assert sum(line.figures.calls for line in of_range(of=of).lines[Dimension.CODE]) == calls


def test_the_busiest_lines_alone_are_told(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.usage_reports.MOST_LINES", 3)
    for many in range(1, 8):
        make.usage(many, api=uuid4())
    found = of_range()
    assert [line.figures.calls for line in found.lines[Dimension.API]] == [7, 6, 5]
    assert found.total.calls == 28


def test_a_range_is_compared_with_as_much_of_an_earlier_one(in_acme: Cast) -> None:
    make.usage(8)
    for many, ago in ((5, DAY), (3, 7 * DAY)):
        make.usage(many, at=now() - ago)
        make.usage(many, at=now() - ago, of=UsageHour)
    # Later in that day than it is now.
    make.usage(100, at=now() - DAY + 3 * MINUTE)
    found = of_range(against=Against.BEFORE)
    assert (found.total.calls, found.before.calls if found.before else None) == (8, 5)
    week = of_range("1h", against=Against.WEEK)
    assert (week.total.calls, week.before.calls if week.before else None) == (8, 3)
    with pytest.raises(Invalid, match="more than a week"):
        of_range("30d", against=Against.WEEK)


def test_what_is_not_known_is_not_nothing(in_acme: Cast) -> None:
    assert tables().until is None
    assert tables().behind
    assert {figures for _, figures in of_range("1h").series} == {None}
    fresh(ago=600, seen=600)
    known = tables()
    assert known.behind
    series = of_range("1h").series
    assert series[0][1] == Figures()
    assert [figures for _, figures in series[-9:]] == [None] * 9
    # Another process writes; and the one that is behind is the one to go by.
    fresh(ago=1)
    assert not tables().behind
    fresh(ago=31)
    assert tables().behind


def test_calls_that_wait_or_were_lost_are_told(in_acme: Cast) -> None:
    fresh(waiting=4, lost=7)
    known = tables()
    assert (known.behind, known.lost) == (True, 7)


def test_another_tenants_calls_are_nobody_elses(in_acme: Cast) -> None:
    make.usage(5)
    make.usage(5, of=UsageHour, at=now() - DAY)
    with tenant_scope(in_acme.globex.pk):
        for name in ("1h", "7d", "90d"):
            assert of_range(name).total.calls == 0
            assert of_range(name).lines[Dimension.CODE] == []


def test_as_many_queries_for_much_as_for_little(in_acme: Cast) -> None:
    for many in range(20):
        make.usage(1, at=now() - many * HOUR, api=uuid4(), application=uuid4())
    with CaptureQueriesContext(connection) as asked:
        of_range("90d", against=Against.BEFORE)
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("since", "until", "field", "says"),
    [
        (None, -1, "since", "Say from when on."),
        (1, None, "since", "still to come"),
        (-1, -2, "until", "after the beginning"),
        (-1, -1, "until", "after the beginning"),
        (-500, None, "since", "At most 400 days"),
        (-9_000, None, "since", "a year from 2020"),
    ],
)
def test_a_range_that_is_none_is_refused(in_acme: Cast, since: int | None, until: int | None, field: str, says: str) -> None:
    known = tables()
    moments = [None if days is None else known.now + days * DAY for days in (since, until)]
    with pytest.raises(Invalid, match=says) as refused:
        choose("24h", *moments, known=known, zone=ZERO)
    assert set(refused.value.problems) == {field}


def test_a_range_of_ones_own(in_acme: Cast) -> None:
    for of in (UsageMinute, UsageHour):
        make.usage(5, at=now() - 3 * HOUR, of=of)
    known = tables()
    span = choose("", known.now - 4 * HOUR, known.now - 2 * HOUR, known=known, zone=ZERO)
    assert totals(span, Of(), known).calls == 5
    with pytest.raises(Invalid, match="Choose from 1h, 24h"):
        choose("1y", None, None, known=known, zone=ZERO)
    assert isinstance(choose("", known.now - DAY, datetime(9999, 1, 1, tzinfo=UTC), known=known, zone=ZERO), Range)
