"""The tenant of a request comes from its path, and its scope lies round the whole request."""

import re
import time
from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from uuid_utils.compat import uuid7

from tenants.models import Tenant
from tenants.origin import Origin, origin
from tenants.scope import tenant_scope

GetResponse = Callable[[HttpRequest], HttpResponse]

_PATH = re.compile(r"^/(?:t|api/v1/tenants)/([^/]+)/(.*)")
# These open their own scope: the token endpoint is a hot path, and its documents need no tenant's rows but the keys.
_OWN_SCOPE = re.compile(r"^(?:oauth/|\.well-known/)")
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_SLUG_SECONDS = 5.0
_slugs: dict[str, tuple[float, UUID | None]] = {}


def tenant_id_of(slug: str) -> UUID | None:
    """The id behind a slug, remembered for five seconds in this process (slugs never change, new ones appear)."""
    until, found = _slugs.get(slug, (0.0, None))
    if until > time.monotonic():
        return found
    found = Tenant.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if len(_slugs) > 10_000:
        _slugs.clear()
    if found is not None:
        _slugs[slug] = (time.monotonic() + _SLUG_SECONDS, found)
    return found


class OriginMiddleware:
    """Remembers where the request came from, and answers with its id."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.match(given) else str(uuid7())
        token = origin.set(
            Origin(request.META.get("REMOTE_ADDR", "")[:45], request.headers.get("User-Agent", "")[:200], request_id)
        )
        try:
            response = self.get_response(request)
        finally:
            origin.reset(token)
        response["X-Request-ID"] = request_id
        return response


class TenantMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = _PATH.match(request.path_info)
        if found is None or _OWN_SCOPE.match(found[2]):
            return self.get_response(request)
        tenant_id = tenant_id_of(found[1])
        if tenant_id is None:
            # No scope: `access` answers a stranger exactly as it does at a tenant that exists.
            return self.get_response(request)
        with tenant_scope(tenant_id):
            request.tenant = Tenant.objects.get(pk=tenant_id)  # type: ignore[attr-defined]
            return self.get_response(request)
