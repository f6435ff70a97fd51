"""What a first visit of each page costs: requests, bytes over the wire, layout shift: `python -m bench.visits`. Tests hold the bounds."""

from typing import Any

from bench.stage import report, stack
from tests.e2e import chromium
from tests.e2e.pages import places
from tests.e2e.test_figures import first_visit
from tests.e2e.world import World


def main() -> int:
    with stack() as running, chromium.browser() as browser:
        world = World(running, browser)
        found = {}
        for place in places(world):
            with world.person(place.email) as page:
                found[place.name] = first_visit(world, page, place)
    report(
        "visits",
        {name: f"{each['requests']} requests, {each['bytes'] / 1000:.1f} kB, shift {each['shift']:.3f}" for name, each in found.items()},
    )
    return 0


def said(found: dict[str, Any]) -> str:
    return f"{found['requests']} requests, {found['bytes'] / 1000:.1f} kB, shift {found['shift']:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
