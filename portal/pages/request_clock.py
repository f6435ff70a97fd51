"""Within how many hours requests are to be answered."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import request_clock as actions
from apis.models import MOST_HOURS
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from portal.pages.plans import number
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


class ClockForm(PageForm):
    answer_hours = number(
        1,
        MOST_HOURS,
        required=False,
        label=gettext_lazy("Hours"),
        help_text=gettext_lazy("Left empty, no clock runs. A day has 24, a week 168."),
    )


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def clock(request: TenantRequest) -> HttpResponse:
    form = ClockForm(given(request), initial={"answer_hours": actions.policy().answer_hours})

    def change(typed: dict[str, Any]) -> Event | None:
        return actions.change(answer_hours=typed["answer_hours"], by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("The time to answer is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=reverse("console-request-rules", args=[request.tenant.slug]), said=said)
    return render(request, "requests/clock.html", {"form": form}, status=form.http_status)


urlpatterns = [path("t/<str:tenant>/console/request-clock/", clock, name="console-request-clock")]
