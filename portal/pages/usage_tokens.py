"""Tokens and cost on the pages of usage, where what they show holds an AI API; and as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apis.models import Api
from gateway import token_reports
from gateway.token_reports import STEPS, By, Line
from gateway.usage_lines import as_file
from gateway.usage_reports import Dimension, Report
from keys.models import Application
from portal import charts
from portal import usage_words as words
from portal.charts import Chart
from portal.money import cost, money

# Before what a file has lines of.
PREFIX = "tokens-"
# As many of each table stand on the page; its file has more.
SHOWN = 10
_TITLES: dict[By, Promise] = {
    By.MODEL: gettext_lazy("Tokens by model"),
    By.APPLICATION: gettext_lazy("Tokens by application"),
    By.API: gettext_lazy("Tokens by API"),
    By.PLAN: gettext_lazy("Tokens by plan"),
}
# What a page tells by what it tells calls by.
_OF = {Dimension.APPLICATION: By.APPLICATION, Dimension.API: By.API, Dimension.PLAN: By.PLAN}


class Subject(Protocol):
    """What a page is about, see portal.pages.usage."""

    @property
    def by(self) -> tuple[Dimension, ...]: ...
    @property
    def apis(self) -> QuerySet[Api]: ...
    @property
    def applications(self) -> QuerySet[Application]: ...
    @property
    def file(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Table:
    """`lines` are the first of it; `what` names it for its file."""

    what: str
    by: str
    title: str | Promise
    lines: Sequence[Line]
    more: int


def _by(subject: Subject) -> list[By]:
    return [By.MODEL, *(_OF[each] for each in subject.by if each in _OF)]


def _made(subject: Subject, found: Report, by: Sequence[By]) -> token_reports.Report:
    return token_reports.report(found.span, found.of, found.tables, by=by, apis=subject.apis, applications=subject.applications)


def shown(subject: Subject, found: Report) -> dict[str, Any]:
    """Nothing where no model answered in that time."""
    made = _made(subject, found, _by(subject))
    if not made.total.calls:
        return {}
    tables = [Table(f"{PREFIX}{by}", by.value, _TITLES[by], lines[:SHOWN], max(0, len(lines) - SHOWN)) for by, lines in made.lines.items()]
    steps = [(words.begin(start, found.span), figures) for start, figures in made.series]
    # By version and operation answers of models are not told apart.
    chart = _cost_chart(made) or _tokens_chart(made)
    told = {"token_total": made.total, "token_tables": tables, "token_steps": steps, "token_file": STEPS}
    return {**told, "token_chart": chart, "token_cost": len(made.total.amounts) == 1}


def _cost_chart(made: token_reports.Report) -> Chart | None:
    """None where nothing has a price, or what costs does in two currencies: those stand on no one scale."""
    if len(made.total.amounts) != 1:
        return None
    (currency,) = made.total.amounts
    values = [None if each is None else [("answered", each.amounts.get(currency, 0))] for _start, each in made.series]
    titles = [_says(start, made, "" if each is None else cost(each)) for start, each in made.series]
    says = _("Cost over time: %(cost)s in all") % {"cost": cost(made.total)}
    return charts.stacked(values, says=says, titles=titles, labels=_labels(made), tick=lambda many: money(int(many), currency))


def _tokens_chart(made: token_reports.Report) -> Chart:
    values = [None if each is None else [("answered", each.input), ("made", each.output)] for _start, each in made.series]
    said = _("%(input)s tokens in, %(output)s out")
    told = [
        "" if each is None else said % {"input": words.count(each.input), "output": words.count(each.output)} for _, each in made.series
    ]
    titles = [_says(start, made, each) for (start, _figures), each in zip(made.series, told, strict=True)]
    says = _("Tokens over time: %(input)s in and %(output)s out in all") % {
        "input": words.count(made.total.input), "output": words.count(made.total.output),
    }  # fmt: skip
    return charts.stacked(values, says=says, titles=titles, labels=_labels(made), tick=words.short)


def _says(start: datetime, made: token_reports.Report, said: str) -> str:
    at = words.begin(start, made.span)
    return _("%(at)s: %(said)s") % {"at": at, "said": said} if said else _("%(at)s: not counted yet") % {"at": at}


def _labels(made: token_reports.Report) -> list[str]:
    return [words.label(start, made.span) for start, _figures in made.series]


def is_asked_for(what: str) -> bool:
    return what == STEPS or what.startswith(PREFIX)


def file(what: str, subject: Subject, found: Report) -> HttpResponseBase:
    name = f"{subject.file}-{what}-{found.span.since:%Y%m%d}"
    if what == STEPS:
        return as_file(token_reports.steps_as_rows(_made(subject, found, [])), name)
    wanted = next((by for by in _by(subject) if what == f"{PREFIX}{by}"), None)
    if wanted is None:
        raise Http404
    return as_file(token_reports.lines_as_rows(_made(subject, found, [wanted]), wanted), name)
