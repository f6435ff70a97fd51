"""Every application's subscriptions, and what an approver may do about one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import budgets, content_logging, quotas
from apis.actions import subscriptions as actions
from apis.models import ChangeRequest, Subscription
from gateway import receipts
from gateway.models import GatewayNode, serving
from gateway.receipts import Receipt
from portal.forms import OptionalReasonForm, PageForm, ReasonForm
from portal.kept import given
from portal.pages import asking, consent, listing
from portal.pages.answers import said
from portal.pages.change_requests import waiting_rows
from portal.templatetags.ui import STATES
from portal.words import added, happened, subject_of
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

_Status = Subscription.Status
# The pages that take each step; deciding about a request has a page of its own.
STEPS = {
    (_Status.SUSPENDED, _Status.ACTIVE): "console-subscription-resume",
    (_Status.ACTIVE, _Status.SUSPENDED): "console-subscription-suspend",
    (_Status.PENDING, _Status.CANCELLED): "console-subscription-cancel",
    (_Status.ACTIVE, _Status.CANCELLED): "console-subscription-cancel",
    (_Status.SUSPENDED, _Status.CANCELLED): "console-subscription-cancel",
}

STATE_WORDS = [{"value": each.value, "word": STATES[each.value][0]} for each in _Status]


@dataclass(frozen=True, slots=True)
class Row:
    """A subscription with the last that happened, where that is enforced, and for how many milliseconds this person may undo it."""

    subscription: Subscription
    event: Event | None
    receipt: Receipt | None
    undo_ms: int


def rows_of(request: TenantRequest, subscriptions: Sequence[Subscription]) -> list[Row]:
    """In as many queries for many as for one."""
    events = receipts.newest_decisions([each.pk for each in subscriptions])
    found = receipts.receipts_of(list(events.values()))
    told = {number: receipts.as_told_to(request.permissions, receipt) for number, receipt in found.items()}
    rows = []
    for each in subscriptions:
        event = events.get(each.pk)
        rows.append(Row(each, event, told[event.number] if event else None, _undo_ms(request, each)))
    return rows


def _undo_ms(request: TenantRequest, subscription: Subscription) -> int:
    now = timezone.now()
    if "subscriptions.decide" not in request.permissions or not subscription.undoable_by(request.user, now):
        return 0
    assert subscription.undo_until is not None
    return max(1, round((subscription.undo_until - now).total_seconds() * 1000))


@tenant_view("subscriptions.see_all")
@require_safe
def console_subscriptions(request: TenantRequest) -> HttpResponse:
    rows = Subscription.objects.visible_to(request.user, request.permissions).for_list()
    if q := listing.sought(request):
        rows = rows.sought(q)
    if status := listing.chosen(request, "status", _Status.values):
        rows = rows.filter(status=status)
    page = listing.page_of(request, rows)
    context = {"page": page, "rows": rows_of(request, page.rows), "q": q, "status": status, "states": STATE_WORDS}
    context["add"] = (
        reverse("console-subscription-add", args=[request.tenant.slug]) if "subscriptions.decide" in request.permissions else ""
    )
    return render(request, "subscriptions/list.html", context)


@tenant_view("subscriptions.see_all")
@require_safe
def console_subscription(request: TenantRequest, pk: UUID) -> HttpResponse:
    subscription = _subscription(request, pk)
    happenings = [
        {
            "at": each.at,
            "said": added(each.data),
            "sentence": happened(
                each.kind, each.data, actor=each.actor_name, subject=subject_of(each), by_a_person=each.actor_id is not None
            ),
        }
        for each in Event.objects.filter(subject_id=subscription.pk).order_by("-number")[:100]
    ]
    own, active = subscription.is_own_of(request.user), subscription.status == _Status.ACTIVE
    standing, budget = (quotas.standing(subscription), budgets.standing(subscription)) if active else (None, None)
    may_add = "subscriptions.decide" in request.permissions and not own
    open_to = "subscriptions.decide" in request.permissions and subscription.status in Subscription.OPEN
    context = {
        "row": rows_of(request, [subscription])[0],
        "subscription": subscription,
        "happenings": happenings,
        "steps": _steps(request, subscription),
        "own": own,
        "answers": said(subscription.answers),
        "dates": reverse("console-subscription-dates", args=[request.tenant.slug, pk]) if open_to and not own else "",
        "changes": waiting_rows(request, list(ChangeRequest.objects.waiting().filter(subscription=subscription).for_list())),
        "quota": standing,
        "top_up": reverse("console-subscription-top-up", args=[request.tenant.slug, pk]) if standing and may_add else "",
        "budget": budget,
        "kept": _kept(subscription),
        "spend_more": reverse("console-subscription-budget-top-up", args=[request.tenant.slug, pk]) if budget and may_add else "",
    }
    return render(request, "subscriptions/subscription.html", context)


def _kept(subscription: Subscription) -> consent.Kept | None:
    """How it stands to what its API keeps of calls; its own people alone decide that."""
    standing = content_logging.standing(subscription) if subscription.status in Subscription.OPEN else None
    if standing is None or standing.logging is None:
        return None
    return consent.Kept(standing, consent.sentence(standing.logging), "", "")


def _subscription(request: TenantRequest, pk: UUID) -> Subscription:
    found: Subscription = get_object_or_404(Subscription.objects.visible_to(request.user, request.permissions).for_list(), pk=pk)
    return found


def _steps(request: TenantRequest, subscription: Subscription) -> dict[str, str]:
    """The addresses of the steps that this person may take from here, by the name of their page's last word."""
    if "subscriptions.decide" not in request.permissions:
        return {}
    pages = {page for step, page in STEPS.items() if step in Subscription.STEPS and step[0] == subscription.status}
    if subscription.is_own_of(request.user):
        pages.discard("console-subscription-resume")
    return {page.rpartition("-")[2]: reverse(page, args=[request.tenant.slug, subscription.pk]) for page in pages}


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def suspend(request: TenantRequest, pk: UUID) -> HttpResponse:
    subscription = _subscription(request, pk)
    question = asking.Question(
        title=_("Suspend %(application)s at %(api)s?") % _names(subscription),
        says=_what_a_suspension_does(subscription),
        button=_("Suspend"),
        danger=True,
        back=_back(request, subscription),
        done=_("%(application)s is suspended at %(api)s.") % _names(subscription),
    )
    form = ReasonForm(given(request))

    def act(data: dict[str, Any]) -> Event:
        return actions.suspend(subscription, reason=data["reason"], by=request.user)

    return asking.ask(request, question, form, act)


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def resume(request: TenantRequest, pk: UUID) -> HttpResponse:
    subscription = _subscription(request, pk)
    question = asking.Question(
        title=_("Resume %(application)s at %(api)s?") % _names(subscription),
        says=_what_resuming_does(subscription),
        button=_("Resume"),
        back=_back(request, subscription),
        done=_("%(application)s may call %(api)s again.") % _names(subscription),
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: actions.resume(subscription, by=request.user))


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: TenantRequest, pk: UUID) -> HttpResponse:
    subscription = _subscription(request, pk)
    question = asking.Question(
        title=_("Cancel the subscription of %(application)s to %(api)s?") % _names(subscription),
        says=_what_cancelling_does(subscription),
        button=_("Cancel the subscription"),
        danger=True,
        back=_back(request, subscription),
        done=_("The subscription of %(application)s to %(api)s is cancelled.") % _names(subscription),
    )
    form = OptionalReasonForm(given(request))

    def act(data: dict[str, Any]) -> Event:
        return actions.cancel(subscription, reason=data["reason"], by=request.user)

    return asking.ask(request, question, form, act)


