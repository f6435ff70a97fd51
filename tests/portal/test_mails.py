"""Mails: who hears of what, in which words, once and in order; and a mail server that comes and goes."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from html import unescape
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.utils import timezone

from apis.actions import request_clock, subscriptions
from apis.models import Plan, Subscription
from apis.tasks import escalate_requests
from keys.actions import credentials, service_accounts
from keys.models import Application, Credential
from keys.tasks import warn_expiries
from portal import outbox, post, tasks
from portal.celery import app as celery_app
from portal.settings import DATABASE_OWNER_URL, mail_server, sender
from portal.stack.ports import Ports, choose
from tenants import due
from tenants.models import Due, Event, EventCounter, Membership, Notification, ServiceAccount, Tenant, User
from tenants.people import delegations
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, as_owner, make_cast

# The other link of each mail.
CHOICE = "http://127.0.0.1:8000/t/acme/inbox/preferences/"


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """Committed: claims and the ten seconds go by the clock, which stands still inside a transaction."""
    return make_cast()


@pytest.fixture
def gold(cast: Cast) -> Plan:
    with tenant_scope(cast.acme.pk):
        return make.plan(make.api("orders"), name="gold")


@pytest.fixture
def checkout(cast: Cast) -> Application:
    with tenant_scope(cast.acme.pk):
        return make.application(cast.carl, name="Checkout")


@pytest.fixture
def asked(cast: Cast, gold: Plan, checkout: Application) -> Subscription:
    """Carl has asked for Orders."""
    return ask(cast.acme, checkout, gold, cast.carl)


def ask(tenant: Tenant, application: Application, plan: Plan, by: User, purpose: str = "To take orders.") -> Subscription:
    with tenant_scope(tenant.pk):
        found, _ = subscriptions.request(application, api=plan.api, plan=plan, purpose=purpose, by=by)
    return found


def decide(subscription: Subscription, verb: str, by: User, **more: str) -> None:
    with tenant_scope(subscription.owning_tenant):
        subscription.refresh_from_db()
        getattr(subscriptions, verb)(subscription, by=by, **more)


def pass_time(seconds: float) -> None:
    """What has happened is that much longer ago, and what is due is due that much sooner."""
    ids = list(Tenant.objects.values_list("pk", flat=True))
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        for tenant_id in ids:
            owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant_id)])
            owner.execute("UPDATE tenants_event SET at = at - make_interval(secs => %s)", [seconds])
            owner.execute("UPDATE apis_subscription SET undo_until = undo_until - make_interval(secs => %s)", [seconds])
        owner.execute("UPDATE tenants_due SET at = at - make_interval(secs => %s)", [seconds])


def sent() -> list[tuple[str, str]]:
    """Who got which subject since the last look, in order."""
    found = [(message.to[0].partition("@")[0], str(message.subject)) for message in mail.outbox]
    mail.outbox.clear()
    return found


def run() -> list[tuple[str, str]]:
    tasks.send_mails()
    return sent()


def next_try(tenant: Tenant) -> float | None:
    at = Due.objects.filter(tenant=tenant, job=due.MAIL_JOB).values_list("at", flat=True).first()
    return (at - timezone.now()).total_seconds() if at else None


def parts(message: Any) -> tuple[str, str]:
    html = next(each.content for each in message.alternatives if each.mimetype == "text/html")
    return str(message.body), str(html)


# --- who hears of what ---------------------------------------------------------------------------------------------


def test_approvers_hear_of_a_request_at_once(cast: Cast, asked: Subscription) -> None:
    assert run() == [("ada", "Checkout asks for Orders: gold")]
    assert run() == []
    assert next_try(cast.acme) is None


def test_who_decides_in_anothers_place_hears_of_it(cast: Cast, gold: Plan, checkout: Application) -> None:
    dora = make.member(cast.acme, "dora@acme.example", "developer")
    with tenant_scope(cast.acme.pk):
        now = timezone.now()
        made, _ = delegations.create(delegate=dora.email, starts_at=now, ends_at=now + timedelta(days=1), by=cast.ada)
    ask(cast.acme, checkout, gold, cast.carl)
    assert run() == [("ada", "Checkout asks for Orders: gold"), ("dora", "Checkout asks for Orders: gold")]
    with tenant_scope(cast.acme.pk):
        delegations.end(made, by=cast.ada)
        other = make.application(cast.carl, name="Other")
    ask(cast.acme, other, gold, cast.carl)
    assert run() == [("ada", "Other asks for Orders: gold")]


def test_a_second_person_hears_that_the_first_has_approved(cast: Cast, gold: Plan, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        Plan.objects.filter(pk=gold.pk).update(approval="two_people")
        gold.refresh_from_db()
    asked = ask(cast.acme, checkout, gold, cast.carl)
    alan = make.member(cast.acme, "alan@acme.example", "approver")
    run()
    decide(asked, "approve", cast.ada)
    assert run() == [("alan", "Checkout and Orders: a second approval is missing")]
    decide(asked, "undo", cast.ada)
    decide(asked, "approve", cast.ada)
    decide(asked, "reject", alan, reason="No.")
    assert run() == [], "it is decided"


def test_all_who_decide_hear_once_of_what_is_overdue(cast: Cast, asked: Subscription) -> None:
    run()
    with tenant_scope(cast.acme.pk):
        request_clock.change(answer_hours=24, by=cast.ada)
        Subscription.objects.filter(pk=asked.pk).update(requested_at=timezone.now() - timedelta(hours=25))
        make.member(cast.acme, "alan@acme.example", "approver")
    for _ in range(2):
        escalate_requests()
    assert run() == [("ada", "Checkout still waits for Orders: overdue"), ("alan", "Checkout still waits for Orders: overdue")]
    assert run() == []


def test_nobody_else_hears_of_it(cast: Cast, gold: Plan, checkout: Application) -> None:
    gone, left = make.member(cast.acme, "gone@acme.example", "approver"), make.member(cast.acme, "left@acme.example", "approver")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=left).delete()
        ann = make.application(cast.ada, name="Ada's own")
    ask(cast.acme, ann, gold, cast.ada)
    make.member(cast.acme, "adam@acme.example", "approver", "admin")
    assert run() == [("adam", "Ada's own asks for Orders: gold")]


@pytest.mark.parametrize(
    "before,verb,more,subject,words",
    [
        ([], "approve", {}, "Orders: Checkout's subscription is active", "Ada approved it."),
        ([], "reject", {"reason": "Not yet."}, "Orders: Checkout's subscription was rejected", "> Not yet."),
        (["approve"], "suspend", {"reason": "Too many calls."}, "Orders: Checkout's subscription is suspended", "> Too many calls."),
        (["approve", "suspend"], "resume", {}, "Orders: Checkout's subscription is active again", "Ada resumed it."),
        (["approve"], "cancel", {"reason": "Plan ends."}, "Orders: Checkout's subscription was cancelled", "> Plan ends."),
    ],
)
def test_the_applicant_hears_what_was_decided_and_why(
    cast: Cast, asked: Subscription, before: list[str], verb: str, more: dict[str, str], subject: str, words: str
) -> None:
    for each in before:
        decide(asked, each, cast.ada, **({"reason": "A test."} if each == "suspend" else {}))
    pass_time(11)
    run()
    decide(asked, verb, cast.ada, **more)
    pass_time(11)
    tasks.send_mails()
    [message] = mail.outbox
    assert (message.to, message.subject) == ([cast.carl.email], subject)
    text, html = parts(message)
    assert words in text
    link = f"http://127.0.0.1:8000/t/acme/apps/{asked.application_id}/?tab=subscriptions"
    assert text.count(link) == html.count(link) == 1
    assert "at Acme." in text


def test_who_owns_the_application_hears_it_beside_who_asked(cast: Cast, asked: Subscription) -> None:
    cleo = make.member(cast.acme, "cleo@acme.example", "developer")
    with tenant_scope(cast.acme.pk):
        Application.objects.filter(pk=asked.application_id).update(owner=cleo)
    decide(asked, "approve", cast.ada)
    pass_time(11)
    assert sorted(person for person, _ in run()) == ["carl", "cleo"]


def test_nobody_hears_what_they_did_themselves(cast: Cast, asked: Subscription) -> None:
    run()
    decide(asked, "cancel", cast.carl)
    assert run() == []


def test_what_a_plan_approves_by_itself_is_no_news_to_who_asked(cast: Cast, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        free = make.plan(approval="automatic")
    ask(cast.acme, checkout, free, cast.carl)
    pass_time(11)
    assert run() == []


def test_an_applicant_who_has_left_hears_nothing(cast: Cast, asked: Subscription) -> None:
    run()
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.carl).delete()
    decide(asked, "approve", cast.ada)
    pass_time(11)
    assert run() == []


def test_two_tenants_hear_nothing_of_each_other(cast: Cast, asked: Subscription) -> None:
    with tenant_scope(cast.globex.pk):
        silver, till = make.plan(make.api("stock"), name="silver"), make.application(make.somebody("developer"), name="Till")
        make.member(cast.globex, "gil@globex.example", "approver")
    ask(cast.globex, till, silver, till.owner)
    tasks.send_mails()
    assert {(message.to[0], message.subject) for message in mail.outbox} == {
        (cast.ada.email, "Checkout asks for Orders: gold"),
        ("gil@globex.example", "Till asks for Stock: silver"),
    }
    for message in mail.outbox:
        body = "".join(parts(message))
        assert ("acme" in body.lower(), "globex" in body.lower()) == ("acme" in message.to[0], "globex" in message.to[0])


# --- what ends soon


def warned(cast: Cast, application: Application, **more: Any) -> Credential:
    """A credential of 31 days, two days later: its first warning was recorded."""
    with tenant_scope(cast.acme.pk):
        credential, _ = make.credential(application, expires_at=timezone.now() + timedelta(days=31), **more)
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(cast.acme.pk)])
        owner.execute("UPDATE keys_credential SET expires_at = expires_at - interval '2 days'")
    pass_time(2 * 86_400)
    warn_expiries()
    return credential


def test_the_owner_alone_hears_what_ends_when_and_what_to_do(cast: Cast, checkout: Application) -> None:
    make.member(cast.acme, "dora@acme.example", "developer")
    User.objects.filter(pk=cast.carl.pk).update(time_zone="Asia/Tokyo")
    credential = warned(cast, checkout, label="Shop servers")
    tasks.send_mails()
    [message] = mail.outbox
    assert message.to == [cast.carl.email]
    assert message.subject == f"Checkout: Shop servers …{credential.last_four} ends in 29 days"
    text, html = parts(message)
    link = f"http://127.0.0.1:8000/t/acme/apps/{checkout.pk}/?tab=credentials"
    for body in (text, html):
        assert "calls of Checkout with it are refused" in body
        assert "Client secret" in body
        assert "JST" in body
        assert "Roll it" in body
        assert "at Acme." in body
        assert body.count(link) == 1
        assert body.count(CHOICE) == 1
        assert body.count("://") == 2
    mail.outbox.clear()
    assert run() == []


def account_warned(cast: Cast) -> ServiceAccount:
    """Ada's, of 31 days, two days later."""
    with tenant_scope(cast.acme.pk):
        account, _ = make.service_account(by=cast.ada, name="Terraform", days=31)
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(cast.acme.pk)])
        owner.execute("UPDATE tenants_serviceaccount SET expires_at = expires_at - interval '2 days'")
    pass_time(2 * 86_400)
    warn_expiries()
    return account


