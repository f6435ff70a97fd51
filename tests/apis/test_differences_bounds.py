"""What is told of any two documents is true, and told in bounded time, whoever wrote them."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apis.differences import TOLD, TOLD_IN_ALL, Differences, Level, differences
from apis.differences.levels import Direction
from apis.differences.schemas import Schemas
from tests.apis.differences_cases import STANDS, Document, document, within


def between(old: Document, new: Document) -> Differences:
    return differences(old, new, today=date(2026, 1, 1))


# --- documents ----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["A", "B", "C"])
SCHEMAS = st.recursive(
    st.one_of(
        NAMES.map(lambda name: {"$ref": f"#/components/schemas/{name}"}),
        st.fixed_dictionaries({"type": st.sampled_from(["string", "null"])}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from(["a", "$ref", "example"]), inner, max_size=2)}),
        st.fixed_dictionaries({"items": inner}),
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
    assert not between(document, json.loads(json.dumps(document)))
    # Nor where something else came beside it.
    more = {**document, "paths": {**document["paths"], "/more": {"get": {"responses": {}}}}}
    assert [each.rule for each in between(document, more).changes] == ["endpoint-added"]


@given(DOCUMENTS, DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_what_one_way_adds_the_other_way_removes(one: Document, other: Document) -> None:
    there, back = between(one, other), between(other, one)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert there.changed.keys() == back.changed.keys()


def unfolded(document: Document, node: Any, depth: int, hops: int = 4) -> Any:
    """The schema with references put in place, to a depth that tells any two of these apart."""
    if depth == 0 or hops == 0:
        # What leads to itself and to nothing else says nothing.
        return "anything"
    if isinstance(node.get("$ref"), str):
        return unfolded(document, document["components"]["schemas"][node["$ref"][-1]], depth, hops - 1)
    if "properties" in node:
        return {key: unfolded(document, value, depth - 1) for key, value in node["properties"].items()} or "anything"
    return [unfolded(document, node["items"], depth - 1)] if "items" in node else node["type"]


@given(SCHEMAS, *[st.fixed_dictionaries(dict.fromkeys("ABC", SCHEMAS))] * 2)
@settings(max_examples=300, deadline=None)
def test_a_response_changed_if_what_its_references_lead_to_did(schema: Any, before: Any, after: Any) -> None:
    content = {"application/json": {"schema": schema}}
    paths = {"/a": {"get": {"responses": {"200": {"description": "", "content": content}}}}}
    old, new = ({"paths": paths, "components": {"schemas": schemas}} for schemas in (before, after))
    assert bool(between(old, new).changed) == (unfolded(old, schema, 8) != unfolded(new, schema, 8))


# --- what is said to be safe is safe ------------------------------------------------------------------------------

VALUES: list[Any] = [None, True, 0, 1, 2, 3, 0.5, -1, "", "a", "b", "abc", [], [0], [1, 1], ["a"], ["a", "b"], [None], [1, "a"], [{}], {}]
WITHIN: list[Any] = [None, 1, "a", True, [], {}, {"a": 1}]
VALUES += [{name: value} for name in "abc" for value in WITHIN] + [[{"a": 1}], {"a": {"a": "a"}}]
VALUES += [{"a": one, "b": other} for one in WITHIN[:3] for other in WITHIN]

STRINGS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={"minLength": st.integers(0, 2), "maxLength": st.integers(1, 3), "enum": st.lists(st.sampled_from(["a", "b"]), min_size=1)},
)
NUMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number", ["integer", "null"], ["number", "string"]])},
    optional={
        "minimum": st.integers(0, 2),
        "maximum": st.integers(0, 2),
        "exclusiveMinimum": st.integers(0, 2),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "const": st.integers(0, 1),
    },
)
OTHERS = st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "array"]}, {"not": {"type": "string"}}, {}])
# With their types, as what a schema means without one is read from it here, and is no condition to JSON Schema.
VALIDATED = st.recursive(
    st.one_of(STRINGS, NUMBERS, OTHERS),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["object", ["object", "null"]]), "properties": st.dictionaries(st.sampled_from("ab"), inner)},
            optional={
                "required": st.lists(st.sampled_from("ab"), unique=True),
                "additionalProperties": st.one_of(st.booleans(), inner),
                "patternProperties": st.dictionaries(st.just("^c"), inner),
                "minProperties": st.integers(1, 2),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array")},
            optional={
                "items": inner,
                "prefixItems": st.lists(inner, min_size=1, max_size=2),
                "minItems": st.integers(0, 2),
                "maxItems": st.integers(1, 2),
                "uniqueItems": st.booleans(),
            },
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=6,
)
# What is called safe although a value can be thought of that no longer fits: readers pass over properties that they don't
# know, and nobody sends one that was not spoken of.
STANCES = {
    "new-optional-request-property",
    "response-optional-property-added",
    "response-required-property-added",
    "response-optional-property-removed",
}


@given(VALIDATED, VALIDATED, st.sampled_from(["request-body", "response-body"]))
@settings(max_examples=300, deadline=None)
def test_where_nothing_breaks_what_fitted_fits(one: Any, other: Any, subject: str) -> None:
    """By a validator of JSON Schema. Of a request what fitted before, of a response what fits now."""
    for was, now in ((one, other), (one, {"anyOf": [one, other]}), (one, {"allOf": [one, other]}), ({"anyOf": [one, other]}, other)):
        changes = between(STANDS[subject](was), STANDS[subject](now)).changes
        if all(each.level is Level.SAFE and each.rule not in STANCES for each in changes):
            narrow, wide = (Draft202012Validator(schema) for schema in ((was, now) if subject == "request-body" else (now, was)))
            assert [value for value in VALUES if narrow.is_valid(value) and not wide.is_valid(value)] == []


@given(VALIDATED)
@settings(max_examples=100, deadline=None)
def test_a_schema_beside_itself_is_itself(schema: Any) -> None:
    assume(schema)
    for twice in ({"allOf": [schema]}, {"anyOf": [schema]}):
        assert not between(STANDS["request-body"](schema), STANDS["request-body"](twice))


# --- large and hostile documents ----------------------------------------------------------------------------------


def reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def leading_to(bodies: list[Document], **schemas: Any) -> Document:
    """Each body is what one operation takes and gives."""
    contents = [{"content": {"a/b": {"schema": each}}} for each in bodies]
    paths = {f"/p{at}": {"post": {"requestBody": each, "responses": {"200": each}}} for at, each in enumerate(contents)}
    return {"paths": paths, "components": {"schemas": schemas}}


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
                    "responses": {"200": {"content": {"a/b": {"schema": reference(f"S{each % schemas}")}}}},
                }
            }
            for each in range(operations)
        },
        "components": {"schemas": {name: {"properties": {**fields, "next": reference(after)}} for name, after in following}},
    }


def nested(levels: int = 28, names: int = 30_000) -> Document:
    """Places within places, all referred to, and the innermost refers to the outermost."""
    schema: Document = {"properties": {f"p{each}": {"type": "string"} for each in range(names)}}
    schema["properties"]["back"] = reference("A")
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
    assert not between(old, new)
    next(iter(new["components"]["schemas"].values()))["properties"]["more"] = {"type": "string"}
    assert len(between(old, new).changed) == len(old["paths"])
    # Unfolded these had no end; it takes about two seconds.
    assert time.process_time() - start < 20


def circle(schemas: int, kind: str) -> Document:
    """The pairs of two such circles, of lengths that share no factor, are as many as one times the other."""
    names = {f"S{each}": within({"type": kind}) for each in range(schemas)}
    for each, schema in enumerate(names.values()):
        schema["properties"]["next"] = reference(f"S{(each + 1) % schemas}")
    return leading_to([reference("S0")] * 300, **names)


def doubling(kind: str, levels: int = 3_000) -> Document:
    """Two ways lead from each schema to the next one."""
    names: Document = {f"S{each}": within(reference(f"S{each + 1}")) for each in range(levels)}
    for each, schema in enumerate(names.values()):
        schema["properties"]["other"] = reference(f"S{each + 1}")
    return leading_to([reference(f"S{each}") for each in range(300)], **names, **{f"S{levels}": {"type": kind}})


def put_together(kind: str, parts: int = 200) -> Document:
    """Each schema is put together from all the others."""
    names = [f"S{each}" for each in range(parts)]
    schemas = {name: {"allOf": [reference(other) for other in names if other != name], **within({"type": kind})} for name in names}
    return leading_to([reference(name) for name in names], **schemas)


def crossed(kind: str) -> Document:
    """What is put together from two circles of lengths that share no factor."""
    schemas: Document = {
        f"{name}{each}": {"type": "object", "properties": {"next": reference(f"{name}{(each + 1) % length}")}}
        for name, length in (("A", 1_009), ("B", 1_013))
        for each in range(length)
    }
    schemas["A0"]["properties"]["p"] = {"type": kind}
    return leading_to([{"allOf": [reference("A0"), reference("B0")]}] * 200, **schemas)


def broad(kind: str, members: int = 8_000) -> Document:
    """As many alternatives, media types and parameters."""
    names = {f"S{each}": within({"type": kind}) for each in range(members)}
    found = leading_to([reference("All")] * 100, **names, All={"oneOf": [reference(name) for name in names]})
    found["paths"]["/p0"]["post"] |= {
        "parameters": [{"name": f"q{each}", "in": "query", "schema": {"type": kind}} for each in range(members)],
        "requestBody": {"content": {f"a/b{each}": {"schema": {"type": kind}} for each in range(members)}},
    }
    return found


HOSTILE: dict[str, Callable[[], tuple[Document, Document]]] = {
    "circles": lambda: (circle(3_019, "string"), circle(3_011, "integer")),
    "doubling": lambda: (doubling("string"), doubling("integer")),
    "put together": lambda: (put_together("string"), put_together("integer")),
    "crossed": lambda: (crossed("string"), crossed("integer")),
    "broad": lambda: (broad("string"), broad("integer")),
    "one with many": lambda: (
        leading_to([reference("P")] * 500, P={"type": "object", "properties": {f"p{each}": {"type": "string"} for each in range(20_000)}}),
        leading_to([{"type": "object", "properties": {f"q{each}": {}}} for each in range(500)]),
    ),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_two_hostile_documents_are_compared_in_bounded_time(hostile: str) -> None:
    old, new = HOSTILE[hostile]()
    start = time.process_time()
    found = between(old, new)
    # It takes about three seconds; unfolded, most had no end.
    assert time.process_time() - start < 30
    assert len(found.changed) == len(old["paths"])
    assert len(found.changes) <= TOLD_IN_ALL + len(old["paths"])
    # Whatever is left out, that it is bad is not.
    assert all(changes[0].level is not Level.SAFE for changes in found.changed.values())


def required(many: int) -> Document:
    parameters = [{"name": f"q{each}", "in": "query", "required": True, "schema": {}} for each in range(many)]
    return document({"parameters": parameters})


@pytest.mark.parametrize(
    "level,old,new",
    [
        (Level.BREAKING, document({}), required(300)),
        (Level.RISKY, required(300), document({})),
        (Level.SAFE, document({}), document({"tags": [str(each) for each in range(300)]})),
    ],
)
def test_of_many_changes_a_part_is_told_and_that_there_are_more(level: Level, old: Document, new: Document) -> None:
    found = between(old, new).changes
    assert (len(found), found[-1].rule, found[-1].level) == (TOLD, f"further-{level}-changes", level)


def test_what_breaks_is_told_before_what_is_safe_is_left_out() -> None:
    def schema(kind: str, *required: str) -> Document:
        return {"type": "object", "properties": {f"p{each:03}": {"type": kind} for each in range(200)}, "required": list(required)}

    old, new = (STANDS["request-body"](each) for each in (schema("integer"), schema("number", "p199")))
    found = between(old, new).changes
    assert [each.rule for each in found[:2]] == ["request-property-became-required", "request-property-type-generalized"]
    assert found[-1].rule == "further-safe-changes"


def test_far_down_it_is_told_that_there_is_more() -> None:
    def chain(kind: str) -> Document:
        names = {f"S{each}": within(reference(f"S{each + 1}")) for each in range(40)}
        return leading_to([reference("S0"), reference("S35")], **names, S40={"type": kind})

    found = between(chain("string"), chain("integer")).changed
    far, near = found.values()
    assert {each.rule for each in far} == {"further-breaking-changes"}
    assert {each.rule for each in near} == {"request-property-type-changed", "response-property-type-changed"}


def test_equal_digests_end_the_comparison_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what differs stands what does not, with fifty schemas below it."""

    def beside(kind: str) -> Document:
        circle = large(schemas=50, operations=50)
        both = {"type": "array", "prefixItems": [{"type": kind}, reference("S7")]}
        circle["paths"]["/both"] = {"get": {"responses": {"200": {"content": {"a/b": {"schema": both}}}}}}
        return circle

    compared = []
    look = Schemas._differences

    def counted(self: Schemas, was: Any, now: Any, direction: Direction) -> Iterator[Any]:
        compared.append(was)
        return look(self, was, now, direction)

    monkeypatch.setattr(Schemas, "_differences", counted)
    assert [each.rule for each in between(beside("string"), beside("integer")).changes] == ["response-property-type-changed"]
    assert len(compared) == 2
