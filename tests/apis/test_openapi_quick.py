"""Most documents are right, and are told so quickly. Of the others the slow check says what is wrong: it never sees one too few."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from apis import openapi_schema
from apis.openapi_quick import Quick, Unsure
from apis.openapi_schema import QUICK, VALIDATORS, violations
from tests.apis.test_swagger import PETS

# Something of everything that the schemas treat in a way of its own.
PARAMETERS = """
    - {name: a, in: query, style: deepObject, explode: true, allowEmptyValue: true, schema: {type: object}}
    - {name: b, in: path, required: true, style: label, schema: {type: integer, minimum: 0, multipleOf: 2}}
    - {name: c, in: header, content: {text/plain: {schema: {type: string, enum: [a, 1, 1.5]}}}}
    - {name: d, in: cookie, schema: {$ref: '#/components/schemas/A'}, examples: {one: {value: 1}}}
    - {$ref: '#/components/parameters/P'}
"""
OPENAPI = f"""
openapi: VERSION
info: {{title: T, version: '1', license: {{name: MIT, url: https://a.example}}, contact: {{email: a@b.example}}, x-a: 1}}
servers: [{{url: 'https://{{a}}', variables: {{a: {{default: b, enum: [b]}}}}}}]
security: [{{one: []}}]
tags: [{{name: t, externalDocs: {{url: https://a.example}}}}]
paths:
  /a/{{b}}:
    parameters:{PARAMETERS}
    post:
      tags: [t]
      deprecated: true
      requestBody:
        required: true
        content:
          multipart/form-data:
            schema: {{type: object, properties: {{f: {{type: string}}}}}}
            encoding: {{f: {{contentType: text/plain, style: form, explode: false, headers: {{x: {{schema: {{type: string}}}}}}}}}}
      callbacks: {{c: {{'{{$request.body#/u}}': {{post: {{responses: {{'200': {{description: d}}}}}}}}}}}}
      responses:
        '200':
          description: d
          headers: {{x: {{required: true, schema: {{type: string}}}}}}
          content: {{application/json: {{schema: {{$ref: '#/components/schemas/A'}}, example: {{a: 1}}}}}}
          links: {{l: {{operationId: o, parameters: {{a: b}}}}}}
        default: {{$ref: '#/components/responses/R'}}
components:
  schemas:
    A:
      type: object
      required: [a]
      properties: {{a: {{type: string, readOnly: true}}, b: {{type: array, items: {{$ref: '#/components/schemas/A'}}}}}}
      discriminator: {{propertyName: a, mapping: {{x: '#/components/schemas/A'}}}}
      additionalProperties: {{oneOf: [{{type: string}}, {{not: {{type: number}}}}]}}
  parameters: {{P: {{name: p, in: query, schema: {{type: string}}}}}}
  responses: {{R: {{description: d}}}}
  securitySchemes:
    one: {{type: http, scheme: bearer, bearerFormat: JWT}}
    two: {{type: oauth2, flows: {{implicit: {{authorizationUrl: https://a.example, scopes: {{s: t}}}}}}}}
    three: {{type: apiKey, name: k, in: header}}
    four: {{type: openIdConnect, openIdConnectUrl: https://a.example}}
"""
MORE = """
webhooks: {w: {post: {responses: {'200': {description: d}}}}}
jsonSchemaDialect: https://spec.openapis.org/oas/3.1/dialect/base
"""


def texts(value: Any) -> Any:
    """Numbers as keys of YAML are text in a document."""
    if isinstance(value, dict):
        return {str(key): texts(member) for key, member in value.items()}
    return [texts(entry) for entry in value] if isinstance(value, list) else value


DOCUMENTS: dict[str, Any] = {
    "2.0": texts(yaml.safe_load(PETS)),
    "3.0": yaml.safe_load(OPENAPI.replace("VERSION", "3.0.3")),
    "3.1": yaml.safe_load(OPENAPI.replace("VERSION", "3.1.0") + MORE),
}
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 1.0, 2.5, "", "a", "query", "path", "header", "body", "formData", "string", "array", "/a", "200"),
        *([], ["a"], ["a", "a"], [1, True], [{}], [{}, {}], {}, {"a": "b"}, {"$ref": "#/a"}, {"$ref": 1}, {"x-a": 1}, {"type": "string"}),
        *({"schema": {}}, {"content": {"a/b": {}}}, {"description": "d"}, {"name": "a", "in": "query", "schema": {}}),
    ]
)
NAMES = st.sampled_from(
    [
        *(
            "$ref",
            "x-a",
            "a",
            "type",
            "in",
            "name",
            "style",
            "explode",
            "required",
            "schema",
            "content",
            "example",
            "examples",
            "description",
        ),
        *(
            "allowEmptyValue",
            "allowReserved",
            "url",
            "identifier",
            "flows",
            "items",
            "enum",
            "minimum",
            "minLength",
            "nullable",
            "200",
            "get",
        ),
        *("scheme", "bearerFormat", "operationRef", "operationId", "/b", "paths", "collectionFormat", "default", "uniqueItems", "tags"),
    ]
)


def containers(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)) and value:
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from containers(member)


@pytest.mark.parametrize("version", DOCUMENTS)
def test_a_right_one_is_told_quickly(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi_schema, "VALIDATORS", {})
    assert VALIDATORS[version].is_valid(DOCUMENTS[version])
    assert list(violations(DOCUMENTS[version], version)) == []


@pytest.mark.parametrize("version", DOCUMENTS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_both_checks_say_the_same(version: str, data: st.DataObject) -> None:
    document = copy.deepcopy(DOCUMENTS[version])
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(containers(document))
        place = places[data.draw(st.integers(0, len(places) - 1))]
        if isinstance(place, list):
            place[data.draw(st.integers(0, len(place) - 1))] = copy.deepcopy(data.draw(VALUES))
        elif data.draw(st.booleans()):
            place[data.draw(NAMES)] = copy.deepcopy(data.draw(VALUES))
        else:
            name = data.draw(st.sampled_from(sorted(place)))
            if data.draw(st.booleans()):
                del place[name]
            else:
                place[name] = copy.deepcopy(data.draw(VALUES))
    try:
        answer = QUICK[version](document)
    except Unsure:
        return
    assert answer == VALIDATORS[version].is_valid(document)


def test_a_keyword_that_it_does_not_know_is_told_at_once() -> None:
    with pytest.raises(NotImplementedError, match="minLength"):
        Quick({"$schema": "x", "minLength": 1})


@pytest.mark.parametrize("value", [[{"a": 1}, {"a": 1}], [1, True], [{}] * 101])
def test_what_it_is_unsure_of_it_does_not_say(value: Any) -> None:
    with pytest.raises(Unsure):
        Quick({"$schema": "x", "uniqueItems": True})(value)


def test_a_number_that_may_be_an_integer_is_left_to_the_other() -> None:
    with pytest.raises(Unsure):
        Quick({"$schema": "x", "type": "integer"})(1.0)
