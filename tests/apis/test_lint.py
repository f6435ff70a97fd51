"""Pam's documents are held to rules: each finds what it is for and nothing else, and the score says how far she has come."""

import copy
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as settings_of_django
from hypothesis import given, settings
from hypothesis import strategies as st

from apis import lint
from apis.findings import Finding, Lint
from apis.lint.names import _action, _otherwise, _singular, _styles
from apis.lint.notes import KEPT, POINTER, WORD
from apis.lint.rules import RULES, Choice, Severity, chosen
from apis.lint.standing import WEIGHTS, broken, standing
from apis.openapi import read
from apis.openapi_source import load
from tests.apis.test_reference import SHOP

Content = dict[str, Any]
ALL = dict.fromkeys(RULES, Choice.ON)

# It breaks no rule, and every rule looks at something in it.
GOOD = """\
openapi: 3.0.3
info:
  title: Orders
  version: "1"
  description: What customers buy, from the basket to the parcel.
  contact: {name: The shop's team, email: shop@example.com}
servers: [{url: /}]
tags: [{name: orders, description: What was bought.}]
security: [{login: [read]}]
paths:
  /orders:
    get:
      operationId: listOrders
      summary: List orders
      description: The newest first.
      tags: [orders]
      parameters:
      - {name: pageSize, in: query, description: How many at once., schema: {type: integer}}
      - {$ref: '#/components/parameters/Trace'}
      responses:
        200:
          description: Orders
          content:
            application/json:
              schema: {type: array, items: {$ref: '#/components/schemas/Order'}}
        400: {$ref: '#/components/responses/Problem'}
    post:
      operationId: placeOrder
      summary: Place an order
      description: It is paid later.
      tags: [orders]
      requestBody: {$ref: '#/components/requestBodies/Order'}
      responses:
        201: {description: Placed}
        4XX: {$ref: '#/components/responses/Problem'}
  /orders/{orderId}/order-lines:
    parameters:
    - {name: orderId, in: path, required: true, description: As the list has it., schema: {type: string}}
    get:
      operationId: listLines
      summary: List what was ordered
      description: One line for each thing.
      tags: [orders]
      responses:
        200: {description: Lines, content: {application/json: {schema: {type: object}, example: {lines: []}}, image/png: {}}}
        default: {$ref: '#/components/responses/Problem'}
    delete:
      operationId: cancelLines
      summary: Cancel what was ordered
      description: Use placeOrder with nothing in it.
      deprecated: true
      tags: [orders]
      responses:
        204: {description: Cancelled}
        404: {$ref: '#/components/responses/Problem'}
components:
  parameters:
    Trace: {name: X-Trace, in: header, description: Comes back in the answer., schema: {type: string}}
  requestBodies:
    Order: {content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
  responses:
    Problem: {description: What was wrong, content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}}
  schemas:
    Order:
      allOf:
      - type: object
        properties:
          sku: {type: string, example: A-1}
          count: {type: integer, default: 1}
      - {required: [sku]}
    Problem:
      type: object
      discriminator: {propertyName: kind, mapping: {gone: Gone}}
      properties:
        title: {type: string, enum: [Gone, Wrong]}
    Gone: {allOf: [{$ref: '#/components/schemas/Problem'}], example: {title: Gone}}
    Wrong: {allOf: [{$ref: '#/components/schemas/Problem'}]}
  securitySchemes:
    login: {type: oauth2, flows: {clientCredentials: {tokenUrl: https://login.example/token, scopes: {read: Read}}}}
"""


def linted(content: Any, gateway: str = "") -> Lint:
    found = lint.parse(content if isinstance(content, str) else json.dumps(content), gateway=gateway).lint
    assert found is not None
    return found


def good() -> Any:
    return load(GOOD).value


def broken_by(content: Any, gateway: str = "") -> list[str]:
    """The rules that it breaks."""
    return [rule for rule, (_, many) in linted(content, gateway).counts.items() if many]


def bad(change: Callable[[Any], Any]) -> Any:
    document = good()
    change(document)
    return document


def operation(document: Content, method: str = "get", path: str = "/orders") -> Content:
    found: Content = document["paths"][path][method]
    return found


def rename(document: Content, old: str, new: str) -> None:
    document["paths"] = {new if path == old else path: item for path, item in document["paths"].items()}


