"""Folders that somebody wrote: what is wrong with one is told by file, line and column, before anything is sent."""

from pathlib import Path
from typing import Any

import pytest

from cli import files, shown
from cli.refusals import Refused

API = "name: Orders\nversions:\n- name: v1\n  document: v1.openapi.yaml\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def wrong(root: Path, **environment: str) -> str:
    with pytest.raises(Refused) as refused:
        files.load(root, environment)
    return str(refused.value)


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("member.yaml", "[]", "member.yaml: This file is not known here; did you mean members.yaml?"),
        ("tenant.yaml", "name: [", "tenant.yaml:2:1: This is not YAML: did not find expected node content."),
        ("tenant.yaml", "- 1", "tenant.yaml:1:1: This has to be a mapping."),
        ("members.yaml", "a: 1", "members.yaml:1:1: This has to be a list."),
        ("tenant.yaml", "name: A\nname: B", "tenant.yaml:2:1: “name” stands here twice."),
        ("tenant.yaml", "name: !!python/object:os.system x", "tenant.yaml:1:7: The tag “!!python/object:os.system” is not read here."),
        ("tenant.yaml", BOMB, "Its aliases stand for too much. Write out what you mean."),
        ("tenant.yaml", "a: &a [*a]", "Its aliases stand for too much. Write out what you mean."),
        ("members.yaml", "[" * 40 + "]" * 40, "members.yaml:1:31: This is nested too deeply."),
        ("tenant.yaml", "name: \x00", "tenant.yaml:1:1: tenant.yaml is no text in UTF-8."),
        ("tenant.yaml", "a: " + "x" * 3_000_000, "tenant.yaml:1:1: tenant.yaml has more than 2 MB."),
        ("apis/orders/api.yaml", "[]", "apis/orders/api.yaml:1:1: This has to be a mapping."),
        ("apis/orders/api.yaml", "slug: bills", "apis/orders/api.yaml:1:1: Its folder says that its slug is “orders”."),
        ("apis/orders/api.yaml", API, "apis/orders/api.yaml:4:3: There is no file apis/orders/v1.openapi.yaml."),
        (
            "apis/orders/api.yaml",
            API.replace("v1.openapi.yaml", "../../../secret"),
            "apis/orders/api.yaml:4:3: ../../../secret leads out of this folder.",
        ),
        (
            "apis/orders/api.yaml",
            "name: O\nversions:\n- name: v1\n  upstream:\n    secret: s3cret\n",
            "apis/orders/api.yaml:5:5: A secret does not stand in a file. Write ${NAME}, and set NAME in the environment.",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) > 60 else value,
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    assert wrong(tmp_path).endswith(said)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("name: A")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "tenant.yaml").symlink_to(tmp_path / "outside")
    assert wrong(inside) == "tenant.yaml:1:1: tenant.yaml leads out of this folder."
    (inside / "tenant.yaml").unlink()
    (inside / "tenant.yaml").symlink_to("members.yaml")
    (inside / "members.yaml").write_text("[]")
    assert wrong(inside) == "tenant.yaml:1:1: This has to be a mapping."


def test_secrets_come_from_the_environment_and_stand_in_no_digest(tmp_path: Path) -> None:
    file = tmp_path / "apis/orders/api.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("name: O\nversions:\n- name: v1\n  upstream:\n    url: http://x\n    secret: ${KEY}\n")

    def upstream(found: files.Folder) -> Any:
        return found.description["apis"][0]["versions"][0]["upstream"]["secret"]

    unset, given = files.load(tmp_path, {}), files.load(tmp_path, {"KEY": "s3cret"})
    assert (upstream(unset), upstream(given)) == ("${KEY}", "s3cret")
    assert unset.digest == given.digest


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    for api in ({"slug": "../x", "plans": [], "versions": []}, {"slug": "x", "plans": [], "versions": [{"name": "../v1"}]}):
        with pytest.raises(Refused):
            files.save(tmp_path / "a", {"apis": [api]})
    (tmp_path / "a").mkdir(exist_ok=True)
    (tmp_path / "a" / "tenant.yaml").symlink_to(tmp_path / "kept")
    with pytest.raises(Refused):
        files.save(tmp_path / "a", {"tenant": {"name": "x"}})
    assert not (tmp_path / "kept").exists()


def test_a_name_can_not_command_the_terminal() -> None:
    told = {"losses": [], "prunable": 0, "differences": [{"sign": "+", "what": "team \x1b[2J\nx", "text": "", "blocked": ""}]}
    assert "\x1b" not in shown.plan(told)
    assert "+ team  [2J x" in shown.plan(told)
