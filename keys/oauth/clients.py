"""Who asks: client_secret_basic, client_secret_post (RFC 6749 §2.3.1), private_key_jwt and trusted issuers (RFC 7523)."""

import base64
import binascii
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest

from keys import throttle, tokens
from keys.actions import records
from keys.fetching import fetch_jwks
from keys.jwks import JwksRefused
from keys.models import Credential
from keys.oauth import assertions
from keys.oauth.assertions import Assertion, AssertionRefused
from keys.oauth.errors import OAuthError
from keys.oauth.forms import Form
from keys.secrets import fingerprint, pepper_id, well_formed
from tenants.origin import origin
from tenants.scope import tenant_scope
from tenants.throttle import TooMany, attempt

MAX_CLIENT_ID = 40
CHALLENGE = {"WWW-Authenticate": 'Basic realm="portico", charset="UTF-8"'}
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
# More scopes than this are in no token unless they were asked for by name.
MOST_SCOPES = 100
# How far ahead an assertion may end, in seconds: the client's own, and one of its identity provider.
OWN_LONGEST, ISSUERS_LONGEST = 60, 3600
MAX_JTI = 256
# A trusted issuer's keys are fetched again for a key id that is not among them, and when they are this old; once in so many seconds.
STALE, AGAIN = timedelta(hours=1), 60

Kind = Credential.Kind


@dataclass(frozen=True, slots=True)
class Given:
    """What a request proves itself with: a secret, or an assertion."""

    client_id: str
    secret: str = field(default="", repr=False)
    basic: bool = False
    assertion: Assertion | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One working credential of the client, with what a token needs, as of the database's clock.

    `scopes` are the tenant's, None if they are too many; `known`: whether those that were asked for are among them.
    """

    credential_id: UUID
    expires_at: datetime | None
    key_id: UUID
    lifetime: int
    scopes: list[str] | None
    known: bool
    now: datetime
    # Of a client secret.
    secret_hmac: str
    pepper_id: str
    # Of a key pair and a trusted issuer.
    jwks: str = ""
    jwks_url: str = ""
    jwks_fetched_at: datetime | None = None
    issuer: str = ""
    claim: str = ""
    claim_value: str = ""
    # Whether the tenant is: neither suspended nor closing.
    active: bool = True
    # Whether the application is.
    suspended: bool = False


def authenticate(request: HttpRequest, form: Form, tenant_id: UUID, slug: str, *, scopes: Iterable[str] = ()) -> tuple[str, Found]:
    """The client's id, and the credential that it proved to have.

    :param scopes: that it asks for; see `Found.known`.
    :raises OAuthError: invalid_client, and invalid_request for what is doubled or incomplete.
    """
    given = read(request, form)
    _throttle(given.client_id)
    if given.assertion is None:
        return given.client_id, _by_secret(tenant_id, given, scopes)
    try:
        if _is_own(given):
            return given.client_id, _by_key_pair(tenant_id, slug, given.client_id, given.assertion, scopes)
        return given.client_id, _by_issuer(tenant_id, slug, given.client_id, given.assertion, scopes)
    except AssertionRefused as error:
        raise _refused(given, str(error)) from None


def read(request: HttpRequest, form: Form) -> Given:
    """One way of proving oneself, never two (RFC 6749 §2.3)."""
    header = request.headers.get("Authorization", "")
    ways = [header, form.get("client_secret"), form.get("client_assertion")]
    if sum(map(bool, ways)) > 1:
        raise OAuthError("invalid_request", "Prove who you are once: in the Authorization header, by client_secret or by client_assertion.")
    if form.get("client_assertion") or form.get("client_assertion_type"):
        return _asserted(form)
    if header:
        given = _basic(header)
        if form.get("client_id") not in {"", given.client_id}:
            raise OAuthError("invalid_request", "The client_id in the body is not the one in the Authorization header.")
        return given
    if form.get("client_secret") and form.get("client_id"):
        return Given(form.get("client_id"), form.get("client_secret"))
    raise OAuthError(
        "invalid_client",
        "Send client_id and client_secret, by HTTP Basic or in the body, or a client_assertion.",
        status=401,
        headers=CHALLENGE,
    )


def _basic(header: str) -> Given:
    scheme, _, value = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        name, secret = unquote_plus(name), unquote_plus(secret)
        if not colon or "\x00" in name:
            raise ValueError
    except (ValueError, binascii.Error):
        raise _refused(Given("", basic=True), "The Authorization header is not HTTP Basic (RFC 7617).") from None
    return Given(name, secret, basic=True)


def _asserted(form: Form) -> Given:
    """RFC 7521 §4.2. The client's own assertion names it; that of its identity provider does not."""
    if form.require("client_assertion_type") != assertions.BEARER:
        said = f"The only client_assertion_type here is {assertions.BEARER}."
        raise OAuthError("invalid_client", said, status=401)
    try:
        assertion = assertions.read(form.require("client_assertion"))
    except AssertionRefused as error:
        raise _refused(Given(""), str(error)) from None
    given = form.get("client_id")
    if given:
        return Given(given, assertion=assertion)
    if assertion.says("iss") != assertion.says("sub") or not assertion.says("sub"):
        raise OAuthError("invalid_request", "The parameter client_id is missing: an assertion of your identity provider does not name you.")
    return Given(assertion.says("sub"), assertion=assertion)


