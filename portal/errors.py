"""Every refusal, translated once: problem+json (RFC 9457) for REST, a page for people."""

import logging
import re
import sys
from collections.abc import Callable, ItemsView
from http import HTTPStatus
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.debug import SafeExceptionReporterFilter
from django_htmx.http import reselect, reswap, retarget
from rest_framework.exceptions import APIException, NotAuthenticated, ValidationError
from rest_framework.response import Response
from rest_framework.views import set_rollback
from rest_framework_simplejwt.exceptions import InvalidToken

from keys.envelope import Unavailable, Unreadable
from portal.kept import came_from_here, repeatable, second_factor_first, send_again, sign_in_first
from tenants.access import PasswordNeeded, SecondFactorNeeded, SignInNeeded
from tenants.errors import Busy, Invalid, NotAllowed
from tenants.origin import origin
from tenants.patient import may_be_done
from tenants.throttle import TooMany

log = logging.getLogger(__name__)

NOT_FOUND = _("There is nothing here, or nothing that you may see.")
# Addresses below a tenant that no person opens.
PROGRAMS = re.compile(r"/oauth/|/\.well-known/|^/t/[^/]+/feeds/|^/t/[^/]+/apis/[^/]+/[^/]+/openapi\.(?:json|yaml)$")
SIGN_IN = _("Sign in first.")
AWAY = _("Portico can't reach its database just now. Calls at the gateway go on; try again in a few seconds.")
UNKNOWN = _("Portico lost its database while it wrote. What you sent may have been done: look before you send it again.")
BROKEN = _("Something broke on our side. Try again; if it stays, tell your operator the request id.")
SEALED = _("Portico can't open a secret that it keeps sealed. Your operator finds the reason in the log.")
# A problem's `code`, by which a program tells that its person has a second factor.
MFA_REQUIRED = "mfa_required"
# The others, by status. They never change their meaning; docs/rest.md explains each.
CODES = {
    400: "unreadable",
    401: "sign_in_needed",
    403: "not_permitted",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "not_allowed",
    412: "changed",
    413: "too_large",
    415: "media_type",
    422: "invalid",
    429: "too_many",
    500: "broken",
    503: "away",
}
# What a page is headed with.
TITLES = {
    400: _("This can't be understood"),
    401: _("Sign in first"),
    403: _("You may not do this"),
    404: _("Nothing here"),
    409: _("This can't be done as things are"),
    413: _("This is too large"),
    422: _("This can't be used as it is"),
    429: _("Too much at once"),
    500: _("Something broke"),
    503: _("Back in a moment"),
}
# After which the same may be sent once more.
PASSING = {429, 500, 503}


