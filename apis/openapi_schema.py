"""Whether a document has the form that OpenAPI 3.0 or 3.1, or Swagger 2.0, prescribes, by the schemas of openapi-spec-validator.

Of that library the JSON Schemas are used, not its second stage (`SpecValidator.iter_errors`): the errors of that stage
carry no place, it fails on documents that the first stage has refused, it fetches `$ref`s from files and the network,
and it runs the document's own regular expressions over its default values. Its other rules stand in `openapi.py`. No
expression of a document runs here.
"""

import importlib.util
import json
import string
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby, islice
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from jsonschema import Draft4Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema_specifications import REGISTRY

from apis.openapi_quick import Quick, Unsure
from apis.openapi_source import MAX_PROBLEMS, Path, quote

JSON_SCHEMA = "https://json-schema.org/draft/2020-12/"
VOCABULARIES = (
    *("schema", "meta/core", "meta/applicator", "meta/unevaluated", "meta/validation"),
    *("meta/meta-data", "meta/format-annotation", "meta/content"),
)

TEXT = {"type": "string"}

# OpenAPI 3.1.1, section 4.8.24: the base vocabulary, what a Schema Object has beside JSON Schema's words.
OPENAPI_WORDS = {
    "example": True,
    "discriminator": {
        "type": "object",
        "required": ["propertyName"],
        "properties": {"propertyName": TEXT, "mapping": {"$ref": "#/$defs/map-of-strings"}},
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    },
    "externalDocs": {"$ref": "#/$defs/external-documentation"},
    "xml": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "namespace": TEXT,
            "prefix": TEXT,
            "attribute": {"type": "boolean"},
            "wrapped": {"type": "boolean"},
        },
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    },
}

# A document that is wrong all over isn't followed to its end.
MAX_ERRORS = 500

EXTENSIONS = "#/$defs/specification-extensions"
# Words that can let further fields into an object, so that its `unevaluatedProperties` must stay.
COMPOSERS = {"allOf", "anyOf", "oneOf", "dependentSchemas", "else"}

TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}


class Violation(NamedTuple):
    """One break of the schema. `vague`: it may only be the echo of another one at the same path."""

    path: Path
    message: str
    vague: bool


def violations(content: dict[str, Any], version: str) -> Iterator[Violation]:
    """Everything that breaks the schema of this version: 2.0, 3.0 or 3.1."""
    try:
        if QUICK[version](content):
            return
    except Unsure:
        pass
    last = []
    for error in islice(VALIDATORS[version].iter_errors(content), MAX_ERRORS):
        for violation in chain.from_iterable(map(_describe, _leaves(error))):
            if violation.vague:
                last.append(violation)
            else:
                yield violation
    yield from last


def _published(version: str) -> dict[str, Any]:
    """A schema of openapi-spec-validator, out of its files: to import it takes longer than to read a document, and each is read anew."""
    package = importlib.util.find_spec("openapi_spec_validator")
    assert package is not None
    assert package.origin is not None
    found: dict[str, Any] = json.loads(
        FilePath(package.origin).with_name("resources").joinpath("schemas", f"v{version}", "schema.json").read_text()
    )
    return found


def _schema_31() -> dict[str, Any]:
    """OpenAPI 3.1 and its schema dialect as one plain JSON Schema.

    As published, `unevaluatedProperties` makes jsonschema visit every level twice, and each Schema Object goes through
    eight vocabularies by dynamic references: 9 s for 1,000 operations. Where the meaning is the same, these become
    `additionalProperties` and one table of words: 2 s. A test holds both to the same answers.
    """
    words: dict[str, Any] = dict(OPENAPI_WORDS)
    definitions: dict[str, Any] = {}
    for name in VOCABULARIES:
        vocabulary = REGISTRY.contents(JSON_SCHEMA + name)
        words |= vocabulary["properties"]
        definitions |= vocabulary.get("$defs", {})
    published = _published("3.1")
    definitions |= published["$defs"]
    definitions["schema"] = {"type": ["object", "boolean"], "properties": words}
    # Without its address, "#/..." means this schema and not the published one.
    del published["$id"]
    plain: dict[str, Any] = _plain({**published, "$defs": definitions})
    return plain


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(entry) for entry in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("$dynamicRef") == "#meta":
        return {"$ref": "#/$defs/schema"}
    plain = {key: _plain(value) for key, value in schema.items()}
    if str(plain.get("$ref")).startswith("meta/"):
        # One vocabulary's word for a definition of another; here they are together.
        plain["$ref"] = plain["$ref"].removeprefix("meta/").lstrip(string.ascii_letters)
    if plain.get("$ref") == EXTENSIONS and plain.get("unevaluatedProperties") is False and not COMPOSERS & plain.keys():
        del plain["$ref"], plain["unevaluatedProperties"]
        plain["patternProperties"] = {**plain.get("patternProperties", {}), "^x-": True}
        plain["additionalProperties"] = False
    return plain


