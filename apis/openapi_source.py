"""The text of a document as plain values, with the place of each of them.

YAML is read by the rules of YAML 1.2's core schema, which OpenAPI asks for (so `no` and `12:30` are text), from the
parser's events: no object is constructed that could be attacked, nothing is expanded, nothing recurses, and one place
costs a few bytes.
"""

import json
import math
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

import yaml

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 64
MAX_PROBLEMS = 20
# The longest double written out in full has 309 digits; Python refuses to convert more than 4,300.
MAX_NUMBER = 400

Path = tuple[str | int, ...]
Place = tuple[int, int]
# The packed place of each member of a mapping, or of each entry of a list.
Places: TypeAlias = "dict[str, int] | array[int]"
# What stands there ("{", "[", "}", "]", "quoted", "plain"), its text, its place.
Event = tuple[str, str, Place]
# Hears how much is done, from 0 to 1.
Tell: TypeAlias = Callable[[float], None]
# So many events come between.
TOLD_EVERY = 10_000

UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

JSON_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
JSON_NESTING = re.compile(rf"{JSON_STRING}|([\[{{])|([\]}}])", re.DOTALL)
JSON_TOKEN = re.compile(rf'[\s:,]*+(?:([\[\]{{}}])|({JSON_STRING})|([^\s:,\[\]{{}}"]++))', re.DOTALL)
JSON_PLAIN = re.compile(r"true|false|null|-?[0-9.eE+-]+")

# YAML 1.2.2, section 10.3.2 (core schema)
WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in a sentence for the author of the document. Line and column count from 1."""

    line: int
    column: int
    message: str


class DocumentError(Exception):
    """The document can't be used. `problems` has 1 to 20 of the reasons, in the order of their lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        first = self.problems[0]
        return f"Line {first.line}, column {first.column}: {first.message}"


@dataclass(frozen=True, slots=True)
class Source:
    """A document's value, made of dict, list, str, int, float, bool and None, and where each part stands."""

    value: Any
    start: Place
    places: dict[int, Places]

    def place(self, path: Path) -> Place:
        """Where a member's key or a list's entry stands. A path that ends in nothing gets the last place on the way."""
        node, place = self.value, self.start
        for step in path:
            try:
                packed = self.places[id(node)][step]  # type: ignore[index]
                node = node[step]
            except (KeyError, IndexError, TypeError):
                break
            place = unpack(packed)
        return place


def refuse(place: Place, message: str) -> DocumentError:
    """The error with this one problem, to raise."""
    return DocumentError([Problem(*place, message)])


def decode(raw: bytes, *, most_bytes: int = MAX_BYTES) -> str:
    """The text of an uploaded file. Raises DocumentError when it is too large or not UTF-8."""
    refuse_large(len(raw), most_bytes)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refuse((1, 1), "The document is in UTF-16. Save it as UTF-8.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        raise refuse((line, column), "The document isn't UTF-8 text from here on. Save it as UTF-8.") from None


def refuse_large(size: int, most_bytes: int) -> None:
    """Raises DocumentError for more than that."""
    if size > most_bytes:
        raise refuse((1, 1), f"The document is larger than {most_bytes // 1024 // 1024} MB.")


def silent(_done: float) -> None:
    """For who doesn't want to know how much is done."""


def load(text: str, *, most_bytes: int = MAX_BYTES, tell: Tell = silent) -> Source:
    """Read JSON or YAML. Raises DocumentError for text that is neither, and for values that JSON can't hold."""
    refuse_large(len(text.encode("utf-8", "surrogatepass")), most_bytes)
    text = text.removeprefix("\ufeff")
    _refuse_unreadable(text)
    start = text.lstrip()
    if not start:
        raise refuse((1, 1), "The document is empty.")
    if re.match("<[!?a-zA-Z]", start):
        raise refuse(
            (1, 1),
            "This is an HTML or XML page, not an OpenAPI document. Use the file itself, not the page that shows it.",
        )
    return _load_json(text, tell) if start.startswith(("{", "[")) else _build(_yaml_events(text, tell))


def _refuse_unreadable(text: str) -> None:
    if found := UNREADABLE.search(text):
        name = "a NUL byte" if found[0] == "\0" else f"the character U+{ord(found[0]):04X}"
        raise refuse(_Lines(text).place(found.start()), f"The document has {name} here, which no text file should hold.")


class _Lines:
    """Turns an offset into line and column."""

    def __init__(self, text: str) -> None:
        self.starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]

    def place(self, offset: int) -> Place:
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


