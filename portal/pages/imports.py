"""A document that a job reads: how far it is, and on to where its sender was."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from apis.models import DocumentImport
from apis.openapi import Problem
from portal.pages.documents import Reading
from tenants.access import TenantRequest, tenant_view


def address_of(request: TenantRequest, begun: DocumentImport) -> str:
    return reverse("console-api-import", args=[request.tenant.slug, begun.pk])


@tenant_view("apis.publish")
@require_safe
def import_(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Its sender's alone."""
    rows = DocumentImport.objects.of(request.user).select_related("version__api", "revision")
    found: DocumentImport = get_object_or_404(rows.defer("revision__document"), pk=pk)
    if found.state == DocumentImport.State.READY:
        return _on(request, found)
    reading = Reading(found.document, None, tuple(Problem(**each) for each in found.problems))
    return render(request, "imports/import.html", {"import": found, "reading": reading, "back": _back(request, found)})


def _on(request: TenantRequest, found: DocumentImport) -> HttpResponse:
    address = reverse("console-api-new-check", args=[request.tenant.slug])
    if found.version and found.revision:
        address = reverse(
            "console-api-revision", args=[request.tenant.slug, found.version.api.slug, found.version.name, found.revision.number]
        )
        said = _("%(revision)s is there. Nothing changes for callers before it is made live.") % {"revision": found.revision}
        messages.success(request, said)
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else redirect(address)


def _back(request: TenantRequest, found: DocumentImport) -> str:
    """To the form that it was sent with, with what was told there."""
    if found.version is None:
        return reverse("console-api-new", args=[request.tenant.slug])
    page = reverse("console-api-revision-new", args=[request.tenant.slug, found.version.api.slug, found.version.name])
    return f"{page}?import={found.pk}"


urlpatterns = [path("t/<str:tenant>/console/imports/<uuid:pk>/", import_, name="console-api-import")]
