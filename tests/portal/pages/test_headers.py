"""What every page says of itself to the browser, and what goes wrong in our design."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

import portal.urls
from portal import errors
from tenants.access import open_to_all
from tenants.errors import Busy, Invalid, NotAllowed
from tests.conftest import Cast

ROOT = Path(settings.BASE_DIR)
HTMX = {"HX-Request": "true"}
RAISED = {
    "refused": NotAllowed("Orders v2 has live subscribers, so it can't be retired."),
    "invalid": Invalid({"name": ["Not like this."]}),
    "busy": Busy("Later."),
    "large": RequestDataTooBig("x"),
    "away": OperationalError("secret-host refused"),
    "broken": ZeroDivisionError("secret inside"),
}


@open_to_all("a test's page")
def breaks(request: HttpRequest, how: str) -> HttpResponse:
    raise RAISED[how]


handler400, handler403, handler404, handler500 = (
    portal.urls.handler400, portal.urls.handler403, portal.urls.handler404, portal.urls.handler500,
)  # fmt: skip
urlpatterns = [*portal.urls.urlpatterns, path("breaks/<str:how>/", breaks)]


@pytest.fixture
def browser(client: Client) -> Client:
    client.raise_request_exception = False
    return client


@pytest.fixture
def broken(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


# --- headers ----------------------------------------------------------------------------------------------------------


PAGES = ["/accounts/login/", "/nowhere/", "/", "/profile/", "/tenants/", "/t/acme/", "/t/acme/nothing/", "/accounts/password/change/"]


@pytest.mark.parametrize("who", ["ada", None])
@pytest.mark.parametrize("address", PAGES)
def test_every_page_carries_the_policy_and_is_stored_nowhere(cast: Cast, browser: Client, who: str | None, address: str) -> None:
    if who:
        browser.force_login(getattr(cast, who))
    answer = browser.get(address)
    policy = {name: rest for name, _, rest in (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))}
    assert {name: policy[name] for name in ("default-src", "style-src", "base-uri", "frame-ancestors", "form-action")} == {
        "default-src": "'none'", "style-src": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'", "form-action": "'self'",
    }  # fmt: skip
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    if answer.status_code != 302:
        nonce = re.fullmatch(r"'nonce-([\w+/=-]+)'", policy["script-src"])
        assert nonce is not None, policy["script-src"]
        page = answer.content.decode()
        scripts = re.findall(r"<script\b[^>]*>", page)
        assert len(scripts) >= 3
        assert all(f'nonce="{nonce[1]}"' in script and "src=" in script for script in scripts)
        assert browser.get(address)["Content-Security-Policy"] != answer["Content-Security-Policy"], "a nonce is used once"


def test_an_answer_before_any_view_carries_the_policy_too(client: Client) -> None:
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "default-src 'none'" in answer["Content-Security-Policy"]


INLINE = re.compile(
    r"<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:|hx-on|<script(?![^>]*\bnonce=|\s+type=\"application/json\")|\bhx-vals=[\"']js:|<base\b",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(r"(?:src|href|action|hx-(?:get|post))=[\"'](?:https?:)?//", re.IGNORECASE)
# Mails are no pages: no policy binds them, and their readers know no stylesheet.
TEMPLATES = [each for each in sorted((ROOT / "templates").rglob("*.html")) if "mails" not in each.parts]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: str(each.relative_to(ROOT / "templates")))
def test_no_template_holds_what_the_policy_forbids(template: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", template.read_text())
    assert INLINE.findall(text) == []
    assert ELSEWHERE.findall(text) == []


def test_the_search_for_what_is_forbidden_finds_it() -> None:
    for bad in ('<p style="x">', '<a onclick="x">', "<style>", "<script>", '<a href="javascript:x">', '<b hx-on:click="x">'):
        assert INLINE.search(bad), bad
    assert ELSEWHERE.search('<img src="//cdn.example/x.png">')


def test_the_session_cookie_is_for_the_server_alone(cast: Cast, client: Client) -> None:
    cast.carl.set_password("correct horse battery")
    cast.carl.save()
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": "carl@acme.example", "password": "correct horse battery"})
    session, token = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert (session["httponly"], session["samesite"], token["samesite"]) == (True, "Lax", "Lax")
    assert not token["httponly"], "portal.js reads it"


def test_with_https_cookies_and_transport_are_bound_to_it(tmp_path: Path) -> None:
    probe = """
