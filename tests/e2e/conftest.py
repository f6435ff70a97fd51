"""The whole stack with the demo's data, and a Chromium: started once for all tests of this folder, which run in one worker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.stack import Stack
from tests import secrets_search
from tests.e2e import chromium
from tests.e2e.world import World
from tests.portal.conftest import ANY_PORTS, open_folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker has the stack and the browser; see --dist loadgroup in the Makefile."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    with (
        open_folder() as folder,
        chromium.browser() as browser,
        Stack(folder / "var", listen=ANY_PORTS, environment=environment()) as stack,
        secrets_search.overheard(str(stack.places.run / "valkey.sock")) as broker,
    ):
        yield World(stack, browser)
        secrets_search.check_stack(stack, broker(), folder)


def environment() -> dict[str, str]:
    """Nothing of the tests' own servers: the stack brings all of it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PORTICO_", "DATABASE_", "VALKEY_", "DJANGO_"))}
