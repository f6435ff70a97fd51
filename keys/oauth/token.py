"""The token endpoint: client credentials (RFC 6749 §4.4), narrowed by scopes (§3.3) and resources (RFC 8707)."""

import logging
import re
from collections.abc import Collection, Sequence
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from uuid_utils.compat import uuid7

from keys import encryption, keyring, tokens, uses
from keys.models import Application, ProtectedResource, SigningKey
from keys.oauth import forms
from keys.oauth.clients import MOST_SCOPES, Found, authenticate
from keys.oauth.errors import OAuthError, endpoint
from keys.oauth.forms import Form
from tenants.access import open_to_all
from tenants.models import HostName
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

MOST_RESOURCES = 8
# Where tools are, below the gateway of a tenant: of all APIs, or of a version of one.
MCP_PATH = "/mcp"
_TOOLS = re.compile(rf"([^/?#]+)/[^/?#]+{MCP_PATH}")
_SCOPES = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")


@open_to_all("the token endpoint authenticates the client itself")
@endpoint
def token(request: HttpRequest, tenant_id: UUID, slug: str) -> dict[str, str | int]:
    form = forms.read(request)
    _check_grant(form)
    asked = _asked_scopes(form.get("scope"))
    audience = tokens.audience(settings.GATEWAY_URL, slug)
    here = _here(tenant_id, audience, form.resources)
    resources = _asked_resources(tenant_id, form.resources, here)
    client_id, found = authenticate(request, form, tenant_id, slug, scopes=asked)
    if not found.active:
        # The client is who it says it is, and may not use the grant (RFC 6749 §5.2).
        raise OAuthError("unauthorized_client", "This tenant is suspended or closing, and issues no tokens meanwhile.")
    if found.suspended:
        raise OAuthError("unauthorized_client", "This application is suspended, and gets no tokens until it is resumed.")
    scope = _granted_scope(asked, found)
    confidential = "" if set(resources) <= set(here) else _check_apis(tenant_id, client_id, resources, here)
    lifetime = _lifetime(found)
    claims = tokens.claims(
        issuer=tokens.issuer(settings.PORTAL_URL, slug),
        # One stands alone (RFC 7519 §4.1.3).
        audience=resources if len(resources) > 1 else resources[0],
        client_id=client_id,
        credential_id=str(found.credential_id),
        token_id=str(uuid7()),
        now=int(found.now.timestamp()),
        lifetime=lifetime,
        scope=scope,
        confidential=confidential,
    )
    body: dict[str, str | int] = {
        "access_token": tokens.sign(claims, _signing_key(tenant_id, found.key_id)),
        "token_type": "Bearer",  # nosec B105  (RFC 6750's word)
        "expires_in": lifetime,
    }
    if scope and not asked:
        # RFC 6749 §5.1: whoever asked for scopes has just these.
        body["scope"] = scope
    uses.note_token(tenant_id, found.credential_id)
    return body


def _check_grant(form: Form) -> None:
    grant = form.get("grant_type")
    if not grant:
        raise OAuthError("invalid_request", "The parameter grant_type is missing; send grant_type=client_credentials.")
    if grant != "client_credentials":
        raise OAuthError("unsupported_grant_type", "Portico issues tokens for grant_type=client_credentials only.")
    if form.get("redirect_uri"):
        raise OAuthError("invalid_request", "Client credentials use no redirect; leave redirect_uri out.")


def _asked_scopes(scope: str) -> list[str]:
    """Each once, in the order in which they stand."""
    if scope and not _SCOPES.fullmatch(scope):
        raise OAuthError("invalid_scope", "Write scopes as RFC 6749, section 3.3, does: with one space between two.")
    return list(dict.fromkeys(scope.split()))


