"""A revision by what its address says, and its address."""

from django.shortcuts import get_object_or_404
from django.urls import reverse

from apis.models import LIVE_LARGE, Revision
from tenants.access import TenantRequest


def revision_at(api: str, version: str, number: int) -> Revision:
    """:raises Http404: there is none."""
    rows = Revision.objects.select_related("version__api", "version__live_revision", "upstream", "created_by", "tester")
    rows = rows.defer("document", "outline", *(f"version__{name}" for name in LIVE_LARGE))
    found: Revision = get_object_or_404(rows, version__api__slug=api, version__name=version, number=number)
    return found


def address_of(request: TenantRequest, revision: Revision) -> str:
    version = revision.version
    return reverse("console-api-revision", args=[request.tenant.slug, version.api.slug, version.name, revision.number])
