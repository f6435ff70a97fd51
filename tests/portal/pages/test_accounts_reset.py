"""Another password by a link in a mail: what it takes, what it ends, and what nobody learns from it."""

import re
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import connection
from django.test import Client

from portal import accounts as pages
from tenants import sessions, signing_in
from tenants.models import PlatformEvent, User
from tests import make
from tests.portal.account_letters import folder, letters

__all__ = ["folder"]
OLD, NEW = "correct horse battery", "a staple that holds"
ASK, ASKED, LOGIN = "/accounts/password/reset/", "/accounts/password/reset/done/", "/accounts/login/"


@pytest.fixture
def carl(db: None) -> User:
    return User.objects.create_user("carl@acme.example", OLD, name="Carl")


def ask(client: Client, email: str = "carl@acme.example", query: str = "", **more: Any) -> Any:
    return client.post(ASK + query, {"email": email}, **more)


def choose(client: Client, link: str, password: str = NEW, again: str | None = None) -> Any:
    return client.post(link, {"password": password, "password_again": password if again is None else again})


def signs_in(password: str, email: str = "carl@acme.example") -> bool:
    return bool(Client().post(LOGIN, {"login": email, "password": password}).status_code == 302)


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_carl_chooses_another_password(carl: User, client: Client, folder: Path) -> None:
    assert f'href="{ASK}"' in client.get(LOGIN).content.decode()
    assert client.get(ASK).status_code == 200
    answer = ask(client, " CARL@acme.example ")
    assert (answer.status_code, answer["Location"]) == (302, ASKED)
    assert "If the address has an account here" in words(client.get(ASKED))
    [letter] = letters(folder)
    assert (letter.to, letter.subject) == ("carl@acme.example", "Choose a new password")
    assert "carl@acme.example" in client.get(letter.link).content.decode()
    answer = choose(client, letter.link)
    assert (answer.status_code, answer["Location"]) == (302, LOGIN)
    assert "The password is changed. Sign in with it." in client.get(LOGIN).content.decode()
    assert "_auth_user_id" not in client.session
    assert signs_in(NEW)
    assert not signs_in(OLD)
    event = PlatformEvent.objects.get(kind="login.password_reset")
    assert (event.actor_id, event.subject_id) == (carl.pk, carl.pk)
    [notice] = letters(folder)
    assert notice.subject == "Your password was changed"
    assert "127.0.0.1" in notice.text
    assert notice.link == ASK


def test_who_was_in_with_the_old_password_is_out(carl: User, client: Client, folder: Path) -> None:
    thief, program = Client(), sessions.start(carl)
    thief.force_login(carl)
    assert thief.get("/profile/").status_code == 200
    ask(client)
    [letter] = letters(folder)
    choose(client, letter.link)
    assert thief.get("/profile/").status_code == 302
    assert sessions.renew(str(program)) is None


def test_the_link_works_once(carl: User, client: Client, folder: Path) -> None:
    ask(client)
    ask(client)
    first, second = letters(folder)
    assert choose(client, first.link).status_code == 302
    for link in (first.link, second.link):
        for answer in (client.get(link), choose(client, link, "yet another password")):
            assert answer.status_code == 404
            assert "This link has ended" in words(answer)
    assert not signs_in("yet another password")
    assert PlatformEvent.objects.filter(kind="login.password_reset").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_follow_it_at_once_choose_one_password(folder: Path) -> None:
    User.objects.create_user("carl@acme.example", OLD, name="Carl")
    ask(Client())
    [letter] = letters(folder)
    start, answers = Barrier(2), []

    def one(password: str) -> None:
        start.wait()
        answers.append(choose(Client(), letter.link, password).status_code)
        connection.close()

    threads = [Thread(target=one, args=[password]) for password in (NEW, "yet another password")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [302, 404]
    assert PlatformEvent.objects.filter(kind="login.password_reset").count() == 1


def test_the_link_ends_with_the_next_sign_in(carl: User, client: Client, folder: Path) -> None:
    ask(client)
    [letter] = letters(folder)
    assert signs_in(OLD)
    assert client.get(letter.link).status_code == 404


def test_the_link_ends_after_an_hour(carl: User, client: Client, folder: Path, monkeypatch: Any) -> None:
    ask(client)
    [letter] = letters(folder)
    now = PasswordResetTokenGenerator()._now()
    later = __import__("datetime").timedelta
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: now + later(seconds=3590))
    assert client.get(letter.link).status_code == 200
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: now + later(seconds=3610))
    assert client.get(letter.link).status_code == 404
    assert choose(client, letter.link).status_code == 404
    assert signs_in(OLD)


def test_a_forged_link_opens_nothing(carl: User, client: Client, folder: Path) -> None:
    eve = make.user("eve@globex.example")
    ask(client)
    [letter] = letters(folder)
    key = letter.link.rstrip("/").rpartition("/")[2]
    _, _, token = key.partition("-")
    for forged in (
        f"{eve.pk.hex}-{token}",
        f"{carl.pk.hex}-x{token}",
        f"{key}x",
        f"{carl.pk.hex}-",
        "x-y",
        "-",
        "é-é",
        carl.pk.hex,
    ):
        assert client.get(f"{ASK}key/{forged}/").status_code == 404, forged
        assert choose(client, f"{ASK}key/{forged}/").status_code == 404, forged
    assert signs_in(OLD)


