"""Another plan or a later end: an application's people ask, and an approver decides."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import changes
from apis.models import ChangeRequest, Plan, Subscription
from keys.models import Application
from portal import words
from portal.forms import PageForm, ReasonForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.application_tabs import page_address, what_is_asked
from portal.pages.subscribing import PlanChoice
from portal.pages.subscription_dates import untouched
from portal.pages.version_life import Moment
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

_Kind = ChangeRequest.Kind


class Purpose(Text):
    def __init__(self) -> None:
        told = gettext_lazy("Whoever decides reads it.")
        super().__init__(most=500, lines=3, label=gettext_lazy("Purpose"), help_text=told)


class PlanWishForm(PageForm):
    plan = PlanChoice(
        None,
        empty_label=None,
        widget=forms.RadioSelect,
        label=gettext_lazy("Plan"),
        error_messages={"invalid_choice": gettext_lazy("This plan is not offered any more. Choose another.")},
    )
    purpose = Purpose()

    def __init__(self, *args: Any, request: TenantRequest, subscription: Subscription, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        seen = Plan.objects.offered().visible_to(request.user, request.permissions)
        others = seen.filter(api=subscription.api_id).exclude(pk=subscription.plan_id).order_by("name")
        self.fields["plan"].queryset = others  # type: ignore[attr-defined]
        self.some = bool(others)


class RenewalForm(PageForm):
    purpose = Purpose()
    ends_at = Moment(label=gettext_lazy("Until"), help_text=gettext_lazy("Proposed is as long again as before."))


def _own(request: TenantRequest, pk: UUID) -> Subscription:
    return get_object_or_404(Subscription.objects.owned_by(request.user).for_list(), pk=pk)


def _names(subscription: Subscription) -> dict[str, object]:
    return {"application": subscription.application, "api": subscription.api, "plan": subscription.plan}


def _finished(request: TenantRequest, back: str, asked: ChangeRequest, event: Event) -> HttpResponse:
    if asked.status != ChangeRequest.Status.APPROVED:
        said = _("%(application)s asks for a change at %(api)s. Calls go on as before until an approver decides.")
        return asking.finished(request, back=back, said=said % _names(asked.subscription))
    if asked.kind == _Kind.PLAN:
        said = _("%(application)s has the plan %(plan)s at %(api)s now.") % _names(asked.subscription)
        return asking.finished(request, back=back, said=said, event=event)
    said = _("%(application)s's subscription to %(api)s is renewed.") % _names(asked.subscription)
    return asking.finished(request, back=back, said=said)


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def wish_plan(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Ask for another plan for a subscription of one's own application."""
    subscription = _own(request, pk)
    form = PlanWishForm(given(request), request=request, subscription=subscription)
    back = page_address(request, subscription.application, "subscriptions")
    question = asking.Question(
        title=_("Change the plan of %(application)s at %(api)s") % _names(subscription),
        says=_("It has the plan %(plan)s: %(terms)s. Calls go on meanwhile, and its tokens and keys stay.")
        % {"plan": subscription.plan, "terms": subscription.plan.terms},
        button=_("Ask for the plan"),
        back=back,
        done="",
        note=None if form.some else asking.Note(_("%(api)s offers no other plan now.") % _names(subscription), "wait"),
    )

    def act(data: dict[str, Any]) -> tuple[ChangeRequest, Event]:
        return changes.ask_for_plan(subscription, plan=data["plan"], purpose=data["purpose"], by=request.user)

    if done := asking.carried_out(request, form, act):
        return _finished(request, back, *done.result)
    return asking.asked(request, question, form, status=form.http_status)


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def renew(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Ask for a later end for a subscription of one's own application."""
    subscription = _own(request, pk)
    proposed = changes.next_end(subscription) if subscription.ends_at else None
    form = RenewalForm(given(request), initial={"ends_at": proposed})
    ends = words.day_and_time(subscription.ends_at) if subscription.ends_at else ""
    back = page_address(request, subscription.application, "subscriptions")
    question = asking.Question(
        title=_("Renew the subscription of %(application)s to %(api)s") % _names(subscription),
        says=_("It ends %(when)s. Calls go on meanwhile, and its tokens and keys stay.") % {"when": ends}
        if ends
        else _("This subscription has no end, so there is nothing to renew."),
        button=_("Renew"),
        back=back,
        done="",
    )

    def act(data: dict[str, Any]) -> tuple[ChangeRequest, Event]:
        ends_at = untouched(data["ends_at"], proposed)
        return changes.ask_to_renew(subscription, ends_at=ends_at, purpose=data["purpose"], by=request.user)

    if done := asking.carried_out(request, form, act):
        return _finished(request, back, *done.result)
    return asking.asked(request, question, form, status=form.http_status)


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Take back what was asked for one's own application."""
    asked = get_object_or_404(ChangeRequest.objects.owned_by(request.user).for_list(), pk=pk)
    question = asking.Question(
        title=_("Withdraw what %(application)s asks for at %(api)s?") % _names(asked.subscription),
        says=f"{what_is_asked(asked)} {_('Nobody has to decide it then, and the subscription stays as it is.')}",
        button=_("Withdraw it"),
        back=page_address(request, asked.subscription.application, "subscriptions"),
        done=_("%(application)s does not ask for a change at %(api)s any more.") % _names(asked.subscription),
    )

    def act(_data: dict[str, Any]) -> None:
        changes.withdraw(asked, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


# --- deciding --------------------------------------------------------------------------------------------------------


def _visible(request: TenantRequest, pk: UUID) -> ChangeRequest:
    return get_object_or_404(ChangeRequest.objects.visible_to(request.user, request.permissions).for_list(), pk=pk)


def _question(request: TenantRequest, asked: ChangeRequest, *, title: str, button: str, done: str, danger: bool = False) -> asking.Question:
    names = _names(asked.subscription)
    said = _("%(person)s asks, because: %(purpose)s") % {"person": asked.requested_by, "purpose": asked.purpose}
    return asking.Question(
        title=title % names,
        says=f"{what_is_asked(asked)} {said}",
        button=button,
        back=reverse("console-subscription", args=[request.tenant.slug, asked.subscription_id]),
        done=done % names,
        danger=danger,
        note=_note(request, asked),
    )


def _note(request: TenantRequest, asked: ChangeRequest) -> asking.Note | None:
    if asked.is_own_of(request.user):
        return asking.Note(_("You can't decide a request of your own; another approver has to."), "bad")
    if asked.plan is not None and asked.plan.status != Plan.Status.PUBLISHED:
        said = _("The plan %(plan)s is %(state)s.") % {"plan": asked.plan, "state": asked.plan.get_status_display().lower()}
        return asking.Note(said, "wait")
    if asked.subscription.application.status == Application.Status.SUSPENDED:
        return asking.Note(_("%(application)s is suspended, so its calls are refused.") % _names(asked.subscription), "wait")
    return None


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def approve(request: TenantRequest, pk: UUID) -> HttpResponse:
    asked = _visible(request, pk)
    question = _question(
        request,
        asked,
        title=_("Approve what %(application)s asks for at %(api)s?"),
        button=_("Approve"),
        done=_("The subscription of %(application)s to %(api)s is changed."),
    )
    form = PageForm(given(request))
    if done := asking.carried_out(request, form, lambda _data: changes.approve(asked, by=request.user)):
        if asked.status == ChangeRequest.Status.PENDING:
            said = _("You approved it; a second person has to approve it, too.")
            return asking.finished(request, back=question.back, said=said)
        event = done.result if asked.kind == _Kind.PLAN else None
        return asking.finished(request, back=question.back, said=question.done, event=event)
    return asking.asked(request, question, form, status=form.http_status)


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def reject(request: TenantRequest, pk: UUID) -> HttpResponse:
    asked = _visible(request, pk)
    question = _question(
        request,
        asked,
        title=_("Reject what %(application)s asks for at %(api)s?"),
        button=_("Reject"),
        done=_("What %(application)s asked for at %(api)s is rejected; its subscription stays as it is."),
        danger=True,
    )

    def act(data: dict[str, Any]) -> None:
        changes.reject(asked, reason=data["reason"], by=request.user)

    return asking.ask(request, question, ReasonForm(given(request)), act)


def waiting_rows(request: TenantRequest, asked: list[ChangeRequest]) -> list[dict[str, Any]]:
    """What waits, in words, with where this person may decide it; "" where they may not."""
    decides = "subscriptions.decide" in request.permissions
    rows = []
    for each in asked:
        own = request.user.pk in {each.requested_by_id, each.subscription.application.owner_id}
        ways = {name: reverse(f"console-request-change-{name}", args=[request.tenant.slug, each.pk]) for name in ("approve", "reject")}
        rows.append({"asked": each, "says": what_is_asked(each), "own": decides and own, "ways": ways if decides and not own else {}})
    return rows


urlpatterns = [
    path("t/<str:tenant>/apps/subscriptions/<uuid:pk>/plan/", wish_plan, name="app-subscription-plan"),
    path("t/<str:tenant>/apps/subscriptions/<uuid:pk>/renew/", renew, name="app-subscription-renew"),
    path("t/<str:tenant>/apps/change-requests/<uuid:pk>/withdraw/", withdraw, name="app-subscription-withdraw"),
    path("t/<str:tenant>/console/change-requests/<uuid:pk>/approve/", approve, name="console-request-change-approve"),
    path("t/<str:tenant>/console/change-requests/<uuid:pk>/reject/", reject, name="console-request-change-reject"),
]
