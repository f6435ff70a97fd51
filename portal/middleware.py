"""What is sent can be read; and whose page it is: in their language and their time zone."""

import re
import zoneinfo
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject
from django.utils.http import parse_header_parameters

from keys.urls import FOR_CLIENTS
from portal import browsers, provided
from portal.errors import for_programs, reads_pages
from tenants.middleware import GetResponse

_ASKS = re.compile(rf"^/t/([^/\x00]+)/oauth/({'|'.join(FOR_CLIENTS)})\Z")


class Utf8Request(WSGIRequest):
    """Its text is UTF-8. Django would read it by whatever codec of Python's the header names, before anything can answer for an error."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class ProgramsMiddleware:
    """Clients that ask for tokens, before everything that only pages and sessions need: that took half of the time of each token.

    What these endpoints let through is answered by Django's handlers, as anywhere.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.headers = {
            "Content-Language": "en",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": settings.X_FRAME_OPTIONS,
            "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        }
        if settings.SECURE_HSTS_SECONDS:
            self.headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = _ASKS.match(request.path_info)
        if found is None:
            return self.get_response(request)
        # It has no route of Django's that could say so.
        request.view_name = found[2]  # type: ignore[attr-defined]
        answer = FOR_CLIENTS[found[2]](request, found[1])
        for name, value in self.headers.items():
            answer[name] = value
        answer["Content-Length"] = str(len(answer.content))
        return answer


class WhoMiddleware(AuthenticationMiddleware):
    """Django's; and whom a tenant's identity provider signed in is that tenant's alone, wherever they are asked for."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: provided.who(request))  # type: ignore[assignment]


class LegibleMiddleware:
    """PostgreSQL can't be asked for a cookie that holds a NUL, and quoted one can."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for name in [name for name, value in request.COOKIES.items() if "\x00" in value]:
            del request.COOKIES[name]
        return self.get_response(request)


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
        if not for_programs(request) or response.status_code >= HTTPStatus.BAD_REQUEST:
            # Back after signing out, a page would still show what only its reader may see; and a refusal is over tomorrow.
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class BrowsersMiddleware:
    """Notes the browsers that people are signed in with, for their list of sessions: after the answer, which may have signed them in."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not for_programs(request) and response.status_code < 500 and request.user.is_authenticated:
            browsers.note(request)
        return response