def test_a_known_address_is_answered_as_an_unknown_one(carl: User, client: Client, folder: Path) -> None:
    make.user("gone@acme.example", is_active=False)
    User.objects.create_user("bot@service.invalid", is_service=True)
    emails = ("carl@acme.example", "nobody@acme.example", "gone@acme.example", "bot@service.invalid")
    answers = [ask(Client(), email) for email in emails]
    assert len({(answer.status_code, answer["Location"], answer.content, str(answer.cookies)) for answer in answers}) == 1
    assert [letter.to for letter in letters(folder)] == ["carl@acme.example"]


def test_it_confirms_the_address_of_who_never_did(client: Client, db: None, folder: Path) -> None:
    nina = User.objects.create_user("nina@new.example", OLD, verified=False)
    ask(client, "nina@new.example")
    [letter] = letters(folder)
    choose(client, letter.link)
    assert EmailAddress.objects.get(user=nina).verified
    assert signs_in(NEW, "nina@new.example")
    assert PlatformEvent.objects.filter(kind="email.verified", subject_id=nina.pk).count() == 1


@pytest.mark.parametrize(
    "typed", ["", "carl", "carl@", "x" * 300 + "@acme.example", "<script>@acme.example", "a\x00@acme.example", "cаrl@acme.example"]
)
def test_what_is_no_address_is_told_and_kept(carl: User, client: Client, folder: Path, typed: str) -> None:
    answer = ask(client, typed)
    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode()
    assert "<script>@" not in answer.content.decode()
    if typed == "carl@":
        assert 'value="carl@"' in answer.content.decode()
    assert letters(folder) == []


@pytest.mark.parametrize(
    "password,again,sentence",
    [
        ("", "", "Fill this in."),
        ("short", "short", "This is too short: a password has 12 characters or more."),
        ("password1234", "password1234", "This password is too common."),
        ("carl@acme.example", "carl@acme.example", "This is too much like your name or your e-mail address."),
        (NEW, "another that is long", "This is not the same as above."),
        ("x" * 1001, "x" * 1001, "This is longer than any password here."),
    ],
)
def test_a_weak_password_is_told_and_never_shown(
    carl: User, client: Client, folder: Path, password: str, again: str, sentence: str
) -> None:
    ask(client)
    [letter] = letters(folder)
    answer = choose(client, letter.link, password, again)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not re.search(r'type="password"[^>]*value=', answer.content.decode())
    assert signs_in(OLD)


def test_requests_are_counted_for_known_and_unknown_alike(carl: User, client: Client, folder: Path) -> None:
    for email in ("carl@acme.example", "nobody@acme.example"):
        assert [ask(client, email).status_code for _ in range(pages.PER_PAIR + 1)] == [302] * pages.PER_PAIR + [429]
        assert ask(client, email, REMOTE_ADDR="203.0.113.9").status_code == 302, "nobody is locked out from elsewhere"
    answer = ask(client, "nobody@acme.example")
    assert 'value="nobody@acme.example"' in answer.content.decode()
    assert int(answer["Retry-After"]) > 0


def test_one_address_asks_for_few(carl: User, client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(pages, "PER_ADDRESS", 3)
    assert [ask(client, f"n{number}@new.example").status_code for number in range(4)] == [302, 302, 302, 429]


def test_a_stranger_fills_nobodys_mailbox_and_locks_nobody_out(carl: User, folder: Path) -> None:
    for number in range(pages.MAILS_PER_ACCOUNT + 5):
        assert ask(Client(), REMOTE_ADDR=f"203.0.113.{number}").status_code == 302
    found = letters(folder)
    assert len(found) == pages.MAILS_PER_ACCOUNT
    assert choose(Client(), found[0].link).status_code == 302, "the links that Carl has work"


def test_who_waits_for_others_is_told(carl: User, client: Client, folder: Path, monkeypatch: Any) -> None:
    ask(client)
    [letter] = letters(folder)
    monkeypatch.setattr(signing_in, "CHECK_WAIT", 0.05)
    held = [signing_in._checks.acquire(timeout=1) for _ in range(2)]
    try:
        answer = choose(client, letter.link)
    finally:
        for _ in held:
            signing_in._checks.release()
    assert answer.status_code == 503
    assert choose(client, letter.link).status_code == 302


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "%09//evil.example"])
def test_nobody_is_led_elsewhere(carl: User, client: Client, folder: Path, to: str) -> None:
    assert f'href="{LOGIN}"' in client.get(f"{ASK}?next={to}").content.decode()
    ask(client, query=f"?next={to}")
    [letter] = letters(folder)
    assert "next" not in letter.link
    assert choose(client, f"{letter.link}?next={to}")["Location"] == LOGIN


def test_carl_comes_to_the_page_he_wanted(carl: User, client: Client, folder: Path) -> None:
    ask(client, query="?next=%2Ftenants%2F%3Fq%3Da")
    [letter] = letters(folder)
    assert choose(client, letter.link)["Location"] == f"{LOGIN}?next=%2Ftenants%2F%3Fq%3Da"
    assert client.post(ASKED).status_code == 405
