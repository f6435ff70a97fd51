"""Pam uploads OpenAPI documents. She gets operations, or sentences with lines."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_schema_validator._specifications import REGISTRY
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from openapi_spec_validator.schemas import schema_v31
from referencing.jsonschema import DRAFT202012

from apis import lint, openapi, openapi_worker
from apis.openapi import Document, DocumentError, Problem, parse, read
from apis.openapi_paths import template_problem
from apis.openapi_schema import VALIDATORS
from apis.openapi_source import decode, load

ROOT = Path(__file__).resolve().parents[2]
# OpenAPI 3.1 with its schema dialect, put together as in https://spec.openapis.org/oas/3.1/schema-base/2022-10-07.
PUBLISHED = Draft202012Validator(
    {
        "$id": "https://spec.openapis.org/oas/3.1/schema-base/2022-10-07",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": schema_v31["$id"],
        "$defs": {"schema": {"$dynamicAnchor": "meta", "$ref": "https://spec.openapis.org/oas/3.1/dialect/base"}},
    },
    registry=REGISTRY.with_resource(schema_v31["$id"], DRAFT202012.create_resource({**schema_v31})),
)
SCHEMA_WORDS = VALIDATORS["3.1"].schema["$defs"]["schema"]["properties"]

ORDERS = """\
openapi: 3.1.0
info:
  title: Orders
  version: "2.1"
tags:
- name: orders
paths:
  /orders:
    get:
      summary: List orders
      tags: [orders]
      responses:
        200: {$ref: '#/components/responses/Orders'}
    post:
      operationId: placeOrder
      deprecated: true
      requestBody:
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Order'}
      responses:
        201:
          description: placed
  /orders/{id}:
    parameters:
    - $ref: '#/components/parameters/Id'
    get:
      responses:
        default: {description: an order}
components:
  parameters:
    Id: {name: id, in: path, required: true, style: simple, schema: {type: string}}
  responses:
    Orders:
      description: all of them
      headers: {X-Total: {style: simple, schema: {type: integer}}}
      links: {one: {operationId: placeOrder, x-why: ""}}
      content:
        application/json:
          schema: {type: array, items: {$ref: '#/components/schemas/Order'}}
  securitySchemes:
    key: {type: apiKey, name: X-Key, in: header}
    login: {type: oauth2, flows: {clientCredentials: {tokenUrl: "https://a.example/token", scopes: {}}}}
  schemas:
    Order:
      type: object
      properties:
        id: {type: string, example: no}
        follows: {$ref: '#/components/schemas/Order'}
