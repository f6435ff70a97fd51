"""A real Chromium, started once for whoever needs it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox to be had; without a screen there is nothing for the GPU; nobody is called home.
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def executable() -> Path:
    """The browser: PORTICO_CHROMIUM, or what the system has.

    :raises RuntimeError: there is none; says how to get one.
    """
    found = os.environ.get("PORTICO_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError(
            "These tests need Chromium. On Debian and Ubuntu: apt-get install chromium. Elsewhere name it: PORTICO_CHROMIUM."
        )
    return Path(found)


# What a busy machine takes longer for is no fault of the page's. By itself what is expected has five seconds.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable(), args=OPTIONS)
        try:
            yield started
        finally:
            started.close()
