"""What stands in the document beside its operations: tags, servers, parameters, schemas, references, and what nothing uses."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apis.contract import text
from apis.lint.names import look_at_style
from apis.lint.notes import Notes
from apis.lint.parts import Kind, Part, parts
from apis.openapi_references import mapping, pointer, references, sequence, value_at
from apis.openapi_source import Path
from apis.schemas import NAMED

# With one of these a schema says what it is without a type.
SAYS_WHAT = {"type", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "enum", "const", "if"}
# As part of one of these it only adds to what has a type elsewhere, or wants to fit anything.
ADDS = frozenset(
    "allOf anyOf oneOf not if then else additionalProperties unevaluatedProperties unevaluatedItems contains propertyNames".split()
)
# Under "components": what it is in, and its name.
Component = tuple[str, str]


def look_at_document(document: Mapping[str, Any], notes: Notes, *, gateway: str) -> None:
    info = mapping(document.get("info"))
    notes.look("info-description", ("info",), wrong=not text(info.get("description")).strip())
    notes.look("info-contact", ("info",), wrong=not any(mapping(info.get("contact")).values()))
    for index, tag in enumerate(map(mapping, sequence(document.get("tags")))):
        notes.look("tag-description", ("tags", index), wrong=not text(tag.get("description")).strip(), name=text(tag.get("name")))
    described = mapping(mapping(document.get("components")).get("securitySchemes"))
    # Of all parts, which are many, those that are asked for once more.
    parameters: list[Part] = []
    leading: list[Part] = []
    for part in parts(document):
        match part.kind:
            case Kind.SCHEMA:
                _schema(part, notes)
                if "discriminator" in part.content:
                    leading.append(part)
            case Kind.PARAMETER if "$ref" not in part.content:
                parameters.append(part)
            case Kind.DOCUMENT | Kind.OPERATION:
                _servers(part, notes, gateway)
                _schemes(part, described, notes)
                leading.append(part)
            case Kind.PATH:
                _servers(part, notes, gateway)
    _parameters(parameters, notes)
    pointed = list(reversed(list(references(document))))
    if text(document.get("openapi")).startswith("3.0"):
        _siblings(document, pointed, notes)
    _unused(document, leading, pointed, notes)


def _servers(part: Part, notes: Notes, gateway: str) -> None:
    for index, server in enumerate(map(mapping, sequence(part.content.get("servers")))):
        address = text(server.get("url"))
        ours = bool(gateway) and f"{address}/".startswith(f"{gateway.rstrip('/')}/")
        # "/" is what is meant without any.
        notes.look("servers-ignored", (*part.path, "servers", index), wrong=address != "/" and not ours, address=address)


def _parameters(written: Iterable[Part], notes: Notes) -> None:
    for part in written:
        said = text(part.content.get("description")).strip()
        notes.look("oas3-parameter-description", part.path, wrong=not said, name=text(part.content.get("name")))
    named = [(part.path, text(part.content.get("name"))) for part in written if part.content.get("in") != "header"]
    look_at_style("parameter-name-style", named, notes)


def _schema(part: Part, notes: Notes) -> None:
    # What stands in a list has its index after the word.
    word = part.path[-2] if isinstance(part.path[-1], int) else part.path[-1]
    if word not in ADDS or _is_name(part.path):
        notes.look("schema-type", part.path, wrong=not SAYS_WHAT & part.content.keys())


def _is_name(path: Path) -> bool:
    """Whether the last step is what the author called a schema, and no word of OpenAPI."""
    return len(path) > 1 and path[-2] in {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "schemas"}


def _schemes(part: Part, described: Mapping[str, Any], notes: Notes) -> None:
    if "security" in part.content:
        missing = sorted({name for name in _named(part) if name not in described})
        notes.look("oas3-operation-security-defined", (*part.path, "security"), wrong=bool(missing), names=", ".join(missing[:NAMED]))


def _named(part: Part) -> Iterator[str]:
    """The security schemes that it asks for."""
    return (name for alternative in sequence(part.content.get("security")) for name in mapping(alternative))


def _siblings(document: Mapping[str, Any], pointed: Iterable[tuple[Path, str]], notes: Notes) -> None:
    for at, _ in pointed:
        if at[0] == "paths" and len(at) == 3:
            # A path may have both (OpenAPI 3.0.4, section 4.8.9.1).
            continue
        beside = [name for name in value_at(document, at[:-1]) if name != "$ref" and not name.startswith("x-")]
        names = ", ".join(beside[:NAMED])
        notes.look("no-$ref-siblings", at[:-1], wrong=bool(beside), names=names)


def _unused(document: Mapping[str, Any], leading: Iterable[Part], pointed: Iterable[tuple[Path, str]], notes: Notes) -> None:
    leads: dict[Component | None, list[Component]] = {}
    for at, to in _uses(document, leading, pointed):
        leads.setdefault(_component(at), []).append(to)
    used: set[Component] = set()
    waiting = list(leads.get(None, ()))
    while waiting:
        each = waiting.pop()
        if each not in used:
            used.add(each)
            waiting.extend(leads.get(each, ()))
    for section, named in mapping(document.get("components")).items():
        for name in mapping(named) if not section.startswith("x-") else ():
            notes.look("oas3-unused-component", ("components", section, name), wrong=(section, name) not in used, name=f"{section}/{name}")


def _component(path: Path) -> Component | None:
    """The one in which a place lies; None outside of all."""
    return (str(path[1]), str(path[2])) if len(path) > 2 and path[0] == "components" else None


def _uses(document: Mapping[str, Any], leading: Iterable[Part], pointed: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, Component]]:
    """From where to which component something leads.

    :param leading: schemas with a discriminator, and whatever may ask for security.
    """
    parents = {part.path for part in leading if part.kind is Kind.SCHEMA}
    for at, reference in pointed:
        target = pointer(document, reference)
        to = _component(target or ())
        if to is None or target is None:
            continue
        yield at, to
        heir = _component(at)
        # `allOf` with a parent that tells its heirs apart by name: whoever uses the parent may get the heir.
        if target in parents and heir is not None and at[-3:-2] == ("allOf",):
            yield target, heir
    for part in leading:
        yield from ((part.path, ("securitySchemes", name)) for name in _named(part))
        for value in mapping(mapping(part.content.get("discriminator")).get("mapping")).values():
            # The name of a schema, or a reference to it.
            yield part.path, _component(pointer(document, text(value)) or ()) or ("schemas", text(value))
