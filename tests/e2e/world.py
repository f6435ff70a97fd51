"""The demo's people on a running stack: signed in as they sign in, and the addresses of what there is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, BrowserContext, Page

from portal.stack import Stack
from tests.e2e import chromium

TENANT = "acme"
# In seconds.
PATIENCE = chromium.PATIENCE_MS / 1000
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES = {1280: 900, 390: 844}


@dataclass
class World:
    """A stack with the demo's data, and a browser."""

    stack: Stack
    browser: Browser
    _sessions: dict[str, Any] = field(default_factory=dict)

    def password(self, email: str) -> str:
        return next(row["password"] for row in self.stack.sign_ins if row["email"] == email)

    @contextmanager
    def person(self, email: str = "", *, theme: str = "light", width: int = 1280, scripts: bool = True) -> Iterator[Page]:
        """A page of somebody signed in; "" is nobody."""
        context = self.browser.new_context(
            base_url=self.stack.portal_url,
            viewport={"width": width, "height": SIZES[width]},
            color_scheme=theme,  # type: ignore[arg-type]
            java_script_enabled=scripts,
            reduced_motion="reduce",
            locale="en",
            storage_state=self._session(email) if email else None,
        )
        context.set_default_timeout(chromium.PATIENCE_MS)
        try:
            yield watched(context)
        finally:
            context.close()

    def _session(self, email: str) -> Any:
        """One sign-in per person, through the page; they are counted, after all."""
        if email not in self._sessions:
            context = self.browser.new_context(base_url=self.stack.portal_url, locale="en")
            page = context.new_page()
            sign_in(page, email, self.password(email))
            self._sessions[email] = context.storage_state()
            context.close()
        return self._sessions[email]

    def rest(self, email: str) -> httpx.Client:
        """The person's REST client."""
        base = f"{self.stack.portal_url}/api/v1"
        given = {"email": email, "password": self.password(email)}
        token = httpx.post(f"{base}/session/", json=given, timeout=PATIENCE).raise_for_status().json()["access"]
        return httpx.Client(base_url=f"{base}/tenants/{TENANT}/", headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE)


class BrokenPageError(AssertionError):
    """A page's own console complained."""


def watched(context: BrowserContext) -> Page:
    """A page whose complaints are collected; `complaints(page)` tells them."""
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.complaints = told  # type: ignore[attr-defined]
    return page


def complaints(page: Page) -> list[str]:
    """What the browser had to complain about, but for answers that a test asked for (a status is not a complaint), and for questions that
    the page itself took back, as the next one was asked: those htmx logs, too.
    """
    told: list[str] = page.complaints  # type: ignore[attr-defined]
    meant = r"Failed to load resource: the server responded with a status of 4\d\d|htmx:sendAbort, |htmx:afterRequest, "
    return [text for text in told if not re.search(meant, text)]


def settled(page: Page) -> None:
    """htmx waits for nothing any more. By a locator: a condition in JavaScript would be evaluated, which the page's policy forbids."""
    page.locator(".htmx-request").first.wait_for(state="detached")


def sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(r"/t/|/tenants/"))
