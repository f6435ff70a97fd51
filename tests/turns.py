"""What `make test` leaves to `make test-long`: of many that are alike some by turns, in each run the same."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

# Of the plugin that the Makefile names for `make test-long`.
LONG = "tests.long"


def whole() -> bool:
    """Whether nothing is left out."""
    return LONG in sys.modules


def some(of: Iterable[T], name: str, many: int = 1) -> list[T]:
    """`many` of them that follow each other, beginning where the name says; all of them with `make test-long`."""
    every = [*of]
    if whole() or many >= len(every):
        return every
    first = crc32(name.encode()) % len(every)
    return (every + every)[first : first + many]


def has_turn(name: str, of: int) -> bool:
    """Whether one of so many names is this one, which is looked at; always with `make test-long`."""
    return whole() or crc32(name.encode()) % of == 0


def every(items: Sequence[T], of: int) -> list[T]:
    """Each so-manyth, for cases that are alike; all of them with `make test-long`."""
    return [*(items if whole() else items[::of])]
