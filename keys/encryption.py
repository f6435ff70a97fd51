"""The public key of an API, with which claims are encrypted that only the API may read (RFC 7516, RFC 7517)."""

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

# RFC 7518 §4.6 and §5.3: a key that is agreed upon anew for each token wraps the content's.
ALG, ENC = "ECDH-ES+A256KW", "A256GCM"
MAX_LENGTH = 4_000
MAX_KID = 100
# RFC 7518 §6.2.1.1, RFC 8037 §2.
CURVES = {"EC": ("P-256", "P-384", "P-521"), "OKP": ("X25519",)}
_KINDS: dict[str, type[ECKey | OKPKey]] = {"EC": ECKey, "OKP": OKPKey}
_MEMBERS = {"EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


PRIVATE = _("This is a private key. Whoever sees it can read the claims: make a new pair, and paste the public half.")


class KeyRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """No key to encrypt with. `named` fills the placeholders of `sentence`, in whatever language that is."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named


class PrivateKeyRefused(KeyRefused):
    """It is a secret, and is best shown and kept nowhere."""


def read_encryption_key(given: str | Mapping[str, Any]) -> dict[str, str]:
    """The public members alone, with `kid` (its RFC 7638 thumbprint, if it has none), `use` and `alg`.

    :param given: a JWK, or its JSON. :raises KeyRefused: anything else, with the reason.
    """
    jwk = _parsed(given) if isinstance(given, str) else given
    _check_kind(jwk)
    kind = str(jwk["kty"])
    for name, wanted in (("use", "enc"), ("alg", ALG)):
        if jwk.get(name, wanted) != wanted:
            raise KeyRefused(_("“%(name)s” has to be %(wanted)s, or be left out."), name=name, wanted=wanted)
    kid = jwk.get("kid", "")
    if not isinstance(kid, str) or len(kid) > MAX_KID or not kid.isprintable():
        raise KeyRefused(_("“kid” has to be text of at most %(most)s characters."), most=MAX_KID)
    key = _usable({name: jwk.get(name) for name in _MEMBERS[kind]})
    told = key.as_dict(private=False)
    return {**{name: str(told[name]) for name in _MEMBERS[kind]}, "kid": kid or key.thumbprint(), "use": "enc", "alg": ALG}


def encrypted(claims: Mapping[str, str], jwk: Mapping[str, str]) -> str:
    """A JWE that only the API can read (RFC 7516): compact, with its key's id.

    :param jwk: as `read_encryption_key` returned it. :raises KeyRefused: it can't be used after all.
    """
    try:
        kind = _KINDS[jwk["kty"]]
        header = {"alg": ALG, "enc": ENC, "kid": jwk["kid"]}
        text = json.dumps(dict(claims), ensure_ascii=False)
        return jwe.encrypt_compact(header, text, kind.import_key(dict(jwk)), algorithms=[ALG, ENC])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise KeyRefused(_("The encryption key that this API registered can't be used. Its publisher has to replace it.")) from error


def _parsed(text: str) -> Mapping[str, Any]:
    if len(text) > MAX_LENGTH:
        raise KeyRefused(_("This has %(count)s characters; a key has at most %(most)s."), count=len(text), most=MAX_LENGTH)
    if "PRIVATE KEY" in text:
        raise PrivateKeyRefused(PRIVATE)
    if "-----BEGIN" in text:
        raise KeyRefused(_("This is PEM. Paste the public key as a JWK, which is JSON."))
    try:
        jwk = json.loads(text)
    except (ValueError, RecursionError):
        raise KeyRefused(_("This is no JSON. Paste the public key as a JWK.")) from None
    if not isinstance(jwk, dict):
        raise KeyRefused(_("A JWK is a JSON object, with “kty” and “crv” among its members."))
    return jwk


def _check_kind(jwk: Mapping[str, Any]) -> None:
    if "keys" in jwk:
        raise KeyRefused(_("This is a set of keys. Paste the one key that stands in it."))
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if kind == "oct":
        raise PrivateKeyRefused(_("This is a shared secret (oct). Make a pair of the type EC or X25519, and paste the public half."))
    if "d" in jwk:
        raise PrivateKeyRefused(PRIVATE)
    if kind == "RSA":
        raise KeyRefused(_("RSA keys are not used here. Make a pair of the type EC or X25519."))
    if kind not in ("EC", "OKP"):
        raise KeyRefused(_("“kty” has to be EC or OKP."))
    if curve not in CURVES[kind]:
        raise KeyRefused(_("“crv” has to be one of %(curves)s."), curves=", ".join(CURVES[kind]))


def _usable(members: Mapping[str, Any]) -> ECKey | OKPKey:
    """Tried out: a point that is not on its curve, or too small, encrypts nothing."""
    kind = _KINDS[members["kty"]]
    try:
        # By way of PEM each member has the one spelling that thumbprints are made of.
        key: ECKey | OKPKey = kind.import_key(kind.import_key(dict(members)).as_pem(private=False))
        jwe.encrypt_compact({"alg": ALG, "enc": ENC}, b"{}", key, algorithms=[ALG, ENC])
    except (JoseError, ValueError, TypeError):
        raise KeyRefused(_("Its members are no public key of that curve. Copy it once more, whole.")) from None
    return key
