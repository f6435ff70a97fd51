"""The days of which minutes are kept, each a partition of its own: made before it begins, dropped when no tenant keeps it any more."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

AHEAD = 3

# Those that this process knows to be there.
_made: set[date] = set()


def make(wanted: Iterable[date]) -> None:
    """So that a call has its place though the job did not run."""
    for day in wanted:
        if day not in _made:
            _ask("gateway_usage_day", day)
            _made.add(day)


def turn() -> int:
    """Make the days to come, and drop those that no tenant may keep any more; safe to run twice. Returns how many it dropped."""
    today = timezone.now().date()
    for ahead in range(AHEAD + 1):
        _ask("gateway_usage_day", today + timedelta(days=ahead))
    return int(_ask("gateway_usage_drop", today - timedelta(days=settings.USAGE_MINUTES_MOST_DAYS)))


def _ask(function: str, day: date) -> bool | int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [day])
        found: bool | int = cursor.fetchone()[0]
    return found
