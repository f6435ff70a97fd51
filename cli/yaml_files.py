"""YAML from files, with the place of everything in it: what is wrong is told by file, line and column.

Bounded before it is built: aliases that multiply (“a billion laughs”) are counted as often as they stand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from cli.refusals import Refused

Path: TypeAlias = tuple[str | int, ...]
MOST_NODES = 1_000_000
DEEPEST = 30
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALARS = {"str", "int", "float", "bool", "null", "timestamp"}
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(slots=True)
class Places:
    """Where what stands at a path was written."""

    found: dict[Path, Place] = field(default_factory=dict)

    def of(self, path: Path) -> Place | None:
        """The place of the nearest thing round it."""
        while path and path not in self.found:
            path = path[:-1]
        return self.found.get(path)


def refuse(place: Place, sentence: str) -> Refused:
    return Refused(f"{place}: {sentence}")


def read(text: str, file: str, at: Path, places: Places) -> Any:
    """The values of a file, as JSON has them; what is in it is noted in `places` below `at`.

    :raises Refused: it is no YAML, or more than can be meant.
    """
    start = Place(file)
    places.found[at] = start
    try:
        _bound(yaml.parse(text, Loader=_LOADER), file)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else start
        raise refuse(place, f"This is not YAML: {error.problem or error.context}.") from None
    except yaml.YAMLError as error:
        raise refuse(start, f"This is not YAML: {str(error).splitlines()[0]}.") from None
    return None if node is None else _Builder(file, places).build(node, at, 0)


def _bound(events: Iterator[Any], file: str) -> None:
    depth = 0
    for number, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST or number > MOST_NODES:
            place = Place(file, event.start_mark.line + 1, event.start_mark.column + 1)
            raise refuse(place, "This is nested too deeply." if depth > DEEPEST else "There is too much in this file.")


class _Builder:
    def __init__(self, file: str, places: Places) -> None:
        self.file, self.places, self.count = file, places, 0
        self.scalars = yaml.constructor.SafeConstructor()

    def place(self, node: Any) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def build(self, node: Any, at: Path, depth: int) -> Any:
        self.count += 1
        if self.count > MOST_NODES or depth > DEEPEST:
            raise refuse(self.place(node), "Its aliases stand for too much. Write out what you mean.")
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, at, depth)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            found = []
            for index, each in enumerate(node.value):
                self.places.found[*at, index] = self.place(each)
                found.append(self.build(each, (*at, index), depth + 1))
            return found
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            return self._scalar(node, kind)
        raise refuse(self.place(node), f"The tag “{node.tag.replace(_TAG, '!!')[:40]}” is not read here.")

    def _mapping(self, node: Any, at: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise refuse(self.place(key), "A name has to be a word.")
            name = key.value
            if name in found:
                raise refuse(self.place(key), f"“{name[:40]}” stands here twice.")
            self.places.found[*at, name] = self.place(key)
            found[name] = self.build(value, (*at, name), depth + 1)
        return found

    def _scalar(self, node: Any, kind: str) -> Any:
        if kind in {"str", "timestamp"}:
            return node.value
        try:
            found = self.scalars.construct_object(node)
        except (ValueError, yaml.YAMLError):
            raise refuse(self.place(node), "This value can't be read.") from None
        # JSON has neither infinity nor what is no number.
        return node.value if isinstance(found, float) and (found != found or found in {float("inf"), float("-inf")}) else found  # noqa: PLR0124