def test_who_answers_for_a_service_account_alone_hears_that_it_ends(cast: Cast) -> None:
    alan = make.member(cast.acme, "alan@acme.example", "admin")
    with tenant_scope(cast.acme.pk):
        make.service_account(by=alan, name="Ansible", days=31)
    account = account_warned(cast)
    tasks.send_mails()
    message, other = sorted(mail.outbox, key=lambda each: each.to)
    assert (message.to, message.subject) == ([cast.ada.email], "The service account Terraform ends in 29 days")
    assert (other.to, other.subject) == ([alan.email], "The service account Ansible ends in 29 days")
    for body in parts(message):
        assert "whatever runs with it is refused" in body
        assert "answer for the service account, at Acme." in body
        assert body.count(f"http://127.0.0.1:8000/t/acme/console/service-accounts/{account.pk}/") == 1
    with tenant_scope(cast.acme.pk):
        row = Notification.objects.select_related("event").get(user=cast.ada)
        assert row.event.kind == "service_account.ends_soon"
    client = Client()
    client.force_login(cast.ada)
    assert "The service account Terraform ends in 29 days" in client.get("/t/acme/inbox/").content.decode()
    assert client.get(f"/t/acme/inbox/{row.pk}/")["Location"].endswith(f"/console/service-accounts/{account.pk}/")
    assert "The service account Terraform ends in 29 days" in unescape(client.get("/t/acme/console/audit/").content.decode())
    mail.outbox.clear()
    assert run() == []


