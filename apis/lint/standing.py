"""How a document stands to the rules that a tenant has chosen: a score, and what there is to mend.

The score is 100 for a document that breaks no rule. Each rule that is on and found something to look at counts by its severity with the
share of what it looked at that keeps it, so that a big document is judged as a small one: docs/lint.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from apis.findings import Finding, Lint
from apis.lint.rules import RULES, Choice, Rule, Severity

# A sentence in the reader's language: `gettext`, or `str` for English.
Translate: TypeAlias = Callable[[str], str]
# By the id of a rule.
Counts: TypeAlias = Mapping[str, tuple[int, int]]
Choices: TypeAlias = Mapping[str, Choice]


def _(sentence: str) -> str:
    """Marks what gettext translates for the reader."""
    return sentence


WEIGHTS = {Severity.ERROR: 5, Severity.WARNING: 3, Severity.HINT: 1}


@dataclass(frozen=True, slots=True)
class Standing:
    """`score` is from 0 to 100; the next three count findings. `blocked`: a rule is broken that blocks publishing."""

    score: int
    errors: int
    warnings: int
    hints: int
    blocked: bool


@dataclass(frozen=True, slots=True)
class Spot:
    """A finding in a sentence, and `where` it is in words. Where there is no text line and column are 0, and no words."""

    sentence: str
    pointer: str
    line: int
    column: int
    where: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that the document breaks: `found` times among `looked_at`, of which `spots` has the first."""

    rule: Rule
    title: str
    mend: str
    blocks: bool
    found: int
    looked_at: int
    spots: tuple[Spot, ...]

    @property
    def left_out(self) -> int:
        """How many findings have no spot."""
        return self.found - len(self.spots)


def standing(counts: Counts, choices: Choices) -> Standing:
    """:param counts: rules among them that there are no more are passed over, and so are rules that were not there yet."""
    whole, kept = 0, Fraction(0)
    found: Counter[Severity] = Counter()
    blocked = False
    for rule, looked_at, wrong in _on(counts, choices):
        weight = WEIGHTS[rule.severity]
        whole += weight
        kept += weight * Fraction(looked_at - wrong, looked_at)
        found[rule.severity] += wrong
        blocked = blocked or (wrong > 0 and choices[rule.id] is Choice.BLOCKS)
    # Cut, not rounded: 100 is said of a document that breaks nothing.
    score = int(100 * kept / whole) if whole else 100
    return Standing(score, found[Severity.ERROR], found[Severity.WARNING], found[Severity.HINT], blocked)


def _on(counts: Counts, choices: Choices) -> Iterator[tuple[Rule, int, int]]:
    for rule in RULES.values():
        looked_at, wrong = counts.get(rule.id, (0, 0))
        if looked_at and choices[rule.id] is not Choice.OFF:
            yield rule, looked_at, wrong


def broken(lint: Lint, choices: Choices, *, gettext: Translate = str) -> tuple[Broken, ...]:
    """The rules that it breaks: those that block first, then by severity."""
    found = [
        Broken(
            rule,
            gettext(rule.title),
            gettext(rule.mend),
            choices[rule.id] is Choice.BLOCKS,
            many,
            looked_at,
            tuple(spot(each, gettext=gettext) for each in lint.findings if each.rule == rule.id),
        )
        for rule, looked_at, many in _on(lint.counts, choices)
        if many
    ]
    order = list(Severity)
    return tuple(sorted(found, key=lambda each: (not each.blocks, order.index(each.rule.severity))))


def spot(finding: Finding, *, gettext: Translate = str) -> Spot:
    where = gettext(_("Line %(line)s, column %(column)s")) % {"line": finding.line, "column": finding.column} if finding.line else ""
    return Spot(gettext(RULES[finding.rule].says) % finding.named, finding.pointer, finding.line, finding.column, where)
