"""Signing up, and the link that confirms an address: who may, what each answer tells, and what the mail holds."""

import re
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client

from portal import accounts as pages
from tenants import signing_in
from tenants.models import AccountMail, PlatformEvent, PlatformSettings, SignUp, User
from tests import make
from tests.conftest import queries
from tests.portal.account_letters import folder, letters

__all__ = ["folder"]
PASSWORD = "correct horse battery"
SIGN_UP, SENT, LOGIN = "/accounts/signup/", "/accounts/confirm-email/", "/accounts/login/"


@pytest.fixture
def open_to_everybody(db: None) -> PlatformSettings:
    return platform(SignUp.OPEN)


def platform(sign_up: SignUp, *domains: str) -> PlatformSettings:
    return PlatformSettings.objects.update_or_create(pk=1, defaults={"sign_up": sign_up, "sign_up_domains": list(domains)})[0]


def sign_up(client: Client, email: str = "nina@new.example", query: str = "", **other: Any) -> Any:
    address = SIGN_UP + query
    extra = {name: other.pop(name) for name in ("REMOTE_ADDR", "headers") if name in other}
    return client.post(address, {"name": "Nina", "email": email, "password": PASSWORD, **other}, **extra)


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def kinds() -> list[str]:
    return list(PlatformEvent.objects.order_by("number").values_list("kind", flat=True))


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


# --- who may ------------------------------------------------------------------------------------------------------


def test_where_people_come_by_invitation_the_page_says_so(client: Client, db: None, folder: Path) -> None:
    page = client.get(SIGN_UP)
    assert page.status_code == 200
    assert "Accounts are made by invitation here." in words(page)
    assert "<form" not in page.content.decode()
    answer = sign_up(client)
    assert answer.status_code == 403
    assert not User.objects.exists()
    assert letters(folder) == []
    assert SIGN_UP not in client.get(LOGIN).content.decode()
    assert "Ask an admin of your tenant to invite you." in words(client.get(LOGIN))


def test_nina_signs_up_confirms_and_is_in(client: Client, open_to_everybody: PlatformSettings, folder: Path) -> None:
    assert f'href="{SIGN_UP}"' in client.get(LOGIN).content.decode()
    assert client.get(SIGN_UP).status_code == 200
    answer = sign_up(client, " Nina@NEW.example ")
    assert (answer.status_code, answer["Location"]) == (302, SENT)
    assert not signed_in(client)
    assert "A mail is on its way to the address." in words(client.get(SENT))
    [letter] = letters(folder)
    assert (letter.to, letter.subject) == ("nina@new.example", "Confirm your e-mail address")
    assert "Nina" not in letter.text + letter.html, "a stranger's words go into nobody's mails"
    elsewhere = Client()
    with queries("page:confirm-email"):
        page = elsewhere.get(letter.link)
    assert "nina@new.example" in page.content.decode()
    answer = elsewhere.post(letter.link, {"password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert signed_in(elsewhere)
    nina = User.objects.get()
    assert (nina.email, nina.name) == ("nina@new.example", "Nina")
    assert kinds() == ["person.signed_up", "email.verified", "login.succeeded"]
    assert elsewhere.get("/tenants/").status_code == 200
    assert letters(folder) == []


def test_the_link_works_once(client: Client, open_to_everybody: PlatformSettings, folder: Path) -> None:
    sign_up(client)
    [letter] = letters(folder)
    client.post(letter.link, {"password": PASSWORD})
    for answer in (Client().get(letter.link), Client().post(letter.link, {"password": PASSWORD})):
        assert answer.status_code == 404
        assert "This link has ended" in words(answer)
    assert kinds().count("email.verified") == 1


def test_the_link_ends_after_three_days(client: Client, open_to_everybody: PlatformSettings, folder: Path, monkeypatch: Any) -> None:
    sign_up(client)
    [letter] = letters(folder)
    now = __import__("time").time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 3 * 86_400 - 60)
    assert client.get(letter.link).status_code == 200
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + 3 * 86_400 + 60)
    assert client.get(letter.link).status_code == 404
    assert client.post(letter.link, {"password": PASSWORD}).status_code == 404
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_a_forged_link_opens_nothing(client: Client, open_to_everybody: PlatformSettings, folder: Path) -> None:
    sign_up(client)
    [letter] = letters(folder)
    key = letter.link.rstrip("/").rpartition("/")[2]
    number, _, rest = key.partition(":")
    for forged in (f"{key}x", f"{key[:-1]}", f"x{key}", f"MQ:{rest}", ":", "a:b:c", "é", number):
        assert client.get(f"{SENT}{forged}/").status_code == 404, forged
        assert client.post(f"{SENT}{forged}/", {"password": PASSWORD}).status_code == 404, forged
    assert not signed_in(client)


