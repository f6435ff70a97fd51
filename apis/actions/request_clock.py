"""Within how many hours requests are answered, as the tenant promises its developers; approvers are told once of one that is overdue."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.models import MOST_HOURS, RequestPolicy, Subscription
from tenants import due, events
from tenants.errors import Invalid
from tenants.models import Event, User

ESCALATE_JOB = "escalate_requests"
OVERDUE = "subscription.overdue"
# Of one run under the lock; what is left is due at once.
MOST_AT_ONCE = 200


def policy() -> RequestPolicy:
    """The tenant's; one without a clock where nobody has said anything."""
    return RequestPolicy.objects.first() or RequestPolicy()


@transaction.atomic
def change(*, answer_hours: int | None, by: User) -> Event | None:
    """Requests are answered within so many hours from now on, those that wait too; None: there is no clock. None if it was so already.

    :raises Invalid: no number of hours that may be promised.
    """
    lock = events.lock()
    if answer_hours is not None and not 1 <= answer_hours <= MOST_HOURS:
        most = number_format(MOST_HOURS, force_grouping=True)
        raise Invalid({"answer_hours": [_("Give a number from %(least)s to %(most)s.") % {"least": 1, "most": most}]})
    found = policy()
    was = found.answer_hours
    if was == answer_hours:
        return None
    found.answer_hours = answer_hours
    found.save()
    if answer_hours is not None:
        due.expect(ESCALATE_JOB, lock.now)
    return events.record("request_policy.changed", found, by=by, was=was, now=answer_hours)


def expect(subscription: Subscription) -> None:
    """It waits from now on, or again. Under the lock."""
    within = policy().within
    if within is not None and subscription.escalated_at is None:
        due.expect(ESCALATE_JOB, subscription.requested_at + within)


def escalate() -> datetime | None:
    """Tell of those in the tenant in scope that are overdue, each once; returns when the next will be. Runs under the lock."""
    now, found = events.now(), policy()
    if found.within is None:
        return None
    untold = Subscription.objects.filter(status=Subscription.Status.PENDING, escalated_at=None).order_by("pk")
    late = list(untold.overdue(now, found.within).select_related("application", "api")[:MOST_AT_ONCE])
    for each in late:
        each.escalated_at = now
        each.save(update_fields=["escalated_at"])
        events.record(OVERDUE, each, by=None, hours=found.answer_hours)
    if len(late) == MOST_AT_ONCE:
        return now
    oldest = untold.order_by("requested_at").values_list("requested_at", flat=True).first()
    return None if oldest is None else oldest + found.within


def overdue_at(subscription: Subscription, within: timedelta | None) -> datetime | None:
    """When it is overdue; None where it waits no more, or no clock runs."""
    waits = within is not None and subscription.status == Subscription.Status.PENDING
    return subscription.requested_at + within if waits and within is not None else None
