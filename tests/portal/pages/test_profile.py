"""One's own settings: name, time zone, language, theme, password."""

import zoneinfo
from typing import Any

import pytest
from django.test import Client

from portal.pages.profile import zones
from tenants import sessions, signing_in
from tenants.models import PlatformEvent, Theme, User
from tests.conftest import Cast, queries

SENT = {"name": "Carl", "time_zone": "Europe/Berlin", "language": "", "theme": "dark"}
PASSWORD, OTHER = "correct horse battery", "staple battery horse"
CHANGE = "/accounts/password/change/"


@pytest.fixture
def carl(cast: Cast) -> User:
    cast.carl.set_password(PASSWORD)
    cast.carl.save()
    return cast.carl


@pytest.fixture
def at(carl: User, client: Client) -> Client:
    """Carl's browser."""
    client.force_login(carl)
    return client


def test_carl_sets_his_time_zone_and_theme(at: Client, carl: User) -> None:
    assert 'data-theme="' not in at.get("/profile/").content.decode(), "as the system has it"
    done = at.post("/profile/", SENT, follow=True)
    assert done.redirect_chain == [("/profile/", 302)]
    page = done.content.decode()
    assert "Saved." in page
    assert 'data-theme="dark"' in page
    assert '<option value="Europe/Berlin" selected>Berlin</option>' in page
    carl.refresh_from_db()
    assert (carl.time_zone, carl.language, carl.theme) == ("Europe/Berlin", "", "dark")
    assert not PlatformEvent.objects.exclude(kind__startswith="tenant.").exists(), "nothing that others see has changed"


def test_the_profile_stands_without_a_tenant(at: Client) -> None:
    with queries("page:profile"):
        page = at.get("/profile/").content.decode()
    assert 'href="/t/acme/"' in page, "the way back"
    assert 'href="/t/acme/console' not in page
    assert 'aria-current="page"' in page


def test_another_name_is_an_event(at: Client, carl: User) -> None:
    at.post("/profile/", {**SENT, "name": "Karl <b>"})
    event = PlatformEvent.objects.latest("number")
    assert (event.kind, event.actor_name, event.subject_name) == ("person.renamed", "Carl", "Karl <b>")
    assert event.data == {"was": "Carl", "now": "Karl <b>"}
    assert "Karl &lt;b&gt;" in at.get("/profile/").content.decode()


@pytest.mark.parametrize(
    "wrong,sentence",
    [
        ({"name": "x" * 81}, "This has 81 characters; 80 are the most."),
        ({"name": "a\x07b"}, "Control characters can&#x27;t be used here."),
        ({"time_zone": "../../etc/passwd"}, "Choose one of the list."),
        ({"time_zone": ""}, "Fill this in."),
        ({"time_zone": "Mars/Olympus"}, "Choose one of the list."),
        ({"language": "xx"}, "Choose one of the list."),
        ({"theme": "pink"}, "Choose one of the list."),
    ],
)
def test_what_cannot_be_is_told_and_the_rest_kept(at: Client, carl: User, wrong: dict[str, str], sentence: str) -> None:
    answer = at.post("/profile/", {**SENT, "name": "Carolus", **wrong})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert f'value="{wrong.get("name", "Carolus")}"' in page
    carl.refresh_from_db()
    assert (carl.name, carl.time_zone) == ("Carl", "UTC")


def test_nobody_else_is_changed(at: Client, cast: Cast) -> None:
    at.post("/profile/", {**SENT, "pk": str(cast.eve.pk), "email": "eve@globex.example", "is_staff": "on"})
    cast.eve.refresh_from_db()
    cast.carl.refresh_from_db()
    assert (cast.eve.time_zone, cast.carl.email, cast.carl.is_staff) == ("UTC", "carl@acme.example", False)


def test_every_time_zone_of_the_list_is_one() -> None:
    names = [name for _, group in zones() for name, _ in group]
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata"} <= set(names)
    assert len(names) == len(set(names)) > 300
    assert all(zoneinfo.ZoneInfo(name) for name in names)


# --- the rail's theme button ----------------------------------------------------------------------------------------


def test_the_theme_button_keeps_the_theme_and_goes_back(at: Client, carl: User) -> None:
    assert at.post("/profile/theme/", {"theme": "dark", "next": "/t/acme/?q=x"})["Location"] == "/t/acme/?q=x"
    carl.refresh_from_db()
    assert carl.theme == Theme.DARK
    page = at.get("/profile/").content.decode()
    assert 'name="theme" value="light"' in page
    assert at.post("/profile/theme/", {"theme": "pink", "next": "https://evil.example/"})["Location"] == "/profile/"
    assert at.get("/profile/theme/")["Location"] == "/profile/"
    carl.refresh_from_db()
    assert carl.theme == Theme.DARK


# --- the password ---------------------------------------------------------------------------------------------------


def change(at: Client, **more: Any) -> Any:
    return at.post(CHANGE, {"old_password": PASSWORD, "password": OTHER, "password_again": OTHER, **more})


def test_carl_changes_his_password_and_is_signed_out_elsewhere(at: Client, carl: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(carl)
    refresh = str(sessions.start(carl))
    assert at.get(CHANGE).status_code == 200
    done = change(at)
    assert (done.status_code, done["Location"]) == (302, "/profile/")
    assert "The password is changed." in at.get("/profile/").content.decode()
    assert elsewhere.get("/profile/").status_code == 302
    assert sessions.renew(refresh) is None
    carl.refresh_from_db()
    assert carl.check_password(OTHER)
    event = PlatformEvent.objects.latest("number")
    assert (event.kind, event.actor_id, event.data) == ("login.password_changed", carl.pk, {})


@pytest.mark.parametrize(
    "wrong,sentence",
    [
        ({"old_password": "wrong"}, "This is not your password."),
        ({"old_password": ""}, "Fill this in."),
        ({"password_again": "else"}, "This is not the same as above."),
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password": "password1234", "password_again": "password1234"}, "too common"),
        ({"password": "x" * 1001, "password_again": "x" * 1001}, "This is longer than any password here."),
    ],
)
def test_a_password_that_cannot_be_is_told_why(at: Client, carl: User, wrong: dict[str, str], sentence: str) -> None:
    answer = change(at, **wrong)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not any(text in answer.content.decode() for text in (PASSWORD, OTHER))
    carl.refresh_from_db()
    assert carl.check_password(PASSWORD)
    assert not PlatformEvent.objects.filter(kind__startswith="login.").exists()


@pytest.mark.django_db(transaction=True)
def test_an_open_session_gives_the_password_to_nobody(at: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "CONFIRMATIONS", 2)
    assert [change(at, old_password="wrong").status_code for _ in range(3)] == [422, 422, 429]
    answer = change(at)
    assert answer.status_code == 429
    assert "Too many tries. Wait " in answer.content.decode()


@pytest.mark.parametrize("path", ["/profile/", "/profile/theme/", CHANGE])
def test_nobody_in_particular_signs_in_first(client: Client, db: None, path: str) -> None:
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/?next=")
