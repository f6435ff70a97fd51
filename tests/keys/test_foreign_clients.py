"""Strangers' libraries, with nothing but what a tenant publishes: they verify its tokens, and get some."""

import importlib
import io
import time
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import jwt as pyjwt
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from django.conf import settings
from django.test import Client
from joserfc import jwk, jwt
from requests.adapters import BaseAdapter

from keys import tokens
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.keys.proofs import PRIVATE, Prover, kid
from tests.keys.test_oauth_scopes import offer
from tests.keys.test_token_endpoint import GRANT, Shop, ask, rotate

Claims = dict[str, Any]
# Django's client writes the first two itself, and nobody here would unpack what is compressed.
LEFT_OUT = {"content-length", "content-type", "accept-encoding"}
GATEWAY = f"{settings.GATEWAY_URL}/acme"


class Portal(BaseAdapter):
    """Carries the requests of a stranger's client to the portal, byte for byte."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        assert request.url is not None
        headers = {name: str(value) for name, value in request.headers.items() if name.lower() not in LEFT_OUT}
        parts = urlsplit(request.url)
        told = Client().generic(
            str(request.method),
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            data=request.body or b"",
            content_type=str(request.headers.get("Content-Type", "")),
            headers=headers,
        )
        found = requests.Response()
        found.status_code, found.url, found.request = told.status_code, request.url, request
        found.headers.update(told.headers)
        found.raw = io.BytesIO(told.content)
        return found

    def close(self) -> None:
        pass


def published() -> tuple[dict[str, Any], dict[str, Any]]:
    """The metadata, and the JWKS that it names."""
    metadata = Client().get("/.well-known/oauth-authorization-server/t/acme").json()
    return metadata, Client().get(metadata["jwks_uri"].removeprefix(settings.PORTAL_URL)).json()


def by_pyjwt(token: str, jwks: dict[str, Any], issuer: str) -> Claims:
    header = pyjwt.get_unverified_header(token)
    key = pyjwt.PyJWKSet.from_dict(jwks)[header["kid"]]
    return dict(pyjwt.decode(token, key, algorithms=[header["alg"]], issuer=issuer, audience=GATEWAY))


def by_joserfc(token: str, jwks: Any, issuer: str) -> Claims:
    found = jwt.decode(token, jwk.KeySet.import_key_set(jwks), algorithms=["ES256", "ES384", "RS256", "EdDSA"])
    jwt.JWTClaimsRegistry(iss={"essential": True, "value": issuer}, aud={"essential": True, "value": GATEWAY}).validate(found.claims)
    return dict(found.claims)


with warnings.catch_warnings():
    # Its own JOSE is on its way out in favour of joserfc, and just therefore the third opinion.
    warnings.simplefilter("ignore")
    authlib_jose = importlib.import_module("authlib.jose")


def by_authlib(token: str, jwks: dict[str, Any], issuer: str) -> Claims:
    options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": GATEWAY}}
    reader = authlib_jose.JsonWebToken(["ES256", "ES384", "RS256", "EdDSA"])
    found = reader.decode(token, authlib_jose.JsonWebKey.import_key_set(jwks), claims_options=options)
    found.validate()
    return dict(found)


LIBRARIES: list[Callable[[str, dict[str, Any], str], Claims]] = [by_pyjwt, by_joserfc, by_authlib]


@pytest.mark.parametrize("algorithm", tokens.ALGORITHMS)
@pytest.mark.parametrize("verify", LIBRARIES)
def test_strangers_verify_tokens_of_every_algorithm(cast: Cast, algorithm: str, verify: Callable[..., Claims]) -> None:
    shop = Shop(cast)
    rotate(cast.acme, algorithm=algorithm)
    token = ask(GRANT, basic=shop.basic()).json()["access_token"]
    metadata, jwks = published()
    assert pyjwt.get_unverified_header(token)["alg"] == tokens.alg_of(algorithm)
    assert verify(token, jwks, metadata["issuer"])["client_id"] == shop.id


@pytest.mark.parametrize("verify", LIBRARIES)
def test_strangers_refuse_another_tenants_token(cast: Cast, verify: Callable[..., Claims]) -> None:
    metadata, jwks = published()
    with tenant_scope(cast.globex.pk):
        application = make.application(cast.eve)
        _, secret = make.credential(application)
    form = f"{GRANT}&client_id={application.client_id}&client_secret={secret}"
    token = ask(form, tenant="globex").json()["access_token"]
    with pytest.raises(Exception, match=r"."):
        verify(token, jwks, metadata["issuer"])


def test_authlib_finds_the_metadata_to_be_in_order(cast: Cast) -> None:
    metadata, _ = published()
    # It insists on https and on an authorization endpoint, which nothing here needs.
    told = {name: value.replace("http://", "https://") if isinstance(value, str) else value for name, value in metadata.items()}
    told |= {"authorization_endpoint": "https://unused.example", "response_types_supported": ["none"]}
    AuthorizationServerMetadata(told).validate()


def session(**more: Any) -> OAuth2Session:
    found = OAuth2Session(**more)
    found.mount(settings.PORTAL_URL, Portal())
    return found


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlibs_client_gets_a_token_asks_about_it_and_gives_it_back(cast: Cast, method: str) -> None:
    shop = Shop(cast)
    offer(cast.acme, ["orders:read", "orders:write"])
    metadata, _ = published()
    assert method in metadata["token_endpoint_auth_methods_supported"]
    client = session(client_id=shop.id, client_secret=shop.secret, token_endpoint_auth_method=method, scope="orders:read")
    client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    token = client.token["access_token"]
    assert client.introspect_token(metadata["introspection_endpoint"], token=token).json()["scope"] == "orders:read"
    assert client.revoke_token(metadata["revocation_endpoint"], token=token, token_type_hint="access_token").status_code == 200
    assert client.introspect_token(metadata["introspection_endpoint"], token=token).json() == {"active": False}


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256", "PS256", "EdDSA"])
def test_authlibs_client_proves_itself_by_a_key_pair(cast: Cast, alg: str) -> None:
    prover = Prover(cast.acme, cast.carl)
    prover.with_pair(alg)
    metadata, _ = published()
    assert alg in metadata["token_endpoint_auth_signing_alg_values_supported"]
    client = session(client_id=prover.id, client_secret=PRIVATE[alg], token_endpoint_auth_method="private_key_jwt")
    # It signs for an hour unless told otherwise, which is longer than is taken here.
    client.register_client_auth_method(PrivateKeyJWT(metadata["token_endpoint"], {"exp": int(time.time()) + 50}, {"kid": kid(alg)}, alg))
    assert client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")["token_type"] == "Bearer"
