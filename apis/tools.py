"""An operation as a tool for agents: its name, what it takes as JSON Schema, and the call that its arguments make.

Source: https://modelcontextprotocol.io/specification/2025-11-25/server/tools
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from apis import headers
from apis.contract import Content, Described, follow, operations, parameters, text
from apis.openapi_references import MAX_REFERENCE_HOPS, mapping, pointer, sequence, value_at
from apis.paths import pieces

# Where tools of a version are served, below it.
PATH = "/mcp"
# What clients take, of which some refuse whatever is longer or has other characters.
MOST_NAME = 64
NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MOST_NAME}}}")
MOST_DESCRIPTION = 1_000
# Of one version.
MOST = 100
# Characters of a tool's schema; a body's that makes it longer is left out.
MOST_SCHEMA = 64 * 1024
_MOST_PARTS = 500
# Of JSON Schema 2020-12; what else a document says beside it is for other readers.
_PLAIN = {
    *("title", "description", "default", "enum", "const", "format", "pattern", "minLength", "maxLength", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "uniqueItems", "minProperties"),
    *("maxProperties", "required", "type"),
}
_SCHEMAS = {"items", "additionalProperties", "not", "contains", "propertyNames"}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
# Headers that say how a body is written, which is not for an agent to choose.
_OURS = {"accept", "content-type", "cookie", "user-agent", "origin", "referer"}
_SCALARS = (str, int, float, bool)


class WrongArguments(ValueError):  # noqa: N818  (reads as the sentence it is)
    """What a tool was called with makes no call; says why, for whoever called it."""


@dataclass(frozen=True, slots=True)
class Argument:
    """`where`: path, query, header or body; `name`: as the operation calls it there."""

    where: str
    name: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """`path` begins with a slash and has the query; `headers` are the operation's own."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a tool takes: `arguments` by the name in `schema`, and the media type of its body, "" for none."""

    method: str
    path: str
    description: str
    schema: Mapping[str, Any]
    arguments: Mapping[str, Argument]
    media_type: str = ""

    def call(self, given: Mapping[str, Any]) -> Call:
        """
        :raises WrongArguments: in a sentence.
        """
        if unknown := sorted(set(given) - set(self.arguments)):
            known = ", ".join(self.arguments) or "none"
            raise WrongArguments(f"There is no argument {unknown[0][:80]!r}; there are: {known}.")
        for name, argument in self.arguments.items():
            if argument.required and given.get(name) is None:
                raise WrongArguments(f"The argument {name!r} is missing.")
        path, query, sent, body = self.path, [], {}, None
        for name, value in given.items():
            argument = self.arguments[name]
            if value is None and argument.where != "body":
                continue
            if argument.where == "path":
                path = path.replace(f"{{{argument.name}}}", _segment(name, value))
            elif argument.where == "query":
                query += _pairs(argument.name, name, value)
            elif argument.where == "header":
                sent[argument.name] = _header(name, value)
            else:
                body = _body(value, self.media_type)
                sent["content-type"] = self.media_type
        joined = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in query)
        return Call(self.method, f"{path}?{joined}" if joined else path, sent, body)


