"""The lines of a report by name, as pages, programs and files tell them."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from apis.models import Api, Subscription
from gateway.usage_reports import Dimension, Figures, Line, Report, keys_of
from keys.actions.audit_exports import cell
from keys.models import Application
from tenants.models import User

FIGURES = ("calls", "answered", "refused", "failed", "unanswered", "bytes_in", "bytes_out")
PERCENTILES = ("p50", "p95", "p99")
# A dimension, or this: the report's steps.
STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Told:
    """A line with names. An id without a name is of something that is no more, or that its reader does not see; no id is of none."""

    figures: Figures
    application: UUID | None = None
    application_name: str = ""
    api: str = ""
    api_name: str = ""
    of_an_api: bool = False
    version: str = ""
    operation: str = ""
    plan: str = ""
    code: str = ""
    status_class: int | None = None


@dataclass(frozen=True, slots=True)
class Names:
    apis: Mapping[UUID, tuple[str, str]]
    applications: Mapping[UUID, str]


def names(report: Report, *, apis: QuerySet[Api], applications: QuerySet[Application]) -> Names:
    """Of what its lines are about and the reader sees. In two queries."""
    wanted: dict[str, set[UUID]] = {"api": set(), "application": set()}
    for dimension, lines in report.lines.items():
        for name, place in ((name, place) for place, name in enumerate(keys_of(dimension)) if name in wanted):
            wanted[name] |= {each.key[place] for each in lines if each.key[place] is not None}
    return Names(
        {pk: (slug, name) for pk, slug, name in apis.filter(pk__in=wanted["api"]).values_list("pk", "slug", "name")},
        dict(applications.filter(pk__in=wanted["application"]).values_list("pk", "name")),
    )


def told(lines: Iterable[Line], dimension: Dimension, by: Names) -> list[Told]:
    return [_told(dict(zip(keys_of(dimension), each.key, strict=True)), each.figures, by) for each in lines]


def _told(key: Mapping[str, Any], figures: Figures, by: Names) -> Told:
    slug, name = by.apis.get(key.get("api"), ("", ""))  # type: ignore[arg-type]
    if key.get("api") is not None and not slug:
        # Of an API that its reader does not see not even what it has is named.
        key = {**key, "version": "", "operation": "", "plan": ""}
    return Told(
        figures,
        application=key.get("application"),
        application_name=by.applications.get(key.get("application"), ""),  # type: ignore[arg-type]
        api=slug,
        api_name=name,
        of_an_api=key.get("api") is not None,
        version=key.get("version", ""),
        operation=key.get("operation", ""),
        plan=key.get("plan", ""),
        code=key.get("code", ""),
        status_class=key.get("status_class"),
    )


def apis_seen(user: User, permissions: Set[str], application: Application) -> QuerySet[Api]:
    """Whose names somebody reads of an application's calls: what they see, and what it has or had a subscription to."""
    held = Subscription.objects.filter(application=application).values("api")
    seen = Api.objects.readable_by(user, permissions).values("pk")
    return Api.objects.filter(Q(pk__in=held) | Q(pk__in=seen))


# What a file says of a line before its figures.
_COLUMNS: dict[Dimension, tuple[str, ...]] = {
    Dimension.APPLICATION: ("application", "application_name"),
    Dimension.API: ("api", "api_name"),
    Dimension.VERSION: ("api", "version"),
    Dimension.OPERATION: ("api", "version", "operation"),
    Dimension.PLAN: ("api", "plan"),
    Dimension.CODE: ("code", "status_class"),
}


def steps_as_rows(report: Report) -> Iterator[Sequence[Any]]:
    """A row of names, then one per step; of what is not known yet there is no number."""
    yield ("at", *FIGURES, *(f"{each}_ms" for each in PERCENTILES))
    for start, figures in report.series:
        yield (start.astimezone(report.span.zone), *_numbers(figures))


def lines_as_rows(lines: Iterable[Told], dimension: Dimension) -> Iterator[Sequence[Any]]:
    """A row of names, then one per line."""
    yield (*_COLUMNS[dimension], *FIGURES, *(f"{each}_ms" for each in PERCENTILES))
    for each in lines:
        yield (*(getattr(each, name) for name in _COLUMNS[dimension]), *_numbers(each.figures))


def _numbers(figures: Figures | None) -> Iterator[Any]:
    for name in FIGURES:
        yield None if figures is None else getattr(figures, name)
    for name in PERCENTILES:
        value = None if figures is None else getattr(figures, name)
        yield None if value is None else round(value, 1)


def as_file(rows: Iterable[Sequence[Any]], name: str) -> StreamingHttpResponse:
    """CSV, of which no proxy keeps anything; a spreadsheet runs none of its cells."""
    answer = StreamingHttpResponse((_line(row) for row in rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    answer["Cache-Control"], answer["X-Accel-Buffering"] = "private, no-store", "no"
    return answer


def _line(row: Sequence[Any]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([each.isoformat() if isinstance(each, datetime) else cell(each) for each in row])
    return written.getvalue()
