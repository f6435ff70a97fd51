"""New applications that wait for an approver, where the tenant has people approve them."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apis.models import Subscription
from keys.actions import application_approvals
from keys.models import Application
from portal.forms import PageForm, ReasonForm
from portal.kept import given
from portal.pages import asking
from portal.pages.listing import page_of
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event, TenantSettings, teams_of


@tenant_view("subscriptions.see_all")
@require_safe
def waiting(request: TenantRequest) -> HttpResponse:
    """Who waits, the newest first."""
    page = page_of(request, Application.objects.waiting().select_related("owner", "team"))
    decides, teams = "subscriptions.decide" in request.permissions, teams_of(request.user)
    rows = [{"application": each, "may": decides and not each.belongs_to(request.user, teams)} for each in page.rows]
    context: dict[str, Any] = {
        "page": page,
        "rows": rows,
        "show": "applications",
        "count": Subscription.objects.filter(status=Subscription.Status.PENDING).count(),
        "applications": page.total,
        "needed": TenantSettings.objects.filter(applications_need_approval=True).exists(),
    }
    return render(request, "requests/applications.html", context)


def _application(pk: UUID) -> Application:
    """Anybody's: who decides requests decides about those who make them."""
    found: Application = get_object_or_404(Application.objects.standing().select_related("owner", "team"), pk=pk)
    return found


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def approve(request: TenantRequest, pk: UUID) -> HttpResponse:
    application = _application(pk)
    names = {"application": application, "whose": application.whose}
    question = asking.Question(
        title=_("Approve %(application)s?") % names,
        says=_("%(application)s of %(whose)s may ask for subscriptions and get credentials from now on.") % names,
        note=asking.Note(application.purpose),
        button=_("Approve"),
        back=_back(request),
        done=_("%(application)s is approved.") % names,
    )
    form = PageForm(given(request))
    return asking.ask(request, question, form, lambda _data: application_approvals.approve(application, by=request.user))


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def reject(request: TenantRequest, pk: UUID) -> HttpResponse:
    application = _application(pk)
    names = {"application": application, "whose": application.whose}
    question = asking.Question(
        title=_("Reject %(application)s?") % names,
        says=_("%(application)s of %(whose)s gets nothing, for good. Its people may delete it and register another.") % names,
        note=asking.Note(application.purpose),
        button=_("Reject"),
        danger=True,
        back=_back(request),
        done=_("%(application)s is rejected.") % names,
    )

    def act(typed: dict[str, Any]) -> Event:
        return application_approvals.reject(application, reason=typed["reason"], by=request.user)

    return asking.ask(request, question, ReasonForm(given(request)), act)


def _back(request: TenantRequest) -> str:
    return reverse("console-request-applications", args=[request.tenant.slug])


_HERE = "t/<str:tenant>/console/request-applications/"
urlpatterns = [
    path(_HERE, waiting, name="console-request-applications"),
    path(f"{_HERE}<uuid:pk>/approve/", approve, name="console-request-application-approve"),
    path(f"{_HERE}<uuid:pk>/reject/", reject, name="console-request-application-reject"),
]
