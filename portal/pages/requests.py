"""The approval queue: who asks for what, the decision, and taking it back."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import questions, request_clock, risk_notes, two_people
from apis.actions import subscriptions as actions
from apis.models import ChangeRequest, Subscription
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import listing
from portal.pages.answers import said
from portal.pages.change_requests import waiting_rows
from portal.pages.subscriptions import Row, rows_of
from portal.words import added, duration, happened, listed, subject_of
from tenants.access import TenantRequest, tenant_view
from tenants.errors import NotAllowed
from tenants.models import Event

_Status = Subscription.Status
# The queue gets shorter with each decision, so it is not paged; "All" shows whoever waits behind.
MOST_WAITING, MOST_LATELY = 20, 5


class Decision(PageForm):
    """One text for what is said to the applicant: why not, or a question."""

    reason = Text(
        most=500,
        lines=3,
        label=gettext_lazy("Reason or question"),
        help_text=gettext_lazy("Needed to reject and to ask. The applicant reads it."),
    )


@tenant_view("subscriptions.see_all")
@require_safe
def console_requests(request: TenantRequest) -> HttpResponse:
    show = listing.chosen(request, "show", ["decided", "all"])
    if not show:
        return _queue(request, None)
    rows = _visible(request)
    page = (
        listing.page_of(request, rows.filter(decided_at__isnull=False), by="decided_at")
        if show == "decided"
        else listing.page_of(request, rows)
    )
    context = {"show": show, "page": page, "rows": rows_of(request, page.rows), **_waiting(rows)}
    return render(request, "requests/decided.html", context)


@tenant_view("subscriptions.see_all")
@require_safe
def console_request(request: TenantRequest, pk: UUID) -> HttpResponse:
    return _queue(request, get_object_or_404(_visible(request), pk=pk))


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def approve(request: TenantRequest, pk: UUID) -> HttpResponse:
    return _decision(request, pk, PageForm, lambda subscription, _data: actions.approve(subscription, by=request.user))


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def reject(request: TenantRequest, pk: UUID) -> HttpResponse:
    return _decision(request, pk, Decision, lambda subscription, data: actions.reject(subscription, reason=data["reason"], by=request.user))


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: TenantRequest, pk: UUID) -> HttpResponse:
    return _decision(request, pk, Decision, lambda subscription, data: questions.ask(subscription, text=data["reason"], by=request.user))


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: TenantRequest, pk: UUID) -> HttpResponse:
    return _decision(request, pk, PageForm, lambda subscription, _data: actions.undo(subscription, by=request.user))


def _decision(
    request: TenantRequest, pk: UUID, needed: type[PageForm], act: Callable[[Subscription, dict[str, Any]], Event]
) -> HttpResponse:
    """Do it and show the request as it is now; or show it with what is wrong, and with all that was typed."""
    subscription = get_object_or_404(_visible(request), pk=pk)
    there = redirect("console-request", request.tenant.slug, pk)
    typed = given(request)
    if request.method != "POST":
        # After a sign-in one comes back here with what was typed before.
        return _queue(request, subscription, form=_begun(typed.get("reason", ""))) if typed else there
    form = needed(typed)
    if not form.is_valid():
        return _queue(request, subscription, form=form, status=422)
    try:
        with transaction.atomic():
            form.claim()
            act(subscription, form.cleaned_data)
    except NotAllowed as refusal:
        # As it is by now: somebody else may have been quicker.
        subscription = _visible(request).get(pk=pk)
        return _queue(request, subscription, form=_begun(request.POST.get("reason", "")), refused=str(refusal), status=409)
    return there


def _begun(reason: str) -> Decision:
    return Decision(initial={"reason": reason})


def _visible(request: TenantRequest) -> QuerySet[Subscription]:
    rows: QuerySet[Subscription] = Subscription.objects.visible_to(request.user, request.permissions).for_list()
    return rows


def _waiting(rows: QuerySet[Subscription]) -> dict[str, Any]:
    """Who waits, the longest first."""
    pending = rows.filter(status=_Status.PENDING)
    count, first = pending.count(), list(pending.order_by("pk")[:MOST_WAITING])
    oldest = duration(timezone.now() - first[0].requested_at) if first else ""
    return {
        "waits": first,
        "count": count,
        "behind": count - len(first),
        "oldest": oldest,
        "applications": Application.objects.waiting().count(),
    }


def _queue(
    request: TenantRequest, chosen: Subscription | None, *, form: PageForm | None = None, refused: str = "", status: int = 200
) -> HttpResponse:
    rows = _visible(request)
    context = _waiting(rows)
    first = context["waits"][0] if context["waits"] else None
    shown = chosen or first
    decided = rows.filter(decided_at__isnull=False).order_by("-decided_at", "-pk")
    lately = list((decided.exclude(pk=shown.pk) if shown else decided)[:MOST_LATELY])
    changes = ChangeRequest.objects.visible_to(request.user, request.permissions).waiting().for_list()
    # So many more that their number is worth saying.
    asked = list(changes.order_by("pk")[: 5 * MOST_WAITING])
    drawn = rows_of(request, [*([shown] if shown else []), *lately])
    context |= {
        "chosen": chosen,
        "shown": _details(request, drawn.pop(0)) if shown else None,
        "lately": drawn,
        "within": request_clock.policy().within,
        "changes": waiting_rows(request, asked[:MOST_WAITING]),
        "changes_behind": max(0, len(asked) - MOST_WAITING),
        "form": form or Decision(),
        "refused": refused,
        "next": next((each for each in context["waits"] if chosen and each.pk != chosen.pk), None),
    }
    return render(request, "requests/queue.html", context, status=status)


def _details(request: TenantRequest, row: Row) -> dict[str, Any]:
    subscription = row.subscription
    others = Subscription.objects.filter(application=subscription.application_id).exclude(pk=subscription.pk)
    pair = others.filter(api=subscription.api_id)
    rejected = pair.filter(status=_Status.REJECTED).select_related("decided_by").order_by("-decided_at").first()
    suspended = Event.objects.filter(kind="subscription.suspended", subject_id__in=pair.values("pk")).order_by("-number").first()
    pending, own = subscription.status == _Status.PENDING, subscription.is_own_of(request.user)
    may_decide = pending and not own and "subscriptions.decide" in request.permissions
    first_is_mine = may_decide and two_people.is_first(subscription, request.user)
    return {
        "row": row,
        "pending": pending,
        "may_decide": may_decide,
        "may_approve": may_decide and not first_is_mine,
        "may_undo_first": may_decide and subscription.first_approved_by_id == request.user.pk,
        "own": pending and own,
        "answers": said(subscription.answers),
        "talk": questions.said_about([subscription.pk])[subscription.pk],
        "history": _history(others),
        "rejected": rejected,
        "suspended": suspended,
        "notes": _notes(subscription, rejected=rejected is not None, suspended=suspended is not None) if pending else [],
        "last": _last(row),
        "said": added(row.event.data) if row.event and not pending else "",
    }


def _notes(subscription: Subscription, *, rejected: bool, suspended: bool) -> list[str]:
    """What stands out, without what the page says with its reason."""
    said = {"rejected_before": rejected, "suspended_before": suspended}
    return [says for name, says in risk_notes.notes(subscription).items() if not said.get(name)]


def _last(row: Row) -> str:
    """The last that happened, as a sentence."""
    event = row.event
    if event is None:
        return ""
    return happened(event.kind, event.data, actor=event.actor_name, subject=subject_of(event), by_a_person=event.actor_id is not None)


def _history(others: QuerySet[Subscription]) -> str:
    """How an application's other subscriptions went."""
    counts = dict(others.values_list("status").annotate(Count("pk")).order_by())
    if not counts:
        return _("This is its first request.")
    words = {
        _Status.PENDING: _("%(n)s pending"),
        _Status.ACTIVE: _("%(n)s active"),
        _Status.SUSPENDED: _("%(n)s suspended"),
        _Status.REJECTED: _("%(n)s rejected"),
        _Status.CANCELLED: _("%(n)s cancelled"),
        _Status.EXPIRED: _("%(n)s expired"),
    }
    standing = listed(word % {"n": counts[status]} for status, word in words.items() if counts.get(status))
    ids = Event.objects.filter(kind="subscription.suspended", subject_id__in=others.values("pk")).values("subject_id")
    ever = ids.distinct().count()
    if not ever:
        return _("Its other subscriptions: %(standing)s; none was ever suspended.") % {"standing": standing}
    said = ngettext(
        "Its other subscriptions: %(standing)s; %(n)s was suspended at some time.",
        "Its other subscriptions: %(standing)s; %(n)s were suspended at some time.",
        ever,
    )
    return said % {"standing": standing, "n": ever}


urlpatterns = [
    path("t/<str:tenant>/console/requests/", console_requests, name="console-requests"),
    path("t/<str:tenant>/console/requests/<uuid:pk>/", console_request, name="console-request"),
    path("t/<str:tenant>/console/requests/<uuid:pk>/approve/", approve, name="console-request-approve"),
    path("t/<str:tenant>/console/requests/<uuid:pk>/reject/", reject, name="console-request-reject"),
    path("t/<str:tenant>/console/requests/<uuid:pk>/ask/", ask, name="console-request-ask"),
    path("t/<str:tenant>/console/requests/<uuid:pk>/undo/", undo, name="console-request-undo"),
]
