"""The audit as a file, for people: all of it with its proof, or what the list was narrowed to."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.choices import flatten_choices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from keys import rest_audit
from keys.actions import audit_exports, audit_keys
from portal.forms import PageForm
from portal.pages.audit import Filter
from tenants import throttle
from tenants.access import TenantRequest, inside, own_scope, tenant_view
from tenants.errors import Invalid
from tenants.models import Event

JSON_LINES, CSV = audit_exports.JSON_LINES, audit_exports.CSV
HIGHEST = 2**63 - 1


class ExportForm(PageForm):
    format = forms.ChoiceField(
        label=gettext_lazy("As what"),
        choices=[
            (JSON_LINES, gettext_lazy("JSON lines: whole, with the proof that nobody changed it")),
            (CSV, gettext_lazy("CSV: for a spreadsheet, without a proof")),
        ],
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    first = forms.IntegerField(label=gettext_lazy("From event"), required=False, min_value=1, max_value=HIGHEST)
    last = forms.IntegerField(label=gettext_lazy("To event"), required=False, min_value=1, max_value=HIGHEST)


@own_scope
@tenant_view("audit.read")
@require_http_methods(["GET", "HEAD", "POST"])
def console_event_export(request: TenantRequest) -> HttpResponse:
    """GET asks how; POST answers with the file. The address's query is the list's filter, for CSV."""
    if request.method != "POST":
        with inside(request, "audit.read"):
            narrowed = _narrowed(request)
            return _asked(request, ExportForm(initial={"format": CSV if narrowed else JSON_LINES}), narrowed)
    # Before any lock is taken: what keeps the key-encryption key may be far away.
    key = audit_keys.signer()
    with inside(request, "audit.read"):
        narrowed, form = _narrowed(request), ExportForm(request.POST)
        span = _exported(request, form, narrowed) if form.is_valid() else None
        if span is None:
            return _asked(request, form, narrowed, status=422)
        rows = _filter(request).narrow(Event.objects.all()).events if narrowed else Event.objects.all()
    if form.cleaned_data["format"] == JSON_LINES:
        return rest_audit.download(span, JSON_LINES, audit_exports.json_lines(span, key))
    return rest_audit.download(span, CSV, audit_exports.csv_rows(span, lambda: rows))


def _exported(request: TenantRequest, form: ExportForm, narrowed: dict[str, str]) -> audit_exports.Span | None:
    given = form.cleaned_data
    filters: dict[str, Any] = narrowed if given["format"] == CSV else {}
    throttle.attempt(f"audit export {request.user.pk}", limit=rest_audit.EXPORTS, seconds=60)
    try:
        return audit_exports.export(
            request.tenant, form=given["format"], by=request.user, first=given["first"], last=given["last"], **filters
        )
    except Invalid as refusal:
        form.refuse(refusal)
        return None


def _filter(request: HttpRequest) -> Filter:
    form = Filter(request.GET)
    form.is_valid()
    return form


def _narrowed(request: HttpRequest) -> dict[str, str]:
    """The list's filter as it was set; a filter that can't be used narrowed nothing."""
    form = Filter(request.GET)
    return {name: request.GET[name] for name in form.fields if request.GET.get(name)} if form.is_valid() else {}


def _asked(request: TenantRequest, form: ExportForm, narrowed: dict[str, str], *, status: int = 200) -> HttpResponse:
    fields = Filter(request.GET).fields
    shown = [(fields[name].label, _in_words(fields[name], value)) for name, value in narrowed.items()]
    context = {"form": form, "narrowed": shown, "here": _("Export")}
    return render(request, "audit/export.html", context, status=status)


def _in_words(field: Any, value: str) -> str:
    """What is chosen as the list shows it; kinds stand in groups."""
    choices = getattr(field, "choices", [])
    words = dict(flatten_choices(choices))
    return str(words.get(value, value))


urlpatterns = [path("t/<str:tenant>/console/audit/export/", console_event_export, name="console-event-export")]
