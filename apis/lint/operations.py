"""What a document says of its operations."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apis import contract
from apis.contract import Described
from apis.lint.examples import look_at_examples
from apis.lint.names import IN_ADDRESSES, look_at_style
from apis.lint.notes import Notes
from apis.openapi_references import mapping, resolve, sequence
from apis.openapi_source import Path
from apis.schemas import NAMED

# Words that tell what takes something's place, in languages that we know; a link does, too.
INSTEAD = re.compile(
    r"https?://|\b(?:instead|use|replac\w*|supersed\w*|successor|migrat\w*|no (?:alternative|replacement|substitute))\b"
    r"|\b(?:stattdessen|ersetzt|nachfolg\w*|verwenden?|nutzen?|ohne ersatz)\b|改用|代替|替代|请使用|取代",
    re.IGNORECASE,
)
# Of a description, what is searched.
SEARCHED = 5_000


@dataclass(frozen=True, slots=True)
class Placed:
    """An operation, what it is called in a sentence, and where it stands."""

    found: Described
    name: str
    at: Path


def look_at_operations(document: Mapping[str, Any], notes: Notes) -> None:
    operations = list(_placed(document))
    tags = {contract.text(mapping(tag).get("name")) for tag in sequence(document.get("tags"))}
    known = {word for each in operations for word in (each.found.path, contract.text(each.found.content.get("operationId")))} - {""}
    summaries: dict[str, str] = {}
    for each in operations:
        _texts(each, summaries, notes)
        _id(each, notes)
        _tags(each, tags, notes)
        _instead(each, known, notes)
        _proof(document, each, notes)
        _responses(each, notes)
    named = [(each.at, contract.text(each.found.content.get("operationId"))) for each in operations]
    look_at_style("operation-operationId-style", [each for each in named if each[1]], notes)
    look_at_examples(document, [(each.found, each.name, each.at) for each in operations], notes)


def _placed(document: Mapping[str, Any]) -> Iterator[Placed]:
    for found in contract.operations(document):
        item = resolve(document, ("paths", found.path)) or ("paths", found.path)
        yield Placed(found, f"{found.method} {found.path}", (*item, found.method.lower()))


def _texts(each: Placed, summaries: dict[str, str], notes: Notes) -> None:
    summary = " ".join(each.found.summary.split()).casefold()
    notes.look("operation-summary", each.at, wrong=not summary, operation=each.name)
    notes.look("operation-description", each.at, wrong=not each.found.description.strip(), operation=each.name)
    if summary:
        first = summaries.setdefault(summary, each.name)
        notes.look("operation-summary-unique", each.at, wrong=first != each.name, operation=each.name, other=first)


def _id(each: Placed, notes: Notes) -> None:
    name = contract.text(each.found.content.get("operationId"))
    notes.look("operation-operationId", each.at, wrong=not name, operation=each.name)
    if name:
        notes.look("operation-operationId-valid-in-url", each.at, wrong=not IN_ADDRESSES.fullmatch(name), name=name)


def _tags(each: Placed, described: set[str], notes: Notes) -> None:
    own = [tag for tag in sequence(each.found.content.get("tags")) if isinstance(tag, str)]
    notes.look("operation-tags", each.at, wrong=not own, operation=each.name)
    if own:
        missing = [tag for tag in own if tag not in described]
        notes.look("operation-tag-defined", each.at, wrong=bool(missing), operation=each.name, names=_listed(missing))


def _instead(each: Placed, known: set[str], notes: Notes) -> None:
    if not each.found.deprecated:
        return
    said = f"{each.found.summary} {each.found.description}"[:SEARCHED]
    own = {each.found.path, contract.text(each.found.content.get("operationId"))}
    words = {word.strip(".,;:!?'\"`“”()") for word in said.split()}
    named = not known.isdisjoint(words - own)
    notes.look("operation-deprecated-instead", each.at, wrong=not (named or INSTEAD.search(said)), operation=each.name)


def _proof(document: Mapping[str, Any], each: Placed, notes: Notes) -> None:
    alternatives = contract.security(document, each.found)
    notes.look("operation-security", each.at, wrong=not any(alternatives), operation=each.name)


def _responses(each: Placed, notes: Notes) -> None:
    statuses = [status.upper() for status in mapping(each.found.content.get("responses"))]
    success = any(re.fullmatch(r"[23](?:\d\d|XX)", status) for status in statuses)
    refusal = any(re.fullmatch(r"4(?:\d\d|XX)|DEFAULT", status) for status in statuses)
    notes.look("operation-success-response", each.at, wrong=not success, operation=each.name)
    notes.look("operation-4xx-response", each.at, wrong=not refusal, operation=each.name)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED])
