"""What a token is for: scopes (RFC 6749 §3.3), resources (RFC 8707), and what only one API may read (RFC 7516)."""

import json
import logging
from typing import Any
from urllib.parse import urlencode

import jwt as pyjwt
import pytest
from django.conf import settings
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey

from keys import tokens
from keys.encryption import read_encryption_key
from keys.models import ProtectedResource, TokenPolicy
from tenants.models import HostName, Tenant
from tenants.scope import tenant_scope
from tests.conftest import Cast
from tests.keys.test_token_endpoint import GRANT, Shop, ask, refused

HERE = f"{settings.GATEWAY_URL}/acme"
SCOPES = ["orders:read", "orders:write", "pets:read"]


@pytest.fixture
def shop(cast: Cast) -> Shop:
    return Shop(cast)


def offer(tenant: Tenant, scopes: list[str]) -> None:
    with tenant_scope(tenant.pk):
        TokenPolicy.objects.update(scopes=scopes)


def resource(tenant: Tenant, name: str, **fields: Any) -> ProtectedResource:
    with tenant_scope(tenant.pk):
        return ProtectedResource.objects.create(name=name, title=name.title(), **{"published": True, **fields})


def claims_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    found: dict[str, Any] = pyjwt.decode(response.json()["access_token"], options={"verify_signature": False})
    return found


def asking(shop: Shop, *resources: str, **more: str) -> Any:
    pairs = [("grant_type", "client_credentials"), *more.items(), *(("resource", each) for each in resources)]
    return ask(urlencode(pairs), basic=shop.basic())


# --- scopes


def test_without_a_wish_a_token_has_all_scopes_and_says_so(cast: Cast, shop: Shop) -> None:
    offer(cast.acme, SCOPES)
    response = asking(shop)
    assert claims_of(response)["scope"] == response.json()["scope"] == "orders:read orders:write pets:read"


def test_where_no_api_has_scopes_no_token_has_any(shop: Shop) -> None:
    response = asking(shop)
    assert "scope" not in claims_of(response)
    assert "scope" not in response.json()


def test_a_token_has_what_was_asked_for(cast: Cast, shop: Shop) -> None:
    offer(cast.acme, SCOPES)
    for asked in ("pets:read", "pets:read orders:read", "pets:read pets:read orders:read"):
        response = asking(shop, scope=asked)
        assert claims_of(response)["scope"].split() == list(dict.fromkeys(asked.split()))
        assert "scope" not in response.json(), "it is what was asked for (RFC 6749 §5.1)"


@pytest.mark.parametrize(
    "scope,sentence",
    [
        ("orders:delete", "none of this tenant"),
        ("orders:read orders:delete", "none of this tenant"),
        ("ORDERS:READ", "none of this tenant"),
        ("*", "none of this tenant"),
        ("orders:read  pets:read", "one space"),
        (" orders:read", "one space"),
        ("orders:read ", "one space"),
        ("orders:read\tpets:read", "one space"),
        (" ", "one space"),
        ('"', "one space"),
        ("\\", "one space"),
        ("ünï", "one space"),
        ("orders:read\n", "one space"),
    ],
)
def test_other_scopes_are_an_invalid_scope(cast: Cast, shop: Shop, scope: str, sentence: str) -> None:
    offer(cast.acme, SCOPES)
    refused(asking(shop, scope=scope), 400, "invalid_scope", sentence)


def test_another_tenants_scopes_are_none_here(cast: Cast, shop: Shop) -> None:
    offer(cast.globex, ["secrets:read"])
    refused(asking(shop, scope="secrets:read"), 400, "invalid_scope")


def test_more_than_a_hundred_scopes_are_asked_for_by_name(cast: Cast, shop: Shop) -> None:
    offer(cast.acme, [f"s{number}" for number in range(100)])
    assert len(claims_of(asking(shop))["scope"].split()) == 100
    offer(cast.acme, [f"s{number}" for number in range(101)])
    refused(asking(shop), 400, "invalid_scope", "more than 100 scopes. Name those")
    assert claims_of(asking(shop, scope="s7"))["scope"] == "s7"


def test_who_is_not_known_learns_nothing_of_scopes(cast: Cast, shop: Shop) -> None:
    offer(cast.acme, SCOPES)
    refused(ask(f"{GRANT}&scope=orders%3Aread", basic=shop.basic(secret="wrong")), 401, "invalid_client")


# --- resources


def test_a_token_is_for_the_resources_that_were_asked_for(cast: Cast, shop: Shop) -> None:
    resource(cast.acme, "orders")
    resource(cast.acme, "pets")
    assert claims_of(asking(shop))["aud"] == HERE
    assert claims_of(asking(shop, HERE))["aud"] == HERE
    assert claims_of(asking(shop, f"{HERE}/orders"))["aud"] == f"{HERE}/orders"
    assert claims_of(asking(shop, f"{HERE}/pets", f"{HERE}/orders"))["aud"] == [f"{HERE}/pets", f"{HERE}/orders"]
    assert claims_of(asking(shop, f"{HERE}/pets", f"{HERE}/pets"))["aud"] == f"{HERE}/pets"
    assert claims_of(asking(shop, HERE, f"{HERE}/pets"))["aud"] == [HERE, f"{HERE}/pets"]


