"""The job of mails about accounts: each once, in its person's language, with links made when it is sent; and a server that is away."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from threading import Barrier, Thread
from typing import Any

import psycopg
import pytest
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from portal import account_mails, accounts, tasks
from portal.celery import app as celery_app
from portal.logs import Line
from portal.settings import DATABASE_URL
from tenants.models import AccountMail, ErasedTenant, User
from tests.portal.account_letters import folder, letters

__all__ = ["folder"]
PASSWORD = "correct horse battery"


@pytest.fixture
def carl(db: None) -> User:
    return User.objects.create_user("carl@acme.example", PASSWORD, name="Carl")


def notice(user: User, kind: str = "account/email/password_changed") -> None:
    get_adapter().send_notification_mail(kind, user)


class Away(EmailBackend):
    """A mail server that ends each connection."""

    def send_messages(self, messages: Any) -> int:  # noqa: ARG002
        raise SMTPServerDisconnected("Connection unexpectedly closed")

    def open(self) -> bool:
        return True


class Choosy(EmailBackend):
    """One that knows no Carl."""

    def send_messages(self, messages: Any) -> int:
        if messages[0].to == ["carl@acme.example"]:
            raise SMTPRecipientsRefused({"carl@acme.example": (550, b"unknown")})
        return super().send_messages(messages)


def at_server(monkeypatch: pytest.MonkeyPatch, server: Callable[[], EmailBackend]) -> None:
    monkeypatch.setattr("portal.account_mails.mail.get_connection", server)


def later(**passed: float) -> None:
    AccountMail.objects.update(at=timezone.now() - timedelta(**passed))


def test_no_secret_is_kept_before_a_mail_is_sent(carl: User, client: Client, folder: Path) -> None:
    client.post("/accounts/password/reset/", {"email": "carl@acme.example"})
    client.post("/accounts/password/reset/", {"email": "nobody@acme.example"})
    rows = AccountMail.objects.order_by("pk").values("kind", "data", "language", "tries")
    one, other = map(dict, rows)
    assert one == other == {"kind": "password_reset_key", "data": {"next": ""}, "language": "en", "tries": 0}
    [letter] = letters(folder)
    assert letter.link.rstrip("/").rpartition("/")[2] not in json.dumps(list(map(str, rows)))
    assert not AccountMail.objects.exists(), "neither stays"


def test_each_mail_is_sent_once(carl: User, folder: Path) -> None:
    notice(carl)
    assert [letter.subject for letter in letters(folder)] == ["Your password was changed"]
    assert letters(folder) == []


@pytest.mark.parametrize("kind", sorted(account_mails.WORDS))
def test_every_kind_has_text_and_html_and_one_link(carl: User, folder: Path, kind: str) -> None:
    if kind == account_mails.KNOWN_ALREADY:
        accounts.ask_for_mail("email_confirmation", carl.email)
    elif kind in {account_mails.CONFIRMATION, account_mails.RESET}:
        user = User.objects.create_user("nina@new.example", PASSWORD, verified=False)
        accounts.ask_for_mail(kind, user.email)
    elif kind.startswith(("identity_", "tenant_")):
        ErasedTenant.objects.create(tenant_id=carl.pk, slug="acme", certificate="signed")
        AccountMail.objects.create(kind=kind, email=carl.email, data={"tenant": "Acme", "slug": "acme"}, at=timezone.now())
    else:
        notice(carl, f"any/email/{kind}")
    [letter] = letters(folder)
    said = account_mails.WORDS[kind]
    assert letter.subject == said.subject
    assert letter.link
    for part in (letter.text, letter.html):
        assert str(said.otherwise).replace("%(tenant)s", "Acme").split(":")[0] in part.replace("&#x27;", "'")
        assert "%(" not in part
        assert "127.0.0.1" in part, "which portal it is"


def test_what_has_happened_says_when_and_from_where(carl: User, client: Client, folder: Path) -> None:
    User.objects.filter(pk=carl.pk).update(time_zone="Europe/Berlin")
    client.force_login(carl)
    change = {"old_password": PASSWORD, "password": "a staple that holds", "password_again": "a staple that holds"}
    assert client.post("/accounts/password/change/", change, REMOTE_ADDR="198.51.100.7").status_code == 302
    [letter] = letters(folder)
    assert letter.subject == "Your password was changed"
    assert "198.51.100.7" in letter.text
    assert "CET" in letter.text


def test_a_mail_speaks_its_persons_language_or_the_askers(carl: User, folder: Path) -> None:
    nina = User.objects.create_user("nina@new.example", language="de")
    with translation.override("de"):
        accounts.ask_for_mail("password_reset_key", carl.email)
    with translation.override("en"):
        accounts.ask_for_mail("password_reset_key", nina.email)
        get_adapter().send_notification_mail("account/email/password_reset", nina)
    assert ['lang="de"' in letter.html for letter in letters(folder)] == [True, True, True]


def test_closed_accounts_and_services_get_none(carl: User, folder: Path) -> None:
    for user in (carl, User.objects.create_user("bot@service.invalid", is_service=True)):
        notice(user)
        accounts.ask_for_mail("password_reset_key", user.email)
    User.objects.filter(pk=carl.pk).update(is_active=False)
    assert letters(folder) == []
    assert not AccountMail.objects.exists()


def test_while_the_server_is_away_mails_wait_longer_and_longer(carl: User, folder: Path, monkeypatch: Any, caplog: Any) -> None:
    notice(carl)
    waits = []
    with monkeypatch.context() as patch:
        at_server(patch, Away)
        for _ in range(8):
            later(seconds=1)
            assert tasks.send_account_mails() == 0
            waits.append(round((AccountMail.objects.get().at - timezone.now()).total_seconds()))
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]
    assert letters(folder) == []
    assert "No mail can be sent" in caplog.text
    assert "carl@acme.example" not in caplog.text
    later(seconds=1)
    assert len(letters(folder)) == 1


def test_one_try_finds_out_for_all(carl: User, monkeypatch: Any) -> None:
    for _ in range(3):
        notice(carl)
    at_server(monkeypatch, Away)
    tasks.send_account_mails()
    assert sorted(AccountMail.objects.values_list("tries", flat=True)) == [0, 0, 1]


def test_what_can_t_be_sent_for_three_days_is_given_up(carl: User, folder: Path, caplog: Any) -> None:
    notice(carl)
    AccountMail.objects.update(created_at=timezone.now() - timedelta(days=3, minutes=1))
    assert letters(folder) == []
    assert not AccountMail.objects.exists()
    assert "were given up" in caplog.text


def test_one_that_is_refused_does_not_hold_up_the_others(carl: User, monkeypatch: Any, caplog: Any) -> None:
    notice(carl)
    notice(User.objects.create_user("nina@new.example"))
    at_server(monkeypatch, Choosy)
    assert tasks.send_account_mails() == 1
    assert [message.to for message in mail.outbox] == [["nina@new.example"]]
    assert not AccountMail.objects.exists()
    assert "was refused" in caplog.text


def test_one_of_no_known_kind_does_not_hold_up_the_others(carl: User, folder: Path, caplog: Any) -> None:
    notice(carl, "any/email/nonsense")
    notice(carl)
    assert [letter.subject for letter in letters(folder)] == ["Your password was changed"]
    assert "can't be written" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_once(monkeypatch: Any) -> None:
    for number in range(6):
        notice(User.objects.create_user(f"n{number}@new.example"))
    start = Barrier(2)

    def work() -> None:
        start.wait()
        tasks.send_account_mails()
        connection.close()

    workers = [Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(message.to[0] for message in mail.outbox) == [f"n{number}@new.example" for number in range(6)]


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_what_another_worker_is_taking() -> None:
    for number in range(2):
        notice(User.objects.create_user(f"n{number}@new.example"))
    with psycopg.connect(DATABASE_URL) as other, connection.cursor() as cursor:
        other.execute("SELECT FROM tenants_accountmail ORDER BY at LIMIT 1 FOR UPDATE")
        cursor.execute("SET lock_timeout = '2s'")
        taken = account_mails._claim()
        cursor.execute("RESET lock_timeout")
    assert taken is not None
    assert taken.email == "n1@new.example"


def test_a_dead_workers_mail_comes_back(carl: User, folder: Path) -> None:
    notice(carl)
    assert account_mails._claim() is not None
    assert account_mails._claim() is None
    later(seconds=0)
    assert len(letters(folder)) == 1


def test_a_run_ends_in_time(carl: User) -> None:
    notice(carl)
    assert account_mails.send_account_mails(seconds=0) == 0
    assert AccountMail.objects.count() == 1


def test_the_job_runs_every_five_seconds() -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["send-account-mails"]
    assert (entry["task"], entry["schedule"]) == (tasks.send_account_mails.name, 5.0)
    celery_app.loader.import_default_modules()
    assert entry["task"] in celery_app.tasks


@pytest.mark.parametrize("path", ["/accounts/confirm-email/MQ:1abc:def-x/", "/accounts/password/reset/key/0190-abc-def/?next=%2F"])
def test_no_line_of_the_log_holds_a_link_that_works(path: str) -> None:
    record = logging.LogRecord("django.request", logging.ERROR, "x", 1, "Internal Server Error: %s", (path,), None)
    line = Line("%(message)s").format(record)
    assert "abc" not in line
    assert line.startswith("Internal Server Error: /accounts/")


def test_sign_ups_of_a_stranger_leave_the_way_to_a_new_password_open(folder: Path, carl: User) -> None:
    for _ in range(accounts.MAILS_PER_ACCOUNT + 1):
        accounts.ask_for_mail("email_confirmation", carl.email)
    accounts.ask_for_mail("password_reset_key", carl.email)
    assert AccountMail.objects.filter(kind="password_reset_key").count() == 1
    assert AccountMail.objects.filter(kind="email_confirmation").count() == accounts.MAILS_PER_ACCOUNT
