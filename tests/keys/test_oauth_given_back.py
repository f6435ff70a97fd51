"""Revocation (RFC 7009) and introspection (RFC 7662): a token is given back, and asked about."""

import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apis.actions import applications
from keys import keyring, tokens, verifying
from keys.actions import application_life, credentials, records
from keys.models import Credential, RevokedToken, SigningKey, TokenPolicy, UsedAssertion
from keys.tasks import prune_token_records
from tenants.models import Due, Event, Tenant
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.keys.proofs import Prover
from tests.keys.test_token_endpoint import GRANT, Shop, ask, refused, rotate

ISSUER = f"{settings.PORTAL_URL}/t/acme"


@pytest.fixture
def shop(cast: Cast) -> Shop:
    return Shop(cast)


def token(shop: Shop, tenant: str = "acme", **more: str) -> str:
    found: str = ask(f"{GRANT}&{urlencode(more)}", basic=shop.basic(), tenant=tenant).json()["access_token"]
    return found


def eves(cast: Cast) -> Shop:
    """Eve's application at Globex."""
    shop = Shop.__new__(Shop)
    with tenant_scope(cast.globex.pk):
        shop.application = make.application(cast.eve)
        shop.credential, shop.secret = make.credential(shop.application)
    shop.id = shop.application.client_id
    return shop


def give_back(shop: Shop, text: str, *, tenant: str = "acme", **more: str) -> None:
    response = ask(urlencode({"token": text, **more}), basic=shop.basic(), tenant=tenant, endpoint="revoke")
    assert (response.status_code, response.content) == (200, b"{}"), "whatever the token is (RFC 7009 §2.2)"
    assert response["Cache-Control"] == "no-store"


def about(shop: Shop, text: str, *, tenant: str = "acme", **more: str) -> dict[str, Any]:
    response = ask(urlencode({"token": text, **more}), basic=shop.basic(), tenant=tenant, endpoint="introspect")
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    found: dict[str, Any] = response.json()
    return found


def revoked(tenant: Tenant) -> int:
    with tenant_scope(tenant.pk):
        return RevokedToken.objects.count()


INACTIVE = {"active": False}


# --- revocation


def test_a_token_is_given_back_once_on_the_record(cast: Cast, shop: Shop) -> None:
    text, other = token(shop), token(shop)
    for hint in ({}, {"token_type_hint": "access_token"}, {"token_type_hint": "refresh_token"}):
        give_back(shop, text, **hint)
    assert about(shop, text) == INACTIVE
    assert about(shop, other)["active"], "that token alone"
    with tenant_scope(cast.acme.pk):
        row = RevokedToken.objects.get()
        event = Event.objects.get(kind="token.revoked")
        assert (event.actor_id, event.actor_name, event.subject_id) == (None, "Portico", row.pk)
        told = {"application": shop.application.name, "credential": str(shop.credential.pk), "until": event.data["until"]}
        assert event.data == told
        assert datetime.fromisoformat(event.data["until"]) > event.at
        assert timedelta(minutes=9) < row.expires_at - timezone.now() < timedelta(minutes=11)
        assert Due.objects.filter(job="prune_token_records").exists()


def test_others_tokens_are_nobodys_to_give_back(cast: Cast, shop: Shop) -> None:
    """Eve's at Globex, and another application's at Acme; both look as if they had worked."""
    other, eve = Shop(cast), eves(cast)
    theirs, mine = token(other), token(shop)
    give_back(shop, theirs)
    give_back(eve, mine, tenant="globex")
    assert about(other, theirs)["active"]
    assert about(shop, mine)["active"]
    assert revoked(cast.acme) == revoked(cast.globex) == 0


@pytest.mark.parametrize("text", ["x", "a.b.c", "ptc_live_x", "ptc_test_a.b.c", "ptc_secret_x", "é" * 50, "." * 99])
def test_what_is_no_token_is_no_trouble(cast: Cast, shop: Shop, text: str) -> None:
    give_back(shop, text)
    assert about(shop, text) == INACTIVE
    assert not revoked(cast.acme)


