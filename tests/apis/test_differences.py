"""Pam imports a changed document and reads what it changes before she makes it live."""

import copy
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from apis.differences import Differences, Level, concerned, differences
from apis.openapi import parse
from tests.apis.differences_cases import STANDS, Document, body, document, json_of, parameter, response, within

TODAY = date(2026, 1, 1)

SHOP: Document = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/orders": {
            "parameters": [{"name": "X-Trace", "in": "header", "schema": {"type": "string"}}],
            "get": {
                "operationId": "listOrders",
                "summary": "List orders",
                "parameters": [{"$ref": "#/components/parameters/Limit"}],
                "responses": {"200": {"$ref": "#/components/responses/Orders"}},
            },
            "post": {
                "operationId": "placeOrder",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                "responses": {"201": {"description": "Placed"}},
                "security": [{"key": []}],
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getOrder", "responses": {"200": {"description": "An order"}}},
        },
    },
    "components": {
        "parameters": {"Limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}},
        "responses": {
            "Orders": {
                "description": "Orders",
                "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}},
            }
        },
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["sku", "count"],
                "properties": {
                    "sku": {"type": "string"},
                    "count": {"type": "integer"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}},
                    "buyer": {"$ref": "#/components/schemas/Person"},
                },
            },
            "Person": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    },
}


def changed(by: Callable[[Document], Any]) -> Document:
    document = copy.deepcopy(SHOP)
    by(document)
    parse(json.dumps(document))
    return document


def between(old: Document | None, new: Document) -> Differences:
    return differences(old, new, today=TODAY)


def told(old: Document, new: Document) -> dict[str, list[str]]:
    """Level and sentence of each change, by operation."""
    found: dict[str, list[str]] = {}
    for each in between(old, new).changes:
        found.setdefault(each.operation.operation_id if each.operation else "", []).append(f"{each.level}: {each.text}")
    return found


def put(path: str, value: Any) -> Callable[[Document], None]:
    """Sets what lies at a path, `get /orders` being an operation and `#` the schemas."""

    def change(document: Document) -> None:
        *steps, last = path.replace("#", "components/schemas").split("/")
        node = document
        for step in steps:
            node = node[step.replace("~", "/")]
        if value is None:
            del node[last]
        else:
            node[last] = value

    return change


ORDERS, ORDER = "paths/~orders", "paths/~orders~{id}"


ORDERS, ORDER = "paths/~orders", "paths/~orders~{id}"


