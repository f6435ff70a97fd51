"""Alerts about how calls go: what somebody wants to hear of."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.models import Api
from gateway import usage_alerts
from gateway.models import UsageAlert
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.plans import number
from portal.pages.usage import MOST_CHOICES
from tenants.access import TenantRequest, tenant_view
from tenants.limits import USAGE_ALERTS
from tenants.models import Event

_Kind = UsageAlert.Kind


class AlertForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("As it stands in the inbox and in mails."))
    kind = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[
            (_Kind.ERROR_RATE, gettext_lazy("Error rate: percent of calls that fail (5xx)")),
            (_Kind.P95, gettext_lazy("Latency: p95 of answers in milliseconds")),
            (_Kind.NO_TRAFFIC, gettext_lazy("No traffic: no call, where there were some the day before")),
        ],
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    threshold = number(
        0,
        usage_alerts.MOST_MS,
        label=gettext_lazy("Threshold"),
        help_text=gettext_lazy("The alert opens at this percentage or these milliseconds. No traffic needs none."),
        initial=5,
    )
    minutes = number(1, usage_alerts.MOST_MINUTES, label=gettext_lazy("Window in minutes"), initial=5)
    fewest_calls = number(
        1,
        usage_alerts.MOST_CALLS,
        label=gettext_lazy("Calls needed in the window"),
        help_text=gettext_lazy("With fewer calls, a single failure says little."),
        initial=20,
    )
    cooldown_minutes = number(
        0,
        usage_alerts.MOST_MINUTES,
        label=gettext_lazy("Pause in minutes"),
        help_text=gettext_lazy("How long a closed alert waits before it may open again."),
        initial=30,
    )


_NONE = {"invalid_choice": gettext_lazy("Choose one of these.")}


class NewForm(AlertForm):
    api = forms.ChoiceField(required=False, label=gettext_lazy("API"), error_messages=_NONE)
    application = forms.ChoiceField(required=False, label=gettext_lazy("Application"), error_messages=_NONE)

    field_order = ["name", "api", "application"]

    def __init__(self, *args: Any, request: TenantRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sees_apis = bool(request.permissions & {"usage.see", "apis.see_all"})
        apis = Api.objects.all() if sees_apis else Api.objects.readable_by(request.user, request.permissions)
        applications = Application.objects.standing()
        if "usage.see" not in request.permissions:
            applications = Application.objects.visible_to(request.user, request.permissions)
        choices: dict[str, list[tuple[str, str]]] = {
            "api": list(apis.order_by("name", "pk").values_list("slug", "name")[:MOST_CHOICES]),
            "application": [(str(pk), name) for pk, name in applications.order_by("name", "pk").values_list("pk", "name")[:MOST_CHOICES]],
        }
        for name, among in choices.items():
            self.fields[name].choices = [("", _("All")), *among]  # type: ignore[attr-defined]
        self.request = request

    def clean(self) -> dict[str, Any]:
        typed: dict[str, Any] = super().clean() or {}
        typed["api"] = Api.objects.filter(slug=typed["api"]).first() if typed.get("api") else None
        pk = typed.get("application")
        typed["application"] = Application.objects.filter(pk=pk).first() if pk else None
        about = {name: typed[name] for name in ("api", "application")}
        if not self.errors and not usage_alerts.may_watch(self.request.user, self.request.permissions, **about):
            self.add_error("application", _("Choose an application of yours: of all calls you see those of your own alone."))
        return typed


def _row(alert: UsageAlert, *, changeable: bool) -> dict[str, Any]:
    return {"alert": alert, "words": in_words(alert), "changeable": changeable}


def in_words(alert: UsageAlert) -> str:
    """When it is opened, in a line."""
    told = {"threshold": alert.threshold, "minutes": alert.minutes, "calls": alert.fewest_calls}
    if alert.kind == _Kind.ERROR_RATE:
        return _("%(threshold)s %% of calls fail within %(minutes)s min, of at least %(calls)s") % told
    if alert.kind == _Kind.P95:
        return _("p95 is %(threshold)s ms or more within %(minutes)s min, of at least %(calls)s calls") % told
    return _("no call within %(minutes)s min") % told


@tenant_view("tenant.see")
@require_safe
def alerts(request: TenantRequest) -> HttpResponse:
    rows = UsageAlert.objects.visible_to(request.user, request.permissions).for_list()[:USAGE_ALERTS]
    theirs = set(UsageAlert.objects.changeable_by(request.user, request.permissions).values_list("pk", flat=True))
    return render(request, "usage/alerts.html", {"rows": [_row(each, changeable=each.pk in theirs) for each in rows]})


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest) -> HttpResponse:
    initial = {"api": request.GET.get("api", ""), "application": request.GET.get("application", ""), "kind": _Kind.ERROR_RATE.value}
    form = NewForm(given(request), request=request, initial=initial)

    def create(typed: dict[str, Any]) -> UsageAlert:
        return usage_alerts.create(**{name: value for name, value in typed.items() if name != "once"}, by=request.user)

    if done := asking.carried_out(request, form, create):
        said = _("“%(alert)s” is looked at each minute from now on.") % {"alert": done.result}
        return asking.finished(request, back=_list(request), said=said)
    return render(request, "usage/alert_form.html", {"form": form}, status=form.http_status)


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _alert(request, pk)
    form = AlertForm(given(request), initial={name: getattr(found, name) for name in usage_alerts.FIELDS})

    def change(typed: dict[str, Any]) -> Event | None:
        return usage_alerts.change(found, **{name: value for name, value in typed.items() if name != "once"}, by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("The alert is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=_list(request), said=said)
    return render(request, "usage/alert_form.html", {"form": form, "alert": found}, status=form.http_status)


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def mute(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Ask, then mute it or let it tell again."""
    found = _alert(request, pk)
    names = {"alert": found}
    question = asking.Question(
        title=(_("Let “%(alert)s” tell again?") if found.muted else _("Mute “%(alert)s”?")) % names,
        says=_("It is looked at each minute again.") if found.muted else _("It is not looked at, and tells nobody, until it is let."),
        button=_("Let it tell") if found.muted else _("Mute it"),
        back=_list(request),
        done=(_("“%(alert)s” is looked at again.") if found.muted else _("“%(alert)s” is muted.")) % names,
    )
    form = PageForm(given(request))
    return asking.ask(request, question, form, lambda _data: _silent(usage_alerts.change(found, muted=not found.muted, by=request.user)))


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _alert(request, pk)
    question = asking.Question(
        title=_("Delete the alert “%(alert)s”?") % {"alert": found},
        says=_("Nobody hears of it any more."),
        button=_("Delete the alert"),
        danger=True,
        back=_list(request),
        done=_("The alert “%(alert)s” is deleted.") % {"alert": found},
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: _silent(usage_alerts.delete(found, by=request.user)))


def _silent(_event: Event | None) -> None:
    """Gateways hear nothing of alerts, so there is no receipt."""


def _list(request: TenantRequest) -> str:
    return reverse("usage-alerts", args=[request.tenant.slug])


def _alert(request: TenantRequest, pk: UUID) -> UsageAlert:
    theirs = UsageAlert.objects.changeable_by(request.user, request.permissions)
    found: UsageAlert = get_object_or_404(theirs.for_list(), pk=pk)
    return found


_HERE = "t/<str:tenant>/usage-alerts/"
urlpatterns = [
    path(_HERE, alerts, name="usage-alerts"),
    path(f"{_HERE}new/", new, name="usage-alert-new"),
    path(f"{_HERE}<uuid:pk>/edit/", edit, name="usage-alert-edit"),
    path(f"{_HERE}<uuid:pk>/mute/", mute, name="usage-alert-mute"),
    path(f"{_HERE}<uuid:pk>/delete/", delete, name="usage-alert-delete"),
]
