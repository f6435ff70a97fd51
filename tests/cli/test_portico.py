"""`portico` as a process of its own against a portal that listens: what people and pipelines do with it."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from cli import launcher
from keys.actions import service_accounts
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

PASSWORD = "correct horse battery staple"
ROOT = Path(settings.BASE_DIR)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def acme(transactional_db: None, cast: Cast) -> Cast:
    """Acme publishes Orders; Carl's Shop has asked for it under gold."""
    for each in (cast.ada, cast.carl, cast.eve):
        each.set_password(PASSWORD)
        each.save()
    with tenant_scope(cast.acme.pk):
        gold = make.plan(make.api("orders"), name="gold", calls=100, seconds=60)
        make.subscription(of=make.application(cast.carl, name="Shop"), to=gold, status="pending")
    return cast


@pytest.fixture
def portico(acme: Cast, live_server: Any, tmp_path: Path) -> Run:
    """`portico("list", "apis")`, at the address of the portal; `who` has a folder of their own."""

    def run(*arguments: str, who: str = "ada", typed: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(tmp_path / who), "PORTICO_URL": live_server.url, **more}
        command = [sys.executable, "-m", "cli", *arguments]
        return subprocess.run(command, input=typed, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)

    return run


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


@pytest.fixture
def signed_in(portico: Run) -> Run:
    done(portico("sign-in", "--email", "ada@acme.example", "--tenant", "acme", typed=f"{PASSWORD}\n"))
    return portico


@pytest.fixture
def folder(signed_in: Run, tmp_path: Path) -> Path:
    """Acme, exported."""
    done(signed_in("export", str(tmp_path / "acme")))
    return tmp_path / "acme"


def test_the_main_job(signed_in: Run, tmp_path: Path) -> None:
    file = tmp_path / "ada" / "portico" / "session.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ada@acme.example" in done(signed_in("whoami"))
    assert "orders" in done(signed_in("list", "apis"))
    assert "Shop" in done(signed_in("list", "requests"))
    assert "is active." in done(signed_in("approve", "Shop/orders", "--wait", "0"))
    twice = signed_in("approve", "Shop/orders")
    assert (twice.returncode, twice.stderr) == (1, "This subscription is active, so there is nothing to approve.\n")
    assert "is suspended." in done(signed_in("suspend", "Shop/orders", "--reason", "Too loud.", "--wait", "0"))
    [found] = json.loads(done(signed_in("list", "subscriptions", "--json")))
    assert (found["status"], found["reason"]) == ("suspended", "Too loud.")
    assert "is active." in done(signed_in("resume", found["id"], "--wait", "0"))
    assert "is cancelled." in done(signed_in("cancel", "Shop/orders", "--wait", "0"))
    assert done(signed_in("sign-out")) == "Signed out.\n"
    assert not file.exists()
    assert signed_in("whoami").returncode == 1


def test_a_developer_asks_and_rolls_a_secret(portico: Run, acme: Cast) -> None:
    with tenant_scope(acme.acme.pk):
        credential, old = make.credential(make.application(acme.carl, name="Desk"))
    done(portico("sign-in", "--email", "carl@acme.example", "--tenant", "acme", who="carl", typed=f"{PASSWORD}\n"))
    asked = done(portico("request", "Desk", "orders", "gold", "--purpose", "To help.", "--wait", "0", who="carl"))
    assert "is pending." in asked
    rolled = portico("roll", str(credential.pk), "--grace", "0", who="carl")
    secret = done(rolled).strip()
    assert secret
    assert secret != old
    refused = portico("approve", "Desk/orders", who="carl")
    assert (refused.returncode, refused.stderr) == (1, "Your roles here don't include “subscriptions.decide”.\n")


def test_a_pipeline_has_a_key_in_its_environment_and_keeps_nothing(portico: Run, acme: Cast, tmp_path: Path) -> None:
    with tenant_scope(acme.acme.pk):
        _account, key = service_accounts.create(name="ci", permissions=["apis.publish"], days=1, by=acme.ada)
    given = {"who": "ci", "PORTICO_KEY": key, "PORTICO_TENANT": "acme"}
    assert "orders" in done(portico("list", "apis", **given))
    done(portico("export", str(tmp_path / "ci-folder"), **given))
    assert sorted(each.name for each in (tmp_path / "ci-folder").iterdir()) == ["apis"]
    assert not (tmp_path / "ci").exists()
    wrong = portico("whoami", **{**given, "PORTICO_KEY": "ptc_svc_no"})
    assert wrong.returncode == 1


def test_who_is_not_understood_hears_how_to_say_it(portico: Run) -> None:
    assert portico("whoami", PORTICO_KEY="x", PORTICO_URL="").returncode == 2
    assert portico("nothing").returncode == 2
    insecure = portico("sign-in", "--email", "a@b.example", "--url", "http://portal.example.com", typed="x\n")
    assert (insecure.returncode, insecure.stderr) == (2, "Passwords and keys are sent by https only, but to this machine itself.\n")
    assert portico("sign-in", "--email", "ada@acme.example", typed="wrong\n").returncode == 1


