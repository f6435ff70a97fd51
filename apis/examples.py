"""An example of a body: the document's own, or one made up from the schema."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
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


# The word that says a value is not sent in this direction, beside it.
REQUEST, ANSWER = "readOnly", "writeOnly"


@dataclass(frozen=True, slots=True)
class _Making:
    """One value in the making; `hidden` is REQUEST or ANSWER."""

    schemas: Schemas
    budget: Budget
    hidden: str


def example(schemas: Schemas, media_type: str, content: Content, schema: Schema) -> str:
    """Of what is sent: the document's own, if it is not too long; else one that is made up. "" where there is none."""
    own = given(schemas, media_type, content, schema)
    return next((each for each in own if len(each) <= SMALL), "") or made_up(schemas, media_type, schema)


def given(
    schemas: Schemas, media_type: str, content: Content, schema: Schema, *, characters: int = SMALL, values: int = SMALL_VALUES
) -> Iterator[str]:
    """The document's own, as they are sent.

    :param characters: one with more is passed over before it is written, which makes it longer; so is one of more `values`.
    """
    for value in _given(schemas, content, schema):
        if small(value, characters, values) and (written := _written(media_type, value)):
            yield written


def made_up(schemas: Schemas, media_type: str, schema: Schema, *, hidden: str = REQUEST, values: int = SMALL_VALUES) -> str:
    """From what the schema says of types, formats, limits, defaults and examples; "" where that makes nothing to send.

    :param values: those beyond are left out.
    """
    making = _Making(schemas, Budget(values), hidden)
    written = _written(media_type, _value(making, schema, (schema.origin,)))
    return written if len(written) <= SMALL else ""


def _given(schemas: Schemas, content: Content, schema: Schema) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    for each in mapping(content.get("examples")).values():
        named = mapping(follow(schemas.document, each))
        if "value" in named:
            yield named["value"]
            break
    yield from _own_examples(schema)


def _value(making: _Making, schema: Schema, above: tuple[int, ...]) -> Any:
    fixed = [schema.words["const"]] if "const" in schema.words else sequence(schema.words.get("enum"))[:1]
    for own in (*_own_examples(schema), *fixed):
        if small(own):
            return own
    schemas = making.schemas
    choices = [each for each in schema.choices[:NAMED] if not schemas.is_null(each)]
    if choices and not schema.properties:
        chosen = next((each for each in map(schemas.of, choices) if _fits(making, each, above)), None)
        return None if chosen is None else _value(making, chosen, (*above, chosen.origin))
    return _made_up(making, schema, next(iter(schema.types), ""), above)


def _made_up(making: _Making, schema: Schema, name: str, above: tuple[int, ...]) -> Any:
    match name:
        case "object":
            return _object(making, schema, above)
        case "array":
            items = making.schemas.of(schema.words.get("items"))
            return [_value(making, items, (*above, items.origin))] if _fits(making, items, above) else []
        case "string":
            return _string(schema.words)
        case "integer" | "number":
            return _example_number(schema.words)
        case "boolean":
            return True
    return None


def _object(making: _Making, schema: Schema, above: tuple[int, ...]) -> dict[str, Any]:
    found = {}
    for key, described, _ in schema.properties:
        if making.budget.left <= 0 or len(above) > DEPTH:
            break
        child = making.schemas.of(described)
        if child.words.get(making.hidden) is not True and _fits(making, child, above):
            found[key] = _value(making, child, (*above, child.origin))
    return found


def _fits(making: _Making, schema: Schema, above: tuple[int, ...]) -> bool:
    return schema.origin not in above and len(above) <= DEPTH and making.budget.take()


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