LINES = "/orders/{orderId}/order-lines"


def without_responses(document: Content, *statuses: str) -> None:
    for status in statuses:
        del operation(document)["responses"][status]


def split_path(document: Content) -> None:
    """GET and DELETE of one path under two names."""
    own = {"name": "lineOf", "in": "path", "required": True, "description": "An order.", "schema": {"type": "string"}}
    document["paths"]["/orders/{lineOf}/order-lines"] = {"parameters": [own], "delete": document["paths"][LINES].pop("delete")}


BAD: dict[str, Callable[[Any], Any]] = {
    "info-description": lambda d: d["info"].pop("description"),
    "info-contact": lambda d: d["info"].update(contact={}),
    "servers-ignored": lambda d: d["servers"].append({"url": "https://orders.example.com/v1"}),
    "operation-security": lambda d: operation(d).update(security=[]),
    "oas3-operation-security-defined": lambda d: operation(d).update(security=[{"login": []}, {"key": []}]),
    "path-keys-no-trailing-slash": lambda d: rename(d, "/orders", "/orders/"),
    "paths-kebab-case": lambda d: rename(d, "/orders", "/shopOrders"),
    "path-segment-plural": lambda d: rename(d, LINES, "/order/{orderId}/order-lines"),
    "no-verbs-in-paths": lambda d: rename(d, "/orders", "/create-order"),
    "no-identical-paths": split_path,
    "operation-summary": lambda d: operation(d).update(summary=" "),
    "operation-summary-unique": lambda d: operation(d).update(summary="place  an Order"),
    "operation-description": lambda d: operation(d).pop("description"),
    "operation-operationId": lambda d: operation(d).pop("operationId"),
    "operation-operationId-style": lambda d: operation(d).update(operationId="list_orders"),
    "operation-operationId-valid-in-url": lambda d: operation(d).update(operationId="list orders"),
    "operation-tags": lambda d: operation(d).update(tags=[]),
    "operation-tag-defined": lambda d: operation(d)["tags"].append("order"),
    "tag-description": lambda d: d["tags"][0].pop("description"),
    "operation-deprecated-instead": lambda d: operation(d, "delete", LINES).update(description="It goes away, as cancelLines does."),
    "oas3-parameter-description": lambda d: operation(d)["parameters"][0].pop("description"),
    "parameter-name-style": lambda d: operation(d)["parameters"].append(
        {"name": "first_page", "in": "query", "description": "From here on.", "schema": {"type": "string"}}
    ),
    "operation-success-response": lambda d: without_responses(d, "200"),
    "operation-4xx-response": lambda d: without_responses(d, "400"),
    "request-example": lambda d: d["components"]["requestBodies"]["Order"]["content"].update({"*/*": {"schema": {"type": "object"}}}),
    "response-example": lambda d: operation(d, path=LINES)["responses"]["200"]["content"]["application/json"].pop("example"),
    "schema-type": lambda d: d["components"]["schemas"]["Problem"]["properties"]["title"].pop("enum") and d["components"]["schemas"][
        "Problem"]["properties"].update(title={"example": "Gone"}),
    "no-$ref-siblings": lambda d: operation(d)["responses"]["400"].update(description="Ignored"),
    "oas3-unused-component": lambda d: d["components"]["schemas"].update(Old={"type": "string"}),
}  # fmt: skip


def test_every_rule_looks_at_a_good_document_and_finds_nothing() -> None:
    found = linted(GOOD)
    assert {rule: counts for rule, counts in found.counts.items() if not counts[0] or counts[1]} == {}
    assert found.findings == ()
    assert broken_by(good()) == []
    assert list(found.counts) == list(RULES)


def test_every_rule_has_a_bad_example() -> None:
    assert list(BAD) == list(RULES)


@pytest.mark.parametrize("rule", BAD)
def test_each_rule_finds_what_it_is_for_and_nothing_else(rule: str) -> None:
    document = bad(BAD[rule])
    found = linted(document)
    assert broken_by(document) == [rule]
    (finding,) = found.findings
    assert (finding.rule, found.counts[rule][1]) == (rule, 1)
    sentence = RULES[rule].says % finding.named
    assert "%(" not in sentence
    assert finding.pointer.startswith("#/")
    assert finding.line > 0
    assert 0 <= standing(found.counts, ALL).score < 100


