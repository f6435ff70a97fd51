"""The document as callers get it: valid, with the gateway as its only server, and nothing left of the upstream's own security."""

import copy
import json
from typing import Any

import pytest

from apis import openapi
from apis.published import KEY, TOKEN, made_from, published
from apis.yaml_text import as_yaml

ADDRESS, TOKENS = "https://gate.example/acme/orders/v1", "https://portal.example/t/acme/oauth/token"
INSIDE = {"url": "https://inside.example"}
OK = {"200": {"description": "Fine"}}
BACK: dict[str, Any] = {
    "{$request.body#/url}": {"servers": [INSIDE], "post": {"servers": [INSIDE], "security": [{"corporate": []}], "responses": OK}}
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1", "x-servers": "stay"},
    "servers": [INSIDE],
    "security": [{"login": ["read"]}],
    "paths": {
        "/orders": {
            "servers": [INSIDE],
            "get": {"operationId": "list", "servers": [INSIDE], "responses": OK},
            "post": {
                "operationId": "make",
                "security": [{"login": ["write", "read"]}, {"corporate": []}],
                "callbacks": {"made": copy.deepcopy(BACK), "shared": {"$ref": "#/components/callbacks/done"}},
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"type": "object", "properties": {"servers": {"type": "string"}, "security": {"type": "string"}}}
                        }
                    }
                },
                "responses": {"201": {"description": "Made", "links": {"it": {"operationId": "list", "server": INSIDE}}}},
            },
        },
        "/free": {"get": {"operationId": "free", "security": [], "responses": {"200": {"$ref": "#/components/responses/Fine"}}}},
    },
    "components": {
        "schemas": {"servers": {"type": "object"}},
        "callbacks": {"done": copy.deepcopy(BACK)},
        "links": {"it": {"operationId": "list", "server": INSIDE}},
        "responses": {"Fine": {"description": "Fine", "links": {"it": {"$ref": "#/components/links/it"}}}},
        "securitySchemes": {
            "login": {
                "type": "oauth2",
                "flows": {"implicit": {"authorizationUrl": "https://inside.example/login", "scopes": {"read": "To read", "write": ""}}},
            },
            "corporate": {"type": "http", "scheme": "basic"},
        },
    },
}
# The schema of OpenAPI 3.1 knows no `server` in a link.
WITHOUT_SERVERS = json.loads(json.dumps(DOCUMENT).replace(f', "server": {json.dumps(INSIDE)}', ""))
V31 = {
    **WITHOUT_SERVERS,
    "openapi": "3.1.0",
    "webhooks": {
        "paid": {"$ref": "#/components/pathItems/paid"},
        "shipped": {"post": {"security": [{"login": ["read"]}], "responses": OK}},
    },
    "components": {
        **WITHOUT_SERVERS["components"],
        "pathItems": {"paid": {"servers": [INSIDE], "post": {"servers": [INSIDE], "responses": OK}}},
    },
}
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Orders", "version": "1"},
    "host": "inside.example",
    "basePath": "/v2",
    "schemes": ["https"],
    "securityDefinitions": {
        "login": {
            "type": "oauth2",
            "flow": "accessCode",
            "authorizationUrl": "https://inside.example/login",
            "tokenUrl": "https://inside.example/token",
            "scopes": {"read": "To read"},
        },
        "corporate": {"type": "basic"},
    },
    "security": [{"login": ["read"]}],
    "paths": {"/orders": {"get": {"operationId": "list", "schemes": ["http"], "responses": OK}}},
}


def made(given: dict[str, Any]) -> dict[str, Any]:
    read = openapi.parse(json.dumps(given))
    before = copy.deepcopy(read.content)
    found = published(read.content, address=ADDRESS, token_url=TOKENS, scopes=read.scopes)
    assert read.content == before, "what is kept was changed"
    return found


@pytest.mark.parametrize("given", [DOCUMENT, V31, SWAGGER], ids=["3.0", "3.1", "Swagger 2.0"])
@pytest.mark.parametrize("write", [json.dumps, as_yaml])
def test_it_is_valid_in_both_forms_and_speaks_of_the_gateway_alone(given: dict[str, Any], write: Any) -> None:
    found = made(given)
    again = openapi.parse(write(found))
    assert again.content == found
    assert found["servers"] == [{"url": ADDRESS}]
    assert "inside.example" not in json.dumps(found)
    assert "corporate" not in json.dumps(found)
    assert set(found["components"]["securitySchemes"]) == {TOKEN, KEY}
    flows = found["components"]["securitySchemes"][TOKEN]["flows"]
    assert list(flows) == ["clientCredentials"]
    assert flows["clientCredentials"]["tokenUrl"] == TOKENS
    assert flows["clientCredentials"]["scopes"]["read"] == "To read"


def test_the_gateway_asks_for_the_same_scopes_as_before() -> None:
    """What a reader makes of the document's own words is what the import made of the publisher's."""
    before, after = openapi.parse(json.dumps(DOCUMENT)), openapi.parse(json.dumps(made(DOCUMENT)))
    told = {each.operation_id: each.scopes for each in before.operations}
    assert told == {"list": (("read",),), "make": (("read", "write"),), "free": ()}
    document = after.content
    wanted = {
        each.operation_id: document["paths"][each.path][each.method.lower()].get("security", document["security"])
        for each in after.operations
    }
    assert wanted == {
        "list": [{TOKEN: ["read"]}, {KEY: []}],
        "make": [{TOKEN: ["read", "write"]}, {KEY: []}],
        "free": [{TOKEN: []}, {KEY: []}],
    }


def test_what_the_api_calls_itself_needs_no_token_of_ours() -> None:
    found = made(V31)
    back = found["paths"]["/orders"]["post"]["callbacks"]["made"]["{$request.body#/url}"]
    assert back == {"post": {"security": [], "responses": OK}}
    assert found["components"]["callbacks"]["done"]["{$request.body#/url}"] == back
    assert found["webhooks"]["shipped"]["post"]["security"] == []


def test_only_openapis_own_words_are_taken_out() -> None:
    found = made(DOCUMENT)
    assert found["info"]["x-servers"] == "stay"
    body = found["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"servers", "security"}
    assert "servers" in found["components"]["schemas"]


def test_what_it_is_made_from_tells_documents_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        made_from("1", address="a", token_url="b"),
        made_from("2", address="a", token_url="b"),
        made_from("1", address="b", token_url="b"),
        made_from("1", address="a", token_url="c"),
    }
    with monkeypatch.context() as patched:
        patched.setattr("apis.published.FORMAT", 2)
        told.add(made_from("1", address="a", token_url="b"))
    assert len(told) == 5
    assert made_from("1", address="a", token_url="b") in told
