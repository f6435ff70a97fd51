"""What the tables of usage tell of a range of time: totals, steps, and who and what it was. In as many queries for much as for little."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Model
from django.utils.translation import gettext as _
from psycopg import sql

from gateway.latency import BUCKETS, percentile
from gateway.models import UsageDay, UsageFreshness, UsageHour, UsageMinute, UsageOpenHour
from gateway.models.usage import WRITES
from gateway.usage_ranges import DAY, HOUR, LONGEST, MINUTE, NAMED, Grain, Piece, Range, ceil_to, custom, floor, named, pieces
from tenants.errors import Invalid
from tenants.models import TenantSettings
from tenants.scope import current_tenant_id

# So many lines of each dimension are told, the busiest; the others are in the total alone.
MOST_LINES = 200
# An operation that was called less often is never among the slow ones: one slow call says nothing.
FEWEST_FOR_SLOW = 10
# Of what just happened, so much is told.
FEW = 5
WEEK = timedelta(days=7)
# Nothing was counted before.
EARLIEST = 2020
# A usage process writes every second; what is older is told with a warning.
BEHIND = timedelta(seconds=30)
TABLES = {Grain.MINUTE: UsageMinute, Grain.HOUR: UsageHour, Grain.DAY: UsageDay}


class Dimension(StrEnum):
    """What lines are told by."""

    APPLICATION = "application"
    API = "api"
    VERSION = "version"
    OPERATION = "operation"
    PLAN = "plan"
    CODE = "code"


# The columns that make a line of each.
_KEYS: dict[Dimension, tuple[str, ...]] = {
    Dimension.APPLICATION: ("application",),
    Dimension.API: ("api",),
    Dimension.VERSION: ("api", "version"),
    Dimension.OPERATION: ("api", "version", "operation"),
    Dimension.PLAN: ("api", "plan"),
    Dimension.CODE: ("code", "status_class"),
}


def keys_of(dimension: Dimension) -> tuple[str, ...]:
    """What the keys of its lines are made of."""
    return _KEYS[dimension]


_COLUMNS = ("application", "api", "version", "operation", "plan", "code", "status_class")


class Of(NamedTuple):
    """What is looked at; None is all of it. `application` and `api` are ids, `codes` refusals' codes."""

    application: UUID | None = None
    api: UUID | None = None
    version: str | None = None
    operation: str | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums. Every call is one of answered, refused (with a code and below 500), failed (5xx), and unanswered (its caller had gone).

    The histogram is of the calls that were not refused: a refusal takes no time, and would hide how long answers take.
    """

    calls: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    unanswered: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    histogram: tuple[int, ...] = field(default=(0,) * BUCKETS)

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            calls=self.calls + other.calls,
            answered=self.answered + other.answered,
            refused=self.refused + other.refused,
            failed=self.failed + other.failed,
            unanswered=self.unanswered + other.unanswered,
            bytes_in=self.bytes_in + other.bytes_in,
            bytes_out=self.bytes_out + other.bytes_out,
            histogram=tuple(a + b for a, b in zip(self.histogram, other.histogram, strict=True)),
        )

    def took(self, share: float) -> float | None:
        """This percentile, in milliseconds; None where nothing was answered."""
        return percentile(self.histogram, share)

    @property
    def p50(self) -> float | None:
        return self.took(0.5)

    @property
    def p95(self) -> float | None:
        return self.took(0.95)

    @property
    def p99(self) -> float | None:
        return self.took(0.99)

    @property
    def failed_share(self) -> float | None:
        """Of all calls, those that failed; None without calls."""
        return self.failed / self.calls if self.calls else None


Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """`key` has what `Dimension` is made of: ids, and texts."""

    key: Key
    figures: Figures


@dataclass(frozen=True, slots=True)
class Tables:
    """How far the tables are to be trusted, see gateway.models.usage.

    `until`: everything that the gateways told before is counted; None where nothing ever counted. `behind`: it is longer ago than it
    should be, or calls wait in memory. `lost`: calls that could not be kept, and when that was last.
    """

    now: datetime
    rolled_until: datetime
    minutes_since: datetime
    until: datetime | None
    behind: bool
    lost: int
    lost_at: datetime | None

    def knows(self, start: datetime) -> bool:
        """Whether anything is known by now of what began then."""
        return self.until is not None and start <= self.until


@dataclass(frozen=True, slots=True)
class Report:
    """`series` has each step's figures; None of a step of which nothing is known yet."""

    span: Range
    tables: Tables
    total: Figures
    series: Sequence[tuple[datetime, Figures | None]]
    lines: Mapping[Dimension, Sequence[Line]]
    before: Figures | None
    of: Of

    def slow(self, most: int = 10) -> list[Line]:
        """Operations, the slowest first."""
        told = [each for each in self.lines.get(Dimension.OPERATION, ()) if sum(each.figures.histogram) >= FEWEST_FOR_SLOW]
        return sorted(told, key=lambda each: (-(each.figures.p95 or 0), tuple(map(str, each.key))))[:most]


