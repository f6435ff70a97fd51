"""What two documents have alike is not looked into, and what is told is the same as if it had been."""

import copy
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apis import differences as package
from apis.differences import Differences, differences
from apis.differences.alike import unlike
from tests.apis.differences_cases import Document
from tests.apis.test_differences import SHOP, put
from tests.apis.test_differences_bounds import DOCUMENTS, PATHS, SCHEMAS


def between(old: Document, new: Document) -> Differences:
    return differences(old, new, today=date(2026, 1, 1))


def paths_unlike(by: Callable[[Document], Any]) -> set[str]:
    new = copy.deepcopy(SHOP)
    by(new)
    return {path for document in unlike(SHOP, new, set(SHOP["paths"])) for path in document.get("paths", {})}


@pytest.mark.parametrize(
    "place,value,wanted",
    [
        ("info/title", "Another", set()),
        ("#/Person/properties/nickname", {"type": "string"}, {"/orders"}),
        ("paths/~orders~{id}/get/summary", "One order", {"/orders~{id}"}),
        # What an operation goes by without referring to it.
        ("components/securitySchemes/key/name", "Key", {"/orders", "/orders~{id}"}),
        ("security", [{"key": []}], {"/orders", "/orders~{id}"}),
        # What nothing refers to.
        ("#/Unused", {"type": "string"}, set()),
        # What refers to a part that has pieces, nobody can take apart.
        ("#/Unused", {"$ref": "#/components/schemas"}, {"/orders", "/orders~{id}"}),
        ("#/Unused", {"$ref": "#"}, set()),
        ("#/Unused", {"$ref": "https://example.com/#/paths"}, set()),
    ],
)
def test_only_what_leads_to_a_difference_is_looked_into(place: str, value: Any, wanted: set[str]) -> None:
    assert paths_unlike(put(place, value)) == {path.replace("~", "/") for path in wanted}


def test_of_what_is_looked_into_all_that_it_is_made_of_is_there() -> None:
    new = copy.deepcopy(SHOP)
    put("#/Person/properties/nickname", {"type": "string"})(new)
    new["components"]["schemas"]["Other"] = {"type": "string"}
    old, new = (dict(each) for each in unlike(SHOP, new, set(SHOP["paths"])))
    assert old["paths"] == {"/orders": SHOP["paths"]["/orders"]}
    assert [old["components"][section].keys() for section in sorted(old["components"])] == [
        {"Limit"},
        {"Orders"},
        {"Order", "Person"},
        {"key"},
    ]
    assert new["components"]["schemas"].keys() == {"Order", "Person"}


def test_what_is_in_one_document_alone_is_told_by_its_name() -> None:
    assert unlike({}, SHOP, set()) == ({"webhooks": {}}, {"webhooks": {}})
    new = {**SHOP, "paths": {"/orders": {}, "/new": {}}}
    assert set(unlike(SHOP, new, {"/orders"})[1]["paths"]) == {"/orders"}


def test_webhooks_are_looked_into_where_no_path_is() -> None:
    def calling(kind: str) -> Document:
        body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
        return {"webhooks": {"placed": {"post": {"requestBody": body}}}, "components": {"schemas": {"A": {"type": kind}}}}

    assert [each.rule for each in between(calling("string"), calling("integer")).changes] == ["webhook-changed"]
    assert not between(calling("string"), calling("string"))


def test_names_with_slashes_and_quotes_lead_where_they_lead() -> None:
    def shop(kind: str) -> Document:
        items = {"$ref": '#/components/schemas/a~1b "%C3%A9~0'}
        operation = {"responses": {"200": {"description": "", "content": {"application/json": {"schema": items}}}}}
        return {"paths": {"/a": {"get": operation}}, "components": {"schemas": {'a/b "é~': {"type": kind}}}}

    assert [each.rule for each in between(shop("string"), shop("integer")).changes] == ["response-body-type-changed"]


@given(DOCUMENTS, PATHS, st.dictionaries(st.sampled_from("ABC"), SCHEMAS))
@settings(max_examples=200, deadline=None)
def test_it_tells_the_same_as_whoever_looks_into_everything(old: Document, paths: Document, schemas: Document) -> None:
    new = {"paths": {**old["paths"], **paths}, "components": {"schemas": {**old["components"]["schemas"], **schemas}}}
    for one, other in ((old, json.loads(json.dumps(new))), (new, old)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(package, "unlike", lambda was, now, _: (was, now))
            whole = between(one, other)
        assert between(one, other) == whole