@pytest.mark.parametrize(
    "path,value,wanted",
    [
        (f"{ORDERS}/get/summary", "All orders", {"listOrders": ["safe: The operation's descriptions, examples or notes changed."]}),
        (f"{ORDERS}/get/deprecated", True, {"listOrders": ["safe: The operation is deprecated now."]}),
        (f"{ORDERS}/get/operationId", "orders", {"orders": ["safe: The operation id was listOrders."]}),
        (f"{ORDERS}/get/parameters", [], {"listOrders": ["risky: The parameter limit (query) is gone."]}),
        (
            f"{ORDERS}/post/parameters",
            [
                {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
                {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {}},
            ],
            {
                "placeOrder": [
                    "breaking: The parameter Idempotency-Key (header) is new and required.",
                    "safe: The parameter dry (query) is new.",
                ]
            },
        ),
        # A component that one operation uses, and a parameter of the path that two share.
        (
            "components/parameters/Limit/schema/maximum",
            50,
            {"listOrders": ["breaking: The parameter limit (query) has maximum 50 now; it had 100."]},
        ),
        (
            f"{ORDERS}/parameters",
            [{"name": "x-trace", "in": "header", "schema": {"type": "integer"}}],
            {
                name: ["breaking: The parameter x-trace (header) has type integer now; it had string."]
                for name in ("listOrders", "placeOrder")
            },
        ),
        # A schema that refers to itself, and one beyond it: what narrows breaks the request and not the response.
        (
            "#/Order/properties/count/minimum",
            1,
            {
                "listOrders": ["safe: [].count in the response 200 (application/json) has minimum 1 now; it had none."],
                "placeOrder": ["breaking: count in the request body (application/json) has minimum 1 now; it had none."],
            },
        ),
        (
            "#/Person/properties/name/enum",
            ["Ada", "Pam"],
            {
                "listOrders": ["safe: [].buyer.name in the response 200 (application/json) can only be Ada, Pam now."],
                "placeOrder": ["breaking: buyer.name in the request body (application/json) can only be Ada, Pam now."],
            },
        ),
        (
            "#/Order/required",
            ["sku"],
            {
                "listOrders": ["breaking: [].count in the response 200 (application/json) is optional now."],
                "placeOrder": ["safe: count in the request body (application/json) is optional now."],
            },
        ),
        (f"{ORDERS}/post/security", None, {"placeOrder": ["safe: Callers no longer have to prove who they are."]}),
        (
            "security",
            [{"key": []}],
            {name: ["breaking: Callers have to prove who they are now, by key."] for name in ("listOrders", "getOrder")},
        ),
    ],
)
def test_it_says_what_changed_where_and_how_bad_it_is(path: str, value: Any, wanted: dict[str, list[str]]) -> None:
    assert told(SHOP, changed(put(path, value))) == wanted


def test_the_worst_of_an_operation_comes_first() -> None:
    def change(document: Document) -> None:
        document["paths"]["/orders"]["get"].update(summary="All", parameters=[])
        document["components"]["schemas"]["Order"]["required"] = []

    assert [each.split(":")[0] for each in told(SHOP, changed(change))["listOrders"]] == ["breaking", "breaking", "risky", "safe"]


def test_operations_come_and_go() -> None:
    def moved(document: Document) -> None:
        item = document["paths"].pop("/orders/{id}")
        item["parameters"][0]["name"] = "number"
        document["paths"]["/parcels/{number}"] = item
        document["paths"]["/orders"]["delete"] = {"responses": {"204": {"description": "Gone"}}}

    found = between(SHOP, changed(moved))
    assert [(each.method, each.path, each.operation_id) for each in found.added] == [
        ("DELETE", "/orders", "delete_orders"),
        ("GET", "/parcels/{number}", "getOrder"),
    ]
    assert [(each.method, each.path) for each in found.removed] == [("GET", "/orders/{id}")]
    assert found.changed == {}
    assert [(each.rule, each.level) for each in found.changes] == [
        ("endpoint-added", Level.SAFE),
        ("api-removed-without-deprecation", Level.BREAKING),
        ("endpoint-added", Level.SAFE),
    ]


def test_the_first_document_adds_everything() -> None:
    found = between(None, SHOP)
    assert [(each.method, each.path, each.summary) for each in found.added] == [
        ("GET", "/orders", "List orders"),
        ("POST", "/orders", ""),
        ("GET", "/orders/{id}", ""),
    ]
    assert {each.rule for each in found.changes} == {"endpoint-added"}
    assert not between(None, {})


def test_a_path_with_another_name_for_its_parameter_is_the_same_path() -> None:
    def renamed(document: Document) -> None:
        item = document["paths"]["/orders/{key}"] = document["paths"].pop("/orders/{id}")
        item["parameters"][0]["name"] = "key"

    assert told(SHOP, changed(renamed)) == {"getOrder": ["safe: The path parameter id is called key now."]}


def test_the_sentences_are_the_readers() -> None:
    german = {"%(place)s is gone.": "%(place)s ist entfallen.", "The parameter %(name)s (%(where)s)": "Der Parameter %(name)s (%(where)s)"}
    found = differences(SHOP, changed(put(f"{ORDERS}/get/parameters", [])), today=TODAY, gettext=german.__getitem__)
    assert [each.text for each in found.changes] == ["Der Parameter limit (query) ist entfallen."]


def test_counts_are_by_level() -> None:
    found = between(SHOP, changed(put("#/Order/required", [])))
    assert [len(found.of(level)) for level in Level] == [2, 0, 2]
    assert {each.level for each in found.of(Level.BREAKING)} == {Level.BREAKING}


def test_what_breaks_is_told_as_callers_know_it() -> None:
    """Operations that are gone, or whose schema asks for more; one of them has another name for its parameter, and another id."""

    def change(document: Document) -> None:
        item = document["paths"].pop("/orders/{id}")
        document["paths"]["/orders/{number}"] = {"parameters": [{**item["parameters"][0], "name": "number"}]}
        document["paths"]["/orders/{number}"]["get"] = {**item["get"], "operationId": "readOrder", "security": [{"key": []}]}
        document["components"]["schemas"]["Order"]["required"].append("buyer")
        document["paths"]["/new"] = {"get": {"responses": {"200": {"description": "New"}}}}

    new = changed(change)
    found = between(SHOP, new)
    were = parse(json.dumps(SHOP)).operations
    assert [each.operation_id for each in concerned(found, were, Level.BREAKING)] == ["placeOrder", "getOrder"]
    gone = between(SHOP, {**SHOP, "paths": {}})
    assert [each.operation_id for each in concerned(gone, were, Level.BREAKING)] == ["listOrders", "placeOrder", "getOrder"]
    assert concerned(between(None, SHOP), [], Level.BREAKING) == []


# --- what means the same ------------------------------------------------------------------------------------------


def inline(document: Document) -> None:
    response = document["components"]["responses"].pop("Orders")
    document["paths"]["/orders"]["get"]["responses"]["200"] = response
    document["components"]["schemas"]["Order"]["properties"]["buyer"] = document["components"]["schemas"].pop("Person")


def rename(document: Document) -> None:
    document["components"]["schemas"]["Human"] = document["components"]["schemas"].pop("Person")
    document["components"]["schemas"]["Order"]["properties"]["buyer"]["$ref"] = "#/components/schemas/Human"


def share(document: Document) -> None:
    """The path's parameter becomes each method's own."""
    item = document["paths"]["/orders"]
    shared = item.pop("parameters")
    item["get"]["parameters"] += shared
    item["post"]["parameters"] = shared


@pytest.mark.parametrize(
    "by",
    [
        inline,
        rename,
        share,
        put("#/Order/required", ["count", "sku"]),
        put("info/version", "2"),
        put("#/Unused", {"type": "string"}),
        put("servers", [{"url": "https://elsewhere.example"}]),
        put("components/securitySchemes/unused", {"type": "http", "scheme": "basic"}),
    ],
)
def test_what_means_the_same_is_no_difference(by: Callable[[Document], Any]) -> None:
    assert between(SHOP, changed(by)) == Differences()


def test_a_circle_under_another_name_is_the_same_circle() -> None:
    def renamed(document: Document) -> None:
        text = json.dumps(document).replace("schemas/Order", "schemas/Purchase").replace('"Order":', '"Purchase":')
        document.clear()
        document.update(json.loads(text))

    assert between(SHOP, changed(renamed)) == Differences()


def components(**schemas: Any) -> Document:
    return {"components": {"schemas": schemas}}


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
CAT = {"type": "object", "title": "Cat", "properties": {"name": TEXT}}
CAT_IS = {"$ref": "#/components/schemas/Cat"}


@pytest.mark.parametrize(
    "was,now",
    [
        # Null in its three ways.
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"oneOf": [CAT_IS, {"type": "null"}]}, {"allOf": [CAT_IS], "nullable": True}),
        # Put together.
        (CAT_IS, {"allOf": [CAT_IS]}),
        ({"anyOf": [CAT_IS]}, CAT_IS),
        (
            {"type": "object", "required": ["a"], "properties": {"a": TEXT, "b": WHOLE}},
            {"allOf": [{"type": "object", "properties": {"a": TEXT}}, {"type": "object", "required": ["a"], "properties": {"b": WHOLE}}]},
        ),
        ({"type": "integer", "minimum": 3}, {"allOf": [{"type": "number", "minimum": 1}, {"type": "integer", "minimum": 3}]}),
        ({"type": "integer", "maximum": 3}, {"allOf": [{"type": "integer", "maximum": 3}, {"type": "number", "maximum": 9}]}),
        # A type that goes without saying.
        ({"properties": {"a": TEXT}}, {"type": "object", "properties": {"a": TEXT}}),
        ({"enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        # What is as good as not said.
        ({"type": "object"}, {"type": "object", "additionalProperties": True, "readOnly": False}),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "const": "a"}),
        # Alternatives in another order, or of the other word.
        ({"oneOf": [TEXT, WHOLE, CAT_IS]}, {"oneOf": [CAT_IS, WHOLE, TEXT]}),
        ({"oneOf": [TEXT, CAT_IS]}, {"anyOf": [TEXT, CAT_IS]}),
        # The same in every place.
        ({"type": "array", "items": WHOLE}, {"type": "array", "prefixItems": [WHOLE], "items": WHOLE}),
    ],
)
@pytest.mark.parametrize("subject", ["request-body", "response-property"])
def test_what_is_said_in_another_way_has_not_changed(subject: str, was: Any, now: Any) -> None:
    old, new = (STANDS[subject](schema) | components(Cat=CAT) for schema in (was, now))
    assert [each for pair in ((old, new), (new, old)) for each in between(*pair).changes if each.rule != "documentation-changed"] == []


