"""Swagger 2.0 documents as OpenAPI 3.0, each part with the place where its author wrote it.

By the two specifications: https://spec.openapis.org/oas/v2.0.html and https://spec.openapis.org/oas/v3.0.4.html. What the
newer one has no words for is told in notes.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from apis.openapi_references import mapping, pointer, resolve, sequence, value_at
from apis.openapi_source import DocumentError, Path, Problem, Source, quote
from apis.swagger_schemas import Schemas, safe_names

VERSION = "3.0.3"

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
# OpenAPI 3.0.4, section 4.8.10.1: in requests of these a body has no meaning that HTTP defines.
BODILESS = ("get", "delete", "head")
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
FLOWS = {"implicit": "implicit", "password": "password", "application": "clientCredentials", "accessCode": "authorizationCode"}  # nosec B105  (names of OAuth flows)
IN_BODY = ("body", "formData")


class _Given(NamedTuple):
    """A parameter as an operation names it, where that is, and what it is in the end."""

    entry: dict[str, Any]
    at: int
    target: dict[str, Any]
    # Its name among the document's own parameters, if it stands there.
    shared: str


def is_swagger(source: Source) -> bool:
    return isinstance(source.value, dict) and "swagger" in source.value


def convert(source: Source) -> tuple[Source, tuple[Problem, ...]]:
    """The document as OpenAPI 3.0, and notes: that it is one, and what could not be carried over.

    :param source: in the form that Swagger 2.0 prescribes (openapi_schema.py), and its references lead somewhere.
    :raises DocumentError: for what Swagger 2.0 forbids and its schema can't.
    """
    made = _Converter(source)
    document = made.document()
    if made.problems:
        raise DocumentError(made.problems)
    first = Problem(*source.place(("swagger",)), "This is Swagger 2.0. It is kept as OpenAPI 3.0.")
    return Source(document, source.start, made.places), (first, *made.told())


class _Converter(Schemas):
    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.parameter_names = safe_names(mapping(self.root.get("parameters")))
        self.response_names = safe_names(mapping(self.root.get("responses")))
        self.scheme_names = safe_names(mapping(self.root.get("securityDefinitions")))

    def document(self) -> dict[str, Any]:
        root, new = self.root, self.made()
        start = self.at(root, "swagger")
        self.put(new, "openapi", VERSION, start)
        self.keep(new, root, "info", "tags", "externalDocs")
        if servers := self.servers(root):
            self.put(new, "servers", servers, self.at(root, "host" if "host" in root else "basePath"))
        self.security(new, root)
        paths = self.made()
        for path, item, at in self.members(root["paths"]):
            self.put(paths, path, item if path.startswith("x-") else self.path_item(path), at)
        self.put(new, "paths", paths, self.at(root, "paths"))
        if components := self.components():
            self.put(new, "components", components, start)
        return new

    def servers(self, node: dict[str, Any]) -> list[Any]:
        """Of the document, or of an operation that has schemes of its own."""
        host, base = self.root.get("host", ""), self.root.get("basePath", "").rstrip("/")
        owner = node if "schemes" in node else self.root
        schemes = [(f"{scheme}:", self.at(owner["schemes"], index)) for index, scheme in enumerate(owner.get("schemes", ()))]
        if not host:
            if schemes and owner is node:
                self.note(self.at(node, "schemes"), "Without “host” the schemes say nothing in OpenAPI 3.0; they are left out.")
            schemes = [("", self.at(self.root, "basePath"))] if base and node is self.root else []
        elif not schemes:
            schemes = [("", self.at(self.root, "host"))]
        authority = f"//{host}" if host else ""
        return self.listed((self.one("url", f"{scheme}{authority}{base}", at), at) for scheme, at in schemes)

    def security(self, new: dict[str, Any], node: dict[str, Any]) -> None:
        """Of the document or an operation, by the names that its schemes have now."""
        if "security" not in node:
            return
        made = []
        for index, alternative in enumerate(node["security"]):
            schemes = self.made()
            for name, scopes, at in self.members(alternative):
                self.put(schemes, self.scheme_names.get(name, name), scopes, at)
            made.append((schemes, self.at(node["security"], index)))
        self.put(new, "security", self.listed(made), self.at(node, "security"))

    # What is shared

    def components(self) -> dict[str, Any]:
        new = self.made()
        produces = sequence(self.root.get("produces"))
        self.component(new, "responses", "responses", self.response_names, lambda given: self.response(given, produces))
        self.component(new, "parameters", "parameters", self.parameter_names, self.shared_parameter)
        self.component(new, "securityDefinitions", "securitySchemes", self.scheme_names, self.security_scheme)
        self.component(new, "definitions", "schemas", self.schema_names, self.schema)
        if self.waiting:
            if "schemas" not in new:
                self.put(new, "schemas", self.made(), self.waiting[0][1])
            self.found_schemas(new["schemas"])
        return new

    def component(self, new: dict[str, Any], section: str, kind: str, names: dict[str, str], make: Any) -> None:
        made = self.made()
        for name, given, at in self.members(self.root.get(section)):
            if (value := make(given)) is None:
                continue
            if names[name] != name:
                self.note(at, f"OpenAPI 3.0 allows no such name; {quote(name)} is called {quote(names[name])}.")
            self.put(made, names[name], value, at)
        if made:
            self.put(new, kind, made, self.at(self.root, section))

    def shared_parameter(self, given: dict[str, Any]) -> dict[str, Any] | None:
        # Bodies and fields of forms go to the operations.
        return None if given["in"] in IN_BODY else self.parameter(given)

    def security_scheme(self, given: dict[str, Any]) -> dict[str, Any]:
        new = self.made()
        at = self.at(given, "type")
        self.keep(new, given, "description")
        if given["type"] == "basic":
            self.put(new, "type", "http", at)
            self.put(new, "scheme", "basic", at)
        elif given["type"] == "apiKey":
            self.keep(new, given, "type", "name", "in")
        else:
            flow = self.made()
            self.put(flow, "scopes", self.made(), self.at(given, "flow"))
            for key, value, place in self.members(given):
                if key in ("authorizationUrl", "tokenUrl", "scopes"):
                    self.put(flow, key, value, place)
            self.keep(new, given, "type")
            self.put(new, "flows", self.one(FLOWS[given["flow"]], flow, self.at(given, "flow")), self.at(given, "flow"))
        return new

    # Paths

    def path_item(self, path: str) -> dict[str, Any]:
        new = self.made()
        match place := resolve(self.root, ("paths", path)):
            case ("paths", str(name)) if name.startswith("/"):
                item = value_at(self.root, place)
            case _:
                self.refuse(self.at(self.root["paths"], path), "The reference leads to something that is no path.")
                return new
        self.keep(new, item)
        shared = list(self.given(item))
        self.plain_parameters(new, item, shared)
        for method, operation, at in self.members(item):
            if method in METHODS:
                self.put(new, method, self.operation(method, operation, [each for each in shared if each.target["in"] in IN_BODY]), at)
        return new

    def operation(self, method: str, given: dict[str, Any], inherited: list[_Given]) -> dict[str, Any]:
        new = self.made()
        self.keep(new, given, "tags", "summary", "description", "externalDocs", "operationId", "deprecated")
        own = list(self.given(given))
        self.plain_parameters(new, given, own)
        if parts := _together(inherited, [each for each in own if each.target["in"] in IN_BODY]):
            self.put(new, "requestBody", self.request_body(given, parts), parts[0].at)
            if method in BODILESS:
                self.note(parts[0].at, f"OpenAPI 3.0 gives a body no meaning in {method.upper()} requests.")
        responses = self.made()
        produces = sequence(given.get("produces", self.root.get("produces")))
        for status, response, at in self.members(given["responses"]):
            self.put(responses, status, response if status.startswith("x-") else self.answer(response, produces), at)
        self.put(new, "responses", responses, self.at(given, "responses"))
        self.security(new, given)
        if "schemes" in given and (servers := self.servers(given)):
            self.put(new, "servers", servers, self.at(given, "schemes"))
        return new

    # Parameters

    def given(self, node: dict[str, Any]) -> Iterator[_Given]:
        for index, entry in enumerate(node.get("parameters", ())):
            at = self.at(node["parameters"], index)
            if "$ref" not in entry:
                yield _Given(entry, at, entry, "")
                continue
            match place := self.target(entry):
                case ("parameters", str(name)):
                    yield _Given(entry, at, value_at(self.root, place), name)
                case ("paths", str(), "parameters", int()) | ("paths", str(), str(), "parameters", int()) if _is_plain(place):
                    yield _Given(entry, at, value_at(self.root, place), "")
                case _:
                    self.refuse(at, "The reference leads to something that is no parameter.")

    def target(self, node: dict[str, Any]) -> Path:
        """What a reference leads to in the end."""
        place = pointer(self.root, node["$ref"])
        return (resolve(self.root, place) if place else None) or ()

    def plain_parameters(self, new: dict[str, Any], node: dict[str, Any], given: list[_Given]) -> None:
        """Those that stay parameters."""
        plain = [each for each in given if each.target["in"] not in IN_BODY]
        if plain:
            made = self.listed((self.parameter_or_reference(each), each.at) for each in plain)
            self.put(new, "parameters", made, self.at(node, "parameters"))

    def parameter_or_reference(self, given: _Given) -> dict[str, Any]:
        if not given.shared:
            return self.parameter(given.target)
        return self.one("$ref", f"#/components/parameters/{self.parameter_names[given.shared]}", self.at(given.entry, "$ref"))

    def parameter(self, given: dict[str, Any]) -> dict[str, Any]:
        new = self.made()
        self.keep(new, given, "name", "in", "description", "required", "allowEmptyValue")
        self.put(new, "schema", self.value(given), self.at(given, "name"))
        if given["type"] == "array" and given["in"] == "query":
            at = self.at(given, "collectionFormat" if "collectionFormat" in given else "type")
            style, explode = self.style(given, at)
            self.put(new, "style", style, at)
            self.put(new, "explode", explode, at)
        else:
            self.only_csv(given)
        return new

    def request_body(self, operation: dict[str, Any], parts: list[_Given]) -> dict[str, Any]:
        consumes = sequence(operation.get("consumes", self.root.get("consumes")))
        bodies = [each for each in parts if each.target["in"] == "body"]
        if bodies and len(parts) > 1:
            said = "An operation has at most one parameter with in: body, and none with in: formData beside it."
            self.refuse(parts[1].at, said)
        return self.body(bodies[0].target, consumes) if bodies else self.form(operation, parts, consumes)

    def body(self, given: dict[str, Any], consumes: list[str]) -> dict[str, Any]:
        new, content = self.made(), self.made()
        self.keep(new, given, "description", "required")
        at = self.at(given, "schema")
        media = self.one("schema", self.schema(given["schema"]), at)
        for name in consumes or ["application/json"]:
            self.put(content, name, media, at)
        self.put(new, "content", content, at)
        # No wire has it, but generators of code name an argument by it.
        self.put(new, "x-codegen-request-body-name", given["name"], self.at(given, "name"))
        return new

    def form(self, operation: dict[str, Any], fields: list[_Given], consumes: list[str]) -> dict[str, Any]:
        new, content, first = self.made(), self.made(), fields[0].at
        kinds = [name for name in consumes if name in (FORM, MULTIPART)] or [FORM]
        if any(each.target["type"] == "file" for each in fields):
            kinds = [MULTIPART]
        if left_out := [name for name in operation.get("consumes", ()) if name not in kinds]:
            said = f"Fields of a form are sent as {' or '.join(kinds)}; {', '.join(map(quote, left_out))} is left out."
            self.note(self.at(operation, "consumes"), said)
        schema = self.one("type", "object", first)
        properties, encoding = self.made(), self.made()
        for each in fields:
            self.put(properties, each.target["name"], self.field(each.target), each.at)
            if each.target["type"] == "array":
                self.field_style(each.target, kinds, encoding)
        self.put(schema, "properties", properties, first)
        if required := [(each.target["name"], each.at) for each in fields if each.target.get("required")]:
            self.put(schema, "required", self.listed(required), required[0][1])
            self.put(new, "required", value=True, at=required[0][1])
        for kind in kinds:
            media = self.one("schema", schema, first)
            if encoding and kind == FORM:
                self.put(media, "encoding", encoding, first)
            self.put(content, kind, media, first)
        self.put(new, "content", content, first)
        return new

    def field(self, given: dict[str, Any]) -> dict[str, Any]:
        new = self.value(given)
        self.keep(new, given, "description")
        if given.get("allowEmptyValue"):
            said = "OpenAPI 3.0 has allowEmptyValue in queries only; it is left out of this field."
            self.note(self.at(given, "allowEmptyValue"), said)
        return new

    def field_style(self, given: dict[str, Any], kinds: list[str], encoding: dict[str, Any]) -> None:
        at = self.at(given, "collectionFormat" if "collectionFormat" in given else "type")
        style, explode = self.style(given, at)
        if not explode and MULTIPART in kinds:
            self.note(at, f"OpenAPI 3.0 describes a list in {MULTIPART} as one field per entry, never as one field.")
        if not explode and FORM in kinds:
            made = self.one("style", style, at)
            self.put(made, "explode", explode, at)
            self.put(encoding, given["name"], made, at)

    # Responses

    def answer(self, given: dict[str, Any], produces: list[str]) -> dict[str, Any]:
        """A response of an operation: a shared one stays a reference, unless its media types are others here."""
        if "$ref" not in given:
            return self.response(given, produces)
        match place := self.target(given):
            case ("responses", str(name)) if produces == sequence(self.root.get("produces")):
                return self.one("$ref", f"#/components/responses/{self.response_names[name]}", self.at(given, "$ref"))
            case ("responses", str()):
                return self.response(value_at(self.root, place), produces)
            case ("paths", str(), str(), "responses", str()) if _is_plain(place):
                return self.response(value_at(self.root, place), produces)
        self.refuse(self.at(given, "$ref"), "The reference leads to something that is no response.")
        return self.made()

    def response(self, given: dict[str, Any], produces: list[str]) -> dict[str, Any]:
        new, content = self.made(), self.made()
        self.keep(new, given, "description")
        schema = self.schema(given.get("schema"))
        examples = mapping(given.get("examples"))
        for name in (*(produces or ["*/*"] if "schema" in given else ()), *examples):
            media, of = self.made(), "schema" if "schema" in given else "examples"
            if "schema" in given:
                self.put(media, "schema", schema, self.at(given, "schema"))
            if name in examples:
                self.put(media, "example", examples[name], self.at(examples, name))
            self.put(content, name, media, self.at(given, of))
        if content:
            self.put(new, "content", content, self.at(given, "schema" if "schema" in given else "examples"))
        if "headers" in given:
            headers = self.made()
            for name, header, at in self.members(given["headers"]):
                self.put(headers, name, self.header(header, at), at)
            self.put(new, "headers", headers, self.at(given, "headers"))
        return new

    def header(self, given: dict[str, Any], at: int) -> dict[str, Any]:
        new = self.made()
        self.keep(new, given, "description")
        self.only_csv(given)
        self.put(new, "schema", self.value(given), at)
        return new


def _together(inherited: list[_Given], own: list[_Given]) -> list[_Given]:
    """The parts of a body: those of the operation, and those of its path that it doesn't replace."""
    names = {(each.target["name"], each.target["in"]) for each in own}
    return [*(each for each in inherited if (each.target["name"], each.target["in"]) not in names), *own]


def _is_plain(path: Path) -> bool:
    """Whether no extension, which may hold anything, is on the way."""
    return not any(isinstance(step, str) and step.startswith("x-") for step in path)
