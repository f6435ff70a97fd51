"""Every refusal, translated once: problem+json (RFC 9457) for REST, a page for people."""

import re
import sys
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.debug import SafeExceptionReporterFilter
from rest_framework.exceptions import APIException, NotAuthenticated, ValidationError
from rest_framework.response import Response
from rest_framework.views import set_rollback
from rest_framework_simplejwt.exceptions import InvalidToken

from portal.kept import send_again, sign_in_first
from tenants.access import SignInNeeded
from tenants.errors import Busy, Invalid, NotAllowed
from tenants.origin import origin
from tenants.throttle import TooMany

NOT_FOUND = "There is nothing here, or nothing that you may see."
# Addresses below a tenant that no person opens.
PROGRAMS = re.compile(r"/oauth/|/\.well-known/")
SIGN_IN = "Sign in first."
AWAY = "Portico can't reach its database just now. Calls at the gateway go on; try again in a few seconds."
BROKEN = "Something broke on our side. Try again; if it stays, tell your operator the request id."


def problem(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """The members of RFC 9457 §3.1, and the request's id."""
    return {
        "type": "about:blank",
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
        case Busy():
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
        if isinstance(error, NotAuthenticated):
            detail = SIGN_IN
        elif isinstance(error, InvalidToken):
            detail = "This access token has ended, or is not one of this portal's. Refresh it, or sign in again."
        else:
            detail = str(_first(error.detail))
    else:
        status = status_of(error)
        if status == 500:
            return None
        detail = NOT_FOUND if status == 404 else _too_large(view.max_body) if status == 413 else str(error)
        if isinstance(error, Invalid):
            more = {"errors": error.problems}
        if isinstance(error, TooMany | Busy):
            headers = {"Retry-After": str(error.seconds)}
    return Response(problem(status, detail, **more), status=status, headers=headers, content_type="application/problem+json")


def in_schema(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: every operation may answer with a problem."""
    text = {"type": "string"}
    result["components"]["schemas"]["Problem"] = {
        "type": "object",
        "description": 'A refusal (RFC 9457). `errors` names fields, `a.b` inside others and "" for the whole, with sentences.',
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "request_id": text,
            "errors": {"type": "object", "additionalProperties": {"type": "array", "items": text}},
        },
        "required": ["type", "title", "status", "detail", "request_id"],
    }
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = {"description": "A refusal.", "content": content}
    return result


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
    return request.path_info.startswith("/api/") or bool(PROGRAMS.search(request.path_info))


def answer(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """A problem for programs, a page for people."""
    if for_programs(request) or not request.accepts("text/html"):
        return JsonResponse(problem(status, detail), status=status, content_type="application/problem+json")
    context = {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "request_id": origin.get().request_id,
    }
    if status >= 500:
        # Whose page it is may be just what can't be read.
        context |= {"theme": "system", "tenant": None}
    return render(request, "error.html", context, status=status)


class ErrorMiddleware:
    """The pages' half: an exception that a view lets through becomes a page. The scope outside it rolls back with the view."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            # No name here holds one, and PostgreSQL can't be asked for it.
            return answer(request, 400, "An address can't hold a NUL character.")
        response: HttpResponse = self.get_response(request)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        status = status_of(error)
        if status in {404, 500}:
            return None
        if isinstance(error, SignInNeeded):
            return sign_in_first(request) if request.accepts("text/html") else answer(request, status, SIGN_IN)
        return answer(request, status, str(error))


class Discreet(SafeExceptionReporterFilter):
    """What Django's own error page, shown with PORTICO_DEBUG alone, hides of settings: addresses with passwords in them, too."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + r"|PEPPER|KEK|(?:DATABASE|VALKEY|BROKER|DIRECT|OWNER).*URL|DSN|EMBEDDED",
        re.IGNORECASE,
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return answer(request, 404, NOT_FOUND)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return answer(request, 400, "This request can't be understood.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403, str(exception) or "You may not do this.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    return send_again(request) or answer(request, 403, "This form is too old or came from elsewhere. Reload the page and send it again.")


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], OperationalError):
        response = answer(request, 503, AWAY)
        response["Retry-After"] = "5"
        return response
    return answer(request, 500, BROKEN)
