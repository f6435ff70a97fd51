"""Whose page it is: in their language and their time zone."""

import zoneinfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from portal.errors import for_programs
from tenants.middleware import GetResponse


class PersonMiddleware:
    """Programs are answered in English and UTC; people as their profile says, else as their browser asks."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language, zone = "en", "UTC"
        if not for_programs(request):
            language = translation.get_language_from_request(request)
            if request.user.is_authenticated:
                language, zone = request.user.language or language, request.user.time_zone
        with translation.override(language), timezone.override(zoneinfo.ZoneInfo(zone)):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response
