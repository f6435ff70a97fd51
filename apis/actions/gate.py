"""Before a revision goes live: what it changes, and whom that concerns."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis.actions.publishing import make_live, refuse_other
from apis.actions.reviews import is_back
from apis.actions.versions import named
from apis.compared import compared
from apis.differences import Differences, Level, concerned
from apis.models import LARGE, ApiVersion, OperationUse, Revision
from keys.models import Application
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User

# So many applications stand in the event.
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Concerned:
    """An application that called operations lately which change: how often those, when last, and the worst that happens to one of them."""

    application: Application
    level: Level
    calls: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Gate:
    """`live` is the revision whose place it takes; `callers` are told by how bad it is for them, then by how much they call.

    `back`: it is an older one that callers had, which one takes in a hurry.
    """

    live: Revision | None
    differences: Differences
    callers: tuple[Concerned, ...]
    back: bool = False

    @property
    def breaks(self) -> bool:
        return bool(self.differences.of(Level.BREAKING))

    @property
    def asks(self) -> bool:
        """Whether somebody has to answer for it."""
        return self.breaks and not self.back

    @property
    def broken(self) -> list[Concerned]:
        """The applications whose calls break."""
        return [each for each in self.callers if each.level is Level.BREAKING]


def look(revision: Revision) -> Gate:
    """Against what is live now. A version that was never opened has no callers, so nothing breaks."""
    version = ApiVersion.objects.get(pk=revision.version_id)
    rows = Revision.objects.select_related("upstream").defer(*LARGE)
    live = rows.get(pk=version.live_revision_id) if version.live_revision_id else None
    if live is None or live.pk == revision.pk or version.status not in ApiVersion.OFFERED:
        return Gate(live, Differences(), ())
    found = compared(live, revision)
    return Gate(live, found, tuple(callers(version, live, found)), is_back(revision, live))


def callers(version: ApiVersion, live: Revision, found: Differences) -> list[Concerned]:
    """Who called lately what changes. The operations' ids are those of the live revision: gateways count calls by them."""
    called = OperationUse.objects.filter(version=version).lately().values("operation_id")
    operations = list(live.operations.filter(operation_id__in=called).only("revision", "operation_id", "method", "path"))
    levels = {each.operation_id: level for level in (Level.RISKY, Level.BREAKING) for each in concerned(found, operations, level)}
    uses = OperationUse.objects.filter(version=version, operation_id__in=levels).lately()
    sums: dict[UUID, dict[str, Any]] = {}
    for row in uses.values("application", "operation_id").annotate(sum=Sum("calls"), last=Max("last_at")).order_by():
        told = sums.setdefault(row["application"], {"level": Level.RISKY, "calls": 0, "last_at": row["last"]})
        told["calls"] += row["sum"]
        told["last_at"] = max(told["last_at"], row["last"])
        if levels[row["operation_id"]] is Level.BREAKING:
            told["level"] = Level.BREAKING
    applications = Application.objects.standing().filter(pk__in=sums).select_related("owner", "team").order_by("name", "pk")
    concerns = [Concerned(each, **sums[each.pk]) for each in applications]
    return sorted(concerns, key=lambda each: (each.level.rank, -each.calls))


def go_live(revision: Revision, *, instead_of: int | None = None, override: bool = False, reason: str = "", by: User | None) -> Event:
    """Serve this revision from now on. Going back to an older one that callers had asks for nothing.

    :param instead_of: see `make_live`.
    :param override: although it breaks callers; where any called lately what breaks, with a reason.
    :raises NotAllowed: what it breaks, and for whom.
    :raises Invalid: an override without a reason.
    """
    # Comparing takes its time, so it comes before the lock.
    gate = look(revision)
    was = gate.live.number if gate.live else None
    refuse_other(instead_of, was)
    with transaction.atomic():
        events.lock()
        refuse_other(was or 0, ApiVersion.objects.values_list("live_revision__number", flat=True).get(pk=revision.version_id))
        if gate.asks:
            if not override:
                raise NotAllowed(what_stands_against(gate))
            if gate.broken and not reason:
                raise Invalid({"reason": [_("Say why it goes live all the same.")]})
        return make_live(revision, instead_of=instead_of, by=by, told=_told(gate, reason))


def _told(gate: Gate, reason: str) -> dict[str, Any]:
    """What the event tells beside the numbers."""
    told: dict[str, Any] = {"reason": reason} if reason else {}
    if gate.breaks:
        told["breaking"] = len(gate.differences.of(Level.BREAKING))
        told["breaks"] = [str(each.application) for each in gate.broken[:MOST_LISTED]]
    return told


def what_stands_against(gate: Gate) -> str:
    """What it breaks, and for whom, in a sentence; "" where nobody has to answer for it."""
    if not gate.asks:
        return ""
    many = len(gate.differences.of(Level.BREAKING))
    said = ngettext("%(many)s change breaks callers.", "%(many)s changes break callers.", many) % {"many": many}
    return " ".join(filter(None, [said, _who(gate.broken)]))


def _who(callers: Iterable[Concerned]) -> str:
    found = list(callers)
    if not found:
        return _("No application called what breaks in the last 30 days.")
    said = ngettext(
        "%(many)s application called what breaks in the last 30 days: %(named)s.",
        "%(many)s applications called what breaks in the last 30 days: %(named)s.",
        len(found),
    )
    return said % {"many": len(found), "named": named(each.application for each in found)}