def test_a_finding_has_its_place_in_the_text() -> None:
    text = GOOD.replace("      summary: List orders\n", "")
    (finding,) = linted(text).findings
    assert finding == Finding("operation-summary", "#/paths/~1orders/get", 12, 5, {"operation": "GET /orders"})
    assert text.splitlines()[11] == "    get:"
    assert linted(text).without_lines().findings[0].line == 0


def test_the_limited_process_finds_the_same() -> None:
    text = GOOD.replace("      summary: List orders\n", "")
    assert read(text).lint == linted(text)
    assert Lint.of(**json.loads(json.dumps(linted(text).as_json()))) == linted(text)


def test_our_gateway_among_the_servers_is_no_other() -> None:
    document = bad(lambda d: d["servers"].append({"url": "https://gateway.example/acme/orders/v1"}))
    assert broken_by(document) == ["servers-ignored"]
    assert broken_by(document, "https://gateway.example") == []
    assert broken_by(document, "https://gateway.exam") == ["servers-ignored"]


def test_in_openapi_3_1_something_may_stand_beside_a_reference() -> None:
    document = bad(BAD["no-$ref-siblings"])
    assert broken_by(document) == ["no-$ref-siblings"]
    assert broken_by({**document, "openapi": "3.1.0"}) == []


def test_what_a_document_asks_everybody_for_holds_for_its_operations() -> None:
    document = bad(lambda d: d.pop("security"))
    assert linted(document).counts["operation-security"] == (4, 4)
    for each in document["paths"].values():
        for method in {"get", "post", "delete"} & each.keys():
            each[method]["security"] = [{}, {"login": ["read"]}]
    assert linted(document).counts["operation-security"] == (4, 0)


@pytest.mark.parametrize(
    "description,says",
    [
        ("Use listLines.", True),
        ("Gone in May; see `/orders`.", True),
        ("Gone in May: https://shop.example/news", True),
        ("Bitte listLines verwenden.", True),
        ("请改用 listLines。", True),
        ("There is no replacement.", True),
        ("Gone in May.", False),
        ("", False),
    ],
)
def test_what_is_deprecated_names_its_successor_in_whatever_words(description: str, says: bool) -> None:
    document = bad(lambda d: operation(d, "delete", LINES).update(description=description))
    assert ("operation-deprecated-instead" not in broken_by(document)) == says


@pytest.mark.parametrize(
    "segment,otherwise,action,singular",
    [
        ("orders", False, False, False),
        ("order", False, False, True),
        ("order-lines", False, False, False),
        ("orderLines", True, False, False),
        ("order_lines", True, False, False),
        ("Orders", True, False, False),
        ("{orderId}", False, False, False),
        ("{order_id}.json", False, False, False),
        (".well-known", False, False, True),
        ("caf%C3%A9s", False, False, False),
        ("get", False, True, True),
        ("getOrders", True, True, False),
        ("create-order", False, True, True),
        ("updates", False, False, False),
        ("posts", False, False, False),
        ("post", False, False, True),
        ("post-order", False, True, True),
        ("people", False, False, False),
        ("address", False, False, True),
        ("by-number", False, False, False),
        ("v1", False, False, False),
        ("订单", False, False, False),
        ("", False, False, False),
    ],
)
def test_segments_are_judged_by_their_words(segment: str, otherwise: bool, action: bool, singular: bool) -> None:
    assert (_otherwise(segment), _action(segment), _singular(segment)) == (otherwise, action, singular)


@pytest.mark.parametrize(
    "name,styles",
    [
        ("page", {"camelCase", "snake_case", "kebab-case"}),
        ("pageSize", {"camelCase"}),
        ("PageSize", {"PascalCase"}),
        ("page_size", {"snake_case"}),
        ("page-size", {"kebab-case"}),
        ("filter[pageSize]", {"camelCase"}),
        ("orders/list-for-user", {"kebab-case"}),
        ("Page_size", set()),
        ("页", {"camelCase", "snake_case", "kebab-case"}),
        ("", {"camelCase", "PascalCase", "snake_case", "kebab-case"}),
    ],
)
def test_names_are_written_in_one_way_or_several(name: str, styles: set[str]) -> None:
    assert _styles(name) == styles


