"""What the tables of lives have in common: tests/life.py (versions), tests/plan_life.py and tests/application_life.py."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tenants.models import Event, User

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Way(Generic[T]):
    """What somebody does with a thing: its name in the addresses of pages and of REST, and what is given with it."""

    name: str
    act: Callable[[T, User], Event]
    given: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """`way` leads from `was` to `now`, which the event `<thing>.<verb>` tells; `said` is what the page says then."""

    was: str
    way: str
    now: str
    verb: str
    said: str


def refused(ways: Iterable[str], states: Iterable[str], steps: Iterable[Step]) -> list[tuple[str, str]]:
    """Which ways lead nowhere from which states: all that no step takes."""
    taken = {(step.was, step.way) for step in steps}
    held = list(states)
    return [(way, state) for way in ways for state in held if (state, way) not in taken]


def named(case: Any) -> str:
    """How a test's case is called."""
    return f"{case.was}-{case.way}-{case.now}" if isinstance(case, Step) else str(case)
