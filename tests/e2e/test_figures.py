"""What a first visit costs: requests, bytes over the wire, and how far things jump."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests import turns
from tests.e2e.pages import Place, places
from tests.e2e.world import World, settled

MOST_BYTES = 100_000
# Layout shift (https://web.dev/articles/cls): of what is there when the page has settled, nothing moved.
WATCH = """() => { window.shifts = 0; window.shifted = []; new PerformanceObserver(list => list.getEntries().forEach(each => {
  if (each.hadRecentInput) return;
  window.shifts += each.value;
  window.shifted.push(...each.sources.map(({ node }) => node ? node.nodeName + ' ' + (node.textContent || '').trim().slice(0, 40) : '?'));
})).observe({ type: 'layout-shift', buffered: true }) }"""
# A starved machine paints a half-read page, whose tables then find their columns. What a page does by itself, it does each time.
VISITS = 3
# `make test` visits every sixth page, `make test-long` all.
STEP = 6


@pytest.fixture(scope="module")
def everywhere(world: World) -> list[Place]:
    return places(world)


def test_a_first_visit_is_light_and_still(world: World, everywhere: list[Place]) -> None:
    figures: dict[str, dict[str, Any]] = {}
    for email in sorted({place.email for place in everywhere}):
        with world.person(email) as page:
            received = measured(page)
            page.add_init_script(f"({WATCH})()")
            visited = [place for place in turns.every(everywhere, STEP) if place.email == email]
            figures |= {place.name: stillest(world, page, place, received) for place in visited}
    width = max(map(len, figures))
    for name, found in figures.items():
        print(f"{name:{width}}  {found['requests']:2} requests  {found['bytes'] / 1000:6.1f} kB  shift {found['shift']:.3f}")
    assert {name: found for name, found in figures.items() if found["bytes"] > MOST_BYTES} == {}
    assert {name: found for name, found in figures.items() if found["shift"] > 0} == {}
    assert {name: found for name, found in figures.items() if found["elsewhere"]} == {}


def first_visit(world: World, page: Page, place: Place) -> dict[str, Any]:
    """One page alone, for `bench.visits`."""
    received = measured(page)
    page.add_init_script(f"({WATCH})()")
    return visit(world, page, place, received)


def stillest(world: World, page: Page, place: Place, received: dict[str, int]) -> dict[str, Any]:
    for _ in range(VISITS):
        found = visit(world, page, place, received)
        if not found["shift"]:
            break
    return found


def visit(world: World, page: Page, place: Place, received: dict[str, int]) -> dict[str, Any]:
    """The page as who comes for the first time gets it: `measured` has the browser keep nothing."""
    # What the page before still asked for is not this one's.
    page.goto("about:blank")
    received.clear()
    page.goto(place.path)
    settled(page)
    page.wait_for_timeout(50)
    shift, shifted = page.evaluate("[window.shifts, window.shifted]")
    elsewhere = [url for url in received if not url.startswith((world.stack.portal_url, "data:"))]
    return {"requests": len(received), "bytes": sum(received.values()), "shift": shift, "shifted": shifted, "elsewhere": elsewhere}


def measured(page: Page) -> dict[str, int]:
    """Bytes over the wire by address, headers included, filled as answers come; nothing comes from what the browser keeps."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    address: dict[str, str] = {}
    received: dict[str, int] = {}
    session.on("Network.requestWillBeSent", lambda event: address.update({event["requestId"]: event["request"]["url"]}))
    session.on(
        "Network.loadingFinished",
        lambda event: received.update({address.get(event["requestId"], "?"): int(event["encodedDataLength"])}),
    )
    return received
