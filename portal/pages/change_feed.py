"""The change log of an API as an Atom feed (RFC 4287), for whoever may see its page."""

import hashlib
import re

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import translation
from django.utils.cache import get_conditional_response
from django.utils.feedgenerator import Atom1Feed
from django.utils.http import http_date, quote_etag
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apis.change_log import happened
from apis.models import Api
from portal.pages import change_log
from portal.pages.catalogue import offered
from tenants.access import TenantRequest, tenant_view

# XML 1.0 §2.2 knows no way to write them, and a document's names may have them.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@tenant_view("apis.see_published", public=True)
@require_safe
def catalogue_feed(request: TenantRequest, api: str) -> HttpResponse:
    """The newest, those that its page shows first: programs keep what they have read.

    In the reader's language; a program that is signed in nowhere says by Accept-Language which that is.
    """
    found = get_object_or_404(offered(request), slug=api)
    language = translation.get_language_from_request(request)
    if request.user.is_authenticated:
        language = request.user.language_or(language)
    with translation.override(language):
        told = change_log.told(list(happened(found).order_by("-number")[: change_log.PAGE]), of=found)
        body = _written(request, found, told, language)
    etag = quote_etag(hashlib.sha256(body).hexdigest()[:32])
    changed = max((int(each.entry.changed_at.timestamp()) for each in told), default=None)
    answer = HttpResponse(body, content_type="application/atom+xml; charset=utf-8")
    # Nobody between keeps it, and its reader asks each time.
    answer["Cache-Control"], answer["ETag"], answer["Content-Language"] = "private, no-cache", etag, language
    if changed:
        answer["Last-Modified"] = http_date(changed)
    return get_conditional_response(request, etag=etag, last_modified=changed, response=answer) or answer


def _written(request: TenantRequest, api: Api, told: list[change_log.Told], language: str) -> bytes:
    place = [request.tenant.slug, api.slug]
    page, here = (settings.PORTAL_URL + reverse(name, args=place) for name in ("catalogue-api", "catalogue-feed"))
    feed = Atom1Feed(
        title=_plain(_("Changes of %(api)s at %(tenant)s") % {"api": api, "tenant": request.tenant}),
        link=f"{page}?tab=changes",
        description="",
        language=language,
        author_name=_plain(str(request.tenant)),
        feed_url=here,
        # It stays the same in whatever language.
        feed_guid=here,
    )
    for each in told:
        feed.add_item(
            title=_plain(each.title),
            link=f"{page}?tab=changes#{each.entry.pk}",
            description=_plain(render_to_string("catalogue/feed_entry.html", {"each": each})),
            unique_id=each.entry.pk.urn,
            pubdate=each.entry.at,
            updateddate=each.entry.changed_at,
        )
    return feed.writeString("utf-8").encode()


def _plain(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


urlpatterns = [path("t/<str:tenant>/apis/<str:api>/changes.atom", catalogue_feed, name="catalogue-feed")]
