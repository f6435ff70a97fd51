"""Giving a token back before its time (RFC 7009)."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from keys import verifying
from keys.actions import credentials, records
from keys.models import Credential
from keys.oauth import forms
from keys.oauth.clients import authenticate
from keys.oauth.errors import OAuthError, endpoint
from tenants.access import open_to_all
from tenants.errors import NotAllowed
from tenants.scope import tenant_scope


@open_to_all("the client authenticates itself")
@endpoint
def revoke(request: HttpRequest, tenant_id: UUID, slug: str) -> dict[str, Any]:
    """200 whatever the token is (RFC 7009 §2.2): who asks learns nothing of others' tokens, and one that works no more is no trouble.

    `token_type_hint` is a hint, and the token itself says what it is.
    """
    form = forms.read(request)
    text = form.require("token")
    client_id, found = authenticate(request, form, tenant_id, slug)
    if found.suspended:
        # What it has works nowhere, and would again once it is resumed: 200 would promise more.
        raise OAuthError("unauthorized_client", "This application is suspended. Its owner can end its credentials in the portal.")
    with tenant_scope(tenant_id):
        _end(text, client_id, slug)
    return {}


def _end(text: str, client_id: str, slug: str) -> None:
    token = verifying.access_token(text, slug=slug)
    if token is not None and token.claims["client_id"] == client_id:
        end = datetime.fromtimestamp(token.claims["exp"], UTC)
        records.revoke_token(token.credential, jti=token.claims["jti"], expires_at=end)
        return
    key = verifying.api_key(text)
    if key is not None and key.claims["sub"] == client_id:
        _end_key(key.credential)


def _end_key(credential: Credential) -> None:
    """Its own credential goes with it: an API key is nothing else."""
    try:
        # Written down in English, see portal/words.py.
        credentials.revoke(credential, by=None, reason="Given back by its application.")
    except NotAllowed:
        # Somebody was quicker; it has ended.
        return
