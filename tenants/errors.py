"""What a rule answers, worded for the person who asked. portal/errors.py turns these into pages and problem+json."""

from collections.abc import Mapping, Sequence


class NotAllowed(Exception):  # noqa: N818  (reads as the sentence it is)
    """A rule of the domain says no (409)."""


class Invalid(Exception):  # noqa: N818
    """The input can't be used (422). `problems` maps a field, or `""` for the whole, to sentences."""

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        super().__init__(next(iter(problems.values()))[0])
        self.problems = {field: list(sentences) for field, sentences in problems.items()}


class Busy(Exception):  # noqa: N818
    """This process does as much of something costly as it may (503). `seconds` is when to try again."""

    def __init__(self, sentence: str, *, seconds: int = 5) -> None:
        super().__init__(sentence)
        self.seconds = seconds
