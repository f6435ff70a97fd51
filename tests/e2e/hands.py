"""Three ways to use a page: with a mouse, with the keyboard alone, and without scripts."""

import re
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Locator, Page

Role = Literal["button", "link"]
Name = str | re.Pattern[str]
# More than there are places to stop at on any page.
MOST_TABS = 150


@dataclass
class Mouse:
    page: Page

    def press(self, role: Role, name: Name) -> None:
        self.find(role, name).click()

    def write(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)

    def choose(self, label: str, option: str) -> None:
        """Of a list."""
        self.page.get_by_label(label, exact=True).select_option(label=option)

    def pick(self, label: Name) -> None:
        """One of a few."""
        self.page.get_by_label(label).check()

    def tick(self, label: Name, *, on: bool = True) -> None:
        self.page.get_by_label(label).set_checked(on)

    def find(self, role: Role, name: Name) -> Locator:
        """The first that can be seen: in a dialog, where one is open."""
        inside = self.page.locator("dialog[open]")
        root = inside if inside.count() else self.page
        return root.get_by_role(role, name=name, exact=True).and_(self.page.locator(":visible")).first


@dataclass
class Keyboard(Mouse):
    """Only keys: Tab to get somewhere, Enter and Space to do it, letters and arrows to write and choose."""

    def press(self, role: Role, name: Name) -> None:
        self._reach(self.find(role, name))
        self.page.keyboard.press("Enter")

    def write(self, label: str, text: str) -> None:
        self._reach(self.page.get_by_label(label, exact=True))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, label: str, option: str) -> None:
        field = self.page.get_by_label(label, exact=True)
        self._reach(field)
        self.page.keyboard.type(option)
        assert field.locator("option:checked").text_content() == option

    def pick(self, label: Name) -> None:
        wanted = self.page.get_by_label(label)
        group = self.page.locator(f"input[type=radio][name='{wanted.get_attribute('name')}']")
        self._reach(group)
        for _ in range(group.count()):
            self.page.keyboard.press("Space")
            if wanted.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
            if wanted.is_checked():
                return
        raise AssertionError(f"The keys never reached {label}.")

    def tick(self, label: Name, *, on: bool = True) -> None:
        box = self.page.get_by_label(label)
        self._reach(box)
        if box.is_checked() != on:
            self.page.keyboard.press("Space")
        assert box.is_checked() == on

    def _reach(self, wanted: Locator) -> None:
        """Tab until it, or one of them, has the focus; and the focus can be seen there."""
        wanted.first.wait_for()
        for _ in range(MOST_TABS):
            if any(each.evaluate("each => each === document.activeElement") for each in wanted.all()):
                assert self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or self._ringed(), (
                    f"The focus on {wanted} can't be seen."
                )
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{MOST_TABS} times Tab did not lead to {wanted}.")

    def _ringed(self) -> bool:
        """The ring of what stands round it."""
        return bool(
            self.page.evaluate(
                "[...document.querySelectorAll(':has(:focus-visible)')].some(each => getComputedStyle(each).outlineStyle !== 'none')"
            )
        )
