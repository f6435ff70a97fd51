"""Where a request came from, for the events it causes."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    ip: str = ""
    user_agent: str = ""
    request_id: str = ""


# A job or a command has no address; it stands as the empty origin.
NOWHERE = Origin()
origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)