"""
HEAD = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\n"
ONE = "paths: {/a: {get: {responses: {default: {description: d}}}}}\n"
ANY = "schema: {}"
Q = "name: q, in: query"
ANSWERS = "responses: {default: {description: d}}"


def as_30(text: str) -> str:
    return text.replace("openapi: 3.1.0", "openapi: 3.0.3")


def as_json(text: str) -> str:
    return json.dumps(load(text).value, indent=2)


def messages(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def parsed(text: str) -> Document | tuple[Problem, ...]:
    try:
        return parse(text)
    except DocumentError as error:
        return error.problems


def said(text: str) -> str:
    return "\n".join(f"{line}:{column} {message}" for line, column, message in messages(text))


def paths(body: str) -> str:
    return HEAD + "paths:\n" + body


GOOD = [ORDERS, as_30(ORDERS), as_json(ORDERS), as_json(as_30(ORDERS)), "\ufeff" + ORDERS, "\ufeff" + as_json(ORDERS)]


class TestGoodDocuments:
    @pytest.mark.parametrize("text", GOOD)
    def test_its_operations_are_found(self, text: str) -> None:
        document = parse(text)

        assert [(o.method, o.path, o.operation_id, o.deprecated) for o in document.operations] == [
            ("GET", "/orders", "get_orders", False),
            ("POST", "/orders", "placeOrder", True),
            ("GET", "/orders/{id}", "get_orders_id", False),
        ]
        assert (document.title, document.version) == ("Orders", "2.1")
        assert (document.operations[0].summary, document.operations[0].tags) == ("List orders", ("orders",))
        assert json.loads(json.dumps(document.content)) == document.content

    def test_operations_know_their_lines(self) -> None:
        assert [operation.line for operation in parse(ORDERS).operations] == [9, 14, 27]

    @pytest.mark.parametrize(("text", "validator"), [(ORDERS, OpenAPIV31SpecValidator), (as_30(ORDERS), OpenAPIV30SpecValidator)])
    def test_the_whole_of_openapi_spec_validator_agrees(self, text: str, validator: Any) -> None:
        assert list(validator(parse(text).content).iter_errors()) == []

    def test_read_in_the_limited_process_gives_the_same(self) -> None:
        assert read(ORDERS) == read(ORDERS.encode()) == lint.parse(ORDERS)

    @pytest.mark.parametrize(
        ("written", "value"),
        [
            *[
                ("no", "no"),
                ("12:30", "12:30"),
                ("2024-01-01", "2024-01-01"),
                ("0o17", 15),
                ("0x1f", 31),
                ("1e3", 1000.0),
            ],
            *[
                ("~", None),
                ("", None),
                ("'true'", "true"),
                ("TRUE", True),
                ("-07", -7),
                ("!!str 1", "1"),
                ("1_000", "1_000"),
            ],
        ],
    )
    def test_yaml_is_read_by_the_rules_of_yaml_1_2(self, written: str, value: object) -> None:
        read_value = load(f"a: {written}").value["a"]
        assert (read_value, type(read_value)) == (value, type(value))

    def test_keys_are_always_text(self) -> None:
        assert load("200: a\ntrue: b\n~: c\n").value == {"200": "a", "true": "b", "~": "c"}

    def test_spaces_at_the_end_cost_nothing(self) -> None:
        assert len(read(as_json(HEAD + ONE) + " " * 1_500_000).operations) == 1

    def test_json_escapes_are_read_as_json(self) -> None:
        text = json.dumps({'a\\"{[': "\N{PARTY POPPER}\n\t/", "b": [-1.5e3, 0, True, None, ""]}).replace("/", "\\/")
        assert load(text).value == json.loads(text)

    def test_cycles_of_schemas_are_fine_and_data_is_not_a_reference(self) -> None:
        schemas = "components: {schemas: {A: {properties: {b: {$ref: '#/components/schemas/B'}, $ref: {type: string}}}, "
        schemas += "B: {items: {$ref: '#/components/schemas/A'}, type: array, example: {$ref: 'http://nowhere'}}}}\n"
        assert len(parse(HEAD + ONE + schemas).operations) == 1

    @pytest.mark.parametrize("write", [str, as_json])
    def test_a_path_item_may_be_a_reference(self, write: Callable[[str], str]) -> None:
        parameters = "parameters: [{name: x, in: path, required: true, schema: {}}]"
        body = f"  /a~b/{{x}}: {{get: {{{ANSWERS}, {parameters}}}}}\n  /c/{{x}}: {{$ref: '#/paths/~1a~0b~1%7Bx%7D'}}\n"
        operations = parse(write(paths(body))).operations
        assert [(o.path, o.operation_id) for o in operations] == [("/a~b/{x}", "get_a_b_x"), ("/c/{x}", "get_c_x")]

    def test_options_and_head_are_operations(self) -> None:
        operations = parse(paths(f"  /a: {{options: {{{ANSWERS}}}, head: {{{ANSWERS}}}}}\n")).operations
        assert [operation.method for operation in operations] == ["OPTIONS", "HEAD"]

    def test_made_up_ids_never_meet_written_ones(self) -> None:
        body = f"  /a-b: {{get: {{{ANSWERS}}}}}\n  /a_b: {{get: {{{ANSWERS}}}}}\n"
        text = paths(body + f"  /c: {{get: {{operationId: get_a_b, {ANSWERS}}}}}\n")
        assert [operation.operation_id for operation in parse(text).operations] == ["get_a_b_2", "get_a_b_3", "get_a_b"]

    def test_the_deepest_allowed_document_can_be_checked(self) -> None:
        deep = "{properties: {a: " * 28 + "{type: string}" + "}}" * 28
        for version in ("3.0.3", "3.1.0"):
            text = HEAD.replace("3.0.3", version) + ONE + f"components: {{schemas: {{A: {deep}}}}}\n"
            assert len(read(text).operations) == 1

    def test_2000_operations_are_allowed(self) -> None:
        text = paths("".join(f"  /a{i}: {{get: {{{ANSWERS}}}}}\n" for i in range(2_000)))
        assert len(parse(text).operations) == 2_000
        assert "2004:8 The document has more than 2,000 operations." in said(text + f"  /z: {{get: {{{ANSWERS}}}}}\n")


class TestUnreadable:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "1:1 The document is empty."),
            (" \n# nothing\n", "1:1 The document is empty."),
            (" \n\n", "1:1 The document is empty."),
            ("<!doctype html><title>Orders</title>", "1:1 This is an HTML or XML page"),
            ("a: b\nc: \0d", "2:4 The document has a NUL byte here"),
            ("a: \x07", "1:4 The document has the character U+0007 here"),
            ("a: \ud800", "1:4 The document has the character U+D800 here"),
            ('a: 1\nb: "\\0"', "2:4 The escaped character U+0000"),
            ('{"a": "\\ud800"}', "1:7 The escaped character U+D800"),
            ("a: [1, 2", "This isn't valid YAML: "),
            ("a: b\n c: d", "2:3 This isn't valid YAML: mapping values are not allowed in this context."),
            ('{"a": 1,\n "b" 2}', "2:6 This isn't valid JSON: Expecting ':' delimiter."),
            ('\ufeff{"a": tru}', "1:7 This isn't valid JSON: Expecting value."),
            ('{"a": 1} x', "1:10 This isn't valid JSON: Extra data."),
            ('{"a": [1, NaN]}', "1:11 This isn't valid JSON: NaN is not a value of JSON."),
            ("a: &x {b: c}\nd: *x", "2:4 YAML aliases (*x) are not read"),
            ("a: !!python/object:os.system x", "1:4 The YAML tag “!!python/object:os.system” is not read."),
            ("a: !mine {}", "1:4 The YAML tag “!mine” is not read."),
            ("a: {<<: {b: c}}", "1:5 YAML merge keys (<<) are not read."),
            ("? [a]\n: b", "1:3 A key must be text"),
            ("? {a: b}\n: b", "1:3 A key must be text"),
            ("a: 1\n---\nb: 2", "2:1 A second YAML document starts here."),
            ("a: .nan", "1:4 .nan is not a number that JSON can hold."),
            ("a: -.inf", "1:4 -.inf is not a number"),
            ("a: 1e999", "1:4 The number 1e999 is too large."),
            ("a: " + "1" * 401, "1:4 This number has more than 400 digits."),
            ("a: 0x" + "f" * 399, "1:4 This number has more than 400 digits."),
            ("a: " + "[" * 64 + "]" * 64, "1:67 The document is nested more than 64 levels deep here."),
            ("[" * 65 + "]" * 65, "1:65 The document is nested more than 64 levels deep here."),
            ("[" * 100_000, "1:65 The document is nested more than 64 levels deep here."),
            ("a: " + "b" * 2 * 1024 * 1024, "1:1 The document is larger than 2 MB."),
        ],
    )
    def test_it_says_what_and_where(self, text: str, sentence: str) -> None:
        assert sentence in said(text)

    def test_every_repeated_key_is_told(self) -> None:
        assert messages("a: 1\nb: {c: 1, c: {c: 2}}\n'a': 3\n") == [
            (2, 11, "The key “c” stands here a second time; the first is on line 2."),
            (3, 1, "The key “a” stands here a second time; the first is on line 1."),
        ]
        assert "2:2 The key “a” stands here a second time" in said('{"a": 1,\n "a": 2}')
        assert "3:3 The key “200” stands here a second time" in said("r:\n  '200': a\n  200: b\n")

    @pytest.mark.parametrize(
        ("raw", "sentence"),
        [
            (b"a: b\n\xc3\xa9: \xff", "Line 2, column 4: The document isn't UTF-8 text from here on."),
            ("a: b".encode("utf-16"), "Line 1, column 1: The document is in UTF-16."),
            (b"x" * (2 * 1024 * 1024 + 1), "Line 1, column 1: The document is larger than 2 MB."),
        ],
    )
    def test_bytes_that_are_no_text(self, raw: bytes, sentence: str) -> None:
        for reader in (decode, read):
            with pytest.raises(DocumentError, match=sentence):
                reader(raw)

    def test_text_with_a_lone_surrogate_reaches_nobody(self) -> None:
        with pytest.raises(DocumentError, match="column 4: The document isn't UTF-8"):
            read("a: \ud800")


class TestWrong:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("- a", "1:1 This isn't an OpenAPI document: it must be a mapping"),
            ("just words", "1:1 This isn't an OpenAPI document: it must be a mapping"),
            ("\ninfo: {}", "2:1 This isn't an OpenAPI document: it has no field “openapi”"),
            ("info: {}\nswagger: '1.2'", '2:1 Of Swagger the version 2.0 is read. Write it in quotes: swagger: "2.0".'),
            ("info: {}\nswagger: 2.0", "2:1 Of Swagger the version 2.0 is read."),
            ("openapi: 3.1", "1:1 The version in “openapi” must be text of three numbers"),
            ("openapi: 3.2.0", "1:1 OpenAPI version “3.2.0” is not supported. Use 3.0 or 3.1"),
            ("openapi: '3.1'", "1:1 OpenAPI version “3.1” is not supported."),
            (HEAD, "1:1 The document has no operations: “paths” is missing or empty."),
            (HEAD + "paths: {}", "3:1 The document has no operations"),
            (HEAD + "paths: []", "3:1 “paths” must be a mapping, not a list."),
            (paths("  /a: {}\n"), "3:1 The document has no operations"),
            (HEAD.replace("'1'", "1.0") + ONE, "2:18 “info > version” must be text, not a number. Put it in quotes."),
            (HEAD + "info2: 1\n" + ONE, "3:1 “info2” doesn't belong in The document."),
            (paths("  /a:\n    get: {}\n"), "5:5 “paths > /a > get” needs the field “responses”."),
            (paths("  /a:\n    get:\n      responses: {}\n"), "6:7 “/a > get > responses” must not be empty."),
            (
                paths("  /a: {get: {responses: {999: {description: d}}}}\n"),
                "“999” doesn't belong in “/a > get > responses”. Responses are named",
            ),
            (paths("  a: {}\n"), "4:3 The path “a” must begin with a slash."),
            (paths(f"  /a:\n    trace: {{{ANSWERS}}}\n"), "5:5 “trace” is no method that the gateway passes (GET, PUT"),
            (paths("  /a:\n    query: {}\n"), "5:5 “query” is no method that the gateway passes"),
            (paths("  /a:\n    GET: {}\n"), "5:5 Write the method “GET” in lower case."),
            (
                paths(f"  /a/{{id}}:\n    get: {{{ANSWERS}}}\n"),
                "5:5 In GET “/a/{id}” the path has {id}, but no parameter",
            ),
            (
                paths(f"  /a:\n    get: {{{ANSWERS}, parameters: [{{name: id, in: path, required: true, {ANY}}}]}}\n"),
                "The parameter “id” is described with in: path, but “/a” doesn't have it.",
            ),
            (
                paths(f"  /a:\n    get: {{{ANSWERS}, parameters: [{{{Q}, {ANY}}}, {{example: 1, {Q}, {ANY}}}]}}\n"),
                "The query parameter “q” is described twice.",
            ),
            (HEAD + "tags: [{name: a}, {name: a}]\n" + ONE, "3:19 The tag “a” is described a second time here."),
            (
                paths(f"  /a: {{get: {{operationId: x, {ANSWERS}}}}}\n  /b: {{get: {{operationId: x, {ANSWERS}}}}}\n"),
                "5:14 The operationId “x” belongs to GET “/a” on line 4 already.",
            ),
            (
                paths(f"  /a: {{get: {{operationId: {'x' * 201}, {ANSWERS}}}}}\n"),
                "4:14 The operationId is longer than 200 characters.",
            ),
            (
                paths(f"  /a: {{$ref: '#/paths/~1b', get: {{{ANSWERS}}}}}\n  /b: {{get: {{{ANSWERS}}}}}\n"),
                "4:3 A path with $ref can't have operations too",
            ),
            (
                HEAD + ONE + "components:\n  schemas:\n    A: {type: strin}\n",
                "6:9 “schemas > A > type” must be one of array, boolean, integer, number, object, string.",
            ),
            (
                HEAD + ONE + "components: {securitySchemes: {a: {type: http, schem: basic}}}\n",
                "4:32 “components > securitySchemes > a” needs the field “scheme”.",
            ),
            (
                (HEAD + ONE).replace("3.0.3", "3.1.0") + "components: {schemas: {A: {minimum: low}}}\n",
                "4:28 “schemas > A > minimum” must be a number, not text.",
            ),
            (
                (HEAD + ONE).replace("3.0.3", "3.1.0") + "components: {schemas: {A: {properties: {b: {required: yes}}}}}\n",
                "4:45 “properties > b > required” must be a list, not text.",
            ),
        ],
    )
    def test_it_says_what_and_where(self, text: str, sentence: str) -> None:
        assert sentence in said(text)

    @pytest.mark.parametrize(
        ("reference", "sentence"),
        [
            ("https://example.com/a.yaml#/A", "Only references inside the document (#/...) are read"),
            ("other.yaml#/A", "Only references inside the document (#/...) are read"),
            ("file:///etc/passwd", "Only references inside the document (#/...) are read"),
            ("#A", "Only references inside the document (#/...) are read"),
            ("#/components/schemas/Nobody", "leads to nothing, or back to itself."),
            ("#/components/schemas/A", "leads to nothing, or back to itself."),
        ],
    )
    def test_references_stay_inside_and_lead_somewhere(self, reference: str, sentence: str) -> None:
        told = said(HEAD + ONE + f"components:\n  schemas:\n    A:\n      $ref: '{reference}'\n")
        assert told.startswith("7:7 ")
        assert sentence in told

    def test_a_property_may_be_called_like_a_word_of_openapi(self) -> None:
        text = HEAD + ONE + "components:\n  schemas:\n    A:\n      properties:\n        default: {$ref: '#/nowhere'}\n"
        assert said(text).startswith("8:19 The reference “#/nowhere” leads to nothing")

    def test_of_several_forms_the_named_one_is_explained(self) -> None:
        flows = "implicit: {}, password: {}, clientCredentials: {}"
        told = said(HEAD + ONE + f"components: {{securitySchemes: {{a: {{type: oauth2, flows: {{{flows}}}}}}}}}\n")
        assert "“a > flows > implicit” needs the field “authorizationUrl”." in told

    def test_the_same_template_twice_is_one_operation(self) -> None:
        answers = f"{ANSWERS}, parameters: [{{name: %s, in: path, required: true, schema: {{}}}}]"
        text = paths(f"  /a/{{x}}: {{get: {{{answers % 'x'}}}}}\n  /a/{{y}}: {{METHOD: {{{answers % 'y'}}}}}\n")

        assert "5:12 This is the same operation as GET “/a/{x}” on line 4" in said(text.replace("METHOD", "get"))
        assert len(parse(text.replace("METHOD", "put")).operations) == 2

    def test_problems_come_in_order_and_at_most_twenty(self) -> None:
        told = messages(HEAD + ONE + "".join(f"z{i}: 1\n" for i in range(30)))
        assert [line for line, _, _ in told] == list(range(4, 24))
        assert len(messages(paths("".join(f"  a{i}: {{}}\n" for i in range(30))))) == 20

    def test_different_kinds_of_problems_are_told_together(self) -> None:
        text = paths("  a: {}\n  /b:\n    get: {bogus: 1}\n    trace: {}\n") + "components: {schemas: {A: {$ref: '#/b'}}}\n"
        assert [line for line, _, _ in messages(text)] == [4, 6, 6, 7, 7, 8]

    def test_names_in_sentences_are_short_and_on_one_line(self) -> None:
        told = said(HEAD + ONE + '"a\\nb\u202e' + "c" * 200 + '": 1\n')
        assert "“a b\N{REPLACEMENT CHARACTER}" + "c" * 76 + "…”" in told

    def test_the_error_reads_as_its_first_problem(self) -> None:
        with pytest.raises(DocumentError) as caught:
            parse("a: 1\na: 2\na: 3\n")
        assert str(caught.value) == "Line 2, column 1: The key “a” stands here a second time; the first is on line 1."


class TestTemplates:
    @pytest.mark.parametrize(
        "path",
        [
            *(
                "/",
                "/a",
                "/a/",
                "/a/{id}",
                "/a/{id}.json",
                "/{a}-{b}",
                "/{pet-id}/{_id}",
                "/{id}/{id}",
                "/a%20b",
                "/größe",
            ),
            *("/.well-known", "/a..b", "/...", "/a:b", "/*", "/" + "a" * 999),
        ],
    )
    def test_it_can_be_held(self, path: str) -> None:
        assert template_problem(path) is None

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("", "must begin with a slash"),
            ("a", "must begin with a slash"),
            ("{a}", "must begin with a slash"),
            ("//", "empty segment"),
            ("/a//b", "empty segment"),
            ("/a//", "empty segment"),
            ("/.", "segment of dots"),
            ("/a/../b", "segment of dots"),
            ("/a/%2E%2e/b", "segment of dots"),
            ("/a?b=c", "query (?) or fragment (#)"),
            ("/a#b", "query (?) or fragment (#)"),
            ("/a b", "a space or an invisible character"),
            ("/a\n", "a space or an invisible character"),
            ("/a\u202e", "a space or an invisible character"),
            ("/a\xa0b", "a space or an invisible character"),
            ("/a\\b", "backslash"),
            ("/a%2fb", "escaped slash, backslash or control character"),
            ("/a%5Cb", "escaped slash, backslash or control character"),
            ("/a%00", "escaped slash, backslash or control character"),
            ("/a%7F", "escaped slash, backslash or control character"),
            ("/100%", "% without two hexadecimal digits"),
            ("/a%2", "% without two hexadecimal digits"),
            ("/a%zz", "% without two hexadecimal digits"),
            ("/{}", "a parameter without a name"),
            ("/{a", "a brace without its partner"),
            ("/a}", "a brace without its partner"),
            ("/}{", "a brace without its partner"),
            ("/{a/b}", "a brace without its partner"),
            ("/{a{b}}", "a brace without its partner"),
            ("/{a}{b}", "two parameters without text between them"),
            ("/" + "a" * 1000, "longer than 1,000 characters"),
        ],
    )
    def test_it_is_refused(self, path: str, reason: str) -> None:
        assert reason in (template_problem(path) or "")

    @given(st.text(alphabet="/{}.%2fFeE\\?# ab", max_size=12).map("/".__add__))
    def test_what_is_allowed_has_only_one_meaning(self, path: str) -> None:
        if template_problem(path) is None:
            segments = path.lower().replace("%2e", ".").split("/")
            assert not {".", ".."} & set(segments)
            assert "" not in segments[1:-1]
            assert "%2f" not in path.lower()
            assert path.count("{") == path.count("}")


def branches(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values in a document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for step, child in steps for below in branches(child, (*path, step)))]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "path", "string", "#/paths", "^(a+)+$"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "get", "x-a", "name", "in", "schema", "type", "required", "properties"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, start: dict[str, Any]) -> dict[str, Any]:
    """The document with one to three parts replaced, removed or added."""
    content = copy.deepcopy(start)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(branches(content)[1:] or [("openapi",)]))
        parent: Any = content
        for step in way:
            parent = parent[step]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                parent[last] = draw(ANYTHING)
            case "remove":
                parent.pop(last, None) if isinstance(parent, dict) else parent.pop(last)
            case _ if isinstance(parent, dict):
                parent[draw(st.sampled_from(["$ref", "x-a", "schema", "style", "example", "trace", "GET", "operationId"]))] = draw(ANYTHING)
    return content


class TestAnything:
    @given(st.text() | st.text(alphabet="{}[]:,-?!&*#|>'\"%@ \n\tab<0.~\\", max_size=60))
    @settings(max_examples=300)
    def test_any_text_is_a_document_or_refused(self, text: str) -> None:
        with pytest.raises(DocumentError) as caught:
            parse(text)
        assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in caught.value.problems)

    @given(
        st.integers(0, len(ORDERS)),
        st.integers(0, 30),
        st.text(alphabet="{}[]:-*&!'\" \n0ax$", max_size=6),
        st.booleans(),
    )
    @settings(max_examples=200, deadline=None)
    def test_a_damaged_text_is_a_document_or_refused(self, at: int, length: int, new: str, json_text: bool) -> None:
        text = as_json(ORDERS) if json_text else ORDERS
        outcome = parsed(text[:at] + new + text[at + length :])
        if isinstance(outcome, Document):
            assert outcome.operations
        else:
            assert 1 <= len(outcome) <= 20

    @given(st.data())
    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_a_damaged_value_is_a_document_or_refused(self, data: st.DataObject) -> None:
        start = load(data.draw(st.sampled_from([ORDERS, as_30(ORDERS)]))).value
        text = yaml.safe_dump(data.draw(damaged(start)), sort_keys=False)
        outcome = parsed(text)
        if isinstance(outcome, Document):
            assert len({operation.operation_id for operation in outcome.operations}) == len(outcome.operations)
        else:
            assert [(p.line, p.column) for p in outcome] == sorted((p.line, p.column) for p in outcome)
            assert outcome[-1].line <= text.count("\n") + 1

    @given(st.data())
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_the_faster_schema_of_3_1_answers_as_the_published_one(self, data: st.DataObject) -> None:
        content = data.draw(damaged(load(ORDERS).value))
        assert VALIDATORS["3.1"].is_valid(content) == PUBLISHED.is_valid(content)

    @given(st.dictionaries(st.sampled_from(sorted(SCHEMA_WORDS)), ANYTHING, max_size=3))
    @settings(max_examples=300, deadline=None)
    def test_the_faster_table_of_schema_words_answers_as_the_published_ones(self, schema: dict[str, Any]) -> None:
        content = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "components": {"schemas": {"A": schema}}}
        assert VALIDATORS["3.1"].is_valid(content) == PUBLISHED.is_valid(content)


class TestProcess:
    """The limited process is a file of its own; these replace it by others."""

    @pytest.fixture
    def worker(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        def replace(code: str) -> None:
            (tmp_path / "worker.py").write_text(code)
            monkeypatch.setattr(openapi, "WORKER", tmp_path / "worker.py")

        return replace

    def test_it_inherits_neither_environment_nor_directory(self, worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORTICO_SECRET_KEY", "hush")
        worker(
            "import json, os\nseen = f'{os.getcwd()} {sorted(os.environ)}'\n"
            "print(json.dumps({'problems': [{'line': 1, 'column': 1, 'message': seen}]}))"
        )
        with pytest.raises(DocumentError) as caught:
            read("a: 1")
        assert caught.value.problems[0].message.startswith("/ [")
        assert "PORTICO" not in str(caught.value)

    def test_it_works_from_any_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "yaml.py").write_text("raise SystemExit('not this one')")
        (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
        monkeypatch.chdir(tmp_path)
        assert len(read(ORDERS).operations) == 3

    @pytest.mark.parametrize(
        ("code", "sentence"),
        [
            ("import os, signal\nos.kill(os.getpid(), signal.SIGXCPU)", "takes more than 5 seconds"),
            ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "takes more than 256 MB of memory"),
            ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "takes more than 256 MB of memory"),
            (f"raise SystemExit({openapi.EXIT_MEMORY})", "takes more than 256 MB of memory"),
        ],
    )
    def test_its_death_is_told_in_a_sentence(self, worker: Any, code: str, sentence: str) -> None:
        worker(code)
        with pytest.raises(DocumentError, match=sentence):
            read("a: 1")

    def test_a_process_that_sleeps_is_killed(self, worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(openapi, "AT_ONCE", dataclasses.replace(openapi.AT_ONCE, wall_seconds=0.3))
        worker("import time\ntime.sleep(60)")
        with pytest.raises(DocumentError, match="seconds to read"):
            read("a: 1")

    def test_it_tells_how_much_is_done(self) -> None:
        told: list[float] = []
        many = "".join(f"  A{number}: {{type: string, description: d, example: e}}\n" for number in range(6_000))
        read(f"{ORDERS}x-more:\n{many}", tell=told.append)
        assert told == sorted(told)
        assert len(told) > 3
        assert told[0] < 0.5
        assert told[-1] == openapi.CHECKED

    def test_what_it_says_besides_is_no_progress(self, worker: Any, caplog: pytest.LogCaptureFixture) -> None:
        worker("import sys\nsys.stderr.write('%7\\nline 7: %8\\n')\nraise SystemExit(1)")
        told: list[float] = []
        with pytest.raises(DocumentError):
            read("a: 1", tell=told.append)
        assert told == [0.07]
        assert "ended with 1: line 7: %8" in caplog.text

    def test_an_unexpected_end_is_logged(self, worker: Any, caplog: pytest.LogCaptureFixture) -> None:
        worker("import sys\nsys.stderr.write('line 7: KeyError')\nraise SystemExit(1)")
        with pytest.raises(DocumentError, match="The operator's log has the details"):
            read("a: 1")
        assert "ended with 1: line 7: KeyError" in caplog.text

    def test_the_log_gets_lines_and_no_content(self, capsys: pytest.CaptureFixture[str]) -> None:
        secret = "hush"
        with pytest.raises(ValueError) as caught:
            int(secret)
        openapi_worker.report_frames(ValueError, caught.value, caught.tb)
        told = capsys.readouterr().err
        assert "int(secret)" in told
        assert told.endswith("ValueError")
        assert "hush" not in told

    def test_it_can_open_nothing_once_it_is_limited(self) -> None:
        code = (
            f"import sys; sys.path.append({str(ROOT)!r})\n"
            "from apis.openapi_worker import limit\nlimit(5, 256)\n"
            "import resource\n"
            "kinds = resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE\n"
            "print([resource.getrlimit(kind)[0] for kind in kinds])\n"
            "try:\n    open('/')\nexcept OSError as error:\n    print(error.errno)\n"
        )
        done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True, env=dict(os.environ))
        assert done.stdout == "[5, 0, 0]\n24\n"
