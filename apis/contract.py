"""A document's operations as callers meet them: what their path shares with them, and references followed.

For documents that the import has accepted; what it would have refused is passed over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from apis.openapi import METHODS, made_up_id
from apis.openapi_references import MAX_REFERENCE_HOPS, mapping, pointer, sequence, value_at

# JSON.
Content: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Described:
    """An operation in its document; `item` is what it shares with the other methods of its path."""

    method: str
    path: str
    operation_id: str
    content: Content
    item: Content

    @property
    def summary(self) -> str:
        return text(self.content.get("summary", self.item.get("summary")))

    @property
    def description(self) -> str:
        return text(self.content.get("description", self.item.get("description")))

    @property
    def deprecated(self) -> bool:
        return self.content.get("deprecated") is True


def operations(document: Content) -> Iterator[Described]:
    """In the order of the document. Those without an id have the one that the import made up, but where two make up the same."""
    items = [(path, mapping(follow(document, item))) for path, item in mapping(document.get("paths")).items() if path.startswith("/")]
    found = [(method, path, item) for path, item in items for method in METHODS if isinstance(item.get(method.lower()), dict)]
    contents = [item[method.lower()] for method, _, item in found]
    taken = {text(content.get("operationId")) for content in contents}
    for (method, path, item), content in zip(found, contents, strict=True):
        operation_id = text(content.get("operationId")) or made_up_id(method, path, taken)
        taken.add(operation_id)
        yield Described(method, path, operation_id, content, item)


def parameters(document: Content, operation: Described) -> list[Content]:
    """Those of the path, then its own; of two with one name in one place, its own."""
    found = {}
    for given in (*sequence(operation.item.get("parameters")), *sequence(operation.content.get("parameters"))):
        parameter = mapping(follow(document, given))
        found[text(parameter.get("name")), text(parameter.get("in"))] = parameter
    return list(found.values())


def security(document: Content, operation: Described) -> list[Content]:
    """Alternatives, each from the name of a scheme to scopes."""
    given = operation.content.get("security", document.get("security"))
    return [mapping(alternative) for alternative in sequence(given)]


def follow(document: Content, node: Any) -> Any:
    """Where a value that may be a reference leads; None: to nothing, or to itself."""
    for _ in range(MAX_REFERENCE_HOPS):
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str):
            return node
        path = pointer(document, reference)
        node = None if path is None else value_at(document, path)
    return None


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""
