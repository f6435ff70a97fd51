"""How much, how often and what one may send over REST."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apis.models import Plan
from tenants.models import Attempt, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

APPLICATION = {"purpose": "A test."}


def refused(response: Any, status: int, sentence: str) -> Any:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert sentence in response.json()["detail"]
    return response.json()


@pytest.mark.django_db(transaction=True)
def test_one_person_changes_a_tenant_only_so_often(cast: Cast, rest: Rest, settings: Any) -> None:
    settings.WRITE_RATE = 3
    path, carl = f"{base(cast.acme)}/applications/", rest(cast.carl)
    for number in range(3):
        answer = carl.post(path, {**APPLICATION, "name": str(number)})
        assert (answer.status_code, answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == (201, "3, 3;w=60", str(2 - number))
        assert 1 <= int(answer["X-RateLimit-Reset"]) <= 60
        assert Attempt.objects.get().count == number + 1, "what was done is counted"
    response = carl.post(path, {**APPLICATION, "name": "one more"})
    refused(response, 429, "Too many changes. Wait ")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert (response["X-RateLimit-Remaining"], response["X-RateLimit-Reset"]) == ("0", response["Retry-After"])
    with tenant_scope(cast.acme.pk):
        assert Event.objects.filter(kind="application.created").count() == 3
    assert carl.get(path).status_code == 200, "reading is no change"
    assert rest(cast.ada).post(path, {**APPLICATION, "name": "Ada's"}).status_code == 201
    for _ in range(5):
        refused(carl.post(path, {**APPLICATION, "name": "one more"}), 429, "Too many changes")


@pytest.mark.django_db(transaction=True)
def test_what_a_rule_refuses_changes_nothing_and_is_not_counted(cast: Cast, rest: Rest, settings: Any) -> None:
    settings.WRITE_RATE = 1
    path, carl = f"{base(cast.acme)}/applications/", rest(cast.carl)
    for _ in range(3):
        answer = carl.post(path, {})
        assert (answer.status_code, "X-RateLimit-Remaining" in answer) == (422, False)
    assert carl.post(path, {**APPLICATION, "name": "Shop"}).status_code == 201
    assert carl.post(path, {**APPLICATION, "name": "Shop"}).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_an_import_counts_even_if_it_is_refused(cast: Cast, rest: Rest, settings: Any) -> None:
    """It costs a process, so it is counted before the document is looked at."""
    settings.WRITE_RATE = 2
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    path, pam = f"{base(cast.acme)}/apis/orders/versions/v1/revisions/", rest(cast.pam)
    for _ in range(2):
        assert pam.post(path, {}).status_code == 422
    refused(pam.post(path, {}), 429, "Too many changes")


@pytest.mark.django_db(transaction=True)
def test_a_body_is_64_kb_at_most_but_for_documents(cast: Cast, rest: Rest) -> None:
    carl, at = rest(cast.carl), base(cast.acme)
    refused(carl.post(f"{at}/applications/", {"name": "x" * 66_000}), 413, "larger than 64 KB")
    refused(rest(None).post("/api/v1/session/", {"email": "x" * 66_000}), 413, "larger than 64 KB")
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    path, pam = f"{at}/apis/orders/versions/v1/revisions/", rest(cast.pam)
    assert pam.post(path, {"note": "x" * 66_000}).status_code == 422
    refused(pam.post(path, {"note": "x" * 3_200_000}), 413, "larger than 3072 KB")


@pytest.mark.parametrize("body", [r'{"\ud800": 1}', r'{"name": "\udfff"}', r'{"a": [{"b": ["\ud83d"]}]}', r'"\ud800"'])
def test_half_a_character_is_refused(cast: Cast, rest: Rest, body: str) -> None:
    path = f"{base(cast.acme)}/applications/"
    response = rest(cast.carl).post(path, body, content_type="application/json")
    refused(response, 400, "half of a surrogate pair")
    whole = json.dumps({**APPLICATION, "name": "🦊"})
    assert r"\ud83e" in whole
    assert rest(cast.carl).post(path, whole, content_type="application/json").status_code == 201


def test_half_a_character_is_refused_before_anybody_signed_in(db: None) -> None:
    response = Client().post("/api/v1/session/", r'{"\ud800": 1}', content_type="application/json")
    refused(response, 400, "half of a surrogate pair")


def test_fields_that_do_not_exist_are_named_but_not_all_and_not_whole(cast: Cast, rest: Rest) -> None:
    body = {f"{number:04} {'x' * 100}": 1 for number in range(500)}
    errors = refused(rest(cast.carl).post(f"{base(cast.acme)}/applications/", body), 422, "")["errors"]
    assert len(errors) == 11
    assert errors.pop("") == ["There are 490 more fields that don't exist here."]
    assert {len(name) for name in errors} == {40}


def test_a_published_plan_is_answered_as_published(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    pam, at = rest(cast.pam), f"{base(cast.acme)}/apis/orders/plans/"
    assert pam.post(at, {"name": "gold", "calls": 1, "seconds": 1}).json()["status"] == "staging"
    assert pam.post(f"{at}gold/publish/").json()["status"] == "published"
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.get(name="gold").status == "published"


def test_an_admin_ends_anybodys_secret_but_makes_none(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        application = make.application(cast.carl, name="Shop")
        credential, _ = make.credential(application)
    at = f"{base(cast.acme)}/applications/{application.pk}/credentials/"
    ada = rest(cast.ada)
    for path in (at, f"{at}{credential.pk}/roll/"):
        response = ada.post(path, {})
        refused(response, 403, "Shop belongs to Carl, who alone can make its secrets.")
        assert "client_secret" not in response.json()
    answer = ada.post(f"{at}{credential.pk}/revoke/", {"reason": "It leaked."})
    assert answer.status_code == 200
    assert answer.json()["status"] == "revoked"
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
        assert (event.kind, event.actor_id, application.credentials.count()) == ("credential.revoked", cast.ada.pk, 1)


def test_another_developer_neither_makes_nor_ends_anything(cast: Cast, rest: Rest) -> None:
    dora = make.member(cast.acme, "dora@acme.example", "developer")
    with tenant_scope(cast.acme.pk):
        application = make.application(cast.carl)
        credential, _ = make.credential(application)
    at = f"{base(cast.acme)}/applications/{application.pk}/credentials/"
    for path in (at, f"{at}{credential.pk}/roll/", f"{at}{credential.pk}/revoke/"):
        refused(rest(dora).post(path, {}), 404, "nothing here")


def told(found: CaptureQueriesContext) -> list[str]:
    """The urgency of each message to control."""
    return [said for query in found.captured_queries for said in re.findall(r"pg_notify\('portico', '\S+ (now|soon)'\)", query["sql"])]


def test_what_a_developer_causes_by_asking_is_gathered(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(make.api("orders"), approval="automatic")
        application = make.application(cast.carl)
        credential, _ = make.credential(application)
    body = {"application": str(application.pk), "api": "orders", "plan": plan.name, "purpose": "A test."}
    with CaptureQueriesContext(connection) as found:
        answer = rest(cast.carl).post(f"{base(cast.acme)}/subscriptions/", body)
    assert answer.json()["status"] == "active"
    assert told(found) == ["soon", "soon"]
    with CaptureQueriesContext(connection) as found:
        rest(cast.carl).post(f"{base(cast.acme)}/applications/{application.pk}/credentials/{credential.pk}/roll/", {"grace": "0"})
    assert told(found) == ["now", "soon"], "what is revoked is revoked at once, and the new one waits for others"


def test_what_a_person_approves_is_told_at_once(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        subscription = make.subscription(status="pending", of=make.application(cast.carl))
    with CaptureQueriesContext(connection) as found:
        assert rest(cast.ada).post(f"{base(cast.acme)}/subscriptions/{subscription.pk}/approve/").status_code == 200
    assert told(found) == ["now"]
