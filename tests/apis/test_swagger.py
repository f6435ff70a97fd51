"""Pam has documents of Swagger 2.0. They become OpenAPI 3.0, and what that can't say she is told, with its line."""

from typing import Any

import pytest

from apis.openapi import Document, DocumentError, parse, read

# After the pet store that the OpenAPI Initiative published as an example of Swagger 2.0.
PETS = """\
swagger: "2.0"
info: {version: 1.0.0, title: Pets}
host: pets.example.com
basePath: /v1/
schemes: [https, http]
consumes: [application/json]
produces: [application/json]
tags: [{name: pets}]
paths:
  /pets:
    get:
      operationId: listPets
      tags: [pets]
      parameters:
      - {name: limit, in: query, type: integer, format: int32, maximum: 100, exclusiveMaximum: true}
      responses:
        200:
          description: some of them
          headers:
            x-next: {type: string, description: the next page}
          schema: {$ref: '#/definitions/Pets'}
          examples:
            application/json: [{id: 1, name: Rex}]
        default: {$ref: '#/responses/Error'}
    post:
      operationId: createPet
      deprecated: true
      security: [{login: [write]}]
      parameters:
      - {name: pet, in: body, required: true, description: the new one, schema: {$ref: '#/definitions/Pet'}}
      responses:
        201: {description: made}
  /pets/{id}:
    parameters:
    - {$ref: '#/parameters/Id'}
    get:
      produces: [application/xml]
      responses:
        200: {description: one, schema: {$ref: '#/definitions/Pet'}}
        default: {$ref: '#/responses/Error'}
parameters:
  Id: {name: id, in: path, required: true, type: string}
responses:
  Error: {description: wrong, schema: {$ref: '#/definitions/Error'}}
definitions:
  Pet:
    type: object
    discriminator: kind
    required: [id, name, kind]
    properties:
      id: {type: integer, format: int64}
      name: {type: string, x-nullable: true}
      kind: {type: string}
  Pets: {type: array, items: {$ref: '#/definitions/Pet'}}
  Error: {type: object, properties: {message: {type: string}}, additionalProperties: {$ref: '#/definitions/Pet'}}
securityDefinitions:
  login:
    type: oauth2
    flow: accessCode
    authorizationUrl: https://login.example.com/a
    tokenUrl: https://login.example.com/t
    scopes: {write: change pets}
  machine: {type: oauth2, flow: application, tokenUrl: https://login.example.com/t, scopes: {}}
  person: {type: basic}
  key: {type: apiKey, name: x-key, in: header}
"""

HEAD = "swagger: '2.0'\ninfo: {title: T, version: '1'}\npaths:\n"
DONE = "responses: {204: {description: d}}"


def operation(told: str, *, path: str = "/a", method: str = "post", head: str = HEAD) -> Any:
    return parse(f"{head}  {path}: {{{method}: {{{told}, {DONE}}}}}\n").content["paths"][path][method]


def parameter(told: str) -> Any:
    return operation(f"parameters: [{{name: a, {told}}}]")["parameters"][0]


def notes(document: Document) -> list[str]:
    return [f"{note.line}:{note.column} {note.message}" for note in document.notes]


def said(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in caught.value.problems]


