"""The life of a plan: what it allows, who may begin with it, and its end. Each step first says whom it concerns."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apis.actions import plan_models, plans, quotas
from apis.actions.plans import Concerned
from apis.models import Plan
from apis.models.api import limit_in_words
from portal.forms import OptionalReasonForm, PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.plans import OWN, PERIODS, TermsForm, of_ai, scopes_field
from portal.pages.shares import divided
from portal.words import listed
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import Event

# So many of whom another quota stops are named.
NAMED_OVER = 5


def _plan(pk: UUID) -> Plan:
    found: Plan = get_object_or_404(Plan.objects.select_related("api"), pk=pk)
    return found


def _names(plan: Plan) -> dict[str, object]:
    return {"plan": plan, "api": plan.api, "terms": plan.terms}


def _question(request: TenantRequest, plan: Plan, *, title: str, says: str, button: str, done: str, **more: Any) -> asking.Question:
    back, names = reverse("console-plans", args=[request.tenant.slug]), _names(plan)
    return asking.Question(title=title % names, says=says % names, button=button, back=back, done=done % names, **more)


def _named(found: Concerned) -> str:
    """Who they are, the first of them at once; "" where there is nobody."""
    return render_to_string("plans/_concerned.html", {"concerned": found}) if found.many else ""


def _asked(
    request: TenantRequest, plan: Plan, form: PageForm, act: Callable[[dict[str, Any]], Event | None], **question: Any
) -> HttpResponse:
    return asking.ask(request, _question(request, plan, **question), form, act)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_publish(request: TenantRequest, pk: UUID) -> HttpResponse:
    plan = _plan(pk)
    return _asked(
        request,
        plan,
        PageForm(given(request)),
        lambda _data: plans.publish(plan, by=request.user),
        title=_("Publish the plan %(plan)s of %(api)s?"),
        says=_("Subscribers of %(api)s can choose it from now on: %(terms)s, approved at once. It can't be taken back to staging.")
        if plan.approval == Plan.Approval.AUTOMATIC
        else _("Subscribers of %(api)s can choose it from now on: %(terms)s. It can't be taken back to staging."),
        button=_("Publish the plan"),
        done=_("The plan %(plan)s of %(api)s is published."),
    )


class ChangeForm(TermsForm):
    """Whom another quota stops at once, it stops after a second look."""

    scopes = scopes_field()
    even_over = forms.BooleanField(required=False, widget=forms.HiddenInput, label=gettext_lazy("Refuse their calls"))

    @property
    def terms(self) -> dict[str, Any]:
        """As a change takes it."""
        found = super().terms
        return {**found, "quota": found["quota"] or 0, "burst": found["burst"] or 0}

    def look_twice(self, plan: Plan) -> None:
        """:raises Invalid: who changes it has not seen yet whom it stops."""
        found = self.terms
        terms = (found["quota"], found["quota_period"], found["quota_time_zone"])
        if self.cleaned_data["even_over"] or terms == (plan.quota, plan.quota_period, plan.quota_time_zone):
            return
        over = quotas.over(plan, quota=terms[0], period=terms[1], time_zone=terms[2], now=timezone.now())
        if not over:
            return
        self.fields["even_over"].widget = forms.CheckboxInput()
        said = ngettext(
            "%(many)s application has used as much as that already and is refused at once, until the quota begins anew: %(names)s.",
            "%(many)s applications have used as much as that already and are refused at once, until the quota begins anew: %(names)s.",
            len(over),
        )
        names = listed([*(each.application for each in over[:NAMED_OVER]), *(["…"] if len(over) > NAMED_OVER else [])])
        raise Invalid({"even_over": [said % {"many": len(over), "names": names}]})


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_change(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Other terms, which hold at once for all who have it."""
    plan = _plan(pk)
    seconds = str(plan.seconds)
    listed = seconds in dict(PERIODS)
    initial: dict[str, Any] = {
        "calls": plan.calls,
        "period": seconds if listed else OWN,
        "seconds": None if listed else plan.seconds,
        "burst": plan.burst,
        "approval": plan.approval,
        "trial_days": plan.trial_days,
        "scopes": " ".join(plan.scopes),
        "quota": plan.quota,
        "quota_period": plan.quota_period,
        "quota_time_zone": plan.quota_time_zone,
    }
    more = None
    if plan.api.is_ai:
        more = of_ai(sorted({*plan_models.offered(plan.api), *plan.models}))
        initial |= {name: getattr(plan, name) for name in plan_models.FIELDS}
    form = ChangeForm(given(request), more=more, initial=initial)
    found = plans.concerned(plan)
    has = ngettext(
        "%(many)s application has it; another limit holds for it at once.",
        "%(many)s applications have it; another limit holds for them at once.",
        found.many,
    )
    share = divided(request, limit_in_words(plan.calls, plan.seconds, plan.burst), at_once=plan.burst or plan.calls)
    question = _question(
        request,
        plan,
        title=_("Change the plan %(plan)s of %(api)s?"),
        says=f"{_('It allows %(terms)s now. Who decides about a request counts for requests to come.')} {share}".strip(),
        button=_("Change the plan"),
        done=_("The plan %(plan)s of %(api)s is changed."),
        note=asking.Note(has % {"many": found.many}, "wait") if found.many else None,
        more=_named(found),
    )

    def act(_data: dict[str, Any]) -> Event | None:
        form.look_twice(plan)
        return plans.change_terms(plan, **form.terms, by=request.user)

    if done := asking.carried_out(request, form, act):
        said = question.done if done.result else _("The plan %(plan)s of %(api)s stays as it was.") % _names(plan)
        return asking.finished(request, back=question.back, said=said, event=done.result)
    return asking.asked(request, question, form, status=form.http_status)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_deprecate(request: TenantRequest, pk: UUID) -> HttpResponse:
    plan = _plan(pk)
    found = plans.concerned(plan)
    has = ngettext(
        "%(many)s application has it, goes on as before, and its people hear of this.",
        "%(many)s applications have it, go on as before, and their people hear of this.",
        found.many,
    )

    def act(data: dict[str, Any]) -> None:
        # Nothing changes at the gateways, so there is no receipt to show.
        plans.deprecate(plan, reason=data["reason"], by=request.user)

    return _asked(
        request,
        plan,
        OptionalReasonForm(given(request)),
        act,
        title=_("Deprecate the plan %(plan)s of %(api)s?"),
        says=_("Nothing new can subscribe under it. That can be taken back."),
        button=_("Deprecate the plan"),
        done=_("The plan %(plan)s of %(api)s is deprecated."),
        note=asking.Note(has % {"many": found.many}) if found.many else None,
        more=_named(found),
    )


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_reinstate(request: TenantRequest, pk: UUID) -> HttpResponse:
    plan = _plan(pk)

    def act(_data: dict[str, Any]) -> None:
        plans.reinstate(plan, by=request.user)

    return _asked(
        request,
        plan,
        PageForm(given(request)),
        act,
        title=_("Offer the plan %(plan)s of %(api)s again?"),
        says=_("Subscribers of %(api)s can choose it again: %(terms)s."),
        button=_("Offer it again"),
        done=_("The plan %(plan)s of %(api)s is offered again."),
    )


