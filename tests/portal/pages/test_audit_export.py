"""Ugo takes the audit away as a file, and has its chain verified."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from keys import audit_proof
from keys.actions import audit_keys, heads
from portal.pages import audit
from tenants.models import Event, EventCounter, Role
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

EXPORT, CHAIN, AUDIT = "/t/acme/console/audit/export/", "/t/acme/console/audit/chain/", "/t/acme/console/audit/"


@pytest.fixture
def ugo(in_acme: Cast) -> Client:
    return signed_in(make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR))


def content_of(answer: Any) -> bytes:
    assert answer.status_code == 200, text(answer)
    return b"".join(answer.streaming_content)


def test_auditors_and_admins_get_in(in_acme: Cast, ugo: Client) -> None:
    for address in (EXPORT, CHAIN):
        assert ugo.get(address).status_code == 200
        for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
            assert signed_in(user).get(address).status_code == status
            if status != 200:
                assert signed_in(user).post(address).status_code == status
    assert not Event.objects.filter(kind="audit.exported").exists()


def test_all_of_it_with_its_proof(in_acme: Cast, ugo: Client) -> None:
    content = content_of(ugo.post(EXPORT, {"format": "jsonl"}))
    report = audit_proof.verify(io.BytesIO(content), audit_proof.read_keys(json.dumps({"keys": audit_keys.public()})))
    assert not report.count, report
    assert Event.objects.get(kind="audit.exported").data == {"format": "jsonl", "first": 1, "last": report.last}


def test_what_the_list_was_narrowed_to(in_acme: Cast, ugo: Client) -> None:
    make.application(in_acme.carl, name="Checkout")
    make.application(in_acme.carl, name="Other")
    listed = ugo.get(AUDIT, {"q": "Checkout", "kind": "application.created"}).content.decode()
    assert f"{EXPORT}?q=Checkout&amp;kind=application.created" in listed
    assert "What happened: Application registered" in text(ugo.get(f"{EXPORT}?q=Checkout&kind=application.created"))
    answer = ugo.post(f"{EXPORT}?q=Checkout&kind=application.created", {"format": "csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(content_of(answer).decode()))
    assert [dict(zip(header, row, strict=True))["subject_name"] for row in rows] == ["Checkout"]
    assert Event.objects.get(kind="audit.exported").data["q"] == "Checkout"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "Fill this in."),
        ({"format": "xml"}, "Choose one of these."),
        ({"format": "jsonl", "first": "x"}, "Enter a whole number."),
        ({"format": "jsonl", "first": "7", "last": "6"}, "Choose a number from 1 to 6"),
        ({"format": "jsonl", "last": "999999"}, "that of the last event"),
    ],
)
def test_what_is_no_export_gets_a_sentence_and_nothing_typed_is_lost(ugo: Client, given: dict[str, str], says: str) -> None:
    answer = ugo.post(EXPORT, given)
    assert answer.status_code == 422
    assert says in text(answer)
    assert all(f'value="{value}"' in answer.content.decode() for name, value in given.items() if name != "format")
    assert not Event.objects.filter(kind="audit.exported").exists()


def test_so_often_and_no_oftener(ugo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keys.rest_audit.EXPORTS", 1)
    assert ugo.post(EXPORT, {"format": "csv"}).status_code == 200
    assert ugo.post(EXPORT, {"format": "csv"}).status_code == 429


def test_the_list_says_when_the_chain_was_signed_last(in_acme: Cast, ugo: Client) -> None:
    assert "The chain has not been signed yet" in text(ugo.get(AUDIT))
    heads.sign_heads()
    assert f"The chain was last signed at event {EventCounter.objects.get().number}," in text(ugo.get(AUDIT))


def test_the_newest_are_recomputed_on_the_spot(in_acme: Cast, ugo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    heads.sign_heads()
    last = EventCounter.objects.get().number
    assert "Recomputes the newest 10,000 events here." in text(ugo.get(CHAIN))
    said = text(ugo.post(CHAIN))
    assert f"The newest {last} events, from 1 to {last}, were recomputed just now, and all hold. 1 signed head among them fits." in said
    assert "Intact" in said


def test_it_says_which_event_does_not_hold(in_acme: Cast, ugo: Client) -> None:
    counter = EventCounter.objects.get()
    Event.objects.create(
        number=counter.number + 1, at=counter_at(), kind="member.added", actor_name="Nobody", subject_type="user",
        subject_id=in_acme.carl.pk, subject_name="Carl", previous=counter.digest, digest="0" * 64,
    )  # fmt: skip
    EventCounter.objects.update(number=counter.number + 1)
    said = text(ugo.post(CHAIN))
    assert f"Event {counter.number + 1} is not as it was written, or is missing." in said
    assert "Broken" in said


def counter_at() -> Any:
    return Event.objects.order_by("-number").values_list("at", flat=True)[0]


def test_as_many_queries_for_many(ugo: Client) -> None:
    with queries("page:audit-chain"):
        ugo.post(CHAIN)
    with queries("page:audit-export"):
        ugo.get(EXPORT)


@pytest.mark.parametrize(
    ("kind", "data", "name", "was", "now"),
    [
        ("tenant.suspended", {"was": "active"}, "State", "Active", "Suspended"),
        ("tenant.reopened", {"was": "closing"}, "State", "Closing", "—"),
        ("invitation.accepted", {"was": "pending"}, "State", "Pending", "Accepted"),
        ("service_account.revoked", {"was": "active"}, "State", "Active", "Revoked"),
        ("application.transferred", {"was": "Carl", "now": "Pam"}, "Value", "Carl", "Pam"),
        ("role.changed", {"was": {"name": "A"}, "now": {"name": "B"}}, "name", "A", "B"),
        ("team.changed", {"was": {"members": ["a"]}, "now": {"members": ["a", "b"]}}, "members", "a", "a, b"),
    ],
)
def test_each_kind_shows_what_was_and_what_is(in_acme: Cast, kind: str, data: dict[str, Any], name: str, was: str, now: str) -> None:
    assert audit._changes(Event(kind=kind, data=data)) == [audit.Change(name, was, now)]
