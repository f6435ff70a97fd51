"""What anybody may read: JWKS (RFC 7517), server metadata (RFC 8414), metadata of each API (RFC 9728)."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from keys import tokens
from keys.jwks import MEMBERS, JwksRefused
from keys.models import ProtectedResource, SigningKey, TokenPolicy
from tenants.models import HostName
from tenants.scope import tenant_scope
from tests.conftest import Cast
from tests.keys.test_token_endpoint import rotate

ISSUER = f"{settings.PORTAL_URL}/t/acme"
JWKS = "/t/acme/.well-known/jwks.json"


def get(path: str, **headers: str) -> Any:
    return Client().get(path, headers=headers)


def test_a_jwks_shows_public_members_of_its_own_tenant(cast: Cast) -> None:
    for algorithm in ("ES384", "RS256-2048", "EdDSA"):
        rotate(cast.acme, algorithm=algorithm)
    rotate(cast.acme, "api_key", "ES384")
    response = get(JWKS)
    assert response["Content-Type"] == "application/jwk-set+json"
    keys = response.json()["keys"]
    # Of both purposes, and retired ones too.
    assert sorted(each["alg"] for each in keys) == ["ES256", "ES256", "ES384", "ES384", "EdDSA", "RS256"]
    for each in keys:
        assert set(each) == {*MEMBERS[each["kty"]], "kid", "use", "alg"}
    assert len({each["kid"] for each in keys}) == 6
    assert not {each["kid"] for each in keys} & {each["kid"] for each in get("/t/globex/.well-known/jwks.json").json()["keys"]}
    assert get("/t/nowhere/.well-known/jwks.json").status_code == 404
    assert Client().post(JWKS).status_code == 405


def test_a_jwks_is_kept_for_as_long_as_the_tenant_says(cast: Cast) -> None:
    assert get(JWKS)["Cache-Control"] == "public, max-age=300"
    with tenant_scope(cast.acme.pk):
        TokenPolicy.objects.update(jwks_max_age=5)
    assert get(JWKS)["Cache-Control"] == "public, max-age=5"
    assert get("/t/globex/.well-known/jwks.json")["Cache-Control"] == "public, max-age=300"


def test_who_has_the_jwks_already_is_told_so(cast: Cast) -> None:
    first = get(JWKS)
    etag = first["ETag"]
    assert etag.startswith('"')
    again = get(JWKS, if_none_match=etag)
    assert (again.status_code, again.content) == (304, b"")
    assert (again["ETag"], again["Cache-Control"]) == (etag, first["Cache-Control"])
    assert get(JWKS, if_none_match='"another"').status_code == 200
    rotate(cast.acme)
    changed = get(JWKS, if_none_match=etag)
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    head = Client().head(JWKS)
    assert (head.status_code, head["ETag"], head.content) == (200, changed["ETag"], b"")


def test_a_jwks_with_a_private_member_is_shown_to_nobody(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        key = SigningKey.objects.get(purpose="access_token")
        SigningKey.objects.filter(pk=key.pk).update(public_jwk={**key.public_jwk, "d": "c2VjcmV0"})
    with pytest.raises(JwksRefused, match="public members"):
        get(JWKS)


def test_the_metadata_is_rfc_8414(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        TokenPolicy.objects.update(scopes=["pets:read", "orders:read"])
    response = get("/.well-known/oauth-authorization-server/t/acme")
    assert response["Content-Type"] == "application/json"
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    algorithms = ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
    assert response.json() == {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/oauth/authorize",
        "token_endpoint": f"{ISSUER}/oauth/token",
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": f"{ISSUER}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": f"{ISSUER}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
        "scopes_supported": ["orders:read", "pets:read"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "service_documentation": f"{settings.PORTAL_URL}/api/docs/",
    }
    for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint", "jwks_uri"):
        path = response.json()[name].removeprefix(settings.PORTAL_URL)
        assert Client().get(path).status_code in {200, 405}, name
    assert get("/.well-known/oauth-authorization-server/t/nowhere").status_code == 404
    assert get("/.well-known/oauth-authorization-server/t/acme", if_none_match=response["ETag"]).status_code == 304


def test_a_published_api_says_where_tokens_for_it_come_from(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        scopes = {"orders:write": "Write orders.", "orders:read": "Read orders."}
        ProtectedResource.objects.create(name="orders", title="Orders", scopes=scopes, published=True)
        ProtectedResource.objects.create(name="draft", title="Draft")
    response = get("/.well-known/oauth-protected-resource/t/acme/orders")
    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "resource": f"{settings.GATEWAY_URL}/acme/orders",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["orders:read", "orders:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
        "resource_documentation": f"{settings.PORTAL_URL}/t/acme/apis/orders/",
    }
    absent = [get(f"/.well-known/oauth-protected-resource/t/{at}") for at in ("acme/draft", "acme/none", "globex/orders", "nowhere/orders")]
    assert [each.status_code for each in absent] == [404] * 4


def test_where_tools_are_is_a_resource_of_its_own(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        ProtectedResource.objects.create(name="orders", title="Orders", scopes={"orders:read": "Read orders."}, published=True)
        ProtectedResource.objects.create(name="draft", title="Draft")
    HostName.objects.create(name="api.acme.example", tenant=cast.acme)
    at = "/.well-known/oauth-protected-resource/mcp"
    own = tokens.own_audience("api.acme.example", settings.GATEWAY_TLS_PUBLIC_PORT)
    for path, resource, named in (
        ("acme/orders/v1", f"{settings.GATEWAY_URL}/acme/orders/v1/mcp", "Orders"),
        ("acme", f"{settings.GATEWAY_URL}/acme/mcp", "acme"),
        ("acme/orders/v1?host=API.acme.example", f"{own}/orders/v1/mcp", "Orders"),
        ("acme?host=api.acme.example", f"{own}/mcp", "acme"),
    ):
        told = get(f"{at}/{path}").json()
        assert (told["resource"], told["resource_name"], told["authorization_servers"]) == (resource, named, [ISSUER])
        assert told["scopes_supported"] == (["orders:read"] if named == "Orders" else [])
    absent = ("acme/draft/v1", "globex/orders/v1", "nowhere", "globex?host=api.acme.example", "acme?host=evil.example")
    assert [get(f"{at}/{each}").status_code for each in absent] == [404] * len(absent)


def test_nobody_signs_in_at_the_authorization_endpoint(cast: Cast) -> None:
    answer = get("/t/acme/oauth/authorize?response_type=code&redirect_uri=https://evil.example")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_response_type")
    assert "evil" not in answer.content.decode()
    assert get("/t/nowhere/oauth/authorize").status_code == 404
