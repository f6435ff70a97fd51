import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.secrets import ALPHABET, fingerprint, new_client_id, new_secret, pepper_id, well_formed


def test_a_secret_has_its_form() -> None:
    secret = new_secret()
    assert re.fullmatch(r"ptc_secret_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", secret)
    assert well_formed(secret)
    assert re.fullmatch(r"ptc_app_[0-9A-Za-z]{22}", new_client_id())


def test_chance_comes_from_outside() -> None:
    asked = []

    def entropy(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    assert new_secret(entropy) == new_secret(entropy)
    assert new_secret(entropy).startswith("ptc_secret_" + "0" * 43)
    assert new_client_id(entropy) == "ptc_app_" + "0" * 22
    assert asked == [32, 32, 32, 16]


@given(st.binary(min_size=32, max_size=32))
def test_every_256_bits_make_a_secret_of_their_own(chance: bytes) -> None:
    secret = new_secret(lambda _: chance)
    assert len(secret) == 61
    assert well_formed(secret)
    number = 0
    for character in secret[11:54]:
        number = number * 62 + ALPHABET.index(character)
    assert number == int.from_bytes(chance)


def test_a_typing_error_is_seen_without_the_database() -> None:
    secret = new_secret()
    for index in range(len(secret)):
        other = "x" if secret[index] != "x" else "y"
        assert not well_formed(secret[:index] + other + secret[index + 1 :])


@pytest.mark.parametrize("text", ["", "ptc_secret_", "ptc_secret__", "secret", "ptc_secret_é_é", "ptc_secret_a_b_c"])
def test_what_is_no_secret_is_not_well_formed(text: str) -> None:
    assert not well_formed(text)


def test_what_is_stored_depends_on_secret_and_pepper() -> None:
    secret = new_secret()
    assert len({fingerprint(secret, "a"), fingerprint(secret, "b"), fingerprint(new_secret(), "a")}) == 3
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(secret, "a"))
    assert pepper_id("a") != pepper_id("b")
    assert "a" * 12 not in pepper_id("a" * 12)