def problem(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """The members of RFC 9457 §3.1, the request's id, and a code that stays whatever the sentences become."""
    return {
        "type": "about:blank",
        "code": CODES[status],
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": origin.get().request_id,
        **more,
    }


def status_of(error: Exception) -> int:
    match error:
        case SignInNeeded():
            return 401
        case Http404():
            return 404
        case PermissionDenied():
            return 403
        case NotAllowed():
            return 409
        case Invalid():
            return 422
        case RequestDataTooBig():
            return 413
        case TooMany():
            return 429
        case Busy() | Unavailable() | Unreadable():
            return 503
        case _:
            return 500


def rest_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. A refused action must not commit its writes; DRF rolls back for its own errors only."""
    view = context["view"]
    if not getattr(view, "opens_its_own_scope", False):
        # A scope that the view opened has ended by the error already; what is open now would be somebody else's.
        set_rollback()
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    if isinstance(error, ValidationError):
        status, detail, more = 422, "Some of this can't be used as it is.", {"errors": _sentences(error.detail)}
    elif isinstance(error, APIException):
        status = error.status_code
        if challenge := getattr(error, "auth_header", None):
            headers = {"WWW-Authenticate": challenge}
        if error.get_codes() == MFA_REQUIRED:
            more = {"code": MFA_REQUIRED}
        if isinstance(error, NotAuthenticated):
            detail = str(SIGN_IN)
        elif isinstance(error, InvalidToken):
            detail = "This access token has ended, or is not one of this portal's. Refresh it, or sign in again."
        else:
            detail = str(_first(error.detail))
    else:
        status = status_of(error)
        if status == 500:
            return None
        detail = str(NOT_FOUND) if status == 404 else _too_large(view.max_body) if status == 413 else _sentence(error)
        more = _more(error)
        if isinstance(error, TooMany | Busy):
            headers = {"Retry-After": str(error.seconds)}
    return Response(problem(status, detail, **more), status=status, headers=headers, content_type="application/problem+json")


def _more(error: Exception) -> dict[str, Any]:
    """What a problem of ours says besides."""
    if isinstance(error, Invalid):
        return {"errors": error.problems}
    return {"code": error.code} if isinstance(error, SecondFactorNeeded | PasswordNeeded) else {}


def _sentence(error: Exception) -> str:
    if isinstance(error, Unavailable | Unreadable):
        # Its own words are for operators: they name keys and files.
        log.error("%s", error)
        return str(SEALED)
    return str(error)


def _too_large(most: int) -> str:
    return f"The body is larger than {most // 1024} KB."


def _first(detail: Any) -> Any:
    while isinstance(detail, dict | list):
        detail = detail[0] if isinstance(detail, list) else detail.get("detail") or next(iter(detail.values()))
    return detail


def _sentences(detail: Any, path: str = "") -> dict[str, list[str]]:
    """DRF's nested errors as {"a.b": [sentence]}."""
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            inside = "" if name == "non_field_errors" else str(name)
            found |= _sentences(inner, ".".join(filter(None, [path, inside])))
        return found
    if isinstance(detail, list) and any(isinstance(inner, dict) for inner in detail):
        found = {}
        for index, inner in enumerate(detail):
            found |= _sentences(inner, f"{path}[{index}]") if inner else {}
        return found
    return {path: [str(sentence) for sentence in (detail if isinstance(detail, list) else [detail])]}


def for_programs(request: HttpRequest) -> bool:
    """Whether nobody reads what stands at this address."""
    return request.path_info.startswith("/api/") or bool(PROGRAMS.search(request.path_info))


def reads_pages(request: HttpRequest) -> bool:
    """Whether a person reads the answer, in their language: as a page, or by way of a script of their page."""
    return not for_programs(request) and request.accepts("text/html")


def wants_page(request: HttpRequest) -> bool:
    """Whether a refusal is a page for whoever reads it; scripts that rather have JSON get a problem, in the same words."""
    return reads_pages(request) and request.get_preferred_type(["text/html", "application/json"]) == "text/html"


def answer(request: HttpRequest, status: int, detail: str | Promise, *, wait: int = 0) -> HttpResponse:
    """A problem for programs, a page for people; to what htmx sent, a note beside what was typed.

    :param wait: after how many seconds to try again.
    """
    response: HttpResponse
    if wants_page(request):
        response = _for_people(request, status, detail)
    else:
        response = JsonResponse(problem(status, str(detail)), status=status, content_type="application/problem+json")
    if wait:
        response["Retry-After"] = str(wait)
    return response


def _for_people(request: HttpRequest, status: int, detail: str | Promise) -> HttpResponse:
    htmx: Any = getattr(request, "htmx", None)
    sent = request.method == "POST"
    context = {"status": status, "title": TITLES[status], "detail": detail, "request_id": origin.get().request_id}
    if status >= 500:
        # Whose page it is may be just what can't be read.
        context |= {"theme": "system", "tenant": None, "away": True}
    if htmx and sent:
        response = render(request, "components/trouble.html", context, status=status)
        in_dialog = htmx.target == "dialog"
        return reselect(reswap(retarget(response, "#dialog" if in_dialog else "#toasts"), "afterbegin"), ".trouble")
    if sent and status in PASSING:
        context["again"] = repeatable(request)
    response = render(request, "error.html", context, status=status)
    return reselect(reswap(retarget(response, "#app"), "outerHTML"), "#app") if htmx else response


class ErrorMiddleware:
    """The pages' half: an exception that a view lets through becomes a page. The scope outside it rolls back with the view."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            # No name here holds one, and PostgreSQL can't be asked for it.
            return answer(request, 400, gettext("An address can't hold a NUL character."))
        response: HttpResponse = self.get_response(request)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        status = status_of(error)
        if status in {404, 500}:
            return None
        if isinstance(error, SignInNeeded):
            return _or_wait(request, sign_in_first) if wants_page(request) else answer(request, status, SIGN_IN)
        if isinstance(error, SecondFactorNeeded) and wants_page(request):
            return _or_wait(request, second_factor_first)
        if isinstance(error, PasswordNeeded) and wants_page(request):
            return _go_with_password(request, str(error))
        if status == 413:
            return _too_large_page(request)
        return answer(request, status, _sentence(error), wait=getattr(error, "seconds", 0))


def _go_with_password(request: HttpRequest, detail: str) -> HttpResponse:
    """The ways to a session that is good everywhere, from one that a tenant's provider began."""
    response = render(request, "account/password_needed.html", {"title": detail}, status=403)
    htmx: Any = getattr(request, "htmx", None)
    return reselect(reswap(retarget(response, "#app"), "outerHTML"), "#app") if htmx else response


def _or_wait(request: HttpRequest, way: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    try:
        return way(request)
    except TooMany as refusal:
        return answer(request, 429, str(refusal), wait=refusal.seconds)


def _too_large_page(request: HttpRequest) -> HttpResponse:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // (1024 * 1024)
    return answer(request, 413, gettext("This is more than the %(most)s MB that a form can carry.") % {"most": most})


class Discreet(SafeExceptionReporterFilter):
    """What Django's own error page, shown with PORTICO_DEBUG alone, hides of settings: addresses with passwords in them, too."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + r"|PEPPER|KEK|(?:DATABASE|VALKEY|BROKER|DIRECT|OWNER).*URL|DSN|EMBEDDED",
        re.IGNORECASE,
    )

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:  # noqa: ARG002
        """Nothing: what functions have in hand are private keys, client secrets and passwords, too."""
        return dict[str, Any]().items()


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return answer(request, 404, NOT_FOUND)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _too_large_page(request)
    return answer(request, 400, gettext("This request can't be understood."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403, str(exception) or gettext("You may not do this."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    if came_from_here(request):
        return _or_wait(request, send_again)
    return answer(request, 403, gettext("This form came from elsewhere. Open the page here and send it again."))


def server_error(request: HttpRequest) -> HttpResponse:
    # Without the database nobody can be asked for their profile; their browser has said what they read.
    with translation.override(getattr(request, "LANGUAGE_CODE", "en")):
        error = sys.exc_info()[1]
        if isinstance(error, OperationalError):
            return answer(request, 503, UNKNOWN if may_be_done(error) else AWAY, wait=5)
        return answer(request, 500, BROKEN)
