"""The jobs that tell people what happened: in their inboxes once, by mail at least once, in order per tenant, never in a request.

Reading, sending and moving the head on are three steps, so that nothing waits for a mail server in a transaction or under a lock.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from smtplib import SMTPDataError, SMTPException, SMTPNotSupportedError, SMTPRecipientsRefused
from typing import Any
from uuid import UUID

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db.models import QuerySet

from apis.models import Subscription
from portal import inbox, mails, news
from tenants import due, events
from tenants.models import Event, EventCounter, Invitation, Membership, NotificationPreference, Tenant, User
from tenants.scope import Lock, tenant_scope

log = logging.getLogger(__name__)

# One run takes no longer, and leaves the rest to the next; far less than the lease of `due.claim`.
RUN_SECONDS = 60.0
MOST_EVENTS = 50
FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(minutes=10)
AT_ONCE, NEVER = NotificationPreference.Mail.AT_ONCE, NotificationPreference.Mail.NEVER


class Away(Exception):  # noqa: N818  (reads as the sentence it is)
    """The mail server can't be reached, or takes nothing from us."""


@dataclass(frozen=True, slots=True)
class Item:
    """An event that can be told, and everybody whom it concerns."""

    event: Event
    about: news.About
    told: list[inbox.Told]
    ready: datetime

    @property
    def people(self) -> list[User]:
        """Who gets a mail now."""
        guests = [news.guest(self.about)] if isinstance(self.about, Invitation) else []
        return [each.person for each in self.told if each.wish.mail == AT_ONCE] + guests


@dataclass(frozen=True, slots=True)
class Batch:
    """What can be told now. After it everything up to `head` is done, and the tenant is due again at `again`."""

    items: list[Item]
    head: int
    again: datetime | None
    # The tenant's last event when the batch was read.
    number: int


# Serves one tenant over a connection to the mail server, until a time of time.monotonic(); False when the server is away. Without a
# connection it does what takes none.
Serve = Callable[[UUID, Any, float], bool]


def send_mails(*, seconds: float = RUN_SECONDS) -> int:
    """Tell what is due, tenant by tenant, over one connection. Returns how many tenants were served."""
    return _run(due.MAIL_JOB, _send_tenant, seconds, even_away=True)


def send_digests(*, seconds: float = RUN_SECONDS) -> int:
    """Send the digests whose morning has come, likewise."""
    return _run(inbox.DIGEST_JOB, _send_digests, seconds)


def _run(job: str, serve: Serve, seconds: float, *, even_away: bool = False) -> int:
    until = time.monotonic() + seconds
    served, away = 0, False
    with closing(mail.get_connection()) as post:
        while time.monotonic() < until and (claimed := due.claim(job, 1)):
            try:
                # All tenants have the same server: one try finds out for all.
                answered = serve(claimed[0], None if away else post, until)
            except Exception:
                # One tenant's trouble must not hold up the others; its row comes back with the lease.
                log.exception("%s failed for tenant %s.", job, claimed[0])
                continue
            away = away or not answered
            if away and not even_away:
                break
            served += answered
    return served


def _send_tenant(tenant_id: UUID, post: Any, until: float) -> bool:
    with tenant_scope(tenant_id):
        lock = events.lock()
        tenant, heads = Tenant.objects.get(pk=tenant_id), EventCounter.objects.get()
        batch = _read(heads.mailed, lock)
        # Inboxes are further ahead where a mail server was away.
        told = batch if heads.told == heads.mailed else _read(heads.told, lock)
        inbox.write(each for item in told.items for each in item.told)
        EventCounter.objects.filter(told__lt=told.head).update(told=told.head)
    failed = None
    done = 0
    for item in batch.items:
        try:
            for person in item.people:
                _send(post, _of_event(item, tenant, person))
        except Away as away:
            if post is not None:
                log.warning("No mail can be sent (%s); event %s waits.", away, item.event.number)
            failed = item
            break
        done = item.event.number
        if time.monotonic() >= until:
            break
    else:
        done = batch.head
    with tenant_scope(tenant_id):
        lock = events.lock()
        EventCounter.objects.filter(mailed__lt=done).update(mailed=done)
        due.settle(due.MAIL_JOB, _again(batch, told, done, failed, lock))
    return failed is None


def _again(batch: Batch, told: Batch, done: int, failed: Item | None, lock: Lock) -> datetime | None:
    # Inboxes don't wait for a mail server, and neither does what happened meanwhile.
    found = [told.again, lock.now if lock.number > batch.number else None]
    if failed:
        # As long again as it has waited already: that doubles from try to try, and nothing has to remember it.
        found.append(lock.now + min(max(lock.now - failed.ready, FIRST_RETRY), LAST_RETRY))
    else:
        found.append(lock.now if done < batch.head else batch.again)
    return min((at for at in found if at), default=None)


def _read(after: int, lock: Lock) -> Batch:
    """What can be told of the events after this one, under the lock: whoever undoes a decision at the last moment is waited for."""
    untold = Event.objects.filter(kind__in=news.KINDS, number__gt=after).order_by("number")
    found = list(untold[:MOST_EVENTS])
    abouts = news.abouts(found)
    stories = _stories(untold.filter(subject_id__in=[pk for pk, row in abouts.items() if isinstance(row, Subscription)]))
    stale = news.no_news(found, lock.now)
    ready: list[tuple[Event, datetime]] = []
    head, again = lock.number, None
    for event in found:
        at = news.ready_at(event, _after(event, stories), now=lock.now)
        if at is None or event.pk in stale or not news.knows(event, abouts.get(event.subject_id)):
            continue
        if at >= lock.now:
            # Those after it wait, too: people hear of things in the order in which they happened.
            head, again = event.number - 1, at
            break
        ready.append((event, at))
    else:
        if len(found) == MOST_EVENTS:
            head, again = found[-1].number, lock.now
    return Batch(list(_items(ready, abouts)), head, again, lock.number)


