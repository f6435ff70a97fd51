"""What a tenant's identity provider says, and whether it holds: its documents (OpenID Connect Discovery) and ID tokens (Core §3.1.3.7).

allauth takes people to the provider and back (state, PKCE, the code); it reads an ID token without looking at its signature or nonce,
and what it can't verify is verified here.
"""

import hmac
import json
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from keys import fetching, jwks
from tenants import addresses
from tenants.errors import Busy

SECONDS = 5.0
MAX_URL = 500
MAX_SUBJECT = 255
# What two clocks may differ by, and how long ago a token of a sign-in that is under way was made at most, in seconds.
SKEW, FRESH = 60, 600
# So many providers are called at once, each for one person: a request waits for what they say, and there are few that can wait.
AT_ONCE, PATIENCE = 2, 1.0
_called, _free = set[UUID](), threading.Condition()
# How long its document is known, and of how many; its keys are asked for each time.
KNOWN_SECONDS, MOST_KNOWN = 300.0, 1000
_documents: dict[str, tuple[float, dict[str, Any]]] = {}
# It says of any address that its person once read mails there; of those that it keeps itself alone it knows that they still do.
GOOGLE = "https://accounts.google.com"
# What is needed of a provider's document, and what is used of it where it is there.
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_BROKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class ProviderRefused(Exception):  # noqa: N818  (reads as the sentence it is)
    """What the provider says can't be relied on, or didn't come; in a sentence for whoever signs in, and whoever set it up."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom the provider vouches for. `email` is "" where it names none, `verified` whether it says that the address is theirs."""

    issuer: str
    subject: str
    email: str
    verified: bool
    name: str
    nonce: str


def check_address(url: str) -> SplitResult:
    """An address at a provider: https; http for loopback alone, where the operator allows calls there (the embedded stack).

    :raises ProviderRefused: it is none.
    """
    wrong = ProviderRefused(_("Write an address such as https://login.example.com/acme, without user, query and fragment."))
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    host = addresses.host(parts.hostname or "")
    if host is None or port == 0 or parts.username is not None or parts.password is not None or parts.fragment:
        raise wrong
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return parts
    raise ProviderRefused(_("The address begins with https://."))


def _is_loopback(host: str) -> bool:
    allowed = settings.UPSTREAM_NETWORKS
    return host in {"localhost", "127.0.0.1", "::1"} and addresses.may_be_called("127.0.0.1", allowed=allowed)


def check_issuer(url: str) -> str:
    """
    :raises ProviderRefused: no issuer (Discovery §3: no query).
    """
    parts = check_address(url)
    if parts.query:
        raise ProviderRefused(_("An issuer has no query: leave out what stands after the question mark."))
    return url


@contextmanager
def one_of_few(tenant: UUID) -> Iterator[None]:
    """Round calls to a tenant's provider: one that is slow holds up its own tenant's people, and no other page.

    :raises Busy: as many as may are being called.
    """
    with _free:
        if not _free.wait_for(lambda: tenant not in _called and len(_called) < AT_ONCE, timeout=PATIENCE):
            raise Busy(_("Many people sign in just now. Try again in a few seconds."))
        _called.add(tenant)
    try:
        yield
    finally:
        with _free:
            _called.discard(tenant)
            _free.notify_all()


