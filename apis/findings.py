"""What rules found in a document: as the process that reads it answers, and as a revision keeps it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that breaks a rule.

    `pointer` is a JSON Pointer in a fragment (RFC 6901, section 6), cut where it is very long. Line and column count from 1; 0 where
    the author gave no text. `named` fills the placeholders of the rule's sentence.
    """

    rule: str
    pointer: str
    line: int
    column: int
    named: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lint:
    """`counts`: by the id of a rule, how many things it looked at, and how many of them break it.

    `findings` has the first of those of each rule, in the order of the document.
    """

    counts: Mapping[str, tuple[int, int]]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, counts: Mapping[str, Iterable[int]], findings: Iterable[Mapping[str, Any]]) -> Self:
        """From JSON."""
        return cls({rule: (looked, broken) for rule, (looked, broken) in counts.items()}, tuple(Finding(**each) for each in findings))

    def as_json(self) -> dict[str, Any]:
        """What `of` takes."""
        return {"counts": self.counts, "findings": [asdict(each) for each in self.findings]}

    def without_lines(self) -> "Lint":
        """Of a document whose author did not write these lines."""
        return replace(self, findings=tuple(replace(each, line=0, column=0) for each in self.findings))
