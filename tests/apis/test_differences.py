"""Pam imports a changed document and reads what it changes before she makes it live."""

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apis.actions import publishing
from apis.differences import Differences, differences
from apis.models import ApiVersion
from apis.openapi import parse
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

Document = dict[str, Any]

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


def told(by: Callable[[Document], Any]) -> dict[str, tuple[str, ...]]:
    """The sentences per operation; nothing is added or removed."""
    found = differences(SHOP, changed(by))
    assert (found.added, found.removed) == ((), ())
    return {each.operation.operation_id: each.changes for each in found.changed}


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


@pytest.mark.parametrize(
    "path,value,wanted",
    [
        (f"{ORDERS}/get/summary", "All orders", {"listOrders": ["The summary changed."]}),
        (f"{ORDERS}/get/description", "All of **them**.", {"listOrders": ["The description changed."]}),
        (f"{ORDERS}/get/deprecated", True, {"listOrders": ["It is deprecated now."]}),
        (f"{ORDERS}/get/operationId", "orders", {"orders": ["The operation id was listOrders."]}),
        (f"{ORDERS}/get/parameters", [], {"listOrders": ["The parameter limit (query) is gone."]}),
        (
            f"{ORDERS}/post/parameters",
            [
                {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
                {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {}},
            ],
            {"placeOrder": ["The parameter Idempotency-Key (header) is new and required.", "The parameter dry (query) is new."]},
        ),
        ("components/parameters/Limit/required", True, {"listOrders": ["The parameter limit (query) is required now."]}),
        ("components/parameters/Limit/schema", {"type": "integer"}, {"listOrders": ["The parameter limit (query) changed."]}),
        (
            f"{ORDERS}/parameters",
            [{"name": "x-trace", "in": "header", "schema": {"type": "integer"}}],
            {"listOrders": ["The parameter x-trace (header) changed."], "placeOrder": ["The parameter x-trace (header) changed."]},
        ),
        (f"{ORDERS}/post/requestBody", None, {"placeOrder": ["The request body is gone."]}),
        (f"{ORDERS}/get/requestBody", {"content": {}}, {"listOrders": ["A request body is new."]}),
        (f"{ORDERS}/post/responses/201", {"description": "Made"}, {"placeOrder": ["The response 201 changed."]}),
        (
            f"{ORDERS}/post/responses",
            {"202": {"description": "Placed"}},
            {"placeOrder": ["The response 201 is gone.", "The response 202 is new."]},
        ),
        ("components/responses/Orders/description", "Some", {"listOrders": ["The response 200 changed."]}),
        # Through a schema that refers to itself, and one beyond it.
        ("#/Order/properties/count/minimum", 1, {"listOrders": ["The response 200 changed."], "placeOrder": ["The request body changed."]}),
        (
            "#/Person/properties/name/maxLength",
            9,
            {"listOrders": ["The response 200 changed."], "placeOrder": ["The request body changed."]},
        ),
        (f"{ORDERS}/post/security", None, {"placeOrder": ["What a caller has to prove changed."]}),
        (f"{ORDERS}/post/security", [{"key": []}, {}], {"placeOrder": ["What a caller has to prove changed."]}),
        (
            "components/securitySchemes/key",
            {"type": "http", "scheme": "bearer"},
            {"placeOrder": ["What a caller has to prove changed."]},
        ),
        ("security", [{"key": []}], {name: ["What a caller has to prove changed."] for name in ("listOrders", "getOrder")}),
        (
            f"{ORDERS}/post/callbacks",
            {"done": {"{$url}": {"post": {"responses": {"200": {"description": ""}}}}}},
            {"placeOrder": ["The callbacks changed."]},
        ),
    ],
)
def test_it_says_what_changed(path: str, value: Any, wanted: dict[str, list[str]]) -> None:
    assert {name: list(changes) for name, changes in told(put(path, value)).items()} == wanted


LOGIN = {
    "type": "oauth2",
    "flows": {"clientCredentials": {"tokenUrl": "https://a.example/t", "scopes": {"read": "", "write": "", "admin": ""}}},
}
PROVES = "What a caller has to prove changed."


def needing(*alternatives: list[str], by: Callable[[Document], Any] = lambda _: None) -> Document:
    """Where placeOrder needs one of these."""

    def change(document: Document) -> None:
        document["components"]["securitySchemes"]["login"] = copy.deepcopy(LOGIN)
        document["paths"]["/orders"]["post"]["security"] = [{"login": scopes} for scopes in alternatives]
        by(document)

    return changed(change)


@pytest.mark.parametrize(
    "was,now,sentences,breaks",
    [
        ([["read"]], [["write"]], ["Callers need the scope write now."], True),
        ([["read"]], [["read", "write"]], ["Callers need the scope write now."], True),
        ([["read"], ["admin"]], [["read"]], ["Callers need the scope read now."], True),
        ([["read"]], [["read", "write", "admin"]], ["Callers need the scopes admin, write now."], True),
        ([["read"]], [["read", "write"], ["admin"]], ["Callers need one of these scopes now: admin, read + write."], True),
        ([[]], [["read"]], ["Callers need the scope read now."], True),
        ([], [["read"]], [PROVES, "Callers need the scope read now."], True),
        ([["read"]], [["read"], ["admin"]], ["Callers need fewer scopes than before."], False),
        ([["read", "write"]], [["write"]], ["Callers need fewer scopes than before."], False),
        ([["read"]], [[]], ["Callers need fewer scopes than before."], False),
        ([["read"], ["read", "write"]], [["read"]], [], False),
    ],
)
def test_a_scope_that_callers_newly_need_breaks_them(
    was: list[list[str]], now: list[list[str]], sentences: list[str], breaks: bool
) -> None:
    found = differences(needing(*was), needing(*now)).changed
    assert [(list(each.changes), each.breaks) for each in found] == ([(sentences, breaks)] if sentences else [])


def test_what_the_scopes_are_said_to_allow_is_no_difference() -> None:
    def describe(document: Document) -> None:
        document["components"]["securitySchemes"]["login"]["flows"]["clientCredentials"]["scopes"] = {"read": "Look", "other": "More"}

    assert not differences(needing(["read"]), needing(["read"], by=describe))


@pytest.mark.parametrize(
    "path,value,breaks",
    [
        (f"{ORDERS}/post/parameters", [{"name": "dry", "in": "query", "required": True, "schema": {}}], True),
        (f"{ORDERS}/post/parameters", [{"name": "dry", "in": "query", "schema": {}}], False),
        ("components/parameters/Limit/required", True, True),
        (f"{ORDERS}/post/requestBody/required", True, True),
        (f"{ORDERS}/get/requestBody", {"content": {}}, False),
        (f"{ORDERS}/get/requestBody", {"content": {}, "required": True}, True),
        (f"{ORDERS}/get/summary", "All orders", False),
    ],
)
def test_what_callers_have_to_bring_from_now_on_breaks_them(path: str, value: Any, breaks: bool) -> None:
    assert [each.breaks for each in differences(SHOP, changed(put(path, value))).changed] == [breaks]


def test_and_back_it_says_so_too() -> None:
    old = changed(put(f"{ORDERS}/get/deprecated", value=True))
    assert differences(old, SHOP).changed[0].changes == ("It is no longer deprecated.",)
    old = changed(put("components/parameters/Limit/required", value=True))
    assert differences(old, SHOP).changed[0].changes == ("The parameter limit (query) is optional now.",)


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
    ],
)
def test_what_means_the_same_is_no_difference(by: Callable[[Document], Any]) -> None:
    assert differences(SHOP, changed(by)) == Differences((), (), ())