@pytest.mark.parametrize("then", ["put off", "revoked"])
def test_a_service_account_that_goes_on_or_is_over_is_no_news(cast: Cast, then: str) -> None:
    account = account_warned(cast)
    with tenant_scope(cast.acme.pk):
        if then == "revoked":
            service_accounts.revoke(account, by=cast.ada)
        else:
            service_accounts.change(account, days=300, by=cast.ada)
    assert run() == []


def test_an_owner_who_has_left_is_not_warned(cast: Cast, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.carl).delete()
    warned(cast, checkout)
    assert run() == []
    assert next_try(cast.acme) is None


def test_a_credential_that_was_revoked_meanwhile_is_no_news(cast: Cast, checkout: Application) -> None:
    credential = warned(cast, checkout)
    with tenant_scope(cast.acme.pk):
        credential.refresh_from_db()
        credentials.revoke(credential, by=cast.carl)
    assert run() == []


def test_who_rolled_it_and_left_the_old_one_in_place_hears_just_that(cast: Cast, checkout: Application) -> None:
    credential = warned(cast, checkout)
    with tenant_scope(cast.acme.pk):
        credential.refresh_from_db()
        credentials.roll(credential, grace="7d", by=cast.carl)
    tasks.send_mails()
    [message] = mail.outbox
    assert "nothing has used its replacement yet" in parts(message)[0]


