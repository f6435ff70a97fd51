"""What a check notes down: what it looked at, and what it found."""

from collections.abc import Callable

from apis.findings import Finding, Lint
from apis.lint.rules import RULES
from apis.openapi_source import Path, Place
from apis.schemas import cut

# So many findings of a rule are kept; all are counted.
KEPT = 50
# Characters of what is kept of a name, and of a place.
WORD = 200
POINTER = 1_000


class Notes:
    """:param place: line and column of a part of the document; (0, 0) where there is no text."""

    def __init__(self, place: Callable[[Path], Place]) -> None:
        self._place = place
        self._looked = dict.fromkeys(RULES, 0)
        self._broken = dict.fromkeys(RULES, 0)
        self._kept: dict[str, list[Finding]] = {rule: [] for rule in RULES}

    def look(self, rule: str, at: Path, *, wrong: bool, **named: str) -> None:
        """One thing, once per rule. `at` and `named`: what to say if it is wrong."""
        self._looked[rule] += 1
        if not wrong:
            return
        self._broken[rule] += 1
        if len(self._kept[rule]) < KEPT:
            words = {name: cut(word, WORD) for name, word in named.items()}
            self._kept[rule].append(Finding(rule, _pointer(at), *self._place(at), words))

    def lint(self) -> Lint:
        counts = {rule: (looked, self._broken[rule]) for rule, looked in self._looked.items()}
        return Lint(counts, tuple(finding for kept in self._kept.values() for finding in kept))


def _pointer(path: Path) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return cut("/".join(("#", *steps)), POINTER)