def _stories(found: QuerySet[Event]) -> dict[UUID, list[Event]]:
    """What happened to each subscription, in order."""
    stories = defaultdict(list)
    for event in found:
        stories[event.subject_id].append(event)
    return stories


def _after(event: Event, stories: dict[UUID, list[Event]]) -> list[Event]:
    return [each for each in stories[event.subject_id] if each.number > event.number]


def _items(ready: list[tuple[Event, datetime]], abouts: dict[UUID, news.About]) -> Iterator[Item]:
    if not ready:
        return
    events_ready = [event for event, _at in ready]
    crowd = news.crowd(events_ready, {event.subject_id: abouts.get(event.subject_id) for event in events_ready})
    concerned = {event.pk: news.recipients(event, abouts.get(event.subject_id), crowd) for event in events_ready}
    wishes = inbox.wishes({person.pk for people in concerned.values() for person in people})
    for event, at in ready:
        told = [inbox.Told(event, person, _wish(event, person, crowd, wishes)) for person in concerned[event.pk]]
        yield Item(event, abouts.get(event.subject_id), told, at)


def _wish(event: Event, person: User, crowd: news.Crowd, wishes: Mapping[tuple[UUID, str], inbox.Wish]) -> inbox.Wish:
    wish = wishes.get((person.pk, news.GROUP_OF[event.kind]), inbox.Wish())
    if person.pk in crowd.members:
        return wish
    # Who is no member any more has no inbox here, and nothing comes after this that a digest could gather.
    return inbox.Wish(inbox=False, mail=AT_ONCE if wish.mail != NEVER else NEVER)


# --- digests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """One person's digest; `rows` is all that has waited for it, also what is not in it any more."""

    person: User
    news: list[tuple[Event, news.About]]
    rows: list[UUID]


def _send_digests(tenant_id: UUID, post: Any, until: float) -> bool:
    with tenant_scope(tenant_id):
        tenant, letters = Tenant.objects.get(pk=tenant_id), list(_letters(events.lock().now))
    sent: list[UUID] = []
    away = False
    for letter in letters:
        try:
            if letter.news:
                _send(post, _of_digest(letter, tenant))
        except Away as error:
            log.warning("No digest can be sent (%s).", error)
            due.postpone(inbox.DIGEST_JOB, FIRST_RETRY)
            away = True
            break
        sent += letter.rows
        if time.monotonic() >= until:
            break
    with tenant_scope(tenant_id):
        now = events.lock().now
        inbox.sent(sent)
        due.settle(inbox.DIGEST_JOB, now + LAST_RETRY if away else inbox.next_digest())
    return not away


def _letters(now: datetime) -> Iterator[Letter]:
    """Everybody's whose morning has come: members alone, and what they still want so."""
    waiting = list(inbox.waiting().select_related("event", "user").order_by("user_id", "event__number"))
    abouts = news.abouts([each.event for each in waiting])
    here = set(_members([each.user_id for each in waiting]))
    wishes = inbox.wishes({each.user_id for each in waiting})
    for person, found in groupby(waiting, key=lambda each: each.user):
        rows = list(found)
        if inbox.morning_after(min(each.created_at for each in rows), person) > now:
            continue
        wanted = [each for each in rows if person.is_active and person.pk in here and inbox.wants_digest(wishes, each)]
        told = [
            (each.event, abouts.get(each.event.subject_id)) for each in wanted if news.knows(each.event, abouts.get(each.event.subject_id))
        ]
        yield Letter(person, told, [each.pk for each in rows])


def _members(people: list[UUID]) -> QuerySet[Any, UUID]:
    return Membership.objects.filter(user__in=people).values_list("user_id", flat=True)


# --- the post --------------------------------------------------------------------------------------------------------


def _of_event(item: Item, tenant: Tenant, person: User) -> EmailMultiAlternatives | None:
    try:
        message = mails.compose(item.event, item.about, tenant=tenant, to=person)
        message.message()
    except Exception:
        # One that can't be written must not hold up the others.
        log.exception("The mail of event %s to %s can't be written.", item.event.number, person.pk)
        return None
    return message


def _of_digest(letter: Letter, tenant: Tenant) -> EmailMultiAlternatives | None:
    try:
        message = mails.digest(letter.news, tenant=tenant, to=letter.person)
        message.message()
    except Exception:
        log.exception("The digest of %s can't be written.", letter.person.pk)
        return None
    return message


def _send(post: Any, message: EmailMultiAlternatives | None) -> None:
    """Hand one mail over, or log why nobody ever can.

    :raises Away: no mail can be handed over.
    """
    if post is None:
        raise Away("not tried again")
    if message is None:
        return
    try:
        hand_over(post, message)
    except (SMTPException, OSError) as error:
        log.warning("The mail %s was refused: %s", message.extra_headers["Message-ID"], error)


def hand_over(post: Any, message: EmailMultiAlternatives) -> None:
    """:raises Away: no mail can be handed over. :raises SMTPException, OSError: this one never can."""
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
