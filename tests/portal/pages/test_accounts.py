"""Signing in and out in the browser, choosing a tenant."""

import re
import time
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.db import connection
from django.test import Client

from tenants import signing_in
from tenants.models import Attempt, Membership, PlatformEvent, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

PASSWORD = "correct horse battery"
LOGIN = "/accounts/login/"
MISMATCH = "This e-mail address and password don&#x27;t belong together."


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a password is slow on purpose."""
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT_AND_ADDRESS", 3)


@pytest.fixture
def carl(db: None) -> User:
    found = make.member(make.tenant("acme"), "carl@acme.example", Role.DEVELOPER)
    found.set_password(PASSWORD)
    found.save()
    return found


def sign_in(client: Client, email: str = "carl@acme.example", password: str = PASSWORD, to: str = "", **more: Any) -> Any:
    address = f"{LOGIN}?next={to}" if to else LOGIN
    return client.post(address, {"login": email, "password": password}, **more)


def test_carl_signs_in_and_is_at_his_tenant(carl: User, client: Client) -> None:
    page = client.get(LOGIN)
    assert page.status_code == 200
    assert 'autocomplete="current-password"' in page.content.decode()
    assert "maxlength" not in page.content.decode()
    answer = sign_in(client, " Carl@ACME.example ", headers={"user-agent": "Firefox"}, REMOTE_ADDR="198.51.100.7")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/")["Location"] == "/t/acme/"
    event = PlatformEvent.objects.latest("number")
    assert (event.kind, event.actor_id, event.ip, event.user_agent) == ("login.succeeded", carl.pk, "198.51.100.7", "Firefox")
    assert client.get(LOGIN)["Location"] == "/", "who is signed in needs no sign-in page"


def test_signing_in_changes_the_session_and_tells_no_success(carl: User, client: Client) -> None:
    client.post("/profile/", {"name": "x"})
    before = client.cookies["sessionid"].value
    sign_in(client)
    assert client.cookies["sessionid"].value != before
    assert not re.search("success", client.get("/tenants/").content.decode(), re.IGNORECASE)


def test_a_wrong_password_an_unknown_and_an_inactive_person_look_alike(carl: User, client: Client) -> None:
    gone = make.user("gone@acme.example", is_active=False)
    gone.set_password(PASSWORD)
    gone.save()
    for email, password in [("carl@acme.example", "wrong"), ("nobody@acme.example", PASSWORD), ("gone@acme.example", PASSWORD)]:
        answer = sign_in(client, email, password)
        page = answer.content.decode()
        assert answer.status_code == 422
        assert MISMATCH in page
        assert f'value="{email}"' in page
        assert password not in page
        assert "_auth_user_id" not in client.session
    refused = PlatformEvent.objects.filter(kind="login.refused").values_list("subject_id", flat=True)
    assert set(refused) == {carl.pk, gone.pk}


def test_an_unknown_person_takes_as_long_as_a_known_one(costly_passwords: None, carl: User) -> None:
    def seconds(email: str) -> float:
        begun = time.perf_counter()
        assert authenticate(None, username=email, password="wrong") is None
        return time.perf_counter() - begun

    known, unknown = min(seconds("carl@acme.example") for _ in range(3)), min(seconds("nobody@acme.example") for _ in range(3))
    assert unknown > known / 2


@pytest.mark.django_db(transaction=True)
def test_tries_are_counted_with_those_of_rest_and_stay_counted(carl: User, client: Client) -> None:
    rest = {"email": "carl@acme.example", "password": "wrong"}
    assert client.post("/api/v1/session/", rest, content_type="application/json").status_code == 401
    for _ in range(2):
        assert sign_in(client, password="wrong").status_code == 422
    answer = sign_in(client)
    assert answer.status_code == 429
    page = answer.content.decode()
    assert re.search(r"Too many tries\. Wait \d+ seconds and try again\.", page)
    assert 1 <= int(answer["Retry-After"]) <= signing_in.SIGN_IN_WINDOW
    assert 'value="carl@acme.example"' in page
    assert PASSWORD not in page
    assert client.post("/api/v1/session/", {**rest, "password": PASSWORD}, content_type="application/json").status_code == 429
    assert sign_in(client, REMOTE_ADDR="203.0.113.9").status_code == 302, "nobody is locked out from elsewhere"
    assert Attempt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_waits_for_a_password(carl: User, client: Client, monkeypatch: Any) -> None:
    """Or all tries from one address would wait for each other, and a count could be rolled back."""
    inside = []
    monkeypatch.setattr(signing_in, "authenticate", lambda *args, **kwargs: inside.append(connection.in_atomic_block))
    assert sign_in(client).status_code == 422
    assert inside == [False]


def test_nothing_else_counts_tries(carl: User, client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT_AND_ADDRESS", 50)
    monkeypatch.setattr(signing_in, "authenticate", lambda *args, **kwargs: None)
    assert {sign_in(client, password="wrong").status_code for _ in range(40)} == {422}


def test_who_waits_for_others_is_told(carl: User, client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "CHECK_WAIT", 0.05)
    held = [signing_in._checks.acquire(timeout=1) for _ in range(2)]
    try:
        answer = sign_in(client)
    finally:
        for _ in held:
            signing_in._checks.release()
    assert answer.status_code == 503
    assert "Many people sign in just now." in answer.content.decode()


@pytest.mark.parametrize(
    "email,password,sentence",
    [
        ("", PASSWORD, "Fill this in."),
        ("carl@acme.example", "", "Fill this in."),
        ("carl", PASSWORD, "This is no e-mail address."),
        ("a\x00@acme.example", PASSWORD, "Null characters are not allowed."),
        ("x" * 300 + "@acme.example", PASSWORD, "This is longer than any e-mail address."),
        ("carl@acme.example", "x" * 1001, "This is longer than any password here."),
        ("<script>@acme.example", PASSWORD, "This is no e-mail address."),
    ],
)
def test_what_can_be_no_sign_in_is_told_why_and_not_counted(carl: User, client: Client, email: str, password: str, sentence: str) -> None:
    answer = sign_in(client, email, password)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert "<script>@" not in answer.content.decode()
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "http://localhost/",
        "http://127.0.0.1:8000/",
        "https:evil.example",
        "javascript:alert(1)",
        "/\\evil.example",
        "%09//evil.example",
        "///evil.example",
    ],
)
def test_nobody_is_led_elsewhere(carl: User, client: Client, to: str) -> None:
    assert sign_in(client, to=to)["Location"] == "/"
    assert client.get(f"{LOGIN}?next={to}")["Location"] == "/", "nor when signed in already"


def test_carl_comes_to_the_page_he_wanted(carl: User, client: Client) -> None:
    wanted = "/tenants/?q=a%26b"
    asked = client.get(wanted)
    assert (asked.status_code, asked["Location"]) == (302, "/accounts/login/?next=%2Ftenants%2F%3Fq%3Da%2526b")
    assert sign_in(client, to="%2Ftenants%2F%3Fq%3Da%2526b")["Location"] == wanted
    assert client.post(LOGIN, {"login": "x"}, headers={"accept": "application/json"})["Content-Type"].startswith("text/html")


def test_signing_out_asks_by_get_and_ends_the_session(carl: User, client: Client) -> None:
    client.force_login(carl)
    page = client.get("/accounts/logout/")
    assert page.status_code == 200
    assert "carl@acme.example" in page.content.decode()
    key = str(client.session.session_key)
    answer = client.post("/accounts/logout/", follow=True)
    assert answer.redirect_chain == [(LOGIN, 302)]
    assert "You are signed out." in answer.content.decode()
    client.cookies["sessionid"] = key
    assert client.get("/profile/").status_code == 302, "the old session is worth nothing"
    assert client.get("/accounts/logout/")["Location"] == LOGIN


def test_what_allauth_brings_further_is_not_there(client: Client, db: None) -> None:
    for path in ("/accounts/password/set/", "/accounts/email/", "/accounts/reauthenticate/", "/accounts/login/code/", "/accounts/"):
        assert client.get(path).status_code == 404


# --- choosing a tenant --------------------------------------------------------------------------------------------


def test_ada_chooses_among_her_tenants(cast: Cast, client: Client) -> None:
    with tenant_scope(cast.globex.pk):
        Membership.objects.create(user=cast.ada, roles=["auditor"])
    make.tenant("initech")
    client.force_login(cast.ada)
    assert client.get("/")["Location"] == "/tenants/"
    with queries("page:tenants"):
        page = client.get("/tenants/").content.decode()
    assert 'href="/t/acme/"' in page
    assert "admin, approver" in page
    assert 'href="/t/globex/"' in page
    assert "auditor" in page
    assert "initech" not in page
    assert 'name="q"' not in page, "two need no search"


def test_many_tenants_are_searched_by_name(cast: Cast, client: Client) -> None:
    for number in range(9):
        with tenant_scope(make.tenant(f"t-{number}", f"Number {number}").pk):
            Membership.objects.create(user=cast.ada, roles=["developer"])
    client.force_login(cast.ada)
    assert 'name="q"' in client.get("/tenants/").content.decode()
    with queries("page:tenants"):
        page = client.get("/tenants/?q=NUMBER+7").content.decode()
    assert "/t/t-7/" in page
    assert "/t/t-6/" not in page
    assert "None is called that" in client.get("/tenants/?q=%25").content.decode()
    assert client.get("/tenants/?q=" + "x" * 5000).status_code == 200


def test_who_is_in_no_tenant_is_told_whom_to_ask(cast: Cast, client: Client) -> None:
    client.force_login(cast.olga)
    assert client.get("/")["Location"] == "/tenants/"
    assert "You operate Portico" in client.get("/tenants/").content.decode()
    client.force_login(make.user("new@acme.example"))
    assert "Ask an admin of yours to add new@acme.example." in " ".join(client.get("/tenants/").content.decode().split())


def test_the_settings_leave_counting_to_us() -> None:
    assert settings.ACCOUNT_RATE_LIMITS is False
