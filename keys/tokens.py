"""Access tokens: JWTs by the profile of RFC 9068, signed with a key that belongs to one tenant alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

TYPE = "at+jwt"
ALG = "ES256"
LIFETIME = 600
# The longest that any tenant may choose; the gateway refuses more than this and a minute of clock difference.
MAX_LIFETIME = 900


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key ready to sign: `kid` is its RFC 7638 thumbprint."""

    kid: str
    private: ECKey


def generate() -> Key:
    """A fresh P-256 key pair for ES256."""
    private = ECKey.generate_key("P-256", private=True)
    return Key(private.thumbprint(), private)


def load(pem: bytes, kid: str) -> Key:
    return Key(kid, ECKey.import_key(pem))


def dump(key: Key) -> bytes:
    """The private key as PKCS #8 PEM: to be sealed at once."""
    pem: bytes = key.private.as_pem(private=True)
    return pem


def public_jwk(key: Key) -> dict[str, str]:
    """The public members that a JWKS shows (RFC 7517 §4), never a private one."""
    jwk = key.private.as_dict(private=False)
    point = {name: str(jwk[name]) for name in ("kty", "crv", "x", "y")}
    return {**point, "kid": key.kid, "use": "sig", "alg": ALG}


def issuer(portal_url: str, slug: str) -> str:
    return f"{portal_url}/t/{slug}"


def audience(gateway_url: str, slug: str) -> str:
    return f"{gateway_url}/{slug}"


def claims(*, issuer: str, audience: str, client_id: str, credential_id: str, token_id: str, now: int, lifetime: int) -> dict[str, Any]:
    """RFC 9068 §2.2, and `cid`: the credential that earned the token, so that revoking it ends every token it earned."""
    assert 0 < lifetime <= MAX_LIFETIME
    return {
        "iss": issuer,
        "sub": client_id,
        "client_id": client_id,
        "cid": credential_id,
        "aud": audience,
        "iat": now,
        "exp": now + lifetime,
        "jti": token_id,
    }


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """A compact JWS with `alg`, `kid` and `typ: at+jwt` (RFC 9068 §2.1)."""
    return jwt.encode({"alg": ALG, "kid": key.kid, "typ": TYPE}, dict(claims), key.private, algorithms=[ALG])
