"""Clients without a shared secret: private_key_jwt (RFC 7523, OpenID Connect Core §9), and issuers that an application trusts."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jwt as pyjwt
import pytest
from django.utils import timezone

from keys.actions import credentials
from keys.jwks import SIGNING_ALGS, JwksRefused
from keys.models import Credential, UsedAssertion
from keys.oauth import clients
from keys.oauth.assertions import BEARER
from tenants.scope import in_scope, tenant_scope
from tests import make
from tests.conftest import Cast
from tests.keys.proofs import ISSUER, PRIVATE, STRANGER, TOKEN_ENDPOINT, Prover, kid, public
from tests.keys.test_token_endpoint import GRANT, Shop, ask, refused


@pytest.fixture
def prover(cast: Cast) -> Prover:
    return Prover(cast.acme, cast.carl)


# --- private_key_jwt


@pytest.mark.parametrize("alg", SIGNING_ALGS)
def test_a_client_proves_itself_by_each_algorithm(prover: Prover, alg: str) -> None:
    credential = prover.with_pair(alg)
    response = ask(prover.form(prover.own(alg=alg)))
    assert response.status_code == 200, response.content
    claims = pyjwt.decode(response.json()["access_token"], options={"verify_signature": False})
    assert (claims["client_id"], claims["cid"]) == (prover.id, str(credential.pk))


def test_what_the_rfcs_leave_open_is_fine(prover: Prover) -> None:
    prover.with_pair()
    for assertion in (
        prover.own(aud=TOKEN_ENDPOINT),
        prover.own(aud=[ISSUER]),
        prover.own(iat=None),
        prover.own(nbf=int(time.time())),
        prover.own(exp=time.time() + 40.5),
        prover.own(header={"kid": None}),
        prover.own(header={"typ": "JWT"}),
        prover.own(header={"typ": "client-authentication+jwt"}),
    ):
        assert ask(prover.form(assertion)).status_code == 200
    assert ask(prover.form(prover.own(), client_id=prover.id)).status_code == 200


@dataclass(frozen=True)
class FromNow:
    """A time that is reckoned when the test runs: minutes may pass after it was collected."""

    seconds: int


def reckoned(claims: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    return {name: now + value.seconds if isinstance(value, FromNow) else value for name, value in claims.items()}


OWN_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"aud": None}, "another audience"),
    ({"aud": "https://elsewhere.example"}, "another audience"),
    ({"aud": [ISSUER, "https://elsewhere.example"]}, "another audience"),
    ({"aud": []}, "another audience"),
    ({"aud": 7}, "another audience"),
    ({"aud": ISSUER.replace("acme", "globex")}, "another audience"),
    ({"aud": f"{ISSUER}/"}, "another audience"),
    ({"exp": None}, "exp is needed"),
    ({"exp": FromNow(-60)}, "has expired"),
    ({"exp": FromNow(600)}, "at most 60 s"),
    ({"exp": 10**30}, "is no time"),
    ({"exp": True}, "is no time"),
    ({"exp": "soon"}, "is no time"),
    ({"nbf": FromNow(40)}, "in the future only"),
    ({"iat": FromNow(40)}, "in the future only"),
    ({"iat": -1}, "is no time"),
    ({"jti": None}, "no jti"),
    ({"jti": ""}, "no jti"),
    ({"jti": 7}, "no jti"),
    ({"jti": "x" * 300}, "no jti"),
    ({"header": {"typ": "at+jwt"}}, "of another kind"),
    ({"header": {"kid": "another"}}, "No working key"),
    ({"key": STRANGER}, "No working key"),
    ({"key": STRANGER, "header": {"kid": None}}, "No working key"),
    ({"alg": "RS256"}, "No working key"),
    ({"alg": "RS256", "header": {"kid": kid("ES256")}}, "No working key"),
]


@pytest.mark.parametrize("wrong,sentence", OWN_REFUSED)
def test_an_assertion_that_does_not_hold_is_an_invalid_client(prover: Prover, wrong: dict[str, Any], sentence: str) -> None:
    prover.with_pair()
    response = ask(prover.form(prover.own(**reckoned(wrong))))
    refused(response, 401, "invalid_client", sentence)
    assert not response.has_header("WWW-Authenticate")
    with tenant_scope(prover.acme.pk):
        assert not UsedAssertion.objects.exists()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_public_key_is_no_shared_secret(prover: Prover) -> None:
    """The confusion of algorithms: HMAC with what anybody can read, or nothing at all (RFC 8725 §2.1)."""
    prover.with_pair("RS256")
    claims = prover.own(alg="RS256").split(".")[1]
    pem = PRIVATE["RS256"].as_pem(private=False)
    for alg in ("HS256", "none"):
        text = f"{b64(json.dumps({'alg': alg, 'kid': kid('RS256')}).encode())}.{claims}"
        signature = b64(hmac.digest(pem, text.encode(), "sha256")) if alg == "HS256" else ""
        refused(ask(prover.form(f"{text}.{signature}")), 401, "invalid_client", "No working key")


@pytest.mark.parametrize("text", ["x", "a.b.c", "..", "e30.e30.e30", "é", "eyJhbGciOiJFUzI1NiJ9.W10.AA", "." * 500])
def test_what_is_no_jwt_is_said_to_be_none(prover: Prover, text: str) -> None:
    refused(ask(prover.form(text, client_id=prover.id)), 401, "invalid_client")


def test_a_critical_extension_is_never_understood(prover: Prover) -> None:
    prover.with_pair()
    assertion = pyjwt.encode({"iss": prover.id, "sub": prover.id}, "x" * 32, headers={"crit": ["exp"], "exp": 1})
    refused(ask(prover.form(assertion)), 401, "invalid_client", "critical extension")


def test_an_assertion_is_used_once_by_any_worker(prover: Prover) -> None:
    prover.with_pair()
    other = Prover(prover.acme, prover.application.owner)
    other.with_pair()
    assertion = prover.own(jti="the same")
    assert ask(prover.form(assertion)).status_code == 200
    refused(ask(prover.form(assertion)), 401, "invalid_client", "used before")
    refused(ask(prover.form(prover.own(jti="the same"))), 401, "invalid_client", "used before")
    assert ask(other.form(other.own(jti="the same"))).status_code == 200, "each client counts its own"


def test_a_used_assertion_is_kept_until_it_has_ended_everywhere(prover: Prover) -> None:
    prover.with_pair()
    assert ask(prover.form(prover.own())).status_code == 200
    with tenant_scope(prover.acme.pk):
        assert UsedAssertion.objects.get().expires_at > timezone.now() + timedelta(seconds=40)


def test_a_pair_that_has_ended_proves_nothing(prover: Prover) -> None:
    credential = prover.with_pair()
    with tenant_scope(prover.acme.pk):
        credentials.revoke(credential, by=None)
    refused(ask(prover.form(prover.own())), 401, "invalid_client", "No working key")


def test_another_clients_pair_proves_nothing(prover: Prover) -> None:
    other = Prover(prover.acme, prover.application.owner)
    other.with_pair()
    refused(ask(prover.form(prover.own())), 401, "invalid_client", "No working key")
    refused(ask(prover.form(other.own(), client_id=prover.id)), 401, "invalid_client")


def test_another_tenants_pair_is_unknown_here(cast: Cast, prover: Prover) -> None:
    eve = Prover(cast.globex, cast.eve)
    eve.with_pair()
    refused(ask(eve.form(eve.own())), 401, "invalid_client", "No working key")
    assert ask(eve.form(eve.own(aud=ISSUER.replace("acme", "globex"))), tenant="globex").status_code == 200


@pytest.mark.parametrize("ways", [("basic", "assertion"), ("secret", "assertion"), ("basic", "secret"), ("basic", "secret", "assertion")])
def test_one_proves_oneself_once(cast: Cast, prover: Prover, ways: tuple[str, ...]) -> None:
    prover.with_pair()
    with tenant_scope(cast.acme.pk):
        _, secret = make.credential(prover.application)
    form = {"grant_type": "client_credentials", "client_id": prover.id}
    if "secret" in ways:
        form["client_secret"] = secret
    if "assertion" in ways:
        form |= {"client_assertion": prover.own(), "client_assertion_type": BEARER}
    basic = f"Basic {base64.b64encode(f'{prover.id}:{secret}'.encode()).decode()}" if "basic" in ways else ""
    refused(ask(urlencode(form), basic=basic), 400, "invalid_request", "once")


@pytest.mark.parametrize(
    "more,status,error,sentence",
    [
        ({"client_assertion": "x"}, 400, "invalid_request", "client_assertion_type is missing"),
        ({"client_assertion_type": BEARER}, 400, "invalid_request", "client_assertion is missing"),
        ({"client_assertion": "x", "client_assertion_type": "urn:other"}, 401, "invalid_client", "The only client_assertion_type"),
    ],
)
def test_half_an_assertion_is_said_to_be_one(prover: Prover, more: dict[str, str], status: int, error: str, sentence: str) -> None:
    refused(ask(f"{GRANT}&{urlencode(more)}"), status, error, sentence)


def test_an_api_key_is_told_apart_from_a_secret(cast: Cast, prover: Prover) -> None:
    with tenant_scope(cast.acme.pk):
        _, key = make.api_key(prover.application)
    form = urlencode({"grant_type": "client_credentials", "client_id": prover.id, "client_secret": key})
    refused(ask(form), 401, "invalid_client", "This is an API key")


# --- trusted issuers


def test_an_application_proves_itself_by_its_own_identity_provider(prover: Prover) -> None:
    credential = prover.with_issuer()
    response = ask(prover.form(prover.issued(), client_id=prover.id))
    assert response.status_code == 200, response.content
    claims = pyjwt.decode(response.json()["access_token"], options={"verify_signature": False})
    assert (claims["client_id"], claims["cid"]) == (prover.id, str(credential.pk))
    assertion = prover.issued()
    for _ in range(2):
        assert ask(prover.form(assertion, client_id=prover.id)).status_code == 200, "a workload keeps what its platform gave it"


def test_another_claim_may_name_the_application(prover: Prover) -> None:
    prover.with_issuer(claim="azp", claim_value="shop-7")
    assert ask(prover.form(prover.issued(sub="x", azp="shop-7"), client_id=prover.id)).status_code == 200
    refused(ask(prover.form(prover.issued(sub="shop-7"), client_id=prover.id)), 401, "invalid_client", "not about this client")


ISSUED_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://id.example/globex"}, "No working key or trusted issuer"),
    ({"iss": None}, "No working key or trusted issuer"),
    ({"iss": 7}, "No working key or trusted issuer"),
    ({"key": STRANGER}, "No working key or trusted issuer"),
    ({"sub": "another"}, "not about this client"),
    ({"sub": None}, "not about this client"),
    ({"sub": ["shop"]}, "not about this client"),
    ({"aud": "https://elsewhere.example"}, "another audience"),
    ({"aud": TOKEN_ENDPOINT}, "another audience"),
    ({"aud": [ISSUER, "https://elsewhere.example"]}, "another audience"),
    ({"exp": None}, "exp is needed"),
    ({"exp": FromNow(-10)}, "has expired"),
    ({"exp": FromNow(7200)}, "at most 3600 s"),
    ({"nbf": FromNow(100)}, "in the future only"),
]


@pytest.mark.parametrize("wrong,sentence", ISSUED_REFUSED)
def test_an_issuers_token_that_does_not_hold_is_an_invalid_client(prover: Prover, wrong: dict[str, Any], sentence: str) -> None:
    prover.with_issuer()
    refused(ask(prover.form(prover.issued(**reckoned(wrong)), client_id=prover.id)), 401, "invalid_client", sentence)


def test_an_issuers_token_does_not_say_which_client_it_is_for(prover: Prover) -> None:
    prover.with_issuer()
    refused(ask(prover.form(prover.issued())), 400, "invalid_request", "client_id is missing")


def test_one_issuer_may_vouch_for_two_applications_each_by_its_own_name(prover: Prover) -> None:
    other = Prover(prover.acme, prover.application.owner)
    prover.with_issuer()
    other.with_issuer(claim_value="mill")
    assert ask(prover.form(prover.issued(), client_id=prover.id)).status_code == 200
    refused(ask(prover.form(prover.issued(), client_id=other.id)), 401, "invalid_client", "not about this client")


# --- an issuer's new keys


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], dict[str, Any]]]:
    """What the issuer's address answers, one after the other; fetching itself has tests of its own."""
    answers: list[Callable[[], dict[str, Any]]] = []

    def fetch(url: str) -> dict[str, Any]:
        assert url == "https://id.example/jwks"
        assert not in_scope(), "nothing is held meanwhile"
        return answers.pop(0)()

    monkeypatch.setattr(clients, "fetch_jwks", fetch)
    return answers


