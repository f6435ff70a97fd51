"""Making a document out of another one, such that each part of the new one has a place in the text of the old one."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from apis.openapi_references import mapping
from apis.openapi_source import Places, Problem, Source, unpack

MAX_NOTES = 50


class Making:
    """Unchanged parts are shared with the source, so their places stay true; what is made anew gets places here.

    `at` is a packed place (openapi_source).
    """

    def __init__(self, source: Source) -> None:
        self.root: dict[str, Any] = source.value
        self.places: dict[int, Places] = dict(source.places)
        self.problems: list[Problem] = []
        self.notes: dict[tuple[int, str], None] = {}

    def made(self) -> dict[str, Any]:
        new: dict[str, Any] = {}
        self.places[id(new)] = {}
        return new

    def put(self, into: dict[str, Any], key: str, value: object, at: int) -> None:
        into[key] = value
        self.places[id(into)][key] = at  # type: ignore[call-overload]

    def one(self, key: str, value: object, at: int) -> dict[str, Any]:
        new = self.made()
        self.put(new, key, value, at)
        return new

    def listed(self, values: Iterable[tuple[Any, int]]) -> list[Any]:
        pairs = list(values)
        new = [value for value, _ in pairs]
        self.places[id(new)] = array("Q", [at for _, at in pairs])
        return new

    def at(self, node: Any, key: str | int) -> int:
        return self.places[id(node)][key]  # type: ignore[index]

    def members(self, node: Any) -> Iterator[tuple[str, Any, int]]:
        for key, value in mapping(node).items():
            yield key, value, self.at(node, key)

    def keep(self, into: dict[str, Any], node: dict[str, Any], *keys: str) -> None:
        """These and all extensions, as they are."""
        for key, value, at in self.members(node):
            if key in keys or (key.startswith("x-") and key != "x-nullable"):
                self.put(into, key, value, at)

    def refuse(self, at: int, message: str) -> None:
        self.problems.append(Problem(*unpack(at), message))

    def note(self, at: int, message: str) -> None:
        self.notes[at, message] = None

    def told(self) -> Iterator[Problem]:
        """The notes, by line; not endless ones."""
        notes = sorted(self.notes)
        for at, message in notes[:MAX_NOTES]:
            yield Problem(*unpack(at), message)
        if len(notes) > MAX_NOTES:
            yield Problem(*unpack(notes[MAX_NOTES][0]), f"From here on there are {len(notes) - MAX_NOTES:,} more such notes.")
