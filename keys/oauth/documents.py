"""What anybody may read: the JWKS (RFC 7517), and the metadata of the server (RFC 8414) and of each API (RFC 9728)."""

import hashlib
import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from keys import tokens
from keys.actions import audit_keys as audit
from keys.jwks import SIGNING_ALGS, lint
from keys.models import ProtectedResource, SigningKey, TokenPolicy
from keys.oauth.clients import METHODS
from tenants.access import open_to_all
from tenants.middleware import tenant_id_of
from tenants.models import HostName
from tenants.scope import tenant_scope

METADATA_SECONDS = 3600


@open_to_all("a JWKS is public by design")
@require_safe
@transaction.non_atomic_requests
def jwks(request: HttpRequest, tenant: str) -> HttpResponse:
    """The keys for access tokens and API keys alike."""
    with tenant_scope(_tenant_or_404(tenant)):
        keys = [key.public_jwk for key in SigningKey.objects.in_jwks()]
        age = _policy().jwks_max_age
    lint(keys)
    return _document(request, {"keys": keys}, seconds=age, content_type="application/jwk-set+json")


@open_to_all("public keys are public by design")
@require_safe
@transaction.non_atomic_requests
def audit_keys(request: HttpRequest) -> HttpResponse:
    """The public halves of every key that ever signed a head of a chain of events: the platform's, for all tenants."""
    keys = audit.public()
    lint(keys)
    return _document(request, {"keys": keys}, seconds=METADATA_SECONDS, content_type="application/jwk-set+json")


@open_to_all("authorization server metadata is public by design")
@require_safe
@transaction.non_atomic_requests
def metadata(request: HttpRequest, tenant: str) -> HttpResponse:
    with tenant_scope(_tenant_or_404(tenant)):
        scopes = _policy().scopes
    issuer = tokens.issuer(settings.PORTAL_URL, tenant)
    told = {
        "issuer": issuer,
        # No grant here needs it (RFC 8414 §2), but clients of MCP read no metadata without it.
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": sorted(scopes),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "service_documentation": f"{settings.PORTAL_URL}/api/docs/",
    }
    for name in ("token", "revocation", "introspection"):
        told[f"{name}_endpoint_auth_methods_supported"] = list(METHODS)
        told[f"{name}_endpoint_auth_signing_alg_values_supported"] = SIGNING_ALGS
    told |= {"revocation_endpoint": f"{issuer}/oauth/revoke", "introspection_endpoint": f"{issuer}/oauth/introspect"}
    return _document(request, told, seconds=METADATA_SECONDS)


@open_to_all("protected resource metadata is public by design")
@require_safe
@transaction.non_atomic_requests
def resource_metadata(request: HttpRequest, tenant: str, api: str) -> HttpResponse:
    """Of a published API; there is no other."""
    with tenant_scope(_tenant_or_404(tenant)):
        found = get_object_or_404(ProtectedResource, name=api, published=True)
    told = {
        "resource": f"{tokens.audience(settings.GATEWAY_URL, tenant)}/{api}",
        "authorization_servers": [tokens.issuer(settings.PORTAL_URL, tenant)],
        "scopes_supported": sorted(found.scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": found.title,
        "resource_documentation": f"{settings.PORTAL_URL}/t/{tenant}/apis/{api}/",
    }
    return _document(request, told, seconds=METADATA_SECONDS)


@open_to_all("nobody signs in here, whoever asks")
@require_safe
@transaction.non_atomic_requests
def authorize(request: HttpRequest, tenant: str) -> HttpResponse:  # noqa: ARG001
    """Applications have credentials of their own, and act for nobody: there is nothing to agree to."""
    _tenant_or_404(tenant)
    said = "Portico issues tokens to applications, by client credentials at the token endpoint. Nobody signs in here."
    return JsonResponse({"error": "unsupported_response_type", "error_description": said}, status=400)


@open_to_all("protected resource metadata is public by design")
@require_safe
@transaction.non_atomic_requests
def tools_metadata(request: HttpRequest, tenant: str, api: str = "", version: str = "") -> HttpResponse:
    """Of where tools of a published API are, or those of all APIs: clients of MCP are sent here by the gateway.

    `?host=` is a host of the tenant's own, under which they were called.
    """
    tenant_id = _tenant_or_404(tenant)
    with tenant_scope(tenant_id):
        found = get_object_or_404(ProtectedResource, name=api, published=True) if api else None
        scopes = sorted(found.scopes) if found else []
    gateway = _gateway(tenant_id, tenant, request.GET.get("host", ""))
    told = {
        "resource": "/".join([gateway, *([api, version] if found else []), "mcp"]),
        "authorization_servers": [tokens.issuer(settings.PORTAL_URL, tenant)],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "resource_name": found.title if found else tenant,
        "resource_documentation": f"{settings.PORTAL_URL}/t/{tenant}/apis/" + (f"{api}/" if found else ""),
    }
    return _document(request, told, seconds=METADATA_SECONDS)


def _gateway(tenant_id: UUID, slug: str, host: str) -> str:
    """Where it is called: its address, or a host of the tenant's own."""
    if not host:
        return tokens.audience(settings.GATEWAY_URL, slug)
    # What the caller named may have a port, and tokens name the one that callers see.
    name = host.lower().partition(":")[0]
    if not HostName.objects.filter(tenant_id=tenant_id, name=name).exists():
        raise Http404
    return tokens.own_audience(name, settings.GATEWAY_TLS_PUBLIC_PORT)


def _document(request: HttpRequest, told: dict[str, Any], *, seconds: int, content_type: str = "application/json") -> HttpResponse:
    """To be kept for so long, and asked for again with its ETag (RFC 9110 §8.8.3)."""
    body = json.dumps(told)
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    answer = HttpResponse(body, content_type=content_type)
    # A 304 repeats them (RFC 9110 §15.4.5).
    answer["ETag"], answer["Cache-Control"] = etag, f"public, max-age={seconds}"
    return get_conditional_response(request, etag=etag, response=answer) or answer


def _policy() -> TokenPolicy:
    """There is one, unless the tenant was erased a moment ago."""
    return get_object_or_404(TokenPolicy)


def _tenant_or_404(slug: str) -> UUID:
    tenant_id = tenant_id_of(slug)
    if tenant_id is None:
        raise Http404
    return tenant_id
