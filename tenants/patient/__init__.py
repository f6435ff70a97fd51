"""PostgreSQL as Django knows it, which nobody waits for without end: the ENGINE of `settings.DATABASES`.

A server that hangs, or a connection whose other end forgot it, says nothing for ever; a process that serves would stand still with it.
"""

import psycopg


class UnknownOutcomeError(psycopg.OperationalError):
    """The connection was lost while it committed: whether that was done is not known."""


def may_be_done(error: BaseException | None) -> bool:
    """Whether what failed with this error may have been committed. Django's own, while it connects again, comes in front of it."""
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, UnknownOutcomeError):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


class Patience:
    """Of this process: so many seconds for an answer to one statement, waits for locks included; None is without end."""

    seconds: float | None = None


def wait_at_most(seconds: float) -> None:
    """Zero is without end."""
    Patience.seconds = seconds or None
