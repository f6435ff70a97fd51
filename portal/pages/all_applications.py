"""Everyone's applications, for those who look after the tenant: read only, but for secrets that have to end."""

from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from keys.models import Application
from portal.pages.application_tabs import chosen_tab, owns
from portal.pages.applications import rows_of
from portal.pages.listing import chosen, page_of, sought
from portal.templatetags.ui import STATES
from tenants.access import TenantRequest, tenant_view

_Environment, _Status = Application.Environment, Application.Status


def everyones(request: TenantRequest) -> QuerySet[Application]:
    return known(request).exclude(status=_Status.DELETED)


def known(request: TenantRequest) -> QuerySet[Application]:
    """With the deleted ones, which are only read."""
    return Application.objects.known_to(request.user, request.permissions).select_related("owner", "team", "suspended_by")


def matching(applications: QuerySet[Application], text: str) -> QuerySet[Application]:
    """Those whose name or client id has this text in it, or whose team's or owner's name or e-mail."""
    whose = Q(owner__name__icontains=text) | Q(owner__email__icontains=text) | Q(team__name__icontains=text)
    return applications.filter(Q(name__icontains=text) | Q(client_id__icontains=text) | whose)


@tenant_view("applications.see_all")
@require_safe
def console_applications(request: TenantRequest) -> HttpResponse:
    q, environment, status = sought(request), chosen(request, "environment", _Environment.values), chosen(request, "status", _Status.values)
    rows = known(request).filter(status=status) if status else everyones(request)
    if q:
        rows = matching(rows, q)
    if environment:
        rows = rows.filter(environment=environment)
    page = page_of(request, rows)
    states = [(each.value, STATES[each.value][0]) for each in _Status]
    context = {"page": page, "rows": rows_of(page.rows), "q": q, "environment": environment, "status": status, "states": states}
    return render(request, "all_applications/list.html", context)


@tenant_view("applications.see_all")
@require_safe
def console_application(request: TenantRequest, pk: UUID) -> HttpResponse:
    application = get_object_or_404(known(request), pk=pk)
    own = owns(request, application)
    # Of one of their own they ask; what is not active gets nothing new.
    adds = "subscriptions.decide" in request.permissions and application.status == _Status.ACTIVE and not own
    add = f"{reverse('console-subscription-add', args=[request.tenant.slug])}?application={application.pk}" if adds else ""
    context = {"own": own, "add_subscription": add}
    return render(request, "all_applications/application.html", {**chosen_tab(request, application), **context})


urlpatterns = [
    path("t/<str:tenant>/console/applications/", console_applications, name="console-applications"),
    path("t/<str:tenant>/console/applications/<uuid:pk>/", console_application, name="console-application"),
]
