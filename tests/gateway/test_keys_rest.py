"""Signing keys and the token policy over REST: Ada sees and changes Acme's, an auditor sees them, Eve finds nothing."""

from typing import Any

import pytest

from gateway.models import GatewayNode
from keys.models import SigningKey, TokenPolicy
from tenants.models import Event, Role
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.gateway.test_many_receipts import node
from tests.portal.pages.test_keys import announce, key, let_leave, rotate, uses_tokens

KEYS, POLICY = "signing-keys/", "token-policy/"
DATES = {"created_at", "published_at", "known_at", "planned_for", "activated_at", "retired_at", "last_exp", "remove_at", "ended_at"}
Status = SigningKey.Status


def at(cast: Cast, what: str) -> str:
    return f"{base(cast.acme)}/{what}"


def test_who_sees_and_who_changes(in_acme: Cast, rest: Rest) -> None:
    auditor = make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)
    people = {"ada": in_acme.ada, "auditor": auditor, "pam": in_acme.pam, "carl": in_acme.carl, "eve": in_acme.eve, "nobody": None}
    sees = {"ada": 200, "auditor": 200, "pam": 403, "carl": 403, "eve": 404, "nobody": 401}
    changes = {"auditor": 403, "pam": 403, "carl": 403, "eve": 404, "nobody": 401}
    one = f"{KEYS}{key().pk}/"
    for who, status in sees.items():
        for what in (KEYS, one, POLICY):
            assert rest(people[who]).get(at(in_acme, what)).status_code == status, (who, what)
    bodies = {f"{KEYS}rehearse/": {"purpose": "api_key"}, f"{KEYS}rotate/": {"purpose": "api_key"}, f"{one}compromise/": {"reason": "x"}}
    for who, status in changes.items():
        for what, body in bodies.items():
            assert rest(people[who]).post(at(in_acme, what), body, format="json").status_code == status, (who, what)
        assert rest(people[who]).patch(at(in_acme, POLICY), {"algorithm": "EdDSA"}, format="json").status_code == status
    assert SigningKey.objects.count() == 2
    assert TokenPolicy.objects.get().algorithm == "ES256"


def test_eve_finds_none_of_acmes_at_globex(in_acme: Cast, rest: Rest) -> None:
    there, pk = f"{base(in_acme.globex)}/{KEYS}", key().pk
    eve = rest(in_acme.eve)
    assert str(pk) not in [each["id"] for each in eve.get(there).json()["results"]]
    assert eve.get(f"{there}{pk}/").status_code == 404
    assert eve.post(f"{there}{pk}/compromise/", {"reason": "x"}, format="json").status_code == 404
    assert key().pk == pk


def test_every_key_with_its_dates_and_what_it_waits_for(in_acme: Cast, rest: Rest) -> None:
    rotate()
    node("slow")
    coming = announce()
    ada = rest(in_acme.ada)
    found = ada.get(at(in_acme, KEYS)).json()["results"]
    assert [each["status"] for each in found if each["purpose"] == "access_token"] == ["published", "active", "retired"]
    assert set(found[0]) == {"id", "purpose", "alg", "kid", "status", "waiting_for", *DATES}
    assert (found[0]["kid"], found[0]["alg"], found[0]["waiting_for"]) == (coming.kid, "ES256", ["slow"])
    assert found[0]["planned_for"] is not None
    assert found[0]["activated_at"] is None
    retired = next(each for each in found if each["status"] == "retired")
    assert retired["waiting_for"] == []
    assert retired["remove_at"] > retired["last_exp"] > retired["retired_at"]
    assert not any("sealed" in str(each) or "PRIVATE" in str(each) for each in found)


def test_one_key_tells_what_hangs_on_it(in_acme: Cast, rest: Rest) -> None:
    uses_tokens(in_acme, calls=3)
    ada = rest(in_acme.ada)
    behind = ada.get(at(in_acme, f"{KEYS}{key().pk}/")).json()["behind"]
    assert [(each["name"], each["owner"], each["calls"]) for each in behind["applications"]] == [("Checkout", "carl@acme.example", 3)]
    assert behind["tokens_until"] is not None
    assert behind["api_keys"] == 0
    rotate()
    gone = key(Status.RETIRED)
    let_leave(gone)
    assert ada.get(at(in_acme, f"{KEYS}{gone.pk}/")).json()["behind"] is None


def test_a_rehearsal_says_go_or_why_not(in_acme: Cast, rest: Rest) -> None:
    ada = rest(in_acme.ada)
    first = ada.post(at(in_acme, f"{KEYS}rehearse/"), {"purpose": "access_token"}, format="json").json()
    assert (first["go"], first["reasons"], first["gateways"]) == (True, [], [])
    assert first["key"]["status"] == "published"
    assert first["receipt"].endswith(f"/receipts/{first['event']}/")
    node("gateway-1")
    GatewayNode.objects.update(address="http://127.0.0.1:9")
    second = ada.post(at(in_acme, f"{KEYS}rehearse/"), {"purpose": "access_token"}, format="json").json()
    assert second["go"] is False
    assert second["reasons"] == ["gateway-1 has not acknowledged the key.", "gateway-1 could not be called."]
    assert second["gateways"] == [{"gateway": "gateway-1", "ok": False, "said": "", "ms": None}]
    assert second["key"]["id"] == first["key"]["id"]
    assert second["key"]["waiting_for"] == ["gateway-1"]


