"""A session that ends in the middle of a form, and a form that has grown old: what was typed is there again."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from gateway.tasks import prune
from portal import kept
from portal.forms import PageForm
from tenants.models import User
from tests.conftest import Cast

PASSWORD = "correct horse battery"
SENT = {"name": "Carolus Ω & <b>", "time_zone": "Europe/Berlin", "language": "de", "theme": "dark", "once": "0" * 32}
TYPED = ['value="Carolus Ω &amp; &lt;b&gt;"', '<option value="Europe/Berlin" selected>', '<option value="de" selected>']
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/t/acme/apps/?q=a", "HX-Target": "dialog"}
OURS = {"origin": "http://testserver"}


@pytest.fixture
def carl(cast: Cast) -> User:
    for person in (cast.carl, cast.ada):
        person.set_password(PASSWORD)
        person.save()
    return cast.carl


@pytest.fixture
def client() -> Client:
    """In English, whatever Carl's language becomes."""
    return Client(headers={"accept-language": "en"})


def sign_in(client: Client, address: str, email: str = "carl@acme.example") -> Any:
    return client.post(address, {"login": email, "password": PASSWORD})


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_what_carl_typed_is_there_after_signing_in(carl: User, client: Client) -> None:
    lost = client.post("/profile/", SENT)
    assert (lost.status_code, lost["Location"]) == (302, "/accounts/login/?next=%2Fprofile%2F")
    assert "You were signed out. Sign in, and what you typed is there again." in text(client.get(lost["Location"]))
    back = sign_in(client, lost["Location"])
    assert back["Location"] == "/profile/"
    page = text(client.get("/profile/"))
    assert all(each in page for each in TYPED)
    assert "You were signed out before this was sent. Look at it once more, then send it." in page
    once = re.search(r'name="once" value="(\w{32})"', page)
    assert once is not None
    assert once[1] != SENT["once"], "what was sent before may have been done"
    carl.refresh_from_db()
    assert carl.name == "Carl", "nothing is done until it is sent again"
    assert not any(each in text(client.get("/profile/")) for each in TYPED), "once"


def test_the_query_of_the_form_comes_back_too(carl: User, client: Client) -> None:
    assert client.post("/profile/?from=x", SENT)["Location"] == "/accounts/login/?next=%2Fprofile%2F%3Ffrom%3Dx"


def test_htmx_is_led_by_the_browser(carl: User, client: Client) -> None:
    lost = client.post("/profile/", SENT, headers=HTMX)
    assert (lost.status_code, lost["HX-Redirect"]) == (200, "/accounts/login/?next=%2Fprofile%2F")
    sign_in(client, lost["HX-Redirect"])
    assert TYPED[0] in text(client.get("/profile/"))
    client.logout()
    fragment = client.get("/t/acme/receipts/1/?part=1", headers=HTMX)
    assert fragment["HX-Redirect"] == "/accounts/login/?next=%2Ft%2Facme%2Fapps%2F%3Fq%3Da", "to the page that the fragment stands on"
    elsewhere = {**HTMX, "HX-Current-URL": "https://evil.example/x"}
    assert client.get("/t/acme/receipts/1/", headers=elsewhere)["HX-Redirect"].endswith("next=%2Ft%2Facme%2Freceipts%2F1%2F")
    doubled = client.get("/t/acme/receipts/1/", headers={**HTMX, "HX-Current-URL": "http://testserver//evil.example/"})
    assert sign_in(client, doubled["HX-Redirect"])["Location"] == "/t/acme/receipts/1/"


def test_a_tenants_form_is_kept_for_those_who_may_open_it(carl: User, client: Client, cast: Cast) -> None:
    """To a stranger there is nothing there, typed or not."""
    lost = client.post("/t/acme/receipts/1/", SENT)
    client.force_login(cast.eve)
    assert client.get("/t/acme/receipts/1/").status_code == 404
    assert lost["Location"] == "/accounts/login/?next=%2Ft%2Facme%2Freceipts%2F1%2F"


def test_it_ends_with_the_session_of_whoever_signed_in(carl: User, client: Client) -> None:
    client.post("/profile/", SENT)
    sign_in(client, "/accounts/login/")
    client.post("/accounts/logout/")
    sign_in(client, "/accounts/login/", "ada@acme.example")
    assert TYPED[0] not in text(client.get("/profile/"))


def test_another_person_over_an_open_session_sees_none_of_it(carl: User, client: Client, cast: Cast) -> None:
    client.post("/profile/", SENT)
    sign_in(client, "/accounts/login/")
    client.force_login(cast.ada)
    assert TYPED[0] not in text(client.get("/profile/"))


def test_it_is_kept_for_an_hour(carl: User, client: Client, monkeypatch: Any) -> None:
    client.post("/profile/", SENT)
    session = Session.objects.get()
    assert (session.expire_date - timezone.now()).total_seconds() <= kept.SECONDS
    sign_in(client, "/accounts/login/")
    assert client.session.get_expiry_age() > kept.SECONDS, "signed in, it is an ordinary session"
    later = time.time() + kept.SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert TYPED[0] not in text(client.get("/profile/"))


def test_only_the_address_it_was_sent_to_shows_it(carl: User, client: Client) -> None:
    client.post("/profile/theme/", {"theme": "dark", "next": "/"})
    client.post("/profile/", SENT)
    sign_in(client, "/accounts/login/")
    assert TYPED[0] not in text(client.get("/accounts/password/change/"))
    assert TYPED[0] in text(client.get("/profile/"))


