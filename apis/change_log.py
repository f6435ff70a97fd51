"""What happened to an API, for those who call it: from the events and revisions that are there.

Nobody is told who did it, nor where calls go: that is the publishers' own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apis.differences import Change
from apis.models import Api, ApiVersion, BrownOut, LoggedChange, Revision
from tenants.models import Event

LIVE = "revision.live"
OPENED = ("version.prereleased", "version.published")
OF_VERSIONS = (
    *OPENED, "version.blocked", "version.unblocked", "version.deprecated", "version.sunset_changed", "version.reinstated",
    "version.retired",
)  # fmt: skip
OF_BROWN_OUTS = ("brown_out.planned", "brown_out.cancelled")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a version.

    `number`, `note` and `back` are of the revision that callers had from then on: `back`, if they had had it before. `reason` is what its
    publisher said about it. `counts` is how many changes there are by level, of which `changes` are the first; both are None where nothing
    is compared, and `waits` says that it is going to be.
    """

    pk: UUID
    at: datetime
    changed_at: datetime
    kind: str
    version: str
    number: int | None = None
    note: str = ""
    back: bool = False
    reason: str = ""
    sunset_at: datetime | None = None
    successor: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    counts: dict[str, int] | None = None
    changes: tuple[Change, ...] | None = None
    waits: bool = False


def reached_callers() -> QuerySet[Event]:
    """Those by which a revision came to callers; what was made live while nobody could call is none."""
    return Event.objects.filter(_was_had(), kind=LIVE)


def happened(api: Api) -> QuerySet[Event]:
    """What its callers should know of. By the ids of its few rows, since a tenant's events are many."""
    versions = list(api.versions.values_list("pk", flat=True))
    revisions = list(Revision.objects.filter(version__in=versions, went_live_at__isnull=False).values_list("pk", flat=True))
    brown_outs = list(BrownOut.objects.filter(version__in=versions).values_list("pk", flat=True))
    kinds = Q(kind__in=[*OF_VERSIONS, *OF_BROWN_OUTS]) | Q(_was_had(), kind=LIVE)
    return Event.objects.filter(kinds, subject_id__in=[*versions, *revisions, *brown_outs])


def _was_had() -> Exists:
    """Whether callers had the revision that an event is about, from then on at the latest."""
    return Exists(Revision.objects.filter(pk=OuterRef("subject_id"), went_live_at__lte=OuterRef("at")))


def entries(events: Sequence[Event], *, language: str) -> list[Entry]:
    """The same in the same order, as readers may know them. As many queries for many as for few."""
    ids = [each.subject_id for each in events]
    opened = [each.at for each in events if each.kind in OPENED]
    brown_outs = dict(BrownOut.objects.filter(pk__in=ids).values_list("pk", "version"))
    rows = Revision.objects.filter(Q(pk__in=ids) | Q(version__in=ids, went_live_at__in=opened))
    revisions = list(rows.only("number", "note", "version_id", "went_live_at"))
    of = {each.pk: each.version_id for each in revisions} | brown_outs
    versions = ApiVersion.objects.in_bulk([*ids, *of.values()])
    logged = {each.event_id: each for each in LoggedChange.objects.filter(event__in=[each.pk for each in events])}
    by_id = {each.pk: each for each in revisions}
    first = {(each.version_id, each.went_live_at): each for each in revisions}
    found = []
    for event in events:
        version = versions[of.get(event.subject_id, event.subject_id)]
        revision = by_id.get(event.subject_id) if event.kind == LIVE else first.get((version.pk, event.at))
        found.append(_entry(event, version, revision, logged.get(event.pk), language))
    return found


def _entry(event: Event, version: ApiVersion, revision: Revision | None, logged: LoggedChange | None, language: str) -> Entry:
    data: dict[str, Any] = event.data
    live = event.kind == LIVE
    return Entry(
        pk=event.pk,
        at=event.at,
        changed_at=max(event.at, logged.compared_at) if logged else event.at,
        kind=event.kind,
        version=version.name,
        number=revision.number if revision else None,
        note=revision.note if revision else "",
        back=bool(live and revision and revision.went_live_at != event.at),
        # Of a revision it says why it went live although it broke callers, which is for the audit.
        reason="" if live else data.get("reason", ""),
        sunset_at=_time(data.get("sunset") or (data.get("now") if event.kind == "version.sunset_changed" else None)),
        successor=data.get("successor", ""),
        starts_at=_time(data.get("starts")),
        ends_at=_time(data.get("ends")),
        counts=logged.counts if logged else None,
        changes=logged.changes(language) if logged else None,
        waits=live and logged is None,
    )


def _time(given: str | None) -> datetime | None:
    return datetime.fromisoformat(given) if given else None
