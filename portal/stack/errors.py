"""What can go wrong while the stack starts, in sentences for the person who started it."""

from pathlib import Path

TAIL_LINES = 20


class StackError(Exception):
    """The stack could not start; the text says which part, why, and what to do."""


class StopRequestedError(StackError):
    """Somebody asked to stop while a part was still starting."""


def tail(log: Path, *, since: int = 0) -> str:
    """The last lines of a log, of what was written after byte `since`."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(since)
        text = file.read().decode(errors="replace")
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])
