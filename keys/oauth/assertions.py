"""JWTs by which clients prove themselves (RFC 7523 §3): who they say they are, whether a key of theirs signed them, whether they hold.

Pure: the database's clock is an argument.
"""

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from keys.tokens import CLOCK_SKEW

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# What a client's own assertion may call itself: nothing, the general name, or that of draft-ietf-oauth-rfc7523bis.
TYPES = {"", "jwt", "client-authentication+jwt"}


class AssertionRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """Why it proves nothing, in a sentence by the rules of `OAuthError`."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What it says, before anybody has verified it."""

    text: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def kid(self) -> str | None:
        found = self.header.get("kid")
        return found if isinstance(found, str) else None

    def says(self, name: str) -> str:
        """A claim that is text; "" if it is not."""
        found = self.claims.get(name)
        return found if isinstance(found, str) else ""


def read(text: str) -> Assertion:
    try:
        found = jws.extract_compact(text.encode())
        claims = json.loads(found.payload)
        header = dict(found.headers())
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AssertionRefused("The client_assertion is not a JWT (RFC 7519).") from None
    if not isinstance(claims, dict):
        raise AssertionRefused("The client_assertion is not a JWT (RFC 7519).")
    if "crit" in header:
        raise AssertionRefused("The client_assertion has a critical extension, and none is understood here.")
    return Assertion(text, header, claims)


def verified(assertion: Assertion, keys: Iterable[Mapping[str, str]]) -> bool:
    """Whether one of these keys signed it, with the one algorithm that the key is for (RFC 8725 §3.1)."""
    alg, kid = assertion.header.get("alg"), assertion.header.get("kid")
    return any(_signed_by(assertion.text, key) for key in keys if key["alg"] == alg and kid in {None, key["kid"]})


def _signed_by(text: str, key: Mapping[str, str]) -> bool:
    try:
        jwt.decode(text, jwk.import_key(dict(key)), algorithms=[key["alg"]])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    return True


def check(assertion: Assertion, *, audiences: Collection[str], now: float, longest: int) -> float:
    """Its end, as NumericDate, if it is for us and holds now.

    :param longest: how many seconds its end may lie ahead.
    :raises AssertionRefused: with the reason.
    """
    claims = assertion.claims
    audience = claims.get("aud")
    # One audience alone: whoever else it is for could use it here.
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str) or audience not in audiences:
        raise AssertionRefused("The assertion is for another audience: aud has to be our issuer, and nothing else.")
    end = _time(claims, "exp")
    if end is None:
        raise AssertionRefused("The assertion has no end: exp is needed.")
    if end <= now - CLOCK_SKEW:
        raise AssertionRefused("The assertion has expired.")
    if end > now + longest + CLOCK_SKEW:
        raise AssertionRefused(f"The assertion lives too long: its exp may lie at most {longest} s ahead.")
    for name in ("nbf", "iat"):
        begin = _time(claims, name)
        if begin is not None and begin > now + CLOCK_SKEW:
            raise AssertionRefused(f"The assertion holds in the future only: compare its {name} with your clock.")
    return end


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2); None if there is none."""
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found) or not 0 <= found < 2**40:
        raise AssertionRefused(f"The assertion's {name} is no time (RFC 7519, section 2).")
    return float(found)
