"""How the OAuth endpoints refuse (RFC 6749 §5.2), and what all that take a form have in common."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from keys.envelope import Unavailable, Unreadable
from tenants.middleware import tenant_id_of

log = logging.getLogger(__name__)

Work = Callable[[HttpRequest, UUID, str], dict[str, Any]]


class OAuthError(Exception):
    """RFC 6749 §5.2: `error` and a sentence in ASCII without quotation marks and backslashes, so nothing that was sent is repeated."""

    def __init__(self, error: str, description: str, *, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(description)
        self.error, self.status, self.headers = error, status, headers or {}


def endpoint(work: Work) -> Callable[[HttpRequest, str], JsonResponse]:
    """A form by POST, and JSON that nobody keeps. `work` gets the tenant's id and slug, opens its own scope, and returns the answer."""

    @csrf_exempt
    @transaction.non_atomic_requests
    @wraps(work)
    def view(request: HttpRequest, tenant: str) -> JsonResponse:
        try:
            answer = JsonResponse(_worked(work, request, tenant))
        except OAuthError as error:
            body = {"error": error.error, "error_description": str(error)}
            answer = JsonResponse(body, status=error.status, headers=error.headers)
        answer["Cache-Control"] = "no-store"
        answer["Pragma"] = "no-cache"
        return answer

    return view


def _worked(work: Work, request: HttpRequest, slug: str) -> dict[str, Any]:
    if request.method != "POST":
        raise OAuthError("invalid_request", "Send this by POST (RFC 6749, section 3.2).", status=405, headers={"Allow": "POST"})
    tenant_id = tenant_id_of(slug)
    if tenant_id is None:
        raise OAuthError("invalid_request", "There is no such tenant here.", status=404)
    try:
        return work(request, tenant_id, slug)
    except Unavailable as error:
        log.error("%s: %s", request.path, error)
        # The words of RFC 6749 §4.1.2.1; §5.2 has none for it.
        said = "The keeper of the signing keys is away. Try again in a moment."
        raise OAuthError("temporarily_unavailable", said, status=503, headers={"Retry-After": "5"}) from None
    except Unreadable as error:
        log.error("%s: %s", request.path, error)
        said = "The signing key of this tenant can not be read. The operator finds the reason in the log."
        raise OAuthError("temporarily_unavailable", said, status=503) from None