def test_hostile_names_in_a_warning_stay_words(cast: Cast, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        Application.objects.filter(pk=checkout.pk).update(name=HOSTILE[:80])
        checkout.refresh_from_db()
    warned(cast, checkout, label=HOSTILE[:80])
    tasks.send_mails()
    [message] = mail.outbox
    wire = BytesParser(policy=default).parsebytes(message.message().as_bytes())
    assert wire["Bcc"] is None
    assert message.recipients() == [cast.carl.email]
    assert "<img" not in parts(message)[1]
    for body in parts(message):
        assert "\u202e" not in body
        assert body.count("://") - body.count("://\u200b") == 2


# --- decisions wait, and can be taken back -------------------------------------------------------------------------


def test_mails_of_a_decision_wait_ten_seconds(cast: Cast, asked: Subscription) -> None:
    run()
    decide(asked, "approve", cast.ada)
    pass_time(8)
    assert run() == []
    wait = next_try(cast.acme)
    assert wait is not None
    assert 0 < wait <= 2
    pass_time(3)
    assert run() == [("carl", "Orders: Checkout's subscription is active")]


def test_the_job_looks_again_when_a_decision_stands(cast: Cast, asked: Subscription) -> None:
    run()
    decide(asked, "reject", cast.ada, reason="No.")
    Due.objects.filter(job=due.MAIL_JOB).update(at=timezone.now())
    assert run() == []
    wait = next_try(cast.acme)
    assert wait is not None
    assert 8 < wait <= 10


def test_a_decision_that_was_undone_sends_nothing(cast: Cast, asked: Subscription) -> None:
    run()
    decide(asked, "approve", cast.ada)
    decide(asked, "undo", cast.ada)
    decide(asked, "reject", cast.ada, reason="No.")
    pass_time(11)
    assert run() == [("carl", "Orders: Checkout's subscription was rejected")]


def test_a_request_that_was_withdrawn_tells_approvers_nothing(cast: Cast, asked: Subscription) -> None:
    decide(asked, "cancel", cast.carl)
    assert run() == []
    pass_time(11)
    assert run() == []


def test_a_request_that_was_answered_meanwhile_tells_other_approvers_nothing(cast: Cast, asked: Subscription) -> None:
    make.member(cast.acme, "abe@acme.example", "approver")
    decide(asked, "approve", cast.ada)
    assert run() == []
    pass_time(11)
    assert run() == [("carl", "Orders: Checkout's subscription is active")]


def test_a_request_whose_answer_was_undone_tells_them_after_all(cast: Cast, asked: Subscription) -> None:
    decide(asked, "approve", cast.ada)
    pass_time(5)
    assert run() == []
    decide(asked, "undo", cast.ada)
    pass_time(6)
    assert run() == [("ada", "Checkout asks for Orders: gold")]


def test_mails_come_in_the_order_of_what_happened(cast: Cast, asked: Subscription, gold: Plan) -> None:
    decide(asked, "approve", cast.ada)
    decide(asked, "suspend", cast.ada, reason="Wait.")
    with tenant_scope(cast.acme.pk):
        other = make.application(cast.carl, name="Returns")
    ask(cast.acme, other, gold, cast.carl)
    assert run() == []
    pass_time(11)
    assert run() == [
        ("carl", "Orders: Checkout's subscription is active"),
        ("carl", "Orders: Checkout's subscription is suspended"),
        ("ada", "Returns asks for Orders: gold"),
    ]


def test_more_than_a_batch_is_sent_in_order_and_once(cast: Cast, gold: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "MOST_EVENTS", 2)
    for name in "abcde":
        with tenant_scope(cast.acme.pk):
            application = make.application(cast.carl, name=name)
        ask(cast.acme, application, gold, cast.carl)
    assert [subject[0] for _, subject in run()] == list("abcde")
    assert run() == []


def test_tenants_that_were_there_before_get_no_old_mails(cast: Cast, asked: Subscription) -> None:
    with as_owner():
        importlib.import_module("tenants.migrations.0003_mailed").begin_now(apps, None)
    assert run() == []
    with tenant_scope(cast.acme.pk):
        counter = EventCounter.objects.get()
        assert counter.mailed == counter.number > 0


def test_two_workers_at_once_send_once(cast: Cast, asked: Subscription) -> None:
    start = Barrier(2)

    def work() -> None:
        start.wait()
        tasks.send_mails()
        connection.close()

    workers = [Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sent() == [("ada", "Checkout asks for Orders: gold")]


def test_the_worker_knows_every_job_on_the_schedule() -> None:
    celery_app.loader.import_default_modules()
    assert {each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values()} <= set(celery_app.tasks)


def test_nothing_is_locked_while_a_mail_is_under_way(cast: Cast, asked: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def slow(_: Any, messages: list[Any]) -> int:
        seen.append(connection.in_atomic_block)
        decide(asked, "approve", cast.ada)
        return len(messages)

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", slow)
    tasks.send_mails()
    assert seen == [False]
    monkeypatch.undo()
    pass_time(11)
    assert run() == [("carl", "Orders: Checkout's subscription is active")]


# --- words ---------------------------------------------------------------------------------------------------------


def test_a_mail_says_who_asks_what_for_and_leads_to_the_request(cast: Cast, asked: Subscription) -> None:
    User.objects.filter(pk=cast.ada.pk).update(time_zone="Asia/Tokyo")
    tasks.send_mails()
    [message] = mail.outbox
    text, html = parts(message)
    link = f"http://127.0.0.1:8000/t/acme/console/requests/{asked.pk}/"
    for body in (text, html):
        assert "Carl asks for a subscription of Checkout to Orders, plan gold." in body
        assert "JST" in body
        assert body.count(link) == 1
        assert body.count(CHOICE) == 1
        assert body.count("://") == 2
    assert "> To take orders." in text
    assert not re.search(r"<(img|link|script|iframe)|url\(|@import", html)
    assert message.from_email == "Portico <portico@127.0.0.1>"
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    assert message.extra_headers["X-Portico-Event"] == str(number_of(cast.acme, asked))


def number_of(tenant: Tenant, subscription: Subscription) -> int:
    with tenant_scope(tenant.pk):
        return Event.objects.get(kind="subscription.requested", subject_id=subscription.pk).number


def test_each_mail_has_an_id_of_its_own_that_stays(cast: Cast, asked: Subscription) -> None:
    make.member(cast.acme, "abe@acme.example", "approver")
    tasks.send_mails()
    first = [message.extra_headers["Message-ID"] for message in mail.outbox]
    assert len(set(first)) == 2
    assert all(re.fullmatch(r"<[0-9a-f-]{36}\.[0-9a-f-]{36}@127\.0\.0\.1>", each) for each in first)
    mail.outbox.clear()
    with tenant_scope(cast.acme.pk):
        EventCounter.objects.update(mailed=0)
        due.expect(due.MAIL_JOB, timezone.now())
    tasks.send_mails()
    assert [message.extra_headers["Message-ID"] for message in mail.outbox] == first


HOSTILE = "Evil\x07\r\nBcc: eve@globex.example\u2028<img src=x>\u202egnp.exe https://evil.example/ www.evil.example"


def test_hostile_names_stay_words(cast: Cast, gold: Plan) -> None:
    """Not even past the forms, as here, can a name add a header, an element or a link, or turn the line round."""
    with tenant_scope(cast.acme.pk):
        application = make.application(cast.carl, name="x")
        Application.objects.filter(pk=application.pk).update(name=HOSTILE[:80])
        Plan.objects.filter(pk=gold.pk).update(name="זהב")
        User.objects.filter(pk=cast.carl.pk).update(name=HOSTILE[:80])
        application.refresh_from_db()
        cast.carl.refresh_from_db()
    ask(cast.acme, application, gold, cast.carl, purpose=f"{HOSTILE}\n\n-- \nClick https://evil.example/ & win")
    tasks.send_mails()
    [message] = mail.outbox
    wire = BytesParser(policy=default).parsebytes(message.message().as_bytes())
    assert wire["Bcc"] is None
    assert wire["To"] == cast.ada.email
    assert message.recipients() == [cast.ada.email]
    name = "Evil Bcc: eve@globex.example <img src=x>gnp.exe https://evil.example/ www.evi"
    assert wire["Subject"].strip() == f"{name} asks for Orders: \u2068זהב\u2069"
    text, html = parts(message)
    assert "<img" not in html
    assert "&lt;img" in html
    for body in (text, html):
        assert "\u202e" not in body
        assert body.count("://") - body.count("://\u200b") == 2
        assert "www.evil" not in body
        assert "eve@globex" not in body
        assert "\u2068זהב\u2069" in body
    assert text.count("\n-- ") == 0, "what follows looks like ours"
    assert "\n> Click https://\u200bevil.\u200bexample/ & win\n" in text


def test_a_person_whose_mail_cannot_be_written_holds_nobody_up(cast: Cast, asked: Subscription, caplog: Any) -> None:
    odd = make.member(cast.acme, "abe@acme.example", "approver")
    User.objects.filter(pk=odd.pk).update(time_zone="Mars/Olympus")
    assert run() == [("ada", "Checkout asks for Orders: gold")]
    assert f"to {odd.pk} can't be written" in caplog.text


# --- a real mail server --------------------------------------------------------------------------------------------


class Inbox:
    """A mail server's handler: keeps what it takes, refuses whom it doesn't know, and may end connections after so many mails."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.unknown: set[str] = set()
        self.answer = "250 OK"
        self.most: int | None = None

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.unknown:
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        session.taken = getattr(session, "taken", 0) + 1
        if self.most is not None and session.taken > self.most:
            return "421 4.7.0 Too many in one session"
        if self.answer.startswith("250"):
            found = BytesParser(policy=default).parsebytes(envelope.content)
            assert isinstance(found, EmailMessage)
            assert envelope.rcpt_tos == [found["To"]]
            self.mails.append(found)
        return self.answer

    def to(self) -> list[str]:
        found = [str(message["To"]).partition("@")[0] for message in self.mails]
        self.mails.clear()
        return found


Start = Callable[[], Controller]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def start(inbox: Inbox, settings: Any) -> Iterator[Start]:
    """Starts the mail server that the settings name; the test ends it."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", choose(Ports(0, 0, 0, 0), needed=set()).web
    settings.EMAIL_USE_TLS = False
    settings.EMAIL_TIMEOUT = 5
    running = []

    def begin() -> Controller:
        server = Controller(inbox, hostname="127.0.0.1", port=settings.EMAIL_PORT)
        server.start()
        running.append(server)
        return server

    yield begin
    for server in running:
        if server._thread is not None:
            server.stop()


def test_a_mail_arrives_as_it_was_written(cast: Cast, asked: Subscription, inbox: Inbox, start: Start) -> None:
    start()
    tasks.send_mails()
    [message] = inbox.mails
    assert message["Subject"] == "Checkout asks for Orders: gold"
    assert message["From"] == "Portico <portico@127.0.0.1>"
    assert message["Message-ID"].endswith("@127.0.0.1>")
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_a_mail_server_that_is_away_gets_everything_when_it_is_back(
    cast: Cast, asked: Subscription, inbox: Inbox, start: Start, caplog: Any
) -> None:
    found = 0.0
    # So long again as the mail has waited already, and at least 30 seconds, at most 600; a slow machine adds a few of its own.
    for wait in (30, 30, 61, 123, 247, 495, 600, 600):
        pass_time(found + 1)
        tasks.send_mails()
        due_in = next_try(cast.acme)
        assert due_in is not None
        found = due_in
        assert wait - 5 < found < min(wait * 1.2 + 5, 601)
    assert "No mail can be sent (ConnectionRefusedError" in caplog.text
    decide(asked, "approve", cast.ada)
    server = start()
    pass_time(601)
    tasks.send_mails()
    assert inbox.to() == ["carl"], "the request was answered by then"
    server.stop()
    decide(asked, "suspend", cast.ada, reason="Wait.")
    tasks.send_mails()
    start()
    pass_time(31)
    tasks.send_mails()
    tasks.send_mails()
    assert inbox.to() == ["carl"]


def test_a_server_that_is_away_is_tried_once_for_all_tenants(cast: Cast, asked: Subscription, start: Start, caplog: Any) -> None:
    with tenant_scope(cast.globex.pk):
        make.member(cast.globex, "gil@globex.example", "approver")
        make.subscription(status="pending")
    tasks.send_mails()
    assert caplog.text.count("No mail can be sent") == 1
    for tenant in (cast.acme, cast.globex):
        wait = next_try(tenant)
        assert wait is not None
        assert 25 < wait <= 35


def test_a_recipient_whom_the_server_refuses_holds_nobody_up(
    cast: Cast, asked: Subscription, inbox: Inbox, start: Start, caplog: Any
) -> None:
    make.member(cast.acme, "abe@acme.example", "approver")
    inbox.unknown.add(cast.ada.email)
    start()
    tasks.send_mails()
    assert inbox.to() == ["abe"]
    assert "No such user" in caplog.text
    tasks.send_mails()
    assert inbox.to() == []
    assert next_try(cast.acme) is None


@pytest.mark.parametrize(("answer", "again"), [("554 5.7.1 Looks like spam", False), ("451 4.3.0 Try later", True)])
def test_what_is_refused_for_good_is_left_and_the_rest_tried_again(
    cast: Cast, asked: Subscription, inbox: Inbox, start: Start, answer: str, again: bool
) -> None:
    start()
    inbox.answer = answer
    tasks.send_mails()
    inbox.answer = "250 OK"
    pass_time(31)
    tasks.send_mails()
    assert inbox.to() == (["ada"] if again else [])


def test_a_server_that_ends_connections_is_connected_again(cast: Cast, asked: Subscription, inbox: Inbox, start: Start) -> None:
    for name in ("abe", "ann", "axel"):
        make.member(cast.acme, f"{name}@acme.example", "approver")
    inbox.most = 1
    start()
    tasks.send_mails()
    assert sorted(inbox.to()) == ["abe", "ada", "ann", "axel"]


def test_a_server_without_tls_gets_nothing_that_should_be_encrypted(
    cast: Cast, asked: Subscription, inbox: Inbox, start: Start, settings: Any, caplog: Any
) -> None:
    make.member(cast.acme, "abe@acme.example", "approver")
    settings.EMAIL_USE_TLS = True
    start()
    tasks.send_mails()
    pass_time(31)
    tasks.send_mails()
    assert inbox.mails == []
    assert "No mail can be sent (SMTPNotSupportedError" in caplog.text
    settings.EMAIL_USE_TLS = False
    pass_time(61)
    tasks.send_mails()
    assert sorted(inbox.to()) == ["abe", "ada"]


# --- without a mail server -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "portal.outbox.EmailBackend"
    settings.MAIL_FOLDER = tmp_path / "mail"
    return tmp_path / "mail"


def test_without_a_mail_server_mails_are_files_that_only_portico_reads(cast: Cast, asked: Subscription, folder: Path) -> None:
    tasks.send_mails()
    [path] = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777, path.suffix) == (0o700, 0o600, ".eml")
    found = BytesParser(policy=default).parsebytes(path.read_bytes())
    assert (found["To"], found["Subject"]) == (cast.ada.email, "Checkout asks for Orders: gold")


def test_files_of_mails_are_removed_after_a_week(folder: Path) -> None:
    assert tasks.prune_mails() == 0
    for _ in range(2):
        mail.send_mail("Hello", "Hello", None, ["ada@acme.example"])
    old, new = sorted(folder.iterdir())
    then = (timezone.now() - outbox.KEPT - timedelta(minutes=1)).timestamp()
    os.utime(old, (then, then))
    assert tasks.prune_mails() == 1
    assert list(folder.iterdir()) == [new]


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url,host,port,user,password,ssl,tls",
    [
        ("smtp://mail.example.com", "mail.example.com", 587, "", "", False, True),
        ("smtp://ada:p%40ss%2Fword@mail.example.com:2525", "mail.example.com", 2525, "ada", "p@ss/word", False, True),
        ("smtp://127.0.0.1:25?tls=0", "127.0.0.1", 25, "", "", False, False),
        ("smtps://ada%40example.com:x@mail.example.com/", "mail.example.com", 465, "ada@example.com", "x", True, False),
        ("smtps://[::1]:4650", "::1", 4650, "", "", True, False),
    ],
)
def test_the_mail_server_is_one_address(url: str, host: str, port: int, user: str, password: str, ssl: bool, tls: bool) -> None:
    assert list(mail_server(url).values()) == [host, port, user, password, ssl, tls]


@pytest.mark.parametrize(
    "url,words",
    [
        ("mail.example.com:587", "doesn't begin with smtp:// or smtps://"),
        ("https://mail.example.com", "doesn't begin with smtp:// or smtps://"),
        ("smtp://", "names no host"),
        ("smtp://ada:s3cret", "host or port can't be read"),
        ("smtp://ada:s3cret@mail.example.com:port", "host or port can't be read"),
        ("smtp://ada:s3cret@mail.example.com:99999", "host or port can't be read"),
        ("smtp://ada@mail.example.com", "a user without a password"),
        ("smtp://ada:x/s3cret@mail.example.com", "host or port can't be read"),
        ("smtp://mail.example.com/s3cret", "goes on after the port"),
        ("smtp://ada:x@mail.example.com?s3cret", "something else than ?tls=0"),
        ("smtps://mail.example.com?tls=0", "something else than ?tls=0"),
    ],
)
def test_a_wrong_address_of_the_mail_server_is_explained_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(words)) as caught:
        mail_server(url)
    assert "s3cret" not in str(caught.getrepr(chain=True, style="value"))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("given", ["Portico", "Portico <portico>", "@example.com", "Portico <a@b.example>\r\nBcc: x@y.example"])
def test_a_sender_that_no_mail_can_have_is_an_error_at_start(given: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PORTICO_MAIL_FROM is an address such as"):
        sender(given)


def test_the_mail_servers_address_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "named").write_text("smtp://ada:s3cret@mail.example.com\n")
    probe = "from django.conf import settings as s; print(s.EMAIL_BACKEND, s.EMAIL_HOST_PASSWORD, s.EMAIL_USE_TLS, s.DEFAULT_FROM_EMAIL)"
    environment = {
        "PATH": os.environ["PATH"],
        "PORTICO_VAR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTICO_SMTP_URL_FILE": str(tmp_path / "named"),
        "PORTICO_URL": "https://portal.example.com",
    }
    done = subprocess.run([sys.executable, "-c", probe], cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=3) == [
        "django.core.mail.backends.smtp.EmailBackend",
        "s3cret",
        "True",
        "Portico <portico@portal.example.com>\n",
    ]
