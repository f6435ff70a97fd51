"""What the tables of tokens tell of a range of time, beside gateway.usage_reports: totals, steps, and by model, application and API.

In as many queries for much as for little. What costs in two currencies is told in both: nobody knows what one is in the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from psycopg import sql

from apis import budgets
from apis.models import Api
from gateway.models import TokenDay, TokenHour, TokenMinute
from gateway.usage_ranges import MINUTE, Grain, Range, floor, pieces
from gateway.usage_reports import MOST_LINES, Of, Tables, read, table, where
from keys.models import Application

_TABLES = {Grain.MINUTE: TokenMinute, Grain.HOUR: TokenHour, Grain.DAY: TokenDay}
# In place of steps' `at` in the name of a file.
STEPS = "tokens"


class By(StrEnum):
    """What lines are told by: the model that was asked for with who answered, and as at calls."""

    MODEL = "model"
    APPLICATION = "application"
    API = "api"
    PLAN = "plan"


_KEYS: dict[By, tuple[str, ...]] = {
    By.MODEL: ("asked", "provider", "model"),
    By.APPLICATION: ("application",),
    By.API: ("api",),
    By.PLAN: ("api", "plan"),
}
_COLUMNS = ("asked", "provider", "model", "application", "api", "plan", "currency")
_SUMMED = ("calls", "input", "output", "cached", "reasoning", "amount", "missing", "unpriced")
Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums of answers. `cached` is part of `input`, `reasoning` of `output`; `amounts` in millionths, by currency.

    `missing`: answers of which nobody said how many tokens they took; `unpriced`: those without a price.
    """

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    missing: int = 0
    unpriced: int = 0
    amounts: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Figures") -> "Figures":
        amounts = {each: self.amounts.get(each, 0) + other.amounts.get(each, 0) for each in sorted({*self.amounts, *other.amounts})}
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in _SUMS}, amounts=amounts)

    @property
    def tokens(self) -> int:
        return self.input + self.output


_SUMS = ("calls", "input", "output", "cached", "reasoning", "missing", "unpriced")


@dataclass(frozen=True, slots=True)
class Line:
    """With names. An id without a name is of something that is no more, or that its reader does not see."""

    figures: Figures
    asked: str = ""
    provider: str = ""
    model: str = ""
    application: UUID | None = None
    application_name: str = ""
    api: str = ""
    api_name: str = ""
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """`series` has each step's figures; None of a step of which nothing is known yet."""

    span: Range
    tables: Tables
    total: Figures
    series: Sequence[tuple[datetime, Figures | None]]
    lines: Mapping[By, Sequence[Line]]


def report(span: Range, of: Of, known: Tables, *, by: Sequence[By], apis: QuerySet[Api], applications: QuerySet[Application]) -> Report:
    """Of the tenant in scope. Answers are not kept by version or operation, so who asks for one is told of all.

    :param apis: those whose names the reader sees. :param applications: likewise.
    """
    found = _series(span, of, known)
    return Report(
        span=span,
        tables=known,
        total=sum(found.values(), Figures()),
        series=[(start, found.get(start) or (Figures() if known.knows(start) else None)) for start in span.starts()],
        lines=_named(_lines(span, of, known, by), apis, applications) if by else {},
    )


def live(of: Of, known: Tables) -> Figures:
    """Of the minute that is under way and the one before. In one query."""
    minute = floor(known.now, MINUTE)
    span = Range("", minute - MINUTE, minute + MINUTE, MINUTE, ZoneInfo("UTC"))
    return sum(_series(span, of, known).values(), Figures())


def _series(span: Range, of: Of, known: Tables) -> dict[datetime, Figures]:
    if span.by_days:
        step = sql.SQL("date_trunc('day', at, {})").format(span.zone.key)
    else:
        step = sql.SQL("date_bin({}, at, 'epoch'::timestamptz)").format(span.step)
    query = sql.SQL("SELECT {} AS step, currency, {} FROM {} GROUP BY 1, 2").format(step, _ADDED, _source(span, of, known, stepwise=True))
    found: dict[datetime, Figures] = {}
    for at, currency, *sums in read(query):
        found[at] = found.get(at, Figures()) + _figures(currency, sums)
    return found


