"""The life of a plan as docs/plans.md tells it, in one table, which is walked by actions, on pages and over REST."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apis.actions import plans
from apis.models import Api, Plan
from tenants.models import Event, User

Status = Plan.Status


@dataclass(frozen=True, slots=True)
class Way:
    """What somebody does with a plan: its name in the addresses of pages and of REST, and what is given with it."""

    name: str
    act: Callable[[Plan, User], Event]
    given: dict[str, str] = field(default_factory=dict)


WAYS = {
    way.name: way
    for way in (
        Way("publish", lambda plan, by: plans.publish(plan, by=by)),
        Way("deprecate", lambda plan, by: plans.deprecate(plan, reason="Silver is better.", by=by), {"reason": "Silver is better."}),
        Way("reinstate", lambda plan, by: plans.reinstate(plan, by=by)),
        Way("close", lambda plan, by: plans.close(plan, by=by)),
    )
}


@dataclass(frozen=True, slots=True)
class Step:
    """`way` leads from `was` to `now`, which the event `plan.<verb>` tells; `said` is what the page says then."""

    was: str
    way: str
    now: str
    verb: str
    said: str


STEPS = (
    Step("staging", "publish", "published", "published", "The plan gold of Orders is published."),
    Step("staging", "close", "closed", "closed", "The plan gold of Orders is closed."),
    Step("published", "deprecate", "deprecated", "deprecated", "The plan gold of Orders is deprecated."),
    Step("published", "close", "closed", "closed", "The plan gold of Orders is closed."),
    Step("deprecated", "reinstate", "published", "reinstated", "The plan gold of Orders is offered again."),
    Step("deprecated", "close", "closed", "closed", "The plan gold of Orders is closed."),
)
# Which ways lead nowhere from which states: all others.
REFUSED = [(way, state) for way in WAYS for state in Status.values if (state, way) not in {(step.was, step.way) for step in STEPS}]
# Whose terms can be changed.
CHANGING = {"staging", "published", "deprecated"}
# Whoever decides over the life of a plan; everybody else of the tenant may not.
WHO = {"admin", "publisher"}


def gold(of: Api, status: str) -> Plan:
    """One that went the way to its status step by step."""
    found = plans.create(of, name="gold", calls=60, seconds=60, approval="manual", by=None)
    if status in {"published", "deprecated"}:
        plans.publish(found, by=None)
    if status == "deprecated":
        plans.deprecate(found, reason="A test.", by=None)
    if status == "closed":
        plans.close(found, by=None)
    assert found.status == status
    return found


def named(case: Any) -> str:
    """How a test's case is called."""
    return f"{case.was}-{case.way}-{case.now}" if isinstance(case, Step) else str(case)
