"""Logs of an API's calls: where each call is told to, what of it, what is masked, and how that goes."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.models import Api
from gateway import log_shipping, logged
from gateway.models import LogShipping
from gateway.serializers_log_shipping import sentence, test_of
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import api_page
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

_LISTS = ("request_headers", "response_headers", "masked_headers", "masked_paths")


def _lines(**more: Any) -> Text:
    """One entry per line, as machines write them."""
    widget = forms.Textarea(attrs={"class": "mono", "rows": 3, "spellcheck": "false", "autocomplete": "off"})
    return Text(most=5_000, empty=True, widget=widget, **more)


class LoggingForm(PageForm):
    """`seen`: what was there when the page was made."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=16)
    enabled = forms.BooleanField(required=False, label=gettext_lazy("Calls of this API are logged"))
    destination = forms.ChoiceField(
        widget=forms.RadioSelect,
        label=gettext_lazy("Where to"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    url = Text(
        most=500,
        empty=True,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Of HTTP and OTLP. It begins with https://; that of OTLP often ends with /v1/logs."),
    )
    form = forms.ChoiceField(
        widget=forms.RadioSelect,
        choices=LogShipping.Form.choices,
        label=gettext_lazy("What an HTTP destination gets"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    secret = Text(
        most=logged.MAX_AUTHORIZATION,
        empty=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        label=gettext_lazy("Authorization"),
        help_text=gettext_lazy("What stands behind “Authorization:”, such as Bearer abc. It is sealed and never shown. Empty leaves it."),
    )
    without_secret = forms.BooleanField(required=False, label=gettext_lazy("Take the authorization away"))
    percent = forms.DecimalField(
        max_digits=5,
        decimal_places=2,
        label=gettext_lazy("Share of calls, in percent"),
        help_text=gettext_lazy("Chosen by the request's id, so that all gateways choose the same. Counts of usage have every call."),
        error_messages={"invalid": gettext_lazy("Write a number, such as 10 or 0.5.")},
    )
    fields_told = forms.MultipleChoiceField(
        choices=[(name, name) for name in logged.FIELDS],
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("What a record has"),
        error_messages={"invalid_choice": gettext_lazy("Choose among these.")},
    )
    request_headers = _lines(
        label=gettext_lazy("Headers of calls"),
        help_text=gettext_lazy("One name per line. Such as Authorization and Cookie are never logged."),
    )
    response_headers = _lines(label=gettext_lazy("Headers of answers"), help_text=gettext_lazy("One name per line."))
    masked_headers = _lines(
        label=gettext_lazy("Of these headers only that they were there"),
        help_text=gettext_lazy("One name per line. Their values are replaced before they leave the gateway."),
    )
    masked_paths = _lines(
        label=gettext_lazy("JSON paths whose values are replaced"),
        help_text=gettext_lazy("One per line, into the record: $.query.email, $.claims.sub or $.request_headers['x-customer']."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = [each for each in LogShipping.Destination.choices if settings.LOG_SHIPPING_FOLDER or each[0] != "file"]
        self.fields["destination"].choices = kinds  # type: ignore[attr-defined]
        self.fields["fields_told"].error_messages["required"] = _("Choose at least one.")

    def add_error(self, field: str | None, error: Any) -> None:
        """The action's names of two fields are others."""
        names = {"fields": "fields_told", "authorization": "secret"}
        super().add_error(names.get(field or "", field), error)


def _initial(row: LogShipping | None) -> dict[str, Any]:
    kept: dict[str, Any] = {name: getattr(row, name) for name in logged.NAMES} if row else dict(log_shipping.DEFAULTS)
    lists = {name: "\n".join(kept[name]) for name in _LISTS}
    percent = f"{kept['percent']:f}"
    # Not 10.00 of 10.
    percent = percent.rstrip("0").rstrip(".") if "." in percent else percent
    told = {"fields_told": list(kept["fields"]), "percent": percent, "destination": str(kept["destination"]), "form": str(kept["form"])}
    return {**told, **lists, "url": kept["url"], "enabled": row.enabled if row else False, "seen": log_shipping.stamp(row)}


def _in_order(chosen: list[str], row: LogShipping | None) -> list[str]:
    """As somebody ordered them over REST, where they are still chosen."""
    before = list(row.fields) if row else []
    return [*(name for name in before if name in chosen), *(name for name in logged.FIELDS if name in chosen and name not in before)]


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_logs(request: TenantRequest, api: str) -> HttpResponse:
    found: Api = get_object_or_404(Api.objects, slug=api)
    row = log_shipping.of(found)
    form = LoggingForm(given(request), initial=_initial(row))

    def change(typed: dict[str, Any]) -> Event | None:
        rules = {name: typed[name] for name in ("destination", "url", "form", "percent")}
        rules |= {name: typed[name].split("\n") for name in _LISTS}
        rules["fields"] = _in_order(typed["fields_told"], row)
        secret = "" if typed["without_secret"] else typed["secret"] or None
        return log_shipping.put(
            found, enabled=typed["enabled"], rules=rules, authorization=secret, seen=typed["seen"] or None, by=request.user
        )

    if done := asking.carried_out(request, form, change):
        on = _("Calls of %(api)s are logged as you said.") if form.cleaned_data["enabled"] else _("Calls of %(api)s are not logged.")
        said = on % {"api": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=_here(request, found), said=said, event=done.result)
    return render(request, "apis/logs.html", {"form": form, "api": found, **_standing(row)}, status=form.http_status)


def _standing(row: LogShipping | None) -> dict[str, Any]:
    if row is None:
        return {}
    host = logged.host_of(row.url)
    trouble = sentence(row.state.trouble, row.state.answered, host)
    return {"shipping": row, "state": row.state, "trouble": trouble, "test": test_of(row)}


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_logs_test(request: TenantRequest, api: str) -> HttpResponse:
    """Sent by the usage process within seconds; the page shows what came of it."""
    found: Api = get_object_or_404(Api.objects, slug=api)
    question = asking.Question(
        title=_("Send a test record?"),
        says=_("One record of no call is sent to the destination as it was saved, also while logging is off. It says that it is a test."),
        button=_("Send it"),
        back=_here(request, found),
        done=_("The test is on its way. Load this page again in a moment."),
    )
    return _asked(request, found, question, lambda: log_shipping.ask_test(found))


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_logs_remove(request: TenantRequest, api: str) -> HttpResponse:
    found: Api = get_object_or_404(Api.objects, slug=api)
    question = asking.Question(
        title=_("Remove the logging of calls of %(api)s?") % {"api": found},
        says=_("Calls are logged no more. The destination, its authorization and these counts are forgotten. This can't be undone."),
        button=_("Remove it"),
        back=api_page(request, found),
        done=_("Calls of %(api)s are not logged any more.") % {"api": found},
        danger=True,
    )

    def act() -> None:
        log_shipping.remove(found, by=request.user)

    return _asked(request, found, question, act)


def _asked(request: TenantRequest, api: Api, question: asking.Question, act: Callable[[], None]) -> HttpResponse:
    if request.method != "POST" and log_shipping.of(api) is None:
        return redirect(_here(request, api))
    return asking.ask(request, question, PageForm(given(request)), lambda _typed: act())


def _here(request: TenantRequest, api: Api) -> str:
    return reverse("console-api-logs", args=[request.tenant.slug, api.slug])


_HERE = "t/<str:tenant>/console/apis/<str:api>/logs/"
urlpatterns = [
    path(_HERE, api_logs, name="console-api-logs"),
    path(f"{_HERE}test/", api_logs_test, name="console-api-logs-test"),
    path(f"{_HERE}remove/", api_logs_remove, name="console-api-logs-remove"),
]
