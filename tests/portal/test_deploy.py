"""`check --deploy` with the settings of docs/operations.md leaves nothing to say, and says whatever would be wrong."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from portal.settings import DATABASE_OWNER_URL, DATABASE_URL

ROOT = Path(settings.BASE_DIR)
CHECK = "check --deploy --database default --fail-level WARNING"
AS_IN_THE_GUIDE = {"PORTICO_URL": "https://portico.example", "PORTICO_GATEWAY_URL": "https://api.example", "DATABASE_URL": DATABASE_URL}
# Each of them is enough to be refused.
AS_NOBODY_SHOULD = {
    "PORTICO_URL": "http://portico.example",
    "PORTICO_DEBUG": "1",
    "PORTICO_SECRET_KEY": "easily guessed",
    "PORTICO_SESSION_KEY": "guessed in a while, too",
    "DATABASE_URL": DATABASE_OWNER_URL,
}


def check(var: Path, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as operators run it. Secrets that are not given are made."""
    environment = {"PATH": os.environ["PATH"], "PORTICO_VAR": str(var), **given}
    command = [sys.executable, "manage.py", *CHECK.split()]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_settings_of_the_guide_leave_nothing_to_say(db: None, tmp_path: Path) -> None:
    done = check(tmp_path, AS_IN_THE_GUIDE)
    assert (done.returncode, done.stderr) == (0, "")
    # It counts what is silenced, too: W008 and W021, see portal/settings.py.
    assert done.stdout == "System check identified no issues (2 silenced).\n"
    assert f"python manage.py {CHECK}\n" in (ROOT / "docs" / "operations.md").read_text()


def test_whatever_would_be_wrong_is_said(db: None, tmp_path: Path) -> None:
    done = check(tmp_path, AS_NOBODY_SHOULD)
    assert done.returncode == 1
    found = {line.partition(")")[0].partition("(")[2] for line in done.stderr.splitlines() if line.startswith("?: (")}
    about_http = {"security.W004", "security.W012", "security.W016"}
    assert found == {*about_http, "security.W018", "security.W009", "tenants.W005", "tenants.E003"}, done.stderr