def tables() -> Tables:
    """As they are now. In one query."""
    (row,) = read(
        sql.SQL(
            """SELECT statement_timestamp(), (SELECT min(at) FROM {open} WHERE tenant_id = {tenant}),
                      min(written_until) FILTER (WHERE {alive}),
                      max(written_until), coalesce(sum(waiting) FILTER (WHERE {alive}), 0), coalesce(sum(lost), 0), max(lost_at),
                      (SELECT usage_minutes_days FROM {settings} WHERE tenant_id = {tenant})
               FROM {freshness}"""
        ).format(
            open=table(UsageOpenHour), freshness=table(UsageFreshness), settings=table(TenantSettings), tenant=current_tenant_id(),
            alive=sql.SQL("seen_at > statement_timestamp() - {}").format(WRITES),
        )
    )  # fmt: skip
    now, opened, writing, last, waiting, lost, lost_at, days = row
    until = writing or last
    behind = until is None or now - until > BEHIND or bool(waiting)
    minutes_since = now - timedelta(days=days or 0)
    return Tables(now, min(opened or now, floor(now, HOUR)), minutes_since, until, behind, int(lost), lost_at)


def choose(name: str, since: datetime | None, until: datetime | None, *, known: Tables, zone: ZoneInfo) -> Range:
    """The range that somebody asked for: by its name, or from one moment to another.

    :raises Invalid: there is no such range.
    """
    if since is None and until is None:
        if name not in NAMED:
            raise Invalid({"range": [_("Choose from %(names)s, or give “since” and “until”.") % {"names": ", ".join(NAMED)}]})
        return named(name, now=known.now, zone=zone)
    if since is None:
        raise Invalid({"since": [_("Say from when on.")]})
    until = min(until or known.now, known.now)
    if since.year < EARLIEST:
        raise Invalid({"since": [_("Choose a year from %(year)s on.") % {"year": EARLIEST}]})
    if since >= known.now:
        raise Invalid({"since": [_("This moment is still to come.")]})
    if until <= since:
        raise Invalid({"until": [_("The end has to come after the beginning.")]})
    if until - since > LONGEST:
        raise Invalid({"since": [_("At most %(days)s days can be looked at at once.") % {"days": LONGEST.days}]})
    return custom(since, until, now=known.now, zone=zone, minutes_since=known.minutes_since)


class Against(StrEnum):
    """What a range is compared with."""

    NOTHING = "none"
    BEFORE = "before"
    WEEK = "week"


def earlier(span: Range, against: Against) -> Range | None:
    """The time just before, as long, or the same of the week before; None of nothing.

    :raises Invalid: a week before, the range would overlap itself.
    """
    if against == Against.NOTHING:
        return None
    if against == Against.WEEK:
        if span.until - span.since > WEEK:
            raise Invalid({"against": [_("A range of more than a week can be compared with the time just before.")]})
        return span.earlier(WEEK)
    # Whole steps, so that the one that is under way is compared with as much of an earlier one.
    days = span.by_days or span.until - span.since >= DAY
    return span.earlier(ceil_to(span.until - span.since, DAY if days else span.step))