def name_of(operation_id: str) -> str:
    """What an operation's tool is called where nobody says otherwise."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", operation_id).strip("_")[:MOST_NAME] or "operation"


def stands_in_the_way(path: str) -> bool:
    """Of an operation: whether it is called at PATH, where nobody would reach it any more."""
    first, *further = pieces(path)
    return not further and re.fullmatch("".join(re.escape(piece) if piece else "[^/]+" for piece in first), PATH[1:]) is not None


def shape(document: Content, *, method: str, path: str) -> Shape | None:
    """Of an operation that the document tells; None where it does not."""
    for found in operations(document):
        if (found.method, found.path) == (method, path):
            return _Reader(document).shape(found)
    return None


class _Reader:
    def __init__(self, document: Content) -> None:
        self.document = document
        # Schemas that others refer to, by where they stand, with the name under which the tool's schema has each.
        self._names: dict[str, str] = {}
        self._left = _MOST_PARTS

    def shape(self, found: Described) -> Shape:
        properties: dict[str, Any] = {}
        arguments: dict[str, Argument] = {}

        def take(where: str, name: str, schema: Any, *, required: bool) -> None:
            # One name may stand at two places.
            known = next(each for each in (name, f"{where}_{name}", f"{where}_{name}_") if each not in arguments)
            properties[known], arguments[known] = schema, Argument(where, name, required)

        for where, parameter in self._parameters(found):
            told = text(parameter.get("description"))
            schema = self._schema(_schema_of(parameter))
            if told and isinstance(schema, dict) and "$ref" not in schema:
                schema.setdefault("description", told[:MOST_DESCRIPTION])
            take(where, text(parameter.get("name")), schema, required=where == "path" or parameter.get("required") is True)
        media_type, body, required = self._body(found)
        if media_type:
            take(
                "body",
                "body",
                self._schema(body) if _is_json(media_type) or _is_form(media_type) else {"type": "string"},
                required=required,
            )
        return Shape(
            method=found.method,
            path=found.path,
            description=(found.description or found.summary)[:MOST_DESCRIPTION],
            schema=self._whole(properties, arguments),
            arguments=arguments,
            media_type=media_type,
        )

    def _whole(self, properties: dict[str, Any], arguments: Mapping[str, Argument]) -> dict[str, Any]:
        whole: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        if needed := [name for name, argument in arguments.items() if argument.required]:
            whole["required"] = needed
        if shared := self._shared():
            whole["$defs"] = shared
        if self._left < 0 or len(json.dumps(whole)) > MOST_SCHEMA:
            # Better a tool that says less of what it takes than one that fills an agent's memory.
            whole.pop("$defs", None)
            whole["properties"] = {name: _short(properties[name], argument) for name, argument in arguments.items()}
        return whole

    def _parameters(self, found: Described) -> Iterator[tuple[str, Content]]:
        for parameter in parameters(self.document, found):
            where, name = text(parameter.get("in")), text(parameter.get("name"))
            if where in {"path", "query"} or (where == "header" and not _is_ours(name)):
                yield where, parameter

    def _body(self, found: Described) -> tuple[str, Any, bool]:
        """Its media type, its schema, and whether it has to be there. JSON if there is some, else a form, else the first."""
        body = mapping(follow(self.document, found.content.get("requestBody")))
        content = mapping(body.get("content"))
        if content:
            chosen = min(content, key=lambda name: (not _is_json(name), not _is_form(name)))
            return _sent(chosen), mapping(content[chosen]).get("schema"), body.get("required") is True
        # Swagger 2.0.
        own = [each for each in parameters(self.document, found) if each.get("in") in {"body", "formData"}]
        whole = next((each for each in own if each.get("in") == "body"), None)
        if whole is not None:
            consumes = sequence(found.content.get("consumes")) or sequence(self.document.get("consumes"))
            media_type = next((each for each in consumes if isinstance(each, str)), "application/json")
            return _sent(media_type), whole.get("schema"), whole.get("required") is True
        if own:
            fields = {text(each.get("name")): _schema_of(each) for each in own}
            needed = [text(each.get("name")) for each in own if each.get("required") is True]
            form = {"type": "object", "properties": fields, "required": needed}
            return "application/x-www-form-urlencoded", form, bool(needed)
        return "", None, False

    # Schemas

    def _shared(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while waiting := [place for place, name in self._names.items() if name not in found]:
            for place in waiting:
                path = pointer(self.document, place)
                found[self._names[place]] = self._schema(None if path is None else value_at(self.document, path))
        return found

    def _schema(self, given: Any) -> Any:
        """As JSON Schema has it, whatever version of OpenAPI it is written in."""
        self._left -= 1
        if isinstance(given, bool):
            return given
        if not isinstance(given, dict) or self._left < 0:
            return {}
        if isinstance(reference := given.get("$ref"), str):
            return {"$ref": f"#/$defs/{self._name(reference)}"} if reference.startswith("#/") else {}
        found: dict[str, Any] = {word: value for word, value in given.items() if word in _PLAIN}
        for word in _SCHEMAS & given.keys():
            found[word] = self._schema(given[word])
        for word in _LISTS & given.keys():
            found[word] = [self._schema(each) for each in sequence(given[word])]
        if properties := mapping(given.get("properties")):
            # Of what is asked for alone: an answer's is not for agents to say.
            said = {name: each for name, each in properties.items() if mapping(each).get("readOnly") is not True}
            found["properties"] = {name: self._schema(each) for name, each in said.items()}
            if needed := [name for name in sequence(found.pop("required", None)) if name in said]:
                found["required"] = needed
        return _modern(found, given)

    def _name(self, reference: str) -> str:
        if reference not in self._names:
            last = re.sub(r"[^A-Za-z0-9_.-]+", "_", reference.rpartition("/")[2]) or "schema"
            taken = set(self._names.values())
            self._names[reference] = next(
                each for each in (last, *(f"{last}_{n}" for n in range(2, MAX_REFERENCE_HOPS * 100))) if each not in taken
            )
        return self._names[reference]


def _modern(found: dict[str, Any], given: Content) -> dict[str, Any]:
    """OpenAPI 3.0 says of a limit whether it is exclusive, and of a type beside it that it may be null."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(said := found.get(exclusive), bool):
            del found[exclusive]
            if said and limit in found:
                found[exclusive] = found.pop(limit)
    if given.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if "enum" in found and None not in found["enum"]:
            found["enum"] = [*found["enum"], None]
    if found.get("type") == "file":
        found["type"] = "string"
    return found


