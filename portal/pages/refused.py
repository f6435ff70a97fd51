"""Why was this call refused? A request id leads to the rule, the fact behind it, who made it so, and what to do."""

import re
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_safe

from gateway import explaining
from gateway.receipts import as_told_to
from portal import words
from portal.pages.application_tabs import page_address
from portal.pages.start import tenants_of
from tenants.access import TenantRequest, even_by_provider, signed_in, tenant_view
from tenants.models import Event, User
from tenants.scope import tenant_scope

# How often the page asks again for a call that no gateway has told of yet, a second each.
TRIES = 5
# In so many of a person's tenants a call is looked for that does not say whose it was.
MOST_TENANTS = 20


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision in a sentence, with what was said."""

    event: Event
    sentence: str
    said: str


@tenant_view("tenant.see")
@require_safe
def ask(request: TenantRequest) -> HttpResponse:
    """Where a request id is typed."""
    wanted = words_of(request)
    if wanted:
        return redirect("refused-call", request.tenant.slug, wanted)
    return render(request, "refused/ask.html", {"request_id": ""})


def words_of(request: TenantRequest) -> str:
    """What was typed, without what no request id has."""
    return re.sub(r"[^\w.-]", "", request.GET.get("request_id", ""), flags=re.ASCII)[: explaining.MOST_OF_AN_ID]


@tenant_view("tenant.see")
@require_safe
def refused(request: TenantRequest, request_id: str) -> HttpResponse:
    found = explaining.find(request_id, user=request.user, permissions=request.permissions)
    if found is None:
        tried = _tried(request)
        shown = {"request_id": request_id, "again": tried + 1 if tried < TRIES else 0}
        return render(request, "refused/unknown.html", shown, status=404)
    explained = explaining.explain(found, user=request.user, permissions=request.permissions)
    context = {
        "explained": explained,
        "refusal": found,
        "application": page_address(request, found.application, "refusals") if found.application else "",
        "decided": _decided(explained.event),
        "since": _decided(explained.since),
        "receipt": as_told_to(request.permissions, explained.receipt) if explained.receipt else None,
    }
    return render(request, "refused/call.html", context)


def _tried(request: TenantRequest) -> int:
    tried = request.GET.get("tried", "")
    return int(tried) if tried.isascii() and tried.isdigit() and len(tried) < 3 else 0


def _decided(event: Event | None) -> Decided | None:
    if event is None:
        return None
    subject = words.subject_of(event)
    sentence = words.happened(event.kind, event.data, actor=event.actor_name, subject=subject, by_a_person=event.actor_id is not None)
    return Decided(event, sentence, words.added(event.data))


@signed_in
@even_by_provider
@require_safe
def occurrence(request: HttpRequest, request_id: str) -> HttpResponse:
    """Where the `instance` of a refusal leads, which names no tenant: to the one of the person's that knows the call, or to the choice."""
    assert isinstance(request.user, User)
    found = list(tenants_of(request.user)[: MOST_TENANTS + 1])
    if not explaining.is_an_id(request_id):
        raise Http404
    for tenant in found[:MOST_TENANTS] if len(found) > 1 else found:
        with tenant_scope(tenant.pk):
            known = len(found) == 1 or explaining.is_known(request_id)
        if known:
            return redirect("refused-call", tenant.slug, request_id)
    return render(request, "refused/where.html", {"found": found, "request_id": request_id})


urlpatterns = [
    path("refused/<path:request_id>/", occurrence, name="refused-occurrence"),
    path("t/<str:tenant>/refused/", ask, name="refused"),
    path("t/<str:tenant>/refused/<path:request_id>/", refused, name="refused-call"),
]