def report(span: Range, of: Of, known: Tables, *, by: Iterable[Dimension] = (), against: Range | None = None) -> Report:
    """Of the tenant in scope.

    :param against: the time that it is compared with.
    """
    found = _series(span, of, known)
    series = [(start, found.get(start) or (Figures() if known.knows(start) else None)) for start in span.starts()]
    dimensions = tuple(by)
    return Report(
        span=span,
        tables=known,
        total=sum(found.values(), Figures()),
        series=series,
        lines=_lines(span, of, known, dimensions) if dimensions else {},
        before=totals(against, of, known) if against else None,
        of=of,
    )


def totals(span: Range, of: Of, known: Tables) -> Figures:
    """Of a range as a whole. In one query."""
    rows = read(sql.SQL("SELECT {} FROM {}").format(_SUMS, _source(span, of, known, stepwise=False)))
    return _figures(rows[0])


@dataclass(frozen=True, slots=True)
class Live:
    """The minute that is under way, and the one before: `seconds` are both together. `codes` has refusals of both, the most first."""

    now: Figures
    before: Figures
    seconds: int
    codes: Sequence[tuple[str, int]]
    refused: Sequence[UUID]

    @property
    def per_second(self) -> float:
        return (self.now.calls + self.before.calls) / self.seconds

    @property
    def failed(self) -> int:
        return self.now.failed + self.before.failed

    @property
    def refused_calls(self) -> int:
        return self.now.refused + self.before.refused


def live(of: Of, known: Tables) -> Live:
    """The last minute or two. In one query.

    `refused` has applications that were refused something, a few.
    """
    minute = floor(known.now, MINUTE)
    span = Range("", minute - MINUTE, minute + MINUTE, MINUTE, ZoneInfo("UTC"))
    source = _source(span, of, known, stepwise=True)
    rows = read(sql.SQL("SELECT at, code, application, {} FROM {} GROUP BY at, code, application").format(_SUMS, source))
    sums = {minute: Figures(), minute - MINUTE: Figures()}
    codes: Counter[str] = Counter()
    refused: Counter[UUID] = Counter()
    for at, code, application, *row in rows:
        figures = _figures(row)
        sums[at] += figures
        if code:
            codes[code] += figures.calls
            if application is not None:
                refused[application] += figures.calls
    seconds = 60 + (known.now - minute).seconds
    return Live(sums[minute], sums[minute - MINUTE], seconds, codes.most_common(FEW), [pk for pk, _many in refused.most_common(FEW)])


def _series(span: Range, of: Of, known: Tables) -> dict[datetime, Figures]:
    if span.by_days:
        # From the day's begin in the reader's zone.
        step = sql.SQL("date_trunc('day', at, {})").format(span.zone.key)
    else:
        step = sql.SQL("date_bin({}, at, 'epoch'::timestamptz)").format(span.step)
    source = _source(span, of, known, stepwise=True)
    return {row[0]: _figures(row[1:]) for row in read(sql.SQL("SELECT {} AS step, {} FROM {} GROUP BY 1").format(step, _SUMS, source))}


