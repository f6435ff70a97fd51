"""The end of a tenant: taking its data away, closing it, and taking that back."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from portal import exports
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from tenants.access import TenantRequest, even_suspended, inside, own_scope, tenant_view
from tenants.models import Tenant
from tenants.people import tenants
from tenants.people.tenants import MAX_REASON


class CloseForm(PageForm):
    name = Text(most=80, label=gettext_lazy("The tenant's name"))
    reason = Text(most=MAX_REASON, lines=3, label=gettext_lazy("Why"), help_text=gettext_lazy("Its members read this on every page."))


@tenant_view("settings.manage")
@even_suspended
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def console_settings_export(request: TenantRequest) -> HttpResponseBase:
    """Say what the file holds; then send it."""
    if request.method == "POST":
        found = exports.lines(request.tenant)
        with inside(request, "settings.manage"):
            exports.write_down(by=request.user)
        return exports.answer(request.tenant, found)
    with inside(request, "settings.manage"):
        question = asking.Question(
            title=_("Export all data of %(tenant)s?") % {"tenant": request.tenant.name},
            says=_(
                "A file of JSON lines: members, APIs with their documents, applications, subscriptions and the audit. Secrets stay here."
            ),
            button=_("Export"),
            back=reverse("console-settings", args=[request.tenant.slug]),
            done="",
        )
        return asking.asked(request, question, PageForm())


@tenant_view("settings.manage")
@even_suspended
@require_http_methods(["GET", "HEAD", "POST"])
def console_settings_close(request: TenantRequest) -> HttpResponse:
    if request.method != "POST" and request.tenant.status == Tenant.Status.CLOSING:
        return redirect("console-settings-reopen", request.tenant.slug)
    question = asking.Question(
        title=_("Close %(tenant)s?") % {"tenant": request.tenant.name},
        says=_("From now on every call is refused, and nobody changes anything here. After %(days)s days all of it is erased, for good.")
        % {"days": settings.TENANT_CLOSING.days},
        note=asking.Note(_("Until then admins can export the data or reopen the tenant."), tone="wait"),
        button=_("Close the tenant"),
        back=reverse("console-settings", args=[request.tenant.slug]),
        done=_("The tenant is closing."),
        danger=True,
    )
    return asking.ask(request, question, CloseForm(given(request)), lambda data: _closed(request, data))


def _closed(request: TenantRequest, data: dict[str, Any]) -> Any:
    return tenants.close(name=data["name"], reason=data["reason"], by=request.user)


@tenant_view("settings.manage")
@even_suspended
@require_http_methods(["GET", "HEAD", "POST"])
def console_settings_reopen(request: TenantRequest) -> HttpResponse:
    back = reverse("console-settings", args=[request.tenant.slug])
    if request.method != "POST" and request.tenant.status != Tenant.Status.CLOSING:
        return redirect(back)
    question = asking.Question(
        title=_("Reopen %(tenant)s?") % {"tenant": request.tenant.name},
        says=_("Its calls pass again, and nothing is erased. If an operator had suspended it before, it is suspended again."),
        button=_("Reopen the tenant"),
        back=back,
        done=_("The tenant is open again."),
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: tenants.reopen(by=request.user))


urlpatterns = [
    path("t/<str:tenant>/console/settings/export/", console_settings_export, name="console-settings-export"),
    path("t/<str:tenant>/console/settings/close/", console_settings_close, name="console-settings-close"),
    path("t/<str:tenant>/console/settings/reopen/", console_settings_reopen, name="console-settings-reopen"),
]
