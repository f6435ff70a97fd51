"""The document of our REST API says what each member means, and what answers say beside their bodies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal import schema, schema_words
from portal.stack.stack import PROJECT


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((Path(PROJECT) / "tests" / "openapi.yml").read_text())
    return found


def members(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, each in document["components"]["schemas"].items():
        for member, told in each.get("properties", {}).items():
            yield name, member, told


def test_each_member_says_what_it_means(document: dict[str, Any]) -> None:
    silent = sorted(f"{schema_words.plain(name)}.{member}" for name, member, told in members(document) if "description" not in told)
    assert silent == [], "Write what they mean into portal/schema_words.py."


def test_no_word_is_there_for_nothing(document: dict[str, Any]) -> None:
    used = {name for schema, member, _ in members(document) for name in (member, f"{schema_words.plain(schema)}.{member}")}
    assert schema_words.WORDS.keys() - used == set()


def test_words_are_sentences_and_examples_fit(document: dict[str, Any]) -> None:
    for name, member, told in members(document):
        assert told["description"][0].isupper() or told["description"].startswith(("v1", "about:", "`"))
        assert told["description"].endswith((".", ":")), (name, member)
        example = told.get("example")
        if isinstance(example, str):
            assert len(example) <= told.get("maxLength", len(example)), (name, member)
        if type(example) is int:
            assert told.get("minimum", example) <= example <= told.get("maximum", example), (name, member)


@pytest.mark.parametrize(
    ("example", "told", "fits"),
    [
        ("a", {"type": "string"}, True),
        ("a", {"type": "integer"}, False),
        (True, {"type": "integer"}, False),
        (1, {"type": "integer"}, True),
        (None, {"type": "string"}, False),
        (None, {"type": "string", "nullable": True}, True),
        ("a", {"type": "string", "enum": ["b"]}, False),
    ],
)
def test_an_example_of_another_type_is_left_out(example: Any, told: dict[str, Any], fits: bool) -> None:
    assert schema._fits(example, told) == fits


def test_answers_name_their_headers(document: dict[str, Any]) -> None:
    one = document["paths"]["/api/v1/tenants/{tenant}/applications/{id}/"]
    assert list(one["get"]["responses"]["200"]["headers"]) == ["ETag"]
    changed = one["patch"]["responses"]
    assert "X-RateLimit-Remaining" in changed["200"]["headers"]
    assert "Idempotent-Replayed" in changed["200"]["headers"]
    assert {"Retry-After", "X-RateLimit-Reset"} <= set(changed["default"]["headers"])
    listed = document["paths"]["/api/v1/tenants/{tenant}/applications/"]["get"]
    assert "headers" not in listed["responses"]["200"]


# What is no list of rows that grow: all of it is told at once.
WHOLE = {
    "/api/v1/tenants/{tenant}/apis/{api}/plans/{plan}/holders/": "with how many there are, and the first of them",
    "/api/v1/tenants/{tenant}/apis/{api}/versions/{version}/callers/": "who called lately",
    "/api/v1/tenants/{tenant}/apis/{api}/versions/{version}/revisions/{number}/callers/": "whom the revision concerns",
    "/api/v1/tenants/{tenant}/gateways/": "as many as the operator runs",
    "/api/v1/platform/gateways/": "likewise",
    "/api/v1/platform/gateway-groups/": "likewise",
    "/api/v1/tenants/{tenant}/gateway-groups/": "likewise",
}


def test_each_list_is_read_page_by_page(document: dict[str, Any]) -> None:
    found = set()
    for address, path in document["paths"].items():
        if "get" not in path:
            continue
        (content, *_) = path["get"]["responses"]["200"]["content"].values()
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        told = document["components"]["schemas"].get(name, content["schema"])
        if told.get("type") == "array" or "results" in told.get("properties", {}):
            asked = {each["name"] for each in path["get"].get("parameters", [])}
            found |= set() if {"cursor", "limit"} <= asked else {address}
    assert found == WHOLE.keys()


def test_each_change_can_be_sent_again_and_under_a_condition(document: dict[str, Any]) -> None:
    for address, path in document["paths"].items():
        for method, operation in path.items():
            if method == "get" or "{tenant}" not in address:
                continue
            sent = {each["name"] for each in operation.get("parameters", [])}
            assert "Idempotency-Key" in sent, (method, address)
            if "get" in path and method != "post":
                assert "If-Match" in sent, (method, address)
