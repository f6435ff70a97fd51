"""The job that makes mails of events: at least once, in order per tenant, never in anybody's request.

Reading, sending and moving the head on are three steps, so that nothing waits for a mail server in a transaction or under a lock.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPException, SMTPNotSupportedError, SMTPRecipientsRefused
from typing import Any
from uuid import UUID

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db.models import Q

from apis.models import Subscription
from keys.actions import expiries
from portal import mails
from tenants import due, events
from tenants.models import Event, EventCounter, Membership, Tenant, User
from tenants.roles import who_may
from tenants.scope import current_tenant_id, tenant_scope

log = logging.getLogger(__name__)

# One run takes no longer, and leaves the rest to the next; far less than the lease of `due.claim`.
RUN_SECONDS = 60.0
MOST_EVENTS = 50
FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(minutes=10)


class Away(Exception):  # noqa: N818  (reads as the sentence it is)
    """The mail server can't be reached, or takes nothing from us."""


@dataclass(frozen=True, slots=True)
class Item:
    """An event with mails to send, and everybody who gets one."""

    event: Event
    about: mails.About
    people: list[User]
    ready: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What can be sent now. After it everything up to `head` is done, and the tenant is due again at `again`."""

    tenant: Tenant
    items: list[Item]
    head: int
    again: datetime | None
    # The tenant's last event when the batch was read.
    number: int


def send_mails(*, seconds: float = RUN_SECONDS) -> int:
    """Send what is due, tenant by tenant, over one connection. Returns how many tenants were served."""
    until = time.monotonic() + seconds
    served = 0
    with closing(mail.get_connection()) as post:
        while time.monotonic() < until and (claimed := due.claim(due.MAIL_JOB, 1)):
            try:
                answered = _send_tenant(claimed[0], post, until)
            except Exception:
                # One tenant's trouble must not hold up the others; its row comes back with the lease.
                log.exception("%s failed for tenant %s.", due.MAIL_JOB, claimed[0])
                continue
            if not answered:
                break
            served += 1
    return served


def _send_tenant(tenant_id: UUID, post: Any, until: float) -> bool:
    """Send a tenant's batch. Returns False when the mail server is away."""
    with tenant_scope(tenant_id):
        batch = _read()
    failed = None
    done = 0
    for item in batch.items:
        link = mails.link(item.event, item.about, batch.tenant)
        try:
            for person in item.people:
                _send(post, item, batch.tenant, link, person)
        except Away as away:
            log.warning("No mail can be sent (%s); event %s waits.", away, item.event.number)
            failed = item
            break
        done = item.event.number
        if time.monotonic() >= until:
            break
    else:
        done = batch.head
    if failed:
        # All tenants have the same server: one try finds out for all.
        due.postpone(due.MAIL_JOB, FIRST_RETRY)
    with tenant_scope(tenant_id):
        now = events.lock().now
        EventCounter.objects.filter(mailed__lt=done).update(mailed=done)
        due.settle(due.MAIL_JOB, _again(batch, done, failed, now))
    return failed is None


def _again(batch: Batch, done: int, failed: Item | None, now: datetime) -> datetime | None:
    if failed:
        # As long again as it has waited already: that doubles from try to try, and nothing has to remember it.
        return now + min(max(now - failed.ready, FIRST_RETRY), LAST_RETRY)
    unfinished = done < batch.head or events.require_lock().number > batch.number
    return now if unfinished else batch.again


def _read() -> Batch:
    """The tenant's batch, under its lock: whoever undoes a decision at the last moment is waited for."""
    lock = events.lock()
    mailed = EventCounter.objects.values_list("mailed", flat=True).get()
    unsent = Event.objects.filter(kind__in=mails.KINDS, number__gt=mailed).order_by("number")
    found = list(unsent[:MOST_EVENTS])
    subscriptions = Subscription.objects.for_list().in_bulk({event.subject_id for event in found})
    stories = _stories(unsent.filter(subject_id__in=subscriptions))
    ids = {event.subject_id for event in found if event.kind == mails.ENDS_SOON}
    # One that was revoked or replaced meanwhile is no news any more.
    credentials = expiries.worth_a_warning(lock.now).select_related("application").in_bulk(ids) if ids else {}
    members = list(_members([*subscriptions.values(), *credentials.values()]))
    items: list[Item] = []
    head, again = lock.number, None
    for event in found:
        about = subscriptions.get(event.subject_id) or credentials.get(event.subject_id)
        ready = mails.ready_at(event, _after(event, stories), now=lock.now)
        if ready is None or about is None:
            continue
        if ready >= lock.now:
            # Those after it wait, too: mails come in the order of what happened.
            head, again = event.number - 1, ready
            break
        items.append(Item(event, about, mails.recipients(event, about, members), ready))
    else:
        if len(found) == MOST_EVENTS:
            head, again = found[-1].number, lock.now
    return Batch(Tenant.objects.get(pk=current_tenant_id()), items, head, again, lock.number)


def _stories(found: Any) -> dict[UUID, list[Event]]:
    """What happened to each subscription, in order."""
    stories = defaultdict(list)
    for event in found:
        stories[event.subject_id].append(event)
    return stories


def _after(event: Event, stories: dict[UUID, list[Event]]) -> list[Event]:
    return [each for each in stories[event.subject_id] if each.number > event.number]


def _members(concerning: Iterable[mails.About]) -> Iterator[Membership]:
    """Those whom these may concern: nobody who has left, and nobody of another tenant."""
    concerned = {person for about in concerning for person in mails.applicants(about)}
    found = Membership.objects.filter(who_may("subscriptions.decide") | Q(user_id__in=concerned)).with_custom_permissions()
    return found.select_related("user").order_by("user_id").iterator()


def _send(post: Any, item: Item, tenant: Tenant, link: str, person: User) -> None:
    """Hand one mail over, or log why nobody ever can.

    :raises Away: no mail can be handed over.
    """
    try:
        message = mails.compose(item.event, item.about, tenant=tenant, link=link, to=person)
        message.message()
    except Exception:
        # One that can't be written must not hold up the others.
        log.exception("The mail of event %s to %s can't be written.", item.event.number, person.pk)
        return
    try:
        _hand_over(post, message)
    except (SMTPException, OSError) as error:
        log.warning("The mail of event %s to %s was refused: %s", item.event.number, person.pk, error)


def _hand_over(post: Any, message: EmailMultiAlternatives) -> None:
    while True:
        try:
            new = post.open()
        except (SMTPException, OSError) as error:
            raise Away(f"{type(error).__name__}: {error}") from error
        try:
            post.send_messages([message])
        except (SMTPException, OSError) as error:
            if _refused_for_good(error):
                raise
            post.close()
            # A server may end a connection after so many mails; a new one tells whether it is away.
            if new is not False:
                raise Away(f"{type(error).__name__}: {error}") from error
        else:
            return


def _refused_for_good(error: Exception) -> bool:
    """Whether the server refuses this mail, and would take another."""
    match error:
        case SMTPRecipientsRefused():
            # 421: the server ends the connection; the recipient is not to blame (RFC 5321 §3.8).
            return all(code != 421 for code, _ in error.recipients.values())
        case SMTPDataError():
            return error.smtp_code >= 500
        case _:
            return isinstance(error, SMTPNotSupportedError)
