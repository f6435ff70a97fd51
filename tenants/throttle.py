"""Counting in PostgreSQL what may happen only so often: the count must hold in every process, and when Valkey is away."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

TRIES, CHANGES = gettext_lazy("tries"), gettext_lazy("changes")


class TooMany(Exception):  # noqa: N818  (reads as the sentence it is)
    """Tried too often (429)."""

    def __init__(self, seconds: int, what: str | Promise = TRIES) -> None:
        super().__init__(_("Too many %(what)s. Wait %(seconds)s seconds and try again.") % {"what": what, "seconds": seconds})
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Rate:
    """How many may be sent in a window, how many still may, and after how many seconds the window ends."""

    limit: int
    remaining: int
    reset: int


def attempt(what: str, *, limit: int, seconds: int, called: str | Promise = TRIES) -> Rate:
    """Count one try of `what`. In a transaction it counts once that commits: what is rolled back has not happened.

    :param called: what the refusal calls them.
    :returns: what is left after this one.
    :raises TooMany: after `limit` tries within `seconds`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO tenants_attempt (key, count, until) VALUES (%s, 1, now() + make_interval(secs => %s))
               ON CONFLICT (key) DO UPDATE SET
                   count = CASE WHEN tenants_attempt.until <= now() THEN 1 ELSE tenants_attempt.count + 1 END,
                   until = CASE WHEN tenants_attempt.until <= now() THEN EXCLUDED.until ELSE tenants_attempt.until END
               RETURNING count, ceil(extract(epoch FROM until - now()))::int""",
            [_key(what), seconds],
        )
        count, left = cursor.fetchone()
    if count > limit:
        raise TooMany(left, called)
    return Rate(limit, limit - count, left)


def change(by: UUID, *, at: UUID | None) -> Rate:
    """Count what a person sends to change a tenant, or with None themselves: each can be work for every gateway.

    :raises TooMany: see PORTICO_WRITE_RATE.
    """
    return attempt(f"write {at} {by}", limit=settings.WRITE_RATE, seconds=60, called=CHANGES)


def forgive(what: str) -> None:
    """Take one try back: it was none."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_attempt SET count = count - 1 WHERE key = %s AND count > 0", [_key(what)])


def forget(what: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tenants_attempt WHERE key = %s", [_key(what)])


def prune() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tenants_attempt WHERE until <= now()")


def _key(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()