def _schema_of(parameter: Content) -> Any:
    """Swagger 2.0 has the words of a schema in the parameter itself."""
    if "schema" in parameter:
        return parameter["schema"]
    if content := mapping(parameter.get("content")):
        return mapping(next(iter(content.values()))).get("schema")
    return {word: value for word, value in parameter.items() if word in {*_PLAIN, *_SCHEMAS} - {"required"}}


def _short(schema: Any, argument: Argument) -> Any:
    kind = mapping(schema).get("type")
    if argument.where == "body":
        return {"type": "string"} if kind == "string" else {"description": "JSON. Its schema is too long to be told here."}
    return {"type": kind} if isinstance(kind, str) else {}


def _is_ours(name: str) -> bool:
    return headers.is_reserved_in_requests(name) or name.lower() in headers.CREDENTIALS | _OURS or not headers.NAME.fullmatch(name)


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _sent(media_type: str) -> str:
    """What the call says: a range such as */* names none."""
    found = _bare(media_type)
    return "application/json" if "*" in found or not headers.is_value(found) else found


def _is_json(media_type: str) -> bool:
    found = _sent(media_type)
    return found == "application/json" or found.endswith("+json")


def _is_form(media_type: str) -> bool:
    return _bare(media_type) == "application/x-www-form-urlencoded"


# What arguments become


def _segment(name: str, value: Any) -> str:
    """A parameter is one segment and never leads out of it: a gateway puts such paths in order before it looks at them."""
    found = _simple(name, value)
    if found in {"", ".", ".."} or any(each in found for each in "/\\") or not found.isprintable():
        raise WrongArguments(
            f"The argument {name!r} stands in the path: it can't be empty, . or .., nor hold a slash or a control character."
        )
    return quote(found, safe="")


def _pairs(parameter: str, name: str, value: Any) -> list[tuple[str, str]]:
    """As `style: form, explode: true` has them, which is OpenAPI's default; of an object each member by its own name."""
    if isinstance(value, list):
        return [(parameter, _text(name, each)) for each in value]
    if isinstance(value, dict):
        return [(key, _text(name, each)) for key, each in value.items()]
    return [(parameter, _text(name, value))]


def _header(name: str, value: Any) -> str:
    found = _simple(name, value)
    if not headers.is_value(found):
        raise WrongArguments(f"The argument {name!r} is a header: printable ASCII, without spaces around it.")
    return found


def _simple(name: str, value: Any) -> str:
    """As `style: simple` has it."""
    if isinstance(value, list):
        return ",".join(_text(name, each) for each in value)
    return _text(name, value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, _SCALARS):
        raise WrongArguments(f"The argument {name!r} takes text, numbers, true or false, or a list of these.")
    if isinstance(value, bool):
        return "true" if value else "false"
    found = str(value)
    if any("\ud800" <= each <= "\udfff" for each in found):
        raise WrongArguments(f"The argument {name!r} holds half of a character.")
    return found


def _body(value: Any, media_type: str) -> bytes:
    if _is_json(media_type):
        return json.dumps(value, ensure_ascii=True).encode()
    if _is_form(media_type) and isinstance(value, dict):
        pairs = [pair for key, each in value.items() for pair in _pairs(key, "body", each)]
        return "&".join(f"{quote(key, safe='')}={quote(each, safe='')}" for key, each in pairs).encode()
    return _text("body", value).encode()