def _lines(span: Range, of: Of, known: Tables, by: Sequence[By]) -> dict[By, dict[Key, Figures]]:
    """The largest of each, by tokens. One reading: what has all in common is summed first, and then for each."""
    used = [name for name in _COLUMNS if name == "currency" or any(name in _KEYS[each] for each in by)]
    columns = sql.SQL(", ").join(map(sql.Identifier, used))
    sets = sql.SQL(", ").join(sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, (*_KEYS[each], "currency")))) for each in by)
    query = sql.SQL(
        """WITH summed AS (SELECT {columns}, {sums} FROM {source} GROUP BY {columns}),
               told AS (SELECT GROUPING({columns}) AS dimension, {columns}, {again} FROM summed GROUP BY GROUPING SETS ({sets})),
               placed AS (SELECT *, row_number() OVER (PARTITION BY dimension ORDER BY input + output DESC, {columns}) AS place FROM told)
           SELECT * FROM placed WHERE place <= {most} ORDER BY dimension, place"""
    ).format(columns=columns, sums=_ADDED, source=_source(span, of, known, stepwise=False), again=_AGAIN, sets=sets, most=MOST_LINES)
    kept = {each: {*_KEYS[each], "currency"} for each in by}
    masks = {sum(1 << place for place, name in enumerate(reversed(used)) if name not in kept[each]): each for each in by}
    found: dict[By, dict[Key, Figures]] = {each: {} for each in by}
    for mask, *row in read(query):
        values = dict(zip(used, row, strict=False))
        key = tuple(values[name] for name in _KEYS[masks[mask]])
        lines = found[masks[mask]]
        lines[key] = lines.get(key, Figures()) + _figures(values["currency"], row[len(used) : -1])
    return found


def _named(lines: Mapping[By, Mapping[Key, Figures]], apis: QuerySet[Api], applications: QuerySet[Application]) -> dict[By, list[Line]]:
    """In two queries."""
    wanted: dict[str, set[UUID]] = {"api": set(), "application": set()}
    for by, told in lines.items():
        for place, name in enumerate(_KEYS[by]):
            if name in wanted:
                wanted[name] |= {key[place] for key in told if key[place] is not None}
    of_apis = {pk: (slug, name) for pk, slug, name in apis.filter(pk__in=wanted["api"]).values_list("pk", "slug", "name")}
    called = dict(applications.filter(pk__in=wanted["application"]).values_list("pk", "name"))

    def line(by: By, key: Key, figures: Figures) -> Line:
        has = dict(zip(_KEYS[by], key, strict=True))
        slug, name = of_apis.get(has.pop("api", None), ("", ""))
        plan = has.pop("plan", "") if slug else ""
        has.pop("plan", None)
        client = has.get("application")
        return Line(figures, **has, api=slug, api_name=name, plan=plan, application_name=called.get(client, ""))  # type: ignore[arg-type]

    return {by: [line(by, key, figures) for key, figures in told.items()] for by, told in lines.items()}


def _source(span: Range, of: Of, known: Tables, *, stepwise: bool) -> sql.Composed:
    """The rows that tell a range, of what is looked at."""
    of = of._replace(version=None, operation=None)
    columns = sql.SQL(", ").join(map(sql.Identifier, (*_COLUMNS, *_SUMMED)))
    told = [
        sql.SQL("SELECT at, {} FROM {} WHERE {}").format(columns, table(_TABLES[each.grain]), where(each, of))
        for each in pieces(span, rolled_until=known.rolled_until, minutes_since=known.minutes_since, stepwise=stepwise)
    ]
    return sql.SQL("({}) AS used").format(sql.SQL(" UNION ALL ").join(told))


_ADDED = sql.SQL(", ").join(sql.SQL("coalesce(sum({0}), 0)::bigint AS {0}").format(sql.Identifier(name)) for name in _SUMMED)
_AGAIN = sql.SQL(", ").join(sql.SQL("sum({0})::bigint AS {0}").format(sql.Identifier(name)) for name in _SUMMED)


def _figures(currency: str, sums: Sequence[int]) -> Figures:
    calls, given, made, cached, reasoning, amount, missing, unpriced = sums
    return Figures(calls, given, made, cached, reasoning, missing, unpriced, {currency: amount} if currency else {})


# --- as a file -------------------------------------------------------------------------------------------------------

_TOLD = ("calls", "input", "output", "cached", "reasoning", "missing", "unpriced")
_NAMES: dict[By, tuple[str, ...]] = {
    By.MODEL: ("asked", "provider", "model"),
    By.APPLICATION: ("application", "application_name"),
    By.API: ("api", "api_name"),
    By.PLAN: ("api", "plan"),
}


def steps_as_rows(made: Report) -> Iterator[Sequence[Any]]:
    """A row of names, then one per step; of what is not known yet there is no number."""
    currencies = sorted(made.total.amounts)
    yield ("at", *_TOLD, *(f"cost_{each}" for each in currencies))
    for start, figures in made.series:
        yield (start.astimezone(made.span.zone), *_numbers(figures, currencies))


def lines_as_rows(made: Report, by: By) -> Iterator[Sequence[Any]]:
    """A row of names, then one per line."""
    currencies = sorted(made.total.amounts)
    yield (*_NAMES[by], *_TOLD, *(f"cost_{each}" for each in currencies))
    for each in made.lines[by]:
        yield (*(getattr(each, name) for name in _NAMES[by]), *_numbers(each.figures, currencies))


def _numbers(figures: Figures | None, currencies: Sequence[str]) -> Iterator[Any]:
    for name in _TOLD:
        yield None if figures is None else getattr(figures, name)
    for each in currencies:
        yield None if figures is None else budgets.plain(figures.amounts.get(each, 0))
