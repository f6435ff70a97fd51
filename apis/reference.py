"""A document's operations for reading: parameters, bodies and answers in words, and an example to send.

References are followed and `allOf` is put together. What has no end, or is more than a page can show, ends with “…”.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from apis import contract
from apis.contract import Content, Described, follow, text
from apis.examples import example, is_json
from apis.openapi_references import mapping, sequence
from apis.openapi_security import Requirement, required, schemes
from apis.schemas import FIELDS, MORE, NAMED, SHORT, WORD, Budget, Field, Schemas, Translate, cut

# Fields, parameters and answers: of one operation, and of all that are told together.
PER_OPERATION = 500
PER_PAGE = 20_000
# Characters of an operation's description.
LONG = 5_000


class Named(Protocol):
    """An operation as it is stored."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def operation_id(self) -> str: ...


class Tagged(Named, Protocol):
    """As it is stored, with what `first_tag` said of it."""

    @property
    def tag(self) -> str: ...


N = TypeVar("N", bound=Tagged)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parameter:
    """`where` is path, query, header or cookie; `example` is JSON, "" if none could be made."""

    name: str
    where: str
    required: bool
    deprecated: bool
    type: str
    description: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """`fields` is empty where the body is no object or array. `example` is text to send as it is, "" if none could be made."""

    media_type: str
    required: bool
    description: str
    type: str
    fields: tuple[Field, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Response:
    """`media_type` is "" where it has no body."""

    status: str
    description: str
    media_type: str
    type: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """`scopes`: alternatives, of each of which all are needed; () where none is. Descriptions are Markdown as given."""

    method: str
    path: str
    operation_id: str
    summary: str
    description: str
    tags: tuple[str, ...]
    deprecated: bool
    parameters: tuple[Parameter, ...]
    body: Body | None
    responses: tuple[Response, ...]
    scopes: Requirement


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """Operations with one first tag, or else one first segment of their path."""

    name: str
    description: str
    operations: tuple[T, ...]


def reference(document: Content, operations: Iterable[Named], *, gettext: Translate = str) -> tuple[Group[Operation], ...]:
    """All of these in full; of hundreds, better `groups`, and each by `describe` when it is asked for."""
    found = _by_place(document)
    reader = _Reader(document, gettext)
    told = [reader.operation(found[each.method, each.path], each) for each in operations if _has(found, each)]
    return _grouped(document, told, [each.tags for each in told])


def groups(document: Content, operations: Sequence[N]) -> tuple[Group[N], ...]:
    """The same groups of the operations as they are given: for a list of many.

    :param document: of it the tags are enough.
    """
    return _grouped(document, operations, [(each.tag,) if each.tag else () for each in operations])


def describe(document: Content, operation: Named, *, gettext: Translate = str) -> Operation | None:
    """One in full; None if the document does not have it."""
    found = _by_place(document)
    if not _has(found, operation):
        return None
    return _Reader(document, gettext).operation(found[operation.method, operation.path], operation)


def first_tag(operation: Described) -> str:
    """By which it is grouped, "" if it has none."""
    return next(iter(_tags(operation)), "")


def _by_place(document: Content) -> dict[tuple[str, str], Described]:
    return {(each.method, each.path): each for each in contract.operations(document)}


def _has(found: dict[tuple[str, str], Described], operation: Named) -> bool:
    return (operation.method, operation.path) in found


def _tags(operation: Described) -> tuple[str, ...]:
    return tuple(cut(text(tag), WORD) for tag in sequence(operation.content.get("tags"))[:NAMED] if text(tag))


def _grouped(document: Content, operations: Sequence[Any], tags: Sequence[tuple[str, ...]]) -> tuple[Group[Any], ...]:
    """In the order of the document's own list of tags, then as they come."""
    described = {text(tag.get("name")): text(tag.get("description")) for tag in map(mapping, sequence(document.get("tags")))}
    members: dict[str, list[Any]] = {name: [] for name in described}
    for operation, own in zip(operations, tags, strict=True):
        members.setdefault(own[0] if own else operation.path.split("/")[1] or "/", []).append(operation)
    return tuple(Group(name, cut(described.get(name, ""), LONG), tuple(each)) for name, each in members.items() if each)


class _Reader:
    """Tells operations of one document."""

    def __init__(self, document: Content, gettext: Translate) -> None:
        self.document, self.schemas, self.known = document, Schemas(document, gettext), schemes(document)
        self._page = Budget(PER_PAGE)
        self._own = Budget(PER_OPERATION)

    def _take(self) -> bool:
        return self._own.take() and self._page.take()

    def operation(self, found: Described, named: Named) -> Operation:
        self._own = Budget(PER_OPERATION)
        parameters = contract.parameters(self.document, found)
        return Operation(
            method=found.method,
            path=found.path,
            operation_id=named.operation_id,
            summary=cut(found.summary, WORD),
            description=cut(found.description, LONG),
            tags=_tags(found),
            deprecated=found.deprecated,
            parameters=tuple(self._parameters(parameters)),
            body=self._body(found, parameters),
            responses=tuple(self._responses(found)),
            scopes=required(contract.security(self.document, found), self.known),
        )

    def _parameters(self, given: Sequence[Content]) -> Iterator[Parameter]:
        for number, parameter in enumerate(each for each in given if each.get("in") not in {"body", "formData"}):
            if number >= FIELDS or not self._take():
                yield Parameter(MORE, MORE, required=False, deprecated=False, type=MORE, description="")
                return
            yield self._parameter(parameter)

    def _parameter(self, parameter: Content) -> Parameter:
        _, content = _media(parameter)
        # Swagger 2.0 has the words of a schema in the parameter itself.
        schema = self.schemas.of(parameter.get("schema") or content.get("schema") or ({} if content else parameter))
        return Parameter(
            name=cut(text(parameter.get("name")), WORD),
            where=cut(text(parameter.get("in")), WORD),
            required=parameter.get("required") is True,
            deprecated=parameter.get("deprecated") is True,
            type=self.schemas.type_of(schema),
            description=cut(text(parameter.get("description")), SHORT),
            example=example(self.schemas, "application/json", {**parameter, **content}, schema),
        )

    def _body(self, found: Described, parameters: Sequence[Content]) -> Body | None:
        body = mapping(follow(self.document, found.content.get("requestBody")))
        if body:
            media_type, content = _media(body)
            given: Any = content.get("schema")
        else:
            body = next((dict(each) for each in parameters if each.get("in") == "body"), {})
            consumes = sequence(found.content.get("consumes")) or sequence(self.document.get("consumes"))
            media_type, content, given = text(next(iter(consumes), "application/json")), {}, body.get("schema")
        if not body:
            return None
        schema = self.schemas.of(given)
        return Body(
            media_type=cut(media_type, WORD),
            required=body.get("required") is True,
            description=cut(text(body.get("description")), SHORT),
            type=self.schemas.type_of(schema),
            fields=self.schemas.fields(schema, hidden="readOnly", take=self._take),
            example=example(self.schemas, media_type, content, schema),
        )

    def _responses(self, found: Described) -> Iterator[Response]:
        for status, given in sorted(mapping(found.content.get("responses")).items())[:FIELDS]:
            if not self._take():
                yield Response(MORE, "", "", "", ())
                return
            response = mapping(follow(self.document, given))
            media_type, content = _media(response)
            held = content.get("schema", response.get("schema"))
            schema = self.schemas.of(held)
            yield Response(
                status=cut(status, WORD),
                description=cut(text(response.get("description")), SHORT),
                media_type=cut(media_type, WORD),
                type=self.schemas.type_of(schema) if held is not None else "",
                fields=self.schemas.fields(schema, hidden="writeOnly", take=self._take) if held is not None else (),
            )


def _media(given: Content) -> tuple[str, dict[str, Any]]:
    """JSON if there is some, else the first."""
    content = mapping(given.get("content"))
    names = sorted(content, key=lambda name: (name.partition(";")[0].lower() != "application/json", not is_json(name)))
    return (names[0], mapping(content[names[0]])) if names else ("", {})
