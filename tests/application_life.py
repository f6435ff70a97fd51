"""The life of an application as docs/concepts.md tells it, in one table, which is walked by actions, on pages and over REST."""

from dataclasses import dataclass
from typing import Any

from apis.actions import applications as endings
from keys.actions import application_approvals, application_life
from keys.models import Application
from tenants.models import Tenant, TenantSettings, User
from tenants.scope import current_tenant_id
from tests import make, steps
from tests.steps import Step

Status = Application.Status


@dataclass(frozen=True, slots=True)
class Way(steps.Way[Application]):
    """`anybodys` are the roles that may do it with everybody's; whoever it belongs to may as well."""

    anybodys: frozenset[str] = frozenset()


WAYS = {
    way.name: way
    for way in (
        Way(
            "suspend",
            lambda application, by: application_life.suspend(application, reason="It leaks.", by=by),
            {"reason": "It leaks."},
            anybodys=frozenset({"admin", "approver"}),
        ),
        Way("resume", lambda application, by: application_life.resume(application, by=by), anybodys=frozenset({"admin", "approver"})),
        Way("delete", lambda application, by: endings.delete(application, by=by), anybodys=frozenset({"admin"})),
    )
}


STEPS = (
    Step("active", "suspend", "suspended", "suspended", "is suspended."),
    Step("suspended", "resume", "active", "resumed", "is active again."),
    Step("active", "delete", "deleted", "deleted", "is deleted."),
    Step("suspended", "delete", "deleted", "deleted", "is deleted."),
    Step("pending", "delete", "deleted", "deleted", "is deleted."),
    Step("rejected", "delete", "deleted", "deleted", "is deleted."),
)
# These are an approver's alone: tests/apis/test_application_approvals.py.
DECISIONS = (
    Step("pending", "approve", "active", "approved", "is approved."),
    Step("pending", "reject", "rejected", "rejected", "is rejected."),
)
REFUSED = steps.refused(WAYS, Status.values, STEPS)


def application(owner: User, state: str, *, by: User | None = None, **fields: Any) -> Application:
    """One that went the way to its state step by step, of the tenant in scope.

    :param by: who suspended or deleted it; its owner, if nobody else is named.
    """
    waits = state in {"pending", "rejected"}
    TenantSettings.objects.update(applications_need_approval=waits)
    found = make.application(owner, **fields)
    TenantSettings.objects.update(applications_need_approval=False)
    if state == "rejected":
        application_approvals.reject(found, reason="A test.", by=make.member(Tenant.objects.get(pk=current_tenant_id()), None, "approver"))
    elif state == "suspended":
        application_life.suspend(found, reason="A test.", by=by or owner)
    elif state == "deleted":
        endings.delete(found, by=by or owner)
    assert found.status == state
    return found
