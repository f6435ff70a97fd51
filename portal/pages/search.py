"""The search of the top bar: whatever of the tenant a person may see, found by its name or id."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from apis import searching, words
from apis.models import Api
from gateway import explaining
from gateway.models import Refusal
from keys.models import Application
from portal.pages import all_applications, applications, members
from portal.pages.application_tabs import meaning, page_address
from portal.pages.listing import sought
from tenants.access import TenantRequest, tenant_view
from tenants.models import Membership

# So many of each kind; its list has the others.
MOST = 10


@dataclass(frozen=True, slots=True)
class Hit:
    title: str
    says: str
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind; `all` leads to the list with the same search, "" where there is none."""

    name: str | Promise
    icon: str
    hits: list[Hit]
    all: str


@tenant_view("tenant.see")
@require_safe
def search(request: TenantRequest) -> HttpResponse:
    q = sought(request)
    groups = [group for find in FINDERS if q and (group := find(request, q)) and group.hits]
    return render(request, "search/search.html", {"q": q, "search": q, "groups": groups})


def _apis(request: TenantRequest, q: str) -> Group:
    """Publishers find all of them, and where they are made; others what the catalogue has."""
    named = Q(name__icontains=q) | Q(slug__icontains=q)
    if "apis.see_all" in request.permissions:
        rows, page, listed = Api.objects.filter(named), "console-api", "console-apis"
    else:
        found = searching.matching(words.terms(q))
        rows, page, listed = Api.objects.readable_by(request.user, request.permissions).filter(pk__in=found), "catalogue-api", "catalogue"
    hits = [
        Hit(each.name, each.slug, reverse(page, args=[request.tenant.slug, each.slug])) for each in rows.order_by("name", "slug")[:MOST]
    ]
    return Group(_("APIs"), "book-open", hits, _list_of(request, listed, q))


def _applications(request: TenantRequest, q: str) -> Group | None:
    if "applications.see_all" in request.permissions:
        rows, listed = all_applications.matching(all_applications.everyones(request), q), "console-applications"
    elif "applications.own" in request.permissions:
        rows, listed = applications.matching(applications.own(request), q), "apps"
    else:
        return None
    hits = [_application(request, each) for each in rows.order_by("name", "pk")[:MOST]]
    return Group(_("Applications"), "cube", hits, _list_of(request, listed, q))


def _application(request: TenantRequest, application: Application) -> Hit:
    return Hit(application.name, f"{application.whose} · {application.client_id}", page_address(request, application))


def _people(request: TenantRequest, q: str) -> Group | None:
    if "members.see" not in request.permissions:
        return None
    rows = members.matching(Membership.objects.select_related("user"), q).order_by("user__name", "user__email")[:MOST]
    found = [each.user for each in rows]
    hits = [Hit(str(each), each.email, _list_of(request, "console-members", each.email)) for each in found]
    return Group(_("People"), "users", hits, _list_of(request, "console-members", q))


def _refusals(request: TenantRequest, q: str) -> Group | None:
    """A refused call by its request id, as the gateway's answer told it."""
    try:
        UUID(q)
    except ValueError:
        return None
    rows = explaining.visible_to(request.user, request.permissions).filter(request_id=q).order_by("-pk")[:MOST]
    return Group(_("Refused calls"), "no-symbol", [_refusal(request, each) for each in rows], "")


def _refusal(request: TenantRequest, refusal: Refusal) -> Hit:
    address = reverse("refused-call", args=[request.tenant.slug, refusal.request_id])
    return Hit(f"{refusal.code} · {refusal.application}" if refusal.application else refusal.code, meaning(refusal), address)


def _list_of(request: TenantRequest, page: str, q: str) -> str:
    return f"{reverse(page, args=[request.tenant.slug])}?{urlencode({'q': q})}"


FINDERS: Iterable[Callable[[TenantRequest, str], Group | None]] = (_apis, _applications, _people, _refusals)

urlpatterns = [
    path("t/<str:tenant>/search/", search, name="search"),
]
