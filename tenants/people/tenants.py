"""A tenant is suspended and resumed by operators, closed and reopened by its own admins."""

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from tenants import due, events, lifecycle
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Tenant, User
from tenants.scope import current_tenant_id, tenant_scope

ERASE_JOB = "erase_tenants"
MAX_REASON = 500
# Calls a second that a ceiling can allow.
MOST_CALLS = 1_000_000

Status = Tenant.Status


@transaction.atomic
def suspend(tenant: Tenant, *, reason: str, by: User) -> Event:
    """Refuse every call of the tenant; its members read on and change nothing. From outside its scope: an operator is no member."""
    why = _needed(reason)
    with tenant_scope(tenant.pk):
        events.lock()
        found = _as_it_is()
        if found.status == Status.CLOSING:
            raise NotAllowed(_("This tenant is closing; its calls are refused already."))
        event = lifecycle.step(found, Status.SUSPENDED, by=by, why=why, status_why=why)
    events.record_platform("tenant.suspended", tenant, by=by, reason=why)
    return event


@transaction.atomic
def resume(tenant: Tenant, *, by: User) -> Event:
    """Its calls pass again. What its admins are closing is theirs to reopen."""
    with tenant_scope(tenant.pk):
        events.lock()
        found = _as_it_is()
        if found.status == Status.CLOSING:
            raise NotAllowed(_("This tenant is closing; one of its admins can reopen it."))
        event = lifecycle.step(found, Status.ACTIVE, by=by, status_why="")
    events.record_platform("tenant.resumed", tenant, by=by)
    return event


@transaction.atomic
def close(*, name: str, reason: str, by: User) -> Event:
    """Close the tenant in scope: its calls are refused from now on, and it is erased in 30 days unless it is reopened.

    :param name: the tenant's, typed by who closes it.
    """
    why = _needed(reason)
    lock = events.lock()
    tenant = _as_it_is()
    if name.strip() != tenant.name:
        raise Invalid({"name": [_("Type the tenant's name, “%(name)s”.") % {"name": tenant.name}]})
    erase_at = lock.now + settings.TENANT_CLOSING
    event = lifecycle.step(tenant, Status.CLOSING, by=by, why=why, status_why=why, erase_at=erase_at)
    due.expect(ERASE_JOB, erase_at)
    events.record_platform("tenant.closing", tenant, by=by, reason=why, erase_at=erase_at.isoformat())
    return event


@transaction.atomic
def reopen(*, by: User) -> Event:
    """Take closing back. What an operator had suspended is suspended again: closing is no way out of that."""
    lock = events.lock()
    tenant = _as_it_is()
    if tenant.status != Status.CLOSING:
        raise NotAllowed(_("This tenant is not closing."))
    if tenant.erase_at is not None and tenant.erase_at <= lock.now:
        raise NotAllowed(_("The time to reopen this tenant is over; it is being erased."))
    suspended = _suspended_before()
    to, why = (Status.SUSPENDED, str(suspended.data["reason"])) if suspended else (Status.ACTIVE, "")
    event = lifecycle.step(tenant, to, by=by, status_why=why, erase_at=None)
    due.settle(ERASE_JOB, None)
    events.record_platform("tenant.reopened", tenant, by=by)
    return event


@transaction.atomic
def change_ceiling(tenant: Tenant, *, max_calls: int | None, by: User) -> Event | None:
    """Say how many calls a second pass of all of the tenant's APIs together; None if that is so already. From outside its scope.

    :param max_calls: 0 sets no limit; None is the platform's default.
    """
    if max_calls is not None and not 0 <= max_calls <= MOST_CALLS:
        raise Invalid({"max_calls": [_("A ceiling is from 1 to %(most)s calls a second, or 0 for none.") % {"most": MOST_CALLS}]})
    with tenant_scope(tenant.pk):
        events.lock()
        found = _as_it_is()
        was = found.max_calls
        if max_calls == was:
            return None
        found.max_calls = max_calls
        found.save(update_fields=["max_calls"])
        event = events.record("tenant.ceiling_changed", found, by=by, was=was, now=max_calls)
    events.record_platform("tenant.ceiling_changed", tenant, by=by, was=was, now=max_calls)
    return event


def _suspended_before() -> Event | None:
    """The suspension that closing began from."""
    closing = Event.objects.filter(kind="tenant.closing").order_by("-number").first()
    if closing is None or closing.data["was"] != Status.SUSPENDED:
        return None
    return Event.objects.filter(kind="tenant.suspended").order_by("-number").first()


def _as_it_is() -> Tenant:
    return Tenant.objects.get(pk=current_tenant_id())


def _needed(reason: str) -> str:
    found = reason.strip()
    if not found:
        raise Invalid({"reason": [_("Say why; the tenant's members read it.")]})
    if len(found) > MAX_REASON:
        raise Invalid({"reason": [_("%(most)s characters are the most.") % {"most": MAX_REASON}]})
    return found
