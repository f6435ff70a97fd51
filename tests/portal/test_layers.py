"""What .importlinter can't say: it sees packages from outside as wholes."""

import re
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = ("portal", "gateway", "apis", "keys", "tenants")
HTTP = re.compile(r"^\s*(?:from|import) (?:django\.(?:http|shortcuts|urls|views|contrib\.messages)|rest_framework)\b", re.MULTILINE)


def test_actions_know_no_http() -> None:
    actions = [path for app in APPS for path in (*ROOT.glob(f"{app}/actions.py"), *ROOT.glob(f"{app}/actions/*.py"))]
    assert len(actions) >= 4
    for path in [*actions, ROOT / "tenants/events.py", ROOT / "tenants/lifecycle.py"]:
        assert not HTTP.search(path.read_text()), path


def test_only_move_writes_a_status() -> None:
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if path != ROOT / "tenants/lifecycle.py" and "migrations" not in path.parts:
                assert not re.search(r"\.update\([^)]*\bstatus=|^\s+\w+\.status = ", path.read_text(), re.MULTILINE), path


def test_there_are_no_signals_and_no_save_overrides() -> None:
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            assert not re.search(r"django\.db\.models\.signals|@receiver|def save\(self, ", path.read_text()), path


def test_no_module_is_named_for_nothing() -> None:
    names = {path.stem for app in APPS for path in (ROOT / app).rglob("*.py")}
    assert not names & {"utils", "helpers", "common", "core", "services", "selectors", "misc"}
