"""Lists of pages: by cursor, newest first; ids are UUIDv7, so they are the order."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest

M = TypeVar("M", bound=Model)
SIZE = 25


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """`newer` and `older` are queries that lead to the neighbours, "" where there are none."""

    rows: list[M]
    total: int
    newer: str
    older: str


def page_of(request: HttpRequest, rows: QuerySet[M], *, size: int = SIZE) -> Page[M]:
    """One page of `rows`; `?before=<id>` is the one with older rows, `?after=<id>` with newer. A cursor that is none begins anew."""
    before, after = _id(request, "before"), _id(request, "after")
    total = rows.count()
    if after:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        more_newer, more_older = len(found) > size, True
        found = found[:size][::-1]
    else:
        found = list((rows.filter(pk__lt=before) if before else rows).order_by("-pk")[: size + 1])
        more_newer, more_older = before is not None, len(found) > size
        found = found[:size]
    return Page(
        found,
        total,
        _query(request, after=str(found[0].pk)) if found and more_newer else "",
        _query(request, before=str(found[-1].pk)) if found and more_older else "",
    )


def _id(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None


def _query(request: HttpRequest, **changed: Any) -> str:
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    query.update(changed)
    return f"?{query.urlencode()}"


def chosen(request: HttpRequest, name: str, among: list[str]) -> str:
    """What a filter is set to, "" when to nothing that there is."""
    value = request.GET.get(name, "")
    return value if value in among else ""


def sought(request: HttpRequest) -> str:
    """What is searched for in this list: bounded, and without what no text here holds."""
    return request.GET.get("q", "").replace("\x00", "").strip()[:100]
