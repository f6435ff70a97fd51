"""Whether a value has the form that one of our JSON Schemas prescribes: yes or no, and quickly.

jsonschema makes an object per step and an error per alternative that doesn't fit: for GitHub's document (13 MB, nothing
wrong) that was three quarters of the time it took to read. Here a schema becomes functions once. jsonschema is asked for
its sentences where they say no, and where they don't know. Of its keywords those are known that the schemas of OpenAPI
use, another one raises at import; a test holds both to the same answers.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any], bool]
Schema: TypeAlias = Mapping[str, Any]

# They describe, or are read together with another one. Formats are not checked: jsonschema is given no checker for them.
SILENT = {
    *("$schema", "id", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "deprecated", "format"),
    *("properties", "patternProperties", "additionalProperties", "then", "else", "additionalItems"),
}


class Unsure(Exception):  # noqa: N818  (reads as the sentence it is)
    """Too rare to be told here."""


class Quick:
    """Call it with a value. Raises Unsure.

    :param known: other schemas that references name, by the part of the address before “#”.
    """

    def __init__(self, root: Schema, known: Mapping[str, Schema] = {}) -> None:
        self.known = known
        self.made: dict[int, Check] = {}
        # Schemas are found by id, so they have to stay.
        self.kept: list[Any] = []
        self.check = self.compiled(root, root)

    def __call__(self, value: Any) -> bool:
        return self.check(value)

    def compiled(self, schema: Any, root: Schema) -> Check:
        if isinstance(schema, bool):
            return lambda _value: schema
        if id(schema) not in self.made:
            # A schema that leads to itself finds this one, which knows the rest by the time it is called.
            checks: list[Check] = []
            self.kept.append(schema)
            self.made[id(schema)] = _all(checks)
            checks.extend(self.checks(schema, root))
        return self.made[id(schema)]

    def checks(self, schema: Schema, root: Schema) -> Iterator[Check]:
        if "$ref" in schema and "draft-04" in root["$schema"]:
            # Draft 4 ignores what stands beside a reference.
            schema = {"$ref": schema["$ref"]}
        for word, given in schema.items():
            if word not in SILENT:
                yield self.keyword(word, given, schema, root)
        if schema.keys() & {"properties", "patternProperties", "additionalProperties"}:
            yield self.members(schema, root)

    def target(self, reference: str, root: Schema) -> tuple[Any, Schema]:
        """What a reference leads to, and the whole in which it stands."""
        address, _, pointer = reference.partition("#")
        found: Any = self.known[address] if address else root
        root = found
        for step in pointer.split("/")[1:]:
            found = found[step]
        return found, root

    def keyword(self, word: str, given: Any, schema: Schema, root: Schema) -> Check:
        match word:
            case "$ref":
                return self.compiled(*self.target(given, root))
            case "allOf" | "anyOf" | "oneOf":
                return COMBINED[word]([self.compiled(part, root) for part in given])
            case "items" | "propertyNames":
                each = self.compiled(given, root)
                return _of(list if word == "items" else dict, lambda value: all(map(each, value)))
            case "not":
                unwanted = self.compiled(given, root)
                return lambda value: not unwanted(value)
            case "if":
                asked, then, other = (self.compiled(part, root) for part in (given, schema.get("then", True), schema.get("else", True)))
                return lambda value: then(value) if asked(value) else other(value)
            case "dependentSchemas":
                parts = [(name, self.compiled(part, root)) for name, part in given.items()]
                return _of(dict, lambda value: all(check(value) for name, check in parts if name in value))
            case "unevaluatedProperties" if given is False:
                return _of(dict, lambda value: value.keys() <= self.evaluated(value, schema, root))
            case _ if word in SIMPLE:
                return SIMPLE[word](given, schema)
            case _:
                raise NotImplementedError(f"The quick check doesn't know the keyword {word}.")

    def members(self, schema: Schema, root: Schema) -> Check:
        named = {name: self.compiled(part, root) for name, part in schema.get("properties", {}).items()}
        patterns = [(re.compile(each).search, self.compiled(part, root)) for each, part in schema.get("patternProperties", {}).items()]
        rest = self.compiled(schema.get("additionalProperties", True), root)

        def check(value: Any) -> bool:
            if not isinstance(value, dict):
                return True
            for name, member in value.items():
                fits = named.get(name)
                if fits is not None and not fits(member):
                    return False
                for search, fits_too in patterns:
                    if search(name):
                        fits = fits_too
                        if not fits(member):
                            return False
                if fits is None and not rest(member):
                    return False
            return True

        return check

    def evaluated(self, value: dict[str, Any], schema: Any, root: Schema) -> set[str]:
        """The members that a schema, and those in it that fit, speak of. JSON Schema 2020-12, section 11.3."""
        if isinstance(schema, bool):
            return set()
        found = {*schema.get("properties", ())} & value.keys()
        found |= {name for name in value if any(re.search(pattern, name) for pattern in schema.get("patternProperties", ()))}
        if "additionalProperties" in schema:
            rest = self.compiled(schema["additionalProperties"], root)
            found |= {name for name, member in value.items() if rest(member)}
        if "$ref" in schema:
            found |= self.evaluated(value, *self.target(schema["$ref"], root))
        for part in self.fitting(value, schema, root):
            found |= self.evaluated(value, part, root)
        return found

    def fitting(self, value: dict[str, Any], schema: Schema, root: Schema) -> Iterator[Any]:
        for word in ("allOf", "anyOf", "oneOf"):
            yield from (part for part in schema.get(word, ()) if self.compiled(part, root)(value))
        yield from (part for name, part in schema.get("dependentSchemas", {}).items() if name in value)
        if "if" in schema:
            fits = self.compiled(schema["if"], root)(value)
            yield from ([schema["if"], schema.get("then", True)] if fits else [schema.get("else", True)])


def _of(kind: type, check: Check) -> Check:
    """Such keywords speak of one kind of value; all others fit."""
    return lambda value: not isinstance(value, kind) or check(value)


def _all(checks: list[Check]) -> Check:
    def check(value: Any) -> bool:
        for each in checks:  # noqa: SIM110  (it is called a million times, and a generator costs more)
            if not each(value):
                return False
        return True

    return check


def _any(checks: list[Check]) -> Check:
    return lambda value: any(each(value) for each in checks)


def _exactly_one(checks: list[Check]) -> Check:
    return lambda value: sum(each(value) for each in checks) == 1


COMBINED: dict[str, Callable[[list[Check]], Check]] = {"allOf": _all, "anyOf": _any, "oneOf": _exactly_one}


def _integer(value: Any) -> bool:
    if isinstance(value, float):
        # 1.0 is one in some drafts.
        raise Unsure
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TYPES: dict[str, Check] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _integer,
    "null": lambda value: value is None,
    "number": _number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _type(given: Any, _schema: Schema) -> Check:
    return TYPES[given] if isinstance(given, str) else _any([TYPES[each] for each in given])


def _one_of(wanted: list[Any]) -> Check:
    if not all(isinstance(each, (str, bool)) for each in wanted):
        raise NotImplementedError("The quick check compares text and truth only.")
    # 1 equals True in Python.
    return lambda value: any(value is each or (isinstance(value, str) and value == each) for each in wanted)


def _minimum(given: float, schema: Schema) -> Check:
    if schema.get("exclusiveMinimum") is True:
        return lambda value: not _number(value) or value > given
    return lambda value: not _number(value) or value >= given


def _exclusive(given: Any, _schema: Schema) -> Check:
    return lambda value: isinstance(given, bool) or not _number(value) or value > given


def _unique(value: list[Any]) -> bool:
    if all(isinstance(each, str) for each in value):
        return len(set(value)) == len(value)
    if len(value) > 100 or any(each == other for index, each in enumerate(value) for other in value[:index]):
        raise Unsure
    return True


SIMPLE: dict[str, Callable[[Any, Schema], Check]] = {
    "type": _type,
    "enum": lambda given, _: _one_of(given),
    "const": lambda given, _: _one_of([given]),
    "required": lambda given, _: _of(dict, lambda value: all(name in value for name in given)),
    "pattern": lambda given, _: _of(str, lambda value: re.search(given, value) is not None),
    "minimum": _minimum,
    "exclusiveMinimum": _exclusive,
    "minProperties": lambda given, _: _of(dict, lambda value: len(value) >= given),
    "maxProperties": lambda given, _: _of(dict, lambda value: len(value) <= given),
    "minItems": lambda given, _: _of(list, lambda value: len(value) >= given),
    "uniqueItems": lambda given, _: _of(list, lambda value: not given or _unique(value)),
}
