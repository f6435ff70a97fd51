"""Asking for several APIs at once: choose them, then a plan of each, one purpose for all, and what each asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import content_logging, several
from apis.models import Api, ContentLogging, Plan, Subscription
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking, consent
from portal.pages.adding import called, not_taken, that_can_begin
from portal.pages.answers import answers_in, check_asked, fields_of
from portal.pages.catalogue import offered
from portal.pages.listing import sought
from portal.pages.subscribing import PlanChoice
from portal.templatetags.ui import STATES
from portal.words import listed
from tenants import limits
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event

# So many stand there to be chosen from; searching finds the others.
SHOWN = 30


def _application(request: TenantRequest, pk: UUID) -> Application:
    return get_object_or_404(Application.objects.owned_by(request.user).select_related("owner", "team"), pk=pk)


def _free(request: TenantRequest, application: Application) -> QuerySet[Api]:
    """What it may ask for, each with its plans as `choices`."""
    plans = Plan.objects.offered().visible_to(request.user, request.permissions).order_by("id")
    rows = not_taken(that_can_begin(offered(request), plans), application)
    return rows.prefetch_related(Prefetch("plans", plans, to_attr="choices")).order_by("name", "pk")


def _named(request: TenantRequest) -> list[str]:
    """What is chosen so far, each once."""
    return list(dict.fromkeys(each.replace("\x00", "")[:40] for each in request.GET.getlist("api") if each))


@tenant_view("applications.own")
@require_safe
def choose(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Which APIs: what is chosen stays while one searches on."""
    application = _application(request, pk)
    free, named, q = _free(request, application), _named(request), sought(request)
    chosen = list(free.filter(slug__in=named))
    rows = list(called(free, q).exclude(slug__in=named)[: SHOWN + 1])
    context = {
        "application": application,
        "active": application.status == Application.Status.ACTIVE,
        "chosen": chosen,
        "rows": rows[:SHOWN],
        "more": len(rows) > SHOWN,
        "q": q,
        "most": limits.REQUESTS_AT_ONCE,
    }
    return render(request, "applications/subscribe.html", context)


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked about one of the APIs; `agreement` where it keeps of calls what `kept` says."""

    api: Api
    fields: list[forms.BoundField]
    logging: ContentLogging | None
    kept: str
    agreement: forms.BoundField | None


class SeveralForm(PageForm):
    purpose = Text(
        most=500,
        lines=4,
        label=gettext_lazy("Purpose"),
        help_text=gettext_lazy("What the calls are for, of all of them. Whoever decides reads it, and it stays with each subscription."),
    )

    def __init__(self, *args: Any, apis: list[Api], loggings: Mapping[UUID, ContentLogging], **kwargs: Any) -> None:
        self.apis, self.loggings = apis, loggings
        asked: dict[str, forms.Field] = {}
        for each in apis:
            plans = Plan.objects.filter(pk__in=[plan.pk for plan in each.choices]).order_by("id")  # type: ignore[attr-defined]
            asked[f"{each.slug}.plan"] = PlanChoice(
                plans,
                empty_label=None,
                widget=forms.RadioSelect,
                label=_("Plan"),
                initial=str(each.choices[0].pk) if len(each.choices) == 1 else None,  # type: ignore[attr-defined]
                error_messages={"invalid_choice": _("This plan is not offered any more. Choose another.")},
            )
            asked |= fields_of(each, f"{each.slug}.")
            asked |= consent.fields_of(loggings.get(each.pk), f"{each.slug}.")
        super().__init__(*args, more=asked, **kwargs)

    @cached_property
    def parts(self) -> list[Part]:
        return [self._part(each) for each in self.apis]

    def _part(self, api: Api) -> Part:
        agreement, logging = f"{api.slug}.{consent.AGREED}", self.loggings.get(api.pk)
        shown = [name for name in self.fields if name.startswith(f"{api.slug}.") and not self.fields[name].widget.is_hidden]
        fields = [self[name] for name in shown if name != agreement]
        return Part(api, fields, logging, consent.sentence(logging) if logging else "", self[agreement] if logging else None)

    @property
    def wanted(self) -> list[several.Wanted]:
        return [self._wanted(each, f"{each.slug}.") for each in self.apis]

    def _wanted(self, api: Api, before: str) -> several.Wanted:
        typed = self.cleaned_data
        agreed = consent.agreed_in(self, self.loggings.get(api.pk), before)
        return several.Wanted(api, typed[f"{before}plan"], answers_in(typed, api, before), agreed)

    def refuse(self, refusal: NotAllowed | Invalid) -> None:
        """What speaks against one of them stands at its plan."""
        if isinstance(refusal, Invalid):
            slugs = {each.slug for each in self.apis}
            at = {name: name if name in self.fields else f"{name.partition('.')[0]}.plan" for name in refusal.problems}
            refusal = Invalid({at[name] if name.partition(".")[0] in slugs else "": told for name, told in refusal.problems.items()})
        super().refuse(refusal)


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: TenantRequest, pk: UUID) -> HttpResponse:
    """A plan of each, and the rest; `?api=` names them."""
    application, named = _application(request, pk), _named(request)
    back = f"{reverse('app-subscribe', args=[request.tenant.slug, pk])}?{urlencode({'api': named}, doseq=True)}"
    if not named or len(named) > limits.REQUESTS_AT_ONCE:
        messages.info(request, _("Choose from 1 to %(most)s APIs.") % {"most": limits.REQUESTS_AT_ONCE})
        return redirect(back)
    apis = list(_free(request, application).filter(slug__in=named))
    gone = sorted(set(named) - {each.slug for each in apis})
    form = SeveralForm(given(request), apis=apis, loggings=content_logging.of_all(apis))

    def act(typed: dict[str, Any]) -> list[tuple[Subscription, Event]]:
        if gone:
            raise NotAllowed(_("Not to be asked for any more: %(names)s. Look at what is left.") % {"names": listed(gone)})
        for each in apis:
            check_asked(form, each, f"{each.slug}.")
        return several.request_all(application, form.wanted, purpose=typed["purpose"], by=request.user)

    if done := asking.carried_out(request, form, act):
        made = done.result
        active = [event for each, event in made if each.status == Subscription.Status.ACTIVE]
        there = f"{reverse('app', args=[request.tenant.slug, pk])}?tab=subscriptions"
        return asking.finished(request, back=there, said=_said(application, made), event=active[-1] if active else None)
    context = {"application": application, "form": form, "back": back, "gone": gone, "here": f"?{urlencode({'api': named}, doseq=True)}"}
    return render(request, "applications/subscribe_plans.html", context, status=form.http_status)


def _said(application: Application, made: list[tuple[Subscription, Event]]) -> str:
    """Each with what became of it."""
    states = (f"{each.api} ({str(STATES[each.status][0]).lower()})" for each, _event in made)
    said = ngettext(
        "%(application)s asked for %(many)s API: %(states)s.", "%(application)s asked for %(many)s APIs: %(states)s.", len(made)
    )
    return said % {"application": application, "many": len(made), "states": listed(states)}


_AT = "t/<str:tenant>/apps/<uuid:pk>/subscribe/"
urlpatterns = [path(_AT, choose, name="app-subscribe"), path(f"{_AT}plans/", ask, name="app-subscribe-plans")]