class TestAWholeDocument:
    def test_it_reads_as_openapi(self) -> None:
        document = read(PETS)
        assert (document.title, document.openapi) == ("Pets", "3.0.3")
        assert [(each.method, each.path, each.operation_id, each.line) for each in document.operations] == [
            ("GET", "/pets", "listPets", 11),
            ("POST", "/pets", "createPet", 25),
            ("GET", "/pets/{id}", "get_pets_id", 36),
        ]
        assert document.operations[1].deprecated
        assert document.operations[1].scopes == (("write",),)
        assert document.scopes == {"write": "change pets"}
        assert notes(document) == ["1:1 This is Swagger 2.0. It is kept as OpenAPI 3.0."]

    def test_its_address_becomes_servers(self) -> None:
        assert parse(PETS).content["servers"] == [{"url": "https://pets.example.com/v1"}, {"url": "http://pets.example.com/v1"}]

    def test_its_bodies_have_the_media_types_of_the_document(self) -> None:
        created = parse(PETS).content["paths"]["/pets"]["post"]
        assert created["requestBody"] == {
            "description": "the new one",
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            "x-codegen-request-body-name": "pet",
        }
        assert "parameters" not in created

    def test_its_responses(self) -> None:
        paths = parse(PETS).content["paths"]
        assert paths["/pets"]["get"]["responses"]["200"] == {
            "description": "some of them",
            "headers": {"x-next": {"description": "the next page", "schema": {"type": "string"}}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pets"}, "example": [{"id": 1, "name": "Rex"}]}},
        }
        assert paths["/pets"]["get"]["responses"]["default"] == {"$ref": "#/components/responses/Error"}

    def test_a_shared_response_has_the_media_types_of_its_operation(self) -> None:
        answer = parse(PETS).content["paths"]["/pets/{id}"]["get"]["responses"]["default"]
        assert answer == {"description": "wrong", "content": {"application/xml": {"schema": {"$ref": "#/components/schemas/Error"}}}}

    def test_its_parameters_get_schemas(self) -> None:
        paths = parse(PETS).content["paths"]
        schema = {"type": "integer", "format": "int32", "maximum": 100, "exclusiveMaximum": True}
        assert paths["/pets"]["get"]["parameters"] == [{"name": "limit", "in": "query", "schema": schema}]
        assert paths["/pets/{id}"]["parameters"] == [{"$ref": "#/components/parameters/Id"}]

    def test_its_components(self) -> None:
        components = parse(PETS).content["components"]
        assert components["parameters"] == {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}}
        schemas = components["schemas"]
        assert schemas["Pet"]["discriminator"] == {"propertyName": "kind"}
        assert schemas["Pet"]["properties"]["name"] == {"type": "string", "nullable": True}
        assert schemas["Pets"]["items"] == schemas["Error"]["additionalProperties"] == {"$ref": "#/components/schemas/Pet"}
        assert components["securitySchemes"] == {
            "login": {
                "type": "oauth2",
                "flows": {
                    "authorizationCode": {
                        "scopes": {"write": "change pets"},
                        "authorizationUrl": "https://login.example.com/a",
                        "tokenUrl": "https://login.example.com/t",
                    }
                },
            },
            "machine": {"type": "oauth2", "flows": {"clientCredentials": {"scopes": {}, "tokenUrl": "https://login.example.com/t"}}},
            "person": {"type": "http", "scheme": "basic"},
            "key": {"type": "apiKey", "name": "x-key", "in": "header"},
        }


