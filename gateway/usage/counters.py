"""What is counted for others, who keep it: the calls of credentials, operations and subscriptions, and how those of versions went."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from typing import TypeVar
from uuid import UUID

from django.db import DatabaseError

from apis.actions import operation_uses, quotas, version_days
from gateway.database import AWAY, first_line
from gateway.usage.calls import uuid_of
from keys import uses
from tenants.models import Tenant

log = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)

# The calls of each credential: by the tenant's slug, and the credential's id as its token or API key has it.
Calls = Counter[tuple[str, str]]


def count(calls: Calls) -> Calls:
    """Add them to what is known of each credential; returns those that have to wait for PostgreSQL."""
    known = Counter({(slug, pk): many for (slug, credential), many in calls.items() if (pk := uuid_of(credential)) is not None})
    waiting = _added(known, lambda tenant_id, found: uses.store(tenant_id, calls=found), "credentials")
    return Counter({(slug, str(pk)): many for (slug, pk), many in waiting.items()})


# The calls of each operation, by the tenant's slug and what was called.
Operations = Counter[tuple[str, operation_uses.Called]]


def count_operations(calls: Operations) -> Operations:
    """Add them to what is known; returns those that have to wait for PostgreSQL."""
    return _added(calls, operation_uses.store, "operations")


# How the calls of each version went, by the tenant's slug.
Outcomes = Counter[tuple[str, version_days.Went]]


def count_outcomes(calls: Outcomes) -> Outcomes:
    """Add them to what is known; returns those that have to wait for PostgreSQL."""
    return _added(calls, version_days.store, "versions")


# The calls of each subscription, by the tenant's slug, and by when they were told.
Granted = Counter[tuple[str, quotas.Counted]]
# A period begins on such a moment, wherever: zones differ by whole quarters of an hour.
QUARTER = 900


def count_granted(calls: Granted) -> Granted:
    """Add them to what is known, and say what follows; returns those that have to wait for PostgreSQL."""
    return _added(calls, quotas.count, "subscriptions")


def _added(calls: Counter[tuple[str, K]], add: Callable[[UUID, dict[K, int]], None], of: str) -> Counter[tuple[str, K]]:
    """Add them one transaction per tenant; returns those that have to wait.

    :param add: raises what PostgreSQL says; what it refuses is dropped, for it would refuse it again, for ever.
    """
    waiting: dict[str, dict[K, int]] = defaultdict(dict)
    for (slug, each), many in calls.items():
        waiting[slug][each] = many
    try:
        tenants = dict(Tenant.objects.filter(slug__in=waiting).values_list("slug", "pk"))
        for slug, tenant_id in sorted(tenants.items()):
            try:
                add(tenant_id, waiting[slug])
            except AWAY:
                raise
            except (DatabaseError, ValueError) as error:
                log.warning("The calls of %s %s are lost: %s", len(waiting[slug]), of, first_line(error))
            del waiting[slug]
    except AWAY as error:
        log.warning("PostgreSQL does not answer (%s); the calls of %s %s wait.", first_line(error), len(calls), of)
        return Counter({(slug, each): many for slug, counts in waiting.items() for each, many in counts.items()})
    return Counter()
