"""Whose page it is: in their language and their time zone."""

import zoneinfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from portal.errors import for_programs, reads_pages
from tenants.middleware import GetResponse


class PersonMiddleware:
    """Programs are answered in English and UTC; people as their profile says, else as their browser asks."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language, zone = "en", "UTC"
        if reads_pages(request):
            language = translation.get_language_from_request(request)
            request.LANGUAGE_CODE = language
            if request.user.is_authenticated:
                language, zone = request.user.language_or(language), request.user.time_zone
                request.LANGUAGE_CODE = language
        with translation.override(language), timezone.override(zoneinfo.ZoneInfo(zone)):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        if not for_programs(request):
            patch_vary_headers(response, ["Accept-Language"])
            # Back after signing out, a page would still show what only its reader may see.
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
