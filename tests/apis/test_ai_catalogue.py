"""The kinds of providers: what the product knows of them can be used, and what can't be is refused."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apis.ai.catalogue import CatalogueRefused, Dialect, catalogue, check_dialects, check_model, check_price, read
from apis.ai.looking import SENTENCES, Found, found_in

WHOLE = Path("apis/ai/providers.json").read_text()
BEARER = {"format": "openai", "prefix": "/v1", "header": "Authorization", "value": "Bearer {key}"}


def test_the_kinds_are_these_and_each_can_be_connected() -> None:
    found = catalogue()
    assert [each.key for each in found.kinds] == [
        "openai", "anthropic", "gemini", "mistral", "azure", "ollama", "vllm", "litellm", "custom",
    ]  # fmt: skip
    assert found.kind("nothing") is None
    for each in found.kinds:
        assert each.dialects
        # Whoever has one address for all has models with prices, too.
        assert bool(each.url) == bool(each.models), each.key
        for model in each.models:
            assert model.context
            assert None not in (model.input, model.output)
            assert model.cached is None or model.input is None or model.cached <= model.input


def test_the_documentation_names_each_kind_with_its_source() -> None:
    told = Path("docs/ai-providers.md").read_text()
    for each in catalogue().kinds:
        assert f"| `{each.key}` |" in told
        assert each.source in told, each.key
    assert f"{catalogue().as_of:%Y-%m-%d}" in told


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "usd"},
        {"as_of": "soon"},
        {"kinds": [{"key": "a"}]},
    ],
)
def test_a_catalogue_that_can_not_be_used_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((CatalogueRefused, KeyError, ValueError)):
        read(json.dumps({**json.loads(WHOLE), **change}))


@pytest.mark.parametrize("field,value", [
    ("url", "http://api.openai.com"), ("source", "nowhere"), ("dialects", []),
    ("models", [{"name": "a b", "context": 1, "input": None, "output": None, "cached": None}]),
    ("models", [{"name": "a", "context": 1, "input": "-1", "output": None, "cached": None}]),
    ("models", [{"name": "a", "context": 1, "input": "x", "output": None, "cached": None}]),
    ("models", [{"name": "a", "context": 1, "input": None, "output": None, "cached": None}] * 2),
])  # fmt: skip
def test_so_is_a_kind_that_can_not_be_used(field: str, value: Any) -> None:
    told = json.loads(WHOLE)
    told["kinds"][0][field] = value
    with pytest.raises(CatalogueRefused):
        read(json.dumps(told))


def test_no_kind_is_there_twice() -> None:
    told = json.loads(WHOLE)
    told["kinds"].append(told["kinds"][0])
    with pytest.raises(CatalogueRefused, match="twice"):
        read(json.dumps(told))


@pytest.mark.parametrize(
    "wrong,said",
    [
        ({"format": "soap"}, "no format"),
        ({"prefix": "v1"}, "A prefix is a path"),
        ({"prefix": "/v1/"}, "A prefix is a path"),
        ({"prefix": "/../v1"}, "A prefix is a path"),
        ({"prefix": "/v1?x"}, "A prefix is a path"),
        ({"prefix": "/" + "a" * 200}, "A prefix is a path"),
        ({"header": "a b"}, "no header"),
        ({"header": "Host"}, "no header"),
        ({"header": "x-portico-application"}, "no header"),
        ({"value": "Bearer"}, "has {key} in it once"),
        ({"value": "{key} {key}"}, "has {key} in it once"),
        ({"value": "{key}\n"}, "has {key} in it once"),
    ],
)
def test_a_format_that_no_call_could_go_by_is_refused(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(CatalogueRefused, match=said):
        check_dialects([{**BEARER, **wrong}])


def test_each_format_is_named_once_and_one_at_least() -> None:
    with pytest.raises(CatalogueRefused, match="at least one"):
        check_dialects([])
    with pytest.raises(CatalogueRefused, match="once"):
        check_dialects([BEARER, BEARER])


def test_each_format_proves_itself_in_its_own_way() -> None:
    assert Dialect.of(BEARER).headers("sk") == {"Authorization": "Bearer sk"}
    anthropic = Dialect("anthropic", "/v1", "x-api-key", "{key}")
    assert anthropic.headers("sk") == {"anthropic-version": "2023-06-01", "x-api-key": "sk"}


@pytest.mark.parametrize("price", ["-0.000001", "100000.1", "NaN", "Infinity", "0.0000001"])
def test_no_price_is_below_nothing_or_out_of_bounds(price: str) -> None:
    with pytest.raises(CatalogueRefused):
        check_price(Decimal(price))
    check_price(Decimal(0))
    check_price(Decimal(100_000))


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "-a", "a" * 121, "ä"])
def test_a_model_has_a_name_that_a_call_can_carry(name: str) -> None:
    with pytest.raises(CatalogueRefused):
        check_model(name)
    check_model("meta-llama/Llama-3.3-70B@fp8:latest")


@pytest.mark.parametrize(
    "status,kind,body,found",
    [
        (200, "application/json", b'{"data": [{}, {}]}', (Found.WORKS, 2)),
        (200, "", b'{"data": []}', (Found.WORKS, 0)),
        (200, "application/json", b'{"data": {}}', (Found.NOT_JSON, 0)),
        (200, "application/json", b"[]", (Found.NOT_JSON, 0)),
        (200, "application/json", b"\xff", (Found.NOT_JSON, 0)),
        (200, "application/json", b"[" * 100_000, (Found.NOT_JSON, 0)),
        (200, "Text/HTML; charset=utf-8", b'{"data": []}', (Found.HTML, 0)),
        (401, "text/html", b"", (Found.REFUSED, 0)),
        (403, "application/json", b"{}", (Found.REFUSED, 0)),
        (429, "application/json", b"{}", (Found.QUOTA, 0)),
        (404, "text/html", b"", (Found.NO_LIST, 0)),
        (405, "", b"", (Found.NO_LIST, 0)),
        (302, "text/html", b"", (Found.REDIRECT, 0)),
        (500, "text/html", b"", (Found.STATUS, 0)),
        (100, "", b"", (Found.STATUS, 0)),
    ],
)
def test_what_came_back_says_how_the_key_stands(status: int, kind: str, body: bytes, found: tuple[Found, int]) -> None:
    assert found_in(status, kind, body) == found


def test_each_of_it_is_a_sentence() -> None:
    assert set(SENTENCES) == set(Found) - {Found.WORKS}
    assert all(each.endswith(".") for each in SENTENCES.values())
