"""Certificates of live upstreams that end: who publishes is told 30, 7 and 1 days ahead, once each, as developers are of credentials."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from apis.certificates import Certificate
from apis.models import LIVE_LARGE, ApiVersion, Upstream
from keys.actions.expiries import next_at, reached
from tenants import due, events

WARN_JOB = "warn_certificates"


def expect(upstream: Upstream) -> None:
    """Calls go there from now on. Under the lock."""
    now, found = events.now(), list(_certificates(upstream))
    # Whoever makes it live can read what ends: the warnings that it comes too late for are not caught up on.
    warned = {each.fingerprint: days for each, _ in found if (days := reached(each.until, now)) is not None}
    if warned != upstream.warned:
        upstream.warned = warned
        upstream.save(update_fields=["warned"])
    if ahead := [at for each, _ in found if (at := next_at(each.until, warned.get(each.fingerprint)))]:
        due.expect(WARN_JOB, min(ahead))


def warn_certificates() -> datetime | None:
    """Warn of what ends soon in the tenant in scope; returns when the next warning is due. Runs under the lock, see tenants.due.

    What was warned of stands in the upstream, so that no second run warns again.
    """
    now = events.now()
    served = ApiVersion.objects.exclude(status=ApiVersion.Status.RETIRED).order_by("id").defer(*LIVE_LARGE)
    served = served.filter(live_revision__upstream__connection__has_any_keys=["ca", "client_certificate"])
    return min((at for version in served.select_related("api", "live_revision__upstream") for at in _warned(version, now)), default=None)


def _warned(version: ApiVersion, now: datetime) -> Iterator[datetime]:
    """Warn of those of a version, and give when each of them is next to be warned of."""
    upstream = version.live_revision.upstream if version.live_revision else None
    for each, client in _certificates(upstream) if upstream else ():
        if each.until <= now or upstream is None:
            continue
        told, days = upstream.warned.get(each.fingerprint), reached(each.until, now)
        if days is not None and (told is None or days < told):
            upstream.warned[each.fingerprint] = told = days
            upstream.save(update_fields=["warned"])
            _warn(version, each, client=client, days=-(-(each.until - now) // timedelta(days=1)))
        if at := next_at(each.until, told):
            yield at


def _warn(version: ApiVersion, certificate: Certificate, *, client: bool, days: int) -> None:
    events.record(
        "certificate.ends_soon",
        version,
        by=None,
        api=version.api.slug,
        version=version.name,
        certificate=certificate.name,
        client=client,
        days=days,
        until=certificate.until.isoformat(),
    )


def _certificates(upstream: Upstream) -> Iterator[tuple[Certificate, bool]]:
    """Each, and whether the gateway proves itself with it."""
    yield from ((each, True) for each in upstream.connects.client_certificates)
    yield from ((each, False) for each in upstream.connects.authorities)
