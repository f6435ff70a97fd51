"""Operations as tools: what they take, in whatever version of OpenAPI they are written, and the call that arguments make."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apis import tools
from apis.tools import Shape, WrongArguments


def document(operation: dict[str, Any], *, method: str = "get", path: str = "/orders/{id}", **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {path: {method: operation}}, **more}


def shape(operation: dict[str, Any], *, method: str = "get", path: str = "/orders/{id}", **more: Any) -> Shape:
    found = tools.shape(document(operation, method=method, path=path, **more), method=method.upper(), path=path)
    assert found is not None
    Draft202012Validator.check_schema(found.schema)
    return found


ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


@pytest.mark.parametrize(
    ("operation_id", "name"),
    [("getOrder", "getOrder"), ("get /orders/{id}", "get_orders_id"), ("订单", "operation"), ("a" * 80, "a" * 64), ("a.b", "a_b")],
)
def test_a_tool_is_called_like_its_operation(operation_id: str, name: str) -> None:
    assert tools.name_of(operation_id) == name
    assert tools.NAME.fullmatch(name)


@pytest.mark.parametrize(
    ("path", "in_the_way"),
    [("/mcp", True), ("/{id}", True), ("/m{id}p", True), ("/orders", False), ("/mcp/{id}", False), ("/MCP", False), ("/x{id}", False)],
)
def test_an_operation_that_would_answer_there_stands_in_the_way(path: str, *, in_the_way: bool) -> None:
    assert tools.stands_in_the_way(path) is in_the_way


def test_what_the_document_does_not_tell_is_no_tool() -> None:
    assert tools.shape(document({}), method="POST", path="/orders/{id}") is None


def test_names_at_two_places_stay_apart() -> None:
    found = shape({"parameters": [ID, {"name": "id", "in": "query", "schema": {"type": "integer"}}]})
    assert list(found.schema["properties"]) == ["id", "query_id"]
    assert found.call({"id": "1", "query_id": 2}).path == "/orders/1?id=2"


def test_headers_that_the_gateway_or_http_sets_are_not_for_agents() -> None:
    names = ["Authorization", "X-API-Key", "Cookie", "x-portico-application", "Host", "Content-Type", "X-Real", "a b"]
    found = shape({"parameters": [ID, *({"name": each, "in": "header", "schema": {"type": "string"}} for each in names)]})
    assert list(found.arguments) == ["id", "X-Real"]


def test_schemas_of_3_0_are_told_as_json_schema_has_them() -> None:
    order = {
        "type": "object",
        "required": ["sku", "id"],
        "properties": {
            "id": {"type": "string", "readOnly": True},
            "sku": {"type": "string", "nullable": True, "enum": ["a"]},
            "count": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "example": 3},
            "parent": {"$ref": "#/components/schemas/Order"},
        },
        "xml": {"name": "o"},
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}, "required": True}
    found = shape({"parameters": [ID], "requestBody": body}, method="put", components={"schemas": {"Order": order}})
    assert found.schema["properties"]["body"] == {"$ref": "#/$defs/Order"}
    told = found.schema["$defs"]["Order"]
    assert (told["required"], "xml" in told) == (["sku"], False)
    assert told["properties"] == {
        "sku": {"type": ["string", "null"], "enum": ["a", None]},
        "count": {"type": "integer", "exclusiveMinimum": 0},
        "parent": {"$ref": "#/$defs/Order"},
    }
    call = found.call({"id": "1", "body": {"sku": "ü"}})
    assert (call.method, call.path, call.headers) == ("PUT", "/orders/1", {"content-type": "application/json"})
    assert json.loads(call.body or b"") == {"sku": "ü"}


def test_swagger_2_0_has_bodies_and_forms_among_its_parameters() -> None:
    body = {"name": "order", "in": "body", "required": True, "schema": {"type": "object"}}
    found = shape({"parameters": [{**ID, "type": "string"}, body]}, method="post", swagger="2.0")
    assert (list(found.arguments), found.media_type) == (["id", "body"], "application/json")
    fields = [{"name": name, "in": "formData", "type": "string", "required": name == "a"} for name in ("a", "b")]
    form = shape({"parameters": fields}, method="post", path="/form", swagger="2.0")
    assert form.media_type == "application/x-www-form-urlencoded"
    assert form.schema["properties"]["body"]["required"] == ["a"]
    assert form.call({"body": {"a": "1 2", "b": ["x", "y&"]}}).body == b"a=1%202&b=x&b=y%26"


def test_a_body_that_is_no_json_is_a_text() -> None:
    found = shape({"requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}}}, method="post", path="/csv")
    assert found.schema["properties"]["body"] == {"type": "string"}
    call = found.call({"body": "a,b"})
    assert (call.body, call.headers) == (b"a,b", {"content-type": "text/csv"})


def test_a_range_of_media_types_is_sent_as_json() -> None:
    found = shape({"requestBody": {"content": {"*/*": {"schema": {"type": "object"}}}}}, method="post", path="/any")
    assert found.call({"body": {}}).headers == {"content-type": "application/json"}


def test_what_is_too_long_is_told_short() -> None:
    long = {"type": "object", "properties": {f"field{n}": {"type": "string", "description": "x" * 100} for n in range(2_000)}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Long"}}}}
    found = shape({"parameters": [ID], "requestBody": body}, method="put", components={"schemas": {"Long": long}})
    assert len(json.dumps(found.schema)) < 1_000
    assert found.schema["properties"]["id"] == {"type": "string"}
    assert "too long" in found.schema["properties"]["body"]["description"]


def test_what_refers_to_itself_or_to_nothing_has_an_end() -> None:
    loop = {"$ref": "#/components/schemas/Loop"}
    schemas = {"Loop": loop, "Lost": {"$ref": "#/components/schemas/None"}, "Far": {"$ref": "https://evil.example/x.json"}}
    for name in schemas:
        body = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
        shape({"requestBody": body}, method="post", path="/x", components={"schemas": schemas})


def test_deep_schemas_are_cut() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        deep = {"type": "array", "items": deep}
    body = {"content": {"application/json": {"schema": {"allOf": [deep] * 3}}}}
    found = shape({"requestBody": body}, method="post", path="/x")
    assert len(json.dumps(found.schema)) < 1_000


WRONG = ["", ".", "..", "a/b", "a\\b", "../x", "\x00", "a\nb", "\ud800", {"a": 1}, [{"a": 1}], ["x", "/"]]


@pytest.mark.parametrize("value", WRONG, ids=map(repr, range(len(WRONG))))
def test_no_argument_leads_out_of_its_segment(value: Any) -> None:
    with pytest.raises(WrongArguments) as refused:
        shape({"parameters": [ID]}).call({"id": value})
    assert str(refused.value).endswith(".")


def test_what_is_missing_or_unknown_is_said() -> None:
    found = shape({"parameters": [ID]})
    for given_ones, said in (({}, "'id' is missing"), ({"id": "1", "x" * 200: 1}, "no argument"), ({"id": None}, "'id' is missing")):
        with pytest.raises(WrongArguments, match=said):
            found.call(given_ones)


def test_a_value_that_looks_like_a_parameter_stays_a_value() -> None:
    second = {**ID, "name": "other"}
    found = shape({"parameters": [ID, second]}, path="/a/{id}/{other}")
    assert found.call({"id": "{other}", "other": "x"}).path == "/a/%7Bother%7D/x"


@given(st.text(), st.text())
def test_whatever_is_given_there_is_one_segment_and_one_query(segment: str, query: str) -> None:
    found = shape({"parameters": [ID, {"name": "q", "in": "query", "schema": {"type": "string"}}]})
    try:
        call = found.call({"id": segment, "q": query})
    except WrongArguments:
        return
    path, _, asked = call.path.partition("?")
    assert path.count("/") == 2
    assert path.isascii()
    assert (asked.count("&"), asked.count("="), "#" in call.path) == (0, 1, False)
