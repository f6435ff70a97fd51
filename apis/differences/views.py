"""A schema as it is compared: references followed, `allOf` put together, what can be said in several ways said in one.

OpenAPI 3.0 says with `nullable` what 3.1 says with the type "null", or as an alternative that is null; with
`exclusiveMinimum: true` what is a number in 3.1; and an alternative alone is what it is an alternative of.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from apis.differences.digests import Side, digest
from apis.differences.levels import Work
from apis.differences.rules import LIMITS
from apis.openapi_references import mapping, sequence

# Of a schema that says nothing, and of one that is not there.
NOTHING: dict[str, Any] = {}
# Schemas that one is put together from.
PARTS = 50
# What it costs to look at one, and to find out that there is another.
PART, ALSO = 20, 3
# What people read, and no program goes by.
NOTES = {"title", "description", "example", "examples", "externalDocs", "$comment"}
# What says nothing of values by itself.
SILENT = {"$ref", "allOf", "oneOf", "anyOf", "$defs", "definitions", "$id", "$schema", "$anchor", "$dynamicAnchor", "$vocabulary"}
UNIONS = ("oneOf", "anyOf")
# Set or not, and then as good as not there.
FLAGS = {"readOnly", "writeOnly", "deprecated", "uniqueItems"}
# By name, and what is said of it, several times if it stands in several parts.
Named: TypeAlias = dict[str, list[Any]]
TYPES_OF_VALUES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
# What may stand beside alternatives and binds no value.
BESIDE = {"discriminator", "default", "deprecated"}
NULLS = ({"type": "null"}, {"type": ["null"]}, {"enum": [None]}, {"const": None})
OF_OBJECTS = {"minProperties", "maxProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties"}
OF_LISTS = {"minItems", "maxItems", "uniqueItems", "contains", "unevaluatedItems", "prefixItems"}


@dataclass(slots=True)
class View:
    """`types` and `values` are None where any will do.

    `words` has what else there is, `more` the digests of what a second part says of the same. `additional`: None where further
    properties may be anything, False where there are none. `alternatives`: with `union`, oneOf or anyOf, without null.
    """

    types: frozenset[str] | None = None
    nullable: bool = False
    values: dict[str, Any] | None = None
    words: dict[str, Any] = field(default_factory=dict)
    more: set[tuple[str, str]] = field(default_factory=set)
    notes: list[tuple[str, str]] = field(default_factory=list)
    required: set[str] = field(default_factory=set)
    properties: dict[str, Any] = field(default_factory=dict)
    patterns: dict[str, Any] = field(default_factory=dict)
    items: Any = None
    prefix: list[Any] = field(default_factory=list)
    additional: Any = None
    union: str = ""
    alternatives: list[Any] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether any value fits, as far as its kind goes."""
        return self.types is None and self.values is None and not self.union and "const" not in self.words

    @property
    def bare(self) -> bool:
        """Whether it is only one of its alternatives."""
        more = self.required or self.properties or self.patterns or self.prefix or self.more or self.values is not None
        return (
            not more and self.items is None and self.additional is None and self.words.keys() <= {"discriminator", "default", "deprecated"}
        )

    def has(self, word: str) -> bool:
        return self.words.get(word) is True


class Views:
    """Those of one document, each made once."""

    def __init__(self, side: Side, work: Work) -> None:
        self.side, self.work = side, work
        # By the identity of what the document holds, or of what is kept here because no document holds it.
        self._known: dict[int, View] = {}
        self._kept: dict[tuple[int, ...], Any] = {}

    def of(self, node: Any) -> View:
        if id(node) not in self._known:
            self._known[id(node)] = _Making(self).of(node)
        return self._known[id(node)]

    def together(self, nodes: list[Any]) -> Any:
        """One schema for what several say of the same."""
        if len(nodes) == 1:
            return nodes[0]
        return self._kept.setdefault(tuple(map(id, nodes)), {"allOf": nodes})