@pytest.mark.django_db(transaction=True)
def test_nobody_signs_in_before_the_address_is_confirmed(client: Client, folder: Path) -> None:
    platform(SignUp.OPEN)
    sign_up(client)
    letters(folder)
    who = {"email": "nina@new.example", "password": PASSWORD}
    answer = client.post("/api/v1/session/", who, content_type="application/json")
    assert answer.status_code == 401
    assert "not confirmed yet" in answer.json()["detail"]
    answer = client.post(LOGIN, {"login": who["email"], "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, SENT)
    assert not signed_in(client)
    assert client.get(LOGIN).status_code == 200, "the sign-in page does not lead back to the mails"
    [again] = letters(folder)
    assert again.subject == "Confirm your e-mail address"
    assert client.post(again.link, {"password": PASSWORD}).status_code == 302
    assert signed_in(client)


def test_everybody_from_before_counts_as_confirmed(client: Client, db: None) -> None:
    for email in ("a@acme.example", "b@acme.example"):
        User.objects.create_user(email, PASSWORD) if email[0] == "a" else make.user(email)
    User.objects.filter(email="b@acme.example").update(password=User.objects.get(email="a@acme.example").password)
    for email in ("a@acme.example", "b@acme.example"):
        browser = Client()
        assert browser.post(LOGIN, {"login": email, "password": PASSWORD})["Location"] == "/"


# --- what each answer tells ---------------------------------------------------------------------------------------


def test_a_known_address_is_answered_as_an_unknown_one(client: Client, open_to_everybody: PlatformSettings, folder: Path) -> None:
    carl = User.objects.create_user("carl@acme.example", PASSWORD, name="Carl")
    answers = [sign_up(Client(), email) for email in ("new@acme.example", "carl@acme.example", "CARL@acme.example")]
    assert len({(answer.status_code, answer["Location"], answer.content, str(answer.cookies)) for answer in answers}) == 1
    assert User.objects.count() == 2
    carl.refresh_from_db()
    assert (carl.name, carl.check_password(PASSWORD)) == ("Carl", True)
    new, *others = letters(folder)
    assert (new.to, new.subject) == ("new@acme.example", "Confirm your e-mail address")
    assert {(each.to, each.subject, each.link) for each in others} == {("carl@acme.example", "You have an account already", LOGIN)}


def test_the_same_work_is_done_for_a_known_address(open_to_everybody: PlatformSettings, monkeypatch: Any) -> None:
    User.objects.create_user("carl@acme.example", PASSWORD)
    made: list[bool] = []

    def hashed(word: str) -> str:
        made.append(connection.in_atomic_block)
        return f"!{word}"[:10]

    monkeypatch.setattr(pages, "make_password", hashed)
    for email in ("new@acme.example", "carl@acme.example"):
        sign_up(Client(), email)
    assert len(made) == 2


@pytest.mark.django_db(transaction=True)
def test_no_transaction_waits_while_a_password_is_hashed(client: Client, monkeypatch: Any) -> None:
    platform(SignUp.OPEN)
    inside: list[bool] = []

    def hashed(_word: str) -> str:
        inside.append(connection.in_atomic_block)
        return "!x"

    monkeypatch.setattr(pages, "make_password", hashed)
    assert sign_up(client).status_code == 302
    assert inside == [False]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_account() -> None:
    platform(SignUp.OPEN)
    start, answers = Barrier(2), []

    def one() -> None:
        start.wait()
        answers.append(sign_up(Client()).status_code)
        connection.close()

    threads = [Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [302, 302]
    assert User.objects.count() == 1
    assert kinds() == ["person.signed_up"]


def test_whoever_takes_somebody_elses_address_gets_nothing_of_their_click(
    client: Client, open_to_everybody: PlatformSettings, folder: Path
) -> None:
    """Eve signs up as Nina and waits for Nina to follow the link."""
    sign_up(client, password="this is Eve's own word")
    [letter] = letters(folder)
    nina = Client()
    answer = nina.post(letter.link, {"password": PASSWORD})
    assert answer.status_code == 422
    assert "This is not the password that was chosen for this address." in answer.content.decode().replace("&#x27;", "'")
    assert PASSWORD not in answer.content.decode()
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert '/accounts/password/reset/"' in answer.content.decode(), "Nina's way in: it takes a mail, which Eve can't read"
    assert kinds()[-1] == "login.refused"


def test_guesses_at_the_link_are_counted(client: Client, folder: Path, transactional_db: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT_AND_ADDRESS", 2)
    platform(SignUp.OPEN)
    sign_up(client)
    [letter] = letters(folder)
    statuses = [client.post(letter.link, {"password": "wrong"}).status_code for _ in range(3)]
    assert statuses == [422, 422, 429]


# --- what is typed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field,typed,sentence",
    [
        ("name", "", "Fill this in."),
        ("name", "x" * 81, "80 are the most."),
        ("name", "a\x00b", "Control characters"),
        ("email", "", "Fill this in."),
        ("email", "nina", "This is no e-mail address."),
        ("email", "nina@new.example\nBcc: all@acme.example", "This is no e-mail address."),
        ("email", "x" * 250 + "@a.example", "This is longer than any e-mail address."),
        ("email", "nina@nеw.example", "Write it in the letters a to z."),
        ("email", "ñina@new.example", "Write it in the letters a to z."),
        ("password", "", "Fill this in."),
        ("password", "short", "This is too short: a password has 12 characters or more."),
        ("password", "password1234", "This password is too common."),
        ("password", "nina@new.example", "This is too much like your name or your e-mail address."),
        ("password", "x" * 1001, "This is longer than any password here."),
    ],
)
def test_wrong_input_is_told_and_nothing_typed_is_lost(
    client: Client, open_to_everybody: PlatformSettings, field: str, typed: str, sentence: str
) -> None:
    sent = {"name": "Nina Novák", "email": "nina@new.example", "password": "not to be seen again"} | {field: typed}
    answer = client.post(SIGN_UP, sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    for name in {"name", "email"} - {field}:
        assert f'value="{sent[name]}"' in page
    assert "not to be seen again" not in page
    assert not re.search(r'type="password"[^>]*value=', page)
    assert not User.objects.exists()
    assert not AccountMail.objects.exists()


def test_a_name_as_password_is_refused(client: Client, open_to_everybody: PlatformSettings) -> None:
    answer = sign_up(client, name="Maximiliane Mustermann", password="maximilianemustermann")
    assert "This is too much like your name or your e-mail address." in answer.content.decode()


def test_addresses_with_a_plus_and_in_punycode_are_their_own(client: Client, open_to_everybody: PlatformSettings) -> None:
    for email in ("nina@new.example", "nina+test@new.example", "nina@xn--mnchen-3ya.example"):
        assert sign_up(client, email).status_code == 302
    assert set(User.objects.values_list("email", flat=True)) == {
        "nina@new.example", "nina+test@new.example", "nina@xn--mnchen-3ya.example",
    }  # fmt: skip


def test_only_addresses_of_the_domains_sign_up(client: Client, db: None) -> None:
    platform(SignUp.DOMAINS, "acme.example", "globex.example")
    assert "One of acme.example, globex.example." in client.get(SIGN_UP).content.decode()
    for email in ("eve@evil.example", "eve@sub.acme.example", "eve@acme.example.evil.example", '"a@acme.example"@evil.example'):
        answer = sign_up(client, email)
        assert answer.status_code == 422, email
        assert "Only addresses of these domains can sign up here: acme.example, globex.example." in answer.content.decode()
    assert sign_up(client, "Carl@ACME.example").status_code == 302


# --- how often ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_sign_ups_are_counted_for_known_and_unknown_alike(client: Client, monkeypatch: Any) -> None:
    platform(SignUp.OPEN)
    monkeypatch.setattr(pages, "make_password", lambda word: "!x")
    User.objects.create_user("carl@acme.example")
    for email in ("carl@acme.example", "new@acme.example"):
        assert [sign_up(client, email).status_code for _ in range(pages.PER_PAIR + 1)] == [302] * pages.PER_PAIR + [429]
        assert sign_up(client, email, REMOTE_ADDR="203.0.113.9").status_code == 302, "nobody is locked out from elsewhere"
    answer = sign_up(client, "new@acme.example")
    assert "Too many tries." in answer.content.decode()
    assert 'value="new@acme.example"' in answer.content.decode()
    assert int(answer["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
def test_one_address_signs_up_few(client: Client, monkeypatch: Any) -> None:
    platform(SignUp.OPEN)
    monkeypatch.setattr(pages, "make_password", lambda word: "!x")
    monkeypatch.setattr(pages, "PER_ADDRESS", 3)
    assert [sign_up(client, f"n{number}@new.example").status_code for number in range(4)] == [302, 302, 302, 429]
    assert User.objects.count() == 3


def test_who_waits_for_others_is_told(client: Client, open_to_everybody: PlatformSettings, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "CHECK_WAIT", 0.05)
    held = [signing_in._checks.acquire(timeout=1) for _ in range(2)]
    try:
        answer = sign_up(client)
    finally:
        for _ in held:
            signing_in._checks.release()
    assert answer.status_code == 503
    assert not User.objects.exists()


# --- where it leads -----------------------------------------------------------------------------------------------

ELSEWHERE = ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "%09//evil.example", "///evil.example"]


@pytest.mark.parametrize("to", ELSEWHERE)
def test_nobody_is_led_elsewhere(client: Client, open_to_everybody: PlatformSettings, folder: Path, to: str) -> None:
    page = client.get(f"{SIGN_UP}?next={to}").content.decode()
    assert f'href="{LOGIN}"' in page
    sign_up(client, query=f"?next={to}")
    [letter] = letters(folder)
    assert "next" not in letter.link
    assert client.post(f"{letter.link}?next={to}", {"password": PASSWORD})["Location"] == "/"
    assert client.get(f"{SIGN_UP}?next={to}")["Location"] == "/", "nor when signed in already"


def test_nina_comes_to_the_page_she_wanted(client: Client, open_to_everybody: PlatformSettings, folder: Path) -> None:
    wanted = "%2Ftenants%2F%3Fq%3Da%2526b"
    assert f'href="{SIGN_UP}?next={wanted}"' in client.get(f"{LOGIN}?next={wanted}").content.decode()
    sign_up(client, query=f"?next={wanted}")
    [letter] = letters(folder)
    assert Client().post(letter.link, {"password": PASSWORD})["Location"] == "/tenants/?q=a%26b"


def test_strangers_cost_few_statements(client: Client, open_to_everybody: PlatformSettings) -> None:
    with queries("page:sign-up"):
        assert client.get(SIGN_UP).status_code == 200
    with queries("page:sign-in"):
        assert client.get(LOGIN).status_code == 200
    with queries("page:password-reset"):
        assert client.get("/accounts/password/reset/").status_code == 200


def test_the_rest_of_the_pages(client: Client, db: None) -> None:
    assert "This account is closed" in client.get("/accounts/inactive/").content.decode()
    for path in (SENT, "/accounts/inactive/"):
        assert client.post(path).status_code == 405