def test_a_name_is_judged_by_what_most_others_are() -> None:
    document = good()
    for index, each in enumerate([*document["paths"]["/orders"].values(), document["paths"][LINES]["get"]]):
        each["operationId"] = f"order_list_{index}"
    (finding,) = linted(document).findings
    assert finding.named == {"name": "cancelLines", "other": "order_list_0"}


def test_examples_are_looked_for_in_what_a_schema_is_made_of() -> None:
    body = {"/": {"post": {"requestBody": {"content": {"application/json": {}}}, "responses": {"200": {"description": "d"}}}}}

    def has_one(schema: Any, **media: Any) -> bool:
        document: Any = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": copy.deepcopy(body)}
        document["paths"]["/"]["post"]["requestBody"]["content"]["application/json"] = {"schema": schema, **media}
        document["components"] = {"schemas": {"Node": {"properties": {"next": {"$ref": "#/components/schemas/Node"}}}}}
        return linted(document).counts["request-example"] == (1, 0)

    example = {"type": "string", "examples": ["x"]}
    assert has_one({}, example=None)
    assert has_one({}, examples={"one": {"value": 1}})
    assert not has_one({}, examples={})
    assert has_one(example)
    assert has_one({"type": "array", "items": example})
    assert has_one({"oneOf": [{"type": "string"}, example]})
    assert has_one({"properties": {"a": example, "b": {"const": 1}}})
    assert not has_one({"properties": {"a": example, "b": {"type": "string"}}})
    assert not has_one({"$ref": "#/components/schemas/Node"})
    assert not has_one({"type": "object"})


def test_a_component_is_used_by_what_is_used_itself() -> None:
    def unused(**schemas: Any) -> list[str]:
        document = bad(lambda d: d["components"]["schemas"].update(schemas))
        return [each.named["name"] for each in linted(document).findings if each.rule == "oas3-unused-component"]

    a, b = ({"$ref": f"#/components/schemas/{name}"} for name in "AB")
    assert unused(A={"allOf": [b]}, B={"allOf": [a]}) == ["schemas/A", "schemas/B"]
    assert unused(A={"allOf": [b]}, B={"type": "string"}, Gone={"allOf": [a]}) == []


# --- the score -------------------------------------------------------------------------------------------------------


def test_the_score_is_what_the_documentation_says() -> None:
    counts = {"operation-security": (4, 1), "operation-summary": (4, 2), "operation-description": (4, 4), "request-example": (0, 0)}
    found = standing(counts, ALL)
    # 5 of 5 + 3 + 1 by three quarters, 3 by a half, 1 by nothing.
    assert found.score == int(100 * (5 * 0.75 + 3 * 0.5) / 9) == 58
    assert (found.errors, found.warnings, found.hints, found.blocked) == (1, 2, 4, False)
    assert list(WEIGHTS) == list(Severity)


def test_only_what_breaks_nothing_has_100() -> None:
    assert standing({"operation-summary": (2_000, 0)}, ALL).score == 100
    assert standing({"operation-summary": (2_000, 1)}, ALL).score == 99
    assert standing({"operation-summary": (1, 1)}, ALL).score == 0
    assert standing({}, ALL).score == 100


def test_a_big_document_is_judged_as_a_small_one() -> None:
    small = linted(SHOP).counts
    big = {rule: (looked * 50, many * 50) for rule, (looked, many) in small.items()}
    assert standing(small, ALL).score == standing(big, ALL).score


def test_a_rule_that_is_off_neither_counts_nor_is_told() -> None:
    found = linted(bad(BAD["operation-summary"]))
    off = {**ALL, "operation-summary": Choice.OFF}
    assert standing(found.counts, ALL).score < 100
    assert standing(found.counts, off).score == 100
    assert [each.rule.id for each in broken(found, ALL)] == ["operation-summary"]
    assert broken(found, off) == ()
    assert standing(found.counts, {**ALL, "operation-summary": Choice.BLOCKS}).blocked


def test_rules_of_before_and_after_are_passed_over() -> None:
    assert standing({"no-such-rule": (1, 1), "info-contact": (1, 0)}, ALL).score == 100
    found = Lint.of({"no-such-rule": (1, 1)}, [{"rule": "no-such-rule", "pointer": "#", "line": 0, "column": 0, "named": {}}])
    assert broken(found, ALL) == ()
    assert chosen({"no-such-rule": "off", "info-contact": "blocks"})["info-contact"] is Choice.BLOCKS