def _load_json(text: str, tell: Tell) -> Source:
    lines = _Lines(text)
    # Before Python's own reader, which recurses.
    _refuse_deep_json(text, lines)
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise refuse((error.lineno, error.colno), f"This isn't valid JSON: {error.msg}.") from None
    return _build(_json_events(text, lines, tell))


def _refuse_deep_json(text: str, lines: _Lines) -> None:
    depth = 0
    for found in JSON_NESTING.finditer(text):
        if found[1]:
            depth += 1
            _refuse_deep(depth, lines.place(found.start()))
        elif found[2]:
            depth -= 1


def _refuse_deep(depth: int, place: Place) -> None:
    if depth > MAX_DEPTH:
        raise refuse(place, f"The document is nested more than {MAX_DEPTH} levels deep here.")


def _json_events(text: str, lines: _Lines, tell: Tell) -> Iterator[Event]:
    """The events of a text that Python's reader has found to be JSON."""
    # Spaces at the end are before nothing: each would be looked at again from the next one on.
    for count, found in enumerate(JSON_TOKEN.finditer(text, 0, len(text.rstrip()))):
        if not count % TOLD_EVERY:
            tell(found.start() / len(text))
        place = lines.place(found.start(found.lastindex or 0))
        if found[1]:
            yield found[1], "", place
        elif found[2]:
            yield "quoted", json.loads(found[2]) if "\\" in found[2] else found[2][1:-1], place
        elif JSON_PLAIN.fullmatch(found[3]):
            yield "plain", found[3], place
        else:
            # Python reads NaN and Infinity; RFC 8259 has no such values.
            raise refuse(place, f"This isn't valid JSON: {found[3]} is not a value of JSON.")


def _yaml_events(text: str, tell: Tell) -> Iterator[Event]:
    documents = 0
    try:
        for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            if not count % TOLD_EVERY:
                # libyaml counts characters, and leaves the mark out of some events.
                tell(event.start_mark.index / len(text) if event.start_mark else 0)
            place = _place(event.start_mark)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise refuse(place, "A second YAML document starts here. Only one can be read.")
            elif translated := _translate(event, place):
                yield translated
    except yaml.MarkedYAMLError as error:
        raise refuse(_place(error.problem_mark), _yaml_sentence(error)) from None
    except yaml.YAMLError:
        raise refuse((1, 1), "This isn't valid YAML.") from None


def _place(mark: Any) -> Place:
    """The place of libyaml's mark, which counts from 0. Some of its errors have none."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _yaml_sentence(error: yaml.MarkedYAMLError) -> str:
    parts = [part for part in (error.problem, error.context) if part]
    return f"This isn't valid YAML: {', '.join(parts)}."


def _translate(event: yaml.Event, place: Place) -> Event | None:
    """A YAML event as ours; None for those that carry nothing."""
    if isinstance(event, yaml.AliasEvent):
        raise refuse(
            place,
            f"YAML aliases (*{event.anchor}) are not read, because a few of them can unfold to gigabytes. Use $ref.",
        )
    if isinstance(event, yaml.CollectionEndEvent):
        return "}" if isinstance(event, yaml.MappingEndEvent) else "]", "", place
    if not isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
        return None
    if event.tag not in (None, "tag:yaml.org,2002:str"):
        tag = quote(event.tag.replace("tag:yaml.org,2002:", "!!"))
        raise refuse(place, f"The YAML tag {tag} is not read. Leave it out.")
    if isinstance(event, yaml.CollectionStartEvent):
        return "{" if isinstance(event, yaml.MappingStartEvent) else "[", "", place
    return "plain" if event.implicit[0] else "quoted", event.value, place


class _Open:
    """A mapping or list that isn't closed yet, and in a mapping the key that waits for its value."""

    __slots__ = ("container", "key", "places")

    def __init__(self, container: Any, places: Any) -> None:
        self.container = container
        self.places = places
        self.key: str | None = None