def test_a_path_with_another_name_for_its_parameter_is_the_same_path() -> None:
    def renamed(document: Document) -> None:
        item = document["paths"]["/orders/{key}"] = document["paths"].pop("/orders/{id}")
        item["parameters"][0]["name"] = "key"

    assert told(renamed) == {"getOrder": ("The path parameter id is called key now.",)}


def test_operations_come_and_go() -> None:
    def moved(document: Document) -> None:
        item = document["paths"].pop("/orders/{id}")
        item["parameters"][0]["name"] = "number"
        document["paths"]["/parcels/{number}"] = item
        document["paths"]["/orders"]["delete"] = {"responses": {"204": {"description": "Gone"}}}

    found = differences(SHOP, changed(moved))
    assert [(each.method, each.path, each.operation_id) for each in found.added] == [
        ("DELETE", "/orders", "delete_orders"),
        ("GET", "/parcels/{number}", "getOrder"),
    ]
    assert [(each.method, each.path) for each in found.removed] == [("GET", "/orders/{id}")]
    assert found.changed == ()
    assert bool(found)


def test_the_first_document_adds_everything() -> None:
    found = differences(None, SHOP)
    assert [(each.method, each.path, each.summary) for each in found.added] == [
        ("GET", "/orders", "List orders"),
        ("POST", "/orders", ""),
        ("GET", "/orders/{id}", ""),
    ]
    assert not differences(None, {})


