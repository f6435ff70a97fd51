"""Inboxes: what stands in them, who wants to hear of what and how, and what waits for a digest.

All of it is a person's own and nobody else's, so that nothing here is an event or needs the tenant's lock.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from portal.news import GROUP_OF, GROUPS
from tenants import due, events
from tenants.models import Event, Notification, NotificationPreference, User

DIGEST_JOB, PRUNE_JOB = "send_digests", "prune_notifications"
KEPT = timedelta(days=180)
# In the time zone of who reads it.
DIGEST_HOUR = 7
Mail = NotificationPreference.Mail


@dataclass(frozen=True, slots=True)
class Wish:
    """How a person hears of one group of events."""

    inbox: bool = True
    mail: str = Mail.AT_ONCE


@dataclass(frozen=True, slots=True)
class Told:
    """One event for one person, as they want to hear of it."""

    event: Event
    person: User
    wish: Wish


def wishes(people: Collection[UUID]) -> Mapping[tuple[UUID, str], Wish]:
    """By person and group, where they have chosen; `Wish()` else."""
    found = NotificationPreference.objects.filter(user__in=people)
    return {(each.user_id, each.group): Wish(each.inbox, each.mail) for each in found}


def wishes_of(user: User, permissions: frozenset[str]) -> dict[str, Wish]:
    """A person's, of every group that can concern them."""
    chosen = wishes([user.pk])
    return {name: chosen.get((user.pk, name), Wish()) for name, group in GROUPS.items() if group.permission in permissions}


@transaction.atomic
def choose(user: User, wanted: Mapping[str, Wish]) -> None:
    rows = [NotificationPreference(user=user, group=name, inbox=wish.inbox, mail=wish.mail) for name, wish in sorted(wanted.items())]
    NotificationPreference.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["tenant", "user", "group"], update_fields=["inbox", "mail"]
    )


def stop_mails(user: User, group: str) -> None:
    """No mail of this group any more; `group` "" stops the digest. What stands in the inbox stays."""
    chosen = {name: wish for (_user, name), wish in wishes([user.pk]).items()}
    stopped = [group] if group else [name for name, wish in chosen.items() if wish.mail == Mail.DIGEST]
    choose(user, {name: Wish(chosen.get(name, Wish()).inbox, Mail.NEVER) for name in stopped})


# --- writing ---------------------------------------------------------------------------------------------------------


def write(told: Iterable[Told]) -> None:
    """Put it into inboxes. What a person has already is not there twice."""
    rows = [
        Notification(user=each.person, event=each.event, in_inbox=each.wish.inbox, in_digest=each.wish.mail == Mail.DIGEST)
        for each in told
        if each.wish.inbox or each.wish.mail == Mail.DIGEST
    ]
    if not rows:
        return
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    now = events.now()
    due.expect(PRUNE_JOB, now + KEPT)
    if mornings := [morning_after(now, each.user) for each in rows if each.in_digest]:
        due.expect(DIGEST_JOB, min(mornings))


def prune() -> datetime | None:
    """Remove what is older than half a year; returns when the next is. Runs under the lock, see tenants.due."""
    now = events.now()
    Notification.objects.filter(created_at__lte=now - KEPT).delete()
    oldest = Notification.objects.order_by("created_at").values_list("created_at", flat=True).first()
    return oldest + KEPT if oldest else None


# --- reading ---------------------------------------------------------------------------------------------------------


def of(user: User) -> QuerySet[Notification]:
    return Notification.objects.filter(user=user, in_inbox=True)


def unread(user: User) -> QuerySet[Notification]:
    return of(user).filter(read_at=None)


def count_unread(user: User) -> Coalesce:
    """For a queryset of tenants: how many are unread in the one in scope, 0 in all others."""
    rows = unread(user).filter(tenant=OuterRef("pk")).order_by().values("tenant").annotate(many=Count("pk")).values("many")
    return Coalesce(Subquery(rows, output_field=IntegerField()), 0)


def read(rows: QuerySet[Notification]) -> int:
    """They were seen. Returns how many were news."""
    return rows.filter(read_at=None).update(read_at=Now())


# --- digests ---------------------------------------------------------------------------------------------------------


def waiting() -> QuerySet[Notification]:
    """What waits for a digest."""
    return Notification.objects.filter(in_digest=True)


def sent(rows: Collection[UUID]) -> None:
    Notification.objects.filter(pk__in=rows).update(in_digest=False)


def morning_after(at: datetime, user: User) -> datetime:
    """The person's next seven o'clock."""
    zone: tzinfo
    try:
        zone = ZoneInfo(user.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    local = at.astimezone(zone)
    seven = local.replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return seven if seven > local else seven + timedelta(days=1)


def next_digest() -> datetime | None:
    """When the first of those who wait for one get it."""
    oldest: dict[UUID, Notification] = {}
    for each in waiting().select_related("user").order_by("user_id", "created_at").distinct("user_id"):
        oldest[each.user_id] = each
    return min((morning_after(each.created_at, each.user) for each in oldest.values()), default=None)


def wants_digest(wishes: Mapping[tuple[UUID, str], Wish], row: Notification) -> bool:
    """Whether its person still wants it so."""
    return wishes.get((row.user_id, GROUP_OF.get(row.event.kind, "")), Wish()).mail == Mail.DIGEST