class _Builder:
    """Makes the value of a document from its events, without recursion."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.places: dict[int, Places] = {}
        self.stack: list[_Open] = []
        self.root: Any = None
        self.start: Place | None = None

    def add(self, kind: str, text: str, place: Place) -> None:
        if kind in "]}":
            self.stack.pop()
        elif self.stack and self.stack[-1].key is None and isinstance(self.stack[-1].container, dict):
            self._add_key(self.stack[-1], kind, text, place)
        elif kind in "[{":
            self._open(kind, place)
        else:
            self._put(self._scalar(kind, text, place), place)

    def _add_key(self, mapping: _Open, kind: str, text: str, place: Place) -> None:
        if kind in "[{":
            raise refuse(place, "A key must be text, not a list or a mapping.")
        if kind == "plain" and text == "<<":
            raise refuse(place, "YAML merge keys (<<) are not read. Write the fields out or use $ref.")
        # OpenAPI's keys are text, also those that look like numbers: 200, 404.
        mapping.key = self._storable(text, place)
        if text in mapping.container:
            first, _ = unpack(mapping.places[text])
            self.problems.append(Problem(*place, f"The key {quote(text)} stands here a second time; the first is on line {first}."))
        else:
            mapping.places[text] = pack(place)

    def _open(self, kind: str, place: Place) -> None:
        _refuse_deep(len(self.stack) + 1, place)
        container: Any = {} if kind == "{" else []
        places: Any = {} if kind == "{" else array("Q")
        self._put(container, place)
        self.places[id(container)] = places
        self.stack.append(_Open(container, places))

    def _put(self, value: Any, place: Place) -> None:
        if not self.stack:
            self.root, self.start = value, place
            return
        top = self.stack[-1]
        if top.key is None:
            top.container.append(value)
            top.places.append(pack(place))
        elif top.key in top.container:
            # The first of two stays, so its places stay true; the document is refused anyway.
            top.key = None
        else:
            top.container[top.key] = value
            top.key = None

    def _scalar(self, kind: str, text: str, place: Place) -> Any:
        if kind == "quoted":
            return self._storable(text, place)
        if text in WORDS:
            return WORDS[text]
        is_integer = INTEGER.fullmatch(text)
        if is_integer or FLOAT.fullmatch(text):
            return _number(text, place, _base(text) if is_integer else None)
        if NO_NUMBER.fullmatch(text):
            raise refuse(place, f"{text} is not a number that JSON can hold.")
        return self._storable(text, place)

    def _storable(self, text: str, place: Place) -> str:
        if found := UNSTORABLE.search(text):
            raise refuse(place, f"The escaped character U+{ord(found[0]):04X} in this text can't be stored.")
        return text


def _build(events: Iterable[Event]) -> Source:
    builder = _Builder()
    for kind, text, place in events:
        builder.add(kind, text, place)
    if builder.problems:
        raise DocumentError(builder.problems[:MAX_PROBLEMS])
    if builder.start is None:
        raise refuse((1, 1), "The document is empty.")
    return Source(builder.root, builder.start, builder.places)


def _base(text: str) -> int:
    """The base in which YAML 1.2 writes this integer."""
    return {"0o": 8, "0x": 16}.get(text[:2], 10)


def _number(text: str, place: Place, base: int | None) -> int | float:
    if len(text) > MAX_NUMBER:
        raise refuse(place, f"This number has more than {MAX_NUMBER} digits.")
    number = int(text, base) if base else float(text)
    if math.isinf(number):
        raise refuse(place, f"The number {text[:40]} is too large.")
    return number


def quote(text: str) -> str:
    """A name from the document for use in a sentence: on one line, not endless."""
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text[:1000].split()))
    return f"“{line[:80]}…”" if len(line) > 80 else f"“{line}”"


def pack(place: Place) -> int:
    return place[0] << 24 | place[1]


def unpack(packed: int) -> Place:
    return packed >> 24, packed & 0xFFFFFF
