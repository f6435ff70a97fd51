"""Second factors: setting them up, signing in with them, tenants that ask for them, and the list of sessions."""

import json
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from keys import authenticators
from keys.envelope import Unreadable
from keys.kek import kek
from keys.keks.file import FileKek, make_file
from keys.keks.ring import Ring
from portal import browsers
from portal.pages import second_factors as pages
from tenants import second_factors, sessions
from tenants.actions import change_password
from tenants.models import PlatformEvent, TenantSettings, User
from tenants.scope import tenant_scope
from tests.conftest import Cast, queries
from tests.portal.soft_key import SoftKey

PASSWORD = "correct horse battery"
SET_UP, CODES, INDEX, CONFIRM = "/accounts/2fa/app/", "/accounts/2fa/codes/", "/accounts/2fa/", "/accounts/confirm/"
STEP, LOGIN = "/accounts/2fa/authenticate/", "/accounts/login/"
WRONG = "This code is not right"


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_factors, "CODES_PER_ACCOUNT_AND_ADDRESS", 3)
    monkeypatch.setattr(second_factors, "CODES_PER_ACCOUNT", 5)


@pytest.fixture
def carl(cast: Cast) -> User:
    cast.carl.set_password(PASSWORD)
    cast.carl.save()
    return cast.carl


@pytest.fixture
def at(carl: User, client: Client) -> Client:
    """Carl's browser, a moment after he showed that it is him."""
    client.force_login(carl)
    client.post(CONFIRM, {"password": PASSWORD})
    return client


