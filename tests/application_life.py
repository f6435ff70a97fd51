"""The life of an application as docs/concepts.md tells it, in one table, which is walked by actions, on pages and over REST."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apis.actions import applications as endings
from keys.actions import application_life
from keys.models import Application
from tenants.models import Event, User
from tests import make

Status = Application.Status


@dataclass(frozen=True, slots=True)
class Way:
    """What somebody does with an application: its name in the addresses of pages, and what is given with it.

    `anybodys` are the roles that may do it with everybody's; whoever it belongs to may as well.
    """

    name: str
    act: Callable[[Application, User], Event]
    anybodys: frozenset[str]
    given: dict[str, str] = field(default_factory=dict)


WAYS = {
    way.name: way
    for way in (
        Way(
            "suspend",
            lambda application, by: application_life.suspend(application, reason="It leaks.", by=by),
            frozenset({"admin", "approver"}),
            {"reason": "It leaks."},
        ),
        Way("resume", lambda application, by: application_life.resume(application, by=by), frozenset({"admin", "approver"})),
        Way("delete", lambda application, by: endings.delete(application, by=by), frozenset({"admin"})),
    )
}


@dataclass(frozen=True, slots=True)
class Step:
    """`way` leads from `was` to `now`, which the event `application.<verb>` tells; `said` is what the page says then."""

    was: str
    way: str
    now: str
    verb: str
    said: str


STEPS = (
    Step("active", "suspend", "suspended", "suspended", "is suspended."),
    Step("suspended", "resume", "active", "resumed", "is active again."),
    Step("active", "delete", "deleted", "deleted", "is deleted."),
    Step("suspended", "delete", "deleted", "deleted", "is deleted."),
)
# Which ways lead nowhere from which states: all others.
REFUSED = [(way, state) for way in WAYS for state in Status.values if (state, way) not in {(step.was, step.way) for step in STEPS}]


def application(owner: User, state: str, *, by: User | None = None, **fields: Any) -> Application:
    """One that went the way to its state step by step, of the tenant in scope.

    :param by: who suspended or deleted it; its owner, if nobody else is named.
    """
    found = make.application(owner, **fields)
    if state == "suspended":
        application_life.suspend(found, reason="A test.", by=by or owner)
    elif state == "deleted":
        endings.delete(found, by=by or owner)
    assert found.status == state
    return found


def named(case: Any) -> str:
    """How a test's case is called."""
    return f"{case.was}-{case.way}-{case.now}" if isinstance(case, Step) else str(case)