def test_secrets_are_never_kept(carl: User, client: Client) -> None:
    lost = {
        "old_password": "hunter2-a",
        "password": "hunter2-b",
        "client_secret": "hunter2-c",
        "Secret_Value": "hunter2-d",
        "key": "hunter2-e",
        "name": "x",
    }
    client.post("/accounts/password/change/", lost)
    assert client.session[kept.KEY]["fields"] == "name=x"
    assert "hunter2" not in str(client.session.items())
    assert "hunter2" not in str(client.cookies)


def page_forms(form: type[forms.Form] = PageForm) -> list[type[forms.Form]]:
    return [form, *(each for sub in form.__subclasses__() for each in page_forms(sub))]


def test_every_field_for_a_secret_is_called_so() -> None:
    """By its name it is left out of what is kept."""
    fields = [
        (form, name) for form in page_forms() for name, field in form.base_fields.items() if isinstance(field.widget, forms.PasswordInput)
    ]
    assert len(fields) >= 3
    assert [(form, name) for form, name in fields if not kept.is_secret(name)] == []


def test_what_is_too_long_is_not_kept_and_told_so(carl: User, client: Client) -> None:
    lost = client.post("/profile/", {**SENT, "name": "x" * (kept.MOST_BYTES + 1)})
    assert kept.KEY not in client.session
    assert "You were signed out. What you typed is too long to be kept." in text(client.get(lost["Location"]))


def test_a_file_cannot_be_kept_and_is_asked_for_again(carl: User, client: Client) -> None:
    lost = client.post("/profile/", {**SENT, "document": SimpleUploadedFile("a.yml", b"openapi: 3.1.0")})
    assert "Choose the file again; files are not kept." in text(client.get(lost["Location"]))
    sign_in(client, lost["Location"])
    page = text(client.get("/profile/"))
    assert TYPED[0] in page
    assert "Choose the file again; files are not kept." in page


def test_nobody_fills_the_table_of_sessions(carl: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(kept, "MOST_PER_ADDRESS", 3)
    statuses = [Client().post("/profile/", SENT).status_code for _ in range(5)]
    assert statuses == [302, 302, 302, 429, 429]
    assert Session.objects.count() == 3
    page = Client().post("/profile/", SENT)
    assert re.search(r"Too many forms\. Wait \d+ seconds", text(page))
    assert 'name="name" value="Carolus Ω &amp; &lt;b&gt;"' in text(page), "still there, to be sent again"
    assert Client().post("/profile/", {}).status_code == 302, "nothing typed is nothing kept"


def test_sessions_that_ended_are_removed(carl: User, client: Client) -> None:
    client.post("/profile/", SENT)
    prune()
    assert Session.objects.count() == 1
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    prune()
    assert Session.objects.count() == 0


def test_programs_are_told_401(client: Client, db: None) -> None:
    answer = client.post("/profile/", SENT, headers={"accept": "application/json"})
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert not Session.objects.exists()


# --- forms that have grown old ------------------------------------------------------------------------------------


@pytest.fixture
def strict(carl: User) -> Client:
    """Carl's browser, where tokens count."""
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    client.force_login(carl)
    return client


def test_an_old_form_comes_back_filled_in(strict: Client, carl: User) -> None:
    old = strict.post("/profile/", SENT, headers=OURS)
    assert (old.status_code, old["Location"]) == (302, "/profile/")
    page = text(strict.get("/profile/"))
    assert all(each in page for each in TYPED)
    assert "This form had grown old, so nothing was done." in page
    carl.refresh_from_db()
    assert carl.name == "Carl"
    by_htmx = strict.post("/profile/", SENT, headers={**OURS, **HTMX})
    assert by_htmx["HX-Redirect"] == "/profile/"


def test_a_form_of_another_site_is_refused_and_not_kept(strict: Client) -> None:
    for origin in ({"origin": "https://evil.example"}, {"origin": "null"}, {}):
        answer = strict.post("/profile/", SENT, headers=origin)
        assert answer.status_code == 403
        assert "This form came from elsewhere." in text(answer)
    assert kept.KEY not in strict.session
    assert TYPED[0] not in text(strict.get("/profile/"))


def test_an_old_sign_in_page_keeps_the_address_but_not_the_password(carl: User) -> None:
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    address = "/accounts/login/?next=/profile/"
    old = client.post(address, {"login": "carl@acme.example", "password": PASSWORD}, headers=OURS)
    assert (old.status_code, old["Location"]) == (302, address)
    page = text(client.get(address))
    assert 'value="carl@acme.example"' in page
    assert PASSWORD not in page
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    form = {"login": "carl@acme.example", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    assert client.post(address, form, headers=OURS)["Location"] == "/profile/"


def test_an_old_sign_out_asks_again(strict: Client) -> None:
    assert strict.post("/accounts/logout/", headers=OURS)["Location"] == "/accounts/logout/"
    assert "This form had grown old, so nothing was done." in text(strict.get("/accounts/logout/"))


def test_an_old_form_without_a_session_waits_behind_the_sign_in(carl: User) -> None:
    client = Client(headers={"accept-language": "en"})
    client.handler.enforce_csrf_checks = True
    assert client.post("/profile/", SENT, headers=OURS)["Location"] == "/profile/"
    client.handler.enforce_csrf_checks = False
    sign_in(client, client.get("/profile/")["Location"])
    assert TYPED[0] in text(client.get("/profile/"))