def code_of(secret: str, *, steps: int = 0) -> str:
    return str(totp.format_hotp_value(totp.hotp_value(secret.replace(" ", ""), int(time.time()) // 30 + steps)))


def secret_on(page: str) -> str:
    found = re.search(r'id="the-secret">([A-Z2-7 ]+)<', page)
    assert found, page
    return found[1]


def set_up(at: Client) -> str:
    """An authenticator app for whose browser it is; returns its secret."""
    secret = secret_on(at.get(SET_UP).content.decode())
    assert at.post(SET_UP, {"code": code_of(secret)}).status_code == 302
    return secret


def codes_on(page: str) -> list[str]:
    found = re.search(r'id="the-codes">([0-9\n]+)<', page)
    return found[1].split() if found else []


def kinds() -> list[str]:
    return list(PlatformEvent.objects.order_by("number").values_list("kind", flat=True))


def log_in(client: Client, **more: Any) -> Any:
    return client.post(LOGIN, {"login": "carl@acme.example", "password": PASSWORD}, **more)


# --- an authenticator app -----------------------------------------------------------------------------------------------


def test_carl_sets_up_an_app_and_gets_recovery_codes_once(at: Client, carl: User) -> None:
    page = at.get(SET_UP).content.decode()
    assert '<svg class="qr"' in page
    assert "style=" not in page
    secret = secret_on(page)
    assert at.post(SET_UP, {"code": code_of(secret)})["Location"] == CODES
    shown = at.get(CODES).content.decode()
    codes = codes_on(shown)
    assert len(set(codes)) == 10
    assert all(code in shown.partition("data:text/plain")[2] for code in codes), "to download"
    again = at.get(CODES).content.decode()
    assert codes_on(again) == []
    assert "10 are left" in again
    assert second_factors.has_second_factor(carl)
    assert kinds()[-2:] == ["mfa.authenticator_added", "mfa.recovery_codes_made"]


def test_nothing_in_the_database_tells_the_secret(at: Client, carl: User) -> None:
    secret = set_up(at).replace(" ", "")
    found = Authenticator.objects.get(user=carl, type="totp")
    assert found.data["secret"].startswith("v1.")
    assert secret not in str(found.data)
    assert Authenticator.objects.get(user=carl, type="recovery_codes").data["seed"].startswith("v1.")
    at.get(SET_UP)
    assert secret not in str(dict(at.session))


def test_a_secret_that_waits_to_be_confirmed_is_sealed_too(at: Client) -> None:
    secret = secret_on(at.get(SET_UP).content.decode()).replace(" ", "")
    assert secret not in str(dict(at.session))


def test_a_secret_moved_to_somebody_else_opens_nothing(at: Client, carl: User, cast: Cast) -> None:
    secret = set_up(at)
    Authenticator.objects.filter(user=carl, type="totp").update(user=cast.eve)
    with pytest.raises(Unreadable):
        second_factors.confirm(cast.eve, code_of(secret))


def test_a_wrong_first_code_keeps_the_same_secret(at: Client, carl: User) -> None:
    secret = secret_on(at.get(SET_UP).content.decode())
    wrong = at.post(SET_UP, {"code": "000000" if code_of(secret) != "000000" else "111111"})
    assert wrong.status_code == 422
    assert WRONG in wrong.content.decode()
    assert secret_on(wrong.content.decode()) == secret
    assert not second_factors.has_second_factor(carl)


def test_setting_up_asks_once_more_who_it_is(carl: User, client: Client) -> None:
    client.force_login(carl)
    for address in (SET_UP, "/accounts/2fa/passkeys/add/", "/accounts/2fa/codes/new/"):
        assert client.get(address)["Location"] == f"{CONFIRM}?next={address.replace('/', '%2F')}"
        assert client.post(address, {"code": "123456"})["Location"].startswith(CONFIRM)
    assert client.post(CONFIRM, {"password": "wrong", "next": SET_UP}).status_code == 422
    assert client.post(CONFIRM, {"password": PASSWORD, "next": SET_UP})["Location"] == SET_UP
    assert client.get(SET_UP).status_code == 200


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_confirming_leads_nowhere_else(carl: User, client: Client, elsewhere: str) -> None:
    client.force_login(carl)
    assert client.post(CONFIRM, {"password": PASSWORD, "next": elsewhere})["Location"] == "/"


def test_an_app_is_removed_and_the_recovery_codes_with_it(at: Client, carl: User) -> None:
    set_up(at)
    assert "It is the last one" in at.get("/accounts/2fa/app/remove/").content.decode()
    assert at.post("/accounts/2fa/app/remove/")["Location"] == INDEX
    assert not Authenticator.objects.filter(user=carl).exists()
    assert kinds()[-1] == "mfa.authenticator_removed"
    assert at.get("/accounts/2fa/app/remove/").status_code == 404


def test_new_recovery_codes_end_the_old_ones(at: Client, carl: User) -> None:
    set_up(at)
    old = codes_on(at.get(CODES).content.decode())
    assert at.post("/accounts/2fa/codes/new/")["Location"] == CODES
    new = codes_on(at.get(CODES).content.decode())
    assert not set(old) & set(new)
    assert second_factors.confirm(carl, old[0]) is None
    assert second_factors.confirm(carl, new[0]) is not None


def test_the_list_of_second_factors(at: Client) -> None:
    set_up(at)
    with queries("page:second-factors"):
        page = at.get(INDEX).content.decode()
    assert "In use" in page
    assert "10 are left" in page


# --- signing in ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(at: Client) -> str:
    return set_up(at)


def test_carl_signs_in_with_password_and_code(secret: str, carl: User) -> None:
    browser = Client()
    answer = log_in(browser)
    assert answer["Location"] == STEP
    assert browser.get("/t/acme/").status_code == 302, "not in yet"
    assert "login.succeeded" not in kinds()
    page = browser.get(STEP).content.decode()
    assert 'autocomplete="one-time-code"' in page
    assert browser.post(STEP, {"code": code_of(secret, steps=1)})["Location"] == "/"
    assert browser.get("/t/acme/").status_code == 200
    event = PlatformEvent.objects.latest("number")
    assert (event.kind, event.data) == ("login.succeeded", {"second_factor": "totp"})


def test_where_carl_was_going_survives_the_second_step(secret: str) -> None:
    browser = Client()
    browser.post(f"{LOGIN}?next=/t/acme/apps/", {"login": "carl@acme.example", "password": PASSWORD})
    assert browser.post(STEP, {"code": code_of(secret, steps=1)})["Location"] == "/t/acme/apps/"


def test_a_code_is_taken_once_however_it_is_written(secret: str, carl: User) -> None:
    code = code_of(secret, steps=1)
    assert second_factors.confirm(carl, f"{code[:3]} {code[3:]}") is not None
    totp.cache.clear()
    assert second_factors.confirm(carl, code) is None, "in another process, too"


@pytest.mark.parametrize("wrong", ["", "12345", "abcdef", "１２３４５６", "0" * 21, "\x00", "123456789"])
def test_what_is_no_code_is_refused(secret: str, wrong: str) -> None:
    browser = Client()
    log_in(browser)
    answer = browser.post(STEP, {"code": wrong})
    assert answer.status_code == 422
    assert browser.get("/t/acme/").status_code == 302


def test_guessing_codes_is_slow_and_the_right_one_comes_too_late(secret: str, carl: User) -> None:
    browser = Client()
    log_in(browser)
    for _ in range(3):
        wrong = browser.post(STEP, {"code": "00000000"})
        assert (wrong.status_code, WRONG in wrong.content.decode()) == (422, True)
    late = browser.post(STEP, {"code": code_of(secret, steps=1)})
    assert late.status_code == 429
    assert int(late["Retry-After"]) > 200
    assert "Too many tries" in late.content.decode()
    refused = PlatformEvent.objects.filter(kind="login.refused")
    assert [event.data for event in refused] == [{"second_factor": True}] * 3
    elsewhere = Client(REMOTE_ADDR="198.51.100.9")
    log_in(elsewhere)
    assert elsewhere.post(STEP, {"code": code_of(secret, steps=1)}).status_code == 302, "the right person, from elsewhere"


def test_many_addresses_guess_no_more_together(secret: str, carl: User) -> None:
    for number in range(5):
        browser = Client(REMOTE_ADDR=f"198.51.100.{number}")
        log_in(browser)
        assert browser.post(STEP, {"code": "00000000"}).status_code == 422
    browser = Client(REMOTE_ADDR="198.51.100.77")
    log_in(browser)
    assert browser.post(STEP, {"code": code_of(secret, steps=1)}).status_code == 429


def test_a_recovery_code_signs_in_once(secret: str, at: Client) -> None:
    code = codes_on(at.get(CODES).content.decode())[3]
    browser = Client()
    log_in(browser)
    assert browser.post(STEP, {"code": f"{code[:4]}-{code[4:]}"})["Location"] == "/"
    assert kinds()[-2:] == ["mfa.recovery_code_used", "login.succeeded"]
    again = Client()
    log_in(again)
    assert again.post(STEP, {"code": code}).status_code == 422
    assert "9 are left" in at.get(INDEX).content.decode()


def test_the_second_step_is_nothing_without_the_first(db: None, client: Client) -> None:
    assert client.get(STEP)["Location"] == LOGIN
    assert client.post(STEP, {"code": "123456"})["Location"] == LOGIN


# --- over REST ----------------------------------------------------------------------------------------------------------


def session(**more: Any) -> Any:
    return APIClient().post("/api/v1/session/", {"email": "carl@acme.example", "password": PASSWORD, **more})


@pytest.mark.django_db(transaction=True)
def test_a_program_sends_the_code_with_the_password(secret: str) -> None:
    missing = session()
    assert (missing.status_code, missing.json()["code"]) == (401, "mfa_required")
    assert session(code="00000000").status_code == 401
    assert session(code="00000000").json()["code"] == "sign_in_needed", "as of a wrong password"
    answer = session(code=code_of(secret, steps=1))
    assert answer.status_code == 200
    assert kinds()[-1] == "login.succeeded"


def test_who_has_none_needs_no_code(carl: User) -> None:
    assert session().status_code == 200
    assert session(code="123456").status_code == 200
    assert "mfa" not in sessions.Access(session().json()["access"]).payload


def test_that_a_code_was_shown_stays_with_the_refresh_token(secret: str) -> None:
    pair = session(code=code_of(secret, steps=1)).json()
    fresh = APIClient().post("/api/v1/session/refresh/", {"refresh": pair["refresh"]}).json()
    for token in (pair["access"], fresh["access"]):
        assert sessions.Access(token).payload["mfa"] is True


# --- tenants that ask for one -------------------------------------------------------------------------------------------


@pytest.fixture
def strict(cast: Cast) -> None:
    """Acme asks for a second factor."""
    with tenant_scope(cast.acme.pk):
        TenantSettings.objects.update(mfa_required=True)


def test_who_has_none_is_led_to_set_one_up_and_back(strict: None, at: Client) -> None:
    assert at.get("/t/acme/apps/?q=x")["Location"] == "/accounts/2fa/needed/"
    page = at.get("/accounts/2fa/needed/").content.decode()
    assert "You have none yet" in page
    assert f'href="{SET_UP}"' in page
    set_up(at)
    assert 'href="/t/acme/apps/?q=x"' in at.get(CODES).content.decode(), "on from here"
    assert at.get("/t/acme/apps/").status_code == 200


def test_the_way_back_leads_nowhere_else(strict: None, at: Client) -> None:
    """What is an address of ours behind our host is somebody else's by itself."""
    fragment = {"HX-Request": "true", "HX-Current-URL": "http://testserver//evil.example/t/acme/"}
    assert at.get("/t/acme/apps/?q=x", headers=fragment)["HX-Redirect"] == "/accounts/2fa/needed/"
    set_up(at)
    page = at.get(CODES).content.decode()
    assert "evil.example" not in page
    assert 'href="/t/acme/apps/?q=x"' in page


def test_what_was_typed_is_there_again(strict: None, at: Client) -> None:
    answer = at.post("/t/acme/apps/new/", {"name": "Storefront"})
    assert answer["Location"] == "/accounts/2fa/needed/"
    set_up(at)
    assert 'value="Storefront"' in at.get("/t/acme/apps/new/").content.decode()


def test_who_signed_in_without_theirs_shows_it_now(strict: None, secret: str, carl: User) -> None:
    browser = Client()
    browser.force_login(carl)
    assert browser.get("/t/acme/")["Location"] == "/accounts/2fa/needed/"
    page = browser.get("/accounts/2fa/needed/").content.decode()
    assert "/accounts/confirm/code/?next=%2Ft%2Facme%2F" in page
    assert browser.post("/accounts/confirm/code/", {"code": code_of(secret, steps=1), "next": "/t/acme/"})["Location"] == "/t/acme/"
    assert browser.get("/t/acme/").status_code == 200


def test_the_password_again_is_no_second_factor(strict: None, secret: str, carl: User) -> None:
    browser = Client()
    browser.force_login(carl)
    browser.post(CONFIRM, {"password": PASSWORD})
    assert browser.get("/t/acme/").status_code == 302


def test_one_that_was_removed_counts_no_more(strict: None, secret: str, at: Client) -> None:
    assert at.get("/t/acme/").status_code == 200
    at.post("/accounts/2fa/app/remove/")
    assert at.get("/t/acme/")["Location"] == "/accounts/2fa/needed/"


def test_over_rest_it_is_403_with_a_sentence(strict: None, carl: User) -> None:
    program = APIClient(headers={"authorization": f"Bearer {session().json()['access']}"})
    answer = program.get("/api/v1/tenants/acme/")
    assert answer.status_code == 403
    assert "Set one up in your profile" in answer.json()["detail"]


@pytest.mark.django_db(transaction=True)
def test_a_program_with_a_code_enters(strict: None, secret: str) -> None:
    before = APIClient(headers={"authorization": f"Bearer {sessions.start(User.objects.get(email='carl@acme.example')).access}"})
    assert "Sign in again" in before.get("/api/v1/tenants/acme/").json()["detail"]
    program = APIClient(headers={"authorization": f"Bearer {session(code=code_of(secret, steps=1)).json()['access']}"})
    assert program.get("/api/v1/tenants/acme/").status_code == 200


def test_other_tenants_ask_for_nothing_and_strangers_learn_nothing(strict: None, cast: Cast, client: Client) -> None:
    client.force_login(cast.eve)
    assert client.get("/t/globex/").status_code == 200
    assert client.get("/t/acme/").status_code == 404, "no tenant is there for her, whatever it asks for"


def test_asking_costs_no_query(secret: str, at: Client, cast: Cast) -> None:
    counts = []
    for asked in (False, True):
        with tenant_scope(cast.acme.pk):
            TenantSettings.objects.update(mfa_required=asked)
        at.get("/t/acme/")
        with CaptureQueriesContext(connection) as found:
            assert at.get("/t/acme/").status_code == 200
        counts.append(len(found))
    assert counts[0] == counts[1]


# --- the key-encryption key ---------------------------------------------------------------------------------------------


def test_secrets_of_people_are_sealed_anew_with_the_others(secret: str, carl: User, tmp_path: Path, monkeypatch: Any) -> None:
    make_file(tmp_path / "new")
    before = kek()
    assert isinstance(before, Ring)
    new, unread = Ring((FileKek(tmp_path / "new"), *before.keks)), list[Any]()
    assert sum(authenticators.rewrap(new, current_id=new.current_id, unread=unread.append)) == 2
    assert sum(authenticators.rewrap(new, current_id=new.current_id, unread=unread.append)) == 0
    assert unread == []
    monkeypatch.setattr("portal.second_factors.kek", lambda: Ring(new.keks[:1]))
    assert second_factors.confirm(carl, code_of(secret, steps=1)) is not None


# --- passkeys: what no browser sends; a real one signs in in tests/e2e/test_passkeys.py ---------------------------------


ADD, PASSKEY = "/accounts/2fa/passkeys/add/", "/accounts/2fa/passkeys/sign-in/"
KEY: dict[str, Any] = {
    "id": "AA",
    "rawId": "AA",
    "type": "public-key",
    "response": {"clientDataJSON": "AA", "attestationObject": "AA", "userHandle": "AA"},
}
JUNK = [
    "", "x", "null", "[]", "1", "{}", "[" * 9_000, '{"a":' * 5_000, "x" * 20_001, '{"response": {"userHandle": "é"}}',
    *(json.dumps({**KEY, name: wrong}) for name in KEY for wrong in (None, 1, list[str](), dict[str, str](), "\x00", "é")),
    json.dumps(KEY), json.dumps({**KEY, "response": {**KEY["response"], "authenticatorData": "gYGBgYGBgYGB", "signature": "AA"}}),
]  # fmt: skip


@pytest.fixture
def by_name(at: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Carl's browser, at a name: there are passkeys there."""
    monkeypatch.setattr(pages, "CHALLENGES", 1000)
    at.defaults["SERVER_NAME"] = "localhost"
    return at


def test_no_answer_of_a_key_breaks_a_page(by_name: Client, carl: User) -> None:
    browser = Client(SERVER_NAME="localhost")
    for junk in JUNK:
        assert by_name.get(ADD).status_code == 200
        refused = by_name.post(ADD, {"credential": junk, "name": "Laptop", "passwordless": "on"})
        assert refused.status_code == 422, junk[:80]
        assert 'value="Laptop"' in refused.content.decode()
        assert "request_options" in browser.get(PASSKEY, headers={"accept": "application/json"}).json()
        assert browser.post(PASSKEY, {"credential": junk})["Location"] == LOGIN, junk[:80]
        assert "This passkey was not accepted" in browser.get(LOGIN).content.decode()
    assert not Authenticator.objects.filter(user=carl).exists()


def test_passkeys_are_offered_where_browsers_have_them(carl: User, client: Client) -> None:
    client.force_login(carl)
    for host, secure, offered in (
        ("127.0.0.1", False, False),
        ("127.0.0.1", True, False),
        ("localhost", False, True),
        ("testserver", False, False),
        ("testserver", True, True),
    ):
        page = client.get(INDEX, SERVER_NAME=host, secure=secure).content.decode()
        assert (f'href="{ADD}"' in page) == offered, (host, secure)
        assert ("passkey-sign-in" in Client().get(LOGIN, SERVER_NAME=host, secure=secure).content.decode()) == offered


def test_challenges_are_counted(db: None, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "CHALLENGES", 2)
    asked = [client.get(PASSKEY, headers={"accept": "application/json"}).status_code for _ in range(3)]
    assert asked == [200, 200, 429]


def test_keys_of_others_are_as_unknown_as_none(at: Client, cast: Cast) -> None:
    of_eve = Authenticator.objects.create(user=cast.eve, type="webauthn", data={"name": "Eve's", "credential": {}})
    for address in (f"/accounts/2fa/passkeys/{of_eve.pk}/", f"/accounts/2fa/passkeys/{of_eve.pk}/remove/"):
        assert at.get(address).status_code == at.post(address, {"name": "x"}).status_code == 404
    of_eve.refresh_from_db()
    assert of_eve.data["name"] == "Eve's"


# --- sessions -----------------------------------------------------------------------------------------------------------


PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
LIST, OTHERS = "/accounts/sessions/", "/accounts/sessions/end-others/"


@pytest.fixture
def phone(carl: User) -> Client:
    """Carl's, signed in elsewhere."""
    found = Client(headers={"user-agent": PHONE}, REMOTE_ADDR="198.51.100.7")
    log_in(found)
    return found


def test_carl_sees_where_he_is_signed_in(at: Client, phone: Client) -> None:
    with queries("page:sessions"):
        page = at.get(LIST).content.decode()
    assert "Safari on iPhone" in page
    assert "198.51.100.7" in page
    assert page.count("This one") == 1
    assert page.count('href="/accounts/sessions/') == 2, "this one can't be ended here"


def test_one_is_ended_and_the_others_go_on(at: Client, phone: Client) -> None:
    address = re.search(r'href="(/accounts/sessions/\d+/end/)"', at.get(LIST).content.decode())
    assert address
    assert "Safari on iPhone" in at.get(address[1]).content.decode()
    assert at.post(address[1])["Location"] == LIST
    assert phone.get("/t/acme/").status_code == 302
    assert at.get("/t/acme/").status_code == 200
    assert at.post(address[1]).status_code == 404
    event = PlatformEvent.objects.latest("number")
    assert (event.kind, event.data) == ("login.signed_out", {"user_agent": PHONE, "ip": "198.51.100.7"})


def test_everywhere_else_means_programs_too(at: Client, phone: Client, carl: User, cast: Cast) -> None:
    of_eve = Client()
    of_eve.force_login(cast.eve)
    of_eve.get("/t/globex/")
    refresh, eves = str(sessions.start(carl)), str(sessions.start(cast.eve))
    assert "1 program acts for you" in at.get(LIST).content.decode()
    assert at.post(OTHERS)["Location"] == LIST
    assert phone.get("/t/acme/").status_code == 302
    assert sessions.renew(refresh) is None
    assert at.get("/t/acme/").status_code == of_eve.get("/t/globex/").status_code == 200
    assert sessions.renew(eves) is not None
    event = PlatformEvent.objects.filter(kind="login.signed_out").get()
    assert (event.subject_id, event.data) == (carl.pk, {"everywhere": True})


def test_eve_ends_nobodys_session_but_her_own(at: Client, phone: Client, cast: Cast) -> None:
    address = re.search(r'href="(/accounts/sessions/\d+/end/)"', at.get(LIST).content.decode())
    assert address
    eve = Client()
    eve.force_login(cast.eve)
    assert eve.get(address[1]).status_code == eve.post(address[1]).status_code == 404
    assert "198.51.100.7" not in eve.get(LIST).content.decode()
    assert phone.get("/t/acme/").status_code == 200


def test_one_that_has_ended_is_not_shown(at: Client, phone: Client, carl: User) -> None:
    phone.post("/accounts/logout/")
    assert "iPhone" not in at.get(LIST).content.decode()


def test_another_password_leaves_this_one_alone(at: Client, phone: Client) -> None:
    at.post(
        "/accounts/password/change/",
        {"old_password": PASSWORD, "password": "staple battery horse", "password_again": "staple battery horse"},
    )
    page = at.get(LIST).content.decode()
    assert "iPhone" not in page
    assert page.count("This one") == 1


def test_a_browser_is_noted_now_and_then(at: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    at.get(LIST, REMOTE_ADDR="198.51.100.8")
    assert "198.51.100.8" not in at.get(LIST).content.decode()
    monkeypatch.setattr(browsers, "NOTED_EVERY", -1.0)
    browsers._noted.clear()
    at.get("/profile/", REMOTE_ADDR="198.51.100.8")
    assert "198.51.100.8" in at.get(LIST).content.decode()


def test_those_long_gone_are_forgotten(at: Client, phone: Client) -> None:
    at.get(LIST)
    UserSession.objects.filter(ip="198.51.100.7").update(last_seen_at=timezone.now() - timedelta(days=15))
    assert browsers.prune() == 1
    assert UserSession.objects.count() == 1


@pytest.mark.parametrize(
    "told,word",
    [
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", "Safari on macOS"),
        ("curl/8", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_in_words(told: str, word: str) -> None:
    assert browsers.device(told) == word


# --- passkeys: with a key in software -------------------------------------------------------------------------------------


def options_on(page: Any) -> dict[str, Any]:
    found = re.search(r'<script id="js-data" type="application/json">(.+?)</script>', page.content.decode())
    assert found
    told: dict[str, Any] = json.loads(found[1])
    options: dict[str, Any] = told.get("creation_options") or told["request_options"]
    return options


def add(browser: Client, key: SoftKey, *, alone: bool) -> None:
    answer = key.register(options_on(browser.get(ADD)))
    sent = {"credential": json.dumps(answer), "name": "Key", **({"passwordless": "on"} if alone else {})}
    assert browser.post(ADD, sent).status_code == 302


def enter(browser: Client, key: SoftKey) -> bool:
    """Whether it lets in by itself."""
    options = browser.get(PASSKEY, headers={"accept": "application/json"}).json()["request_options"]
    return bool(browser.post(PASSKEY, {"credential": json.dumps(key.sign(options))})["Location"] != LOGIN)


def elsewhere() -> Client:
    return Client(SERVER_NAME="localhost")


def test_a_key_signs_in_alone_where_its_person_wants_that(by_name: Client) -> None:
    laptop, ring = SoftKey(), SoftKey()
    add(by_name, laptop, alone=True)
    add(by_name, ring, alone=False)
    page = by_name.get(INDEX).content.decode()
    assert page.index("Signs you in alone") < page.index("After the password")
    assert enter(elsewhere(), laptop)
    assert not enter(elsewhere(), ring)


def test_a_stolen_key_without_its_pin_lets_nobody_in(by_name: Client, cast: Cast) -> None:
    """Neither on another page's challenge, which is content with a touch."""
    stolen, own = SoftKey(), SoftKey()
    add(by_name, stolen, alone=True)
    stolen.verifies = False
    assert not enter(elsewhere(), stolen)
    cast.eve.set_password(PASSWORD)
    cast.eve.save()
    eve = elsewhere()
    eve.force_login(cast.eve)
    eve.post(CONFIRM, {"password": PASSWORD})
    add(eve, own, alone=False)
    for verifies in (False, True):
        stolen.verifies = verifies
        eves = elsewhere()
        eves.post(LOGIN, {"login": "eve@globex.example", "password": PASSWORD})
        answer = stolen.sign(options_on(eves.get(STEP)))
        halfway = eves.session
        del halfway["account_login"]
        halfway.save()
        assert (eves.post(PASSKEY, {"credential": json.dumps(answer)})["Location"] == LOGIN) != verifies, "the challenge itself is good"


def test_more_than_any_key_says_is_not_looked_at(by_name: Client) -> None:
    key = SoftKey()
    answer = key.register(options_on(by_name.get(ADD)))
    answer["response"]["more"] = "x" * 20_000
    refused = by_name.post(ADD, {"credential": json.dumps(answer), "name": "Key"})
    assert refused.status_code == 422
    answer = key.register(options_on(refused))
    answer["response"]["more"] = "x" * 10
    assert by_name.post(ADD, {"credential": json.dumps(answer), "name": "Key"}).status_code == 302
    assert "more" not in Authenticator.objects.get(type="webauthn").data["credential"]["response"]


def test_the_code_that_sets_an_app_up_signs_in_nowhere(at: Client, carl: User) -> None:
    secret = secret_on(at.get(SET_UP).content.decode())
    first = code_of(secret)
    assert at.post(SET_UP, {"code": first}).status_code == 302
    assert session(code=code_of(secret, steps=1)).status_code == 200
    assert session(code=first).status_code == 401


def test_looking_ahead_does_not_use_up_the_one_look_at_recovery_codes(at: Client) -> None:
    set_up(at)
    assert at.head(CODES).status_code == 405
    assert len(codes_on(at.get(CODES).content.decode())) == 10


def test_everywhere_else_means_browsers_that_never_asked_for_a_page(at: Client, carl: User) -> None:
    quiet = Client(headers={"accept": "application/json"})
    quiet.force_login(carl)
    assert quiet.get("/t/acme/").status_code == 200
    at.post(OTHERS)
    assert quiet.get("/t/acme/").status_code != 200


def test_a_program_that_signs_in_while_the_password_changes_is_not_in(carl: User) -> None:
    before = User.objects.get(pk=carl.pk)
    change_password(carl, password="staple battery horse")
    with pytest.raises(sessions.SignedOutError):
        sessions.start(before)
    assert sessions.start(User.objects.get(pk=carl.pk))
    User.objects.filter(pk=carl.pk).update(is_active=False)
    with pytest.raises(sessions.SignedOutError):
        sessions.start(User.objects.get(pk=carl.pk))
