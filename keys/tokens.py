"""Access tokens by the profile of RFC 9068 and API keys, signed with a key that belongs to one tenant, one purpose and one algorithm."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

# Envoy knows Ed25519 by the name of RFC 8037 alone, which RFC 9864 calls old.
warnings.filterwarnings("ignore", message="EdDSA is deprecated via RFC 9864")

ACCESS_TOKEN_TYPE = "at+jwt"  # nosec B105  (a media type)
API_KEY_TYPE = "ak+jwt"
# The longest that any tenant may choose; the gateway refuses more than this and a minute of clock difference.
MAX_LIFETIME = 900
# A verifier's clock may differ by this, in seconds.
CLOCK_SKEW = 5

Private: TypeAlias = ECKey | RSAKey | OKPKey

# What a tenant may choose, as its policy spells it. RSA with 2048 bits is the least that is allowed anywhere (NIST SP 800-131A: 112 bits).
ALGORITHMS = ("ES256", "ES384", "RS256-3072", "RS256-2048", "EdDSA")
DEFAULT_ALGORITHM = "ES256"
_MEMBERS = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e"), "OKP": ("kty", "crv", "x")}


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key ready to sign. `kid` is its RFC 7638 thumbprint, `alg` the JOSE name of its one algorithm (RFC 7518 §3.1, RFC 8037)."""

    kid: str
    alg: str
    private: Private


def generate(algorithm: str = DEFAULT_ALGORITHM) -> Key:
    """A fresh key pair for one of ALGORITHMS."""
    private: Private
    match algorithm:
        case "ES256":
            private = ECKey.generate_key("P-256", private=True)
        case "ES384":
            private = ECKey.generate_key("P-384", private=True)
        case "RS256-3072":
            private = RSAKey.generate_key(3072, private=True)
        case "RS256-2048":
            private = RSAKey.generate_key(2048, private=True)
        case "EdDSA":
            private = OKPKey.generate_key("Ed25519", private=True)
        case _:
            raise ValueError(f"{algorithm} is none of {', '.join(ALGORITHMS)}.")
    return Key(private.thumbprint(), alg_of(algorithm), private)


def alg_of(algorithm: str) -> str:
    """The JOSE name: what stands in `alg`."""
    return algorithm.partition("-")[0]


def algorithm_of(jwk: Mapping[str, str]) -> str:
    """Which of ALGORITHMS a public JWK is for."""
    if jwk["kty"] != "RSA":
        return jwk["alg"]
    # Six bits to a character of base64url, a leading zero at most: 342 and 512 characters.
    return "RS256-2048" if len(jwk["n"]) < 400 else "RS256-3072"


def load(pem: bytes, kid: str, alg: str) -> Key:
    private: Private
    if alg == "EdDSA":
        private = OKPKey.import_key(pem)
    elif alg.startswith("RS"):
        private = RSAKey.import_key(pem)
    else:
        private = ECKey.import_key(pem)
    return Key(kid, alg, private)


def dump(key: Key) -> bytes:
    """The private key as PKCS #8 PEM: to be sealed at once."""
    pem: bytes = key.private.as_pem(private=True)
    return pem


def public_jwk(key: Key) -> dict[str, str]:
    """The public members that a JWKS shows (RFC 7517 §4), never a private one."""
    jwk = key.private.as_dict(private=False)
    members = {name: str(jwk[name]) for name in _MEMBERS[str(jwk["kty"])]}
    return {**members, "kid": key.kid, "use": "sig", "alg": key.alg}


def issuer(portal_url: str, slug: str) -> str:
    return f"{portal_url}/t/{slug}"


def audience(gateway_url: str, slug: str) -> str:
    return f"{gateway_url}/{slug}"


def own_audience(host: str, port: int) -> str:
    """Where the tenant's gateway is called under a host name of the tenant's own, which tokens may name in place of the other."""
    return f"https://{host}" if port == 443 else f"https://{host}:{port}"


def claims(
    *,
    issuer: str,
    audience: str | Sequence[str],
    client_id: str,
    credential_id: str,
    token_id: str,
    now: int,
    lifetime: int,
    scope: str = "",
    confidential: str = "",
) -> dict[str, Any]:
    """RFC 9068 §2.2, and two of our own.

    `cid` is the credential that earned the token, so that revoking it ends every token it earned; `enc` a JWE for the API that the token
    is for (RFC 7516).

    :param scope: as RFC 6749 §3.3 writes them, separated by spaces; no claim if "".
    """
    assert 0 < lifetime <= MAX_LIFETIME
    found: dict[str, Any] = {
        "iss": issuer,
        "sub": client_id,
        "client_id": client_id,
        "cid": credential_id,
        "aud": audience if isinstance(audience, str) else list(audience),
        "iat": now,
        "exp": now + lifetime,
        "jti": token_id,
    }
    if scope:
        found["scope"] = scope
    if confidential:
        found["enc"] = confidential
    return found


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """A compact JWS with `alg`, `kid` and `typ: at+jwt` (RFC 9068 §2.1)."""
    return _signed(claims, key, ACCESS_TOKEN_TYPE)


def api_key(*, client_id: str, credential_id: str, expires: int, environment: str, key: Key) -> str:
    """`ptc_live_…` or `ptc_test_…`: a compact JWS that says whose it is, which credential, and when it ends.

    :param expires: NumericDate (RFC 7519 §2). :param environment: "live" or "test".
    """
    return api_key_prefix(environment) + _signed({"sub": client_id, "jti": credential_id, "exp": expires}, key, API_KEY_TYPE)


def api_key_prefix(environment: str) -> str:
    return f"ptc_{environment}_"


def _signed(claims: Mapping[str, Any], key: Key, kind: str) -> str:
    return jwt.encode({"alg": key.alg, "kid": key.kid, "typ": kind}, dict(claims), key.private, algorithms=[key.alg])
