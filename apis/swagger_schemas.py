"""Schemas of Swagger 2.0, and what it says beside them of values in paths, queries, headers and forms, as OpenAPI 3.0 has them.

https://spec.openapis.org/oas/v2.0.html, "Schema Object", "Parameter Object" and "Items Object".
"""

import re
from collections.abc import Iterable
from typing import Any

from apis.openapi_references import mapping, pointer, value_at
from apis.openapi_source import Path, Source
from apis.swagger_making import Making

# What a parameter or header says of its value; in OpenAPI 3.0 its schema does.
VALUE_WORDS = (
    *("type", "format", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength"),
    *("pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf"),
)
# Of a list in a query or form: style and explode.
STYLES = {"csv": ("form", False), "multi": ("form", True), "ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False)}
# OpenAPI 3.0.4, section 4.8.7.1: names of components.
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Schemas(Making):
    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.schema_names = safe_names(mapping(self.root.get("definitions")))
        # Schemas that a reference finds elsewhere than among the definitions, by their place; and which of them wait to be made.
        self.found: dict[Path, str] = {}
        self.waiting: list[tuple[Path, int]] = []

    def schemas(self, given: Any) -> dict[str, Any]:
        new = self.made()
        for name, value, at in self.members(given):
            self.put(new, name, self.schema(value), at)
        return new

    def found_schemas(self, into: dict[str, Any]) -> None:
        """Once all else is made: what it refers to beside the definitions."""
        while self.waiting:
            path, at = self.waiting.pop()
            self.put(into, self.found[path], self.schema(value_at(self.root, path)), at)

    def schema(self, given: Any) -> Any:
        """Whatever it is: a reference may lead to anything."""
        if not isinstance(given, dict):
            return given
        new = self.made()
        for key, value, at in self.members(given):
            self.word(new, key, value, at)
        return new

    def word(self, new: dict[str, Any], key: str, value: Any, at: int) -> None:
        match key, value:
            case "$ref", str():
                self.put(new, key, self.reference(value, at), at)
            case "x-nullable", True:
                self.put(new, "nullable", value, at)
            case "discriminator", str():
                self.put(new, key, self.one("propertyName", value, at), at)
            case "properties", dict():
                self.put(new, key, self.schemas(value), at)
            case (("items" | "additionalProperties"), dict()):
                self.put(new, key, self.schema(value), at)
            case "items", list():
                self.note(at, "OpenAPI 3.0 can't describe each entry of a list on its own; any of these is allowed at each place.")
                self.put(new, key, self.one("anyOf", self.each(value), at), at)
            case "allOf", list():
                self.put(new, key, self.each(value), at)
            case "type", list():
                self.types(new, value, at)
            case "type", "file":
                self.put(new, key, "string", at)
                self.put(new, "format", "binary", at)
            case _:
                self.put(new, key, value, at)

    def each(self, given: list[Any]) -> list[Any]:
        return self.listed((self.schema(value), self.at(given, index)) for index, value in enumerate(given))

    def types(self, new: dict[str, Any], given: list[Any], at: int) -> None:
        named = [each for each in given if each != "null"]
        if len(named) < len(given):
            self.put(new, "nullable", value=True, at=at)
        if len(named) == 1:
            self.put(new, "type", named[0], at)
        elif named:
            self.put(new, "anyOf", self.listed((self.one("type", each, at), at) for each in named), at)

    def reference(self, given: str, at: int) -> str:
        path = pointer(self.root, given) or ()
        if len(path) == 2 and path[0] == "definitions":
            return f"#/components/schemas/{self.schema_names[str(path[1])]}"
        if path not in self.found:
            taken = {*self.schema_names.values(), *self.found.values()}
            self.found[path] = unique(safe(str(path[-1] if path else "document")), taken)
            self.waiting.append((path, at))
        return f"#/components/schemas/{self.found[path]}"

    def value(self, given: dict[str, Any]) -> dict[str, Any]:
        """The schema of a parameter's, field's or header's value."""
        new = self.made()
        for key, value, at in self.members(given):
            if key in VALUE_WORDS:
                self.word(new, key, value, at)
            elif key == "items":
                self.only_csv(value)
                self.put(new, key, self.value(value), at)
            elif key == "x-nullable" and value is True:
                self.put(new, "nullable", value, at)
        return new

    def style(self, given: dict[str, Any], at: int) -> tuple[str, bool]:
        """Style and explode of a list in a query or form."""
        written = given.get("collectionFormat", "csv")
        if written in STYLES:
            return STYLES[written]
        self.note(at, f"OpenAPI 3.0 has no counterpart of the collectionFormat {written}; the list is described as csv.")
        return STYLES["csv"]

    def only_csv(self, given: dict[str, Any]) -> None:
        """In paths, headers and lists of lists a list is written with commas."""
        written = given.get("collectionFormat", "csv")
        if written != "csv":
            said = f"OpenAPI 3.0 has no counterpart of the collectionFormat {written} here; the list is described as csv."
            self.note(self.at(given, "collectionFormat"), said)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """What each is called among the components of OpenAPI 3.0, which allows fewer characters."""
    named = {name: name for name in names if safe(name) == name}
    taken = set(named)
    for name in names:
        if name not in named:
            named[name] = unique(safe(name), taken)
            taken.add(named[name])
    return named


def safe(name: str) -> str:
    if name and not UNSAFE.search(name):
        return name
    return UNSAFE.sub("_", name).strip("_") or "part"


def unique(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
