"""The document of a version as callers should use it, at an address that stays: for people, code generators and AI agents."""

import gzip
import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from apis.actions.documents import document_of
from apis.models import LIVE_LARGE, Api, PublishedDocument
from portal.pages.catalogue import address_of, offered, token_url
from tenants.access import TenantRequest, shows_its_catalogue, tenant_view

# As Django's own compression has it, which would come after.
_ACCEPTS_GZIP = re.compile(r"\bgzip\b")


@tenant_view("apis.see_published", public=True)
@require_safe
def catalogue_document(request: TenantRequest, api: str, version: str, form: str) -> HttpResponse:
    """Who may see the API may have it; what has not changed since is not sent again (RFC 9110, section 13)."""
    found = get_object_or_404(offered(request), slug=api)
    of = get_object_or_404(found.versions.offered().select_related("live_revision").defer(*LIVE_LARGE), name=version)
    kind = PublishedDocument.Form(form)
    document = document_of(of, form=kind, address=address_of(request, found, of), token_url=token_url(request))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{found.slug}-{of.name}")
    answer = HttpResponse(
        content_type=PublishedDocument.MEDIA_TYPES[kind],
        headers={
            # Weak: it is the same compressed or not.
            "ETag": f'W/"{document.sha256[:32]}"',
            "Last-Modified": http_date(document.made_at.timestamp()),
            "Vary": "Accept-Encoding, Cookie",
            "Content-Disposition": f'attachment; filename="{name}.openapi.{kind.value}"',
        },
    )
    # May be kept, but not used without asking: it changes, and who may see it does.
    everybodys = found.visibility == Api.Visibility.PUBLIC and shows_its_catalogue(request.tenant)
    answer["Cache-Control"] = "public, no-cache" if everybodys else "private, no-cache"
    if everybodys:
        answer["Access-Control-Allow-Origin"] = "*"
        answer["Access-Control-Expose-Headers"] = "ETag, Last-Modified"
    modified = int(document.made_at.timestamp())
    if unchanged := _unchanged(request, answer, modified):
        return unchanged
    return _filled(request, answer, bytes(document.content))


def _unchanged(request: HttpRequest, answer: HttpResponse, modified: int) -> HttpResponse | None:
    """304 with the headers that would have stood on the answer, or 412."""
    said = get_conditional_response(request, etag=answer["ETag"], last_modified=modified, response=answer)
    return None if said is answer else said


def _filled(request: HttpRequest, answer: HttpResponse, content: bytes) -> HttpResponse:
    if _ACCEPTS_GZIP.search(request.headers.get("Accept-Encoding", "")):
        answer.content, answer["Content-Encoding"] = content, "gzip"
    else:
        answer.content = gzip.decompress(content)
    answer["Content-Length"] = str(len(answer.content))
    return answer


urlpatterns = [
    path(
        f"t/<str:tenant>/apis/<str:api>/<str:version>/openapi.{form}", catalogue_document, {"form": form}, name=f"catalogue-document-{form}"
    )
    for form in PublishedDocument.Form.values
]
