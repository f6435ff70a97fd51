"""Time travel: what an application could call at a moment, and who had allowed it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apis.access_at import Access, Standing, access_at
from keys.models import Application
from portal.words import added
from portal.words import credential as credential_in_words
from tenants.access import TenantRequest, tenant_view

MOST_APPLICATIONS = 500
FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]


class Moment(forms.Form):
    application = forms.ChoiceField(
        label=gettext_lazy("Application"),
        error_messages={
            "required": gettext_lazy("Choose an application."),
            "invalid_choice": gettext_lazy("There is no such application."),
        },
    )
    at = forms.DateTimeField(
        label=gettext_lazy("Moment"),
        input_formats=FORMATS,
        widget=forms.DateTimeInput(format=FORMATS[0], attrs={"type": "datetime-local", "step": "1"}),
        error_messages={
            "required": gettext_lazy("Choose a day and a time."),
            "invalid": gettext_lazy("Write a moment such as 2027-03-31T14:30."),
        },
    )

    def __init__(self, *args: Any, chosen: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Application.objects.order_by("name", "pk").values_list("pk", "name")[:MOST_APPLICATIONS]
        found = {str(pk): name for pk, name in rows}
        if chosen not in found and (one := _application(chosen)) is not None:
            found[str(one.pk)] = str(one)
        self.fields["application"].choices = [("", "—"), *found.items()]  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"

    def clean_at(self) -> datetime:
        at: datetime = self.cleaned_data["at"]
        if not 1970 <= at.year < 3000:
            raise forms.ValidationError(_("Choose a year from 1970 to 2999."))
        if at > timezone.now():
            raise forms.ValidationError(_("This moment is still to come."))
        return at


def _application(text: str) -> Application | None:
    try:
        return Application.objects.filter(pk=UUID(text)).first()
    except ValueError:
        return None


@tenant_view("audit.read")
@require_safe
def console_event_time(request: TenantRequest) -> HttpResponse:
    asked = "at" in request.GET
    chosen = request.GET.get("application", "")
    initial = {"at": timezone.localtime().replace(microsecond=0), "application": chosen}
    form = Moment(request.GET if asked else None, chosen=chosen, initial=initial)
    context: dict[str, Any] = {"form": form, "zone": timezone.get_current_timezone_name()}
    if asked and form.is_valid():
        application = Application.objects.get(pk=form.cleaned_data["application"])
        context |= {"application": application, **_shown(access_at(application, form.cleaned_data["at"]))}
    return render(request, "audit/time.html", context, status=200 if not asked or form.is_valid() else 422)


def _shown(found: Access) -> dict[str, Any]:
    return {
        "access": found,
        "subscriptions": [_row(each, f"{each.row.api}", str(each.row.plan)) for each in found.subscriptions],
        "credentials": [_row(each, credential_in_words(each.row), each.row.get_kind_display()) for each in found.credentials],
    }


def _row(standing: Standing[Any], name: str, more: str) -> dict[str, Any]:
    allowed = standing.allowed
    return {
        "standing": standing,
        "name": name,
        "more": more,
        "reason": added(allowed.data) if allowed else "",
        "why": added(standing.by.data),
    }


urlpatterns = [path("t/<str:tenant>/console/audit/time/", console_event_time, name="console-event-time")]