def _lines(span: Range, of: Of, known: Tables, by: Sequence[Dimension]) -> dict[Dimension, list[Line]]:
    """The busiest of each dimension. One reading: what has all in common is summed first, and then for each dimension."""
    used = [name for name in _COLUMNS if any(name in _KEYS[each] for each in by)]
    columns = sql.SQL(", ").join(map(sql.Identifier, used))
    sets = sql.SQL(", ").join(sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, _KEYS[each]))) for each in by)
    query = sql.SQL(
        """WITH summed AS (SELECT {columns}, {sums} FROM {source} GROUP BY {columns}),
               told AS (SELECT GROUPING({columns}) AS dimension, {columns}, {again} FROM summed GROUP BY GROUPING SETS ({sets})),
               placed AS (SELECT *, row_number() OVER (PARTITION BY dimension ORDER BY calls DESC, {columns}) AS place FROM told)
           SELECT * FROM placed WHERE place <= {most} ORDER BY dimension, place"""
    ).format(columns=columns, sums=_SUMS, source=_source(span, of, known, stepwise=False), again=_AGAIN, sets=sets, most=MOST_LINES)
    # What GROUPING says of rows: a bit for each column that they are not grouped by.
    dimensions = {sum(1 << place for place, name in enumerate(reversed(used)) if name not in _KEYS[each]): each for each in by}
    found: dict[Dimension, list[Line]] = {each: [] for each in by}
    for mask, *row in read(query):
        dimension = dimensions[mask]
        values = dict(zip(used, row, strict=False))
        key = tuple(values[name] for name in _KEYS[dimension])
        found[dimension].append(Line(key, _figures(row[len(used) : -1])))
    return found


def _source(span: Range, of: Of, known: Tables, *, stepwise: bool) -> sql.Composed:
    """The rows that tell a range, of what is looked at."""
    columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    told = [
        sql.SQL("SELECT at, {}, calls, bytes_in, bytes_out, histogram FROM {} WHERE {}").format(
            columns, table(TABLES[each.grain]), where(each, of)
        )
        for each in pieces(span, rolled_until=known.rolled_until, minutes_since=known.minutes_since, stepwise=stepwise)
    ]
    return sql.SQL("({}) AS used").format(sql.SQL(" UNION ALL ").join(told))


def where(piece: Piece, of: Of) -> sql.Composed:
    """The tenant is named for the index: row security sees to the rest."""
    conditions = [sql.SQL("tenant_id = {} AND at >= {} AND at < {}").format(current_tenant_id(), piece.since, piece.until)]
    conditions += [sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in of._asdict().items() if value is not None]
    return sql.SQL(" AND ").join(conditions)


_SUMMED = ("calls", "answered", "refused", "failed", "unanswered", "bytes_in", "bytes_out")
_BUCKETS = [f"h{place}" for place in range(BUCKETS)]
_SUMS = sql.SQL(
    """coalesce(sum(calls), 0)::bigint AS calls,
       coalesce(sum(calls) FILTER (WHERE code = '' AND status_class IN (1, 2, 3, 4)), 0)::bigint AS answered,
       coalesce(sum(calls) FILTER (WHERE code <> '' AND status_class <> 5), 0)::bigint AS refused,
       coalesce(sum(calls) FILTER (WHERE status_class = 5), 0)::bigint AS failed,
       coalesce(sum(calls) FILTER (WHERE code = '' AND status_class = 0), 0)::bigint AS unanswered,
       coalesce(sum(bytes_in), 0)::bigint AS bytes_in, coalesce(sum(bytes_out), 0)::bigint AS bytes_out, {}"""
).format(
    sql.SQL(", ").join(
        sql.SQL("coalesce(sum(histogram[{}]) FILTER (WHERE code = '' OR status_class = 5), 0)::bigint AS {}").format(
            sql.Literal(place), sql.Identifier(name)
        )
        for place, name in enumerate(_BUCKETS, 1)
    )
)
_AGAIN = sql.SQL(", ").join(sql.SQL("sum({0})::bigint AS {0}").format(sql.Identifier(name)) for name in (*_SUMMED, *_BUCKETS))


def _figures(row: Sequence[Any]) -> Figures:
    calls, answered, refused, failed, unanswered, bytes_in, bytes_out, *histogram = row
    return Figures(calls, answered, refused, failed, unanswered, bytes_in, bytes_out, tuple(histogram))


def table(model: type[Model]) -> sql.Identifier:
    return sql.Identifier(model._meta.db_table)  # noqa: SLF001  (Django's documented model API)


def read(query: sql.Composable) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