def rules(old: Document, new: Document) -> list[str]:
    return [each.rule for each in between(old, new).changes]


def test_what_openapi_3_0_says_beside_a_limit_is_the_limit_of_3_1() -> None:
    beside = parameter(schema={"type": "integer", "minimum": 5, "exclusiveMinimum": True})
    assert not between(beside, parameter(schema={"type": "integer", "exclusiveMinimum": 5}))
    assert rules(beside, parameter(schema={"type": "integer", "exclusiveMinimum": 6})) == ["request-parameter-exclusive-min-increased"]


# --- schemas within schemas ---------------------------------------------------------------------------------------


def deep(schema: Any) -> Any:
    """In a list of maps from names to alternatives."""
    return {"type": "array", "items": {"type": "object", "additionalProperties": {"oneOf": [within(schema, title="Box"), TEXT]}}}


def test_a_path_leads_through_items_further_properties_and_alternatives() -> None:
    old, new = body(content=json_of(deep(TEXT))), body(content=json_of(deep(WHOLE)))
    assert told(old, new) == {"a": ["breaking: [].*(Box).p in the request body (application/json) has type integer now; it had string."]}


def test_a_schema_that_becomes_one_of_several_is_compared_with_its_like() -> None:
    both = {"oneOf": [CAT_IS, {"type": "integer"}]}
    one, several = (body(content=json_of(schema)) | components(Cat=CAT) for schema in (CAT_IS, both))
    assert "safe: The request body (application/json) can be integer as well now." in told(one, several)["a"]
    assert "breaking: The request body (application/json) can no longer be integer." in told(several, one)["a"]
    narrower = several | components(Cat={**CAT, "required": ["name"]})
    assert told(one, narrower)["a"][0] == "breaking: (Cat).name in the request body (application/json) is required now."


