"""What ends when: the agenda of credentials, one's own or everyone's, and the private address of its calendar."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import dates
from apis.models import Subscription
from keys.actions import calendar_feeds, expiries, signing
from keys.models import Application, CalendarFeed, Credential, SigningKey, TokenPolicy
from portal import words
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from portal.pages.application_tabs import page_address
from portal.pages.listing import chosen, page_of, sought
from tenants.access import TenantRequest, tenant_view
from tenants.models import Membership, ServiceAccount, User

# Others stand in their own list.
NEXT_SERVICES = 5
NEXT_SUBSCRIPTIONS = 10


@dataclass(frozen=True, slots=True)
class Row:
    """`use` is one of portal.templatetags.ui.STATES; `away` says how long it is until then."""

    credential: Credential
    name: str
    address: str
    day: str
    away: str
    use: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a signing key is followed by the next. Nobody has to do anything for it."""

    purpose: str | Promise
    at: datetime


@tenant_view("applications.own")
@require_safe
def own_expiries(request: TenantRequest) -> HttpResponse:
    return _listed(request, Application.objects.owned_by(request.user), everyones=False)


@tenant_view("applications.see_all")
@require_safe
def console_expiries(request: TenantRequest) -> HttpResponse:
    return _listed(request, Application.objects.all(), everyones=True)


def _listed(request: TenantRequest, applications: QuerySet[Application], *, everyones: bool) -> HttpResponse:
    q, kind = sought(request), chosen(request, "kind", Credential.Kind.values)
    owner = _owner(request) if everyones else None
    rows = expiries.agenda(applications)
    if q:
        rows = matching(rows, q, everyones=everyones)
    if kind:
        rows = rows.filter(kind=kind)
    if owner:
        rows = rows.filter(application__owner=owner)
    page = page_of(request, rows, by="expires_at", rising=True)
    context = {
        "page": page,
        "months": list(_by_month(request, page.rows)),
        "q": q,
        "kind": kind,
        "kinds": Credential.Kind.choices,
        "owner": owner,
        "everyones": everyones,
        "rotations": _rotations() if everyones and "keys.see" in request.permissions else [],
        "subscriptions": _subscriptions(request, applications.filter(owner=owner) if owner else applications),
        "services": _services(request, everyones=everyones),
        "feed": CalendarFeed.objects.filter(user=request.user).first(),
    }
    return render(request, "expiries/list.html", context)


def matching(rows: QuerySet[Credential], text: str, *, everyones: bool) -> QuerySet[Credential]:
    """Those whose label, last characters or application have this text in them; of everyone's also by owner."""
    found = Q(label__icontains=text) | Q(last_four=text) | Q(application__name__icontains=text)
    if everyones:
        found |= Q(application__owner__name__icontains=text) | Q(application__owner__email__icontains=text)
        found |= Q(application__team__name__icontains=text)
    return rows.filter(found)


def _owner(request: TenantRequest) -> User | None:
    """Whose are shown alone: a member, or nobody in particular."""
    try:
        pk = UUID(request.GET.get("owner", ""))
    except ValueError:
        return None
    member = Membership.objects.filter(user=pk).select_related("user").first()
    return member.user if member else None


def _by_month(request: TenantRequest, credentials: Iterable[Credential]) -> Iterable[tuple[str, list[Row]]]:
    rows = (_row(request, each) for each in credentials)
    for month, found in groupby(rows, key=lambda row: words.month(_end(row.credential))):
        yield month, list(found)


def _row(request: TenantRequest, credential: Credential) -> Row:
    return Row(
        credential,
        words.credential(credential),
        page_address(request, credential.application, "credentials"),
        words.day(_end(credential)),
        words.away(_end(credential)),
        expiries.use_of(credential),
    )


def _end(credential: Credential) -> datetime:
    assert credential.expires_at is not None
    return credential.expires_at


def _rotations() -> list[Rotation]:
    """The next of each purpose: as announced, else as the policy has it."""
    policy = TokenPolicy.objects.get()
    known = SigningKey.objects.filter(status__in=[SigningKey.Status.PUBLISHED, SigningKey.Status.ACTIVE])
    keys = {(each.purpose, each.status): each for each in known}
    found = []
    for purpose, name in SigningKey.Use.choices:
        coming, active = keys.get((purpose, SigningKey.Status.PUBLISHED)), keys.get((purpose, SigningKey.Status.ACTIVE))
        if coming and coming.planned_for:
            found.append(Rotation(name, coming.planned_for))
        elif active and active.activated_at:
            found.append(Rotation(name, active.activated_at + signing.rotation(purpose, policy)))
    return found


def _subscriptions(request: TenantRequest, applications: QuerySet[Application]) -> list[tuple[Subscription, str]]:
    """The subscriptions that end next, each with where it stands."""
    found = dates.agenda(applications)[:NEXT_SUBSCRIPTIONS]
    return [(each, page_address(request, each.application, "subscriptions")) for each in found]


def _services(request: TenantRequest, *, everyones: bool) -> QuerySet[ServiceAccount]:
    """The service accounts that end next, or those of them that the reader answers for."""
    if "service_accounts.manage" not in request.permissions:
        return ServiceAccount.objects.none()
    rows = expiries.services_agenda()
    return (rows if everyones else rows.filter(created_by=request.user))[:NEXT_SERVICES]


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def calendar_new(request: TenantRequest) -> HttpResponse:
    """Make one's private address. It stands in the answer to the POST, and nowhere after that."""
    form = PageForm(given(request))
    context: dict[str, Any] = {"form": form, "back": _back(request), "everyones": "applications.see_all" in request.permissions}
    if done := asking.carried_out(request, form, lambda _data: calendar_feeds.create_feed(by=request.user)):
        _feed, secret = done.result
        address = settings.PORTAL_URL + reverse("calendar-feed", args=[request.tenant.slug, secret])
        return render(request, "expiries/calendar.html", {**context, "address": address})
    context["before"] = CalendarFeed.objects.filter(user=request.user).first()
    page = "expiries/shown_before.html" if form.sent_before else "expiries/calendar_new.html"
    return render(request, page, context, status=form.http_status)


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def calendar_end(request: TenantRequest) -> HttpResponse:
    question = asking.Question(
        title=_("End your calendar's address?"),
        says=_("Calendars that read it are refused from now on, and keep what they have read. You can make another address."),
        button=_("End it"),
        back=_back(request),
        done=_("The address has ended."),
        danger=True,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: calendar_feeds.revoke_feed(by=request.user))


def _back(request: TenantRequest) -> str:
    """Where the calendar stands for this person; the catalogue for whoever has nothing that ends."""
    names = {"applications.own": "expiries", "applications.see_all": "console-expiries"}
    name = next((name for permission, name in names.items() if permission in request.permissions), "catalogue")
    return reverse(name, args=[request.tenant.slug])


urlpatterns = [
    path("t/<str:tenant>/expiries/", own_expiries, name="expiries"),
    path("t/<str:tenant>/expiries/calendar/", calendar_new, name="expiries-calendar"),
    path("t/<str:tenant>/expiries/calendar/end/", calendar_end, name="expiries-calendar-end"),
    path("t/<str:tenant>/console/expiries/", console_expiries, name="console-expiries"),
]
