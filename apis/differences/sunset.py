"""Goodbyes: whether something was deprecated before it went, and the day that `x-sunset` names."""

import re
from datetime import date
from enum import Enum

from apis.contract import Content, text

DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?", re.DOTALL)


class End(Enum):
    WITHOUT_DEPRECATION = "without"
    WITH_DEPRECATION = "with"
    BEFORE_SUNSET = "before"
    # Its sunset is no date.
    UNCLEAR = "unclear"


def end(was: Content, today: date) -> End:
    """How what is gone went."""
    if was.get("deprecated") is not True:
        return End.WITHOUT_DEPRECATION
    if "x-sunset" not in was:
        return End.WITH_DEPRECATION
    day = day_of(was)
    if day is None:
        return End.UNCLEAR
    return End.BEFORE_SUNSET if today < day else End.WITH_DEPRECATION


def day_of(described: Content) -> date | None:
    """By RFC 3339, full-date or date-time; None where there is none."""
    found = DAY.fullmatch(text(described.get("x-sunset")))
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
