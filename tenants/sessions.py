"""Sessions of programs at the REST API: a short access token, and a refresh token that is used once.

The refresh tokens of one sign-in are a family: the `jti` of each begins with the family's id, so that a family is a range of the index
on `jti`. At most one of them is unused. The database keeps ids, never a token.
"""

from typing import Any, TypeVar
from uuid import uuid4

from django.db import transaction
from django.db.models import QuerySet
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from tenants import events
from tenants.models import User

ALG = "HS256"
TYPE = "portico-session+jwt"
KEY = OctKey.import_key(api_settings.SIGNING_KEY)
OURS = {"iss": api_settings.ISSUER, "aud": api_settings.AUDIENCE}
CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": OURS["iss"]},
    aud={"essential": True, "value": OURS["aud"]},
    exp={"essential": True},
    sub={"essential": True},
)


class Signed(TokenBackend):
    """What simplejwt's own leaves out: the header says the kind, so that no other token of this key passes for one (RFC 8725 §3.11)."""

    def encode(self, payload: dict[str, Any]) -> str:
        return jwt.encode({"alg": ALG, "typ": TYPE}, {**payload, **OURS}, KEY, algorithms=[ALG])

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002  (its signature)
        """The claims; always verified."""
        try:
            found = jwt.decode(token, KEY, algorithms=[ALG])
            CLAIMS.validate(found.claims)
        except (JoseError, ValueError, TypeError) as error:
            # joserfc lets TypeError through for a header that is JSON, but not as it should be.
            raise TokenBackendError("Token is invalid") from error
        if found.header.get("typ") != TYPE:
            raise TokenBackendError("Token is of another kind")
        return found.claims


_signed = Signed(ALG)


class SessionToken(Token):
    def get_token_backend(self) -> TokenBackend:
        return _signed


T = TypeVar("T", bound=SessionToken)


class Access(SessionToken):
    token_type = "access"  # nosec B105  (a word)
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME


class Refresh(SessionToken):
    token_type = "refresh"  # nosec B105  (a word)
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME

    @property
    def family(self) -> str:
        """How the ids of all that came of one sign-in begin."""
        return f"{self['jti'].partition('.')[0]}."

    @property
    def access(self) -> Access:
        """An access token for the same person."""
        return _on(Access(), self)

    def set_jti(self) -> None:
        """An id of its own, in a new family."""
        self["jti"] = f"{uuid4().hex}.{uuid4().hex}"


class SignedOutError(Exception):
    """What somebody signed in with has ended meanwhile: another password, or a closed account."""


@transaction.atomic
def start(user: User, *, second_factor: bool = False) -> Refresh:
    """The first refresh token of a family, for somebody who has just signed in; `mfa` says that it was with a second factor.

    :raises SignedOutError: they would not get in any more.
    """
    # See `_use`. Whoever ends all of a person's sessions has this row, and this one would slip through.
    now = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not now.is_active or now.password != user.password:
        raise SignedOutError
    token = Refresh()
    token["sub"] = str(user.pk)
    if second_factor:
        token["mfa"] = True
    _keep(token)
    return token


def _on(token: T, before: Refresh) -> T:
    """What the sign-in was stays in all that comes of it."""
    for name in ("sub", "mfa"):
        if name in before:
            token[name] = before[name]
    return token


@transaction.atomic
def renew(given: str) -> Refresh | None:
    """The refresh token that follows this one, which ends; None if this one has ended or is none. See `_use`."""
    used = _use(given)
    if used is None:
        return None
    token = _on(Refresh(), used)
    token["jti"] = f"{used.family}{uuid4().hex}"
    _keep(token)
    return token


@transaction.atomic
def end(given: str) -> bool:
    """Sign out. False if the refresh token has ended or is none. See `_use`."""
    return _use(given) is not None


def _use(given: str) -> Refresh | None:
    """Use a refresh token up: the token, or None if it has ended or is none.

    One that was used before is in two hands, and which of them is the thief's can't be told: its whole family ends (RFC 9700 §4.14.2).
    Not so for requests at the same time, which is a client that hurries: one of them has the token, the others find it gone once they
    have waited for it, and that is all.
    """
    try:
        token = Refresh(given)  # type: ignore[arg-type]  # simplejwt says Token, and reads text
    except TokenError:
        return None
    itself = _unused(jti=token["jti"])
    used_before = not itself.exists()
    # Whatever uses or ends a refresh token waits for its person's row, so that none slips through while its family ends.
    person = User.objects.select_for_update(no_key=True).filter(pk=token["sub"], is_active=True).first()
    if person is None:
        return None
    if _end(itself):
        return token
    if used_before and _end(_unused(jti__startswith=token.family)):
        events.record_platform("login.refresh_reused", person, by=None)
    return None


def _unused(**which: str) -> QuerySet[OutstandingToken]:
    return OutstandingToken.objects.filter(blacklistedtoken=None, **which).order_by("pk")


def _end(unused: QuerySet[OutstandingToken]) -> bool:
    """Returns whether there was anything to end."""
    return bool(BlacklistedToken.objects.bulk_create([BlacklistedToken(token=found) for found in unused.only("pk")]))


def _keep(token: Refresh) -> None:
    OutstandingToken.objects.create(
        user_id=token["sub"], jti=token["jti"], created_at=token.current_time, expires_at=datetime_from_epoch(token["exp"])
    )
