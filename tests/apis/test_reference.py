"""Carl reads what an operation takes and answers, in words, and copies an example that he can send."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apis import reference as module
from apis.openapi import Document, parse
from apis.reference import Body, Operation, Parameter, describe, groups, reference
from apis.schemas import FIELDS, MORE, Field

Content = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    method: str
    path: str
    operation_id: str = "anything"
    tag: str = ""


def document(openapi: str = "3.1.0", **more: Any) -> Content:
    return {"openapi": openapi, "info": {"title": "Shop", "version": "1"}, "paths": {}, **more}


def posting(schema: Any, *, openapi: str = "3.1.0", media_type: str = "application/json", **components: Any) -> Content:
    """POST /orders with a body."""
    operation = {"requestBody": {"content": {media_type: {"schema": schema}}}, "responses": {"201": {"description": "Made"}}}
    return document(openapi, paths={"/orders": {"post": operation}}, components={"schemas": components})


def body(schema: Any, *, openapi: str = "3.1.0", media_type: str = "application/json", **components: Any) -> Body:
    found = describe(posting(schema, openapi=openapi, media_type=media_type, **components), Stored("POST", "/orders"))
    assert found is not None
    assert found.body is not None
    return found.body


def type_of(schema: Any, openapi: str = "3.1.0", **components: Any) -> str:
    return body(schema, openapi=openapi, **components).type


def fields(schema: Any, **components: Any) -> list[tuple[str, str]]:
    """Name and type; required ones with a star."""
    return [(f"{each.name}*" if each.required else each.name, each.type) for each in body(schema, **components).fields]


def example(schema: Any, **components: Any) -> Any:
    return json.loads(body(schema, **components).example)


SHOP = document(
    tags=[{"name": "orders", "description": "What was **bought**."}, {"name": "unused"}],
    security=[{"login": ["orders:read"]}],
    paths={
        "/orders": {
            "summary": "Orders",
            "parameters": [{"$ref": "#/components/parameters/Trace"}],
            "post": {
                "operationId": "place",
                "tags": ["orders", "new"],
                "description": "Place an *order*.",
                "deprecated": True,
                "parameters": [
                    {"name": "X-Trace", "in": "header", "required": True, "schema": {"type": "string", "minLength": 4, "maxLength": 32}},
                    {"name": "dry", "in": "query", "deprecated": True, "description": "Only try.", "schema": {"type": "boolean"}},
                    {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
                ],
                "requestBody": {"$ref": "#/components/requestBodies/Order"},
                "responses": {
                    "201": {
                        "description": "Made",
                        "content": {"text/plain": {}, "application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                    },
                    "204": {"description": "Nothing"},
                    "default": {"$ref": "#/components/responses/Problem"},
                },
                "security": [{"login": ["orders:write", "orders:read"], "key": []}, {"key": []}],
            },
        },
        "/": {"get": {"responses": {"200": {"description": "Here"}}}},
        "/parcels/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1, "maximum": 999}}],
            "get": {"responses": {"200": {"description": "A parcel"}}},
        },
    },
    components={
        "parameters": {"Trace": {"name": "X-Trace", "in": "header", "schema": {}}},
        "requestBodies": {
            "Order": {
                "required": True,
                "description": "The order.",
                "content": {
                    "application/xml": {"schema": {"type": "string"}},
                    "application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Order"}},
                },
            }
        },
        "responses": {"Problem": {"description": "No", "content": {"application/problem+json": {"schema": {"type": "object"}}}}},
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["sku"],
                "properties": {
                    "sku": {"type": "string", "description": "What."},
                    "id": {"type": "integer", "readOnly": True},
                    "pin": {"type": "string", "writeOnly": True},
                },
            }
        },
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "login": {"type": "openIdConnect", "openIdConnectUrl": "https://login.example"},
        },
    },
)


def test_the_shop_is_a_document_that_the_import_takes() -> None:
    assert isinstance(parse(json.dumps(SHOP)), Document)


def test_an_operation_in_full() -> None:
    found = describe(SHOP, Stored("POST", "/orders", "place"))
    assert found is not None
    assert found.body is not None
    assert (found.method, found.path, found.operation_id, found.summary) == ("POST", "/orders", "place", "Orders")
    assert (found.description, found.tags, found.deprecated) == ("Place an *order*.", ("orders", "new"), True)
    assert found.parameters == (
        Parameter("X-Trace", "header", required=True, deprecated=False, type="string, 4 to 32", description="", example='"string"'),
        Parameter("dry", "query", required=False, deprecated=True, type="boolean", description="Only try.", example="true"),
        Parameter("filter", "query", required=False, deprecated=False, type="object", description="", example="{}"),
    )
    assert (found.body.media_type, found.body.required, found.body.description) == ("application/json; charset=utf-8", True, "The order.")
    assert found.body.fields == (Field("sku", "string", required=True, description="What."), Field("pin", "string", False, ""))
    assert json.loads(found.body.example) == {"sku": "string", "pin": "string"}
    assert [(each.status, each.description, each.media_type, each.type) for each in found.responses] == [
        ("201", "Made", "application/json", "object"),
        ("204", "Nothing", "", ""),
        ("default", "No", "application/problem+json", "object"),
    ]
    assert [[each.name for each in response.fields] for response in found.responses] == [["sku", "id"], [], []]
    assert found.scopes == (("orders:read", "orders:write"),)


def test_what_an_operation_does_not_say_itself_the_document_says() -> None:
    found = describe(SHOP, Stored("GET", "/parcels/{id}"))
    assert found is not None
    assert found.scopes == (("orders:read",),)
    assert [(each.name, each.where, each.required, each.type) for each in found.parameters] == [("id", "path", True, "integer, 1 to 999")]
    assert (found.body, found.deprecated, found.tags) == (None, False, ())


def test_an_operation_that_the_document_does_not_have() -> None:
    assert describe(SHOP, Stored("DELETE", "/orders")) is None
    assert reference(SHOP, [Stored("DELETE", "/orders")]) == ()


OPERATIONS = [Stored("GET", "/parcels/{id}", "parcel"), Stored("GET", "/", "root"), Stored("POST", "/orders", "place", "orders")]


def test_groups_by_tag_or_else_by_the_first_segment() -> None:
    found = reference(SHOP, OPERATIONS)
    wanted = [("orders", "What was **bought**.", ["place"]), ("parcels", "", ["parcel"]), ("/", "", ["root"])]
    assert [(each.name, each.description, [one.operation_id for one in each.operations]) for each in found] == wanted
    assert all(isinstance(one, Operation) for each in found for one in each.operations)
    bare = groups(SHOP, OPERATIONS)
    assert [(each.name, each.description, [one.operation_id for one in each.operations]) for each in bare] == wanted
    assert bare[0].operations == (OPERATIONS[2],)


# --- types in words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema,words",
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "minLength": 4, "maxLength": 32}, "string, 4 to 32"),
        ({"type": "string", "minLength": 4}, "string, at least 4"),
        ({"type": "string", "maxLength": 32}, "string, at most 32"),
        ({"type": "string", "format": "date-time"}, "string (date-time)"),
        ({"type": "string", "pattern": "^a+$", "maxLength": 9}, "string, at most 9, matching ^a+$"),
        ({"type": "integer", "minimum": 1, "maximum": 999}, "integer, 1 to 999"),
        ({"type": "number", "minimum": 0.5}, "number, at least 0.5"),
        ({"type": "integer", "minimum": 0, "maximum": 0}, "integer, 0 to 0"),
        ({"type": "boolean"}, "boolean"),
        ({"enum": ["a", "b"]}, "one of a, b"),
        ({"type": "integer", "enum": [1, 2]}, "one of 1, 2"),
        ({"enum": list(range(30))}, f"one of {', '.join(map(str, range(20)))}, …"),
        ({"const": "x"}, "always x"),
        ({}, "any value"),
        (True, "any value"),
        ({"properties": {"a": {}}}, "object"),
        ({"type": "array", "items": {"type": "string", "maxLength": 5}}, "array of string"),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3}, "array of one of a, b, 1 to 3"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "string"}}}, "array of array"),
        ({"type": "array"}, "array"),
        ({"oneOf": [{"$ref": "#/components/schemas/Card"}, {"title": "Cash"}, {"type": "string"}]}, "one of Card, Cash, string"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "one of integer, string"),
        ({"allOf": [{"type": "string"}, {"maxLength": 9}]}, "string, at most 9"),
        ({"$ref": "#/components/schemas/Card"}, "object"),
        ({"type": "null"}, "any value or null"),
    ],
)  # fmt: skip
def test_a_type_in_words(schema: Any, words: str) -> None:
    for openapi in ("3.0.3", "3.1.0"):
        assert type_of(schema, openapi, Card={"type": "object"}) == words


@pytest.mark.parametrize(
    "schema,words",
    [
        ({"type": "string", "nullable": True}, "string or null"),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": True}, "integer, above 0, below 9"),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": False}, "integer, at least 0"),
        ({"nullable": True, "allOf": [{"$ref": "#/components/schemas/Card"}]}, "object or null"),
        ({"type": "string", "nullable": True, "enum": ["a", None]}, "one of a or null"),
        ({"type": "string", "x-nullable": True}, "string or null"),
    ],
)
def test_as_openapi_3_0_says_it(schema: Any, words: str) -> None:
    assert type_of(schema, "3.0.3", Card={"type": "object"}) == words


@pytest.mark.parametrize(
    "schema,words",
    [
        ({"type": ["string", "null"], "maxLength": 5}, "string, at most 5 or null"),
        ({"type": ["string", "integer"]}, "string or integer"),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}, "integer, above 0, below 9"),
        ({"oneOf": [{"$ref": "#/components/schemas/Card"}, {"type": "null"}]}, "Card or null"),
        ({"$ref": "#/components/schemas/Card", "description": "Its card."}, "object"),
        ({"type": ["array", "null"], "items": {"type": ["integer", "null"]}}, "array of integer or null or null"),
    ],
)
def test_as_openapi_3_1_says_it(schema: Any, words: str) -> None:
    assert type_of(schema, Card={"type": "object"}) == words


def test_as_swagger_says_it() -> None:
    swagger = {
        "swagger": "2.0",
        "consumes": ["application/json"],
        "paths": {
            "/orders": {
                "post": {
                    "parameters": [
                        {"name": "limit", "in": "query", "type": "integer", "maximum": 9},
                        {"name": "order", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Order"}},
                    ],
                    "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Order"}}},
                }
            }
        },
        "definitions": {"Order": {"type": "object", "properties": {"sku": {"type": "string", "x-nullable": True}}}},
    }
    found = describe(swagger, Stored("POST", "/orders"))
    assert found is not None
    assert found.body is not None
    assert [(each.name, each.type) for each in found.parameters] == [("limit", "integer, at most 9")]
    assert (found.body.media_type, found.body.required) == ("application/json", True)
    assert found.body.fields == found.responses[0].fields == (Field("sku", "string or null", False, ""),)


def test_the_words_are_the_readers() -> None:
    german = {"%(type)s, %(least)s to %(most)s": "%(type)s, %(least)s bis %(most)s", "%(type)s or null": "%(type)s oder null"}
    content = posting({"type": ["integer", "null"], "minimum": 1, "maximum": 9})
    found = describe(content, Stored("POST", "/orders"), gettext=lambda sentence: german.get(sentence, sentence))
    assert found is not None
    assert found.body is not None
    assert found.body.type == "integer, 1 bis 9 oder null"


# --- fields ------------------------------------------------------------------------------------------------------

LINE = {
    "type": "object",
    "required": ["sku"],
    "properties": {"sku": {"type": "string"}, "sizes": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
}


def test_nested_names_are_dotted_and_required_ones_come_first() -> None:
    schema = {
        "type": "object",
        "required": ["lines"],
        "properties": {
            "buyer": {"type": "object", "required": ["name"], "properties": {"age": {"type": "integer"}, "name": {"type": "string"}}},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}, "minItems": 1},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    }
    assert fields(schema, Line=LINE) == [
        ("lines*", "array of object, at least 1"),
        ("lines[].sku*", "string"),
        ("lines[].sizes", "array of integer"),
        ("lines[].sizes[]", "integer, at least 1"),
        ("buyer", "object"),
        ("buyer.name*", "string"),
        ("buyer.age", "integer"),
        ("labels", "object"),
        ("labels.*", "string"),
        ("tags", "array of string"),
    ]


def test_a_body_that_is_an_array() -> None:
    found = body({"type": "array", "items": {"$ref": "#/components/schemas/Line"}}, Line=LINE)
    assert (found.type, [each.name for each in found.fields]) == ("array of object", ["[].sku", "[].sizes", "[].sizes[]"])
    assert json.loads(found.example) == [{"sku": "string", "sizes": [1]}]


def test_all_of_is_put_together_and_nearer_words_count() -> None:
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Base"}, {"required": ["id"], "properties": {"name": {"type": "string", "maxLength": 9}}}],
        "properties": {"id": {"type": "string"}},
    }
    base = {"type": "object", "properties": {"id": {"type": "integer"}, "kind": {"type": "string"}}}
    assert fields(schema, Base=base) == [("id*", "string"), ("kind", "string"), ("name", "string, at most 9")]


def test_fields_of_alternatives_are_told_and_never_required() -> None:
    card = {"type": "object", "required": ["number"], "properties": {"number": {"type": "string"}}}
    cash = {"type": "object", "properties": {"amount": {"type": "integer"}}}
    schema = {"oneOf": [{"$ref": "#/components/schemas/Card"}, {"$ref": "#/components/schemas/Cash"}]}
    assert fields(schema, Card=card, Cash=cash) == [("number", "string"), ("amount", "integer")]


def test_four_names_deep_and_no_deeper() -> None:
    schema: Content = {"type": "string"}
    for name in "fedcba":
        schema = {"type": "object", "properties": {name: schema}}
    assert fields(schema) == [("a", "object"), ("a.b", "object"), ("a.b.c", "object"), ("a.b.c.d", "object …")]


NODE = {
    "type": "object",
    "required": ["next"],
    "properties": {
        "name": {"type": "string"},
        "next": {"$ref": "#/components/schemas/Node"},
        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        "any": {"oneOf": [{"$ref": "#/components/schemas/Node"}, {"type": "string"}]},
    },
}


def test_what_comes_again_ends_with_three_dots() -> None:
    found = fields({"$ref": "#/components/schemas/Node"}, Node=NODE)
    assert found[0] == ("next*", "object …")
    assert ("children[]", "object …") in found
    assert ("name", "string") in found
    assert len(found) < 30
    assert example({"$ref": "#/components/schemas/Node"}, Node=NODE) == {"any": "string", "children": [], "name": "string"}


def test_schemas_that_are_nothing_but_each_other_have_an_end() -> None:
    one, two = {"allOf": [{"$ref": "#/components/schemas/Two"}], "type": "object"}, {"allOf": [{"$ref": "#/components/schemas/One"}]}
    assert body({"$ref": "#/components/schemas/One"}, One=one, Two=two).type == "object"
    assert type_of({"$ref": "#/components/schemas/Loop"}, Loop={"$ref": "#/components/schemas/Loop"}) == "any value"
    assert body({"$ref": "#/components/schemas/Loop"}, Loop={"oneOf": [{"$ref": "#/components/schemas/Loop"}]}).type == "Loop"


# --- examples ----------------------------------------------------------------------------------------------------


def test_an_example_that_the_document_gives_comes_first() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "example": {"a": "schema's"}}
    content = posting(schema)
    media = content["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]

    def told() -> Any:
        found = describe(content, Stored("POST", "/orders"))
        assert found is not None
        assert found.body is not None
        return json.loads(found.body.example)

    assert told() == {"a": "schema's"}
    content["components"]["examples"] = {"One": {"value": {"a": "named"}}}
    media["examples"] = {"one": {"$ref": "#/components/examples/One"}}
    assert told() == {"a": "named"}
    media["example"] = {"a": "own"}
    assert told() == {"a": "own"}
    media["example"] = {"a": "long" * 5_000}
    assert told() == {"a": "named"}


@pytest.mark.parametrize(
    "schema,value",
    [
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "minLength": 9}, "stringxxx"),
        ({"type": "string", "maxLength": 3}, "str"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({}, None),
        ({"type": ["null", "string"]}, "string"),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer", "default": 3}, 3),
        ({"type": "string", "examples": ["first", "second"]}, "first"),
        ({"type": "array", "items": {"type": "string"}}, ["string"]),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"type": "object", "properties": {"id": {"readOnly": True}, "a": {"type": "string"}}}, {"a": "string"}),
    ],
)
def test_else_one_is_made_up_by_type(schema: Any, value: Any) -> None:
    assert example(schema) == value


def test_a_schemas_example_that_is_too_long_is_not_taken() -> None:
    assert example({"properties": {"a": {"type": "string", "example": "x" * 20_000}}}) == {"a": "string"}


def test_a_limit_that_is_not_included_in_openapi_3_0() -> None:
    assert example({"type": "integer", "minimum": 5, "exclusiveMinimum": True}) == 6
    assert example({"type": "integer", "maximum": 5, "exclusiveMaximum": True}) == 4


def test_what_is_no_json_is_written_as_its_media_type_wants() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    assert body(schema, media_type="application/x-www-form-urlencoded").example == "a=string&b=1"
    assert body({"type": "string", "example": "<a/>"}, media_type="application/xml").example == "<a/>"
    assert body(schema, media_type="multipart/form-data").example == ""


# --- bounds ------------------------------------------------------------------------------------------------------


def told_at_once(content: Content) -> tuple[float, int]:
    """Seconds, and characters."""
    places = [Stored(method.upper(), path) for path, item in content["paths"].items() for method in item]
    start = time.process_time()
    found = reference(content, places)
    return time.process_time() - start, len(repr(found))


def deep(levels: int = 3_000) -> Content:
    schemas: Content = {f"S{each}": {"allOf": [{"$ref": f"#/components/schemas/S{each + 1}"}]} for each in range(levels)}
    schemas[f"S{levels}"] = {"type": "object"}
    return posting({"$ref": "#/components/schemas/S0"}, **schemas)


def wide() -> Content:
    """Each schema has every other as a property: unfolded, thousands of millions of fields."""
    names = [f"S{each}" for each in range(200)]
    own = {f"p{name}": {"$ref": f"#/components/schemas/{name}"} for name in names}
    schemas: Content = {name: {"type": "object", "properties": own} for name in names}
    content = posting({"$ref": "#/components/schemas/S0"}, **schemas)
    content["paths"] = {f"/p{each}": content["paths"]["/orders"] for each in range(1_000)}
    return content


def lists() -> Content:
    """Arrays of arrays without end."""
    names = [f"S{each}" for each in range(3_000)]
    after = zip(names, [*names[1:], names[0]], strict=True)
    schemas: Content = {name: {"type": "array", "items": {"$ref": f"#/components/schemas/{to}"}} for name, to in after}
    return posting({"$ref": "#/components/schemas/S0"}, **schemas)


def long() -> Content:
    """One text of a megabyte that a thousand operations refer to."""
    said = "x" * 1_000_000
    content = posting({"$ref": "#/components/schemas/Long"}, Long={"description": said, "example": said, "enum": [said], "pattern": said})
    operation = content["paths"]["/orders"]["post"] | {"parameters": [{"$ref": "#/components/parameters/Long"}], "summary": said}
    content["components"]["parameters"] = {"Long": {"name": said, "in": "query", "description": said, "schema": {"type": "string"}}}
    content["paths"] = {f"/p{each}": {"post": operation} for each in range(1_000)}
    return content


def properties() -> Content:
    many = {f"p{each}": {"type": "string"} for each in range(50_000)}
    schemas: Content = {f"S{each}": {"allOf": [{"$ref": "#/components/schemas/Many"}]} for each in range(1_000)}
    content = posting({}, **schemas, Many={"type": "object", "properties": many})
    content["paths"] = {
        f"/p{each}": {"get": {"responses": {"200": {"content": {"a/json": {"schema": {"$ref": f"#/components/schemas/S{each}"}}}}}}}
        for each in range(1_000)
    }
    return content


@pytest.mark.parametrize("make_it", [deep, wide, lists, long, properties])
def test_hostile_documents_end_in_time_and_with_three_dots(make_it: Callable[[], Content]) -> None:
    seconds, characters = told_at_once(make_it())
    # Each takes about a second or less.
    assert seconds < 10
    assert characters < 8_000_000


def test_deep_all_of_says_that_there_is_more() -> None:
    found = describe(deep(), Stored("POST", "/orders"))
    assert found is not None
    assert found.body is not None
    assert found.body.type == f"any value {MORE}"


def test_more_fields_than_a_page_shows_end_with_three_dots() -> None:
    found = body({"type": "object", "properties": {f"p{each:04}": {"type": "string"} for each in range(FIELDS + 1)}}).fields
    assert (len(found), found[-1]) == (FIELDS + 1, Field(MORE, MORE, required=False, description=""))
    whole = body({"type": "object", "properties": {f"p{each:04}": {"type": "string"} for each in range(FIELDS)}}).fields
    assert (len(whole), whole[-1].name) == (FIELDS, "p0099")


def test_more_than_a_page_holds_is_left_out_of_its_later_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PER_PAGE", 4)
    content = posting({"type": "object", "properties": {"a": {}, "b": {}}})
    content["paths"]["/other"] = content["paths"]["/orders"]
    told = [one for group in reference(content, [Stored("POST", "/orders"), Stored("POST", "/other")]) for one in group.operations]
    assert [[each.name for each in one.body.fields] for one in told if one.body] == [["a", "b"], ["a", MORE]]
    assert [[each.status for each in one.responses] for one in told] == [["201"], [MORE]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["string", "object", "array", "#/components/schemas/A", "#/x", ""]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["$ref", "type", "properties", "items", "allOf", "oneOf", "enum", "const", "required", "additionalProperties", "minimum",
                 "exclusiveMinimum", "minLength", "format", "description", "example", "examples", "default", "nullable", "a"]
            ),
            inner, max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON, JSON, JSON)
@settings(max_examples=300, deadline=None)
def test_whatever_a_schema_is_it_is_told(schema: Any, a: Any, parameter: Any) -> None:
    content = posting(schema, A=a)
    content["paths"]["/orders"]["post"]["parameters"] = [parameter, {"name": "p", "in": "query", "schema": a}]
    content["paths"]["/orders"]["post"]["responses"] = {"200": parameter, "201": {"content": {"application/json": {"schema": a}}}}
    found = describe(content, Stored("POST", "/orders"))
    assert found is not None
    assert found == describe(json.loads(json.dumps(content)), Stored("POST", "/orders"))
    if found.body is not None:
        json.loads(found.body.example or "null")
