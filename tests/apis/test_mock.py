"""What operations answer without an upstream: their first success, with the document's example or one that is made up."""

import json
from typing import Any

import pytest

from apis.mock import MOST, MOST_TOGETHER, Answer, Origin, answers
from tests import make

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "count": {"type": "integer", "minimum": 3},
        "state": {"enum": ["open", "paid"]},
        "pin": {"type": "string", "writeOnly": True},
        "note": {"type": "string", "default": "none"},
    },
}


def document(*responses: Any, method: str = "get", **more: Any) -> dict[str, Any]:
    """One operation for each of the responses, at /0, /1 …"""
    paths = {f"/{number}": {method: {"responses": each}} for number, each in enumerate(responses)}
    found = {**make.DOCUMENT, "paths": paths, "components": {"schemas": {"Order": ORDER}}, **more}
    return dict(make.document(found).content)


def answer(responses: Any, **more: Any) -> Answer:
    [found] = answers(document(responses, **more)).values()
    return found


def saying(content: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {"200": {"description": "It", "content": {media_type: content}}}


def test_each_operation_answers_by_its_method_and_path() -> None:
    assert answers(make.DOCUMENT) == {"GET /orders": Answer(200), "POST /orders": Answer(201), "GET /orders/{id}": Answer(200)}


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (["404", "201", "200", "default"], 200),
        (["default", "202", "500"], 202),
        (["2XX", "400"], 200),
        (["default", "302"], 200),
        (["404", "303", "302"], 302),
        (["400", "5XX"], 200),
    ],
)
def test_the_first_success_is_answered(told: list[str], status: int) -> None:
    assert answer({name: {"description": name} for name in told}).status == status


def test_the_documents_own_example_comes_first() -> None:
    own = {"id": "7", "note": "é 100%"}
    for content in (
        {"example": own, "schema": ORDER},
        {"examples": {"far": {"externalValue": "https://orders.example/1"}, "one": {"value": own}, "two": {"value": {}}}},
        {"schema": {**ORDER, "example": own}},
        {"schema": {**ORDER, "examples": [own, {}]}},
    ):
        found = answer(saying(content))
        assert (found.status, found.media_type, found.origin) == (200, "application/json", Origin.GIVEN)
        assert json.loads(found.body) == own


def test_an_example_elsewhere_in_the_document_is_found() -> None:
    components = {
        "responses": {
            "It": {"description": "It", "content": {"application/json": {"examples": {"a": {"$ref": "#/components/examples/A"}}}}}
        },
        "examples": {"A": {"value": [1, 2]}},
    }
    assert answer({"200": {"$ref": "#/components/responses/It"}}, components=components).body == "[\n  1,\n  2\n]"


