"""Keeping the addresses of upstreams, and of providers of models, true."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apis import upstreams
from apis.balancing import Balancing
from apis.models import Provider, Upstream
from tenants import addresses, due, events
from tenants.errors import Invalid
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

RESOLVE_JOB = "resolve_upstreams"
EVERY = timedelta(seconds=60)
# One run takes no longer, and gives back what it has not come to.
RUN_SECONDS = 20.0
# One tenant has no more names looked up in a run, whichever chance picks: the others have theirs, too.
MOST_LOOK_UPS = 50

Pick = Callable[[Sequence[upstreams.Address], int], Sequence[upstreams.Address]]


def looked_up(balances: Balancing) -> Balancing:
    """With the addresses of the further targets. What gets no calls may lead nowhere by now.

    :raises Invalid: one that calls can't or mustn't go to, by its name.
    """
    try:
        found = [upstreams.resolve(each.address, allowed=settings.UPSTREAM_NETWORKS) if each.weight else () for each in balances.further]
    except upstreams.UpstreamRefused as error:
        raise Invalid({"further_targets": [str(error)]}) from error
    return replace(balances, further=tuple(replace(each, addresses=there) for each, there in zip(balances.further, found, strict=True)))


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
    places = sorted({place for each in wanted.values() for place in each}, key=lambda place: (place.host, place.port, place.scheme))
    found: dict[upstreams.Address, tuple[str, ...]] = {}
    for place in pick(places, min(len(places), MOST_LOOK_UPS)):
        if time.monotonic() >= until:
            break
        try:
            found[place] = _look_up(place, resolver)
        except upstreams.UpstreamRefused:
            # Keep the last good addresses: a resolver that is away must not take an API down.
            continue
    with tenant_scope(tenant_id):
        lock = events.lock()
        apply_addresses(wanted, {(place.host, place.port): there for place, there in found.items() if not place.scheme})
        _apply_to_providers(wanted, found)
        # One that went live during the look-ups is due at once.
        now_wanted = _wanted()
        again = lock.now + EVERY if now_wanted.keys() <= wanted.keys() else lock.now
        due.settle(RESOLVE_JOB, again if now_wanted else None)


def _look_up(place: upstreams.Address, resolver: addresses.Resolver) -> tuple[str, ...]:
    """:raises UpstreamRefused: nothing that may be called; without TLS that is what the operator allows, since a key goes along."""
    there = upstreams.resolve(place, allowed=settings.UPSTREAM_NETWORKS, resolver=resolver)
    if place.scheme == "http" and not all(addresses.is_allowed(each, allowed=settings.UPSTREAM_NETWORKS) for each in there):
        raise upstreams.UpstreamRefused(f"“{place.host}” lies elsewhere now, where nothing is called without TLS.")
    return there


def _wanted() -> dict[UUID, list[upstreams.Address]]:
    """What is looked up for each: many upstreams may lie at one name, and one at many. Of providers with the scheme."""
    rows = Upstream.objects.in_use().only("host", "port", "balancing", "further_addresses")
    found = {row.pk: [place for place in _places(row) if addresses.is_name(place.host)] for row in rows}
    providers = Provider.objects.only("scheme", "host", "port")
    found |= {row.pk: [_place(row)] for row in providers if addresses.is_name(row.host)}
    return {pk: places for pk, places in found.items() if places}


def _place(provider: Provider) -> upstreams.Address:
    return upstreams.Address(provider.scheme, provider.host, provider.port, "")


def _places(upstream: Upstream) -> list[upstreams.Address]:
    """Of whatever gets calls."""
    balances = upstream.balances
    own = [upstreams.Address("", upstream.host, upstream.port, "")] if balances.weight else []
    return [*own, *(each.address for each in balances.further if each.weight)]


@transaction.atomic
def apply_addresses(of: Iterable[UUID], found: Mapping[tuple[str, int], tuple[str, ...]]) -> None:
    """Store what was found; a change is an event, so that gateways hear of it and the audit shows it.

    :param of: the upstreams that it was looked up for. :param found: addresses by host and port; of others they stay.
    """
    lock = events.lock()
    for upstream in Upstream.objects.filter(pk__in=list(of)).order_by("id"):
        was = [upstream.addresses, *upstream.further_addresses]
        spots = [(upstream.host, upstream.port), *((each.host, each.port) for each in upstream.balances.further)]
        now = [list(found.get(spot, before)) for spot, before in zip(spots, was, strict=True)]
        if now == was:
            continue
        upstream.addresses, *upstream.further_addresses = now
        upstream.resolved_at = lock.now
        upstream.save(update_fields=["addresses", "further_addresses", "resolved_at"])
        events.record("upstream.resolved", upstream, by=None, was=[*chain.from_iterable(was)], now=[*chain.from_iterable(now)])


def _apply_to_providers(of: Iterable[UUID], found: Mapping[upstreams.Address, tuple[str, ...]]) -> None:
    """The same for providers; one that moved meanwhile is looked up anew. Under the lock."""
    lock = events.lock()
    for provider in Provider.objects.filter(pk__in=list(of)).order_by("id"):
        now = list(found.get(_place(provider), provider.addresses))
        if now == provider.addresses:
            continue
        was, provider.addresses, provider.resolved_at = provider.addresses, now, lock.now
        provider.save(update_fields=["addresses", "resolved_at"])
        events.record("provider.resolved", provider, by=None, was=was, now=now)
