"""The token endpoint by RFC 6749."""

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode
from uuid import UUID

import jwt as pyjwt
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys import keyring, tokens
from keys.actions import credentials, signing
from keys.models import Credential, SigningKey
from keys.secrets import new_client_id, new_secret
from tenants import events
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

FORM = "application/x-www-form-urlencoded"
GRANT = "grant_type=client_credentials"


class Shop:
    """Carl's application with one credential."""

    def __init__(self, cast: Cast, **fields: Any) -> None:
        with tenant_scope(cast.acme.pk):
            self.application = make.application(cast.carl)
            self.credential, self.secret = make.credential(self.application, **fields)
        self.id = self.application.client_id

    def basic(self, client_id: str | None = None, secret: str | None = None) -> str:
        pair = f"{quote_plus(self.id if client_id is None else client_id)}:{quote_plus(self.secret if secret is None else secret)}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def form(self, **more: str) -> str:
        return urlencode({"grant_type": "client_credentials", "client_id": self.id, "client_secret": self.secret} | more)


@pytest.fixture
def shop(cast: Cast) -> Shop:
    return Shop(cast)


def ask(body: str | bytes, *, basic: str = "", tenant: str = "acme", endpoint: str = "token", content_type: str = FORM, **more: Any) -> Any:
    headers = {"Authorization": basic} if basic else {}
    return Client().post(f"/t/{tenant}/oauth/{endpoint}", body, content_type=content_type, headers=headers, **more)


def refused(response: Any, status: int, error: str, sentence: str = "") -> None:
    assert response.status_code == status, response.content
    body = response.json()
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error
    assert sentence in body["error_description"]
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies


def by_both_ways(shop: Shop) -> list[Any]:
    return [ask(GRANT, basic=shop.basic()), ask(shop.form())]


def test_both_ways_of_proving_oneself_earn_a_token(shop: Shop) -> None:
    for response in by_both_ways(shop):
        assert response.status_code == 200, response.content
        body = response.json()
        assert set(body) == {"access_token", "token_type", "expires_in"}
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
        assert response["Content-Type"] == "application/json"
        assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
        assert not response.cookies
        assert "Cookie" not in response.get("Vary", "")


def test_a_strangers_library_verifies_the_token_with_what_the_tenant_publishes(shop: Shop) -> None:
    metadata = Client().get("/.well-known/oauth-authorization-server/t/acme").json()
    path = metadata["jwks_uri"].removeprefix(settings.PORTAL_URL)
    keys = pyjwt.PyJWKSet.from_dict(Client().get(path).json())
    token = ask(GRANT, basic=shop.basic()).json()["access_token"]
    header = pyjwt.get_unverified_header(token)
    claims = pyjwt.decode(
        token,
        keys[header["kid"]].key,
        algorithms=[header["alg"]],
        issuer=metadata["issuer"],
        audience=f"{settings.GATEWAY_URL}/acme",
    )
    assert header["typ"] == "at+jwt"
    assert claims["sub"] == claims["client_id"] == shop.id
    assert claims["cid"] == str(shop.credential.pk)
    assert claims["exp"] - claims["iat"] == 600
    assert metadata["token_endpoint"] == f"{settings.PORTAL_URL}/t/acme/oauth/token"


def test_every_token_has_an_id_of_its_own(shop: Shop) -> None:
    found = [ask(GRANT, basic=shop.basic()).json()["access_token"] for _ in range(5)]
    assert len({pyjwt.decode(each, options={"verify_signature": False})["jti"] for each in found}) == 5


def test_no_token_outlives_the_credential_that_earned_it(cast: Cast) -> None:
    shop = Shop(cast, expires_at=timezone.now() + timedelta(seconds=100))
    body = ask(GRANT, basic=shop.basic()).json()
    assert body["expires_in"] < 120
    assert shop.credential.expires_at is not None
    claims = pyjwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["exp"] == claims["iat"] + body["expires_in"] <= shop.credential.expires_at.timestamp()


