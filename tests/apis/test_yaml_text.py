"""What is written as YAML is read as what it was: by PyYAML, which goes by YAML 1.1, and by the import."""

import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some

from apis.openapi_source import load
from apis.yaml_text import as_yaml

TEXT = some.text(some.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=30)
ODD = some.sampled_from(
    ["", " ", "a: b", "a #b", "- a", "no", "Yes", "~", "1e3", "0x1", "1_000", "=", "<<", "'", "{", "a\n", "a\n\n", "\na", " a\nb",
     "a\n  b\n", "a\n \nb", "a\r\nb", "a\tb\n\tc", "a\n---\nb", "\ufeffa", "a\u2028b\nc",
     "*a", "&a", "!a", "%a", "@a", "`a", "a:", "a: \n", "2026-11-29", "😀\n"]
)  # fmt: skip
VALUE = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | TEXT | ODD,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXT | ODD, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUE)
def test_it_reads_as_what_it_was(value: Any) -> None:
    written = as_yaml(value)
    assert yaml.load(written, Loader=yaml.CSafeLoader) == value, written


@pytest.mark.parametrize("key", ["k" * 999, "k" * 1025, "ü" * 3000, "a\nb" * 500])
def test_long_keys_are_keys(key: str) -> None:
    value = {"a": {key: {"b": 1}, f"{key}2": "x\ny"}, "c": [{key: []}]}
    assert yaml.load(as_yaml(value), Loader=yaml.CSafeLoader) == value


def test_it_reads_well() -> None:
    value = {
        "openapi": "3.1.0",
        "paths": {
            "/orders/{id}": {"get": {"description": "First.\n\n- one\n- two\n", "responses": {"200": {"description": "Its own: yes"}}}}
        },
        "tags": [{"name": "Orders", "x-all": []}, ["no"]],
    }
    assert as_yaml(value) == (
        'openapi: "3.1.0"\n'
        "paths:\n"
        "  /orders/{id}:\n"
        "    get:\n"
        "      description: |\n"
        "        First.\n"
        "\n"
        "        - one\n"
        "        - two\n"
        "      responses:\n"
        '        "200":\n'
        '          description: "Its own: yes"\n'
        "tags:\n"
        "  - name: Orders\n"
        "    x-all: []\n"
        '  - - "no"\n'
    )
    assert load(as_yaml(value)).value == value


def test_the_largest_take_seconds_at_most() -> None:
    operation = {
        "summary": "Get it",
        "description": "Some words.\n\nAnd more.",
        "responses": {"200": {"description": "It"}},
        "n": [1, 2, 3],
    }
    value = {f"/things/{number}": {"get": operation} for number in range(20_000)}
    began = time.process_time()
    as_yaml(value)
    assert time.process_time() - began < 5
