"""Two people decide: the first approval of a request that needs two, and taking it back. Gateways hear of the second alone."""

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import ApprovalRule, Plan, Subscription
from tenants import events
from tenants.errors import NotAllowed
from tenants.lifecycle import Data
from tenants.models import Event, ServiceAccount, User

APPROVED_FIRST, FIRST_UNDONE = "subscription.approved_first", "subscription.first_approval_undone"
_PEOPLE = {Plan.Approval.AUTOMATIC: 0, Plan.Approval.TESTS: 1, Plan.Approval.MANUAL: 1, Plan.Approval.TWO_PEOPLE: 2}
_OF_RULE = {ApprovalRule.Outcome.AUTOMATIC: 0, ApprovalRule.Outcome.PEOPLE: 1, ApprovalRule.Outcome.TWO_PEOPLE: 2}


def needed(plan: Plan, rule: ApprovalRule | None, environment: str) -> int:
    """How many people have to approve a request; 0: it is approved by itself.

    What a rule says comes before what the plan says, but one that asks for people never asks for fewer than the plan.

    :param environment: of the application; a plan may approve tests by itself.
    """
    of_plan = 0 if plan.approves_at_once(environment) else _PEOPLE[Plan.Approval(plan.approval)]
    if rule is None:
        return of_plan
    of_rule = _OF_RULE[ApprovalRule.Outcome(rule.outcome)]
    return max(of_rule, of_plan) if of_rule else 0


def look_again(subscription: Subscription) -> None:
    """What needs two is read again under the lock.

    :raises NotAllowed: somebody else approved it first, or took that back, since it was read.
    """
    events.require_lock()
    if subscription.approvals_needed == 1:
        return
    seen = subscription.first_approved_by_id
    subscription.refresh_from_db(fields=["status", "first_approved_by", "first_approved_at"])
    if subscription.status == Subscription.Status.PENDING and subscription.first_approved_by_id != seen:
        raise NotAllowed(_("Someone else has just changed this subscription. Look again before you decide."))


def completes(subscription: Subscription, by: User) -> bool:
    """Whether this person's approval is all that is missing.

    :raises NotAllowed: the first was theirs already.
    """
    first = subscription.first_approved_by
    if subscription.approvals_needed == 1:
        return True
    if first is None:
        return False
    if is_first(subscription, by):
        raise NotAllowed(_("You have approved this already; a second person has to approve it, too."))
    # Who has a part in the application by now has no say in it: then this is the first.
    return not subscription.is_own_of(first)


def is_first(subscription: Subscription, by: User) -> bool:
    """Whether the first approval is of this person, or of a service account and somebody who knew its secret."""
    first = subscription.first_approved_by
    if first is None:
        return False
    people = ServiceAccount.objects.people_behind
    return first.pk == by.pk or not people(first).isdisjoint(people(by))


@transaction.atomic
def approve_first(subscription: Subscription, *, by: User) -> Event:
    """One of two; it stays a request."""
    subscription.first_approved_by, subscription.first_approved_at = by, events.now()
    subscription.save(update_fields=["first_approved_by", "first_approved_at"])
    return events.record(APPROVED_FIRST, subscription, by=by)


@transaction.atomic
def undo_first(subscription: Subscription, *, by: User) -> Event:
    """For as long as the second is missing, who gave the first takes it back."""
    if subscription.first_approved_by_id != by.pk:
        raise NotAllowed(_("Someone else gave the first approval, so only they can take it back."))
    subscription.first_approved_by = subscription.first_approved_at = None
    subscription.save(update_fields=["first_approved_by", "first_approved_at"])
    return events.record(FIRST_UNDONE, subscription, by=by)


def lapse(subscription: Subscription, *, by: User) -> None:
    """What is asked for is not any more what the first of two approved. Under the lock."""
    subscription.refresh_from_db(fields=["first_approved_by", "first_approved_at"])
    if subscription.first_approved_by_id is not None:
        subscription.first_approved_by = subscription.first_approved_at = None
        subscription.save(update_fields=["first_approved_by", "first_approved_at"])
        events.record(FIRST_UNDONE, subscription, by=by)


def told(subscription: Subscription) -> Data:
    """What the event of the second says of the first."""
    return {"first_approved_by": str(subscription.first_approved_by)} if subscription.first_approved_by else {}
