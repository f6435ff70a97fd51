"""Asking about a token (RFC 7662).

Any client of the tenant may ask about any token of it: an API behind the gateway is a client like others, and learns from the answer
what it could read in the token itself, and whether it was revoked. What is unknown, foreign, ended or of another kind is
`{"active": false}` and nothing else (§2.2), so that nobody can tell these apart.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from keys import tokens, verifying
from keys.oauth import forms
from keys.oauth.clients import authenticate
from keys.oauth.errors import endpoint
from tenants.access import open_to_all
from tenants.scope import tenant_scope

INACTIVE: dict[str, Any] = {"active": False}
SHOWN = ("iss", "sub", "client_id", "aud", "scope", "iat", "exp", "jti")


@open_to_all("the client authenticates itself")
@endpoint
def introspect(request: HttpRequest, tenant_id: UUID, slug: str) -> dict[str, Any]:
    form = forms.read(request)
    text = form.require("token")
    _, found = authenticate(request, form, tenant_id, slug)
    if not found.active or found.suspended:
        # Nothing of a tenant that is suspended works anywhere; and an application that is learns nothing of others' tokens.
        return INACTIVE
    with tenant_scope(tenant_id):
        return _of_token(text, slug) or _of_key(text, slug) or INACTIVE


def _of_token(text: str, slug: str) -> dict[str, Any] | None:
    found = verifying.access_token(text, slug=slug)
    if found is None:
        return None
    return {"active": True, "token_type": "Bearer"} | {name: found.claims[name] for name in SHOWN if name in found.claims}  # nosec B105  (RFC 6750's word)


def _of_key(text: str, slug: str) -> dict[str, Any] | None:
    """An API key says little itself; the rest is the tenant's."""
    found = verifying.api_key(text)
    if found is None:
        return None
    end = found.credential.expires_at
    assert end is not None
    return {
        "active": True,
        "token_type": "Bearer",  # nosec B105  (as above)
        "iss": tokens.issuer(settings.PORTAL_URL, slug),
        "sub": found.claims["sub"],
        "client_id": found.claims["sub"],
        "aud": tokens.audience(settings.GATEWAY_URL, slug),
        "iat": int(found.credential.created_at.timestamp()),
        "exp": min(found.claims["exp"], int(end.timestamp())),
        "jti": found.claims["jti"],
    }
