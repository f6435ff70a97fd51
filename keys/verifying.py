"""Whether a token of the tenant in scope works: everything that gateways check, for whoever asks here instead (RFC 9068 §4).

What works is another thing than what may be called: that the grants say.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from keys import tokens
from keys.models import Credential, RevokedToken, SigningKey

# A portal whose clock is a little ahead issues tokens that seem to live longer than they do.
CLOCK_DIFFERENCE = 60
_BROKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_API_KEY_PREFIXES = tuple(tokens.api_key_prefix(each) for each in ("live", "test"))


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that works. `credential` comes with its application."""

    claims: Mapping[str, Any]
    credential: Credential


def access_token(text: str, *, slug: str, audiences: Collection[str] | None = None) -> Verified | None:
    """An access token of the tenant in scope.

    :param audiences: of which it has to be for one; None for whatever the tenant's tokens are for.
    """
    signed = _signed(text, SigningKey.Use.ACCESS_TOKEN, tokens.ACCESS_TOKEN_TYPE)
    if signed is None:
        return None
    claims, now = signed
    if claims.get("iss") != tokens.issuer(settings.PORTAL_URL, slug) or not _timely(claims, now):
        return None
    if audiences is not None and not set(audiences) & set(_list(claims.get("aud"))):
        return None
    credential = _credential(claims.get("cid"), claims.get("client_id"))
    if credential is None or credential.kind == Credential.Kind.API_KEY or claims.get("sub") != claims.get("client_id"):
        return None
    if RevokedToken.objects.filter(jti=claims.get("jti")).exists():
        return None
    return Verified(claims, credential)


def api_key(text: str) -> Verified | None:
    """An API key of the tenant in scope, with its prefix."""
    prefix = next(filter(text.startswith, _API_KEY_PREFIXES), None)
    signed = _signed(text.removeprefix(prefix), SigningKey.Use.API_KEY, tokens.API_KEY_TYPE) if prefix else None
    if signed is None:
        return None
    claims, now = signed
    if not _ends_after(claims, now):
        return None
    credential = _credential(claims.get("jti"), claims.get("sub"))
    if credential is None or credential.kind != Credential.Kind.API_KEY:
        return None
    return Verified(claims, credential)


def _signed(text: str, purpose: str, kind: str) -> tuple[dict[str, Any], float] | None:
    """The claims and the database's clock, if a key of the tenant signed this for this purpose, with the one algorithm it is for."""
    try:
        header = jws.extract_compact(text.encode()).headers()
        kid, alg = header["kid"], header["alg"]
    except _BROKEN:
        return None
    if header.get("typ") != kind or "crit" in header or not isinstance(kid, str) or "\x00" in kid:
        return None
    rows = SigningKey.objects.in_jwks().filter(purpose=purpose, kid=kid, alg=alg)
    found = rows.annotate(now=Now()).values_list("public_jwk", "now").first()
    if found is None:
        return None
    key, now = found
    try:
        return jwt.decode(text, jwk.import_key(key), algorithms=[alg]).claims, now.timestamp()
    except _BROKEN:
        return None


def _timely(claims: Mapping[str, Any], now: float) -> bool:
    begin = claims.get("iat")
    return (
        _ends_after(claims, now)
        and isinstance(begin, int)
        and begin <= now + CLOCK_DIFFERENCE
        and claims["exp"] - begin <= tokens.MAX_LIFETIME + CLOCK_DIFFERENCE
    )


def _ends_after(claims: Mapping[str, Any], now: float) -> bool:
    end = claims.get("exp")
    return isinstance(end, int) and now < end


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _credential(pk: Any, client_id: Any) -> Credential | None:
    """It, while it works; what it earned ends with it."""
    working = Credential.objects.usable().filter(Q(expires_at=None) | Q(expires_at__gt=Now()), application__status="active")
    try:
        return working.select_related("application").filter(pk=UUID(str(pk)), application__client_id=client_id).first()
    except ValueError:
        return None
