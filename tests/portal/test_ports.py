"""The demo's ports stay the same from run to run: what it published of itself stands at them."""

import socket
from pathlib import Path

import pytest

from portal.stack.ports import HOST, Ports, again, choose, remember

NONE = Ports(0, 0, 0, 0)


def test_the_next_run_has_those_of_the_last(tmp_path: Path) -> None:
    had = choose(NONE, needed=set())
    remember(had, tmp_path / "ports.json")
    assert again(tmp_path / "ports.json") == had


def test_one_that_somebody_else_has_taken_is_chosen_anew(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = int(other.getsockname()[1])
        had = choose(NONE, needed=set())._replace(web=taken)
        remember(had, tmp_path / "ports.json")
        assert again(tmp_path / "ports.json") == had._replace(web=0)


@pytest.mark.parametrize("written", [None, "", "nonsense", "[1, 2]", '{"web": 1, "other": 2}', '{"web": "x"}', '{"web": 70000}'])
def test_what_cannot_be_read_is_as_if_there_were_none(tmp_path: Path, written: str | None) -> None:
    file = tmp_path / "ports.json"
    if written is not None:
        file.write_text(written)
    assert again(file) == NONE