import django; django.setup()
from django.conf import settings as s
from django.core.management import call_command
print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS)
call_command("check", "--deploy", "--tag", "security", "--fail-level", "WARNING")
"""
    environment = {
        "PATH": os.environ["PATH"], "PORTICO_VAR": str(tmp_path), "PORTICO_URL": "https://portico.example",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "__Host-sessionid __Host-csrftoken True True 31536000"
    assert "no issues" in done.stdout


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how,status,title,sentence",
    [
        ("refused", 409, "This can’t be done as things are", "Orders v2 has live subscribers"),
        ("invalid", 422, "This can’t be used as it is", "Not like this."),
        ("busy", 503, "Back in a moment", "Later."),
        ("large", 413, "This is too large", "This is more than the 3 MB that a form can carry."),
        ("away", 503, "Back in a moment", "reach its database just now"),
        ("broken", 500, "Something broke", "Something broke on our side."),
    ],
)
def test_what_goes_wrong_is_a_page_with_a_way_on(
    cast: Cast, broken: None, browser: Client, how: str, status: int, title: str, sentence: str
) -> None:
    browser.force_login(cast.ada)
    answer = browser.get(f"/breaks/{how}/")
    page = answer.content.decode().replace("&#x27;", "’")
    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in page
    assert sentence in page
    assert answer["X-Request-ID"] in page
    assert 'href="/"' in page
    assert "secret" not in page
    assert answer.has_header("Retry-After") == (status == 503)
    told = browser.get(f"/breaks/{how}/", headers={"accept": "application/json"})
    assert told.json()["status"] == status


def test_programs_are_answered_in_english_and_people_in_their_own(broken: None, db: None, browser: Client) -> None:
    assert browser.get("/nowhere/", headers={"accept-language": "de"})["Content-Language"] == "de"
    assert browser.get("/api/v1/nowhere/", headers={"accept-language": "de"})["Content-Language"] == "en"


def test_the_way_on_without_a_session_is_signing_in(db: None, browser: Client) -> None:
    page = browser.get("/nowhere/").content.decode()
    assert 'href="/accounts/login/"' in page
    assert "To the start" not in page


def test_a_page_that_fails_may_be_sent_again_as_it_was(cast: Cast, broken: None, browser: Client) -> None:
    browser.force_login(cast.ada)
    page = browser.post("/breaks/broken/?x=1", {"reason": 'Too "many" <calls>', "once": "abc"}).content.decode()
    assert 'action="/breaks/broken/?x=1"' in page
    assert '<input type="hidden" name="reason" value="Too &quot;many&quot; &lt;calls&gt;">' in page
    assert '<input type="hidden" name="once" value="abc">' in page
    with_secret = browser.post("/breaks/broken/", {"reason": "x", "password": "hunter2"}).content.decode()
    assert "hunter2" not in with_secret
    assert "Send it again" not in with_secret
    assert "Send it again" not in browser.post("/breaks/refused/", {"reason": "x"}).content.decode(), "it would be refused again"


def test_a_fragment_that_fails_becomes_the_whole_page(cast: Cast, broken: None, browser: Client) -> None:
    browser.force_login(cast.ada)
    answer = browser.get("/breaks/refused/", headers=HTMX)
    assert (answer["HX-Retarget"], answer["HX-Reselect"], answer["HX-Reswap"]) == ("#app", "#app", "outerHTML")
    assert '<div id="app">' in answer.content.decode()
    assert not browser.get("/breaks/refused/").has_header("HX-Retarget")


@pytest.mark.parametrize(("target", "place"), [("app", "#toasts"), ("dialog", "#dialog")])
def test_a_form_that_fails_stays_with_what_was_typed(cast: Cast, broken: None, browser: Client, target: str, place: str) -> None:
    browser.force_login(cast.ada)
    answer = browser.post("/breaks/broken/", {"reason": "x"}, headers={**HTMX, "HX-Target": target})
    assert (answer.status_code, answer["HX-Retarget"], answer["HX-Reswap"], answer["HX-Reselect"]) == (500, place, "afterbegin", ".trouble")
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert "<html" not in page
    assert answer["X-Request-ID"] in page


def test_a_body_too_large_is_told_so(cast: Cast, browser: Client) -> None:
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    strict.get("/accounts/login/")
    browser.force_login(cast.ada)
    for client, address in ((browser, "/profile/"), (strict, "/accounts/login/")):
        answer = client.post(address, {"name": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)})
        assert answer.status_code == 413
        assert "This is more than the 3 MB that a form can carry." in answer.content.decode()


def test_every_status_has_a_title() -> None:
    assert {errors.status_of(error) for error in RAISED.values()} | {400, 401, 403, 404, 429} <= set(errors.TITLES)