def away() -> dict[str, Any]:
    raise JwksRefused("Away.")


def test_an_unknown_key_id_has_the_issuers_keys_fetched_once(prover: Prover, published: list[Callable[[], dict[str, Any]]]) -> None:
    prover.with_issuer(jwks=public("RS256"), jwks_url="https://id.example/jwks")
    published += [public]
    assert ask(prover.form(prover.issued(), client_id=prover.id)).status_code == 200
    with tenant_scope(prover.acme.pk):
        assert Credential.objects.get(kind="issuer").jwks == public()
    refused(ask(prover.form(prover.issued(header={"kid": "unknown"}), client_id=prover.id)), 401, "invalid_client")
    assert ask(prover.form(prover.issued(), client_id=prover.id)).status_code == 200
    assert not published, "asked once, and not again within the minute"


def test_an_issuer_that_is_away_is_asked_once_a_minute(prover: Prover, published: list[Callable[[], dict[str, Any]]]) -> None:
    prover.with_issuer(jwks=public("RS256"), jwks_url="https://id.example/jwks")
    published += [away]
    for _ in range(3):
        refused(ask(prover.form(prover.issued(), client_id=prover.id)), 401, "invalid_client")
    assert ask(prover.form(prover.issued(alg="RS256"), client_id=prover.id)).status_code == 200, "known keys go on"


