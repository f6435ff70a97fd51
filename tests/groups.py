"""A pytest plugin: which tests a worker runs together. Those with a browser share the stack that they started; any other goes by itself.

By file, which needs no mark: a test that pytest names in another way than xdist expects is passed on as if it had none
(https://github.com/pytest-dev/pytest-xdist/issues/1386).
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/e2e/"
# They open every page, which takes as long as all others together.
EVERY_PAGE = (f"{BROWSER}test_axe.py", f"{BROWSER}test_figures.py")


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # it carries no types
    """The largest group first."""

    def _split_scope(self, nodeid: str) -> str:
        if not nodeid.startswith(BROWSER):
            return nodeid
        return "every page" if nodeid.startswith(EVERY_PAGE) else BROWSER


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)