def test_the_sentences_are_the_readers() -> None:
    german = {"The parameter %(name)s (%(where)s) is gone.": "Der Parameter %(name)s (%(where)s) ist weg."}
    found = differences(SHOP, changed(put(f"{ORDERS}/get/parameters", [])), gettext=german.__getitem__)
    assert found.changed[0].changes == ("Der Parameter limit (query) ist weg.",)


def test_one_of_two_schemas_that_refer_to_each_other_changes_both() -> None:
    def circle(document: Document) -> None:
        document["components"]["schemas"]["Person"]["properties"]["orders"] = {"items": {"$ref": "#/components/schemas/Order"}}
        document["paths"]["/people"] = {
            "get": {"responses": {"200": {"description": "", "content": {"a/b": {"schema": {"$ref": "#/components/schemas/Person"}}}}}}
        }

    old = changed(circle)
    new = copy.deepcopy(old)
    new["components"]["schemas"]["Order"]["properties"]["sku"]["maxLength"] = 9
    assert not differences(old, copy.deepcopy(old))
    assert [each.operation.operation_id for each in differences(old, new).changed] == ["listOrders", "placeOrder", "get_people"]


# --- properties --------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["A", "B", "C"])
SCHEMAS = st.recursive(
    st.one_of(
        NAMES.map(lambda name: {"$ref": f"#/components/schemas/{name}"}),
        st.fixed_dictionaries({"type": st.sampled_from(["string", "null"])}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from(["a", "$ref", "example"]), inner, max_size=2)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, max_size=2)}),
    ),
    max_leaves=4,
)
RESPONSES = st.dictionaries(
    st.sampled_from(["200", "404"]), SCHEMAS.map(lambda schema: {"description": "", "content": {"application/json": {"schema": schema}}})
)
PATHS = st.dictionaries(
    st.sampled_from(["/a", "/a/{x}", "/b/{x}/{y}", "/c"]),
    st.dictionaries(st.sampled_from(["get", "post"]), st.fixed_dictionaries({"responses": RESPONSES})),
)
DOCUMENTS = st.builds(
    lambda paths, schemas: {"paths": paths, "components": {"schemas": schemas}}, PATHS, st.fixed_dictionaries(dict.fromkeys("ABC", SCHEMAS))
)


