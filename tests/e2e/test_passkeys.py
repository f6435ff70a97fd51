"""Second factors in a real browser: a passkey by Chromium's virtual authenticator, an app by its codes; and what their pages look like."""

import os
import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from tenants.models import PlatformEvent, Tenant, TenantSettings, User
from tenants.scope import tenant_scope
from tests import turns
from tests.conftest import make_cast
from tests.e2e import chromium
from tests.e2e.test_axe import RULES
from tests.e2e.world import SIZES, THEMES, complaints, watched

PASSWORD = "correct horse battery"
PLATFORM = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
# Where somebody wants to look at the pages: a folder for their pictures.
PICTURES = os.environ.get("PORTICO_PICTURES")


@pytest.fixture
def carl(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> User:
    # Playwright's loop runs in this thread; the database is asked between its turns.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    found = make_cast().carl
    found.set_password(PASSWORD)
    found.save()
    return found


@pytest.fixture
def context(carl: User, live_server: Any) -> Iterator[BrowserContext]:
    with chromium.browser() as browser:
        found = browser.new_context(base_url=live_server.url, locale="en", reduced_motion="reduce", viewport={"width": 1280, "height": 900})
        found.set_default_timeout(chromium.PATIENCE_MS)
        yield found
        found.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return watched(context)


@pytest.fixture
def device(context: BrowserContext, page: Page) -> CDPSession:
    """A laptop with a fingerprint reader, whose person is there and willing."""
    found = context.new_cdp_session(page)
    found.send("WebAuthn.enable")
    found.send("WebAuthn.addVirtualAuthenticator", {"options": {**PLATFORM, "automaticPresenceSimulation": True}})
    return found


def sign_in(page: Page) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill("carl@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda url: "/login/" not in url)


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")


def confirm(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def fine(page: Page, name: str) -> None:
    """Nobody is kept out, nothing is too wide, and the browser has no complaint."""
    for theme, width in product(THEMES, SIZES) if turns.whole() or PICTURES else zip(THEMES, SIZES, strict=True):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        found = Axe().run(page, options=RULES).response["violations"]
        assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == [], f"{name} {theme} {width}"
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), f"{name} {theme} {width}"
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{theme}-{width}.png", full_page=True, caret="initial")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert complaints(page) == [], name


def add_passkey(page: Page, *, alone: bool = True) -> None:
    page.goto("/accounts/2fa/passkeys/add/")
    if "/confirm/" in page.url:
        confirm(page)
    page.get_by_label("Name").fill("Laptop")
    page.get_by_label("Sign in with it alone").set_checked(alone)
    page.get_by_role("button", name="Add it now").click()


def test_carl_adds_a_passkey_and_signs_in_with_it_alone(page: Page, device: CDPSession, carl: User) -> None:
    sign_in(page)
    page.goto("/profile/")
    page.get_by_role("link", name="Set up second factors").click()
    fine(page, "second-factors-none")
    page.get_by_role("link", name="Add a passkey").click()
    fine(page, "confirm")
    confirm(page)
    fine(page, "passkey-add")
    add_passkey(page)
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    fine(page, "codes")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert len(Path(download.value.path()).read_text().split()) == 10
    page.get_by_role("link", name="I have stored them").click()
    expect(page.get_by_text("Signs you in alone")).to_be_visible()
    fine(page, "second-factors-passkey")

    sign_out(page)
    fine(page, "sign-in")
    page.goto("/accounts/login/?next=/profile/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()
    assert complaints(page) == []
    event = PlatformEvent.objects.latest("number")
    assert (event.kind, event.actor_id, event.data) == ("login.succeeded", carl.pk, {"second_factor": "webauthn"})


def test_a_key_that_is_asked_for_after_the_password(page: Page, device: CDPSession, carl: User) -> None:
    sign_in(page)
    add_passkey(page, alone=False)
    page.get_by_role("link", name="I have stored them").click()
    expect(page.get_by_text("After the password")).to_be_visible()
    sign_out(page)
    sign_in(page)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    fine(page, "second-step")
    page.get_by_role("button", name="Use a passkey or security key").click()
    page.wait_for_url("**/t/acme/")

    page.goto("/accounts/2fa/codes/new/")
    page.get_by_role("link", name="use a passkey").click()
    expect(page.get_by_label("Password")).to_have_count(0)
    fine(page, "confirm-passkey")
    page.get_by_role("button", name="Use a passkey or security key").click()
    expect(page.get_by_role("heading", name="Make new recovery codes?")).to_be_visible()
    fine(page, "codes-new")
    page.get_by_role("button", name="Make new codes").click()
    expect(page.locator("#the-codes")).to_be_visible()

    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Rename").click()
    fine(page, "passkey-rename")
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Remove Work laptop").click()
    expect(page.get_by_text("It is the last one")).to_be_visible()
    fine(page, "passkey-remove")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("“Work laptop” is removed.")).to_be_visible()
    assert not Authenticator.objects.filter(user=carl).exists()


def test_the_page_says_so_when_the_key_refuses(page: Page, device: CDPSession, carl: User) -> None:
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="Nothing came of it")).to_be_visible()
    assert complaints(page) == []


def test_an_app_set_up_because_the_tenant_asks_for_it(page: Page, carl: User) -> None:
    with tenant_scope(Tenant.objects.get(slug="acme").pk):
        TenantSettings.objects.update(mfa_required=True)
    sign_in(page)
    expect(page.get_by_role("heading", name="A second factor is needed")).to_be_visible()
    fine(page, "needed")
    page.get_by_role("link", name="Set up an authenticator app").click()
    confirm(page)
    fine(page, "app")
    secret = page.locator("#the-secret").inner_text().replace(" ", "")
    page.get_by_label("Code", exact=True).fill("123")
    page.get_by_role("button", name="Set up").click()
    expect(page.locator('[aria-invalid="true"]')).to_be_focused()
    fine(page, "app-wrong")
    page.get_by_label("Code", exact=True).fill(totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30)))
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("link", name="I have stored them").click()
    page.wait_for_url("**/t/acme/")
    page.goto("/accounts/2fa/")
    fine(page, "second-factors-app")

    sign_out(page)
    sign_in(page)
    fine(page, "second-step-app")
    page.get_by_label("Code", exact=True).fill(totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30 + 1)))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/t/acme/")


def test_signing_out_another_browser(page: Page, context: BrowserContext, carl: User, live_server: Any) -> None:
    assert context.browser
    phone = context.browser.new_context(base_url=live_server.url, locale="en", user_agent="Mozilla/5.0 (iPhone) Version/18 Safari/604")
    elsewhere = phone.new_page()
    sign_in(elsewhere)
    sign_in(page)
    page.goto("/accounts/sessions/")
    expect(page.get_by_role("cell", name="Safari on iPhone").first).to_be_visible()
    expect(page.get_by_text("This one")).to_have_count(1)
    fine(page, "sessions")
    page.get_by_role("link", name="Sign out Safari on iPhone").click()
    page.locator("dialog[open]").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Safari on iPhone is signed out.")).to_be_visible()
    elsewhere.goto("/t/acme/")
    expect(elsewhere).to_have_url(re.compile("/accounts/login/"))
    page.goto("/t/acme/")
    expect(page).to_have_url(re.compile("/t/acme/"))
    phone.close()
