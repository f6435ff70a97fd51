"""The OAuth 2.0 endpoints of a tenant: token (RFC 6749 §4.4), JWKS (RFC 7517), metadata (RFC 8414)."""

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from uuid_utils.compat import uuid7

from keys import keyring, throttle, tokens
from keys.models import SigningKey
from keys.secrets import fingerprint, pepper_id, well_formed
from tenants.access import open_to_all
from tenants.middleware import tenant_id_of
from tenants.origin import origin
from tenants.scope import tenant_scope

# How long verifiers may keep a JWKS, in seconds.
JWKS_MAX_AGE = 300
MAX_BODY = 8192
MAX_CLIENT_ID = 40


class OAuthError(Exception):
    """RFC 6749 §5.2: `error` and a sentence in ASCII without quotation marks and backslashes, so nothing that was sent is repeated."""

    def __init__(self, error: str, description: str, *, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(description)
        self.error, self.status, self.headers = error, status, headers or {}


@dataclass(frozen=True, slots=True)
class Client:
    client_id: str
    secret: str = field(repr=False)
    basic: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One working credential of the client, with the tenant's active key and the database's clock."""

    credential_id: UUID
    secret_hmac: str
    pepper_id: str
    expires_at: datetime | None
    key_id: UUID
    now: datetime


@open_to_all("the token endpoint authenticates the client itself")
@csrf_exempt
@transaction.non_atomic_requests
def token(request: HttpRequest, tenant: str) -> JsonResponse:
    try:
        if request.method != "POST":
            raise OAuthError("invalid_request", "Ask for tokens by POST (RFC 6749, section 3.2).", status=405, headers={"Allow": "POST"})
        body = _issue(request, tenant)
    except OAuthError as error:
        answer = JsonResponse({"error": error.error, "error_description": str(error)}, status=error.status, headers=error.headers)
    else:
        answer = JsonResponse(body)
    answer["Cache-Control"] = "no-store"
    answer["Pragma"] = "no-cache"
    return answer


def _issue(request: HttpRequest, slug: str) -> dict[str, str | int]:
    tenant_id = _tenant(slug)
    form, resources = _form(request)
    client = _client(request, form)
    wait = throttle.seconds_to_wait(client.client_id[:MAX_CLIENT_ID], origin.get().ip, settings.TOKEN_RATE)
    if wait:
        raise OAuthError(
            # Of the errors that are registered for token endpoints the one that says so (RFC 8628 §3.5).
            "slow_down",
            f"Too many token requests; keep a token until it expires. Try again in {wait} s.",
            status=429,
            headers={"Retry-After": str(wait)},
        )
    audience = tokens.audience(settings.GATEWAY_URL, slug)
    _check_request(form, resources, audience)
    found = _authenticate(tenant_id, client)
    now = int(found.now.timestamp())
    lifetime = tokens.LIFETIME
    if found.expires_at is not None:
        # No token outlives the credential that earned it.
        lifetime = max(1, min(lifetime, int(found.expires_at.timestamp()) - now))
    claims = tokens.claims(
        issuer=tokens.issuer(settings.PORTAL_URL, slug),
        audience=audience,
        client_id=client.client_id,
        credential_id=str(found.credential_id),
        token_id=str(uuid7()),
        now=now,
        lifetime=lifetime,
    )
    signed = tokens.sign(claims, keyring.signing_key(tenant_id, found.key_id))
    return {"access_token": signed, "token_type": "Bearer", "expires_in": lifetime}


def _tenant(slug: str) -> UUID:
    tenant_id = tenant_id_of(slug)
    if tenant_id is None:
        raise OAuthError("invalid_request", "There is no such tenant here.", status=404)
    return tenant_id


def _form(request: HttpRequest) -> tuple[dict[str, str], list[str]]:
    """The parameters, and the values of `resource`, which alone may stand more than once (RFC 8707 §2).

    One without a value counts as left out (RFC 6749 §3.2).
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthError(
            "invalid_request",
            "Send the parameters as application/x-www-form-urlencoded in the body (RFC 6749, section 4.4.2).",
        )
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        raise OAuthError("invalid_request", f"The body is larger than {MAX_BODY} bytes.", status=413)
    try:
        pairs = parse_qsl(request.body.decode(), max_num_fields=50)
    except ValueError:
        raise OAuthError("invalid_request", "The body is not a well-formed form in UTF-8.") from None
    if any("\x00" in value for _, value in pairs):
        raise OAuthError("invalid_request", "A parameter holds a NUL character.")
    form: dict[str, str] = {}
    resources = [value for name, value in pairs if name == "resource"]
    for name, value in pairs:
        if name in form:
            raise OAuthError("invalid_request", "A parameter stands twice (RFC 6749, section 3.2).")
        if name != "resource":
            form[name] = value
    return form, resources


def _client(request: HttpRequest, form: dict[str, str]) -> Client:
    """client_secret_basic or client_secret_post (RFC 6749 §2.3.1), never both."""
    header = request.headers.get("Authorization", "")
    in_body = "client_secret" in form
    if header and in_body:
        raise OAuthError("invalid_request", "Send the client's secret once: in the Authorization header or in the body.")
    if header:
        client = _basic(header)
        if form.get("client_id", client.client_id) != client.client_id:
            raise OAuthError("invalid_request", "The client_id in the body is not the one in the Authorization header.")
        return client
    if not in_body or "client_id" not in form:
        raise OAuthError(
            "invalid_client",
            "Send client_id and client_secret, by HTTP Basic or in the body.",
            status=401,
            headers={"WWW-Authenticate": 'Basic realm="portico", charset="UTF-8"'},
        )
    return Client(form["client_id"], form["client_secret"], basic=False)


def _basic(header: str) -> Client:
    scheme, _, value = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        name, secret = unquote_plus(name), unquote_plus(secret)
        if not colon or "\x00" in name:
            raise ValueError
    except (ValueError, binascii.Error):
        raise _refused(Client("", "", basic=True), "The Authorization header is not HTTP Basic (RFC 7617).") from None
    return Client(name, secret, basic=True)


def _check_request(form: dict[str, str], resources: list[str], audience: str) -> None:
    grant = form.get("grant_type")
    if not grant:
        raise OAuthError("invalid_request", "The parameter grant_type is missing; send grant_type=client_credentials.")
    if grant != "client_credentials":
        raise OAuthError("unsupported_grant_type", "Portico issues tokens for grant_type=client_credentials only.")
    if "scope" in form:
        raise OAuthError("invalid_scope", "No scopes are defined here; leave the parameter scope out.")
    if "redirect_uri" in form:
        raise OAuthError("invalid_request", "Client credentials use no redirect; leave redirect_uri out.")
    if any(resource != audience for resource in resources):
        raise OAuthError("invalid_target", "Tokens are for the whole gateway; leave resource out, or send the tenant's address there.")


def _refused(client: Client, why: str = "This client id and secret are not known here, or have ended.") -> OAuthError:
    headers = {"WWW-Authenticate": 'Basic realm="portico", charset="UTF-8"'} if client.basic else {}
    return OAuthError("invalid_client", why, status=401, headers=headers)


def _authenticate(tenant_id: UUID, client: Client) -> Found:
    if not well_formed(client.secret) or len(client.client_id) > MAX_CLIENT_ID:
        raise _refused(client)
    # One pepper and one id: a credential under another pepper is not checked against this one.
    mine, which = fingerprint(client.secret, settings.PEPPER), pepper_id(settings.PEPPER)
    for found in _credentials(tenant_id, client.client_id):
        if found.pepper_id == which and hmac.compare_digest(found.secret_hmac, mine):
            return found
    raise _refused(client)


def _credentials(tenant_id: UUID, client_id: str) -> list[Found]:
    """Working credentials of a client. Two statements in one round trip: the setting is local to their transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT set_config('portico.tenant_id', %s, true);
               SELECT c.id, c.secret_hmac, c.pepper_id, c.expires_at, k.id, now()
               FROM keys_application a
               JOIN keys_credential c ON c.tenant_id = a.tenant_id AND c.application_id = a.id
               JOIN keys_signingkey k ON k.tenant_id = a.tenant_id AND k.status = 'active' AND k.purpose = 'access_token'
               WHERE a.tenant_id = %s AND a.client_id = %s AND a.status = 'active'
                 AND c.status IN ('active', 'expiring') AND (c.expires_at IS NULL OR c.expires_at > now())""",
            [str(tenant_id), tenant_id, client_id],
        )
        cursor.nextset()
        return [Found(*row) for row in cursor.fetchall()]


@open_to_all("a JWKS is public by design")
@require_safe
@transaction.non_atomic_requests
def jwks(request: HttpRequest, tenant: str) -> JsonResponse:  # noqa: ARG001
    with tenant_scope(_tenant_or_404(tenant)):
        keys = [key.public_jwk for key in SigningKey.objects.in_jwks()]
    headers = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE}"}
    return JsonResponse({"keys": keys}, headers=headers, content_type="application/jwk-set+json")


@open_to_all("authorization server metadata is public by design")
@require_safe
@transaction.non_atomic_requests
def metadata(request: HttpRequest, tenant: str) -> JsonResponse:  # noqa: ARG001
    _tenant_or_404(tenant)
    issuer = tokens.issuer(settings.PORTAL_URL, tenant)
    return JsonResponse(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "service_documentation": f"{settings.PORTAL_URL}/api/docs/",
        },
        headers={"Cache-Control": "public, max-age=3600"},
    )


def _tenant_or_404(slug: str) -> UUID:
    tenant_id = tenant_id_of(slug)
    if tenant_id is None:
        raise Http404
    return tenant_id