def test_a_key_that_the_issuer_withdrew_is_not_trusted_for_ever(prover: Prover, published: list[Callable[[], dict[str, Any]]]) -> None:
    prover.with_issuer(jwks_url="https://id.example/jwks")
    with tenant_scope(prover.acme.pk):
        Credential.objects.update(jwks_fetched_at=timezone.now() - timedelta(hours=2))
    published += [lambda: public("RS256")]
    refused(ask(prover.form(prover.issued(), client_id=prover.id)), 401, "invalid_client", "No working key")


def test_pasted_keys_are_fetched_from_nowhere(prover: Prover, published: list[Callable[[], dict[str, Any]]]) -> None:
    prover.with_issuer()
    refused(ask(prover.form(prover.issued(header={"kid": "unknown"}), client_id=prover.id)), 401, "invalid_client")


def test_a_flood_of_assertions_waits(prover: Prover, settings: Any) -> None:
    settings.TOKEN_RATE = 2
    prover.with_pair()
    for _ in range(2):
        assert ask(prover.form(prover.own())).status_code == 200
    refused(ask(prover.form(prover.own())), 429, "slow_down")


def test_each_way_of_proving_oneself_opens_all_three_endpoints(cast: Cast, prover: Prover) -> None:
    prover.with_pair()
    prover.with_issuer()
    shop = Shop(cast)
    for endpoint in ("introspect", "revoke"):
        for body, basic in (
            (f"token=x&{urlencode({'client_id': shop.id, 'client_secret': shop.secret})}", ""),
            ("token=x", shop.basic()),
            (prover.form(prover.own(), token="x"), ""),
            (prover.form(prover.issued(), token="x", client_id=prover.id), ""),
        ):
            assert ask(body, basic=basic, endpoint=endpoint).status_code == 200
        refused(ask("token=x", endpoint=endpoint), 401, "invalid_client")
        refused(ask("x=1", basic=shop.basic(), endpoint=endpoint), 400, "invalid_request", "token is missing")
