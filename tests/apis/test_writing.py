"""Documents as text: what is written is read as what it was, and nothing of the author's is lost."""

import json

import pytest

from apis import openapi, writing
from apis.openapi_source import load
from apis.yaml_text import as_yaml


def test_json_stays_json_and_yaml_stays_yaml() -> None:
    assert writing.tidied('{"b":1,\n\n"a":["é"]}', {"b": 1, "a": ["é"]}) == '{\n  "b": 1,\n  "a": [\n    "é"\n  ]\n}\n'
    assert writing.tidied("b:   1\na: ['é']\n", {"b": 1, "a": ["é"]}) == 'b: 1\na:\n  - "é"\n'


@pytest.mark.parametrize(
    "text", ["a: 1 # why\n", "# why\na: 1", "a: 1\n# why", "a: | # why\n  b\n", "a:\n  # why\n  - b\n", "\ufeff# why\na: 1"]
)
def test_comments_are_not_lost(text: str) -> None:
    with pytest.raises(writing.Comments):
        writing.tidied(text, load(text).value)


@pytest.mark.parametrize("text", ["a: 'x # y'\n", 'a: "# y"\n', "a: |\n  # b\n", "a: x#y\n", "a: >\n  b\n\n  # c\n", "$ref: '#/a'\n"])
def test_a_number_sign_in_a_text_is_no_comment(text: str) -> None:
    value = load(text).value
    assert load(writing.tidied(text, value)).value == value


def test_what_is_too_long_is_left_alone() -> None:
    text = json.dumps({"a": "x" * writing.MOST_CHARACTERS})
    with pytest.raises(writing.TooLong):
        writing.tidied(text, json.loads(text))


def test_members_come_in_the_order_of_people() -> None:
    kept = {
        "info": {"title": "A", "version": "1"},
        "paths": {"/b": {"get": {"responses": {"200": {"description": "x"}}, "operationId": "b"}}, "/a": {}},
        "openapi": "3.1.0",
        "components": {"schemas": {"B": {"properties": {"type": {"type": "string"}, "name": {}}, "type": "object"}, "A": {}}},
    }
    text = writing.editable(kept, ["/a", "/b", "/a"])
    assert load(text).value == kept
    assert [*load(text).value] == ["openapi", "info", "paths", "components"]
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("/a: {}") < lines.index("/b:")
    assert lines.index("operationId: b") < lines.index("responses:")
    # Names of the author's own stay where they are, also those that are words of OpenAPI.
    assert lines.index("B:") < lines.index("A: {}")
    assert lines.index("type:") < lines.index("name: {}")


class TestSketches:
    def test_a_list_of_operations_is_a_document_that_can_be_published(self) -> None:
        listed = "GET /orders All orders\npost /orders\n\n  GET /orders/{id}   One order \nDELETE /orders/{id}/items/{item-no}\nHEAD /"
        value = writing.begin(title="Orders: all", description="Two\nlines", operations=writing.sketches(listed))
        read = openapi.parse(as_yaml(value))
        assert (read.title, read.content) == ("Orders: all", value)
        assert [(each.method, each.path, each.operation_id, each.summary) for each in read.operations] == [
            ("GET", "/orders", "getOrders", "All orders"),
            ("POST", "/orders", "postOrders", ""),
            ("GET", "/orders/{id}", "getOrdersById", "One order"),
            ("DELETE", "/orders/{id}/items/{item-no}", "deleteOrdersByIdItemsByItemNo", ""),
            ("HEAD", "/", "head", ""),
        ]

    def test_what_each_method_takes_and_answers(self) -> None:
        listed = "\n".join(f"{method} /a" for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
        item = writing.begin(title="A", description="", operations=writing.sketches(listed))["paths"]["/a"]
        assert {name for name, operation in item.items() if "requestBody" in operation} == {"post", "put", "patch"}
        assert {name: next(iter(operation["responses"])) for name, operation in item.items()} == {
            "get": "200", "post": "201", "put": "200", "patch": "200", "delete": "204", "head": "200", "options": "204",
        }  # fmt: skip
        assert {name for name, operation in item.items() if "content" in next(iter(operation["responses"].values()))} == {
            "get", "post", "put", "patch",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "listed, line, kind",
        [
            ("", 1, "none"),
            ("  \n", 1, "none"),
            ("\nFETCH /orders", 2, "method"),
            ("GET", 1, "path"),
            ("GET orders", 1, "path"),
            ("GET /a b\nGET /ö", 2, "path"),
            ("GET /a?b=c", 1, "path"),
            ("GET /orders/{id", 1, "braces"),
            ("GET /orders/{}", 1, "braces"),
            ("GET /orders/id}", 1, "braces"),
            ("GET /{a}/{a}", 1, "braces"),
            ("GET /a\nget /a again", 2, "twice"),
            ("\n".join(f"GET /{n}" for n in range(101)), 101, "many"),
        ],
    )
    def test_what_is_no_operation_is_told_by_its_line(self, listed: str, line: int, kind: str) -> None:
        with pytest.raises(writing.SketchError) as refused:
            writing.sketches(listed)
        assert (refused.value.line, refused.value.kind) == (line, kind)
