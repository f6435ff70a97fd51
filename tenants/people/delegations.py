"""Deciding in somebody's place for a while: who decides requests hands that on, from a day until a day."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Delegation, Event, Membership, User
from tenants.roles import permissions_held

END_JOB = "end_delegations"
# So long it may last at most, and so far ahead it may begin.
MOST_DAYS = 366
_DECIDE = "subscriptions.decide"


@transaction.atomic
def create(*, delegate: str, starts_at: datetime, ends_at: datetime, by: User) -> tuple[Delegation, Event]:
    """Hand on what `by` decides by roles of their own, never what was handed to them.

    :param delegate: the e-mail address of a member.
    :raises Invalid: by field. :raises NotAllowed: `by` does not decide, or has handed it on already.
    """
    now = events.lock().now
    if by.is_service or not decides(by):
        raise NotAllowed(_("Only who decides requests by a role of their own can hand that on."))
    standing = Delegation.objects.standing().filter(delegator=by).select_related("delegate").first()
    if standing is not None:
        raise NotAllowed(_("You have handed it on to %(person)s already; end that first.") % {"person": standing.delegate})
    found = Membership.objects.filter(user__email__iexact=delegate.strip(), user__is_active=True, user__is_service=False)
    member = found.select_related("user").first()
    problems: dict[str, list[str]] = {}
    if member is None:
        problems["delegate"] = [_("No member here has this address.")]
    elif member.user_id == by.pk:
        problems["delegate"] = [_("Name somebody else.")]
    elif decides(member.user):
        problems["delegate"] = [_("%(person)s decides already.") % {"person": member.user}]
    if ends_at <= max(now, starts_at):
        problems["ends_at"] = [_("Choose an end that is later than the beginning and than now.")]
    elif starts_at > now + timedelta(days=MOST_DAYS) or ends_at > max(starts_at, now) + timedelta(days=MOST_DAYS):
        problems["ends_at"] = [_("It may begin within a year, and last for one.")]
    if problems:
        raise Invalid(problems)
    assert member is not None
    made = Delegation.objects.create(delegator=by, delegate=member.user, starts_at=max(now, starts_at), ends_at=ends_at)
    due.expect(END_JOB, ends_at)
    starts, ends = made.starts_at.isoformat(), ends_at.isoformat()
    return made, events.record("delegation.created", made, by=by, delegate=str(member.user), starts=starts, ends=ends)


@transaction.atomic
def end(delegation: Delegation, *, by: User) -> Event:
    """Take it back at once: who gave it, who got it, or who manages the members.

    :raises NotAllowed: it has ended.
    """
    now = events.lock().now
    return _end(delegation, now, Delegation.End.TAKEN_BACK, by=by)


def _end(delegation: Delegation, now: datetime, why: Delegation.End, *, by: User | None) -> Event:
    if not Delegation.objects.standing().filter(pk=delegation.pk).update(ended_at=now, ended_by=why):
        raise NotAllowed(_("This has ended already."))
    delegation.ended_at, delegation.ended_by = now, why
    return events.record("delegation.ended", delegation, by=by, why=why.value)


def lapse(*, by: User | None) -> None:
    """Those end of which one of the two may no longer, after a change of roles. Doors look at the roles themselves."""
    now = events.now()
    for each in Delegation.objects.standing().for_list().order_by("pk"):
        if not decides(each.delegator) or not Membership.objects.filter(user=each.delegate).exists():
            _end(each, now, Delegation.End.GONE, by=by)


def end_due() -> datetime | None:
    """Those end whose time is over; returns when the next will be. Runs under the lock, see tenants.due."""
    now = events.now()
    for each in Delegation.objects.standing().for_list().filter(ends_at__lte=now).order_by("pk"):
        _end(each, now, Delegation.End.DATE, by=None)
    return Delegation.objects.standing().order_by("ends_at").values_list("ends_at", flat=True).first()


def decides(user: User) -> bool:
    """Whether somebody decides requests by roles of their own."""
    membership = Membership.objects.filter(user=user, user__is_active=True).with_custom_permissions().first()
    return membership is not None and _DECIDE in permissions_held(membership)


def behind(user: User) -> list[User]:
    """In whose place somebody decides who may do so by nothing else; nobody for whoever decides by roles of their own."""
    if user.is_service:
        return []
    running = list(Delegation.objects.running(events.now()).filter(delegate=user).select_related("delegator").order_by("pk"))
    return [] if not running or decides(user) else [each.delegator for each in running]