def test_alternatives_keep_to_their_names_and_types() -> None:
    dog = {"$ref": "#/components/schemas/Dog"}
    were, are = {"oneOf": [CAT_IS, TEXT, WHOLE]}, {"oneOf": [{"type": "integer", "maximum": 9}, TEXT, dog]}
    old, new = (response(content=json_of(schema)) | components(Cat=CAT, Dog={**CAT, "type": "array"}) for schema in (were, are))
    assert rules(old, new) == ["response-body-one-of-added", "response-body-one-of-removed", "response-body-max-set"]


def test_what_no_type_has_in_common_is_not_looked_into() -> None:
    was, now = within(TEXT), {"type": "array", "items": TEXT}
    assert rules(body(content=json_of(was)), body(content=json_of(now))) == ["request-body-type-changed"]


def test_read_only_properties_are_no_part_of_a_request_and_write_only_ones_of_no_response() -> None:
    for word, narrow in (("readOnly", STANDS["request-body"]), ("writeOnly", STANDS["response-body"])):
        was, now = within({"type": "string", word: True}), within({"type": "integer", word: True}, required=True)
        assert not between(narrow(was), narrow(now))
        assert not between(narrow({"type": "object"}), narrow(now))
        assert not between(narrow(now), narrow({"type": "object"}))


