"""Counts that wait in memory to be written. Whatever callers make up, they do not grow beyond their bounds."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Generic, Protocol, TypeAlias, TypeVar

# So many kinds wait to be written, in all and of one tenant; what is beyond is counted in one of its tenant.
MOST_KINDS = 50_000
MOST_OF_A_TENANT = 5_000
# And so many of those; beyond that calls are lost, which is said.
MOST_OTHERS = 10_000


class Named(Protocol):
    """What calls have in common, as gateways tell it. `minute`: since 1970."""

    @property
    def minute(self) -> int: ...
    @property
    def slug(self) -> str: ...
    def __hash__(self) -> int: ...


K = TypeVar("K", bound=Named)
# The first is the number of calls.
Counts: TypeAlias = list[int]


class Bounded(ABC, Generic[K]):
    """Counts by kinds. `width`: how many numbers each has."""

    width: int

    def __init__(self) -> None:
        self.kinds: dict[K, Counts] = {}
        self.lost = 0
        # Whether some of it is older than the last write: PostgreSQL was away.
        self.held_back = False
        self._of_tenant: Counter[str] = Counter()

    @abstractmethod
    def other(self, kind: K) -> K:
        """What stands in for a kind that finds no place."""

    def begun(self, kind: K, calls: int = 1) -> Counts:
        """The counts of a kind that has none yet, or of what stands in for it."""
        if len(self.kinds) >= MOST_KINDS or self._of_tenant[kind.slug] >= MOST_OF_A_TENANT:
            kind = self.other(kind)
            if kind in self.kinds:
                return self.kinds[kind]
            if len(self.kinds) >= MOST_KINDS + MOST_OTHERS:
                self.lost += calls
                return [0] * self.width
        self._of_tenant[kind.slug] += 1
        counts = self.kinds[kind] = [0] * self.width
        return counts

    def take(self) -> dict[K, Counts]:
        """What is to be written; counting goes on with nothing."""
        taken, self.kinds = self.kinds, {}
        self.held_back = False
        self._of_tenant.clear()
        return taken

    def give_back(self, kinds: dict[K, Counts]) -> None:
        """What could not be written waits, together with what came in meanwhile."""
        self.held_back = bool(kinds)
        for kind, counts in kinds.items():
            found = self.kinds.get(kind)
            if found is None:
                found = self.begun(kind, counts[0])
            for place, many in enumerate(counts):
                found[place] += many

    @property
    def waiting(self) -> int:
        return sum(counts[0] for counts in self.kinds.values())
