"""`manage.py verify_audit`: with the file and the public keys alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from keys.actions import audit_exports, audit_keys
from portal.settings import BASE_DIR
from tests import make
from tests.conftest import Cast


@pytest.fixture
def files(in_acme: Cast, tmp_path: Path) -> tuple[Path, Path]:
    """An export and the public keys."""
    make.credential()
    export, keys = tmp_path / "acme.jsonl", tmp_path / "keys.json"
    span = audit_exports.export(in_acme.acme, form="jsonl", by=in_acme.ada)
    export.write_text("".join(audit_exports.json_lines(span, audit_keys.signer())))
    keys.write_text(json.dumps({"keys": audit_keys.public()}))
    return export, keys


def bend(export: Path) -> None:
    export.write_text(export.read_text().replace('"Carl"', '"Karl"', 1))


@pytest.mark.parametrize(
    "command", [["manage.py", "verify_audit", "{file}", "--keys", "{keys}"], ["-m", "keys.audit_proof", "{file}", "{keys}"]]
)
def test_it_needs_no_database_and_no_stack(files: tuple[Path, Path], tmp_path: Path, command: list[str]) -> None:
    export, keys = files
    # Nothing of this stack: no address of a database, and an empty folder in place of its own.
    environment = {"PATH": os.environ["PATH"], "PORTICO_VAR": str(tmp_path / "var"), "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [sys.executable, *(each.format(file=export, keys=keys) for each in command)]

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(arguments, env=environment, cwd=BASE_DIR, capture_output=True, text=True, check=False)

    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "hold; signed heads: 0." in done.stdout
    bend(export)
    done = run()
    assert done.returncode == 1
    assert " was changed: its digest is " in done.stdout + done.stderr


def test_it_says_where_and_how(files: tuple[Path, Path]) -> None:
    export, keys = files
    bend(export)
    with pytest.raises(
        CommandError, match=r"^line \d+: event \d+ was changed: its digest is [0-9a-f]{64}, and [0-9a-f]{64} stands here\.$"
    ):
        call_command("verify_audit", str(export), keys=keys)


def test_files_that_are_none(files: tuple[Path, Path], tmp_path: Path) -> None:
    export, _keys = files
    with pytest.raises(CommandError, match="No such file"):
        call_command("verify_audit", str(tmp_path / "none"))
    with pytest.raises(CommandError, match="This is no JWKS"):
        call_command("verify_audit", str(export), keys=export)
