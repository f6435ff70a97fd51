"""What gateways are told of credentials, keys and scopes, as people change them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from apis.actions import publishing
from gateway import desired
from gateway.envoy.state import ApiKey
from keys import tokens
from keys.actions import credentials, signing
from keys.models import Application, Credential, RevokedToken, SigningKey
from tenants import events
from tenants.lifecycle import move
from tests import live, make
from tests.conftest import Cast
from tests.gateway.test_chain import assert_refused
from tests.live import Gateway, Shop, Upstream


def api_key(application: Application, **fields: Any) -> Credential:
    return credentials.create_api_key(application, by=None, **fields)[0]


def end(credential: Credential, how: str) -> str:
    events.lock()
    move(credential, how, by=None, ended_at=events.now())
    return str(credential.pk)


def move_by(days: int = 0, **seconds: int) -> Any:
    return Now() + timedelta(days=days, **seconds)


def test_each_api_key_is_told_with_what_its_calls_are_answered_with(in_acme: Cast) -> None:
    application = make.application()
    working, rolled, gone, over, forgotten = (api_key(application) for _ in range(5))
    credentials.roll(rolled, grace="1h", by=None)
    credentials.revoke(gone, by=None)
    end(over, Credential.Status.EXPIRED)
    # Its signature says that it has ended, so nobody has to.
    Credential.objects.filter(pk=forgotten.pk).update(signed_until=move_by(seconds=-1))
    found = desired._access()
    replacement = str(Credential.objects.get(replaces=rolled).pk)
    work = [ApiKey(str(working.pk)), ApiKey(str(rolled.pk)), ApiKey(replacement)]
    ended = [ApiKey(str(gone.pk), "KEY_REVOKED"), ApiKey(str(over.pk), "KEY_EXPIRED")]
    assert [*found.api_keys] == sorted([*work, *ended], key=lambda each: each.id)
    # Tokens are another matter: an API key earns none.
    assert found.revoked_credentials == ()


def test_credentials_that_ended_are_denied_as_long_as_their_tokens_could_live(in_acme: Cast) -> None:
    application = make.application()
    (_working, _), (gone, _), (over, _), (long_gone, _) = (make.credential(application) for _ in range(4))
    ended = [end(gone, Credential.Status.REVOKED), end(over, Credential.Status.EXPIRED)]
    end(long_gone, Credential.Status.REVOKED)
    Credential.objects.filter(pk=long_gone.pk).update(ended_at=move_by(seconds=-1021))
    assert desired._access().revoked_credentials == tuple(sorted(ended))


def test_revoked_tokens_are_denied_until_no_clock_takes_them_any_more(in_acme: Cast) -> None:
    credential, _ = make.credential()
    for jti, seconds in (("b", 600), ("a", -60), ("gone", -70)):
        RevokedToken.objects.create(credential=credential, jti=jti, expires_at=move_by(seconds=seconds))
    assert desired._access().revoked_tokens == ("a", "b")


def test_each_kind_of_signature_is_checked_with_its_own_keys(in_acme: Cast) -> None:
    kids = dict(SigningKey.objects.values_list("purpose", "kid"))
    events.lock()
    coming = signing.announce(signing.spare(in_acme.acme.pk, "api_key", "ES256"), planned_for=events.now(), by=None)
    found = desired._access()
    assert [key["kid"] for key in found.jwks] == [kids["access_token"]]
    assert [key["kid"] for key in found.api_key_jwks] == [kids["api_key"], coming.kid]
    compromised = SigningKey.objects.get(kid=kids["api_key"])
    signing.compromise(compromised, by=None, reason="A test.", successor=coming)
    assert [key["kid"] for key in desired._access().api_key_jwks] == [coming.kid]


def test_routes_say_which_scopes_they_need(in_acme: Cast) -> None:
    make.api("orders", content=make.SCOPED)
    (version,) = desired._routes(desired.live())
    assert {each.operation_id: each.scopes for each in version.operations} == {
        "listOrders": (("orders:read",),),
        "createOrder": (("orders:write",),),
        "getOrder": (("orders:read",),),
    }


def test_reading_costs_the_same_for_many_as_for_one(in_acme: Cast) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as caught:
            desired._access()
            desired._routes(desired.live())
        return len(caught)

    def more() -> None:
        make.api(content=make.SCOPED)
        application = make.application()
        credentials.revoke(api_key(application), by=None)
        credentials.revoke(make.credential(application)[0], by=None)

    more()
    before = cost()
    for _ in range(4):
        more()
    assert cost() == before


# At a real Envoy


@pytest.fixture
def shop(upstream: Upstream) -> Shop:
    found = live.shop(upstream, api=False)
    found.add_api("orders", content=make.SCOPED)
    found.add_api("stock")
    return found


def test_an_operation_that_needs_a_scope_is_for_tokens_with_it(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client()
    key = shop.key

    def call(method: str, **claims: Any) -> live.Answer:
        return gateway.call(shop.path("/orders"), tokens.sign(carl.claims(**claims), key), method=method)

    gateway.settles(403, "SCOPE_MISSING", shop.path("/orders"), carl.token())
    assert call("GET", scope="orders:read").status == 200
    assert_refused(call("POST", scope="orders:read"), 403, "SCOPE_MISSING")
    assert call("POST", scope="other orders:write").status == 200
    # A revision that asks for nothing, made live, asks nobody.
    with shop.scope():
        version = shop.apis["orders"].versions.get()
    shop.enforced(shop.make_live(shop.add_revision(version)))
    assert call("POST").status == 200


def test_a_token_for_one_api_is_refused_at_another(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client()
    shop.subscribe(carl, shop.plan("stock"))
    shop.enforced_newest()
    whole = carl.claims(scope="orders:read")
    narrowed = tokens.sign({**whole, "aud": f"{whole['aud']}/stock"}, shop.key)
    gateway.settles(200, "", shop.path("/orders"), tokens.sign(whole, shop.key))
    assert gateway.call(shop.path("/orders", api="stock"), narrowed).status == 200
    assert_refused(gateway.call(shop.path("/orders"), narrowed), 401, "TOKEN_WRONG_AUDIENCE")


def test_an_api_key_works_until_it_is_revoked(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client()
    credential, key = shop.does(credentials.create_api_key, carl.application, by=None)
    shop.enforced_newest()
    headers = [("x-api-key", key)]
    # It has no scopes, and its subscription alone decides.
    gateway.settles(200, "", shop.path("/orders"), headers=headers)
    assert gateway.call(shop.path("/orders"), key).status == 200
    shop.enforced(shop.does(credentials.revoke, credential, by=None))
    assert_refused(gateway.call(shop.path("/orders"), headers=headers), 401, "KEY_REVOKED")


def test_a_revoked_token_is_refused_alone(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client(api="stock")
    claims = carl.claims()
    token, other = tokens.sign(claims, shop.key), carl.token()
    path = shop.path("/orders", api="stock")
    gateway.settles(200, "", path, token)

    def revoke() -> Any:
        event_lock = events.lock()
        row = RevokedToken.objects.create(credential=carl.credential, jti=claims["jti"], expires_at=event_lock.now + timedelta(minutes=10))
        return events.record("token.revoked", row, by=None, application=carl.application.name)

    shop.enforced(shop.does(revoke))
    assert_refused(gateway.call(path, token), 401, "TOKEN_REVOKED")
    assert gateway.call(path, other).status == 200


def test_an_import_changes_nothing_before_it_is_live(in_acme: Cast) -> None:
    version = make.api("orders").versions.get()
    publishing.add_revision(version, document=make.document(make.SCOPED), target=make.target(), by=None)
    (found,) = desired._routes(desired.live())
    assert {each.scopes for each in found.operations} == {()}
