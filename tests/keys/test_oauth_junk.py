"""Junk at the OAuth endpoints is refused in their own words, and never breaks anything."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from keys import throttle
from keys.oauth import assertions
from keys.oauth.assertions import BEARER, AssertionRefused
from tests.conftest import Cast
from tests.keys.proofs import Prover, signed
from tests.keys.test_token_endpoint import FORM, Shop

ERRORS = {
    "invalid_request", "invalid_client", "unsupported_grant_type", "invalid_scope", "invalid_target", "slow_down",
}  # fmt: skip
ENDPOINTS = ("token", "revoke", "introspect")
with_the_tables = examples(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def prover(cast: Cast) -> Prover:
    found = Prover(cast.acme, cast.carl)
    found.with_pair()
    found.with_issuer()
    return found


@pytest.fixture
def shop(cast: Cast) -> Shop:
    return Shop(cast)


def answered_in_the_endpoints_own_words(endpoint: str, body: bytes | str, **more: Any) -> None:
    throttle._clients.clear()
    throttle._addresses.clear()
    response = Client().post(f"/t/acme/oauth/{endpoint}", body, content_type=FORM, **more)
    assert response["Cache-Control"] == "no-store"
    if response.status_code == 200:
        return
    assert response.status_code in {400, 401, 413}, response.content
    assert response.json()["error"] in ERRORS


NAMES = st.sampled_from(
    [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "resource",
        "token",
        "redirect_uri",
        "x",
    ]
)
VALUES = st.sampled_from(["client_credentials", BEARER, "http://127.0.0.1:8080/acme", "ptc_live_a.b.c", "a.b.c", ""]) | st.text(max_size=30)


@given(endpoint=st.sampled_from(ENDPOINTS), pairs=st.lists(st.tuples(NAMES, VALUES), max_size=8))
@with_the_tables
def test_any_form(prover: Prover, endpoint: str, pairs: list[tuple[str, str]]) -> None:
    answered_in_the_endpoints_own_words(endpoint, urlencode(pairs, errors="surrogatepass"))


@given(endpoint=st.sampled_from(ENDPOINTS), body=st.binary(max_size=200))
@with_the_tables
def test_any_bytes(prover: Prover, endpoint: str, body: bytes) -> None:
    answered_in_the_endpoints_own_words(endpoint, body)


@given(endpoint=st.sampled_from(ENDPOINTS), header=st.binary(max_size=60).map(lambda found: "Basic " + base64.b64encode(found).decode()))
@with_the_tables
def test_any_basic_header(prover: Prover, endpoint: str, header: str) -> None:
    answered_in_the_endpoints_own_words(endpoint, "grant_type=client_credentials&token=x", headers={"Authorization": header})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
CLAIMS = st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp"]), JSON)
HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk", "jku"]), JSON)


@given(claims=CLAIMS, endpoint=st.sampled_from(ENDPOINTS))
@with_the_tables
def test_any_claims_in_an_assertion_that_is_well_signed(prover: Prover, claims: dict[str, Any], endpoint: str) -> None:
    """By a key that works, as the client's own and as its issuer's: only the claims are junk."""
    for told in (claims | {"iss": prover.id, "sub": prover.id}, claims | {"iss": "https://id.example/acme"}):
        answered_in_the_endpoints_own_words(endpoint, prover.form(signed(told), client_id=prover.id, token="x"))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@given(header=HEADERS, claims=CLAIMS, signature=st.binary(max_size=70), endpoint=st.sampled_from(ENDPOINTS))
@with_the_tables
def test_any_header(prover: Prover, header: dict[str, Any], claims: dict[str, Any], signature: bytes, endpoint: str) -> None:
    text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}.{b64(signature)}"
    answered_in_the_endpoints_own_words(endpoint, prover.form(text, client_id=prover.id, token=text))


@given(st.text(max_size=80) | st.lists(st.binary(max_size=30).map(b64), max_size=5).map(".".join))
def test_any_text_as_an_assertion(text: str) -> None:
    try:
        found = assertions.read(text)
    except AssertionRefused:
        return
    assert not assertions.verified(found, [])


@given(text=st.text(max_size=60) | st.lists(st.binary(max_size=30).map(b64), max_size=4).map(lambda parts: "ptc_live_" + ".".join(parts)))
@with_the_tables
def test_any_token(shop: Shop, text: str) -> None:
    for endpoint in ("revoke", "introspect"):
        body = urlencode({"token": text}, errors="surrogatepass")
        answered_in_the_endpoints_own_words(endpoint, body, headers={"Authorization": shop.basic()})