def test_eight_resources_are_enough(cast: Cast, shop: Shop) -> None:
    names = [f"api-{number}" for number in range(9)]
    for name in names:
        resource(cast.acme, name)
    assert len(claims_of(asking(shop, *(f"{HERE}/{name}" for name in names[:8])))["aud"]) == 8
    refused(asking(shop, *(f"{HERE}/{name}" for name in names)), 400, "invalid_target", "8 resources at most")


@pytest.mark.parametrize(
    "wrong",
    ["here/draft", "here/nothing", "here/", "here/orders/", "here/orders/v1", "here/Orders", "here/orders#x", "here/theirs",
     "gateway/globex/theirs", "orders", "https://elsewhere.example/acme/orders", "heres/orders"],
)  # fmt: skip
def test_what_is_no_published_api_is_an_invalid_target(cast: Cast, shop: Shop, wrong: str) -> None:
    resource(cast.acme, "orders")
    resource(cast.acme, "draft", published=False)
    resource(cast.globex, "theirs")
    asked = wrong.replace("here", HERE).replace("gateway", settings.GATEWAY_URL)
    refused(asking(shop, asked), 400, "invalid_target")
    refused(asking(shop, f"{HERE}/orders", asked), 400, "invalid_target")


def test_a_token_may_be_for_the_tenants_own_address(cast: Cast, shop: Shop) -> None:
    own = tokens.own_audience("api.acme.example", settings.GATEWAY_TLS_PUBLIC_PORT)
    resource(cast.acme, "orders")
    refused(asking(shop, own), 400, "invalid_target")
    HostName.objects.create(name="api.acme.example", tenant=cast.acme)
    HostName.objects.create(name="api.globex.example", tenant=cast.globex)
    assert claims_of(asking(shop, own))["aud"] == own
    assert claims_of(asking(shop, f"{own}/orders"))["aud"] == f"{own}/orders"
    assert claims_of(asking(shop, HERE, f"{own}/orders"))["aud"] == [HERE, f"{own}/orders"]
    # Where none is named it is the gateway's, as ever.
    assert claims_of(asking(shop))["aud"] == HERE
    theirs = tokens.own_audience("api.globex.example", settings.GATEWAY_TLS_PUBLIC_PORT)
    for wrong in (theirs, f"{theirs}/orders", f"{own}.evil.example", f"{own}/", f"{own}/draft", f"{own}0", own.replace("https", "http")):
        refused(asking(shop, wrong), 400, "invalid_target")


# --- what only the API may read

PAIRS: dict[str, Any] = {
    "P-256": ECKey.generate_key("P-256", private=True),
    "P-521": ECKey.generate_key("P-521", private=True),
    "X25519": OKPKey.generate_key("X25519", private=True),
}


def public(pair: Any) -> dict[str, Any]:
    return dict(read_encryption_key(json.dumps(pair.as_dict(private=False))))


@pytest.mark.parametrize("curve", PAIRS)
def test_an_api_with_a_key_is_told_who_calls_and_nobody_else_can_read_it(cast: Cast, shop: Shop, curve: str) -> None:
    key = public(PAIRS[curve])
    resource(cast.acme, "orders", encryption_jwk=key)
    token = asking(shop, f"{HERE}/orders").json()["access_token"]
    sealed = pyjwt.decode(token, options={"verify_signature": False})["enc"]
    found = jwe.decrypt_compact(sealed, PAIRS[curve], algorithms=["ECDH-ES+A256KW", "A256GCM"])
    assert found.headers() | {"epk": None} == {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": key["kid"], "epk": None}
    assert found.plaintext is not None
    assert json.loads(found.plaintext) == {
        "application": shop.application.name,
        "owner": "carl@acme.example",
        "environment": "live",
        "purpose": "A test.",
    }
    assert b"carl" not in token.encode()


def test_a_token_for_more_than_that_api_carries_nothing_for_it(cast: Cast, shop: Shop) -> None:
    resource(cast.acme, "orders", encryption_jwk=public(PAIRS["P-256"]))
    resource(cast.acme, "pets")
    for resources in ((), (HERE,), (f"{HERE}/pets",), (f"{HERE}/orders", f"{HERE}/pets"), (f"{HERE}/orders", HERE)):
        assert "enc" not in claims_of(asking(shop, *resources)), resources


NOT_ON_ITS_CURVE = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "a"}


@pytest.mark.parametrize("broken", [{}, NOT_ON_ITS_CURVE, {"kty": "oct", "k": "AA", "kid": "a"}, [], "x"])
def test_a_key_that_is_no_use_refuses_and_is_logged(cast: Cast, shop: Shop, broken: Any, caplog: Any) -> None:
    resource(cast.acme, "orders", encryption_jwk=broken)
    caplog.set_level(logging.ERROR)
    refused(asking(shop, f"{HERE}/orders"), 400, "invalid_target", "Its publisher has to replace it")
    assert "The encryption key of orders" in caplog.text