# By version. Made at import: the process that uses them can't open files any more.
VALIDATORS: dict[str, Validator] = {
    "2.0": Draft4Validator(_published("2.0")),
    "3.0": Draft4Validator(_published("3.0")),
    "3.1": Draft202012Validator(_schema_31()),
}
DRAFT_4 = REGISTRY.contents("http://json-schema.org/draft-04/schema#")
QUICK = {version: Quick(validator.schema, {DRAFT_4["id"].rstrip("#"): DRAFT_4}) for version, validator in VALIDATORS.items()}


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors that say something: for "none of these forms fits", those of the form that was most likely meant."""
    if error.validator not in ("oneOf", "anyOf") or not error.context:
        yield error
        return
    branches = [list(group) for _, group in groupby(error.context, key=lambda child: child.schema_path[0])]
    for child in min(branches, key=_unlikeliness):
        yield from _leaves(child)


def _unlikeliness(errors: list[ValidationError]) -> tuple[bool, bool, bool, int]:
    """How little a form fits: a reference without `$ref`, another `type` than the written one, another kind."""
    own = [error for error in errors if not error.path]
    return (
        any(error.validator == "required" and error.message.startswith("'$ref'") for error in own),
        any(list(error.path) == ["type"] and error.validator in ("enum", "const") for error in errors),
        any(error.validator == "type" for error in own),
        len(errors),
    )


def _describe(error: ValidationError) -> Iterator[Violation]:
    path = tuple(error.absolute_path)
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        for key in _unexpected(error):
            yield Violation((*path, key), f"{quote(key)} doesn't belong in {_name(path)}.{_hint(path)}", vague=True)
    else:
        sentence = _sentence(error, path)
        yield Violation(path, sentence or f"{_name(path)} isn't what OpenAPI allows here.", vague=not sentence)


def _unexpected(error: ValidationError) -> Iterable[str]:
    # jsonschema names the fields only in its message.
    return islice((key for key in error.instance if repr(key) in error.message), MAX_PROBLEMS)


def _hint(path: Path) -> str:
    if path and path[-1] == "responses":
        return " Responses are named by status (200), by class (2XX) or default."
    return ""


def _sentence(error: ValidationError, path: Path) -> str:
    """What is wrong, in the words of the document's author; empty when the schema's error says too little."""
    name, wanted = _name(path), error.validator_value
    match error.validator:
        case "required":
            missing = next((key for key in wanted if error.message.startswith(repr(key))), "")
            return f"{name} needs the field {quote(missing)}."
        case "type":
            return f"{name} must be {_types(wanted)}, not {_kind(error.instance)}.{_quotes_hint(error)}"
        case "enum":
            return f"{name} must be one of {', '.join(str(value) for value in wanted)}."
        case "const":
            return f"{name} must be {str(wanted).lower() if isinstance(wanted, bool) else wanted}."
        case "not" if isinstance(wanted, dict) and "required" in wanted:
            return f"{name} can't have {' and '.join(quote(key) for key in wanted['required'])} together."
        case "pattern":
            return f"{name} doesn't have the form that OpenAPI asks for ({wanted})."
        case "minProperties" | "minItems":
            return f"{name} must not be empty."
        case "maxProperties" | "maxItems":
            return f"{name} must not have more than {wanted}."
        case "uniqueItems":
            return f"{name} has the same entry twice."
        case _:
            return ""


def _types(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(TYPE_NAMES[name] for name in names)


def _kind(value: Any) -> str:
    kinds: list[tuple[type, str]] = [
        (bool, "true or false"),
        (int, "a number"),
        (float, "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a mapping"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "empty")


def _quotes_hint(error: ValidationError) -> str:
    if error.validator_value == "string" and isinstance(error.instance, (bool, int, float)):
        return " Put it in quotes."
    return ""


def _name(path: Path) -> str:
    """The last steps of a path: enough to recognise, as the line says where."""
    steps = [str(step) for step in path[-3:]]
    return quote(" > ".join(steps)) if steps else "The document"
