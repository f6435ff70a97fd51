"""Schemas in words, for reading: OpenAPI 3.0's and 3.1's, and what Swagger 2.0 has of them.

References are followed and `allOf` is put together. What has no end, or is more than a page can show, ends with “…”.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from apis.contract import Content, follow, text
from apis.openapi_references import mapping, sequence

# A sentence in the reader's language: `gettext`, or `str` for English.
Translate: TypeAlias = Callable[[str], str]
# Name, schema as it is written, and whether it is required.
Child: TypeAlias = tuple[str, Any, bool]

MORE = "…"
# Names with dots between them.
DEPTH = 4
# Of one body or answer.
FIELDS = 100
# Schemas that one is put together from, properties of it that are looked at, and values or alternatives that are named.
PARTS = 50
PROPERTIES = 1_000
NAMED = 20
# Characters of a description, and of a word.
SHORT = 1_000
WORD = 200
# Values and characters of what is shown as it is in the document.
SMALL_VALUES = 200
SMALL = 10_000
# What is read of a schema.
WORDS = (
    *("$ref", "title", "description", "type", "nullable", "x-nullable", "const", "enum", "oneOf", "anyOf", "format", "pattern"),
    *("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("items", "additionalProperties", "readOnly", "writeOnly", "example", "examples", "default"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is dotted from the body on, with `[]` for the items of an array and `*` for any name: `lines[].sku`."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(slots=True)
class Budget:
    """How many may still be told."""

    left: int

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Schema:
    """One with its references followed and `allOf` put together. `origin`: what it was read from, to see it come again."""

    words: Content
    properties: tuple[Child, ...]
    origin: int
    whole: bool

    @property
    def types(self) -> list[str]:
        """Without null."""
        if named := [each for each in self._given_types if each != "null"]:
            return named
        if self.properties or "additionalProperties" in self.words:
            return ["object"]
        return ["array"] if "items" in self.words else []

    @property
    def nullable(self) -> bool:
        """OpenAPI 3.0 says it beside the type, 3.1 in it, tools for Swagger 2.0 by an extension."""
        return "null" in self._given_types or self.words.get("nullable") is True or self.words.get("x-nullable") is True

    @property
    def _given_types(self) -> list[str]:
        given = self.words.get("type")
        return [each for each in ([given] if isinstance(given, str) else sequence(given)[:NAMED]) if isinstance(each, str)]

    @property
    def choices(self) -> list[Any]:
        return sequence(self.words.get("oneOf")) or sequence(self.words.get("anyOf"))


class Schemas:
    """Those of one document."""

    def __init__(self, document: Content, gettext: Translate) -> None:
        self.document, self.gettext = document, gettext
        # By the identity of what the document holds.
        self._known: dict[int, Schema] = {}
        self._nothing = self._put_together({})

    def of(self, given: Any) -> Schema:
        """
        :param given: what the document holds, or something empty.
        """
        if not given:
            return self._nothing
        if id(given) not in self._known:
            self._known[id(given)] = self._put_together(given)
        return self._known[id(given)]

    def _put_together(self, given: Any) -> Schema:
        """The parts nearest to the reader first: their words count."""
        words: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        required: set[str] = set()
        waiting, seen, origin = [given], set[int](), id(given)
        while waiting and len(seen) < PARTS:
            node = waiting.pop(0)
            if not isinstance(node, dict) or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node.get("$ref"), str):
                waiting.insert(0, follow(self.document, node))
                origin = id(waiting[0]) if len(seen) == 1 else origin
            waiting.extend(sequence(node.get("allOf"))[:PARTS])
            for name, schema in islice(mapping(node.get("properties")).items(), PROPERTIES):
                properties.setdefault(name, schema)
            required.update(name for name in sequence(node.get("required"))[:PROPERTIES] if isinstance(name, str))
            for word in WORDS:
                if word in node:
                    words.setdefault(word, node[word])
        children = sorted(((name, each, name in required) for name, each in properties.items()), key=lambda each: (not each[2], each[0]))
        # One more than can be told, to see that there is more.
        return Schema(words, tuple(children[: FIELDS + 1]), origin, whole=not waiting)

    # --- in words --------------------------------------------------------------------------------------------------

    def type_of(self, schema: Schema, *, bare: bool = False) -> str:
        """`string, 4 to 32`, `one of a, b`, `array of integer or null`. `bare`: without limits, as array items are named."""
        words = self._plain_type(schema, bare=bare)
        if schema.nullable or None in sequence(schema.words.get("enum"))[:PROPERTIES] or any(map(self.is_null, schema.choices[:NAMED])):
            words = self.gettext("%(type)s or null") % {"type": words}
        return cut(words if schema.whole else f"{words} {MORE}", SHORT)

    def _plain_type(self, schema: Schema, *, bare: bool) -> str:
        gettext = self.gettext
        if "const" in schema.words:
            return gettext("always %(value)s") % {"value": shown(schema.words["const"])}
        if values := [value for value in sequence(schema.words.get("enum"))[: NAMED + 1] if value is not None]:
            return gettext("one of %(values)s") % {"values": listed(map(shown, values[:NAMED]), more=len(values) > NAMED)}
        choices = [each for each in schema.choices[: NAMED + 1] if not self.is_null(each)]
        if choices and not schema.types:
            named = [self._name(each, bare=bare) for each in choices[:NAMED]]
            if len(choices) == 1:
                return named[0]
            return gettext("one of %(values)s") % {"values": listed(named, more=len(choices) > NAMED)}
        return gettext(" or ").join(self._one_type(schema, each, bare=bare) for each in schema.types) or gettext("any value")

    def is_null(self, given: Any) -> bool:
        return mapping(follow(self.document, given)).get("type") == "null"

    def _name(self, given: Any, *, bare: bool) -> str:
        """What an alternative is called: by its reference or title, else its type."""
        reference = text(mapping(given).get("$ref")).rpartition("/")[2]
        if name := text(mapping(follow(self.document, given)).get("title")) or reference:
            return cut(name, WORD)
        return MORE if bare else self.type_of(self.of(given), bare=True)

    def _one_type(self, schema: Schema, name: str, *, bare: bool) -> str:
        gettext, words = self.gettext, schema.words
        said = cut(name, WORD)
        if name == "string" and (form := text(words.get("format"))):
            said = f"{said} ({cut(form, WORD)})"
        if bare:
            return said
        match name:
            case "array":
                if items := mapping(words.get("items")):
                    said = gettext("array of %(items)s") % {"items": self.type_of(self.of(items), bare=True)}
                return self._between(said, words.get("minItems"), words.get("maxItems"))
            case "string":
                said = self._between(said, words.get("minLength"), words.get("maxLength"))
                pattern = text(words.get("pattern"))
                return gettext("%(type)s, matching %(pattern)s") % {"type": said, "pattern": cut(pattern, WORD)} if pattern else said
            case "integer" | "number":
                return self._limited(said, words)
        return said

    def _between(self, said: str, least: Any, most: Any) -> str:
        gettext = self.gettext
        values = {"type": said, "least": _number(least), "most": _number(most)}
        if values["least"] and values["most"]:
            return gettext("%(type)s, %(least)s to %(most)s") % values
        if values["least"]:
            return gettext("%(type)s, at least %(least)s") % values
        return gettext("%(type)s, at most %(most)s") % values if values["most"] else said

    def _limited(self, said: str, words: Content) -> str:
        """OpenAPI 3.0 says beside a limit that it is not included, 3.1 has another word for such a limit."""
        gettext = self.gettext
        least, most, above, below = (words.get(word) for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
        if above is True:
            least, above = None, least
        if below is True:
            most, below = None, most
        said = self._between(said, least, most)
        if _number(above):
            said = gettext("%(type)s, above %(least)s") % {"type": said, "least": _number(above)}
        if _number(below):
            said = gettext("%(type)s, below %(most)s") % {"type": said, "most": _number(below)}
        return said

    # --- field by field --------------------------------------------------------------------------------------------

    def fields(self, schema: Schema, *, hidden: str, take: Callable[[], bool]) -> tuple[Field, ...]:
        """
        :param hidden: the word that says a field is not part of this direction.
        :param take: whether there is room for one more.
        """
        found: list[Field] = []
        for each in self._below(schema, "", (schema.origin,), hidden):
            if len(found) >= FIELDS or not take():
                return (*found, Field(MORE, MORE, required=False, description=""))
            found.append(each)
        return tuple(found)

    def _below(self, schema: Schema, prefix: str, above: tuple[int, ...], hidden: str) -> Iterator[Field]:
        for name, given, required in self._children(schema):
            child = self.of(given)
            if child.words.get(hidden) is True:
                continue
            path = f"{prefix}{name}" if name == "[]" or not prefix else f"{prefix}.{name}"
            inside = any(True for _ in self._children(child))
            ends = inside and (child.origin in above or path.count(".") + 1 >= DEPTH or len(above) > 2 * DEPTH)
            shown = self._field(path, child, required=required, ends=ends)
            # Items that the array's own type says all about are not told again.
            if name != "[]" or ends or shown.description or shown.type != self.type_of(child, bare=True):
                yield shown
            if not ends:
                yield from self._below(child, path, (*above, child.origin), hidden)

    def _field(self, path: str, schema: Schema, *, required: bool, ends: bool) -> Field:
        kind = self.type_of(schema)
        description = cut(text(schema.words.get("description")), SHORT)
        return Field(cut(path, SHORT), f"{kind} {MORE}" if ends else kind, required, description)

    def _children(self, schema: Schema) -> Iterator[Child]:
        """Items; properties, the required ones first, then by name; further names; and those of alternatives, never required."""
        if items := mapping(schema.words.get("items")):
            yield "[]", items, False
        for name, given, required in schema.properties:
            yield cut(name, WORD), given, required
        if more := mapping(schema.words.get("additionalProperties")):
            yield "*", more, False
        seen = {name for name, *_ in schema.properties}
        for choice in schema.choices[:NAMED]:
            for name, given, _ in self.of(choice).properties:
                if name not in seen:
                    seen.add(name)
                    yield cut(name, WORD), given, False


def cut(given: str, most: int) -> str:
    return given if len(given) <= most else given[: most - 1] + MORE


def _number(value: Any) -> str:
    return cut(json.dumps(value), WORD) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def small(value: Any, characters: int = SMALL, values: int = SMALL_VALUES) -> bool:
    """Whether it is short enough for an example, found out without reading all of it."""
    waiting, length, count = [value], 0, 0
    while waiting:
        node = waiting.pop()
        count += 1
        length += len(node) if isinstance(node, (str, dict, list)) else 8
        if length > characters or count > values:
            return False
        waiting.extend((*node, *node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ())
    return True


def shown(value: Any) -> str:
    if isinstance(value, str):
        return cut(value, WORD)
    return cut(json.dumps(value, ensure_ascii=False), WORD) if small(value) else MORE


def listed(values: Iterable[str], *, more: bool) -> str:
    return ", ".join([*values, *([MORE] if more else [])])
