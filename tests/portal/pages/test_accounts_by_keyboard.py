"""In a browser, by keyboard alone, with and without scripts: from signing up to a forgotten password. axe finds nothing on these pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from portal import account_mails
from tenants.models import PlatformSettings, SignUp
from tests.e2e import chromium
from tests.e2e.pages import Place
from tests.e2e.test_axe import WAYS, look
from tests.e2e.world import watched
from tests.portal.account_letters import folder, letters

__all__ = ["folder"]
PASSWORD, NEW = "correct horse battery", "a staple that holds"


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request: Any, transactional_db: None, live_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    # Playwright's loop runs in this thread; the database is asked between its turns.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    settings.PORTAL_URL = live_server.url
    monkeypatch.setattr(account_mails, "RUN_SECONDS", 5.0)
    with chromium.browser() as browser:
        context = browser.new_context(base_url=live_server.url, locale="en", java_script_enabled=request.param)
        yield watched(context)
        context.close()


def type_into(page: Page, *texts: str) -> None:
    """From field to field by Tab; the last one is sent by Enter."""
    # A browser gives a page's first field the focus some time after it has loaded.
    page.locator("input:focus").wait_for()
    for number, text in enumerate(texts):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")


def heading(page: Page) -> str:
    return page.locator("h1").inner_text()


def test_nina_signs_up_forgets_her_password_and_comes_back(page: Page, folder: Path, request: Any) -> None:
    PlatformSettings.objects.create(sign_up=SignUp.DOMAINS, sign_up_domains=["new.example"])
    page.goto("/accounts/login/")
    page.get_by_role("link", name="Create an account").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts/signup/")
    type_into(page, "Nina Novák", "nina@other.example", PASSWORD)
    page.get_by_role("alert").wait_for()
    assert "Only addresses of these domains can sign up here: new.example." in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Name").input_value() == "Nina Novák"
    assert page.get_by_label("Password").input_value() == ""
    page.get_by_label("E-mail").fill("nina@new.example")
    page.get_by_label("Password").focus()
    type_into(page, PASSWORD)
    page.wait_for_url("**/accounts/confirm-email/")
    assert heading(page) == "Look into your mails"
    [letter] = letters(folder)
    page.goto(letter.link)
    axe(page, letter.link, request)
    page.goto(letter.link)
    type_into(page, PASSWORD)
    page.wait_for_url("**/tenants/")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts/login/")
    page.get_by_role("link", name="Forgot your password?").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts/password/reset/")
    type_into(page, "nina@new.example")
    page.wait_for_url("**/accounts/password/reset/done/")
    [letter] = letters(folder)
    axe(page, letter.link, request)
    page.goto(letter.link)
    type_into(page, NEW, NEW)
    page.wait_for_url("**/accounts/login/")
    assert "The password is changed. Sign in with it." in page.get_by_role("status").inner_text()
    type_into(page, "nina@new.example", NEW)
    page.wait_for_url("**/tenants/")
    context = page.context
    context.clear_cookies()
    axe(page, "/accounts/signup/", request)
    axe(page, "/accounts/login/", request)


def axe(page: Page, path: str, request: Any) -> None:
    if "no scripts" not in request.node.name:
        assert look(page, Place(path, path, ""), WAYS) == {}
