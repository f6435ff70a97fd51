"""A document that a job fetches or reads: how far it is, and on to where its sender was."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from apis import document_at
from apis.models import DocumentImport
from apis.openapi import Problem
from portal.pages.documents import Reading
from tenants.access import TenantRequest, tenant_view


def address_of(request: TenantRequest, begun: DocumentImport) -> str:
    return reverse("console-api-import", args=[request.tenant.slug, begun.pk])


def told(request: TenantRequest) -> dict[str, Any]:
    """What was told with a document that was refused, for the form to begin with."""
    try:
        rows = DocumentImport.objects.of(request.user).filter(pk=UUID(request.GET.get("import", "")))
    except ValueError:
        return {}
    found = rows.only("told", "url").first()
    return {**found.told, "document_url": found.url} if found else {}


@tenant_view("apis.publish")
@require_safe
def import_(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Its sender's alone."""
    rows = DocumentImport.objects.of(request.user).select_related("version__api", "revision")
    found: DocumentImport = get_object_or_404(rows.defer("revision__document"), pk=pk)
    if found.state == DocumentImport.State.READY:
        return _on(request, found)
    reading = Reading(found.document, None, tuple(Problem(**each) for each in found.problems))
    return render(
        request,
        "imports/import.html",
        {"import": found, "host": document_at.host_of(found.url), "reading": reading, "back": _back(request, found)},
    )


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
    page = reverse("console-api-new", args=[request.tenant.slug])
    if found.version:
        page = reverse("console-api-revision-new", args=[request.tenant.slug, found.version.api.slug, found.version.name])
    return f"{page}?import={found.pk}"


urlpatterns = [path("t/<str:tenant>/console/imports/<uuid:pk>/", import_, name="console-api-import")]
