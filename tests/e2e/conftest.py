"""The whole stack with the demo's data, and a Chromium: started once for the tests of this folder that a worker runs, see tests.groups."""

import os
from collections.abc import Iterator

import pytest

from portal.stack import Stack
from tests import secrets_search
from tests.e2e import chromium
from tests.e2e.world import World
from tests.portal.conftest import ANY_PORTS, open_folder


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