def test_an_api_key_given_back_ends_its_credential(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        credential, key = make.api_key(shop.application)
    assert about(shop, key)["active"]
    for _ in range(2):
        give_back(shop, key)
    assert about(shop, key) == INACTIVE
    with tenant_scope(cast.acme.pk):
        credential.refresh_from_db()
        assert credential.status == "revoked"
        event = Event.objects.get(kind="credential.revoked")
        assert (event.actor_name, event.data["reason"]) == ("Portico", "Given back by its application.")


def test_another_applications_api_key_stays(cast: Cast, shop: Shop) -> None:
    other = Shop(cast)
    with tenant_scope(cast.acme.pk):
        _, key = make.api_key(shop.application)
    give_back(other, key)
    assert about(shop, key)["active"]


def test_a_suspended_application_gets_no_token_and_those_that_it_has_are_not_active(cast: Cast, shop: Shop) -> None:
    other, text = Shop(cast), token(shop)
    with tenant_scope(cast.acme.pk):
        _, key = make.api_key(shop.application)
        application_life.suspend(shop.application, reason="It leaks.", by=cast.carl)
    said = "This application is suspended"
    refused(ask(GRANT, basic=shop.basic()), 400, "unauthorized_client", said)
    refused(ask(GRANT, basic=shop.basic(secret="x")), 401, "invalid_client")
    refused(ask(urlencode({"token": text}), basic=shop.basic(), endpoint="revoke"), 400, "unauthorized_client", said)
    assert about(other, text) == about(other, key) == INACTIVE
    assert about(shop, token(other)) == INACTIVE, "it learns nothing of others' either"
    with tenant_scope(cast.acme.pk):
        application_life.resume(shop.application, by=cast.carl)
    assert about(other, text)["active"]
    assert about(other, key)["active"]
    assert token(shop)


def test_a_deleted_application_is_unknown(cast: Cast, shop: Shop) -> None:
    other, text = Shop(cast), token(shop)
    with tenant_scope(cast.acme.pk):
        applications.delete(shop.application, by=cast.carl)
    for endpoint in ("token", "revoke", "introspect"):
        refused(ask(f"{GRANT}&{urlencode({'token': text})}", basic=shop.basic(), endpoint=endpoint), 401, "invalid_client")
    assert about(other, text) == INACTIVE


@pytest.mark.parametrize("endpoint", ["revoke", "introspect"])
def test_both_refuse_as_the_token_endpoint_does(cast: Cast, shop: Shop, endpoint: str, settings: Any) -> None:
    good = urlencode({"token": "x"})
    refused(ask("x=1", basic=shop.basic(), endpoint=endpoint), 400, "invalid_request", "token is missing")
    refused(ask("token=", basic=shop.basic(), endpoint=endpoint), 400, "invalid_request", "token is missing")
    refused(ask(f"{good}&{good}", basic=shop.basic(), endpoint=endpoint), 400, "invalid_request", "twice")
    refused(ask(good, basic=shop.basic(secret="x"), endpoint=endpoint), 401, "invalid_client")
    refused(ask(good, endpoint=endpoint), 401, "invalid_client")
    refused(ask(good, basic=shop.basic(), endpoint=endpoint, tenant="nowhere"), 404, "invalid_request")
    refused(ask(good, basic=shop.basic(), endpoint=endpoint, tenant="globex"), 401, "invalid_client")
    refused(ask("{}", basic=shop.basic(), endpoint=endpoint, content_type="application/json"), 400, "invalid_request")
    refused(ask(f"{good}&x={'x' * 9000}", basic=shop.basic(), endpoint=endpoint), 413, "invalid_request")
    assert Client().get(f"/t/acme/oauth/{endpoint}").status_code == 405
    settings.TOKEN_RATE = 1
    refused(ask(good, basic=shop.basic(), endpoint=endpoint), 429, "slow_down")


# --- introspection


def test_a_token_that_works_is_told_about(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        TokenPolicy.objects.update(scopes=["orders:read"])
    text = token(shop)
    found = about(shop, text)
    assert set(found) == {"active", "token_type", "iss", "sub", "client_id", "aud", "scope", "iat", "exp", "jti"}
    assert (found["active"], found["token_type"], found["iss"], found["scope"]) == (True, "Bearer", ISSUER, "orders:read")
    assert found["client_id"] == found["sub"] == shop.id
    assert about(shop, text, token_type_hint="refresh_token") == found, "a hint is a hint"


def test_an_api_key_that_works_is_told_about(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        credential, key = make.api_key(shop.application)
    found = about(shop, key)
    assert found["jti"] == str(credential.pk)
    assert found["client_id"] == found["sub"] == shop.id
    assert credential.expires_at is not None
    assert found["exp"] <= credential.expires_at.timestamp()
    assert about(shop, key.replace("ptc_live_", "")) == INACTIVE, "without its prefix it is something else"
    with tenant_scope(cast.acme.pk):
        Credential.objects.filter(pk=credential.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert about(shop, key) == INACTIVE


def test_any_client_of_the_tenant_may_ask_and_none_of_another(cast: Cast, shop: Shop) -> None:
    text = token(shop)
    assert about(Shop(cast), text)["client_id"] == shop.id
    assert about(eves(cast), text, tenant="globex") == INACTIVE


def break_policy(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        credentials.revoke(shop.credential, by=None)


def roll_into_the_past(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        Credential.objects.filter(pk=shop.credential.pk).update(status="expiring", expires_at=timezone.now() - timedelta(seconds=1))


def compromise(cast: Cast, shop: Shop) -> None:
    rotate(cast.acme)
    with tenant_scope(cast.acme.pk):
        SigningKey.objects.filter(purpose="access_token", status="retired").update(status="compromised")


@pytest.mark.parametrize("happens", [break_policy, roll_into_the_past, compromise])
def test_a_token_dies_with_its_credential_and_its_key(cast: Cast, shop: Shop, happens: Any) -> None:
    asker, text = Shop(cast), token(shop)
    assert about(asker, text)["active"]
    happens(cast, shop)
    assert about(asker, text) == INACTIVE


def test_a_token_of_a_retired_key_works_until_it_ends(cast: Cast, shop: Shop) -> None:
    text = token(shop)
    rotate(cast.acme)
    assert about(shop, text)["active"]


def signed(cast: Cast, shop: Shop, **wrong: Any) -> str:
    """What the tenant's own key would have to have signed; None leaves a claim out."""
    with tenant_scope(cast.acme.pk):
        key = keyring.signing_key(cast.acme.pk, SigningKey.objects.get(purpose="access_token", status="active").pk)
    now = int(time.time())
    claims = tokens.claims(
        issuer=ISSUER,
        audience=f"{settings.GATEWAY_URL}/acme",
        client_id=shop.id,
        credential_id=str(shop.credential.pk),
        token_id="one",
        now=now,
        lifetime=600,
    )
    told = {name: value for name, value in (claims | wrong).items() if value is not None}
    return tokens.sign(told, key)


NOW = int(time.time())
WRONG: list[dict[str, Any]] = [
    {"exp": NOW - 30}, {"exp": None}, {"exp": "soon"}, {"exp": NOW + 5000}, {"iat": NOW - 5000}, {"iat": None}, {"iat": NOW + 50_000},
    {"iss": "https://elsewhere.example"}, {"iss": ISSUER.replace("acme", "globex")}, {"iss": None}, {"cid": None}, {"cid": "x"},
    {"cid": "01900000-0000-7000-8000-000000000000"}, {"client_id": "another"}, {"client_id": None}, {"sub": "another"}, {"sub": None},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_gateways_would_refuse_is_inactive(cast: Cast, shop: Shop, wrong: dict[str, Any]) -> None:
    """Each signed by the tenant's own key, so that nothing else is wrong."""
    assert about(shop, signed(cast, shop))["active"]
    assert about(shop, signed(cast, shop, **wrong)) == INACTIVE


def test_a_token_is_for_whoever_asks_for_its_audience(cast: Cast, shop: Shop) -> None:
    here = f"{settings.GATEWAY_URL}/acme"
    text = signed(cast, shop, aud=[f"{here}/orders", f"{here}/pets"])
    with tenant_scope(cast.acme.pk):
        assert verifying.access_token(text, slug="acme")
        assert verifying.access_token(text, slug="acme", audiences=[here, f"{here}/pets"])
        assert verifying.access_token(text, slug="acme", audiences=[here]) is None
        assert verifying.access_token(signed(cast, shop, aud=None), slug="acme", audiences=[here]) is None


# --- what is forgotten, and when


def test_records_go_when_what_they_are_about_has_ended_everywhere(cast: Cast, shop: Shop) -> None:
    prover = Prover(cast.acme, cast.carl)
    pair = prover.with_pair()
    now = timezone.now()
    with tenant_scope(cast.acme.pk):
        for seconds in (-70, -50, 500):
            records.revoke_token(shop.credential, jti=f"t{seconds}", expires_at=now + timedelta(seconds=seconds))
            assert records.use_assertion(pair.pk, jti=f"a{seconds}", expires_at=now + timedelta(seconds=seconds))
    with tenant_scope(cast.globex.pk):
        theirs, _ = make.credential(make.application(cast.eve))
        records.revoke_token(theirs, jti="theirs", expires_at=now - timedelta(seconds=70))
    for served in (2, 0):
        assert prune_token_records() == served
        with tenant_scope(cast.acme.pk):
            assert list(RevokedToken.objects.order_by("jti").values_list("jti", flat=True)) == ["t-50", "t500"]
            assert UsedAssertion.objects.count() == 2
            due = Due.objects.get(tenant=cast.acme, job="prune_token_records")
            assert due.at == now - timedelta(seconds=50) + records.KEPT
        assert revoked(cast.globex) == 0
        assert not Due.objects.filter(tenant=cast.globex, job="prune_token_records").exists()


def test_a_tenant_without_records_is_not_asked_about(cast: Cast, shop: Shop) -> None:
    prover = Prover(cast.acme, cast.carl)
    pair = prover.with_pair()
    with tenant_scope(cast.acme.pk):
        assert records.use_assertion(pair.pk, jti="a", expires_at=timezone.now() - timedelta(seconds=100))
        assert not records.use_assertion(pair.pk, jti="a", expires_at=timezone.now())
    assert prune_token_records() == 1
    assert not Due.objects.filter(tenant=cast.acme, job="prune_token_records").exists()
