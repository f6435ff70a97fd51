"""The life of a plan as docs/plans.md tells it, in one table, which is walked by actions, on pages and over REST."""

from apis.actions import plans
from apis.models import Api, Plan
from tests.steps import Step, Way, refused

Status = Plan.Status


_WAYS: tuple[Way[Plan], ...] = (
    Way("publish", lambda plan, by: plans.publish(plan, by=by)),
    Way("deprecate", lambda plan, by: plans.deprecate(plan, reason="Silver is better.", by=by), {"reason": "Silver is better."}),
    Way("reinstate", lambda plan, by: plans.reinstate(plan, by=by)),
    Way("close", lambda plan, by: plans.close(plan, by=by)),
)
WAYS = {way.name: way for way in _WAYS}


STEPS = (
    Step("staging", "publish", "published", "published", "The plan gold of Orders is published."),
    Step("staging", "close", "closed", "closed", "The plan gold of Orders is closed."),
    Step("published", "deprecate", "deprecated", "deprecated", "The plan gold of Orders is deprecated."),
    Step("published", "close", "closed", "closed", "The plan gold of Orders is closed."),
    Step("deprecated", "reinstate", "published", "reinstated", "The plan gold of Orders is offered again."),
    Step("deprecated", "close", "closed", "closed", "The plan gold of Orders is closed."),
)
REFUSED = refused(WAYS, Status.values, STEPS)
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
