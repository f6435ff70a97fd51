"""Keeping upstreams' addresses true."""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apis import upstreams
from apis.models import Upstream
from tenants import addresses, due, events
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

RESOLVE_JOB = "resolve_upstreams"
EVERY = timedelta(seconds=60)
# One run takes no longer, and gives back what it has not come to.
RUN_SECONDS = 20.0
# One tenant has no more names looked up in a run, whichever chance picks: the others have theirs, too.
MOST_LOOK_UPS = 50

Pick = Callable[[Sequence[upstreams.Address], int], Sequence[upstreams.Address]]


def resolve_upstreams(
    *, resolver: addresses.Resolver = addresses.look_up, limit: int = 100, seconds: float = RUN_SECONDS, pick: Pick = random.sample
) -> int:
    """Look up the host names of the tenants that are due. Returns how many tenants were served.

    The look-ups happen between two transactions, never under the lock.
    """
    until = time.monotonic() + seconds
    served = 0
    waiting = due.claim(RESOLVE_JOB, limit)
    while waiting and time.monotonic() < until:
        tenant_id = waiting.pop()
        try:
            _resolve_tenant(tenant_id, resolver, until, pick)
        except Exception:
            # One tenant's trouble must not hold up the others; its row comes back with the lease.
            log.exception("%s failed for tenant %s.", RESOLVE_JOB, tenant_id)
            continue
        served += 1
    due.give_back(RESOLVE_JOB, waiting)
    return served


def _resolve_tenant(tenant_id: UUID, resolver: addresses.Resolver, until: float, pick: Pick) -> None:
    with tenant_scope(tenant_id):
        wanted = _wanted()
    places = sorted({_place(address) for address in wanted.values()}, key=lambda place: (place.host, place.port))
    found = {}
    for place in pick(places, min(len(places), MOST_LOOK_UPS)):
        if time.monotonic() >= until:
            break
        try:
            found[place] = upstreams.resolve(place, allowed=settings.UPSTREAM_NETWORKS, resolver=resolver)
        except upstreams.UpstreamRefused:
            # Keep the last good addresses: a resolver that is away must not take an API down.
            continue
    with tenant_scope(tenant_id):
        lock = events.lock()
        apply_addresses({pk: found[_place(address)] for pk, address in wanted.items() if _place(address) in found})
        # One that went live during the look-ups is due at once.
        now_wanted = _wanted()
        again = lock.now + EVERY if now_wanted.keys() <= wanted.keys() else lock.now
        due.settle(RESOLVE_JOB, again if now_wanted else None)


def _place(address: upstreams.Address) -> upstreams.Address:
    """What is looked up: many upstreams may lie at one name."""
    return upstreams.Address("", address.host, address.port, "")


def _wanted() -> dict[UUID, upstreams.Address]:
    return {
        row.pk: upstreams.Address(row.scheme, row.host, row.port, row.path)
        for row in Upstream.objects.in_use().only("scheme", "host", "port", "path")
        if addresses.is_name(row.host)
    }


@transaction.atomic
def apply_addresses(found: Mapping[UUID, tuple[str, ...]]) -> None:
    """Store what was found; a change is an event, so that gateways hear of it and the audit shows it."""
    lock = events.lock()
    for upstream in Upstream.objects.filter(pk__in=found).order_by("id"):
        addresses = list(found[upstream.pk])
        if addresses == upstream.addresses:
            continue
        was, upstream.addresses, upstream.resolved_at = upstream.addresses, addresses, lock.now
        upstream.save(update_fields=["addresses", "resolved_at"])
        events.record("upstream.resolved", upstream, by=None, was=was, now=addresses)
