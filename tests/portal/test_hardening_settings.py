"""Settings at start: what an operator named is used or refused, never replaced; what is secret is not shown."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.views.debug import get_exception_reporter_filter

from portal.errors import Discreet

ROOT = Path(settings.BASE_DIR)
PROBE = "from portal import settings; print(settings.PEPPER, settings.KEK_FILE_IS_OURS, settings.TRUSTED_PROXIES)"


def start(var: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """What the settings make of an environment."""
    environment = {"PATH": os.environ["PATH"], "PORTICO_VAR": str(var), **given}
    return subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def fails(var: Path, sentence: str, **given: str) -> None:
    done = start(var, **given)
    assert done.returncode
    assert sentence in done.stderr.splitlines()[-1]


def test_secrets_that_nobody_named_are_made_and_kept(tmp_path: Path) -> None:
    first, second = start(tmp_path), start(tmp_path)
    assert (first.returncode, first.stdout) == (0, second.stdout)
    assert (tmp_path / "secrets" / "pepper").read_text() in first.stdout
    assert not (tmp_path / "secrets" / "kek").exists(), "made when it is first needed"


@pytest.mark.parametrize("name", ["PORTICO_PEPPER", "PORTICO_SECRET_KEY", "PORTICO_SESSION_KEY"])
def test_a_secret_whose_file_is_missing_or_empty_is_an_error(tmp_path: Path, name: str) -> None:
    file = tmp_path / "named"
    fails(tmp_path, f"{name}_FILE names {file}, which can't be read", **{f"{name}_FILE": str(file)})
    assert not file.exists()
    file.write_text("\n")
    fails(tmp_path, f"{name}_FILE names {file}, which is empty.", **{f"{name}_FILE": str(file)})
    file.write_text("found\n")
    assert start(tmp_path, **{f"{name}_FILE": str(file), name: ""}).returncode == 0


def test_a_secret_from_its_file_is_that_one(tmp_path: Path) -> None:
    (tmp_path / "named").write_text("from the file\n")
    assert start(tmp_path, PORTICO_PEPPER_FILE=str(tmp_path / "named")).stdout.startswith("from the file ")
    assert start(tmp_path, PORTICO_PEPPER_FILE=str(tmp_path / "named"), PORTICO_PEPPER="given").stdout.startswith("given ")


def test_a_key_file_that_is_missing_is_an_error_even_in_var(tmp_path: Path) -> None:
    for file in (tmp_path / "kek", tmp_path / "secrets" / "kek"):
        fails(tmp_path, f"PORTICO_KEK_FILE names {file}, where there is no file.", PORTICO_KEK_FILE=str(file))
        assert not file.exists()
    (tmp_path / "kek").touch()
    assert " False " in start(tmp_path, PORTICO_KEK_FILE=str(tmp_path / "kek")).stdout


def test_trusted_proxies_are_networks(tmp_path: Path) -> None:
    assert "IPv4Network('10.0.0.0/8'), IPv6Network('fd00::/8')" in start(tmp_path, PORTICO_TRUSTED_PROXIES="10.0.0.0/8 fd00::/8").stdout
    fails(tmp_path, "PORTICO_TRUSTED_PROXIES lists networks such as", PORTICO_TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.1")
    fails(tmp_path, "PORTICO_TRUSTED_PROXIES lists networks such as", PORTICO_TRUSTED_PROXIES="10.1.2.3/8")


SECRETS = [
    *("PEPPER", "SECRET_KEY", "SESSION_SIGNING_KEY", "KEK_FILE", "EMBEDDED"),
    *("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_DIRECT_URL", "VALKEY_URL", "CELERY_BROKER_URL"),
]


@pytest.mark.parametrize("name", SECRETS)
def test_the_error_page_for_developers_hides_secrets(name: str) -> None:
    shown: Any = get_exception_reporter_filter(None).get_safe_settings()[name]
    assert shown == Discreet.cleansed_substitute


def test_the_error_page_for_developers_shows_the_rest() -> None:
    shown = get_exception_reporter_filter(None).get_safe_settings()
    assert shown["PORTAL_URL"] == settings.PORTAL_URL
    assert shown["DATABASES"]["default"]["PASSWORD"] == Discreet.cleansed_substitute
    assert shown["SIMPLE_JWT"]["SIGNING_KEY"] == Discreet.cleansed_substitute