@pytest.mark.parametrize("basic", [True, False])
def test_a_client_that_is_not_known_or_not_right_is_an_invalid_client(shop: Shop, basic: bool) -> None:
    for client_id, secret in [
        (new_client_id(), shop.secret),
        (shop.id, new_secret()),
        (shop.id, "password"),
        (shop.id, ""),
        ("", shop.secret),
        ("x" * 3000, shop.secret),
        ("ünï", shop.secret),
        ("a\x00b", shop.secret),
        (shop.id, shop.secret + "\x00"),
        (shop.id.upper(), shop.secret),
    ]:
        if basic:
            response = ask(GRANT, basic=shop.basic(client_id, secret))
        elif "\x00" in client_id + secret:
            refused(ask(shop.form(client_id=client_id, client_secret=secret)), 400, "invalid_request", "NUL")
            continue
        else:
            response = ask(shop.form(client_id=client_id, client_secret=secret))
        refused(response, 401, "invalid_client")
        if not (client_id and secret):
            # Without a value they count as left out, and Basic is the way to send them.
            assert response.has_header("WWW-Authenticate")
            continue
        assert response.has_header("WWW-Authenticate") == basic
        if basic:
            assert response["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic Zm9v", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer abc", "Digest x", "Basic é"]
)
def test_a_header_that_is_not_basic_is_said_to_be_so(shop: Shop, header: str) -> None:
    response = ask(GRANT, basic=header)
    refused(response, 401, "invalid_client", "is not HTTP Basic")
    assert response.has_header("WWW-Authenticate")


def test_no_proof_at_all_is_an_invalid_client(shop: Shop) -> None:
    for body in (GRANT, f"{GRANT}&client_id={shop.id}", f"{GRANT}&client_secret={shop.secret}"):
        response = ask(body)
        refused(response, 401, "invalid_client", "by HTTP Basic or in the body")
        assert response.has_header("WWW-Authenticate")


