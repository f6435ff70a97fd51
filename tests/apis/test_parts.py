"""Carl reads an operation in a large document: what its parts tell of it is what the whole document tells."""

import copy
import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apis import contract, parts
from apis.models import Operation, Part, Revision, api
from apis.parts import Outline
from apis.reference import describe, groups
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_reference import SHOP, Stored, deep, wide
from tests.conftest import Cast

Content = dict[str, Any]
ORDERS = Stored("POST", "/orders")


def about(document: Content, path: str) -> Content:
    """As a page has it: written down, and read again."""
    outline, contents = parts.cut(document)
    kept = Outline.of(json.loads(json.dumps(outline.as_json())))
    return kept.put_together({number: json.loads(json.dumps(contents[number])) for number in kept.needed(path)})


def posting(schema: Any, **more: Any) -> Content:
    """POST /orders with a body, beside GET /others, which leads elsewhere."""
    body = {"content": {"application/json": {"schema": schema}}}
    answer = {"200": {"description": "Here", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Other"}}}}}
    paths = {
        "/orders": {"post": {"requestBody": body, "responses": {"201": {"$ref": "#/components/responses/Made"}}}},
        "/others": {"get": {"responses": answer}},
    }
    components = {
        "schemas": {
            "Node": {
                "type": "object",
                "properties": {"next": {"$ref": "#/components/schemas/Node"}, "leaf": {"$ref": "#/components/schemas/Leaf"}},
            },
            "Leaf": {"type": "object", "properties": {"up": {"$ref": "#/components/schemas/Node"}}, "$defs": {"Word": {"type": "string"}}},
            "Other": {"type": "integer"},
            "Held": {"example": {"$ref": "#/components/schemas/Other"}},
        },
        "responses": {"Made": {"description": "Made", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Leaf"}}}}},
        "pathItems": {"Shared": {"get": {"responses": {"200": {"description": "Here"}}}}},
        "securitySchemes": {"login": {"type": "oauth2", "flows": {}}},
    }
    return {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1", "x-logo": None}, "paths": paths, "components": components, **more}


DOCUMENTS = {
    "a cycle": posting({"$ref": "#/components/schemas/Node"}),
    "definitions in a schema": posting({"$ref": "#/components/schemas/Leaf/$defs/Word"}),
    "definitions of the document": posting({"$ref": "#/$defs/Word"}, **{"$defs": {"Word": {"type": "string", "maxLength": 4}}}),
    "a schema of another path": posting({"$ref": "#/paths/~1others/get/responses/200/content/application~1json/schema"}),
    "itself": posting({"items": {"$ref": "#/paths/~1orders/post/requestBody/content/application~1json/schema"}}),
    "all schemas as one": posting({"$ref": "#/components/schemas"}),
    "what looks like data": posting({"$ref": "#/components/schemas/Held/example"}),
    "a list": posting({"$ref": "#/tags/1/x-schema"}, tags=[{"name": "a"}, {"name": "b", "x-schema": {"type": "boolean"}}]),
    "nothing": posting({"$ref": "#/components/schemas/Gone"}),
    "scopes for all": posting({}, security=[{"login": ["orders:write"]}]),
}  # fmt: skip


@pytest.mark.parametrize("document", [pytest.param(each, id=name) for name, each in DOCUMENTS.items()])
def test_what_the_parts_tell_is_what_the_document_tells(document: Content) -> None:
    found = describe(about(document, "/orders"), ORDERS)
    assert found is not None
    assert found == describe(document, ORDERS)


def test_a_path_that_is_kept_among_the_components() -> None:
    document = posting({})
    document["paths"]["/shared"] = {"$ref": "#/components/pathItems/Shared"}
    found = describe(about(document, "/shared"), Stored("GET", "/shared"))
    assert found is not None
    assert found == describe(document, Stored("GET", "/shared"))


@pytest.mark.parametrize("document", [SHOP, deep(), wide()], ids=["shop", "deep", "wide"])
def test_each_operation_of_whole_documents(document: Content) -> None:
    for each in list(contract.operations(document))[:20]:
        assert describe(about(document, each.path), each) == describe(document, each)


def test_groups_need_no_more_than_the_tags() -> None:
    listed = [Stored("POST", "/orders", "place", "orders"), Stored("GET", "/", "root")]
    assert groups(about(SHOP, "/"), listed) == groups(SHOP, listed)


def test_only_what_it_needs() -> None:
    found = about(posting({"$ref": "#/components/schemas/Node"}), "/orders")
    assert found["components"]["schemas"].keys() == {"Node", "Leaf"}
    assert found["paths"].keys() == {"/orders"}


def test_what_only_webhooks_lead_to_is_not_kept() -> None:
    document = posting({}, webhooks={"sold": {"post": {"requestBody": {"$ref": "#/components/requestBodies/Sold"}}}})
    document["components"]["requestBodies"] = {"Sold": {"content": {}}}
    outline, contents = parts.cut(document)
    assert len(outline.places) == len(contents)
    assert ("components", "requestBodies", "Sold") not in outline.places
    assert not [place for place in outline.places if place[0] == "webhooks"]


POINTERS = st.sampled_from([
    "#/components/schemas/A", "#/components/schemas/B", "#/components/schemas/B/properties/a", "#/components/schemas", "#/components",
    "#/paths/~1orders", "#/paths/~1orders/post/responses", "#/x/y", "#/x/y/items", "#/x", "#/info/title", "#/none", "#", "a.yaml#/A",
])  # fmt: skip
NODES = st.recursive(
    st.none() | st.sampled_from(["string", "object", "array"]) | POINTERS.map(lambda pointer: {"$ref": pointer}),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["type", "properties", "items", "allOf", "oneOf", "a", "$ref", "example", "default"]), inner, max_size=3
        ),
    ),
    max_leaves=8,
)  # fmt: skip


@given(NODES, NODES, NODES, NODES)
@example({"$ref": "#/components/schemas/A"}, {"items": {"$ref": "#/x/y"}}, {}, {"properties": {"a": {"$ref": "#/components/schemas/B"}}})
@settings(max_examples=200, deadline=None)
def test_whatever_leads_wherever(schema: Any, a: Any, b: Any, y: Any) -> None:
    document = posting(schema, x={"y": y, "z": [b]})
    document["components"]["schemas"] |= {"A": a, "B": b}
    assert describe(about(document, "/orders"), ORDERS) == describe(json.loads(json.dumps(document)), ORDERS)


# --- as they are stored ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_revision_tells_a_path_without_its_document(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        revision = make.api("shop", content=DOCUMENTS["a cycle"]).versions.get().live_revision
        assert revision is not None
        found = Revision.objects.defer("document").get(pk=revision.pk)
        assert describe(found.about("/orders"), ORDERS) == describe(revision.document, ORDERS)
        assert "document" in found.get_deferred_fields()
        # JSON's null is kept as that.
        assert found.about("/orders")["info"]["x-logo"] is None


@pytest.mark.django_db
def test_what_was_there_before_is_cut_up_by_the_migration(cast: Cast) -> None:
    migration: Any = importlib.import_module("apis.migrations.0022_parts")
    content = copy.deepcopy(DOCUMENTS["a cycle"])
    content["paths"]["/orders"]["post"]["tags"] = ["sales"]
    with tenant_scope(cast.acme.pk):
        revision = make.api("shop", content=content).versions.get().live_revision
        assert revision is not None
        was = revision.about("/orders"), sorted(Operation.objects.values_list("path", "tag"))
        Part.objects.all().delete()
        Revision.objects.update(outline=[])
        api._outline.cache_clear()
        Operation.objects.update(tag="")
    migration.cut_up(None, SimpleNamespace(connection=connection))
    with tenant_scope(cast.acme.pk):
        again = Revision.objects.get(pk=revision.pk)
        assert (again.about("/orders"), sorted(Operation.objects.values_list("path", "tag"))) == was
        assert ("/orders", "sales") in was[1]


@pytest.mark.django_db
def test_eve_has_no_part_of_it(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("shop", content=DOCUMENTS["a cycle"])
        assert Part.objects.exists()
    with tenant_scope(cast.globex.pk):
        assert not Part.objects.exists()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM apis_part")
            assert cursor.fetchone() == (0,)
