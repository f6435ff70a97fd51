"""Keeping upstreams' addresses true."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apis import upstreams
from apis.models import Upstream
from tenants import due, events
from tenants.scope import tenant_scope

RESOLVE_JOB = "resolve_upstreams"
EVERY = timedelta(seconds=60)


def resolve_upstreams(*, resolver: upstreams.Resolver = upstreams.look_up, limit: int = 100) -> int:
    """Look up the host names of every tenant that is due. The look-ups happen between two transactions, never under the lock."""
    served = 0
    while claimed := due.claim(RESOLVE_JOB, limit):
        for tenant_id in claimed:
            _resolve_tenant(tenant_id, resolver)
            served += 1
    return served


def _resolve_tenant(tenant_id: UUID, resolver: upstreams.Resolver) -> None:
    with tenant_scope(tenant_id):
        wanted = _wanted()
    found = {}
    for pk, address in wanted.items():
        try:
            found[pk] = upstreams.resolve(address, allowed=settings.UPSTREAM_NETWORKS, resolver=resolver)
        except upstreams.UpstreamRefused:
            # Keep the last good addresses: a resolver that is away must not take an API down.
            continue
    with tenant_scope(tenant_id):
        lock = events.lock()
        apply_addresses(found)
        # One that went live during the look-ups is due at once.
        now_wanted = _wanted()
        again = lock.now + EVERY if now_wanted.keys() <= wanted.keys() else lock.now
        due.settle(RESOLVE_JOB, again if now_wanted else None)


def _wanted() -> dict[UUID, upstreams.Address]:
    return {
        row.pk: upstreams.Address(row.scheme, row.host, row.port, row.path)
        for row in Upstream.objects.in_use().only("scheme", "host", "port", "path")
        if upstreams.is_name(row.host)
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
