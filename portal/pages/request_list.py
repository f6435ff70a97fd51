"""All who wait: searched, narrowed, by the page, with several to choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import deciding_many, request_clock, waiting
from apis.actions.deciding_many import Result
from apis.actions.two_people import APPROVED_FIRST
from apis.models import Subscription
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import listing
from portal.words import listed
from tenants import limits
from tenants.access import TenantRequest, tenant_view
from tenants.errors import NotAllowed

WAITS: dict[str, Promise] = {
    "": gettext_lazy("All who wait"),
    "overdue": gettext_lazy("Overdue"),
    "second": gettext_lazy("Second approval missing"),
    "answer": gettext_lazy("Waiting for an answer"),
}
WHAT = {"approve": gettext_lazy("Approve"), "reject": gettext_lazy("Reject")}


@tenant_view("subscriptions.see_all")
@require_safe
def request_list(request: TenantRequest) -> HttpResponse:
    now, within = timezone.now(), request_clock.policy().within
    pending = _visible(request).filter(status=Subscription.Status.PENDING)
    apis = waiting.apis_of(pending)
    to = waiting.Narrowing(
        api=listing.chosen(request, "api", [slug for slug, _name, _many in apis]),
        environment=listing.chosen(request, "environment", Application.Environment.values),
        text=listing.sought(request),
        waits=listing.chosen(request, "waits", list(waiting.WAITS)),
    )
    found = waiting.narrowed(pending, waiting.Narrowing(to.api, to.environment, to.text), now=now, within=within)
    counts = waiting.counts(found, now=now, within=within)
    newest = listing.chosen(request, "sort", ["newest"]) == "newest"
    page = listing.page_of(request, waiting.narrowed(found, to, now=now, within=within), rising=not newest)
    context = {
        "page": page,
        "rows": page.rows,
        "within": within,
        "to": to,
        "q": to.text,
        "newest": newest,
        "apis": apis,
        "environments": Application.Environment.choices,
        "waits": [(name, word, counts[name]) for name, word in WAITS.items() if name != "overdue" or within is not None],
        "narrowed": to != waiting.Narrowing(),
        "may_decide": "subscriptions.decide" in request.permissions,
    }
    return render(request, "requests/list.html", context)


def _visible(request: TenantRequest) -> "QuerySet[Subscription]":
    rows: QuerySet[Subscription] = Subscription.objects.visible_to(request.user, request.permissions).for_list()
    return rows


# --- deciding several ------------------------------------------------------------------------------------------------


class Ids(forms.Field):
    """Ids of requests, each once, in the order that they came in."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[UUID]:
        try:
            found = list(dict.fromkeys(UUID(str(each)) for each in value or []))
        except ValueError:
            raise forms.ValidationError(_("This is no request.")) from None
        if len(found) > limits.DECISIONS_AT_ONCE:
            raise forms.ValidationError(_("%(most)s requests at once are the most.") % {"most": limits.DECISIONS_AT_ONCE})
        return found


class ApproveForm(PageForm):
    what = forms.ChoiceField(choices=list(WHAT.items()), widget=forms.HiddenInput)
    id = Ids()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["id"].error_messages["required"] = _("Choose at least one request.")


class RejectForm(ApproveForm):
    reason = Text(
        most=500, lines=3, label=gettext_lazy("Reason"), help_text=gettext_lazy("The same for all of them. Each applicant reads it.")
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one, in a sentence; `done` where it was decided."""

    subscription: Subscription
    said: str
    done: bool


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: TenantRequest) -> HttpResponse:
    """Ask once, naming all of them; then decide each, and say what became of it."""
    sent = given(request)
    asked = sent if sent is not None else request.GET
    what = "reject" if asked.get("what") == "reject" else "approve"
    initial = {"what": what, "id": asked.getlist("id")[: limits.DECISIONS_AT_ONCE + 1]}
    form: PageForm = (RejectForm if what == "reject" else ApproveForm)(sent, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                form.claim()
                return _decided(request, what, form.cleaned_data)
        except NotAllowed as refusal:
            form.refuse(refusal)
            return _asked(request, form, what, initial["id"], status=409)
    return _asked(request, form, what, initial["id"], status=422 if request.method == "POST" else 200)


def _asked(request: TenantRequest, form: PageForm, what: str, ids: Sequence[str], *, status: int) -> HttpResponse:
    found = _visible(request).in_bulk([pk for each in ids if (pk := _uuid(each))])
    rows = [found[pk] for pk in sorted(found)]
    pending = [each for each in rows if each.status == Subscription.Status.PENDING]
    titles = {
        "approve": ngettext("Approve %(n)s request?", "Approve %(n)s requests?", len(rows)),
        "reject": ngettext("Reject %(n)s request?", "Reject %(n)s requests?", len(rows)),
    }
    context = {
        "form": form,
        "what": what,
        "title": titles[what] % {"n": len(rows)} if rows else _("No request is chosen"),
        "rows": rows,
        "over": len(rows) - len(pending),
        "two": what == "approve" and any(each.approvals_needed == 2 for each in pending),
    }
    return render(request, "requests/decide.html", context, status=status)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _decided(request: TenantRequest, what: str, data: dict[str, Any]) -> HttpResponse:
    if what == "approve":
        results = deciding_many.approve_all(data["id"], among=_visible(request), by=request.user)
    else:
        results = deciding_many.reject_all(data["id"], among=_visible(request), reason=data["reason"], by=request.user)
    told = [Told(each.subscription, _said(each), each.event is not None) for each in results if each.subscription is not None]
    context = {"told": told, "title": _counted(what, results, len(results) - len(told))}
    return render(request, "requests/decided_many.html", context)


def _said(result: Result) -> str:
    if result.event is None:
        return result.refusal
    if result.event.kind == APPROVED_FIRST:
        return _("Approved as the first of two; a second person has to approve it, too.")
    return _("Approved") if result.event.kind == "subscription.approved" else _("Rejected")


def _counted(what: str, results: list[Result], unknown: int) -> str:
    done = sum(each.event is not None for each in results)
    word = _("%(n)s approved") if what == "approve" else _("%(n)s rejected")
    said = [word % {"n": done}]
    if left := len(results) - done - unknown:
        said.append(_("%(n)s not decided") % {"n": left})
    if unknown:
        said.append(_("%(n)s not found") % {"n": unknown})
    return listed(said)


_HERE = "t/<str:tenant>/console/requests/"
urlpatterns = [
    path(f"{_HERE}list/", request_list, name="console-request-list"),
    path(f"{_HERE}decide/", decide, name="console-request-decide"),
]
