"""The tenant of a request comes from its path, and its scope lies round the whole request."""

import re
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from uuid_utils.compat import uuid7

from tenants.models import MAX_SLUG, Tenant
from tenants.origin import Origin, client_address, origin
from tenants.scope import tenant_scope

GetResponse = Callable[[HttpRequest], HttpResponse]
T = TypeVar("T")

_PATH = re.compile(r"^/(?:t|api/v1/tenants)/([^/]+)/(.*)")
# These open their own scope: the token endpoint is a hot path, and its documents need no tenant's rows but the keys.
_OWN_SCOPE = re.compile(r"^(?:oauth/|\.well-known/)")
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_SLUG_SECONDS = 5.0
# Short: whoever makes a tenant goes there next.
_ABSENT_SECONDS = 1.0
_MOST = 10_000
# Apart, so that a flood of names that are none pushes no tenant out.
_slugs: dict[str, tuple[float, UUID]] = {}
_absent: dict[str, float] = {}
_lock = threading.Lock()


def tenant_id_of(slug: str) -> UUID | None:
    """The id behind a slug, remembered for five seconds in this process (slugs never change); that there is none, for one."""
    now = time.monotonic()
    until, known = _slugs.get(slug, (0.0, None))
    if until > now:
        return known
    if len(slug) > MAX_SLUG or _absent.get(slug, 0.0) > now:
        return None
    found = Tenant.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        _remember(_absent, slug, now + _ABSENT_SECONDS)
    else:
        _remember(_slugs, slug, (now + _SLUG_SECONDS, found))
    return found


def _remember(where: dict[str, T], slug: str, what: T) -> None:
    """Put it last, and forget the oldest where there are too many."""
    with _lock:
        where.pop(slug, None)
        while len(where) >= _MOST:
            del where[next(iter(where))]
        where[slug] = what


class OriginMiddleware:
    """Remembers where the request came from, and answers with its id."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.match(given) else str(uuid7())
        peer, forwarded = request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", "")
        ip = client_address(peer, forwarded, settings.TRUSTED_PROXIES)[:45]
        token = origin.set(Origin(ip, request.headers.get("User-Agent", "").replace("\x00", "")[:200], request_id))
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
        if _opens_its_own(request.path_info):
            return self._inside(request, tenant_id)
        with tenant_scope(tenant_id):
            return self._inside(request, tenant_id)

    def _inside(self, request: HttpRequest, tenant_id: UUID) -> HttpResponse:
        # One that was erased a moment ago has no members either, so it looks as if it had never been.
        if tenant := Tenant.objects.filter(pk=tenant_id).first():
            request.tenant = tenant  # type: ignore[attr-defined]
        return self.get_response(request)


def _opens_its_own(path: str) -> bool:
    """Whether the view is one that works outside any transaction for a while: `tenants.rest.OwnScope`, `tenants.access.own_scope`."""
    try:
        view = resolve(path).func
    except Resolver404:
        return False
    return bool(getattr(getattr(view, "cls", view), "opens_its_own_scope", False))