def test_rotating_answers_with_the_key_and_its_receipt(in_acme: Cast, rest: Rest) -> None:
    answer = rest(in_acme.ada).post(at(in_acme, f"{KEYS}rotate/"), {"purpose": "access_token"}, format="json")
    assert answer.status_code == 200
    told = answer.json()
    event = Event.objects.get(number=told["event"])
    assert (told["status"], event.kind, event.actor_id) == ("published", "signing_key.published", in_acme.ada.pk)
    assert str(event.subject_id) == told["id"]
    assert rest(in_acme.ada).get(told["receipt"]).json()["kind"] == "signing_key.published"


def test_a_compromised_key_is_told_with_its_receipt(in_acme: Cast, rest: Rest) -> None:
    ada, old = rest(in_acme.ada), key()
    address = at(in_acme, f"{KEYS}{old.pk}/compromise/")
    told = ada.post(address, {"reason": "Found in a log."}, format="json").json()
    assert (told["id"], told["status"]) == (str(old.pk), "compromised")
    assert ada.get(told["receipt"]).json()["kind"] == "signing_key.compromised"
    assert key() != old
    again = ada.post(address, {"reason": "x"}, format="json")
    assert (again.status_code, again.json()["detail"]) == (409, "This key is trusted nowhere any more.")


@pytest.mark.parametrize(
    ("what", "body", "errors"),
    [
        ("rehearse/", {}, {"purpose": ["This field is required."]}),
        ("rotate/", {"purpose": "session"}, {"purpose": ["Choose from access_token, api_key."]}),
        ("rotate/", {"purpose": "api_key", "now": True}, {"now": ["There is no such field here; there are purpose."]}),
        ("{pk}/compromise/", {}, {"reason": ["This field is required."]}),
        ("{pk}/compromise/", {"reason": " "}, {"reason": ["This field may not be blank."]}),
    ],
)
def test_what_can_not_be_used_is_named(in_acme: Cast, rest: Rest, what: str, body: dict[str, Any], errors: dict[str, Any]) -> None:
    answer = rest(in_acme.ada).post(at(in_acme, KEYS + what.format(pk=key().pk)), body, format="json")
    assert (answer.status_code, answer.json()["errors"]) == (422, errors)
    assert SigningKey.objects.count() == 2


def test_the_policy_is_read_and_changed_in_seconds(in_acme: Cast, rest: Rest) -> None:
    ada = rest(in_acme.ada)
    was = ada.get(at(in_acme, POLICY)).json()
    assert was == {
        "algorithm": "ES256", "rotation": 30 * 86_400, "token_lifetime": 600, "overlap": 3600, "jwks_max_age": 300, "api_key_days": 365,
    }  # fmt: skip
    now = ada.patch(at(in_acme, POLICY), {"token_lifetime": 300, "jwks_max_age": 5}, format="json")
    assert (now.status_code, now.json()) == (200, {**was, "token_lifetime": 300, "jwks_max_age": 5})
    assert Event.objects.get(kind="token_policy.changed").data["was"] == {"token_lifetime": 600, "jwks_max_age": 300}
    assert ada.patch(at(in_acme, POLICY), {}, format="json").json() == now.json()
    assert Event.objects.filter(kind="token_policy.changed").count() == 1


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"token_lifetime": 901}, "token_lifetime", "less than or equal to 900"),
        ({"rotation": 3599}, "rotation", "greater than or equal to 3600"),
        ({"overlap": 599}, "overlap", "make the overlap longer"),
        ({"rotation": 3600, "jwks_max_age": 3600}, "rotation", "make the rotation longer"),
        ({"algorithm": "HS256"}, "algorithm", "Choose from ES256, ES384, RS256-3072, RS256-2048, EdDSA."),
        ({"jwks_max_age": "soon"}, "jwks_max_age", "A valid integer is required."),
        ({"rotation": 10**30}, "rotation", "less than or equal to 31536000"),
        ({"rotation": None}, "rotation", "may not be null"),
        ({"scopes": ["x"]}, "scopes", "There is no such field here"),
    ],
)
def test_a_policy_that_can_not_be_is_refused_by_field(in_acme: Cast, rest: Rest, body: dict[str, Any], field: str, said: str) -> None:
    answer = rest(in_acme.ada).patch(at(in_acme, POLICY), body, format="json")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert said in answer.json()["errors"][field][0]
    assert TokenPolicy.objects.get().rotation == 30 * 86_400


def test_queries(in_acme: Cast, rest: Rest) -> None:
    node("a")
    rotate(3)
    announce()
    ada = rest(in_acme.ada)
    for name in (KEYS, POLICY):
        with queries(name):
            ada.get(at(in_acme, name))
    with queries("signing-keys/<id>/"):
        ada.get(at(in_acme, f"{KEYS}{key().pk}/"))
