"""Every link and button of every page, pressed as each role: none leads to an error page, and the browser has no complaint.

`make test` presses every eighth of what can be pressed, on every other kind of page, others as each role; `make test-long` all on all.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Error, Page

from tests import turns
from tests.e2e.pages import ADA, CARL, OLGA, PAM, UGO
from tests.e2e.world import TENANT, World, complaints, settled

# All that can be pressed and seen, each with what makes it different from others.
PRESSABLE = """() => [...document.querySelectorAll('a[href], button, summary, select, [hx-get]')]
  .filter(each => each.checkVisibility() && !each.disabled && !each.closest('dialog:not([open])'))
  .map((each, at) => { each.dataset.at = at; return {
    at, shell: !each.closest('main, dialog'), tag: each.tagName, href: each.getAttribute('href') || '',
    action: each.getAttribute('formaction') || (each.form ? each.form.getAttribute('action') || location.pathname : ''),
    method: each.form ? each.form.method : 'get', download: each.hasAttribute('download'),
    words: (each.innerText || each.getAttribute('aria-label') || '').trim().slice(0, 60) } })"""
FIRST = 8
# What ends the walk, here or for those who walk later, or leaves Portico's pages.
APART = re.compile(
    r"/accounts/logout/|/api/docs/|/platform/tables/|/profile/theme/|/members/[^/]+/remove/|/leave/|/settings/close/|/people/[^/]+/close/|"
    r"/apps/[^/]+/delete/|/platform/gateways/[^/]+/(?:drain|undrain|revoke|forget)/"
)


@dataclass(frozen=True)
class Thing:
    """`shell`: it stands round the page, on every page alike."""

    at: int
    shell: bool
    tag: str
    href: str
    action: str
    method: str
    download: bool
    words: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Two things with one key lead to the same kind of place: to press one is enough."""
        place = self.href if self.tag == "A" else self.action
        return self.tag, kind(place) or place, "" if self.tag == "A" else re.sub(r"[\d\s]+", " ", self.words)


def kind(address: str) -> str:
    """The name of an address with the names of what it asks for: two pages of one kind have the same buttons."""
    parts = urlsplit(address)
    if not parts.path:
        return address
    try:
        found = resolve(parts.path)
    except Resolver404:
        return ""
    asked = sorted(
        part if part.startswith(("tab=", "show=", "status=")) else part.partition("=")[0] for part in parts.query.split("&") if part
    )
    return f"{found.url_name}?{'&'.join(asked)}"


@pytest.mark.parametrize("email", [CARL, ADA, PAM, UGO, OLGA])
def test_nothing_that_can_be_pressed_meets_an_error(world: World, email: str) -> None:
    with world.person(email) as page:
        walk = Walk(page, world.stack.portal_url, email)
        walk.everything(["/", "/tenants/", "/profile/"])
    assert walk.wrong == []
    print(f"{email}: {len(walk.seen)} kinds of pages, {len(walk.pressed)} things to press")
    # Who has no role anywhere sees the three pages that everybody has.
    assert len(walk.seen) >= (3 if email == OLGA else 20)
    assert len(walk.opened) >= (1 if email == OLGA else 8)


class Walk:
    """From page to page, by pressing."""

    def __init__(self, page: Page, base: str, email: str) -> None:
        self.page, self.base, self.email = page, base, email
        self.seen: set[str] = set()
        self.opened: set[str] = set()
        self.pressed: set[tuple[str, tuple[str, str, str]]] = set()
        self.wrong: list[str] = []
        self.failed: list[str] = []
        self.waiting: list[str] = []
        self.asked = 0
        page.on("request", lambda _: self._count())
        page.on("response", lambda answer: self.failed.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None)
        page.on("dialog", lambda dialog: dialog.dismiss())

    def _count(self) -> None:
        self.asked += 1

    def everything(self, starts: list[str]) -> None:
        self.waiting += starts
        while self.waiting:
            address = self.waiting.pop(0)
            name = kind(address)
            if name and name not in self.seen:
                self.seen.add(name)
                # The first pages lead to all others.
                if len(self.opened) < FIRST or turns.has_turn(f"{self.email} {name}", 2):
                    self.opened.add(name)
                    self._press_all(address, name)

    def _press_all(self, address: str, name: str) -> None:
        self._open(address)
        for thing in self._new_things(name):
            # Everything is pressed on the page as it is at first, not on what the press before left.
            left = self.page.url != self.base + address or self.page.locator("dialog[open], details[open]").count()
            if left or self.page.locator(f"[data-at='{thing.at}']").count() == 0:
                self._open(address)
            said = f"{name} {thing.words or thing.href!r}"
            try:
                self._press(thing, said)
            except Error as error:
                self.wrong.append(f"{said}: {error.message[:300]}")

    def _new_things(self, name: str) -> Iterator[Thing]:
        for each in self.page.evaluate(PRESSABLE):
            thing = Thing(**each)
            if APART.search(thing.href) or APART.search(thing.action) or "://" in thing.href or thing.href.startswith("#"):
                continue
            # Links and what stands round the page are the same everywhere; a button belongs to its page.
            where = "" if thing.tag == "A" or thing.shell else name
            if (where, thing.key) not in self.pressed:
                self.pressed.add((where, thing.key))
                if turns.has_turn(repr((where, thing.key)), 8):
                    yield thing
                elif thing.href and not thing.download:
                    self._later(urljoin(self.page.url, thing.href).removeprefix(self.base).partition("#")[0])

    def _open(self, address: str) -> None:
        self.page.goto(address)
        self.page.evaluate(PRESSABLE)
        self._check(f"open {address}")

    def _press(self, thing: Thing, said: str) -> None:
        found = self.page.locator(f"[data-at='{thing.at}']")
        if found.count() == 0 or not found.is_visible():
            # It was in a menu or a dialog that is closed again.
            return
        if thing.download:
            with self.page.expect_download():
                found.click()
            return
        if thing.tag == "SELECT":
            found.select_option(index=0)
            return
        self.asked = 0
        found.click(timeout=20_000)
        # A page that is left answers nothing.
        with suppress(Error):
            self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
        if self.asked:
            self.page.wait_for_load_state("load")
            settled(self.page)
        self._check(said)
        here = self.page.url.removeprefix(self.base).partition("#")[0]
        self._later(here)
        # A question in a dialog is a page of its own, too.
        if thing.href.startswith(f"/t/{TENANT}/") or thing.href.startswith("?"):
            self.waiting.append(thing.href if thing.href.startswith("/") else here.partition("?")[0] + thing.href)

    def _later(self, address: str) -> None:
        if address.startswith(("/t/", "/tenants", "/profile", "/refusals")):
            self.waiting.append(address)

    def _check(self, said: str) -> None:
        """What is on the screen is no error page, nothing failed on the way, and nobody complained."""
        status = self.page.locator("[data-error]")
        if status.count():
            self.wrong.append(f"{said}: an error page, {self.page.locator('h1').first.inner_text()} ({self.page.url})")
        self.wrong += [f"{said}: {each}" for each in self.failed + complaints(self.page)]
        self.failed.clear()
        self.page.complaints.clear()  # type: ignore[attr-defined]
