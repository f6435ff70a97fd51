"""What ends, and who is told before it does: 30, 7 and 1 days ahead, once each."""

from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery
from django.utils import timezone

from keys.models import Application, Credential, CredentialUse
from tenants import due, events

WARN_JOB = "warn_expiries"
# Days before the end.
WARNINGS = (30, 7, 1)
# A credential that did nothing for so long is not in use.
RECENTLY = timedelta(days=7)

Status = Credential.Status


def expect(credential: Credential) -> None:
    """A credential has got an end, or an earlier one: what is still to come before it is warned of. Under the lock, once it is saved."""
    if credential.expires_at is None:
        return
    told = _reached(credential.expires_at, events.now())
    if told is not None and (credential.warned_days is None or told < credential.warned_days):
        # Whoever chose this end knows it: the warnings that it comes too late for are not caught up on.
        credential.warned_days = told
        credential.save(update_fields=["warned_days"])
    if at := _next(credential):
        due.expect(WARN_JOB, at)


def warn_expiries() -> datetime | None:
    """Warn of what ends soon in the tenant in scope; returns when the next warning is due. Runs under the lock, see tenants.due.

    What was warned of stands in the row, so that neither a second run nor a clock that was set back warns again. After a long pause
    there is one warning, the most urgent.
    """
    now = events.now()
    ahead: list[datetime] = []
    for credential in worth_a_warning(now).exclude(warned_days=WARNINGS[-1]).select_related("application").order_by("expires_at"):
        assert credential.expires_at is not None
        reached = _reached(credential.expires_at, now)
        if reached is not None and (credential.warned_days is None or reached < credential.warned_days):
            _warn(credential, reached, now)
        if at := _next(credential):
            ahead.append(at)
        if credential.warned_days is None:
            # Those after it end later still, so that their first warnings come later.
            break
    return min(ahead, default=None)


def worth_a_warning(now: datetime) -> QuerySet[Credential]:
    """Those that work and will end, but for the ones that ended on purpose: rolled, and what replaces them is in use already.

    A rolled one whose replacement nobody has used is just what has to be warned of: the program still has the old one.
    """
    replaced = Exists(CredentialUse.objects.filter(credential__replaces=OuterRef("pk")))
    return Credential.objects.usable().filter(expires_at__gt=now).exclude(replaced, status=Status.EXPIRING)


def agenda(applications: QuerySet[Application]) -> QuerySet[Credential]:
    """What of these applications works and will end; each with `last_used_at`."""
    uses = CredentialUse.objects.filter(credential=OuterRef("pk")).order_by().values("credential")
    return (
        Credential.objects.usable()
        .filter(expires_at__gt=timezone.now(), application__in=applications.order_by().values("pk"))
        .select_related("application__owner", "application__team")
        .annotate(last_used_at=Subquery(uses.annotate(last=Max("last_at")).values("last")))
    )


def use_of(credential: Credential) -> str:
    """Of one of `agenda`: "replaced" (rolled, in its grace), "in_use" (in the last seven days) or "unused"."""
    if credential.status == Status.EXPIRING:
        return "replaced"
    last: datetime | None = credential.last_used_at  # type: ignore[attr-defined]  # annotated by `agenda`
    return "in_use" if last is not None and last > timezone.now() - RECENTLY else "unused"


def _warn(credential: Credential, reached: int, now: datetime) -> None:
    assert credential.expires_at is not None
    credential.warned_days = reached
    credential.save(update_fields=["warned_days"])
    # After a pause of the job fewer days are left than were agreed on.
    days = -(-(credential.expires_at - now) // timedelta(days=1))
    events.record("credential.ends_soon", credential, by=None, days=days, application=credential.application.name)


def _reached(end: datetime, now: datetime) -> int | None:
    """The last of WARNINGS that is due, or was."""
    return min((days for days in WARNINGS if end - timedelta(days=days) <= now), default=None)


def _next(credential: Credential) -> datetime | None:
    assert credential.expires_at is not None
    to_come = [days for days in WARNINGS if credential.warned_days is None or days < credential.warned_days]
    return credential.expires_at - timedelta(days=max(to_come)) if to_come else None