def _is_own(given: Given) -> bool:
    return given.assertion is not None and given.assertion.says("iss") == given.assertion.says("sub") == given.client_id


def _throttle(client_id: str) -> None:
    wait = throttle.seconds_to_wait(client_id[:MAX_CLIENT_ID], origin.get().place, settings.TOKEN_RATE)
    if wait:
        raise OAuthError(
            # Of the errors that are registered for token endpoints the one that says so (RFC 8628 §3.5).
            "slow_down",
            f"Too many token requests; keep a token until it expires. Try again in {wait} s.",
            status=429,
            headers={"Retry-After": str(wait)},
        )


def _refused(given: Given, why: str = "This client id and secret are not known here, or have ended.") -> OAuthError:
    return OAuthError("invalid_client", why, status=401, headers=CHALLENGE if given.basic else {})


def _by_secret(tenant_id: UUID, given: Given, scopes: Iterable[str]) -> Found:
    if given.secret.startswith(tuple(tokens.api_key_prefix(each) for each in ("live", "test"))):
        raise _refused(given, "This is an API key. Send it to the gateway as it is; it earns no token.")
    if not well_formed(given.secret) or len(given.client_id) > MAX_CLIENT_ID:
        raise _refused(given)
    # One pepper and one id: a credential under another pepper is not checked against this one.
    mine, which = fingerprint(given.secret, settings.PEPPER), pepper_id(settings.PEPPER)
    for found in _credentials(tenant_id, given.client_id, Kind.CLIENT_SECRET, scopes):
        if found.pepper_id == which and hmac.compare_digest(found.secret_hmac, mine):
            return found
    raise _refused(given)


def _by_key_pair(tenant_id: UUID, slug: str, client_id: str, assertion: Assertion, scopes: Iterable[str]) -> Found:
    """private_key_jwt (OpenID Connect Core §9): signed by the client, for the next minute, once."""
    if str(assertion.header.get("typ", "")).lower() not in assertions.TYPES:
        raise AssertionRefused("The assertion is a JWT of another kind: leave typ out, or send JWT there.")
    found = _signer(assertion, _credentials(tenant_id, client_id, Kind.KEY_PAIR, scopes))
    issuer = tokens.issuer(settings.PORTAL_URL, slug)
    audiences = {issuer, f"{issuer}/oauth/token"}
    end = assertions.check(assertion, audiences=audiences, now=found.now.timestamp(), longest=OWN_LONGEST)
    jti = assertion.says("jti")
    if not 0 < len(jti) <= MAX_JTI:
        raise AssertionRefused(f"The assertion has no jti of 1 to {MAX_JTI} characters.")
    with tenant_scope(tenant_id):
        first = records.use_assertion(found.credential_id, jti=jti, expires_at=datetime.fromtimestamp(end, UTC))
    if not first:
        raise AssertionRefused("This assertion was used before. Make each with a jti of its own.")
    return found


