"""Time travel: what an application could call at a moment, and who had allowed it, told again from the events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from apis.models import Subscription
from keys.models import Application, Credential
from tenants.models import Event

Row = TypeVar("Row", Subscription, Credential)

# What each kind leads to. Others about the same thing leave its state as it is.
SUBSCRIPTION = {
    "subscription.requested": "pending",
    "subscription.added": "active",
    "subscription.approved": "active",
    "subscription.rejected": "rejected",
    "subscription.decision_undone": "pending",
    "subscription.suspended": "suspended",
    "subscription.resumed": "active",
    "subscription.cancelled": "cancelled",
    "subscription.started": "active",
    "subscription.expired": "expired",
}
CREDENTIAL = {
    "credential.created": "active",
    "credential.rolled": "expiring",
    "credential.expired": "expired",
    "credential.revoked": "revoked",
}
TENANT = ("tenant.suspended", "tenant.resumed", "tenant.closing", "tenant.reopened")
# What stops one application, and what lets it go on.
APPLICATION = {"application.suspended": True, "application.resumed": False, "application.deleted": True}
# What says yes, and stays the reason while a later event only stops it and lets it go on.
ALLOWS = {"subscription.approved", "subscription.added", "credential.created"}


@dataclass(frozen=True, slots=True)
class Standing(Generic[Row]):
    """One thing as it stood: its state, the event that brought it there, and the one that had allowed it, None where none had."""

    row: Row
    state: str
    by: Event
    allowed: Event | None

    @property
    def works(self) -> bool:
        return self.state in {"active", "expiring"}


@dataclass(frozen=True, slots=True)
class Access:
    """`stopped` is the event by which the whole tenant was stopped, `suspended` that by which the application was suspended or deleted;
    None where it was not."""

    at: datetime
    stopped: Event | None
    suspended: Event | None
    subscriptions: list[Standing[Subscription]]
    credentials: list[Standing[Credential]]

    @property
    def could_call(self) -> bool:
        """Whether any call could pass: it needs a subscription and a credential."""
        theirs = any(each.works for each in self.subscriptions) and any(each.works for each in self.credentials)
        return self.stopped is None and self.suspended is None and theirs


def access_at(application: Application, at: datetime) -> Access:
    """States come from events alone. Which things are the application's, and from and until which second, stands in their rows."""
    subscriptions = Subscription.objects.filter(application=application).select_related("api", "plan").order_by("-pk")
    credentials = Credential.objects.filter(application=application).order_by("-pk")
    return Access(
        at,
        _stopped(at),
        _suspended(application, at),
        [_within_its_dates(each, at) for each in _told(subscriptions, SUBSCRIPTION, at)],
        [_until_its_end(each, at) for each in _told(credentials, CREDENTIAL, at)],
    )


def _stopped(at: datetime) -> Event | None:
    """What had stopped the whole tenant. One that was suspended when it began to close is so again when that is taken back."""
    stopped = before = None
    for event in Event.objects.filter(kind__in=TENANT, at__lte=at).order_by("number"):
        match event.kind:
            case "tenant.suspended":
                stopped = event
            case "tenant.resumed":
                stopped = None
            case "tenant.closing":
                before, stopped = stopped, event
            case _:
                stopped = before
    return stopped


def _suspended(application: Application, at: datetime) -> Event | None:
    """What had stopped this application."""
    rows = Event.objects.filter(subject_id=application.pk, kind__in=APPLICATION, at__lte=at)
    last = rows.order_by("-number").first()
    return last if last and APPLICATION[last.kind] else None


def _told(rows: Iterable[Row], states: Mapping[str, str], at: datetime) -> list[Standing[Row]]:
    """Those that there were, each as the last event before `at` left it."""
    known = list(rows)
    happened: dict[UUID, list[Event]] = {}
    about = [row.pk for row in known]
    for event in Event.objects.filter(subject_id__in=about, kind__in=states, at__lte=at).order_by("number"):
        happened.setdefault(event.subject_id, []).append(event)
    return [_standing(row, happened[row.pk], states) for row in known if row.pk in happened]


def _standing(row: Row, happened: list[Event], states: Mapping[str, str]) -> Standing[Row]:
    last = happened[-1]
    allowed = next((event for event in reversed(happened) if event.kind in ALLOWS), None)
    return Standing(row, states[last.kind], last, allowed if states[last.kind] not in {"pending", "rejected"} else None)


def _within_its_dates(standing: Standing[Subscription], at: datetime) -> Standing[Subscription]:
    """Gateways refuse before it starts, and from the second on at which it ends; the events follow when the job comes by."""
    row = standing.row
    if not standing.works:
        return standing
    if row.starts_at is not None and row.starts_at > at and (row.started_at is None or row.started_at > at):
        return Standing(row, "scheduled", standing.by, standing.allowed)
    if row.ends_at is not None and row.ends_at <= at:
        return Standing(row, "expired", standing.by, standing.allowed)
    return standing


def _until_its_end(standing: Standing[Credential], at: datetime) -> Standing[Credential]:
    """Gateways refuse from the second on at which it ends; the event follows when the job comes by."""
    ends = standing.row.expires_at
    if not standing.works or ends is None or ends > at:
        return standing
    return Standing(standing.row, "expired", standing.by, standing.allowed)
