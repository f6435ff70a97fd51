"""In a browser: the theme at once, and nothing typed is lost when the session is, or when something fails."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page

from tenants.models import User
from tests.conftest import make_cast
from tests.e2e import chromium

PASSWORD = "correct horse battery"
# Some other form of the page: sent by htmx to where nothing is.
TO_NOWHERE = """() => {
  const form = document.querySelector("main form");
  form.setAttribute("hx-post", "/nowhere/");
  form.setAttribute("hx-target", "#app");
  form.setAttribute("hx-select", "#app");
  htmx.process(form);
}"""
ASKS = """(trigger) => {
  const part = document.createElement("button");
  part.id = "part";
  part.textContent = "Look again";
  part.setAttribute("hx-get", "/t/acme/receipts/1/?part=1");
  part.setAttribute("hx-trigger", trigger);
  document.querySelector("main").append(part);
  htmx.process(part);
}"""


@pytest.fixture
def carl(transactional_db: None) -> User:
    found = make_cast().carl
    found.set_password(PASSWORD)
    found.save()
    return found


@pytest.fixture(params=["light", "dark"])
def page(request: Any, carl: User, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """Carl's, at his profile. `light` and `dark` is how his system has it."""
    # Playwright's loop runs in this thread; the database is asked between its turns.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with chromium.browser() as browser:
        context = browser.new_context(base_url=live_server.url, color_scheme=request.param, locale="en")
        found = context.new_page()
        found.goto("/profile/")
        sign_in(found)
        yield found
        context.close()


def sign_in(page: Page) -> None:
    page.get_by_label("E-mail").fill("carl@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/profile/")


def test_the_theme_changes_at_once_and_is_kept(page: Page, carl: User, request: Any) -> None:
    light = "[light]" in request.node.name
    names = ["Dark", "Light"] if light else ["Light", "Dark"]
    button = page.locator("[data-theme-form] button")
    for at, name in enumerate(names):
        assert button.inner_text().strip() == name
        assert button.locator("svg:visible").count() == 1
        with page.expect_response("**/profile/theme/"):
            button.click()
        assert page.evaluate("document.documentElement.dataset.theme") == name.lower()
        assert button.inner_text().strip() == names[1 - at]
        assert User.objects.get(pk=carl.pk).theme == name.lower()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == names[1].lower()


def test_nothing_typed_is_lost(page: Page, carl: User) -> None:
    name = page.get_by_label("Name")
    name.fill("Carolus")
    Session.objects.all().delete()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/accounts/login/**")
    sign_in(page)
    assert name.input_value() == "Carolus"
    page.evaluate(TO_NOWHERE)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").get_by_text("There is nothing here, or nothing that you may see.").wait_for()
    assert name.input_value() == "Carolus"
    Session.objects.all().delete()
    with page.expect_response("**/receipts/1/**"):
        page.evaluate(ASKS, "load")
    page.wait_for_timeout(200)
    assert page.url.endswith("/profile/"), "what a page asks for by itself does not lead away"
    assert name.input_value() == "Carolus"
    page.locator("#part").evaluate("each => each.remove()")
    page.evaluate(ASKS, "click")
    page.locator("#part").click()
    page.wait_for_url("**/accounts/login/?next=%2Fprofile%2F")