@given(DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_a_document_does_not_differ_from_itself(document: Document) -> None:
    assert not differences(document, json.loads(json.dumps(document)))


@given(DOCUMENTS, DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_what_one_way_adds_the_other_way_removes(one: Document, other: Document) -> None:
    there, back = differences(one, other), differences(other, one)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert [each.operation for each in there.changed] == [each.operation for each in back.changed]


def unfolded(document: Document, node: Any, depth: int) -> Any:
    """The schema with references put in place, to a depth that tells any two of these apart."""
    if not isinstance(node, dict) or depth == 0:
        return None if isinstance(node, dict) else node
    if isinstance(node.get("$ref"), str):
        return unfolded(document, document["components"]["schemas"][node["$ref"][-1]], depth - 1)
    members = {key: value for key, value in node.items() if key not in {"properties", "allOf"}}
    if "properties" in node:
        members["properties"] = {key: unfolded(document, value, depth - 1) for key, value in node["properties"].items()}
    if "allOf" in node:
        members["allOf"] = [unfolded(document, value, depth - 1) for value in node["allOf"]]
    return members


@given(SCHEMAS, *[st.fixed_dictionaries(dict.fromkeys("ABC", SCHEMAS))] * 2)
@settings(max_examples=300, deadline=None)
def test_a_response_changed_if_what_its_references_lead_to_did(schema: Any, before: Any, after: Any) -> None:
    content = {"application/json": {"schema": schema}}
    paths = {"/a": {"get": {"responses": {"200": {"description": "", "content": content}}}}}
    old, new = ({"paths": paths, "components": {"schemas": schemas}} for schemas in (before, after))
    if unfolded(old, schema, 14) != unfolded(new, schema, 14):
        assert differences(old, new).changed
    if before == after:
        assert not differences(old, new)


def large(schemas: int = 500, operations: int = 1_000) -> Document:
    """Schemas in one circle, and operations that lead into it: 1.5 MB."""
    fields = {f"p{each}": {"type": "string", "maxLength": 32, "description": "What it is, in some words. " * 4} for each in range(8)}
    names = [f"S{each}" for each in range(schemas)]
    following = zip(names, [*names[1:], names[0]], strict=True)
    return {
        "paths": {
            f"/things{each}/{{id}}": {
                "get": {
                    "description": "A long text. " * 20,
                    "responses": {"200": {"content": {"a/b": {"schema": {"$ref": f"#/components/schemas/S{each % schemas}"}}}}},
                }
            }
            for each in range(operations)
        },
        "components": {
            "schemas": {name: {"properties": {**fields, "next": {"$ref": f"#/components/schemas/{after}"}}} for name, after in following}
        },
    }


def nested(levels: int = 28, names: int = 30_000) -> Document:
    """Places within places, all referred to, and the innermost refers to the outermost."""
    schema: Document = {"properties": {f"p{each}": {"type": "string"} for each in range(names)}}
    schema["properties"]["back"] = {"$ref": "#/components/schemas/A"}
    for _ in range(levels):
        schema = {"properties": {"n": schema}}
    targets = ["#/components/schemas/A" + "/properties/n" * level for level in range(levels)]
    bodies = [{"200": {"content": {"a/b": {"schema": {"$ref": target}}}}} for target in targets]
    return {
        "paths": {f"/p{each}": {"get": {"responses": body}} for each, body in enumerate(bodies)},
        "components": {"schemas": {"A": schema}},
    }


@pytest.mark.parametrize("make_it", [large, nested])
def test_large_and_hostile_documents_are_compared_in_bounded_time(make_it: Callable[[], Document]) -> None:
    old = make_it()
    new = copy.deepcopy(old)
    start = time.process_time()
    assert not differences(old, new)
    next(iter(new["components"]["schemas"].values()))["properties"]["more"] = {"type": "string"}
    assert len(differences(old, new).changed) == len(old["paths"])
    # Unfolded these had no end; it takes about two seconds.
    assert time.process_time() - start < 20


# --- REST --------------------------------------------------------------------------------------------------------


@pytest.fixture
def version(cast: Cast) -> ApiVersion:
    """Orders v1: its first revision is live, the second has one more operation, the third is the first again."""
    more = copy.deepcopy(make.DOCUMENT)
    more["paths"]["/orders"]["delete"] = {"operationId": "clear", "summary": "Clear", "responses": {"204": {"description": "Gone"}}}
    more["paths"]["/orders"]["get"]["summary"] = "All"
    with tenant_scope(cast.acme.pk):
        found = make.api("orders").versions.get()
        for content in (more, make.DOCUMENT):
            publishing.add_revision(found, document=make.document(content), target=make.target(), by=None)
    return found


def at(cast: Cast, number: int, **query: Any) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{base(cast.acme)}/apis/orders/versions/v1/revisions/{number}/differences/?{asked}"


def test_pam_compares_a_revision_with_the_live_one(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    assert rest(cast.pam).get(at(cast, 2)).json() == {
        "number": 2,
        "compared_with": 1,
        "added": [{"method": "DELETE", "path": "/orders", "operation_id": "clear", "summary": "Clear"}],
        "removed": [],
        "changed": [
            {
                "method": "GET",
                "path": "/orders",
                "operation_id": "listOrders",
                "summary": "All",
                "changes": ["The summary changed."],
                "breaks": False,
            }
        ],
    }


def test_and_with_any_other(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    found = rest(cast.pam).get(at(cast, 3, **{"from": 2})).json()
    assert (found["compared_with"], found["added"], [each["operation_id"] for each in found["removed"]]) == (2, [], ["clear"])
    same = rest(cast.pam).get(at(cast, 3)).json()
    assert (same["compared_with"], same["added"], same["removed"], same["changed"]) == (1, [], [], [])


def test_where_nothing_is_live_everything_is_new(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    with tenant_scope(cast.acme.pk):
        ApiVersion.objects.update(live_revision=None)
    found = rest(cast.pam).get(at(cast, 1)).json()
    assert (found["compared_with"], len(found["added"])) == (None, 3)


@pytest.mark.parametrize("given", ["9", "x", "-1", "0", "99999999999999999999", "1.5", "²"])
def test_a_revision_that_is_not_there_is_told(cast: Cast, rest: Rest, version: ApiVersion, given: str) -> None:
    found = rest(cast.pam).get(at(cast, 2, **{"from": given}))
    assert (found.status_code, found.json()["errors"]) == (422, {"from": ["Orders v1 has no such revision."]})
    assert rest(cast.pam).get(at(cast, 9)).status_code == 404


def test_who_does_not_publish_compares_nothing_and_eve_sees_nothing(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    assert [rest(who).get(at(cast, 2)).status_code for who in (cast.carl, cast.eve, None)] == [403, 404, 401]
    assert rest(cast.eve).get(at(cast, 2).replace("/acme/", "/globex/")).status_code == 404