def _names(subscription: Subscription) -> dict[str, str]:
    return {"application": str(subscription.application), "api": str(subscription.api)}


def _back(request: TenantRequest, subscription: Subscription) -> str:
    return reverse("console-subscription", args=[request.tenant.slug, subscription.pk])


def _what_a_suspension_does(subscription: Subscription) -> str:
    said = _at_gateways(
        _("%(application)s will lose access to %(api)s; no gateway is connected now, and each learns it when it connects."),
        lambda many: ngettext(
            "%(application)s will lose access to %(api)s on %(n)s gateway within a second.",
            "%(application)s will lose access to %(api)s on %(n)s gateways within a second.",
            many,
        ),
        subscription,
    )
    return f"{said} {_('Its calls get 403 SUBSCRIPTION_SUSPENDED until somebody resumes it.')}"


def _what_resuming_does(subscription: Subscription) -> str:
    said = _at_gateways(
        _("%(application)s will have access to %(api)s again; no gateway is connected now, and each learns it when it connects."),
        lambda many: ngettext(
            "%(application)s will have access to %(api)s again, on %(n)s gateway within a second.",
            "%(application)s will have access to %(api)s again, on %(n)s gateways within a second.",
            many,
        ),
        subscription,
    )
    return f"{said} {_('It was suspended because: %(reason)s') % {'reason': subscription.reason}}"


def _what_cancelling_does(subscription: Subscription) -> str:
    if subscription.status == _Status.PENDING:
        return _("%(application)s no longer waits for %(api)s. It may ask again.") % _names(subscription)
    after = _("Its calls get 403 SUBSCRIPTION_CANCELLED. This can't be undone; the application may ask again.")
    if subscription.status == _Status.SUSPENDED:
        return f"{_('%(application)s is suspended at %(api)s, and stays without access.') % _names(subscription)} {after}"
    said = _at_gateways(
        _("%(application)s will lose access to %(api)s for good; no gateway is connected now, and each learns it when it connects."),
        lambda many: ngettext(
            "%(application)s will lose access to %(api)s for good, on %(n)s gateway within a second.",
            "%(application)s will lose access to %(api)s for good, on %(n)s gateways within a second.",
            many,
        ),
        subscription,
    )
    return f"{said} {after}"


def _at_gateways(nowhere: str, somewhere: Callable[[int], str], subscription: Subscription) -> str:
    many = GatewayNode.objects.connected().filter(serving()).count()
    return (somewhere(many) if many else nowhere) % {**_names(subscription), "n": many}


urlpatterns = [
    path("t/<str:tenant>/console/subscriptions/", console_subscriptions, name="console-subscriptions"),
    path("t/<str:tenant>/console/subscriptions/<uuid:pk>/", console_subscription, name="console-subscription"),
    path("t/<str:tenant>/console/subscriptions/<uuid:pk>/suspend/", suspend, name="console-subscription-suspend"),
    path("t/<str:tenant>/console/subscriptions/<uuid:pk>/resume/", resume, name="console-subscription-resume"),
    path("t/<str:tenant>/console/subscriptions/<uuid:pk>/cancel/", cancel, name="console-subscription-cancel"),
]
