"""Public keys of others, as people paste them and servers publish them; and the last look at our own (RFC 7517, RFC 7518 §6, RFC 8037)."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

MOST_KEYS = 10
MAX_BYTES = 64 * 1024
MAX_KID = 200
# 112 bits of security (NIST SP 800-131A); and no more than a verifier can be asked to do.
RSA_BITS = (2048, 8192)
# What signs: the members that a public key of each type has, and the algorithms that fit, the one that is meant when it says none first.
ALGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
}
SIGNING_ALGS = sorted({alg for algs in ALGS.values() for alg in algs})
MEMBERS = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e"), "OKP": ("kty", "crv", "x")}
# RFC 7518 §6.2.2, §6.3.2 and §6.4.
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_TYPES: dict[str, Any] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


class JwksRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """Keys that can't be trusted or used. `named` fills the placeholders of `sentence`, in whatever language that is."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named


def read_public(text: str) -> dict[str, Any]:
    """`{"keys": [...]}`, or one JWK alone: as a JWKS of public members, each key with kid, alg and use.

    Keys of a set that are for encryption are left out: identity providers publish them beside the others.

    :raises JwksRefused: anything else, with the reason.
    """
    keys = [_signing_key(each) for each in _candidates(text) if _verifies(each)]
    if not keys:
        raise JwksRefused(_("None of these keys is for signatures; all are for encryption."))
    if len(keys) > MOST_KEYS:
        raise JwksRefused(_("These are %(count)s keys; at most %(most)s can be used."), count=len(keys), most=MOST_KEYS)
    _no_kid_twice(keys)
    return {"keys": keys}


def lint(keys: Iterable[Mapping[str, Any]]) -> None:
    """The last look at a JWKS of our own before others see it: gateways and foreign verifiers trust whatever stands there.

    :raises JwksRefused: a key that has more than public members, or is not told apart by kid, use and alg.
    """
    keys = list(keys)
    for key in keys:
        members = MEMBERS.get(key.get("kty", ""), ())
        if not members or set(key) != {*members, "kid", "use", "alg"} or key["use"] != "sig":
            raise JwksRefused(_("A key is not shown with its public members, kid, use and alg alone."))
        if _signing_key(key) != dict(key):
            raise JwksRefused(_("A key is not what its kid, use and alg say."))
    _no_kid_twice(keys)


def _candidates(text: str) -> list[Any]:
    if len(text) > MAX_BYTES:
        raise JwksRefused(_("This is longer than %(most)s KB."), most=MAX_BYTES // 1024)
    if "-----BEGIN" in text:
        if "PRIVATE KEY" in text:
            raise JwksRefused(_("This is a private key. Keep it to yourself; paste its public half as a JWK, and make a new pair."))
        raise JwksRefused(_("This is PEM. Paste the key as a JWK: JSON that begins with a brace."))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise JwksRefused(_("This isn't JSON. Paste a JWK, or a JWKS: JSON with a list called keys.")) from None
    if not isinstance(found, dict):
        raise JwksRefused(_("This is no JSON object. Paste a JWK, or a JWKS: JSON with a list called keys."))
    keys = found.get("keys", [found])
    if not isinstance(keys, list) or not keys:
        raise JwksRefused(_("There are no keys in this. Paste a JWK, or a JWKS: JSON with a list called keys."))
    return keys


def _verifies(key: Any) -> bool:
    """Whether it is for signatures, which one that doesn't say is. A private key is refused whatever it is for."""
    if not isinstance(key, dict) or not isinstance(key.get("kty"), str):
        raise JwksRefused(_("A key has no type. Each is a JWK with kty and its public members."))
    if key["kty"] == "oct":
        raise JwksRefused(_("This is a shared secret (oct), not a public key. Whoever holds it could sign, too."))
    if PRIVATE & set(key):
        raise JwksRefused(_("This is a private key. Keep it to yourself; paste its public half, and make a new pair."))
    operations = key.get("key_ops", ["verify"])
    return key.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _signing_key(key: Mapping[str, Any]) -> dict[str, Any]:
    """Its public members, kid, use and alg."""
    kty, crv = key["kty"], key.get("crv", "")
    algs = ALGS.get((kty, crv if kty != "RSA" and isinstance(crv, str) else ""))
    if algs is None:
        if kty in {"EC", "OKP"}:
            raise JwksRefused(_("A key's curve is none of P-256, P-384 and Ed25519."))
        raise JwksRefused(_("A key's type is none of EC, RSA and OKP."))
    alg = key.get("alg", algs[0])
    if alg not in algs:
        raise JwksRefused(_("A key's algorithm doesn't fit its type. Fitting: %(algs)s."), algs=", ".join(algs))
    public = {name: key.get(name) for name in MEMBERS[kty]}
    if not all(isinstance(value, str) and value for value in public.values()):
        raise JwksRefused(_("A key lacks one of its public members: %(members)s."), members=", ".join(MEMBERS[kty]))
    try:
        if kty == "RSA":
            _strong(_number(public["n"]).bit_length(), _number(public["e"]))
        imported = _TYPES[kty].import_key(public)
    except JwksRefused:
        raise
    except (JoseError, ValueError, TypeError, KeyError):
        raise JwksRefused(_("A key's numbers are not those of a public key.")) from None
    return {**public, "kid": _kid(key, imported.thumbprint()), "use": "sig", "alg": alg}


def _number(text: Any) -> int:
    """Base64urlUInt (RFC 7518 §2)."""
    return int.from_bytes(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))


def _strong(bits: int, exponent: int) -> None:
    least, most = RSA_BITS
    if bits < least:
        raise JwksRefused(_("An RSA key has %(bits)s bits; at least %(least)s are needed."), bits=bits, least=least)
    if bits > most:
        raise JwksRefused(_("An RSA key has %(bits)s bits; at most %(most)s can be used."), bits=bits, most=most)
    if exponent < 3 or not exponent % 2:
        raise JwksRefused(_("A key's numbers are not those of a public key."))


def _kid(key: Mapping[str, Any], thumbprint: str) -> str:
    """Its own, else the thumbprint (RFC 7638)."""
    kid = key.get("kid", thumbprint)
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID or not kid.isprintable():
        raise JwksRefused(_("A key's kid is no text of 1 to %(most)s printable characters."), most=MAX_KID)
    return kid


def _no_kid_twice(keys: Iterable[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key["kid"] in seen:
            raise JwksRefused(_("The key id %(kid)s stands twice. Each key needs one of its own."), kid=key["kid"])
        seen.add(key["kid"])