def call(method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> fetching.Answer:
    """
    :raises ProviderRefused: it does not answer, or lies where nobody may be called.
    """
    try:
        return fetching.call(method, check_address(url), headers=headers, body=body, seconds=SECONDS)
    except fetching.Unreachable as error:
        said = _("%(host)s did not answer within %(seconds)s seconds.") if error.allowed else _("%(host)s has no public address.")
        raise ProviderRefused(said % {"host": error.host, "seconds": round(SECONDS)}) from None


def discover(issuer: str) -> dict[str, Any]:
    """The provider's own document, of which every address was looked at.

    :raises ProviderRefused: it is none, or another issuer's.
    """
    found = _document("GET", f"{check_issuer(issuer).rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        named = str(found.get("issuer"))[:200]
        raise ProviderRefused(_("The provider calls itself “%(named)s”. The issuer has to be the same, to the letter.") % {"named": named})
    for name in (*ENDPOINTS, *(["userinfo_endpoint"] if found.get("userinfo_endpoint") else [])):
        address = found.get(name)
        if not isinstance(address, str):
            raise ProviderRefused(_("The provider's document names no %(name)s.") % {"name": name})
        check_address(address)
    methods = found.setdefault("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if not isinstance(methods, list) or not {"client_secret_basic", "client_secret_post"} & set(map(str, methods)):
        raise ProviderRefused(_("The provider takes no client secret, neither in a header nor in the form."))
    return found


def document_of(issuer: str) -> dict[str, Any]:
    """The same, as it was five minutes ago at most: people on their way to a provider have nobody wait for it.

    :raises ProviderRefused: as `discover`.
    """
    until, found = _documents.get(issuer, (0.0, {}))
    if until <= time.monotonic():
        found = discover(issuer)
        if len(_documents) >= MOST_KNOWN:
            _documents.clear()
        _documents[issuer] = (time.monotonic() + KNOWN_SECONDS, found)
    return found


def is_known(issuer: str) -> bool:
    """Whether nobody has to be called for it."""
    return _documents.get(issuer, (0.0,))[0] > time.monotonic()


def _document(method: str, url: str, **more: Any) -> dict[str, Any]:
    answer = call(method, url, **more)
    host = urlsplit(url).hostname
    if answer.status != 200:
        said = _("%(host)s answered %(status)s where %(path)s should be.")
        raise ProviderRefused(said % {"host": host, "status": answer.status, "path": urlsplit(url).path})
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderRefused(_("%(host)s answered with something that is no JSON object.") % {"host": host})
    return found


def keys_of(document: Mapping[str, Any]) -> list[Any]:
    """The provider's keys, as they are.

    :raises ProviderRefused: there are none.
    """
    found = _document("GET", document["jwks_uri"]).get("keys")
    if not isinstance(found, list) or not found:
        raise ProviderRefused(_("The provider shows no keys."))
    return found


def userinfo(document: Mapping[str, Any], access_token: str) -> dict[str, Any]:
    """What the provider tells beside the ID token (Core §5.3); nothing, where it has no such endpoint."""
    if not document.get("userinfo_endpoint"):
        return {}
    return _document("GET", document["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"})


def verified(text: str, keys: Sequence[Any], *, issuer: str, client_id: str, now: float) -> dict[str, Any]:
    """The claims of an ID token that one of the issuer's keys signed, for this client, just now.

    :raises ProviderRefused: anything else.
    """
    claims = _signed(text, keys)
    if claims.get("iss") != issuer:
        raise ProviderRefused(_("The provider's answer is another issuer's."))
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp", client_id if len(audiences) == 1 else None)
    if client_id not in audiences or party != client_id:
        raise ProviderRefused(_("The provider's answer is for another client than ours."))
    begin, end = _time(claims, "iat"), _time(claims, "exp")
    if (
        begin is None
        or end is None
        or end <= now - SKEW
        or begin > now + SKEW
        or begin < now - FRESH
        or (_time(claims, "nbf") or 0) > now + SKEW
    ):
        raise ProviderRefused(_("The provider's answer does not hold now. Sign in once more; if it stays, compare its clock with ours."))
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise ProviderRefused(_("The provider does not say who signed in."))
    return claims


def _signed(text: str, keys: Sequence[Any]) -> dict[str, Any]:
    wrong = ProviderRefused(_("The provider's answer is not signed by a key that it shows."))
    try:
        header = jws.extract_compact(text.encode()).headers()
        kid, alg, kind = header.get("kid"), header["alg"], header.get("typ", "JWT")
    except _BROKEN:
        raise wrong from None
    # Of whatever else the issuer signs nothing is an ID token (RFC 8725 §3.11).
    if "crit" in header or not isinstance(kind, str) or kind.upper() != "JWT":
        raise wrong
    for key in keys:
        if not isinstance(key, dict) or (kid is not None and key.get("kid") != kid):
            continue
        try:
            # The one algorithm that the key is for, and never one that takes a shared secret.
            public = jwks.read_public(json.dumps(key if "alg" in key else {**key, "alg": alg}))["keys"][0]
            if public["alg"] == alg:
                return dict(jwt.decode(text, jwk.import_key(public), algorithms=[alg]).claims)
        except _BROKEN:
            continue
    raise wrong


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2)."""
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        seconds = float(found)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def claims(token: Mapping[str, Any], told: Mapping[str, Any]) -> Claims:
    """Of a verified ID token, and of what was told beside it, which counts for the same subject alone (Core §5.3.2).

    :raises ProviderRefused: it is about somebody else.
    """
    if told and told.get("sub") != token["sub"]:
        raise ProviderRefused(_("The provider tells about another person than who signed in."))
    both = {**told, **token}
    # Of one source alone: an address of the one that the other calls verified would be nobody's.
    source = token if _text(token, "email") else told
    return Claims(
        issuer=token["iss"],
        subject=token["sub"],
        email=_text(source, "email"),
        verified=_is_theirs(source, token["iss"]),
        name=_text(both, "name")[:80],
        nonce=_text(token, "nonce"),
    )


def _text(of: Mapping[str, Any], name: str) -> str:
    found = of.get(name)
    return found.strip() if isinstance(found, str) and found.isprintable() else ""


def _is_theirs(of: Mapping[str, Any], issuer: str) -> bool:
    """`email_verified`; Microsoft Entra ID has none, and says `xms_edov` of addresses whose domain it knows to be the organisation's."""
    if issuer == GOOGLE and not (_text(of, "hd") or _text(of, "email").lower().endswith("@gmail.com")):
        return False
    if "email_verified" in of:
        # Some write it as text. "false" is text, too.
        return of["email_verified"] is True or of["email_verified"] == "true"
    return of.get("xms_edov") in (True, "true", "1")


def same(found: str, wanted: str) -> bool:
    """Whether a nonce is the one that was sent."""
    return bool(wanted) and hmac.compare_digest(found.encode(), wanted.encode())