class CloseForm(PageForm):
    """Where subscriptions end by it, the plan's name is typed, and a reason given."""

    name = Text(most=40, label=gettext_lazy("Name of the plan"), help_text=gettext_lazy("Type it: what ends can't be brought back."))
    reason = Text(most=500, lines=3, label=gettext_lazy("Reason"), help_text=gettext_lazy("Those it concerns read it."))

    def __init__(self, *args: Any, plan: Plan, ends: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan = plan
        if not ends:
            del self.fields["name"]
            self.fields["reason"].required = False

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.plan.name:
            self.add_error("name", _("The plan is called %(plan)s.") % {"plan": self.plan})
        return name


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_close(request: TenantRequest, pk: UUID) -> HttpResponse:
    """End it, and what is open under it, for good."""
    plan = _plan(pk)
    found = plans.concerned(plan)
    return _asked(
        request,
        plan,
        CloseForm(given(request), plan=plan, ends=bool(found.many)),
        lambda data: plans.close(plan, reason=data["reason"], by=request.user),
        title=_("Close the plan %(plan)s of %(api)s?"),
        says=_("It ends for good, and so does every subscription under it. Its name stays taken."),
        button=_("Close the plan"),
        done=_("The plan %(plan)s of %(api)s is closed."),
        danger=True,
        note=asking.Note(_who_loses(found), "bad") if found.many else None,
        more=_named(found),
    )


def _who_loses(found: Concerned) -> str:
    lose = ngettext("%(many)s application loses access.", "%(many)s applications lose access.", found.active)
    pending = ngettext("%(many)s request is cancelled.", "%(many)s requests are cancelled.", found.pending)
    suspended = ngettext("%(many)s suspended subscription ends.", "%(many)s suspended subscriptions end.", found.suspended)
    counted = ((lose, found.active), (pending, found.pending), (suspended, found.suspended))
    return " ".join(said % {"many": many} for said, many in counted if many)


_PLACE = "t/<str:tenant>/console/plans/<uuid:pk>/"
urlpatterns = [
    path(f"{_PLACE}publish/", plan_publish, name="console-plan-publish"),
    path(f"{_PLACE}change/", plan_change, name="console-plan-change"),
    path(f"{_PLACE}deprecate/", plan_deprecate, name="console-plan-deprecate"),
    path(f"{_PLACE}reinstate/", plan_reinstate, name="console-plan-reinstate"),
    path(f"{_PLACE}close/", plan_close, name="console-plan-close"),
]