def test_an_ended_credential_earns_nothing(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        credentials.revoke(shop.credential, by=cast.carl)
    for response in by_both_ways(shop):
        refused(response, 401, "invalid_client")


def test_an_expired_credential_earns_nothing_even_before_the_job_has_come_by(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        Credential.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    refused(ask(GRANT, basic=shop.basic()), 401, "invalid_client")


def test_in_grace_the_old_and_the_new_secret_both_work(cast: Cast, shop: Shop) -> None:
    with tenant_scope(cast.acme.pk):
        _, new = credentials.roll(shop.credential, grace="1h", by=cast.carl)
    for secret in (shop.secret, new):
        assert ask(GRANT, basic=shop.basic(secret=secret)).status_code == 200


def test_another_tenants_client_is_unknown_here(shop: Shop) -> None:
    here = ask(GRANT, basic=shop.basic(), tenant="globex")
    refused(here, 401, "invalid_client")
    unknown = ask(GRANT, basic=shop.basic(new_client_id()), tenant="globex")
    assert here.content == unknown.content


def test_the_secret_is_sent_once(shop: Shop) -> None:
    refused(ask(shop.form(), basic=shop.basic()), 400, "invalid_request", "once")
    refused(ask(f"{GRANT}&client_id=other", basic=shop.basic()), 400, "invalid_request", "not the one")
    assert ask(f"{GRANT}&client_id={shop.id}", basic=shop.basic()).status_code == 200


@pytest.mark.parametrize(
    "body,error,sentence",
    [
        ("x=1", "invalid_request", "grant_type is missing"),
        ("grant_type=", "invalid_request", "grant_type is missing"),
        (f"{GRANT}&{GRANT}", "invalid_request", "stands twice"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type", "client_credentials only"),
        ("grant_type=authorization_code&code=x", "unsupported_grant_type", "client_credentials only"),
        (f"{GRANT}&scope=read", "invalid_scope", "none of this tenant"),
        (f"{GRANT}&redirect_uri=https%3A%2F%2Fevil.example", "invalid_request", "no redirect"),
        (f"{GRANT}&x=%00", "invalid_request", "NUL"),
        ("&".join(f"a{i}=1" for i in range(60)), "invalid_request", "not a well-formed form"),
        (b"grant_type=\xff", "invalid_request", "not a well-formed form"),
    ],
)
def test_a_request_that_is_wrong_is_told_how(shop: Shop, body: str | bytes, error: str, sentence: str) -> None:
    refused(ask(body, basic=shop.basic()), 400, error, sentence)


def test_parameters_nobody_knows_are_ignored(shop: Shop) -> None:
    assert ask(f"{GRANT}&colour=red&scope=", basic=shop.basic()).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_only_forms_are_read(shop: Shop, content_type: str) -> None:
    refused(ask(GRANT, basic=shop.basic(), content_type=content_type), 400, "invalid_request", "urlencoded")


def test_a_charset_beside_the_content_type_is_fine(shop: Shop) -> None:
    assert ask(GRANT, basic=shop.basic(), content_type=f"{FORM}; charset=UTF-8").status_code == 200


def test_an_oversized_body_is_not_read(shop: Shop) -> None:
    refused(ask(f"{GRANT}&x={'x' * 9000}", basic=shop.basic()), 413, "invalid_request", "larger than")


def test_a_tenant_that_is_not_there_has_no_tokens(shop: Shop) -> None:
    refused(ask(GRANT, basic=shop.basic(), tenant="nowhere"), 404, "invalid_request", "There is no such tenant here.")
    assert ask(GRANT, basic=shop.basic(), tenant="%00").status_code == 400


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "head"])
def test_tokens_are_asked_for_by_post(shop: Shop, method: str) -> None:
    response = getattr(Client(), method)("/t/acme/oauth/token")
    assert response.status_code == 405
    assert response["Allow"] == "POST"


def test_secrets_in_the_address_are_not_looked_at(shop: Shop) -> None:
    response = Client().post(f"/t/acme/oauth/token?{shop.form()}", GRANT, content_type=FORM)
    refused(response, 401, "invalid_client")


def test_a_client_that_asks_too_often_waits(shop: Shop, settings: Any) -> None:
    settings.TOKEN_RATE = 3
    for _ in range(3):
        assert ask(GRANT, basic=shop.basic()).status_code == 200
    response = ask(GRANT, basic=shop.basic())
    refused(response, 429, "slow_down", "Too many token requests")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert ask(GRANT, basic=shop.basic(), REMOTE_ADDR="192.0.2.7").status_code == 200, "counted per address"


def test_a_token_takes_one_statement(shop: Shop) -> None:
    ask(GRANT, basic=shop.basic())
    with CaptureQueriesContext(connection) as found:
        assert ask(GRANT, basic=shop.basic()).status_code == 200
    assert len(found) == 1
    with CaptureQueriesContext(connection) as found:
        refused(ask(GRANT, basic=shop.basic(secret="password")), 401, "invalid_client")
    assert len(found) == 0, "a typing error costs the database nothing"


def rotate(tenant: Tenant, purpose: str = "access_token", algorithm: str = "ES256") -> SigningKey:
    """The next key signs at once; whoever signed before retires."""
    with tenant_scope(tenant.pk):
        spare = signing.spare(tenant.pk, purpose, algorithm)
        events.lock()
        key = signing.announce(spare, planned_for=events.now(), by=None)
        signing.activate(key, by=None)
    return key


def kids(tenant: str = "acme") -> list[str]:
    return [each["kid"] for each in Client().get(f"/t/{tenant}/.well-known/jwks.json").json()["keys"]]


def test_only_the_active_key_signs(cast: Cast, shop: Shop) -> None:
    before = pyjwt.get_unverified_header(ask(GRANT, basic=shop.basic()).json()["access_token"])["kid"]
    key = rotate(cast.acme)
    after = pyjwt.get_unverified_header(ask(GRANT, basic=shop.basic()).json()["access_token"])["kid"]
    assert after == key.kid != before
    assert {before, after} < set(kids()), "retired keys verify what they signed"
    assert keyring._unsealed[cast.acme.pk][1].kid == key.kid
    with tenant_scope(cast.acme.pk):
        SigningKey.objects.filter(status="retired").update(status="compromised")
    assert before not in kids()


def test_a_key_that_retires_between_the_query_and_the_signature_fails_nobody(
    cast: Cast, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process holds no key yet, and the rotation commits just after the one query."""
    asked = keyring.signing_key
    new: list[str] = []

    def rotating(tenant_id: UUID, key_id: UUID) -> tokens.Key:
        if not new:
            new.append(rotate(cast.acme).kid)
        return asked(tenant_id, key_id)

    keyring._unsealed.clear()
    monkeypatch.setattr(keyring, "signing_key", rotating)
    response = ask(GRANT, basic=shop.basic())
    assert response.status_code == 200, response.content
    assert pyjwt.get_unverified_header(response.json()["access_token"])["kid"] == new[0]


def test_a_key_of_api_keys_pushes_no_other_out(cast: Cast, shop: Shop) -> None:
    ask(GRANT, basic=shop.basic())
    held = keyring._unsealed[cast.acme.pk]
    with tenant_scope(cast.acme.pk):
        keyring.signing_key(cast.acme.pk, SigningKey.objects.get(purpose="api_key").pk)
    assert keyring._unsealed[cast.acme.pk] is held
