"""What each operation of a document answers while there is no upstream: its first success, with an example of it.

For documents that the import has accepted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from apis import contract
from apis.contract import Content, Described, follow
from apis.examples import ANSWER, given, is_json, made_up
from apis.openapi_references import mapping
from apis.schemas import SMALL_VALUES, Schemas

# Bytes of one answer, and of all that a document gives: gateways keep them in memory.
MOST = 64 * 1024
MOST_TOGETHER = 1024 * 1024
# So much is kept for each that has none of its own, less where there are many; made up, a value takes about so much of it.
RESERVE = 8 * 1024
PER_VALUE = 48
# Statuses that never have content (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
EMPTY = frozenset({204, 205, 304})
# Further ones are not tried where none of these can be written.
MEDIA_TYPES = 20
# What may stand in a header as it is: no quoted parameter, and no percent sign, which begins a command in Envoy's header values.
_TOKEN = "[A-Za-z0-9!#$&^_.+-]{1,80}"  # nosec B105  (a pattern of tokens, RFC 9110 §5.6.2)
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}(?:; ?{_TOKEN}={_TOKEN}){{0,4}}")
_RANGES = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain"}


class Origin(StrEnum):
    """Where a body comes from. `left_out`: there is an example, and it is more than gateways keep."""

    GIVEN = "given"
    MADE_UP = "made_up"
    NONE = "none"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` as it is sent; "" and no `media_type` where the answer has none."""

    status: int
    media_type: str = ""
    body: str = ""
    origin: Origin = Origin.NONE


def answers(document: Content) -> dict[str, Answer]:
    """By method and path, as in “GET /orders”, in the document's order.

    Where all together are too much, those that come late have made-up answers in place of large examples.
    """
    schemas, left = Schemas(document, str), MOST_TOGETHER
    operations = list(contract.operations(document))
    reserve = min(RESERVE, MOST_TOGETHER // max(1, len(operations)))
    found = {}
    for waiting, operation in zip(reversed(range(len(operations))), operations, strict=True):
        answer = _answer(schemas, operation, min(MOST, left - waiting * reserve), reserve)
        left -= len(answer.body.encode())
        found[f"{operation.method} {operation.path}"] = answer
    return found


def _answer(schemas: Schemas, operation: Described, most: int, reserve: int) -> Answer:
    """
    :param most: bytes of an example. :param reserve: bytes of one that is made up.
    """
    status, response = _success(schemas.document, operation)
    if status in EMPTY:
        return Answer(status)
    left_out = False
    for media_type, content, described in _contents(response):
        sent_as, schema = _sent_as(media_type), schemas.of(described)
        if not sent_as:
            continue
        own = [*given(schemas, sent_as, content, schema, characters=MOST, values=MOST // 8)]
        if body := next((each for each in own if len(each.encode()) <= most), ""):
            return Answer(status, sent_as, body, Origin.GIVEN)
        left_out = left_out or bool(own) or "example" in content or "examples" in content
        if described is not None and _can_be_made_up(sent_as):
            body = made_up(schemas, sent_as, schema, hidden=ANSWER, values=min(SMALL_VALUES, reserve // PER_VALUE))
            if body and len(body.encode()) <= reserve:
                return Answer(status, sent_as, body, Origin.MADE_UP)
            left_out = left_out or bool(body)
    return Answer(status, origin=Origin.LEFT_OUT if left_out else Origin.NONE)


def _success(document: Content, operation: Described) -> tuple[int, Content]:
    """The lowest 2xx; else what stands for all of them, or for all there are; else the lowest 3xx. 200 with nothing where none is told."""
    told = mapping(operation.content.get("responses"))
    exact = sorted(name for name in told if re.fullmatch("[23][0-9]{2}", name))
    names = [*(each for each in exact if each[0] == "2"), "2XX", "default", *(each for each in exact if each[0] == "3")]
    name = next((each for each in names if each in told), "")
    return int(name) if name.isdigit() else 200, mapping(follow(document, told.get(name)))


def _contents(response: Content) -> Iterator[tuple[str, Content, Any]]:
    """Media types, what stands at each, and its schema; JSON first."""
    content = mapping(response.get("content"))
    for name in sorted(content, key=lambda name: not is_json(name))[:MEDIA_TYPES]:
        described = mapping(content[name])
        yield name, described, described.get("schema")


def _sent_as(media_type: str) -> str:
    """As the header has it: parameters that it can't have are taken off; "" where it is no media type."""
    name = media_type.strip()
    if not _MEDIA_TYPE.fullmatch(name):
        name = name.partition(";")[0].strip()
    name = _RANGES.get(name, name)
    return name if _MEDIA_TYPE.fullmatch(name) else ""


def _can_be_made_up(media_type: str) -> bool:
    """A made-up text is no picture."""
    return is_json(media_type) or media_type.startswith(("text/", "application/x-www-form-urlencoded"))
