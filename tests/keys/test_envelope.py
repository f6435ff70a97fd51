import inspect
import os
import stat
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.envelope import Purpose, Unreadable, seal, unseal
from keys.keks.file import FileKek, make_file

FOR = Purpose(uuid4(), uuid4(), "access_token", "ES256")


class MemoryKek(FileKek):
    """The same wrapping with a key that is given."""

    def __init__(self, key: bytes, name: str) -> None:
        self._path = Path(name)
        self._key = key
        self.current_id = name


KEK = MemoryKek(bytes(range(32)), "kek-1")


@given(plain=st.binary(max_size=300), name=st.text(max_size=20))
def test_what_was_sealed_opens_for_its_purpose(plain: bytes, name: str) -> None:
    purpose = replace(FOR, name=name)
    # Hypothesis tries words of the code itself, and the search for secrets must not remember those.
    sealed = inspect.unwrap(seal)(plain, purpose, KEK)
    assert unseal(sealed, purpose, KEK) == plain
    assert sealed.startswith("v1.kek-1.")
    assert sealed.isascii()


def test_the_same_text_never_looks_the_same() -> None:
    assert len({seal(b"secret", FOR, KEK) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "other",
    [
        replace(FOR, tenant_id=uuid4()),
        replace(FOR, row_id=uuid4()),
        replace(FOR, name="upstream_header"),
        replace(FOR, alg="ES384"),
    ],
    ids=["another tenant", "another row", "another purpose", "another algorithm"],
)
def test_moved_elsewhere_it_does_not_open(other: Purpose) -> None:
    sealed = seal(b"secret", FOR, KEK)
    with pytest.raises(Unreadable, match="belongs to another row"):
        unseal(sealed, other, KEK)


def test_two_ciphertexts_swapped_are_both_unreadable() -> None:
    other = replace(FOR, row_id=uuid4())
    mine, theirs = seal(b"mine", FOR, KEK), seal(b"theirs", other, KEK)
    for sealed, purpose in ((mine, other), (theirs, FOR)):
        with pytest.raises(Unreadable):
            unseal(sealed, purpose, KEK)
    # Nor does one's data key open the other's text.
    with pytest.raises(Unreadable):
        unseal(".".join([*mine.split(".")[:3], theirs.split(".")[3]]), FOR, KEK)


def test_no_character_of_it_can_change() -> None:
    sealed = seal(b"secret", FOR, KEK)
    for index, character in enumerate(sealed):
        for other in "A", "b", ".":
            changed = sealed[:index] + other + sealed[index + 1 :]
            if other == character:
                continue
            try:
                opened = unseal(changed, FOR, KEK)
            except Unreadable:
                continue
            # Only the unused bits of a base64 group's last character may differ, and they carry nothing.
            assert opened == b"secret"
            assert index in {sealed.rindex(".") - 1, len(sealed) - 1}


def test_another_key_encryption_key_is_named_not_tried() -> None:
    sealed = seal(b"secret", FOR, KEK)
    with pytest.raises(Unreadable, match=r"sealed under the key-encryption key kek-1, and no other opens it. At hand: kek-2 \(kek-2\)."):
        unseal(sealed, FOR, MemoryKek(bytes(32), "kek-2"))
    with pytest.raises(Unreadable):
        unseal(sealed, FOR, MemoryKek(bytes(32), "kek-1"))


@pytest.mark.parametrize(
    "text",
    ["", "v1", "v1.a.b", "v1.a.b.c.d", "v2.kek-1.AAAA.AAAA", "v1.kek-1.A.A", "v1.kek-1.é.é", "v1.kek-1..", "....", "v1.kek-1.AAAA.AAAA"],
)
def test_whatever_is_not_sealed_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        unseal(text, FOR, KEK)


def test_no_refusal_says_what_was_inside() -> None:
    sealed = seal(b"very secret", FOR, KEK)
    with pytest.raises(Unreadable) as refused:
        unseal(sealed, replace(FOR, name="other"), KEK)
    assert "secret." not in str(refused.value).replace("This secret", "")
    assert refused.value.__cause__ is None


# --- the key in a file -------------------------------------------------------------------------------------------


def test_the_file_is_made_once_for_this_process_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "kek"
    make_file(path)
    made = FileKek(path)
    make_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert FileKek(path).current_id == made.current_id
    assert [each.name for each in path.parent.iterdir()] == ["kek"]
    assert unseal(seal(b"x", FOR, made), FOR, FileKek(path)) == b"x"


def test_no_umask_opens_it_wider(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_file(tmp_path / "kek")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "kek").stat().st_mode) == 0o600


def _current_id(path: Path) -> str:
    make_file(path)
    return FileKek(path).current_id


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with get_context("fork").Pool(8) as pool:
        for turn in range(20):
            assert len(set(pool.map(_current_id, [tmp_path / str(turn)] * 16, chunksize=1))) == 1


@pytest.mark.parametrize("content", [b"", b"c2hvcnQ=", b"not base64 at all!"])
def test_a_damaged_key_file_is_an_error_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kek").write_bytes(content)
    with pytest.raises(Unreadable, match="must hold 32 bytes as base64"):
        FileKek(tmp_path / "kek")