def test_what_was_exported_is_planned_and_applied_without_a_change(signed_in: Run, folder: Path, acme: Cast, tmp_path: Path) -> None:
    names = sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())
    assert names == [
        "aliases.yaml", "apis/orders/api.yaml", "apis/orders/v1.openapi.yaml", "applications.yaml", "members.yaml", "subscriptions.yaml",
        "teams.yaml", "tenant.yaml",
    ]  # fmt: skip
    before = number_of_events(acme)
    assert done(signed_in("plan", str(folder))) == "Nothing differs.\n"
    done(signed_in("apply", str(folder), "--yes"))
    assert number_of_events(acme) == before
    done(signed_in("export", str(tmp_path / "again")))
    assert all((tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes() for name in names)


def number_of_events(acme: Cast) -> int:
    with tenant_scope(acme.acme.pk):
        return Event.objects.count()


def test_a_plan_says_first_who_loses_access_and_apply_holds_to_it(signed_in: Run, folder: Path, acme: Cast, tmp_path: Path) -> None:
    done(signed_in("approve", "Shop/orders", "--wait", "0"))
    change(folder / "subscriptions.yaml", "status: pending", "status: suspended\n  reason: Too loud.")
    kept = tmp_path / "plan.json"
    said = done(signed_in("plan", str(folder), "--plan-file", str(kept)))
    assert said.splitlines()[:4] == [
        "1 application loses access:",
        "  Shop (carl@acme.example): orders v1",
        "",
        "~ subscription Shop to orders: suspended",
    ]
    nobody = signed_in("apply", str(folder))
    assert nobody.returncode == 2
    assert "--yes" in nobody.stderr
    with tenant_scope(acme.acme.pk):
        make.api("late")
    stale = signed_in("apply", str(folder), "--plan-file", str(kept))
    assert stale.returncode == 1
    assert "has changed since the plan was made" in stale.stderr
    done(signed_in("plan", str(folder), "--plan-file", str(kept)))
    said = done(signed_in("apply", str(folder), "--plan-file", str(kept), "--wait", "0"))
    assert "Applied." in said
    change(folder / "subscriptions.yaml", "Too loud.", "Louder.")
    other = signed_in("apply", str(folder), "--plan-file", str(kept))
    assert (other.returncode, other.stderr) == (1, "The folder or the tenant is not that of the plan. Plan again.\n")


def change(file: Path, was: str, now: str) -> None:
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, now))


def test_what_the_portal_can_not_use_is_told_by_its_line(signed_in: Run, folder: Path) -> None:
    change(folder / "apis/orders/api.yaml", "visibility:", "vizibility:")
    wrong = signed_in("plan", str(folder))
    assert wrong.returncode == 1
    assert wrong.stderr == "apis/orders/api.yaml:5:1: “vizibility” is not known here; did you mean “visibility”?\n"
    change(folder / "apis/orders/api.yaml", "vizibility:", "visibility:")
    change(folder / "apis/orders/v1.openapi.yaml", "openapi: ", "openapi: 9")
    wrong = signed_in("plan", str(folder))
    assert wrong.stderr.startswith("apis/orders/v1.openapi.yaml:1:")


def test_eve_finds_nothing(portico: Run, tmp_path: Path) -> None:
    done(portico("sign-in", "--email", "eve@globex.example", "--tenant", "acme", who="eve", typed=f"{PASSWORD}\n"))
    for command in (["list", "apis"], ["export", str(tmp_path / "eves")], ["approve", "Shop/orders"]):
        refused = portico(*command, who="eve")
        assert refused.returncode == 1, refused.stdout
        assert refused.stderr == "There is nothing here, or nothing that you may see.\n"


def test_the_access_token_is_renewed_and_the_new_pair_kept(signed_in: Run, tmp_path: Path) -> None:
    file = tmp_path / "ada" / "portico" / "session.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "access": "gone"}))
    done(signed_in("whoami"))
    assert json.loads(file.read_text())["refresh"] != told["refresh"]
    done(signed_in("whoami"))


def test_the_launcher_knows_where_the_project_lies(tmp_path: Path) -> None:
    (tmp_path / Path(sys.executable).name).symlink_to(sys.executable)
    found = launcher.write(tmp_path)
    text = found.read_text().replace(str(tmp_path / Path(sys.executable).name), sys.executable)
    found.write_text(text)
    done(subprocess.run([str(found), "--help"], capture_output=True, text=True, cwd=tmp_path, check=False))


def test_nothing_of_the_server_is_loaded() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, cli.main; print(sorted(n for n in sys.modules if n.split('.')[0] in {'django', 'keys', 'portal'}))",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert said.stdout == "[]\n"
