"""Carl's credentials over REST: every kind with its own fields, a secret once, and what is known of their use."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from keys import tokens, uses
from keys.models import Application, Credential, CredentialUse
from tenants.models import Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

ISSUER = {"kind": "issuer", "issuer": "https://id.example/acme", "claim_value": "shop"}


@pytest.fixture
def checkout(cast: Cast) -> Application:
    with tenant_scope(cast.acme.pk):
        return make.application(cast.carl, name="Checkout")


@pytest.fixture
def carl(cast: Cast, rest: Rest) -> APIClient:
    return rest(cast.carl)


def at(application: Application) -> str:
    return f"/api/v1/tenants/acme/applications/{application.pk}/credentials/"


def body_of(kind: str) -> dict[str, Any]:
    """The least that each kind needs."""
    bodies: dict[str, dict[str, Any]] = {
        "client_secret": {},
        "api_key": {"kind": "api_key"},
        "key_pair": {"kind": "key_pair", "jwks": make.jwks()},
        "issuer": {**ISSUER, "jwks": make.jwks()},
    }
    return bodies[kind]


@pytest.mark.parametrize("kind,shown", [("client_secret", "client_secret"), ("api_key", "api_key"), ("key_pair", ""), ("issuer", "")])
def test_each_kind_is_made_with_its_fields_and_shows_its_secret_once(
    cast: Cast, carl: APIClient, checkout: Application, kind: str, shown: str
) -> None:
    answer = carl.post(at(checkout), {"label": "CI", **body_of(kind)})
    made = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert (made["kind"], made["label"], made["client_id"], made["status"]) == (kind, "CI", checkout.client_id, "active")
    assert {"client_secret", "api_key"} & set(made) == ({shown} if shown else set())
    assert ("token_endpoint" in made) == (kind != "api_key")
    [listed] = carl.get(at(checkout)).json()["results"]
    assert not {"client_secret", "api_key"} & set(listed)
    assert listed["safe_to_revoke"]["level"] == "unknown"
    assert (listed["first_used_at"], listed["last_used_at"], listed["calls_last_7_days"], listed["replaces"]) == (None, None, 0, None)
    if kind == "issuer":
        assert (listed["issuer"], listed["claim"], listed["claim_value"]) == ("https://id.example/acme", "sub", "shop")
    if kind in {"issuer", "key_pair"}:
        assert set(listed["jwks"]["keys"][0]) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.mark.parametrize(
    "body,field,says",
    [
        ({"kind": "password"}, "kind", "Choose from client_secret, api_key, key_pair, issuer."),
        ({"kind": ["api_key"]}, "kind", "Choose from client_secret, api_key, key_pair, issuer."),
        ({"kind": None}, "kind", "This field may not be null."),
        ({"jwks": {"keys": []}}, "jwks", "There is no such field here; there are kind, label, expires_at."),
        ({"kind": "api_key", "issuer": "https://id.example"}, "issuer", "There is no such field here"),
        ({"kind": "key_pair", "jwks": {}, "claim": "sub"}, "claim", "There is no such field here"),
        ({**ISSUER, "expires_at": "2099-01-01T00:00:00Z"}, "expires_at", "There is no such field here"),
        ({"kind": "key_pair"}, "jwks", "This field is required."),
        ({"kind": "key_pair", "jwks": "not JSON"}, "jwks", "This isn't JSON."),
        ({"kind": "key_pair", "jwks": {"keys": []}}, "jwks", "There are no keys in this."),
        ({"kind": "key_pair", "jwks": tokens.generate().private.as_dict(private=True)}, "jwks", "This is a private key."),
        (ISSUER, "jwks", "one of the two"),
        ({**ISSUER, "jwks": make.jwks(), "jwks_url": "https://id.example/jwks"}, "jwks", "one of the two"),
        ({**ISSUER, "jwks_url": "file:///etc/passwd"}, "jwks_url", "The address of a JWKS begins with https://"),
        ({**ISSUER, "jwks_url": "https://10.1.2.3/"}, "jwks_url", "10.1.2.3 has no public address"),
        ({**ISSUER, "jwks": make.jwks(), "issuer": "id.example"}, "issuer", "Write the issuer as it stands in the claim iss"),
        ({**ISSUER, "jwks": make.jwks(), "claim": "aud"}, "claim", "aud does not say who asks"),
        ({"kind": "api_key", "expires_at": "2999-01-01T00:00:00Z"}, "expires_at", "API keys work for at most 365 days here"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, "expires_at", "Choose a year before 3000"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at", "This time has passed"),
    ],
)
def test_what_does_not_fit_a_kind_is_refused_with_a_sentence(
    cast: Cast, carl: APIClient, checkout: Application, body: dict[str, Any], field: str, says: str
) -> None:
    answer = carl.post(at(checkout), body)
    assert answer.status_code == 422, answer.content
    assert says in str(answer.json()["errors"][field]), answer.json()
    with tenant_scope(cast.acme.pk):
        assert not Credential.objects.exists()


def test_an_api_key_is_rolled_and_names_what_it_replaces(carl: APIClient, checkout: Application) -> None:
    old = carl.post(at(checkout), {"kind": "api_key"}).json()
    new = carl.post(f"{at(checkout)}{old['id']}/roll/", {"grace": "1h"}).json()
    assert new["api_key"].startswith("ptc_live_")
    assert (new["kind"], new["replaces"]) == ("api_key", old["id"])
    pair = carl.post(at(checkout), body_of("key_pair")).json()
    refused = carl.post(f"{at(checkout)}{pair['id']}/roll/", {})
    assert (refused.status_code, refused.json()["detail"][:41]) == (409, "Only secrets and API keys can be rolled. ")


def test_carl_reads_what_of_his_is_used_and_what_can_go(cast: Cast, carl: APIClient, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        busy, idle = make.credential(checkout)[0], make.api_key(checkout)[0]
        uses.store(cast.acme.pk, tokens={busy.pk: 2}, calls={busy.pk: 40})
        Credential.objects.filter(pk=idle.pk).update(created_at=timezone.now() - timedelta(days=8))
    listed = {row["id"]: row for row in carl.get(at(checkout)).json()["results"]}
    busy_row, idle_row = listed[str(busy.pk)], listed[str(idle.pk)]
    assert (busy_row["calls_last_7_days"], busy_row["safe_to_revoke"]["level"]) == (40, "used_lately")
    assert busy_row["first_used_at"] == busy_row["last_used_at"] is not None
    assert idle_row["safe_to_revoke"] == {"level": "safe", "because": "It was never used."}
    decided = carl.post(f"{at(checkout)}{busy.pk}/revoke/", {}).json()
    assert (decided["status"], decided["safe_to_revoke"], decided["calls_last_7_days"]) == ("revoked", None, 40)


def test_a_list_takes_as_many_queries_for_ten_of_all_kinds_as_for_none(cast: Cast, carl: APIClient, checkout: Application) -> None:
    carl.get(at(checkout))
    with queries("applications/<id>/credentials/"):
        assert carl.get(at(checkout)).json()["results"] == []
    with tenant_scope(cast.acme.pk):
        for _ in range(2):
            made = [make.credential(checkout)[0], make.api_key(checkout)[0], make.key_pair(checkout), make.issuer(checkout)]
            uses.store(cast.acme.pk, calls={each.pk: 1 for each in made})
    with queries("applications/<id>/credentials/"):
        assert len(carl.get(at(checkout)).json()["results"]) == 8


@pytest.mark.parametrize("kind", ["client_secret", "api_key", "key_pair", "issuer"])
def test_nobody_but_its_owner_makes_a_credential_of_any_kind(cast: Cast, rest: Rest, checkout: Application, kind: str) -> None:
    with tenant_scope(cast.acme.pk):
        cora = make.member(cast.acme, "cora@acme.example", Role.DEVELOPER)
    for user, status in ((cast.eve, 404), (cora, 404), (cast.ada, 403), (cast.pam, 403), (None, 401)):
        assert rest(user).post(at(checkout), body_of(kind)).status_code == status, user
        assert rest(user).get(at(checkout)).status_code == (200 if user == cast.ada else 404 if status == 403 else status), user
    with tenant_scope(cast.acme.pk):
        assert not Credential.objects.exists()
        assert not CredentialUse.objects.exists()


def test_eve_learns_nothing_of_acmes_credentials_through_her_own_tenant(cast: Cast, rest: Rest, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        credential, _ = make.api_key(checkout)
    for path in (f"{base(cast.globex)}/applications/{checkout.pk}/credentials/", at(checkout)):
        assert rest(cast.eve).get(path).status_code == 404
        for what in ("roll", "revoke"):
            assert rest(cast.eve).post(f"{path}{credential.pk}/{what}/", {}).status_code == 404
