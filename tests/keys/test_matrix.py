"""Each kind of token opens the door that it is for, and no other: the whole matrix, of which only the diagonal is green.

What gateways verify has its row in tests/gateway and tests/attack/test_forgeries.py.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from joserfc import jwt
from rest_framework.test import APIClient

from keys import keyring, verifying
from keys.models import SigningKey
from tenants import sessions
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, base
from tests.keys.proofs import Prover
from tests.keys.test_oauth_given_back import about, eves
from tests.keys.test_token_endpoint import FORM, GRANT, Shop, ask


class World:
    """Carl's application with one credential of each kind, Carl's own session, and what Eve has at Globex."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.shop, self.prover = cast, Shop(cast), Prover(cast.acme, cast.carl)
        self.prover.with_pair()
        self.prover.with_issuer()
        with tenant_scope(cast.acme.pk):
            made, self.key = make.api_key(self.shop.application)
            _, self.service_key = make.service_account(by=cast.ada)
        self.key_id = made.pk
        self.eve = eves(cast)
        with tenant_scope(cast.globex.pk):
            _, self.eves_key = make.api_key(self.eve.application)
            _, self.eves_service_key = make.service_account(by=cast.eve)


def earned(shop: Shop, tenant: str) -> str:
    found: str = ask(GRANT, basic=shop.basic(), tenant=tenant).json()["access_token"]
    return found


KINDS: dict[str, Callable[[World], str]] = {
    "access token": lambda world: earned(world.shop, "acme"),
    "API key": lambda world: world.key,
    "API key without its prefix": lambda world: world.key.removeprefix("ptc_live_"),
    "access token with a prefix": lambda world: "ptc_live_" + earned(world.shop, "acme"),
    "session access": lambda world: str(sessions.start(world.cast.carl).access),
    "session refresh": lambda world: str(sessions.start(world.cast.carl)),
    "client assertion": lambda world: world.prover.own(),
    "issuer's token": lambda world: world.prover.issued(),
    "client secret": lambda world: world.shop.secret,
    "client secret with a service key's prefix": lambda world: world.shop.secret.replace("ptc_secret_", "ptc_svc_"),
    "service key": lambda world: world.service_key,
    "service key as an API key": lambda world: world.service_key.replace("ptc_svc_", "ptc_live_"),
    "API key as a service key": lambda world: world.key.replace("ptc_live_", "ptc_svc_"),
    "another tenant's access token": lambda world: earned(world.eve, "globex"),
    "another tenant's API key": lambda world: world.eves_key,
    "another tenant's service key": lambda world: world.eves_service_key,
}


def at_rest(world: World, token: str) -> bool:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    status = client.get(f"{base(world.cast.acme)}/applications/").status_code
    # To a service account of another tenant there is nothing here.
    assert status == 404 if token == world.eves_service_key else status in {200, 401}
    return bool(status == 200)


def at_refresh(world: World, token: str) -> bool:
    # Its refusals roll back the transaction that they find.
    with transaction.atomic():
        status = Client().post("/api/v1/session/refresh/", {"refresh": token}, content_type="application/json").status_code
    assert status in {200, 401, 422}
    return bool(status == 200)


def as_assertion(world: World, token: str) -> bool:
    response = ask(world.prover.form(token, client_id=world.prover.id))
    assert response.status_code in {200, 401}, response.content
    return bool(response.status_code == 200)


def as_secret(world: World, token: str) -> bool:
    form = urlencode({"grant_type": "client_credentials", "client_id": world.shop.id, "client_secret": token})
    status = Client().post("/t/acme/oauth/token", form, content_type=FORM).status_code
    assert status in {200, 401}
    return bool(status == 200)


def by_introspection(world: World, token: str) -> bool:
    found = about(world.shop, token)
    assert found["active"] or found == {"active": False}
    return bool(found["active"])


def as_access_token(world: World, token: str) -> bool:
    with tenant_scope(world.cast.acme.pk):
        return verifying.access_token(token, slug="acme") is not None


def as_api_key(world: World, token: str) -> bool:
    with tenant_scope(world.cast.acme.pk):
        return verifying.api_key(token) is not None


# Each verifier, and what it takes.
VERIFIERS: dict[str, tuple[Callable[[World, str], bool], set[str]]] = {
    "verifying.access_token": (as_access_token, {"access token"}),
    "verifying.api_key": (as_api_key, {"API key"}),
    "introspection": (by_introspection, {"access token", "API key"}),
    "client_assertion": (as_assertion, {"client assertion", "issuer's token"}),
    "client_secret": (as_secret, {"client secret"}),
    "the portal's REST": (at_rest, {"session access", "service key"}),
    "a session's refresh": (at_refresh, {"session refresh"}),
}


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_verifier_takes_its_own_kind_and_no_other(cast: Cast, verifier: str) -> None:
    verify, taken = VERIFIERS[verifier]
    world = World(cast)
    found: dict[str, Any] = {kind: verify(world, make_one(world)) for kind, make_one in KINDS.items()}
    assert {kind for kind, worked in found.items() if worked} == taken


@pytest.mark.parametrize("purpose", ["access_token", "api_key"])
@pytest.mark.parametrize("typ", ["at+jwt", "ak+jwt", "JWT", "AT+JWT", None])
def test_the_right_claims_need_the_right_key_and_the_right_type(cast: Cast, purpose: str, typ: str | None) -> None:
    """Claims that would do for both, signed by each key of the tenant, under each name."""
    world = World(cast)
    here = {"cid": str(world.shop.credential.pk), "jti": str(world.key_id), "sub": world.shop.id, "client_id": world.shop.id}
    now = int(time.time())
    claims = {**here, "iss": f"{settings.PORTAL_URL}/t/acme", "aud": f"{settings.GATEWAY_URL}/acme", "iat": now, "exp": now + 300}
    with tenant_scope(cast.acme.pk):
        key = keyring.signing_key(cast.acme.pk, SigningKey.objects.get(purpose=purpose, status="active").pk)
    header = {"alg": key.alg, "kid": key.kid, **({"typ": typ} if typ else {})}
    text = jwt.encode(header, claims, key.private, algorithms=[key.alg])
    assert as_access_token(world, text) == ((purpose, typ) == ("access_token", "at+jwt"))
    assert as_api_key(world, f"ptc_live_{text}") == ((purpose, typ) == ("api_key", "ak+jwt"))
