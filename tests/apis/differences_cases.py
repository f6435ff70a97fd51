"""For each rule of apis/differences the least that makes it speak: two documents that differ in one thing."""

import copy
from typing import Any

from apis.differences.rules import ASPECTS, CONDITIONS, LIMITS, SUBJECTS

Document = dict[str, Any]
Both = tuple[Any, Any]

TEXT, WHOLE, ANY_OBJECT, ANY_LIST = {"type": "string"}, {"type": "integer"}, {"type": "object"}, {"type": "array"}


def _with(schema: Document, **words: Any) -> Document:
    return {**schema, **words}


def _comes_and_goes(what: tuple[str, ...], schema: Document, word: str, one: Any, other: Any) -> dict[str, Both]:
    """Of a word of a schema: the aspects for that it comes, goes, and becomes another."""
    first, second = {**schema, word: one}, {**schema, word: other}
    pairs = (schema, first), (first, schema), (first, second)
    return dict(zip(what, pairs, strict=False))


LIMITED = {"maximum": WHOLE, "minimum": WHOLE, "exclusiveMaximum": WHOLE, "exclusiveMinimum": WHOLE, "maxLength": TEXT, "minLength": TEXT}
OF_OBJECTS = {"propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "maxProperties", "minProperties"}
CONDITIONAL: dict[str, tuple[Any, Any]] = {
    "dependentRequired": ({"a": ["b"]}, {"a": ["c"]}),
    "dependentSchemas": ({"a": {"required": ["b"]}}, {"a": {"required": ["c"]}}),
    "unevaluatedItems": (False, {"type": "string"}),
    "unevaluatedProperties": (False, {"type": "string"}),
}


def _base(word: str) -> Document:
    if word in {"contains", "unevaluatedItems", "maxItems", "minItems", "maxContains", "minContains"}:
        return ANY_LIST
    return ANY_OBJECT if word in OF_OBJECTS else LIMITED.get(word, TEXT)


def _one_of(word: str, *members: Any) -> Document:
    return {word: list(members)}


def _discriminated(name: str = "kind", **leads: str) -> Document:
    return _with(ANY_OBJECT, discriminator={"propertyName": name, "mapping": leads})


# By aspect: a schema before and after.
SCHEMAS: dict[str, Both] = {
    "type-generalized": (WHOLE, {"type": "number"}),
    "type-specialized": ({"type": ["string", "integer"]}, WHOLE),
    "type-changed": (TEXT, WHOLE),
    **_comes_and_goes(("format-added", "format-removed", "format-changed"), TEXT, "format", "date", "uuid"),
    "format-generalized": (_with(WHOLE, format="int32"), _with(WHOLE, format="int64")),
    "format-specialized": (_with(WHOLE, format="int64"), _with(WHOLE, format="int32")),
    "became-nullable": (TEXT, {"type": ["string", "null"]}),
    "became-not-nullable": ({"type": ["string", "null"]}, TEXT),
    "became-enum": (TEXT, _with(TEXT, enum=["a"])),
    "became-not-enum": (_with(TEXT, enum=["a"]), TEXT),
    "enum-value-added": (_with(TEXT, enum=["a"]), _with(TEXT, enum=["b", "a"])),
    "enum-value-removed": (_with(TEXT, enum=["b", "a"]), _with(TEXT, enum=["a"])),
    "x-extensible-enum-value-added": (_with(TEXT, **{"x-extensible-enum": ["a"]}), _with(TEXT, **{"x-extensible-enum": ["a", "b"]})),
    "x-extensible-enum-value-removed": (_with(TEXT, **{"x-extensible-enum": ["a", "b"]}), _with(TEXT, **{"x-extensible-enum": ["a"]})),
    **_comes_and_goes(("const-added", "const-removed", "const-changed"), TEXT, "const", "a", "b"),
    **{
        aspect: pair
        for word, (name, _) in LIMITS.items()
        for aspect, pair in {
            **_comes_and_goes((f"{name}-set", f"{name}-unset", f"{name}-increased"), _base(word), word, 5, 6),
            f"{name}-decreased": ({**_base(word), word: 6}, {**_base(word), word: 5}),
        }.items()
    },
    **_comes_and_goes(("pattern-added", "pattern-removed", "pattern-changed"), TEXT, "pattern", "^a", "^b"),
    "pattern-generalized": (_with(TEXT, pattern="^a"), _with(TEXT, pattern=".*")),
    **_comes_and_goes(("multiple-of-set", "multiple-of-unset", "multiple-of-changed"), WHOLE, "multipleOf", 10, 15),
    "multiple-of-generalized": ({"type": "number", "multipleOf": 0.1}, {"type": "number", "multipleOf": 0.01}),
    "multiple-of-specialized": (_with(WHOLE, multipleOf=5), _with(WHOLE, multipleOf=10)),
    **_comes_and_goes(("unique-items-set", "unique-items-unset"), ANY_LIST, "uniqueItems", one=True, other=True),
    **_comes_and_goes(
        ("additional-properties-removed", "additional-properties-added"), ANY_OBJECT, "additionalProperties", one=False, other=False
    ),
    **_comes_and_goes(("pattern-property-added", "pattern-property-removed"), ANY_OBJECT, "patternProperties", {"^x": TEXT}, None),
    "became-union": ({}, _one_of("oneOf", TEXT, WHOLE)),
    "became-not-union": (_one_of("oneOf", TEXT, WHOLE), {}),
    "one-of-added": (_one_of("oneOf", TEXT, WHOLE), _one_of("oneOf", {"type": "boolean"}, TEXT, WHOLE)),
    "one-of-removed": (_one_of("oneOf", {"type": "boolean"}, TEXT, WHOLE), _one_of("oneOf", TEXT, WHOLE)),
    "any-of-added": (TEXT, _one_of("anyOf", WHOLE, TEXT)),
    "any-of-removed": (_one_of("anyOf", WHOLE, TEXT), TEXT),
    "discriminator-added": (ANY_OBJECT, _discriminated()),
    "discriminator-removed": (_discriminated(), ANY_OBJECT),
    "discriminator-property-name-changed": (_discriminated(), _discriminated("sort")),
    "discriminator-mapping-added": (_discriminated(cat="Cat"), _discriminated(cat="Cat", dog="Dog")),
    "discriminator-mapping-deleted": (_discriminated(cat="Cat", dog="Dog"), _discriminated(cat="Cat")),
    "discriminator-mapping-changed": (_discriminated(cat="Cat"), _discriminated(cat="Lion")),
    **{
        aspect: pair
        for word, name in CONDITIONS.items()
        for aspect, pair in _comes_and_goes(
            (f"{name}-added", f"{name}-removed", f"{name}-changed"),
            _base(word),
            word,
            *CONDITIONAL.get(word, ({"const": "a"}, {"const": "b"})),
        ).items()
    },
    "content-media-type-changed": (TEXT, _with(TEXT, contentMediaType="image/png")),
    "content-encoding-changed": (_with(TEXT, contentEncoding="base64"), _with(TEXT, contentEncoding="base32")),
    **_comes_and_goes(("default-value-added", "default-value-removed", "default-value-changed"), TEXT, "default", "a", "b"),
    **_comes_and_goes(("deprecated", "reactivated"), TEXT, "deprecated", one=True, other=True),
    "changed": (_with(ANY_OBJECT, xml={"name": "a"}), _with(ANY_OBJECT, xml={"name": "b"})),
}


def document(operation: Document | None = None, **members: Any) -> Document:
    """With one operation, GET /a, if one is given."""
    item = {} if operation is None else {"get": {"operationId": "a", "responses": {}, **operation}}
    return {"openapi": "3.1.0", "info": {"title": "A", "version": "1"}, "paths": {"/a": item}, **members}


def json_of(schema: Any) -> Document:
    return {"application/json": {"schema": schema}}


def parameter(**words: Any) -> Document:
    return document({"parameters": [{"name": "q", "in": "query", **words}]})


def body(**words: Any) -> Document:
    return document({"requestBody": {"content": json_of(TEXT), **words}})


def response(**words: Any) -> Document:
    return document({"responses": {"200": {"description": "Well", **words}}})


def header(**words: Any) -> Document:
    return response(headers={"X-A": {"schema": TEXT, **words}})


def within(schema: Any, *, required: bool = False, **words: Any) -> Document:
    """An object with one property."""
    return {"type": "object", "properties": {"p": schema}, **({"required": ["p"]} if required else {}), **words}


# Where a schema stands: what a rule's id begins with.
STANDS = {
    "request-body": lambda schema: body(content=json_of(schema)),
    "request-property": lambda schema: body(content=json_of(within(schema))),
    "request-parameter": lambda schema: parameter(schema=schema),
    "request-parameter-property": lambda schema: parameter(schema=within(schema)),
    "response-body": lambda schema: response(content=json_of(schema)),
    "response-property": lambda schema: response(content=json_of(within(schema))),
    "response-header": lambda schema: header(schema=schema),
}


def _in(subject: str, was: Any, now: Any) -> Both:
    return STANDS[subject](was), STANDS[subject](now)


def _of_requests(subject: str) -> dict[str, Both]:
    inside = f"{subject}-property" if subject == "request-parameter" else "request-property"
    return {
        f"new-required-{inside}": _in(subject, ANY_OBJECT, within(TEXT, required=True)),
        f"new-optional-{inside}": _in(subject, ANY_OBJECT, within(TEXT)),
        f"{inside}-removed": _in(subject, within(TEXT), ANY_OBJECT),
        f"{inside}-removed-from-closed-object": _in(
            subject, within(TEXT, additionalProperties=False), _with(ANY_OBJECT, additionalProperties=False)
        ),
        f"{inside}-became-required": _in(subject, within(TEXT), within(TEXT, required=True)),
        f"{inside}-became-optional": _in(subject, within(TEXT, required=True), within(TEXT)),
    }


def _of_visibility() -> dict[str, Both]:
    found = {}
    for side in ("request", "response"):
        for need in ("required", "optional"):
            for word, name in (("readOnly", "read-only"), ("writeOnly", "write-only")):
                plain, marked = (within(schema, required=need == "required") for schema in (TEXT, _with(TEXT, **{word: True})))
                found[f"{side}-{need}-property-became-{name}"] = _in(f"{side}-body", plain, marked)
                found[f"{side}-{need}-property-became-not-{name}"] = _in(f"{side}-body", marked, plain)
    return found


GOING = {"deprecated": True}
PAST, FUTURE, LATER = ({**GOING, "x-sunset": day} for day in ("2025-12-31", "2026-06-30", "2026-12-31"))
KEY, OTHER = {"type": "apiKey", "in": "header", "name": "X-Key"}, {"type": "http", "scheme": "basic"}
LOGIN = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example/t", "scopes": {"read": "", "write": ""}}}}


def secured(*alternatives: Any, key: Document = KEY) -> Document:
    schemes = {"key": key, "other": OTHER, "login": LOGIN}
    return document({"security": list(alternatives)}, components={"securitySchemes": schemes})


def _removed(**words: Any) -> Both:
    return document(words), document()


def _parameter_removed(**words: Any) -> Both:
    return parameter(schema=TEXT, **words), document({})


SPACED = {"style": "spaceDelimited", "schema": ANY_LIST}
HOOK = {"post": {"responses": {"200": {"description": ""}}}}

OTHERS: dict[str, Both] = {
    "endpoint-added": (document(), document({})),
    "api-removed-without-deprecation": _removed(),
    "api-removed-with-deprecation": _removed(**PAST),
    "api-removed-before-sunset": _removed(**FUTURE),
    "api-path-sunset-parse": _removed(**GOING, **{"x-sunset": "soon"}),
    "endpoint-deprecated": (document({}), document(GOING)),
    "endpoint-deprecated-with-sunset": (document({}), document(FUTURE)),
    "endpoint-reactivated": (document(GOING), document({})),
    "sunset-added": (document(GOING), document(FUTURE)),
    "sunset-deleted": (document(FUTURE), document(GOING)),
    "api-sunset-date-changed-too-small": (document(LATER), document(FUTURE)),
    "sunset-postponed": (document(FUTURE), document(LATER)),
    "api-operation-id-removed": (document({}), document({"operationId": "b"})),
    "api-operation-id-added": (document({"operationId": ""}), document({})),
    "api-tag-removed": (document({"tags": ["a", "b"]}), document({"tags": ["b"]})),
    "api-tag-added": (document({"tags": ["b"]}), document({"tags": ["a", "b"]})),
    "callbacks-changed": (document({}), document({"callbacks": {"done": {"{$url}": HOOK}}})),
    "documentation-changed": (
        body(content=json_of(within(_with(TEXT, description="A", title="A", examples=["a"])))),
        body(content=json_of(_with(within(_with(TEXT, description="B", title="B", examples=["b"])), description="C")), description="Of it"),
    ),
    "security-became-required": (secured({"key": []}, {}), secured({"key": []})),
    "security-became-optional": (secured({"key": []}), secured()),
    "api-security-removed": (secured({"key": []}, {"other": []}), secured({"key": []})),
    "api-security-added": (secured({"key": []}), secured({"key": []}, {"other": []})),
    "api-security-component-type-changed": (secured({"key": []}), secured({"key": []}, key={"type": "http", "scheme": "bearer"})),
    "api-security-scope-added": (secured({"login": ["read"]}), secured({"login": ["read", "write"]})),
    "api-security-scope-removed": (secured({"login": ["read", "write"]}), secured({"login": ["read"]})),
    "new-required-request-parameter": (document({}), parameter(schema=TEXT, required=True)),
    "new-optional-request-parameter": (document({}), parameter(schema=TEXT)),
    "request-parameter-removed": _parameter_removed(),
    "request-parameter-removed-with-deprecation": _parameter_removed(**PAST),
    "request-parameter-removed-before-sunset": _parameter_removed(**FUTURE),
    "request-parameter-sunset-parse": _parameter_removed(**GOING, **{"x-sunset": "2025-02-30"}),
    "request-parameter-sunset-deleted": (parameter(schema=TEXT, **FUTURE), parameter(schema=TEXT, **GOING)),
    "request-parameter-sunset-date-changed-too-small": (parameter(schema=TEXT, **LATER), parameter(schema=TEXT, **FUTURE)),
    "request-parameter-became-required": (parameter(schema=TEXT), parameter(schema=TEXT, required=True)),
    "request-parameter-became-optional": (parameter(schema=TEXT, required=True), parameter(schema=TEXT)),
    "request-parameter-style-changed": (parameter(schema=ANY_LIST), parameter(**SPACED)),
    "request-parameter-explode-changed": (parameter(schema=ANY_LIST), parameter(schema=ANY_LIST, explode=False)),
    "request-parameter-media-type-changed": (parameter(schema=TEXT), parameter(content=json_of(TEXT))),
    "request-parameter-became-allow-reserved": (parameter(schema=TEXT), parameter(schema=TEXT, allowReserved=True)),
    "request-parameter-became-not-allow-reserved": (parameter(schema=TEXT, allowReserved=True), parameter(schema=TEXT)),
    "request-body-added-required": (document({}), body(required=True)),
    "request-body-added-optional": (document({}), body()),
    "request-body-removed": (body(required=True), document({})),
    "request-body-became-required": (body(), body(required=True)),
    "request-body-became-optional": (body(required=True), body(required=False)),
    "request-body-media-type-added": (body(), body(content={**json_of(TEXT), "text/csv": {}})),
    "request-body-media-type-removed": (body(content={**json_of(TEXT), "text/csv": {}}), body()),
    "request-body-media-type-name-changed": (body(content={"a/b": {}}), body(content={"A/B; v=2": {}})),
    "request-body-media-type-schema-added": (body(content={"a/b": {}}), body(content={"a/b": {"schema": TEXT}})),
    "request-body-media-type-schema-removed": (body(content={"a/b": {"schema": TEXT}}), body(content={"a/b": {}})),
    "request-body-encoding-changed": (body(content={"a/b": {}}), body(content={"a/b": {"encoding": {"p": {"explode": True}}}})),
    "response-success-status-added": (document({}), response()),
    "response-success-status-removed": (response(), document({})),
    "response-non-success-status-added": (document({}), document({"responses": {"404": {"description": ""}}})),
    "response-non-success-status-removed": (document({"responses": {"default": {"description": ""}}}), document({})),
    "response-header-added": (response(), header()),
    "required-response-header-removed": (header(required=True), response()),
    "optional-response-header-removed": (header(), response()),
    "response-header-became-required": (header(), header(required=True)),
    "response-header-became-optional": (header(required=True), header()),
    "response-media-type-added": (response(content=json_of(TEXT)), response(content={**json_of(TEXT), "text/csv": {}})),
    "response-media-type-removed": (response(content={**json_of(TEXT), "text/csv": {}}), response(content=json_of(TEXT))),
    "response-media-type-name-changed": (response(content={"a/b; v=1": {}}), response(content={"a/b; v=2": {}})),
    "response-body-media-type-schema-added": (response(content={"a/b": {}}), response(content={"a/b": {"schema": TEXT}})),
    "response-body-media-type-schema-removed": (response(content={"a/b": {"schema": TEXT}}), response(content={"a/b": {}})),
    "response-body-encoding-changed": (response(content={"a/b": {}}), response(content={"a/b": {"encoding": {"p": {"explode": True}}}})),
    "response-links-changed": (response(), response(links={"next": {"operationId": "a"}})),
    "webhook-added": (document({}), document({}, webhooks={"done": HOOK})),
    "webhook-removed": (document({}, webhooks={"done": HOOK}), document({})),
    "webhook-changed": (document({}, webhooks={"done": HOOK}), document({}, webhooks={"done": {"put": HOOK["post"]}})),
    **_of_requests("request-body"),
    **_of_requests("request-parameter"),
    **_of_visibility(),
    "response-required-property-added": _in("response-body", ANY_OBJECT, within(TEXT, required=True)),
    "response-optional-property-added": _in("response-body", ANY_OBJECT, within(TEXT)),
    "response-required-property-removed": _in("response-body", within(TEXT, required=True), ANY_OBJECT),
    "response-optional-property-removed": _in("response-body", within(TEXT), ANY_OBJECT),
    "response-property-became-required": _in("response-body", within(TEXT), within(TEXT, required=True)),
    "response-property-became-optional": _in("response-body", within(TEXT, required=True), within(TEXT)),
}


def _renamed() -> Both:
    was = document()
    was["paths"] = {"/a/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}]}}}
    now = copy.deepcopy(was)
    now["paths"] = {"/a/{key}": now["paths"]["/a/{id}"]}
    now["paths"]["/a/{key}"]["get"]["parameters"][0]["name"] = "key"
    return was, now


CASES: dict[str, Both] = {
    **OTHERS,
    "request-path-parameter-renamed": _renamed(),
    **{f"{subject}-{aspect}": _in(subject, *SCHEMAS[aspect]) for subject in SUBJECTS for aspect in ASPECTS},
}
