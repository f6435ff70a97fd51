"""The catalogue: what can be called here, to be searched and narrowed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Max, Prefetch, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apis import searching, words
from apis.models import LIVE_LARGE, Api, ApiVersion, OperationUse, Plan, Subscription
from apis.searching import Found
from portal.pages.catalogue import offered
from portal.pages.listing import chosen, page_of_ids, sought
from tenants.access import TenantRequest, tenant_view
from tenants.models import TenantSettings, User

_Status = Subscription.Status
SIZE = 24
SORTS = {
    "newest": gettext_lazy("Newest"),
    "changed": gettext_lazy("Recently changed"),
    "used": gettext_lazy("Most used"),
    "name": gettext_lazy("Name"),
}
# Calls of so many days tell how much an API is used.
LATELY = timedelta(days=7)
# So many tags stand above the list.
TAGS_SHOWN = 12
# What an API is to the reader, by which the list can be narrowed.
STANDINGS = {
    "subscribed": gettext_lazy("Subscribed"),
    "pending": gettext_lazy("Pending"),
    "needs_approval": gettext_lazy("Needs approval"),
    "open": gettext_lazy("Open"),
}
_OWN = {_Status.ACTIVE: "subscribed", _Status.PENDING: "pending", _Status.SUSPENDED: "suspended"}
_WEIGHT = ("needs_approval", "open", "suspended", "pending", "subscribed")


@dataclass(frozen=True, slots=True)
class Entry:
    """As much of an API as it takes to narrow and order the list."""

    pk: UUID
    name: str
    standing: str
    category: UUID | None
    category_name: str | None
    tags: list[str]
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Choice:
    """By which the list can be narrowed, where that leads, and how many it comes to."""

    word: str
    many: int
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Choices of one kind; `all` leads back to all of them."""

    label: str
    all: str
    choices: list[Choice]

    @property
    def chosen(self) -> bool:
        return any(each.chosen for each in self.choices)


@dataclass(frozen=True, slots=True)
class Tile:
    """An API in the list. `standing` is as `standings` has it, or ""; `found` what a search found in its operations."""

    api: Api
    standing: str
    found: Found | None


def standings(user: User | None, permissions: Set[str]) -> dict[UUID, str]:
    """By API what it is to this person, or to a visitor: a key of STANDINGS, or `suspended`. None where nobody can subscribe.

    Two plain reads: one statement that tells all of it takes Django longer to write than PostgreSQL to answer.
    """
    plans = Plan.objects.offered().visible_to(user, permissions).values_list("api", "approval").distinct().order_by()
    # What counts most comes last.
    found = [(api, "open" if approval == Plan.Approval.AUTOMATIC else "needs_approval") for api, approval in plans]
    mine = Subscription.objects.owned_by(user).filter(status__in=_OWN).values_list("api", "status").distinct().order_by()
    found += [(api, _OWN[_Status(status)]) for api, status in mine]
    return dict(sorted(found, key=lambda each: _WEIGHT.index(each[1])))


@tenant_view("apis.see_published", public=True)
@require_safe
def catalogue(request: TenantRequest) -> HttpResponse:
    """What can be called here."""
    q, status = sought(request), chosen(request, "status", [*STANDINGS])
    terms = words.terms(q)
    # So few (tenants.limits.APIS) that they are narrowed and put in order here.
    entries = _entries(request)
    ranks = searching.matching(terms)
    category, tag = request.GET.get("category", ""), request.GET.get("tag", "")
    matching = [
        each
        for each in entries
        if (not q or each.pk in ranks)
        and status in {"", each.standing}
        and category in {"", str(each.category)}
        and (not tag or tag in each.tags)
    ]
    sort = chosen(request, "sort", [*SORTS])
    matching.sort(key=_order(sort, matching, ranks))
    live = ApiVersion.objects.offered().select_related("live_revision").defer(*LIVE_LARGE).order_by("id")
    # What this person may see of them was asked above, in the same transaction.
    rows = Api.objects.select_related("category").prefetch_related(Prefetch("versions", live))
    page = page_of_ids(request, [each.pk for each in matching], rows, size=SIZE)
    standings = {each.pk: each.standing for each in matching}
    context = {
        "page": page,
        "tiles": list(_tiles(page.rows, standings, terms)),
        "terms": terms,
        "q": q,
        "status": status,
        "sorts": [Choice(str(word), 0, _narrowed(request, sort=name), name == sort) for name, word in _sorts(q).items()],
        "filters": [("", _("All")), *STANDINGS.items()],
        "narrowings": [each for each in (_by_category(request, entries, category), _by_tag(request, entries, tag)) if each.choices],
        "narrowed": bool(q or status or category or tag),
        "total": len(entries),
        "may_register": "applications.own" in request.permissions,
        "may_publish": "apis.publish" in request.permissions,
        "support_address": TenantSettings.objects.values_list("support_address", flat=True).get(),
    }
    return render(request, "catalogue/list.html", context)