def test_one_change_of_many_statuses_and_media_types_is_told_once() -> None:
    def failing(schema: Any) -> Document:
        content = {"application/json": {"schema": schema}, "application/xml": {"schema": schema}}
        return document({"responses": {status: {"description": "", "content": content} for status in ("404", "409", "default")}})

    assert told(failing(within(TEXT)), failing({"type": "object"})) == {
        "a": ["safe: p in the response 404, 409, default (application/json, application/xml) is gone."]
    }


def test_long_lists_and_long_values_are_cut() -> None:
    many = [f"{'long' * 50}{each}" for each in range(500)]
    found = between(parameter(schema=TEXT), parameter(schema={**TEXT, "enum": many})).changes
    assert len(found[0].text) < 3_000
    assert found[0].text.endswith(", … now.")


def test_data_is_no_schema() -> None:
    """What looks like a reference in a value is a value."""
    words = {"default": {"$ref": "#/nowhere"}, "example": {"$ref": "#/x"}}
    assert not between(parameter(schema={"type": "object", **words}), parameter(schema={"type": "object", **copy.deepcopy(words)}))


# --- scopes -------------------------------------------------------------------------------------------------------

LOGIN = {
    "type": "oauth2",
    "flows": {"clientCredentials": {"tokenUrl": "https://a.example/t", "scopes": {"read": "", "write": "", "admin": ""}}},
}


def needing(*alternatives: list[str], by: Callable[[Document], Any] = lambda _: None) -> Document:
    """Where placeOrder needs one of these."""

    def change(document: Document) -> None:
        document["components"]["securitySchemes"]["login"] = copy.deepcopy(LOGIN)
        document["paths"]["/orders"]["post"]["security"] = [{"login": scopes} for scopes in alternatives]
        by(document)

    return changed(change)


@pytest.mark.parametrize(
    "was,now,wanted",
    [
        ([["read"]], [["write"]], ["breaking: Callers need more scopes than before: write."]),
        ([["read"]], [["read", "write"]], ["breaking: Callers need more scopes than before: write."]),
        ([["read"], ["admin"]], [["read"]], ["breaking: Callers need more scopes than before: read."]),
        ([["read"]], [["read", "write", "admin"]], ["breaking: Callers need more scopes than before: admin + write."]),
        ([["read"]], [["read", "write"], ["admin"]], ["breaking: Callers need more scopes than before: admin or read + write."]),
        (
            [],
            [["read"]],
            ["breaking: Callers have to prove who they are now, by login.", "breaking: Callers need more scopes than before: read."],
        ),
        ([["read"]], [["read"], ["admin"]], ["safe: Callers need fewer scopes than before."]),
        ([["read", "write"]], [["write"]], ["safe: Callers need fewer scopes than before."]),
        ([["read"], ["read", "write"]], [["read"]], []),
    ],
)
def test_a_scope_that_callers_newly_need_breaks_them(was: list[list[str]], now: list[list[str]], wanted: list[str]) -> None:
    assert told(needing(*was), needing(*now)).get("placeOrder", []) == wanted


def test_what_the_scopes_are_said_to_allow_is_no_difference() -> None:
    def describe(document: Document) -> None:
        document["components"]["securitySchemes"]["login"]["flows"]["clientCredentials"]["scopes"] = {"read": "Look", "other": "More"}

    assert not between(needing(["read"]), needing(["read"], by=describe))


def test_a_scheme_under_another_name_is_the_same_scheme() -> None:
    def renamed(document: Document) -> None:
        document["components"]["securitySchemes"]["token"] = document["components"]["securitySchemes"].pop("key")
        document["paths"]["/orders"]["post"]["security"] = [{"token": []}]

    assert not between(SHOP, changed(renamed))
