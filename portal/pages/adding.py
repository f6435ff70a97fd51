"""A subscription that nobody asked for: choose an application, an API and a plan, and say why."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import adding
from apis.models import Api, ApiVersion, Plan, Subscription
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.all_applications import matching
from portal.pages.listing import sought
from portal.pages.subscribing import PlanChoice
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

# So many stand there to be chosen from; searching finds the others.
SHOWN = 20


class AddForm(PageForm):
    plan = PlanChoice(
        None,
        empty_label=None,
        widget=forms.RadioSelect,
        label=gettext_lazy("Plan"),
        error_messages={"invalid_choice": gettext_lazy("This plan is not offered any more. Choose another.")},
    )
    reason = Text(
        most=500,
        lines=3,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The application's people read it, and it stays with the subscription as what it is for."),
    )

    def __init__(self, *args: Any, plans: QuerySet[Plan], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["plan"].queryset = plans  # type: ignore[attr-defined]


def that_can_begin(apis: QuerySet[Api], plans: QuerySet[Plan]) -> QuerySet[Api]:
    """Those to which something new can subscribe under one of the plans."""
    begins = ApiVersion.objects.filter(api=OuterRef("pk"), status__in=ApiVersion.BEGINNING)
    return apis.filter(Exists(begins), Exists(plans.filter(api=OuterRef("pk"))))


def not_taken(apis: QuerySet[Api], application: Application) -> QuerySet[Api]:
    """Those to which this application has no open subscription."""
    return apis.exclude(Exists(Subscription.objects.open().filter(application=application, api=OuterRef("pk"))))


def called(apis: QuerySet[Api], text: str) -> QuerySet[Api]:
    """Those with this text in their name, slug or description."""
    return apis.filter(Q(name__icontains=text) | Q(slug__icontains=text) | Q(description__icontains=text)) if text else apis


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: TenantRequest) -> HttpResponse:
    """What is not chosen yet is chosen first: `?application=` and `?api=` are what is."""
    plans = Plan.objects.offered().visible_to(request.user, request.permissions)
    applications = Application.objects.visible_to(request.user, request.permissions).select_related("owner", "team")
    application, api = _application(request, applications), _api(request, plans)
    context: dict[str, Any] = {"application": application, "api": api, "q": sought(request), "own": False}
    if application is None:
        active = applications.filter(status=Application.Status.ACTIVE)
        found = (matching(active, context["q"]) if context["q"] else active).order_by("name", "pk")
        return render(request, "subscriptions/add.html", {**context, **_choice(found, "application", api=api.slug if api else "")})
    if api is None:
        rows = not_taken(that_can_begin(Api.objects.readable_by(request.user, request.permissions), plans), application)
        named = called(rows, context["q"]).order_by("name", "pk")
        return render(request, "subscriptions/add.html", {**context, **_choice(named, "api", application=str(application.pk))})
    offered = plans.filter(api=api).order_by("id")
    form = AddForm(given(request), plans=offered, initial={"plan": str(offered[0].pk)} if len(offered) == 1 else {})

    def act(typed: dict[str, Any]) -> tuple[Subscription, Event]:
        return adding.add(application, api=api, plan=typed["plan"], reason=typed["reason"], by=request.user)

    if done := asking.carried_out(request, form, act):
        made, event = done.result
        said = _("%(application)s is subscribed to %(api)s.") % {"application": application, "api": api}
        return asking.finished(request, back=reverse("console-subscription", args=[request.tenant.slug, made.pk]), said=said, event=event)
    context |= {"form": form, "own": application.is_own_of(request.user)}
    return render(request, "subscriptions/add.html", context, status=form.http_status)


def _application(request: TenantRequest, among: QuerySet[Application]) -> Application | None:
    try:
        return among.filter(pk=UUID(request.GET.get("application", ""))).first()
    except ValueError:
        return None


def _api(request: TenantRequest, plans: QuerySet[Plan]) -> Api | None:
    rows = that_can_begin(Api.objects.readable_by(request.user, request.permissions), plans)
    return rows.filter(slug=request.GET.get("api", "").replace("\x00", "")[:40]).first()


def _choice(found: QuerySet[Any], name: str, **chosen: str) -> dict[str, Any]:
    """The first of what can be chosen, each with where that leads."""
    rows = list(found[: SHOWN + 1])
    kept = {key: value for key, value in chosen.items() if value}
    links = [(each, f"?{urlencode({**kept, name: each.slug if isinstance(each, Api) else each.pk})}") for each in rows[:SHOWN]]
    return {"choosing": name, "rows": links, "more": len(rows) > SHOWN}


urlpatterns = [path("t/<str:tenant>/console/subscriptions/add/", add, name="console-subscription-add")]