def test_what_blocks_is_told_first_then_by_severity() -> None:
    def change(document: Content) -> None:
        for rule in ("info-contact", "operation-summary", "operation-security"):
            BAD[rule](document)

    found = linted(bad(change))
    assert [each.rule.id for each in broken(found, ALL)] == ["operation-security", "operation-summary", "info-contact"]
    first = broken(found, {**ALL, "info-contact": Choice.BLOCKS})[0]
    assert (first.rule.id, first.blocks, first.found, first.looked_at) == ("info-contact", True, 1, 1)


# --- whatever comes --------------------------------------------------------------------------------------------------


def many(operations: int) -> str:
    """That many operations, of which each breaks several rules, with schemas that lead in circles."""
    schema = [{"$ref": f"#/components/schemas/S{n}"} for n in range(operations)]
    paths = {
        f"/thing_{n}/{{id}}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": schema[n]}],
            "get": {
                "deprecated": True,
                "description": f"Like /thing_{n}.",
                "tags": ["a"],
                "responses": {"200": {"description": "d", "content": {"application/json": {"schema": schema[n]}}}},
            },
        }
        for n in range(operations)
    }
    schemas = {f"S{n}": {"properties": {"next": schema[(n + 1) % operations], "any": {}}} for n in range(operations)}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, "components": {"schemas": schemas}}
    return json.dumps(document)


def test_findings_are_counted_all_and_kept_up_to_a_bound() -> None:
    found = linted(many(KEPT + 20))
    assert found.counts["operation-summary"] == (KEPT + 20, KEPT + 20)
    kept = [each for each in found.findings if each.rule == "operation-summary"]
    assert [each.named["operation"] for each in kept] == [f"GET /thing_{n}/{{id}}" for n in range(KEPT)]
    assert broken(found, ALL)[0].left_out == 20


def test_the_work_grows_with_the_document() -> None:
    def once(document: Content) -> float:
        start = time.process_time()
        lint.lint(document, place=lambda _: (1, 1))
        return time.process_time() - start

    def seconds(operations: int) -> float:
        document = json.loads(many(operations))
        return min(once(document) for _ in range(3))

    # To look through what other tests left behind takes longer than the work.
    gc.disable()
    try:
        few, more = seconds(200), seconds(2_000)
    finally:
        gc.enable()
    assert more < 40 * few


def test_long_names_are_cut() -> None:
    def change(document: Content) -> None:
        document["tags"].append({"name": "x" * 10_000})
        document["components"]["schemas"]["y" * 10_000] = {"type": "string"}

    tag, component = linted(bad(change)).findings
    assert len(tag.named["name"]) == WORD
    assert len(component.pointer) == POINTER


WORDS = (
    "paths /a /a/{b} get post parameters schema schemas components $ref tags security responses 200 content application/json "
    "properties allOf items discriminator mapping servers info contact description operationId deprecated callbacks x-a "
    "securitySchemes requestBody name in url"
).split()
REFERENCES = ["#/components/schemas/a", "#/paths/~1a", "#/", "#/components"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner | st.sampled_from(REFERENCES), max_size=6),
    max_leaves=40,
)


@given(st.dictionaries(st.sampled_from(["paths", "components", "tags", "info", "servers", "security", "openapi"]), JSON))
@settings(max_examples=100, deadline=None)
def test_no_value_makes_it_stumble(content: Any) -> None:
    """Not even one that the import would refuse."""
    found = lint.lint({"openapi": "3.0.0", **content}, place=lambda _: (1, 1))
    for each in broken(found, ALL):
        assert each.spots


# --- in the docs -----------------------------------------------------------------------------------------------------


def test_the_table_of_rules_is_the_codes() -> None:
    text = (Path(settings_of_django.BASE_DIR) / "docs/lint.md").read_text()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("| `")]
    assert [row[:3] for row in rows] == [[f"`{rule.id}`", rule.severity, rule.unless_chosen] for rule in RULES.values()]
    assert all(len(row) == 6 and all(row) for row in rows)
    weights = ", ".join(f"{'an' if severity == 'error' else 'a'} {severity} {weight}" for severity, weight in WEIGHTS.items())
    assert weights in text
    assert f"the first {KEPT} findings" in text
