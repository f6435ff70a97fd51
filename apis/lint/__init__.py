"""Rules on documents that the import has accepted: what makes an API hard to find, to understand or to use.

Nothing here stops an import. What a tenant makes of the rules (which it switches off, which block publishing) is applied when the
findings are shown (`standing`), so that they are found once, where the document is read: in the limited process, which has the text at
hand for lines and columns, bounds what a hostile document costs, and works before anybody holds the tenant's lock. The work grows with
the size of the document, and circles in references end.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from apis.findings import Lint
from apis.lint.components import look_at_document
from apis.lint.names import look_at_paths
from apis.lint.notes import Notes
from apis.lint.operations import look_at_operations
from apis.openapi import Document, accept, load_as_openapi
from apis.openapi_source import MAX_BYTES, Path, Place, Tell, silent


def lint(document: Mapping[str, Any], *, place: Callable[[Path], Place], gateway: str = "") -> Lint:
    """
    :param place: line and column of a part of it.
    :param gateway: where gateways are called; servers there are not others.
    """
    notes = Notes(place)
    look_at_document(document, notes, gateway=gateway)
    look_at_paths(document, notes)
    look_at_operations(document, notes)
    return notes.lint()


def without_lines(document: Document) -> Document:
    """Where its author wrote no text: lines would mean nothing to them."""
    return replace(document, lint=document.lint and document.lint.without_lines())


def parse(text: str, *, gateway: str = "", most_bytes: int = MAX_BYTES, tell: Tell = silent) -> Document:
    """`apis.openapi.parse`, with what the rules find. Raises DocumentError."""
    source, notes = load_as_openapi(text, most_bytes=most_bytes, tell=tell)
    document = accept(source, notes, tell=tell)
    return replace(document, lint=lint(document.content, place=source.place, gateway=gateway))
