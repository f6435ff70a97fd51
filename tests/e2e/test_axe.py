"""Every page, light and dark, wide and narrow: axe finds nothing, nothing is wider than the screen, and the browser has no complaint."""

import json
from itertools import product
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from portal.pages.urls import urlpatterns
from tests import turns
from tests.e2e.pages import NO_PAGES, Place, places
from tests.e2e.world import SIZES, THEMES, World, complaints, settled

WAYS = list(product(THEMES, SIZES))
AXE = Axe().axe_script
RULES = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}


@pytest.fixture(scope="module")
def everywhere(world: World) -> list[Place]:
    return places(world)


def test_every_page_is_in_the_list(everywhere: list[Place]) -> None:
    listed = {place.name.partition(":")[0] for place in everywhere}
    assert {pattern.name for pattern in urlpatterns} - listed - set(NO_PAGES) == set()


def test_nothing_keeps_people_out(world: World, everywhere: list[Place]) -> None:
    found: dict[str, Any] = {}
    for email in sorted({place.email for place in everywhere}):
        with world.person(email) as page:
            for place in everywhere:
                if place.email == email:
                    found |= look(page, place, ways(everywhere.index(place)))
    assert found == {}


def ways(number: int) -> list[tuple[Literal["light", "dark"], int]]:
    """All four; in `make test` a page is looked at in one of them, another with each page."""
    return WAYS if turns.whole() else [WAYS[number % len(WAYS)]]


def look(page: Page, place: Place, ways: list[tuple[Literal["light", "dark"], int]]) -> dict[str, list[str]]:
    """What is wrong with a page, in short, by how it is looked at."""
    page.goto(place.path)
    settled(page)
    # One document is looked at in several ways, so it is given the half a megabyte of axe once.
    page.evaluate(AXE)
    found = {}
    for theme, width in ways:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        result = page.evaluate(f"axe.run({json.dumps(RULES)})")
        wrong = [f"{each['id']}: {said(node)}" for each in result["violations"] for node in each["nodes"][:3]]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append("wider than the screen")
        found[f"{place.name} {theme} {width}"] = wrong + complaints(page)
        page.complaints.clear()  # type: ignore[attr-defined]
    return {name: wrong for name, wrong in found.items() if wrong}


def said(node: dict[str, Any]) -> str:
    return f"{node['html'][:160]} ({node['failureSummary'][:200]})"