class _Making:
    def __init__(self, views: Views) -> None:
        self.views, self.side = views, views.side
        self.view = View()
        self.properties: Named = {}
        self.patterns: Named = {}
        self.items: list[Any] = []
        self.additional: list[Any] = []
        # Parts, and whether null has to fit them, too.
        self.waiting: list[tuple[Any, bool]] = []
        self.parts: set[int] = set()
        self.nulls: list[bool] = []
        self.takes: dict[str, Callable[[Any], None]] = {
            "properties": partial(self._named, self.properties),
            "patternProperties": partial(self._named, self.patterns),
            "required": self._required,
            "type": self._type,
            "nullable": self._nullable,
            "x-nullable": self._nullable,
            "enum": self._values,
            "items": self.items.append,
            "additionalProperties": self._additional,
        }

    def of(self, given: Any) -> View:
        """The parts nearest to the reader first: where one word can only be said once, theirs counts."""
        self._also(given, binds_null=True)
        parts = 0
        while self.waiting and parts < PARTS and self.views.work.take(PART):
            node, binds_null = self.waiting.pop(0)
            parts += 1
            self._part(node, binds_null=binds_null)
        self.view.more.update(("allOf", self.side.of(node)) for node, _ in self.waiting)
        return self._made()

    def _also(self, given: Any, *, binds_null: bool, at: int | None = None) -> None:
        """One more part, if it is not one yet."""
        node = self.side.follow(given)
        if node is False:
            # Nothing fits, as in `not: {}`.
            self._word("not", NOTHING)
        elif isinstance(node, dict) and id(node) not in self.parts:
            self.parts.add(id(node))
            self.waiting.insert(len(self.waiting) if at is None else at, (node, binds_null))

    def _part(self, node: dict[str, Any], *, binds_null: bool) -> None:
        self.views.work.take(len(node) + ALSO * len(sequence(node.get("allOf"))))
        if isinstance(node.get("$ref"), str):
            self._also(self.side.target(node["$ref"]), binds_null=binds_null, at=0)
        for each in sequence(node.get("allOf")):
            self._also(each, binds_null=binds_null)
        if binds_null:
            self.nulls.extend(_nulls(node))
        for word in UNIONS:
            if word in node:
                self._union(word, sequence(node[word]), binds_null=binds_null)
        for word, value in _in_one_way(node):
            if word in self.takes:
                self.takes[word](value)
            elif word in NOTES or (word.startswith("x-") and word != "x-extensible-enum"):
                self.view.notes.append((word, digest(value)))
            elif word not in SILENT and (word not in FLAGS or value is True):
                self._word(word, value)

    def _named(self, found: Named, value: Any) -> None:
        self.views.work.take(len(mapping(value)))
        for name, schema in mapping(value).items():
            found.setdefault(name, []).append(schema)

    def _required(self, value: Any) -> None:
        self.view.required.update(name for name in sequence(value) if isinstance(name, str))

    def _nullable(self, value: Any) -> None:
        self.view.nullable |= value is True

    def _union(self, word: str, members: list[Any], *, binds_null: bool) -> None:
        self.views.work.take(len(members))
        others = [each for each in members if not self._is_null(each)]
        has_null = len(others) < len(members)
        if has_null and binds_null:
            self.nulls.append(True)
        if has_null and not others:
            self.view.types = frozenset()
        if len(others) == 1:
            self._also(others[0], binds_null=binds_null and not has_null)
        elif others and not self.view.union:
            self.view.union, self.view.alternatives = word, others
        elif others:
            self.view.more.add((word, self.side.of(members)))

    def _is_null(self, member: Any) -> bool:
        """Whether it says that and nothing else."""
        found = {word: value for word, value in mapping(self.side.follow(member)).items() if word not in NOTES}
        return found in NULLS

    def _type(self, value: Any) -> None:
        given = {each for each in ([value] if isinstance(value, str) else sequence(value)) if isinstance(each, str)}
        types = frozenset(given - {"null"})
        if types and self.view.types is not None:
            both = types & self.view.types
            # Each integer is a number.
            whole = {"integer"} if ("integer" in types | self.view.types) and _numbers(types) and _numbers(self.view.types) else set()
            types = both | whole
        self.view.types = types if types or given else self.view.types

    def _values(self, value: Any) -> None:
        given = sequence(value)
        self.views.work.take(len(given))
        values = {digest(value): value for value in given if value is not None}
        was = self.view.values
        self.view.values = values if was is None else {key: value for key, value in was.items() if key in values}

    def _additional(self, value: Any) -> None:
        if value is False:
            self.view.additional = False
        elif isinstance(value, dict) and value:
            self.additional.append(value)

    def _word(self, word: str, value: Any) -> None:
        """The tighter one of two limits; of all else the first, and of the second its digest."""
        words = self.view.words
        if word not in words:
            words[word] = value
        elif word in LIMITS and _is_number(value) and _is_number(words[word]):
            words[word] = min(value, words[word]) if LIMITS[word][1] else max(value, words[word])
        elif self.side.said(word, value) != self.side.said(word, words[word]):
            self.view.more.add((word, self.side.said(word, value)))

    def _made(self) -> View:
        view, together = self.view, self.views.together
        view.properties = {name: together(nodes) for name, nodes in self.properties.items()}
        view.patterns = {name: together(nodes) for name, nodes in self.patterns.items()}
        view.items = together(self.items) if self.items else None
        view.prefix = sequence(view.words.pop("prefixItems", []))
        if view.additional is None and self.additional:
            view.additional = together(self.additional)
        if view.types is None:
            view.types = self._implied()
        view.nullable = not view.open and (view.nullable or bool(self.nulls and all(self.nulls)))
        view.notes.sort()
        return view

    def _implied(self) -> frozenset[str] | None:
        """The type that a schema has in its author's mind, who did not write it."""
        view = self.view
        if view.union:
            return None
        if "const" in view.words:
            return frozenset({TYPES_OF_VALUES.get(type(view.words["const"]), "null")})
        if view.values:
            return frozenset(TYPES_OF_VALUES[type(value)] for value in view.values.values())
        if view.properties or view.required or view.patterns or view.additional is not None or view.words.keys() & OF_OBJECTS:
            return frozenset({"object"})
        return frozenset({"array"}) if view.items is not None or view.prefix or view.words.keys() & OF_LISTS else None


def _nulls(node: dict[str, Any]) -> Iterator[bool]:
    """For each word that has a say in it, whether null fits."""
    if "type" in node:
        yield node["type"] == "null" or "null" in sequence(node["type"])
    if "enum" in node:
        yield None in sequence(node["enum"])


def _numbers(types: frozenset[str]) -> bool:
    return bool(types & {"integer", "number"})


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _in_one_way(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """OpenAPI 3.0 says beside a limit that it is not included, 3.1 has another word for such a limit."""
    beside = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
    for word, value in node.items():
        if word in beside:
            yield (beside[word] if node.get(beside[word]) is True else word), value
        elif not (word in beside.values() and isinstance(value, bool)):
            yield word, value