def test_without_an_example_one_is_made_up_of_what_an_answer_holds() -> None:
    found = answer(saying({"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}))
    assert found.origin == Origin.MADE_UP
    [order] = json.loads(found.body)
    assert order == {"id": "123e4567-e89b-12d3-a456-426614174000", "count": 3, "state": "open", "note": "none"}, "and nothing writeOnly"


def test_what_refers_to_itself_comes_to_an_end() -> None:
    tree = {"type": "object", "properties": {"name": {"type": "string"}, "below": {"$ref": "#/components/schemas/Tree"}}}
    found = answer(saying({"schema": {"$ref": "#/components/schemas/Tree"}}), components={"schemas": {"Tree": tree}})
    assert json.loads(found.body) == {"name": "string"}


def test_json_is_taken_before_what_else_there_is() -> None:
    content = {"text/plain": {"example": "seven"}, "application/problem+json": {"example": {"a": 1}}}
    assert answer({"200": {"description": "It", "content": content}}).media_type == "application/problem+json"
    # Where JSON has nothing to show, the next one answers.
    content = {"application/json": {}, "text/csv": {"schema": {"type": "string"}}}
    found = answer({"200": {"description": "It", "content": content}})
    assert (found.media_type, found.body, found.origin) == ("text/csv", "string", Origin.MADE_UP)


def test_text_is_sent_as_it_is_and_a_picture_is_not_made_up() -> None:
    assert answer(saying({"example": "<a>é</a>"}, "application/xml")).body == "<a>é</a>"
    for media_type in ("image/png", "application/octet-stream", "application/xml"):
        assert answer(saying({"schema": {"type": "string", "format": "binary"}}, media_type)) == Answer(200)


def test_a_status_that_has_no_content_has_none() -> None:
    content = {"application/json": {"example": {"a": 1}}}
    for status in ("204", "205"):
        assert answer({status: {"description": "It", "content": content}}) == Answer(int(status))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("application/json; charset=utf-8", "application/json; charset=utf-8"),
        ("application/vnd.acme+json;version=2", "application/vnd.acme+json;version=2"),
        ('application/json; profile="https://a.example/b"', "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json\r\nset-cookie: a=b", ""),
        ("application/%JSON%+json", ""),
        ("json", ""),
        ("", ""),
        (f"application/{'x' * 100}+json", ""),
    ],
)
def test_a_media_type_is_one_that_a_header_can_have(given: str, sent: str) -> None:
    found = answers({**make.DOCUMENT, "paths": {"/a": {"get": {"responses": saying({"example": {"a": 1}}, given)}}}})["GET /a"]
    assert found.media_type == sent
    assert bool(found.body) == bool(sent)


def test_an_example_that_is_too_much_for_gateways_is_left_out() -> None:
    long = "é" * (MOST // 2)
    assert len(answer(saying({"example": long[1:]})).body.encode()) == MOST
    assert answer(saying({"example": long})) == Answer(200, origin=Origin.LEFT_OUT)
    # What can be made up stands in for it.
    found = answer(saying({"example": long, "schema": {"type": "string"}}))
    assert (found.body, found.origin) == ('"string"', Origin.MADE_UP)
    many = [{"number": number} for number in range(1_500)]
    assert json.loads(answer(saying({"example": many})).body) == many


def test_of_many_examples_the_last_are_left_out() -> None:
    found = list(answers(document(*[saying({"example": "x" * 60_000})] * 20)).values())
    assert [each.origin for each in found] == [Origin.GIVEN] * 17 + [Origin.LEFT_OUT] * 3
    assert {each.status for each in found} == {200}
    # A short one behind them has room.
    found = list(answers(document(*[saying({"example": "x" * 60_000})] * 20, saying({"example": "short"}))).values())
    assert found[-1].body == '"short"'


def test_of_a_very_large_document_each_operation_says_something() -> None:
    wide = {"type": "object", "properties": {f"name{number}": {"type": "string", "format": "uuid"} for number in range(100)}}
    told = saying({"schema": {"type": "array", "items": wide}, "example": ["x" * 5_000]})
    paths = {f"/{number}": {"get": {"responses": told}} for number in range(2_000)}
    found = [*answers({**make.DOCUMENT, "paths": paths}).values()]
    assert {each.origin for each in found} == {Origin.GIVEN, Origin.MADE_UP}
    assert json.loads(found[-1].body)[0]["name0"]
    assert sum(len(each.body) for each in found) <= MOST_TOGETHER


def test_a_converted_swagger_document_has_its_examples_and_schemas() -> None:
    def swagger(response: Any) -> Answer:
        operation = {"responses": {"200": {"description": "It", **response}}}
        content = {"swagger": "2.0", "info": {"title": "A", "version": "1"}, "produces": ["text/csv"], "paths": {"/a": {"get": operation}}}
        return answers(make.document(content).content)["GET /a"]

    found = swagger({"examples": {"text/csv": "a,b"}, "schema": {"type": "string"}})
    assert (found.media_type, found.body, found.origin) == ("text/csv", "a,b", Origin.GIVEN)
    found = swagger({"schema": {"type": "string"}})
    assert (found.media_type, found.body, found.origin) == ("text/csv", "string", Origin.MADE_UP)
    assert swagger({}) == Answer(200)
