"""What ends, and who is told before it does: 30, 7 and 1 days ahead, once each."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery
from django.utils import timezone

from keys.models import Application, Credential, CredentialUse
from tenants import due, events
from tenants.models import ServiceAccount

WARN_JOB = "warn_expiries"
# Days before the end.
WARNINGS = (30, 7, 1)
# A credential that did nothing for so long is not in use.
RECENTLY = timedelta(days=7)

Status = Credential.Status
Ending = Credential | ServiceAccount


def expect(thing: Ending) -> None:
    """It has got an end, or another one: what is still to come before it is warned of. Under the lock, once it is saved.

    Of what ends later than it did `warned_days` is None again.
    """
    if thing.expires_at is None:
        return
    told = reached(thing.expires_at, events.now())
    if told is not None and (thing.warned_days is None or told < thing.warned_days):
        # Whoever chose this end knows it: the warnings that it comes too late for are not caught up on.
        thing.warned_days = told
        thing.save(update_fields=["warned_days"])
    if at := next_at(thing.expires_at, thing.warned_days):
        due.expect(WARN_JOB, at)


def warn_expiries() -> datetime | None:
    """Warn of what ends soon in the tenant in scope; returns when the next warning is due. Runs under the lock, see tenants.due.

    What was warned of stands in the row, so that neither a second run nor a clock that was set back warns again. After a long pause
    there is one warning, the most urgent.
    """
    now = events.now()
    ahead = [*_warned(worth_a_warning(now).select_related("application"), now), *_warned(services_worth_a_warning(now), now)]
    return min(ahead, default=None)


def _warned(rows: QuerySet[Any], now: datetime) -> Iterator[datetime]:
    """Warn of these, and give when each of them is next to be warned of."""
    for each in rows.exclude(warned_days=WARNINGS[-1]).order_by("expires_at"):
        told = reached(each.expires_at, now)
        if told is not None and (each.warned_days is None or told < each.warned_days):
            _warn(each, told, now)
        if at := next_at(each.expires_at, each.warned_days):
            yield at
        if each.warned_days is None:
            # Those after it end later still, so that their first warnings come later.
            break


def worth_a_warning(now: datetime) -> QuerySet[Credential]:
    """Those that work and will end, but for the ones that ended on purpose: rolled, and what replaces them is in use already.

    A rolled one whose replacement nobody has used is just what has to be warned of: the program still has the old one.
    """
    replaced = Exists(CredentialUse.objects.filter(credential__replaces=OuterRef("pk")))
    return Credential.objects.usable().filter(expires_at__gt=now).exclude(replaced, status=Status.EXPIRING)


def services_worth_a_warning(now: datetime) -> QuerySet[ServiceAccount]:
    return ServiceAccount.objects.filter(status=ServiceAccount.Status.ACTIVE, expires_at__gt=now)


def agenda(applications: QuerySet[Application]) -> QuerySet[Credential]:
    """What of these applications works and will end; each with `last_used_at`."""
    uses = CredentialUse.objects.filter(credential=OuterRef("pk")).order_by().values("credential")
    return (
        Credential.objects.usable()
        .filter(expires_at__gt=timezone.now(), application__in=applications.order_by().values("pk"))
        .select_related("application__owner", "application__team")
        .annotate(last_used_at=Subquery(uses.annotate(last=Max("last_at")).values("last")))
    )


def services_agenda() -> QuerySet[ServiceAccount]:
    """The service accounts that work, soonest first."""
    return ServiceAccount.objects.working().order_by("expires_at", "pk")


def use_of(credential: Credential) -> str:
    """Of one of `agenda`: "replaced" (rolled, in its grace), "in_use" (in the last seven days) or "unused"."""
    if credential.status == Status.EXPIRING:
        return "replaced"
    last: datetime | None = credential.last_used_at  # type: ignore[attr-defined]  # annotated by `agenda`
    return "in_use" if last is not None and last > timezone.now() - RECENTLY else "unused"


def _warn(thing: Ending, told: int, now: datetime) -> None:
    assert thing.expires_at is not None
    thing.warned_days = told
    thing.save(update_fields=["warned_days"])
    # After a pause of the job fewer days are left than were agreed on.
    days = -(-(thing.expires_at - now) // timedelta(days=1))
    if isinstance(thing, Credential):
        events.record("credential.ends_soon", thing, by=None, days=days, application=thing.application.name)
    else:
        events.record("service_account.ends_soon", thing, by=None, days=days)


def reached(end: datetime, now: datetime, warnings: Sequence[int] = WARNINGS) -> int | None:
    """The last of the warnings that is due, or was; None before the first."""
    return min((days for days in warnings if end - timedelta(days=days) <= now), default=None)


def next_at(end: datetime, told: int | None, warnings: Sequence[int] = WARNINGS) -> datetime | None:
    """When the next warning is due, after the one of so many days before the end; None after the last."""
    to_come = [days for days in warnings if told is None or days < told]
    return end - timedelta(days=max(to_come)) if to_come else None
