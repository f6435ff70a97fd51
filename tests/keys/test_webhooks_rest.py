"""Ada keeps webhooks over REST: makes, changes, rolls, tests and deletes them, and sends again what failed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from keys.actions import webhook_sending, webhooks
from keys.models import Webhook, WebhookAttempt, WebhookDelivery
from tenants.models import Event, Role
from tests import make
from tests.conftest import Cast, Rest, base, queries

GIVEN = {"name": "Billing", "url": "http://127.0.0.1:9/hooks", "kinds": ["subscription.*", "credential.revoked"]}


@pytest.fixture
def hook(in_acme: Cast) -> Webhook:
    return make.webhook(by=in_acme.ada, name="Billing")[0]


@pytest.fixture
def delivery(in_acme: Cast, hook: Webhook) -> WebhookDelivery:
    """One that failed."""
    make.application(in_acme.carl)
    webhook_sending.take(in_acme.acme.pk)
    found = WebhookDelivery.objects.get()
    WebhookAttempt.objects.create(delivery=found, at=found.created_at, took_ms=7, answered=500, trouble="status", answer="Oh")
    return webhooks.give_up(found)


def at(cast: Cast, path: str = "") -> str:
    return f"{base(cast.acme)}/webhooks/{path}"


def test_one_is_made_and_its_secret_told_once(in_acme: Cast, rest: Rest) -> None:
    ada = rest(in_acme.ada)
    with queries("webhooks:create"):
        made = ada.post(at(in_acme), GIVEN)
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    found = made.json()
    assert found.pop("secret").startswith("whsec_")
    one = at(in_acme, f"{found['id']}/")
    assert (found["name"], found["kinds"], found["enabled"], found["disabled_why"]) == ("Billing", GIVEN["kinds"], True, "")
    assert ada.get(one).json() == found
    with queries("webhooks:list"):
        assert ada.get(at(in_acme)).json()["results"] == [found]
    rolled = ada.post(f"{one}roll/")
    assert (rolled.status_code, rolled["Cache-Control"], rolled.json()["former_until"] is not None) == (201, "no-store", True)
    assert ada.post(f"{one}roll/").status_code == 409
    assert "secret" not in ada.get(one).json()


def test_one_is_changed_and_deleted(in_acme: Cast, rest: Rest, hook: Webhook) -> None:
    ada, one = rest(in_acme.ada), at(in_acme, f"{hook.pk}/")
    changed = ada.patch(one, {"name": "Chat", "kinds": ["version.*"]})
    assert (changed.status_code, changed.json()["name"], changed.json()["kinds"]) == (200, "Chat", ["version.*"])
    assert ada.patch(one, {"enabled": False}).json()["disabled_why"] == "person"
    assert ada.patch(one, {"enabled": True, "catch_up": True}).json()["enabled"] is True
    assert ada.delete(one).status_code == 204
    assert ada.get(one).status_code == 404


@pytest.mark.parametrize(
    "body,field",
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "ftp://a.example/"}, "url"),
        ({"url": "https://a.example/" + "a" * 500}, "url"),
        ({"kinds": []}, "kinds"),
        ({"kinds": "version.*"}, "kinds"),
        ({"kinds": ["member.*"]}, "kinds"),
        ({"kinds": ["version.*"] * 101}, "kinds"),
        ({"secret": "mine"}, "secret"),
        ({"enabled": False}, "enabled"),
    ],
)
def test_what_can_not_be_used_is_refused_by_its_field(in_acme: Cast, rest: Rest, body: dict[str, Any], field: str) -> None:
    answer = rest(in_acme.ada).post(at(in_acme), {**GIVEN, **body} if body else {})
    assert (answer.status_code, field in answer.json()["errors"]) == (422, True)
    assert not Webhook.objects.exists()


def test_a_test_waits_to_be_sent(in_acme: Cast, rest: Rest, hook: Webhook) -> None:
    ada = rest(in_acme.ada)
    sent = ada.post(at(in_acme, f"{hook.pk}/test/"))
    assert (sent.status_code, sent.json()["kind"], sent.json()["number"], sent.json()["state"]) == (201, "webhook.test", 0, "waiting")
    assert ada.post(at(in_acme, f"{hook.pk}/test/")).status_code == 409


def test_deliveries_are_listed_narrowed_and_told_with_each_attempt(
    in_acme: Cast, rest: Rest, hook: Webhook, delivery: WebhookDelivery
) -> None:
    ada, those = rest(in_acme.ada), at(in_acme, f"{hook.pk}/deliveries/")
    webhooks.send_test(hook)
    with queries("webhooks:deliveries"):
        found = ada.get(those).json()["results"]
    assert [each["kind"] for each in found] == ["webhook.test", "application.created"]
    assert [each["kind"] for each in ada.get(those, {"state": "failed"}).json()["results"]] == ["application.created"]
    assert [each["kind"] for each in ada.get(those, {"kind": "webhook.test"}).json()["results"]] == ["webhook.test"]
    for wrong in ({"state": "lost"}, {"kind": "member.added"}):
        assert ada.get(those, wrong).status_code == 422
    one = ada.get(f"{those}{delivery.pk}/").json()
    assert (one["message"], one["state"]) == (f"msg_{delivery.pk.hex}", "failed")
    [attempt] = one["attempts"]
    assert (attempt["answered"], attempt["took_ms"], attempt["answer"]) == (500, 7, "Oh")
    assert attempt["error"] == "127.0.0.1:9 answered 500."


def test_what_failed_is_sent_again(in_acme: Cast, rest: Rest, hook: Webhook, delivery: WebhookDelivery) -> None:
    ada, one = rest(in_acme.ada), at(in_acme, f"{hook.pk}/deliveries/{delivery.pk}/")
    again = ada.post(f"{one}redeliver/")
    assert (again.status_code, again.json()["state"], again.json()["tries"]) == (200, "waiting", 0)
    assert ada.post(f"{one}redeliver/").status_code == 409
    assert ada.post(f"{one}give-up/").json()["state"] == "failed"
    assert ada.post(f"{one}give-up/").status_code == 409
    many = at(in_acme, f"{hook.pk}/redeliver/")
    now = datetime.now(UTC)
    assert ada.post(many, {"since": (now + timedelta(hours=1)).isoformat()}).json() == {"redelivered": 0}
    assert ada.post(many, {"since": (now - timedelta(hours=1)).isoformat()}).json() == {"redelivered": 1}
    for wrong in ({}, {"since": "yesterday"}, {"since": now.isoformat(), "until": now.isoformat()}):
        assert ada.post(many, wrong).status_code == 422


def test_nobody_else_sees_them_and_eve_sees_nothing(in_acme: Cast, rest: Rest, hook: Webhook, delivery: WebhookDelivery) -> None:
    one = at(in_acme, f"{hook.pk}/")
    that = f"{one}deliveries/{delivery.pk}/"
    calls = [
        ("get", at(in_acme)), ("post", at(in_acme)), ("get", one), ("patch", one), ("delete", one), ("post", f"{one}roll/"),
        ("post", f"{one}test/"), ("post", f"{one}redeliver/"), ("get", f"{one}deliveries/"), ("get", that), ("post", f"{that}redeliver/"),
        ("post", f"{that}give-up/"),
    ]  # fmt: skip
    others = [make.member(in_acme.acme, None, role) for role in (Role.PUBLISHER, Role.APPROVER, Role.DEVELOPER, Role.AUDITOR)]
    for method, path in calls:
        for person in others:
            assert getattr(rest(person), method)(path, GIVEN if path == at(in_acme) else {}).status_code == 403, path
        for stranger in (in_acme.eve, in_acme.olga):
            assert getattr(rest(stranger), method)(path, {}).status_code == 404, path
        mine = path.replace("/acme/", "/globex/")
        if mine != at(in_acme).replace("/acme/", "/globex/"):
            assert getattr(rest(in_acme.eve), method)(mine, {}).status_code == 404, "the ids are as good as invented"
    assert rest(None).get(one).status_code == 401
    assert Webhook.objects.get().enabled
    kinds = Event.objects.filter(kind__startswith="webhook.").values_list("kind", flat=True)
    assert list(kinds) == ["webhook.created"]


def test_a_delivery_stands_below_its_own_webhook_alone(in_acme: Cast, rest: Rest, hook: Webhook, delivery: WebhookDelivery) -> None:
    other, _ = make.webhook(by=in_acme.ada)
    ada = rest(in_acme.ada)
    for pk in (other.pk, uuid4()):
        assert ada.get(at(in_acme, f"{pk}/deliveries/{delivery.pk}/")).status_code == 404
        assert ada.post(at(in_acme, f"{pk}/deliveries/{delivery.pk}/redeliver/")).status_code == 404


def test_sent_again_with_its_key_it_is_made_once(in_acme: Cast, rest: Rest) -> None:
    ada = rest(in_acme.ada)
    key = {"Idempotency-Key": "one-and-only-key"}
    assert ada.post(at(in_acme), GIVEN, headers=key).status_code == 201
    assert ada.post(at(in_acme), GIVEN, headers=key).status_code == 409, "a secret is told once"
    assert Webhook.objects.count() == 1


def test_nobody_waits_for_a_name_under_the_lock(in_acme: Cast, rest: Rest, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, one = rest(in_acme.ada), at(in_acme, f"{hook.pk}/")
    asked: list[str] = []

    def nowhere(host: str, *_: Any, **__: Any) -> None:
        asked.append(host)
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    body = {"url": "https://hooks.example.com/"}
    assert ada.patch(one, body).status_code == 422
    assert asked == ["hooks.example.com"]
    tag = ada.get(one)["ETag"]
    assert ada.patch(one, {"url": "https://10.0.0.1/"}, headers={"If-Match": tag}).status_code == 422
    assert ada.patch(one, {"url": "ftp://a.example/"}, headers={"If-Match": tag}).status_code == 422
    assert ada.patch(one, body, headers={"If-Match": '"another"'}).status_code == 412
    assert ada.patch(one, body, headers={"If-Match": tag}).json()["url"] == body["url"]
    assert asked == ["hooks.example.com"], "it is looked up when it is sent"


def test_a_service_account_may_where_it_was_given(in_acme: Cast, rest: Rest) -> None:
    account, _ = make.service_account("webhooks.manage", by=in_acme.ada)
    assert "audit.read" in account.permissions, "who has events sent elsewhere reads them"
    assert rest(account.user).get(at(in_acme)).status_code == 200