def _granted_scope(asked: list[str], found: Found) -> str:
    if not found.known:
        raise OAuthError("invalid_scope", "A scope that was asked for is none of this tenant. Its metadata lists them as scopes_supported.")
    if asked:
        return " ".join(asked)
    if found.scopes is None:
        said = f"This tenant has more than {MOST_SCOPES} scopes. Name those that you need in the parameter scope."
        raise OAuthError("invalid_scope", said)
    return " ".join(found.scopes)


def _here(tenant_id: UUID, audience: str, resources: Collection[str]) -> list[str]:
    """The addresses of the tenant's gateway: `audience`, then those under host names of its own, where one may be meant."""
    if all(each == audience or each.startswith(f"{audience}/") for each in resources):
        return [audience]
    names = HostName.objects.filter(tenant_id=tenant_id).order_by("name").values_list("name", flat=True)
    return [audience, *(tokens.own_audience(name, settings.GATEWAY_TLS_PUBLIC_PORT) for name in names)]


def _asked_resources(tenant_id: UUID, resources: Collection[str], here: Sequence[str]) -> list[str]:
    """Each once: the tenant's gateway, which is also meant where none is named, or what stands below it."""
    if len(set(resources)) > MOST_RESOURCES:
        raise OAuthError("invalid_target", f"A token can be for {MOST_RESOURCES} resources at most.")
    if not all(any(each == base or each.startswith(f"{base}/") for base in here) for each in resources):
        said = "Resources are the tenant's address at the gateway, or that address, a slash and the name of an API."
        raise OAuthError("invalid_target", said)
    return list(dict.fromkeys(_without_tools(tenant_id, each, here) for each in resources)) or [here[0]]


def _without_tools(tenant_id: UUID, resource: str, here: Sequence[str]) -> str:
    """Where tools of an API are, which clients of MCP name, is the API; and where those of all are, the tenant's gateway."""
    for base in here:
        if resource == f"{base}{MCP_PATH}":
            with tenant_scope(tenant_id):
                # What is asked for an API of that name is for no other.
                return resource if ProtectedResource.objects.filter(name=MCP_PATH[1:], published=True).exists() else base
        if match := _TOOLS.fullmatch(resource.removeprefix(f"{base}/")):
            return f"{base}/{match[1]}"
    return resource


def _check_apis(tenant_id: UUID, client_id: str, resources: list[str], here: Sequence[str]) -> str:
    """The claim `enc`, for a token that is for one API alone which registered a key; else ""."""
    names = {each.removeprefix(f"{base}/") for each in resources for base in here if each.startswith(f"{base}/")}
    with tenant_scope(tenant_id):
        known = list(ProtectedResource.objects.filter(published=True, name__in=names))
        if len(known) != len(names):
            raise OAuthError("invalid_target", "A resource is no published API of this tenant.")
        if len(resources) > 1 or known[0].encryption_jwk is None:
            return ""
        application = Application.objects.select_related("owner").get(client_id=client_id)
    return _encrypted(known[0].name, known[0].encryption_jwk, application)


def _encrypted(api: str, public: dict[str, str], application: Application) -> str:
    try:
        return encryption.encrypted(application.told_to_apis(), public)
    except encryption.KeyRefused:
        log.exception("The encryption key of %s can't be used.", api)
        said = "The encryption key that this API registered can not be used. Its publisher has to replace it."
        raise OAuthError("invalid_target", said) from None


def _lifetime(found: Found) -> int:
    """No token outlives the credential that earned it."""
    if found.expires_at is None:
        return found.lifetime
    return max(1, min(found.lifetime, int(found.expires_at.timestamp()) - int(found.now.timestamp())))


def _signing_key(tenant_id: UUID, key_id: UUID) -> tokens.Key:
    try:
        return keyring.signing_key(tenant_id, key_id)
    except keyring.Gone:
        # It retired after the query; its successor is active by the same commit.
        with tenant_scope(tenant_id):
            active = SigningKey.objects.get(purpose=SigningKey.Use.ACCESS_TOKEN, status=SigningKey.Status.ACTIVE)
        return keyring.signing_key(tenant_id, active.pk)
