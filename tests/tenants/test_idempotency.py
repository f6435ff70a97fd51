"""A program that got no answer sends its change again, under the same Idempotency-Key: it is done once, and answered as it was."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from keys.models import Application, Credential
from tenants import due, idempotency
from tenants.errors import NotAllowed
from tenants.models import Attempt, Due, Event, SentOnce
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

SHOP = {"name": "Shop", "purpose": "A test."}
KEY = "0192f5c4-shop"


def send(client: Any, path: str, body: Any = SHOP, *, key: str = KEY) -> Any:
    return client.post(path, body, headers={"Idempotency-Key": key})


def applications(cast: Cast) -> str:
    return f"{base(cast.acme)}/applications/"


def test_it_is_done_once_and_answered_as_it_was(cast: Cast, rest: Rest) -> None:
    carl = rest(cast.carl)
    first = send(carl, applications(cast))
    again = send(carl, applications(cast))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Content-Type"] == "application/json"
    assert ("Idempotent-Replayed" in first, again["Idempotent-Replayed"]) == (False, "true")
    with tenant_scope(cast.acme.pk):
        assert Application.objects.filter(name="Shop").count() == 1
        assert Event.objects.filter(kind="application.created").count() == 1


def test_what_was_done_before_is_not_counted_as_a_change(cast: Cast, rest: Rest, settings: Any) -> None:
    settings.WRITE_RATE = 1
    carl = rest(cast.carl)
    assert [send(carl, applications(cast)).status_code for _ in range(3)] == [201] * 3
    assert Attempt.objects.get().count == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [("applications/", {**SHOP, "name": "Another"}), ("teams/", {**SHOP}), ("applications/?limit=1", SHOP)],
    ids=["body", "address", "query"],
)
def test_a_key_is_for_one_request(cast: Cast, rest: Rest, path: str, body: Any) -> None:
    ada = rest(cast.ada)
    send(ada, applications(cast))
    answer = send(ada, f"{base(cast.acme)}/{path}", body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"Idempotency-Key": ["This key was sent with another request. Take a new key for each change."]}
    with tenant_scope(cast.acme.pk):
        assert Application.objects.filter(owner=cast.ada).count() == 1


def test_a_key_is_its_senders_in_one_tenant(cast: Cast, rest: Rest) -> None:
    for person, tenant in ((cast.carl, cast.acme), (cast.ada, cast.acme), (cast.eve, cast.globex)):
        answer = send(rest(person), f"{base(tenant)}/applications/")
        assert (answer.status_code, "Idempotent-Replayed" in answer) == (201, False)


@pytest.mark.parametrize("key", ["", "with a space", "x" * 129, "ключ", "line\tbreak"])
def test_what_is_no_key_is_said_and_nothing_is_done(cast: Cast, rest: Rest, key: str) -> None:
    answer = send(rest(cast.carl), applications(cast), key=key)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["Idempotency-Key"]
    with tenant_scope(cast.acme.pk):
        assert not Application.objects.filter(name="Shop").exists()


def test_a_refusal_is_kept_of_none(cast: Cast, rest: Rest) -> None:
    carl = rest(cast.carl)
    assert send(carl, applications(cast), {"name": "Shop"}).status_code == 422
    with tenant_scope(cast.acme.pk):
        assert not SentOnce.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_after_a_refusal_the_same_key_may_be_sent_again(cast: Cast, rest: Rest) -> None:
    carl = rest(cast.carl)
    with tenant_scope(cast.acme.pk):
        had = make.application(cast.carl, name="Shop")
    refused = send(carl, applications(cast))
    assert refused.status_code == 409
    with tenant_scope(cast.acme.pk):
        Application.objects.filter(pk=had.pk).update(name="Old shop")
    assert send(carl, applications(cast)).status_code == 201


def test_a_secret_is_kept_nowhere_and_told_once(cast: Cast, rest: Rest) -> None:
    carl = rest(cast.carl)
    with tenant_scope(cast.acme.pk):
        shop = make.application(cast.carl)
    path = f"{applications(cast)}{shop.pk}/credentials/"
    assert send(carl, path, {"label": "CI"}).status_code == 201
    again = send(carl, path, {"label": "CI"})
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "This was done before. What it was answered then is not kept, for it held a secret or was long.",
    )
    with tenant_scope(cast.acme.pk):
        assert Credential.objects.filter(application=shop, label="CI").count() == 1
        assert SentOnce.objects.get().answer is None


def test_what_has_no_body_is_answered_without_one(cast: Cast, rest: Rest) -> None:
    carl = rest(cast.carl)
    carl.post(f"{base(cast.acme)}/calendar-feed/")
    with tenant_scope(cast.acme.pk):
        assert not SentOnce.objects.exists()
    path = f"{base(cast.acme)}/calendar-feed/"
    answers = [carl.delete(path, headers={"Idempotency-Key": KEY}) for _ in range(2)]
    assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 2


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_does_it(cast: Cast, rest: Rest) -> None:
    clients = [rest(cast.carl), rest(cast.carl)]
    answers: list[Any] = []

    def once(client: Any) -> None:
        try:
            answers.append(send(client, applications(cast)))
        finally:
            connection.close()

    threads = [threading.Thread(target=once, args=[each]) for each in clients]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert sorted("Idempotent-Replayed" in each for each in answers) == [False, True]
    with tenant_scope(cast.acme.pk):
        assert Application.objects.filter(name="Shop").count() == 1


@pytest.mark.django_db(transaction=True)
def test_also_where_a_view_works_outside_the_requests_transaction(cast: Cast, rest: Rest) -> None:
    pam = rest(cast.pam)
    with tenant_scope(cast.acme.pk):
        make.api("shop")
    path = f"{base(cast.acme)}/apis/shop/versions/v1/revisions/"
    revision = {"document": json.dumps(make.DOCUMENT), "upstream": {"url": "http://127.0.0.1:9"}}
    refused = send(pam, path, {**revision, "upstream": {"url": "ftp://127.0.0.1"}})
    assert refused.status_code == 422
    with tenant_scope(cast.acme.pk):
        assert not SentOnce.objects.exists()
    first, again = (send(pam, path, revision) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.json()["number"] == 2


@pytest.mark.django_db(transaction=True)
def test_one_that_is_under_way_is_said_to_be_until_its_process_is_surely_dead(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        row = idempotency.begin(KEY, request="1" * 64, by=cast.carl)
    with pytest.raises(NotAllowed, match="still under way"), tenant_scope(cast.acme.pk):
        idempotency.begin(KEY, request="1" * 64, by=cast.carl)
    with tenant_scope(cast.acme.pk):
        SentOnce.objects.update(at=timezone.now() - idempotency.UNDER_WAY - timedelta(seconds=1))
        assert idempotency.begin(KEY, request="1" * 64, by=cast.carl).pk == row.pk


@pytest.mark.django_db(transaction=True)
def test_a_day_later_it_is_forgotten(cast: Cast, rest: Rest) -> None:
    carl = rest(cast.carl)
    send(carl, applications(cast))
    send(carl, f"{base(cast.acme)}/applications/", {**SHOP, "name": "Later"}, key="later")
    job = Due.objects.filter(tenant=cast.acme, job=idempotency.JOB)
    with tenant_scope(cast.acme.pk):
        young = SentOnce.objects.get(key="later")
        SentOnce.objects.filter(key=KEY).update(at=timezone.now() - idempotency.KEPT)
    job.update(at=timezone.now())
    assert due.run(idempotency.JOB, idempotency.forget) == 1
    with tenant_scope(cast.acme.pk):
        assert list(SentOnce.objects.values_list("key", flat=True)) == ["later"]
    assert job.get().at == young.at + idempotency.KEPT
    # Long over, and no job has come by yet.
    with tenant_scope(cast.acme.pk):
        SentOnce.objects.update(at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
    assert send(carl, applications(cast), {**SHOP, "name": "Anew"}, key="later").status_code == 201
