"""An example of a body: the document's own, or one made up from the schema."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from apis.contract import Content, follow, text
from apis.openapi_references import mapping, sequence
from apis.schemas import DEPTH, NAMED, SMALL, SMALL_VALUES, WORD, Budget, Schema, Schemas, small

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com",
    "url": "https://example.com",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "byte": "cG9ydGljbw==",
}


def example(schemas: Schemas, media_type: str, content: Content, schema: Schema) -> str:
    """The document's own, if it is not too long; else one that is made up."""
    for value in _given(schemas, content, schema):
        if small(value) and (written := _written(media_type, value)) and len(written) <= SMALL:
            return written
    made_up = _written(media_type, _value(schemas, schema, (schema.origin,), Budget(SMALL_VALUES)))
    return made_up if len(made_up) <= SMALL else ""


def _given(schemas: Schemas, content: Content, schema: Schema) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    for each in mapping(content.get("examples")).values():
        named = mapping(follow(schemas.document, each))
        if "value" in named:
            yield named["value"]
            break
    yield from _own_examples(schema)


def _value(schemas: Schemas, schema: Schema, above: tuple[int, ...], budget: Budget) -> Any:
    fixed = [schema.words["const"]] if "const" in schema.words else sequence(schema.words.get("enum"))[:1]
    for own in (*_own_examples(schema), *fixed):
        if small(own):
            return own
    choices = [each for each in schema.choices[:NAMED] if not schemas.is_null(each)]
    if choices and not schema.properties:
        chosen = next((each for each in map(schemas.of, choices) if _fits(each, above, budget)), None)
        return None if chosen is None else _value(schemas, chosen, (*above, chosen.origin), budget)
    return _made_up(schemas, schema, next(iter(schema.types), ""), above, budget)


def _made_up(schemas: Schemas, schema: Schema, name: str, above: tuple[int, ...], budget: Budget) -> Any:
    match name:
        case "object":
            return _object(schemas, schema, above, budget)
        case "array":
            items = schemas.of(schema.words.get("items"))
            return [_value(schemas, items, (*above, items.origin), budget)] if _fits(items, above, budget) else []
        case "string":
            return _string(schema.words)
        case "integer" | "number":
            return _example_number(schema.words)
        case "boolean":
            return True
    return None


def _object(schemas: Schemas, schema: Schema, above: tuple[int, ...], budget: Budget) -> dict[str, Any]:
    found = {}
    for key, given, _ in schema.properties:
        if budget.left <= 0 or len(above) > DEPTH:
            break
        child = schemas.of(given)
        if child.words.get("readOnly") is not True and _fits(child, above, budget):
            found[key] = _value(schemas, child, (*above, child.origin), budget)
    return found


def _fits(schema: Schema, above: tuple[int, ...], budget: Budget) -> bool:
    return schema.origin not in above and len(above) <= DEPTH and budget.take()


def _own_examples(schema: Schema) -> Iterator[Any]:
    if "example" in schema.words:
        yield schema.words["example"]
    yield from sequence(schema.words.get("examples"))[:1]
    if "default" in schema.words:
        yield schema.words["default"]


def _written(media_type: str, value: Any) -> str:
    if is_json(media_type):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if isinstance(value, dict) and media_type.startswith("application/x-www-form-urlencoded"):
        return urlencode({key: each if isinstance(each, (str, int, float)) else json.dumps(each) for key, each in value.items()})
    return value if isinstance(value, str) else ""


def is_json(media_type: str) -> bool:
    """By its name, or its suffix (RFC 6839)."""
    name = media_type.partition(";")[0].strip().lower()
    return name.endswith(("/json", "+json")) or name == "*/*"


def _string(words: Content) -> str:
    found = _FORMATS.get(text(words.get("format")), "string")
    least, most = words.get("minLength"), words.get("maxLength")
    if isinstance(least, int) and len(found) < least <= WORD:
        found += "x" * (least - len(found))
    return found[:most] if isinstance(most, int) and 0 < most < len(found) else found


def _example_number(words: Content) -> Any:
    for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        value = words.get(word)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            beyond = {"exclusiveMinimum": 1, "exclusiveMaximum": -1}.get(word, 0)
            strict = words.get({"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}.get(word, "")) is True
            return value + beyond + (0 if not strict else 1 if word == "minimum" else -1)
    return 1