def _signer(assertion: Assertion, candidates: Iterable[Found]) -> Found:
    for found in candidates:
        if assertions.verified(assertion, _keys(found)):
            return found
    raise AssertionRefused("No working key of this client signed the assertion.")


def _by_issuer(tenant_id: UUID, slug: str, client_id: str, assertion: Assertion, scopes: Iterable[str]) -> Found:
    """A JWT of the identity provider that the application trusts, for us, with the claim that says it is this application."""
    candidates = [
        found
        for found in _credentials(tenant_id, client_id, Kind.ISSUER, scopes)
        if hmac.compare_digest(found.issuer.encode(), assertion.says("iss").encode())
    ]
    signed = [found for found in candidates if _signed_by_issuer(tenant_id, found, assertion)]
    if not signed:
        raise AssertionRefused("No working key or trusted issuer of this client signed the assertion.")
    now = signed[0].now.timestamp()
    assertions.check(assertion, audiences={tokens.issuer(settings.PORTAL_URL, slug)}, now=now, longest=ISSUERS_LONGEST)
    for found in signed:
        if assertion.says(found.claim) == found.claim_value:
            return found
    raise AssertionRefused("The assertion is of an issuer that this client trusts, but not about this client.")


def _signed_by_issuer(tenant_id: UUID, found: Found, assertion: Assertion) -> bool:
    keys = _keys(found)
    known = assertion.kid is None or assertion.kid in {key["kid"] for key in keys}
    if found.jwks_url and (not known or _is_stale(found)):
        keys = _fetched(tenant_id, found) or keys
    return assertions.verified(assertion, keys)


def _is_stale(found: Found) -> bool:
    """A key that the issuer has withdrawn must not be trusted for ever."""
    return found.jwks_fetched_at is None or found.jwks_fetched_at < found.now - STALE


def _fetched(tenant_id: UUID, found: Found) -> list[dict[str, str]]:
    """The issuer's keys of now, outside any transaction; none if it was asked a moment ago, or doesn't answer."""
    try:
        attempt(f"jwks {found.credential_id}", limit=1, seconds=AGAIN)
        jwks = fetch_jwks(found.jwks_url)
    except (TooMany, JwksRefused):
        return []
    with tenant_scope(tenant_id):
        records.keep_jwks(found.credential_id, jwks)
    keys: list[dict[str, str]] = jwks["keys"]
    return keys


def _keys(found: Found) -> list[dict[str, str]]:
    keys: list[dict[str, str]] = json.loads(found.jwks)["keys"]
    return keys


def _credentials(tenant_id: UUID, client_id: str, kind: Kind, scopes: Iterable[str]) -> list[Found]:
    """Working credentials of a client."""
    if len(client_id) > MAX_CLIENT_ID or "\x00" in client_id:
        return []
    # A client that was connected before is tried without asking first whether PostgreSQL is still there: that cost as much as the look-up.
    connection.health_check_done = True  # type: ignore[attr-defined]  # django-stubs lack it
    try:
        return _asked(tenant_id, client_id, kind, scopes)
    except (OperationalError, InterfaceError):
        connection.close()
        return _asked(tenant_id, client_id, kind, scopes)


def _asked(tenant_id: UUID, client_id: str, kind: Kind, scopes: Iterable[str]) -> list[Found]:
    """One statement: the function opens the tenant's scope for itself, which ends with it (keys/migrations/0005)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM keys_working(%s, %s, %s, %s, %s)", [tenant_id, client_id, kind.value, list(scopes), MOST_SCOPES])
        return [Found(*row) for row in cursor.fetchall()]
