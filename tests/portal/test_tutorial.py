"""The first tutorial, typed in as it stands."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from portal.stack import Ports, Stack
from tests.portal.conftest import open_folder

ROOT = Path(settings.BASE_DIR)
# Set by the tests' own servers; the tutorial's stack brings its own.
OURS = re.compile(r"PORTICO_|DATABASE_|VALKEY_|DJANGO_")


@pytest.fixture
def stack() -> Iterator[Stack]:
    environment = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    with open_folder() as folder, Stack(folder / "var", listen=Ports(0, 0, 0, 0), environment=environment, say=lambda _: None) as stack:
        yield stack


def test_the_tutorial_shows_what_it_says(stack: Stack, tmp_path: Path) -> None:
    assert shutil.which("curl"), "The tutorial is typed into a shell with curl; install it (Debian: apt install curl)."
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/tutorial.md").read_text(), re.MULTILINE | re.DOTALL)
    where = {"PORTAL": stack.portal_url, "GATEWAY": stack.gateway_url, "UPSTREAM": stack.upstream_url}
    (tmp_path / "portal").symlink_to(ROOT / "portal")
    typed = subprocess.run(
        ["bash", "-u"],
        input="\n".join(blocks),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PORTICO_VAR": str(stack.places.var), **where},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert typed.returncode == 0, typed.stderr
    assert not typed.stderr
    calls = re.findall(r"HTTP/1\.1 (\d+)[^\r\n]*\r?\n((?:[\w-]+: [^\r\n]*\r?\n)*)", typed.stdout)
    seen = [" ".join([status, *re.findall(r"x-portico-refusal: (\w+)", headers)]) for status, headers in calls]
    limited = [line for line in seen if line == "429 RATE_LIMITED"]
    assert limited
    assert all("retry-after: " in headers for status, headers in calls if status == "429")
    assert '"code":"TOKEN_MISSING"' in typed.stdout
    assert re.search(r"^Enforced on 1/1 gateways in \d+ ms\.$", typed.stdout, re.MULTILINE)
    shown = [line for number, line in enumerate(seen) if number == 0 or line != seen[number - 1]]
    assert shown == [
        "403 SUBSCRIPTION_REQUIRED",
        "403 SUBSCRIPTION_PENDING",
        "200",
        "429 RATE_LIMITED",
        "403 SUBSCRIPTION_SUSPENDED",
        "200",
        "401 TOKEN_REVOKED",
    ]
