"""How much a change asks of callers, and what decides it.

A change narrows what the contract takes or gives, widens it, is neither, or cannot be decided. What narrows a request
breaks callers, as what they sent may be refused; what widens a response breaks them, as they may get what they were not
written for. The source is oasdiff: docs/BREAKING-CHANGES.md and docs/CHECKS.md of github.com/oasdiff/oasdiff.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum


class Level(StrEnum):
    """In oasdiff's words error, warning and info. The worst comes first."""

    BREAKING = "breaking"
    RISKY = "risky"
    SAFE = "safe"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


class Direction(Enum):
    REQUEST = "request"
    RESPONSE = "response"


class Effect(Enum):
    """On what fits the contract."""

    NARROWS = "narrows"
    WIDENS = "widens"
    # Neither contains the other.
    INCOMPARABLE = "incomparable"
    # It can't be known.
    UNKNOWN = "unknown"
    NONE = "none"

    def level(self, direction: Direction) -> Level:
        match self:
            case Effect.NARROWS:
                return Level.BREAKING if direction is Direction.REQUEST else Level.SAFE
            case Effect.WIDENS:
                return Level.SAFE if direction is Direction.REQUEST else Level.BREAKING
            case Effect.INCOMPARABLE:
                return Level.BREAKING
            case Effect.UNKNOWN:
                return Level.RISKY
        return Level.SAFE


@dataclass(frozen=True, slots=True)
class Rule:
    """`id` is oasdiff's where it has one; `sentence` is in English, with names for what it is filled with."""

    id: str
    level: Level
    sentence: str


class Word(str):
    """A value of a sentence that is itself to be translated."""

    __slots__ = ()


def mark(sentence: str) -> str:
    """Marks a sentence for translation."""
    return sentence


class Work:
    """How much may still be done: it is shared by all that one comparison does, and hostile documents end it."""

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self, much: int = 1) -> bool:
        self.left -= much
        return self.left >= 0
