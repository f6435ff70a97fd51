"""Lists of pages: by cursor, newest first (ids are UUIDv7, so they are the order), or soonest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

M = TypeVar("M", bound=Model)
SIZE = 25
# Further nobody counts: a list says that there are more.
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """`newer` and `older` are queries that lead to the neighbours, "" where there are none; `total` is counted up to MOST_COUNTED."""

    rows: list[M]
    total: int
    newer: str
    older: str
    # Whether it begins with the oldest, as what lies ahead does.
    rising: bool = False

    @property
    def uncounted(self) -> bool:
        """Whether there are more than were counted."""
        return self.total > MOST_COUNTED


def page_of(request: HttpRequest, rows: QuerySet[M], *, by: str = "pk", size: int = SIZE, rising: bool = False) -> Page[M]:
    """One page of `rows`; `?before=<id>` is the one with older rows, `?after=<id>` with newer. A cursor that is none begins anew.

    :param by: the column that says how new a row is.
    :param rising: the oldest first.
    """
    before, after = _cursor(request, "before", rows, by), _cursor(request, "after", rows, by)
    upwards, downwards = (by, "pk"), (f"-{by}", "-pk")
    if before or after:
        total = rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
    else:
        # A search that finds little reads everything, so the same reading tells how many there are and which come first.
        ids = list(rows.order_by(*(upwards if rising else downwards)).values_list("pk", flat=True)[: MOST_COUNTED + 1])
        total, rows = len(ids), rows.filter(pk__in=ids[: size + 1])
    if after or (rising and not before):
        found = list((rows.filter(_beyond(by, "gt", after)) if after else rows).order_by(*upwards)[: size + 1])
        more_newer, more_older = len(found) > size, after is not None
        found = found[:size][::-1]
    else:
        found = list((rows.filter(_beyond(by, "lt", before)) if before else rows).order_by(*downwards)[: size + 1])
        more_newer, more_older = before is not None, len(found) > size
        found = found[:size]
    newer = _query(request, after=str(found[0].pk)) if found and more_newer else ""
    older = _query(request, before=str(found[-1].pk)) if found and more_older else ""
    return Page(found[::-1] if rising else found, total, newer, older, rising)


def page_of_ids(request: HttpRequest, ids: Sequence[UUID], rows: QuerySet[M], *, size: int = SIZE) -> Page[M]:
    """One page of a list that was put in order already, with the same addresses. For few ids: all of them were read."""
    place = {str(pk): number for number, pk in enumerate(ids)}
    before, after = (place.get(request.GET.get(name, "")) for name in ("before", "after"))
    begin = before + 1 if before is not None else max(0, after - size) if after is not None else 0
    # A first page that somebody came back to is as full as any.
    chosen_ids = ids[begin : begin + size]
    found = {each.pk: each for each in rows.filter(pk__in=chosen_ids)}
    newer = _query(request, after=str(chosen_ids[0])) if begin and chosen_ids else ""
    older = _query(request, before=str(chosen_ids[-1])) if begin + size < len(ids) else ""
    return Page([found[pk] for pk in chosen_ids if pk in found], len(ids), newer, older)


def _cursor(request: HttpRequest, name: str, rows: QuerySet[M], by: str) -> tuple[Any, UUID] | None:
    """The row that a page begins after, by its place and id."""
    try:
        pk = UUID(request.GET.get(name, ""))
    except ValueError:
        return None
    return (pk, pk) if by == "pk" else rows.filter(pk=pk).values_list(by, "pk").first()


def _beyond(by: str, side: str, cursor: tuple[Any, UUID]) -> Q:
    place, pk = cursor
    # The first says nothing that the second doesn't, but an index can answer it.
    return Q(**{f"{by}__{side}e": place}) & (Q(**{f"{by}__{side}": place}) | Q(**{by: place, f"pk__{side}": pk}))


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