class TestForms:
    def test_fields_become_one_body(self) -> None:
        body = operation(
            "parameters: [{name: a, in: formData, type: string, required: true, description: first},"
            " {name: b, in: formData, type: integer, default: 3}]"
        )["requestBody"]
        schema = {
            "type": "object",
            "properties": {"a": {"type": "string", "description": "first"}, "b": {"type": "integer", "default": 3}},
            "required": ["a"],
        }
        assert body == {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}

    def test_a_file_makes_it_multipart(self) -> None:
        body = operation("parameters: [{name: a, in: formData, type: file}]")["requestBody"]
        schema = {"type": "object", "properties": {"a": {"type": "string", "format": "binary"}}}
        assert body == {"content": {"multipart/form-data": {"schema": schema}}}

    def test_both_kinds_of_forms_where_both_are_consumed(self) -> None:
        both = "consumes: [multipart/form-data, application/x-www-form-urlencoded]"
        body = operation(f"{both}, parameters: [{{name: a, in: formData, type: string}}]")["requestBody"]
        assert list(body["content"]) == ["multipart/form-data", "application/x-www-form-urlencoded"]

    def test_lists_with_commas_say_so(self) -> None:
        body = operation("parameters: [{name: a, in: formData, type: array, items: {type: string}}]")["requestBody"]
        media = body["content"]["application/x-www-form-urlencoded"]
        assert media["encoding"] == {"a": {"style": "form", "explode": False}}
        assert media["schema"]["properties"]["a"] == {"type": "array", "items": {"type": "string"}}

    def test_fields_of_the_path_join_those_of_the_operation(self) -> None:
        fields = "parameters: [{name: a, in: formData, type: string}, {$ref: '#/parameters/B'}]"
        own = "parameters: [{name: a, in: formData, type: integer}]"
        text = f"{HEAD}  /a: {{{fields}, post: {{{own}, {DONE}}}}}\nparameters: {{B: {{name: b, in: formData, type: string}}}}\n"
        content = parse(text).content
        schema = content["paths"]["/a"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        assert schema["properties"] == {"b": {"type": "string"}, "a": {"type": "integer"}}
        assert "parameters" not in content["paths"]["/a"]
        assert "components" not in content

    def test_a_body_beside_a_form_is_refused(self) -> None:
        both = "parameters: [{name: a, in: body, schema: {}}, {name: b, in: formData, type: string}]"
        assert said(f"{HEAD}  /a: {{post: {{{both}, {DONE}}}}}\n") == [
            "4:61 An operation has at most one parameter with in: body, and none with in: formData beside it."
        ]


class TestLists:
    @pytest.mark.parametrize(
        ("written", "style", "explode"),
        [
            ("", "form", False),
            (", collectionFormat: csv", "form", False),
            (", collectionFormat: multi", "form", True),
            (", collectionFormat: ssv", "spaceDelimited", False),
            (", collectionFormat: pipes", "pipeDelimited", False),
        ],
    )
    def test_in_a_query(self, written: str, style: str, explode: bool) -> None:
        made = parameter(f"in: query, type: array, items: {{type: string}}{written}")
        assert (made["style"], made["explode"]) == (style, explode)
        assert made["schema"] == {"type": "array", "items": {"type": "string"}}

    def test_in_a_header(self) -> None:
        made = parameter("in: header, type: array, items: {type: string}, collectionFormat: csv")
        assert made == {"name": "a", "in": "header", "schema": {"type": "array", "items": {"type": "string"}}}


class TestNotes:
    @pytest.mark.parametrize(
        ("told", "word", "note"),
        [
            (
                "parameters: [{name: a, in: query, type: array, items: {type: string}, collectionFormat: tsv}]",
                "collectionFormat",
                "OpenAPI 3.0 has no counterpart of the collectionFormat tsv; the list is described as csv.",
            ),
            (
                "parameters: [{name: a, in: header, type: array, items: {type: string}, collectionFormat: pipes}]",
                "collectionFormat",
                "OpenAPI 3.0 has no counterpart of the collectionFormat pipes here; the list is described as csv.",
            ),
            (
                "parameters: [{name: a, in: query, type: array, items: {type: array, items: {type: string}, collectionFormat: ssv}}]",
                "collectionFormat",
                "OpenAPI 3.0 has no counterpart of the collectionFormat ssv here; the list is described as csv.",
            ),
            (
                "parameters: [{name: a, in: formData, type: string, allowEmptyValue: true}]",
                "allowEmptyValue",
                "OpenAPI 3.0 has allowEmptyValue in queries only; it is left out of this field.",
            ),
            (
                "consumes: [multipart/form-data], parameters: [{name: a, in: formData, type: array, items: {type: string}}]",
                "type: array",
                "OpenAPI 3.0 describes a list in multipart/form-data as one field per entry, never as one field.",
            ),
            (
                "consumes: [application/json], parameters: [{name: a, in: formData, type: string}]",
                "consumes",
                "Fields of a form are sent as application/x-www-form-urlencoded; “application/json” is left out.",
            ),
            (
                "parameters: [{name: a, in: body, schema: {type: array, items: [{type: string}, {type: integer}]}}]",
                "items",
                "OpenAPI 3.0 can't describe each entry of a list on its own; any of these is allowed at each place.",
            ),
            (
                "schemes: [https]",
                "schemes",
                "Without “host” the schemes say nothing in OpenAPI 3.0; they are left out.",
            ),
        ],
    )
    def test_what_is_lost_is_told_where_it_stands(self, told: str, word: str, note: str) -> None:
        line = f"    post: {{{told}, {DONE}}}"
        assert notes(parse(f"{HEAD}  /a:\n{line}\n"))[1:] == [f"5:{line.index(word) + 1} {note}"]

    def test_a_body_where_http_gives_it_no_meaning(self) -> None:
        text = f"{HEAD}  /a:\n    get: {{parameters: [{{name: a, in: body, schema: {{}}}}], {DONE}}}\n"
        assert notes(parse(text))[1:] == ["5:24 OpenAPI 3.0 gives a body no meaning in GET requests."]

    def test_names_that_components_can_not_have(self) -> None:
        text = PETS.replace("Pets", "Page«Pet»").replace("Error", "Page[Pet]")
        document = parse(text)
        assert [note for note in notes(document) if "called" in note] == [
            "44:3 OpenAPI 3.0 allows no such name; “Page[Pet]” is called “Page_Pet”.",
            "54:3 OpenAPI 3.0 allows no such name; “Page«Pet»” is called “Page_Pet”.",
            "55:3 OpenAPI 3.0 allows no such name; “Page[Pet]” is called “Page_Pet_2”.",
        ]
        assert set(document.content["components"]["schemas"]) == {"Pet", "Page_Pet", "Page_Pet_2"}
        answer = document.content["paths"]["/pets"]["get"]["responses"]["200"]
        assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Page_Pet"}

    def test_they_are_not_endless(self) -> None:
        names = "".join(f"  a«{number}»: {{}}\n" for number in range(60))
        told = notes(parse(f"{HEAD}  /a: {{get: {{{DONE}}}}}\ndefinitions:\n{names}"))
        assert len(told) == 52
        assert told[-1] == "56:3 From here on there are 10 more such notes."


class TestReferences:
    def test_to_a_schema_within_another_operation(self) -> None:
        # As bundlers write it when two operations share a schema.
        body = "{name: a, in: body, schema: {type: object, properties: {n: {$ref: '#/paths/~1a/post/parameters/0/schema'}}}}"
        content = parse(f"{HEAD}  /a: {{post: {{parameters: [{body}], {DONE}}}}}\n").content
        again = {"$ref": "#/components/schemas/schema"}
        assert content["components"]["schemas"] == {"schema": {"type": "object", "properties": {"n": again}}}

    def test_to_a_part_of_a_definition(self) -> None:
        text = f"{HEAD}  /a: {{get: {{{DONE}}}}}\ndefinitions: {{A: {{properties: {{b: {{type: string, x-nullable: true}}}}}},"
        schemas = parse(text + " C: {$ref: '#/definitions/A/properties/b'}}\n").content["components"]["schemas"]
        assert schemas["C"] == {"$ref": "#/components/schemas/b"}
        assert schemas["b"] == {"type": "string", "nullable": True}

    def test_to_a_parameter_of_another_operation(self) -> None:
        one = f"get: {{parameters: [{{name: q, in: query, type: string}}], {DONE}}}"
        other = f"put: {{parameters: [{{$ref: '#/paths/~1a/get/parameters/0'}}], {DONE}}}"
        content = parse(f"{HEAD}  /a: {{{one}, {other}}}\n").content
        assert content["paths"]["/a"]["put"]["parameters"] == [{"name": "q", "in": "query", "schema": {"type": "string"}}]

    def test_a_path_that_is_another(self) -> None:
        content = parse(f"{HEAD}  /a: {{get: {{{DONE}}}}}\n  /b: {{$ref: '#/paths/~1a'}}\n").content
        assert content["paths"]["/b"] == content["paths"]["/a"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                f"{HEAD}  /a: {{get: {{parameters: [{{$ref: '#/x-a'}}], {DONE}}}}}\nx-a: {{name: a, in: query, type: [1]}}\n",
                "4:27 The reference leads to something that is no parameter.",
            ),
            (
                f"{HEAD}  /a: {{get: {{responses: {{200: {{$ref: '#/info'}}}}}}}}\n",
                "4:32 The reference leads to something that is no response.",
            ),
            (f"{HEAD}  /a: {{$ref: '#/x-a'}}\nx-a: {{get: {{{DONE}}}}}\n", "4:3 The reference leads to something that is no path."),
        ],
    )
    def test_to_something_else(self, text: str, sentence: str) -> None:
        assert said(text) == [sentence]


class TestWrong:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (PETS.replace("in: body", "in: boddy"), "30:21 “parameters > 0 > in” must be one of"),
            (PETS.replace("host: pets", "hots: pets"), "3:1 “hots” doesn't belong in The document."),
            (PETS.replace("#/definitions/Pets", "#/definitions/Dogs"), "21:20 The reference “#/definitions/Dogs” leads to nothing"),
            (PETS.replace("#/definitions/Pets", "pets.yaml"), "21:20 Only references inside the document"),
            (PETS.replace("operationId: createPet", "operationId: listPets"), "26:7 The operationId “listPets” belongs to GET “/pets”"),
            (PETS.replace("scopes: {write: change pets}", "scopes: {'a b': c}").replace("[write]", "[]"), "62:14 A scope has no spaces"),
        ],
    )
    def test_it_is_told_in_the_authors_own_lines(self, text: str, sentence: str) -> None:
        assert any(told.startswith(sentence) for told in said(text)), said(text)
