"""For operators: the tenants that were erased, with the certificates of what was."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_safe

from portal.pages.listing import page_of, sought
from tenants.access import operator_view
from tenants.models import ErasedTenant


@operator_view
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """The last one at the top."""
    rows, q = ErasedTenant.objects.all(), sought(request)
    if q:
        rows = rows.filter(slug__icontains=q)
    return render(request, "platform/erased.html", {"page": page_of(request, rows, by="erased_at"), "q": q})


@operator_view
@require_safe
def certificate(request: HttpRequest, pk: UUID) -> HttpResponse:  # noqa: ARG001  (a view)
    """A file, as it was signed."""
    found = get_object_or_404(ErasedTenant, pk=pk)
    if not found.is_signed:
        raise Http404
    disposition = f'attachment; filename="{found.slug}-erasure.jwt"'
    return HttpResponse(found.certificate, content_type="application/jwt", headers={"Content-Disposition": disposition})


urlpatterns = [
    path("platform/erased/", listed, name="platform-tenants-erased"),
    path("platform/erased/<uuid:pk>/certificate/", certificate, name="platform-tenants-certificate"),
]
