"""Access tokens by RFC 9068, read by other people's libraries."""

import base64
import hashlib
import json

import jwt as pyjwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey

from keys import tokens

KEY = tokens.generate()
CLAIMS = tokens.claims(
    issuer="https://portal.example/t/acme",
    audience="https://gateway.example/acme",
    client_id="ptc_app_1",
    credential_id="cred-1",
    token_id="jti-1",
    now=4_000_000_000,
    lifetime=600,
)


def decoded(part: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_the_header_is_exactly_three_members() -> None:
    assert decoded(tokens.sign(CLAIMS, KEY).split(".")[0]) == {"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt"}


def test_the_claims_are_rfc_9068_and_the_credential() -> None:
    assert decoded(tokens.sign(CLAIMS, KEY).split(".")[1]) == {
        "iss": "https://portal.example/t/acme",
        "sub": "ptc_app_1",
        "client_id": "ptc_app_1",
        "cid": "cred-1",
        "aud": "https://gateway.example/acme",
        "iat": 4_000_000_000,
        "exp": 4_000_000_600,
        "jti": "jti-1",
    }


@pytest.mark.parametrize("lifetime", [0, -1, 901, 10_000])
def test_no_token_lives_longer_than_the_maximum(lifetime: int) -> None:
    with pytest.raises(AssertionError):
        tokens.claims(issuer="i", audience="a", client_id="c", credential_id="d", token_id="t", now=1, lifetime=lifetime)


def test_joserfc_verifies_it_with_the_public_key_alone() -> None:
    public = ECKey.import_key(dict[str, str | list[str]](tokens.public_jwk(KEY)))
    assert joserfc_jwt.decode(tokens.sign(CLAIMS, KEY), public, algorithms=["ES256"]).claims == CLAIMS


def test_pyjwt_verifies_it_with_the_public_key_alone() -> None:
    found = pyjwt.decode(
        tokens.sign(CLAIMS, KEY),
        pyjwt.PyJWK(tokens.public_jwk(KEY)).key,
        algorithms=["ES256"],
        audience="https://gateway.example/acme",
        issuer="https://portal.example/t/acme",
        options={"verify_iat": False, "require": ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]},
    )
    assert found == CLAIMS


def test_another_key_does_not_verify_it() -> None:
    with pytest.raises(pyjwt.InvalidSignatureError):
        pyjwt.decode(tokens.sign(CLAIMS, KEY), pyjwt.PyJWK(tokens.public_jwk(tokens.generate())).key, algorithms=["ES256"])


def test_the_kid_is_the_rfc_7638_thumbprint() -> None:
    jwk = tokens.public_jwk(KEY)
    canonical = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    digest = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
    assert jwk["kid"] == KEY.kid == digest


def test_the_public_key_has_public_members_only() -> None:
    assert set(tokens.public_jwk(KEY)) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_key_survives_storage() -> None:
    again = tokens.load(tokens.dump(KEY), KEY.kid, KEY.alg)
    assert tokens.public_jwk(again) == tokens.public_jwk(KEY)
    assert tokens.dump(KEY).startswith(b"-----BEGIN PRIVATE KEY-----")


def test_no_two_keys_are_alike() -> None:
    assert len({tokens.generate().kid for _ in range(20)}) == 20


def test_a_key_does_not_print_its_private_half() -> None:
    private = KEY.private.as_dict(private=True)["d"]
    assert str(private) not in repr(KEY) + str(KEY)