def _sorts(q: str) -> dict[str, str | Promise]:
    """How the list may be ordered, with what it is where nobody chooses."""
    return {"": _("Best match"), **SORTS} if q else {name.replace("newest", ""): word for name, word in SORTS.items()}


def _order(sort: str, entries: Sequence[Entry], ranks: Mapping[UUID, float]) -> Callable[[Entry], Any]:
    """A key to sort by; what is alike stays as it came, the newest first."""
    if sort == "name":
        return lambda each: each.name.casefold()
    # Newer ids are greater: UUIDv7.
    if sort == "newest":
        return lambda each: -each.pk.int
    if sort == "changed":
        changed = {each.pk: at for each in entries if (at := each.changed_at)}
        return lambda each: -changed[each.pk].timestamp() if each.pk in changed else 0
    if sort == "used":
        calls = OperationUse.objects.since((timezone.now() - LATELY).date()).by_api()
        return lambda each: -calls.get(each.pk, 0)
    return lambda each: -ranks.get(each.pk, 0)


def _entries(request: TenantRequest) -> list[Entry]:
    """All that this person may see, the newest first."""
    standing = standings(request.user if request.user.is_authenticated else None, request.permissions)
    # Of what callers reach, when the newest of it went live.
    changed_at = Max("versions__live_revision__went_live_at", filter=Q(versions__status__in=ApiVersion.OFFERED))
    rows = offered(request).annotate(changed_at=changed_at).order_by("-pk")
    return [
        Entry(pk, name, standing.get(pk, ""), *told)
        for pk, name, *told in rows.values_list("pk", "name", "category", "category__name", "tags", "changed_at")
    ]


def _by_category(request: TenantRequest, entries: Sequence[Entry], chosen_one: str) -> Narrowing:
    """Those with something in them, by name."""
    many = Counter((str(each.category_name), str(each.category)) for each in entries if each.category)
    found = [
        Choice(word, count, _narrowed(request, category=pk), pk == chosen_one)
        for (word, pk), count in sorted(many.items(), key=lambda each: each[0][0].casefold())
    ]
    return Narrowing(_("By category"), _narrowed(request, category=""), found)


def _by_tag(request: TenantRequest, entries: Sequence[Entry], chosen_one: str) -> Narrowing:
    """The most frequent, and the one that is chosen, by name."""
    many = Counter(tag for each in entries for tag in each.tags)
    first = {tag for tag, _count in sorted(many.items(), key=lambda each: (-each[1], each[0]))[:TAGS_SHOWN]}
    shown = sorted(first | ({chosen_one} & many.keys()))
    found = [Choice(tag, many[tag], _narrowed(request, tag=tag), tag == chosen_one) for tag in shown]
    return Narrowing(_("By tag"), _narrowed(request, tag=""), found)


def _narrowed(request: TenantRequest, **changed: str) -> str:
    query = {**request.GET.dict(), **changed}
    return f"?{urlencode({name: value for name, value in query.items() if value and name not in {'before', 'after'}})}"


def _tiles(apis: Sequence[Api], standings: Mapping[UUID, str], terms: Sequence[str]) -> Iterator[Tile]:
    found = searching.operations_found([each.pk for each in apis], terms)
    return (Tile(each, standings[each.pk], found.get(each.pk)) for each in apis)


urlpatterns = [path("t/<str:tenant>/", catalogue, name="catalogue")]
