"""Public keys as people paste them: what is wrong is said in a sentence, and nothing private is ever kept."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as made_rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey

from keys import tokens
from keys.jwks import MEMBERS, SIGNING_ALGS, JwksRefused, lint, read_public
from tests.keys.proofs import PRIVATE

EC = PRIVATE["ES256"]
PUBLIC = EC.as_dict(private=False)
RSA = PRIVATE["RS256"].as_dict(private=False)


def text(*keys: Any, **more: Any) -> str:
    return json.dumps({"keys": list(keys), **more})


@pytest.mark.parametrize("alg", SIGNING_ALGS)
def test_a_public_key_alone_or_in_a_set_is_read_with_what_tells_it_apart(alg: str) -> None:
    jwk = PRIVATE[alg].as_dict(private=False) | {"alg": alg}
    for pasted in (json.dumps(jwk), text(jwk), f"\n {json.dumps(jwk, indent=2)} \n"):
        (key,) = read_public(pasted)["keys"]
        assert set(key) == {*MEMBERS[key["kty"]], "kid", "use", "alg"}
        assert (key["kid"], key["use"], key["alg"]) == (PRIVATE[alg].thumbprint(), "sig", alg)


def test_what_a_key_does_not_say_is_what_most_mean() -> None:
    for jwk, alg in ((PUBLIC, "ES256"), (RSA, "RS256"), (PRIVATE["ES384"].as_dict(private=False), "ES384")):
        bare = {name: jwk[name] for name in MEMBERS[str(jwk["kty"])]}
        assert read_public(json.dumps(bare))["keys"][0]["alg"] == alg


def test_its_own_key_id_is_kept_and_nothing_else() -> None:
    (key,) = read_public(text({**PUBLIC, "kid": "2026-11", "x5c": ["AA"], "nbf": 7, "jku": "https://evil.example"}))["keys"]
    assert key["kid"] == "2026-11"
    assert not {"x5c", "nbf", "jku"} & set(key)


def test_keys_for_encryption_are_passed_over_beside_others() -> None:
    """As Keycloak publishes them."""
    for other in ({**RSA, "use": "enc", "alg": "RSA-OAEP"}, {**RSA, "key_ops": ["encrypt"]}):
        assert [key["kty"] for key in read_public(text(other, PUBLIC))["keys"]] == ["EC"]
        with pytest.raises(JwksRefused, match="all are for encryption"):
            read_public(text(other))


def rsa(bits: int) -> dict[str, Any]:
    number = made_rsa.generate_private_key(65537, bits).public_key().public_numbers().n
    return {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(number.to_bytes(bits // 8)).rstrip(b"=").decode()}


REFUSED: list[tuple[str, Callable[[], str], str]] = [
    ("a private key", lambda: json.dumps(EC.as_dict(private=True)), "This is a private key. Keep it"),
    ("a private key in a set", lambda: text(PUBLIC, EC.as_dict(private=True)), "This is a private key. Keep it"),
    ("a private key for encryption", lambda: text(PUBLIC, {**EC.as_dict(private=True), "use": "enc"}), "This is a private key. Keep it"),
    ("a private RSA key", lambda: json.dumps(PRIVATE["RS256"].as_dict(private=True)), "This is a private key. Keep it"),
    ("one prime is enough", lambda: json.dumps({**RSA, "p": "AA"}), "This is a private key. Keep it"),
    ("a private key in PEM", lambda: EC.as_pem(private=True).decode(), "This is a private key. Keep it"),
    ("PEM", lambda: EC.as_pem(private=False).decode(), "This is PEM"),
    ("a shared secret", lambda: json.dumps(OctKey.generate_key(256).as_dict(private=True)), "shared secret"),
    ("a shared secret in a set", lambda: text(PUBLIC, OctKey.generate_key(256).as_dict(private=True)), "shared secret"),
    ("RSA with 1024 bits", lambda: json.dumps(rsa(1024)), "has 1024 bits; at least 2048"),
    ("RSA without end", lambda: json.dumps({**RSA, "n": "_" * 2000}), "at most 8192"),
    ("RSA with e = 1", lambda: json.dumps({**RSA, "e": "AQ"}), "not those of a public key"),
    ("P-521", lambda: json.dumps(ECKey.generate_key("P-521").as_dict(private=False)), "none of P-256, P-384"),
    ("secp256k1", lambda: json.dumps(ECKey.generate_key("secp256k1").as_dict(private=False)), "none of P-256, P-384"),
    ("X25519", lambda: json.dumps(OKPKey.generate_key("X25519").as_dict(private=False)), "none of P-256, P-384"),
    ("a curve that is no text", lambda: json.dumps({**PUBLIC, "crv": ["P-256"]}), "none of P-256, P-384"),
    ("a point beside its curve", lambda: json.dumps({**PUBLIC, "y": PUBLIC["x"]}), "not those of a public key"),
    ("half a point", lambda: json.dumps({"kty": "EC", "crv": "P-256", "x": PUBLIC["x"]}), "public members: kty, crv, x, y"),
    ("a member that is no text", lambda: json.dumps({**RSA, "n": 7}), "lacks one of its public members"),
    ("another algorithm", lambda: json.dumps({**PUBLIC, "alg": "ES384"}), "Fitting: ES256"),
    ("HMAC with an RSA key", lambda: json.dumps({**RSA, "alg": "HS256"}), "Fitting: RS256"),
    ("an algorithm that is no text", lambda: json.dumps({**RSA, "alg": ["RS256"]}), "Fitting: RS256"),
    ("a type nobody knows", lambda: json.dumps({"kty": "AKP", "alg": "ML-DSA-44"}), "none of EC, RSA and OKP"),
    ("no type", lambda: text({}), "has no type"),
    ("a type that is no text", lambda: text({"kty": ["EC"]}), "has no type"),
    ("no key", lambda: text(7), "has no type"),
    ("twice the same", lambda: text(PUBLIC, PUBLIC), "stands twice"),
    ("twice the same id", lambda: text({**PUBLIC, "kid": "a"}, {**RSA, "kid": "a"}), "The key id a stands twice"),
    ("an id without end", lambda: text({**PUBLIC, "kid": "a" * 201}), "no text of 1 to 200"),
    ("an empty id", lambda: text({**PUBLIC, "kid": ""}), "no text of 1 to 200"),
    ("an id that is no text", lambda: text({**PUBLIC, "kid": 7}), "no text of 1 to 200"),
    ("an id with a line's end", lambda: text({**PUBLIC, "kid": "a\nb"}), "no text of 1 to 200"),
    ("eleven keys", lambda: text(*({**PUBLIC, "kid": str(number)} for number in range(11))), "These are 11 keys; at most 10"),
    ("no keys", text, "There are no keys in this"),
    ("keys that are no list", lambda: json.dumps({"keys": {}}), "There are no keys in this"),
    ("nothing", lambda: "", "isn't JSON"),
    ("half of it", lambda: json.dumps(PUBLIC)[:-4], "isn't JSON"),
    ("a number without end", lambda: "9" * 5000, "isn't JSON"),
    ("depth without end", lambda: "[" * 50_000, "isn't JSON"),
    ("a list", lambda: json.dumps([PUBLIC]), "no JSON object"),
    ("too much", lambda: " " * 70_000, "longer than 64 KB"),
]  # fmt: skip


@pytest.mark.parametrize("pasted,sentence", [(made, sentence) for _, made, sentence in REFUSED], ids=[name for name, _, _ in REFUSED])
def test_what_is_no_public_key_is_refused_in_a_sentence(pasted: Callable[[], str], sentence: str) -> None:
    with pytest.raises(JwksRefused) as refused:
        read_public(pasted())
    assert sentence in str(refused.value)
    assert str(refused.value) == refused.value.sentence % refused.value.named
    assert str(EC.as_dict(private=True)["d"]) not in str(refused.value)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["EC", "RSA", "OKP", "oct", "P-256", "AQAB", "sig"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["keys", "kty", "crv", "x", "y", "n", "e", "d", "alg", "kid", "use", "key_ops"]), inner)
    ),
    max_leaves=12,
)


@given(JUNK)
def test_junk_is_refused_and_nothing_else_happens(junk: Any) -> None:
    with suppress(JwksRefused):
        read_public(json.dumps(junk))


@given(st.text(max_size=60))
def test_text_is_refused_and_nothing_else_happens(junk: str) -> None:
    with pytest.raises(JwksRefused):
        read_public(junk)


# --- our own


@pytest.mark.parametrize("algorithm", [each for each in tokens.ALGORITHMS if each != "RS256-3072"])
def test_our_own_keys_may_be_shown(algorithm: str) -> None:
    lint([tokens.public_jwk(tokens.generate(algorithm)), tokens.public_jwk(tokens.generate())])


OURS = tokens.public_jwk(tokens.generate())


@pytest.mark.parametrize(
    "keys",
    [
        [{**OURS, "d": "AA"}],
        [{**OURS, "x5u": "https://evil.example"}],
        [{**OURS, "use": "enc"}],
        [{**OURS, "alg": "ES384"}],
        [{**OURS, "alg": "none"}],
        [{**OURS, "kid": ""}],
        [{name: value for name, value in OURS.items() if name != "kid"}],
        [{"kty": "oct", "k": "AA", "kid": "a", "use": "sig", "alg": "HS256"}],
        [{}],
        [OURS, OURS],
    ],
)
def test_anything_else_of_ours_is_shown_to_nobody(keys: list[dict[str, Any]]) -> None:
    with pytest.raises(JwksRefused):
        lint(keys)
