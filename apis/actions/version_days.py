"""How the calls of versions go, as gateways count it."""

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apis.actions import operation_uses
from tenants import due
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope


class Outcome(StrEnum):
    ANSWERED = "answered"
    # A 5xx, or half an answer, because of what is behind the gateway, or of the gateway.
    FAILED_UPSTREAM = "failed_upstream"
    FAILED_GATEWAY = "failed_gateway"


# An API's slug, a version's name, and how the call went.
Went: TypeAlias = tuple[str, str, Outcome]


def store(tenant_id: UUID, calls: Mapping[Went, int]) -> None:
    """Add to what is known of today. What there is no longer is nobody's.

    One statement, in one order, so that two processes never wait for each other in a circle.
    """
    counts: dict[tuple[str, str], dict[Outcome, int]] = defaultdict(dict)
    for (api, version, outcome), many in calls.items():
        counts[api, version][outcome] = many
    rows = sorted(counts.items())
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO apis_versionday AS kept (id, tenant_id, version_id, day, answered, failed_upstream, failed_gateway)
                   SELECT new.id, p.tenant_id, v.id, (now() AT TIME ZONE 'UTC')::date, new.answered, new.upstream, new.gateway
                   FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
                       AS new (id, api, version, answered, upstream, gateway)
                   JOIN apis_api p ON p.tenant_id = %s AND p.slug = new.api
                   JOIN apis_apiversion v ON v.tenant_id = p.tenant_id AND v.api_id = p.id AND v.name = new.version
                   ORDER BY v.id
               ON CONFLICT (tenant_id, version_id, day) DO UPDATE SET
                   answered = kept.answered + EXCLUDED.answered,
                   failed_upstream = kept.failed_upstream + EXCLUDED.failed_upstream,
                   failed_gateway = kept.failed_gateway + EXCLUDED.failed_gateway""",
            [
                [new_id() for _ in rows],
                *([place[part] for place, _ in rows] for part in range(2)),
                *([found.get(outcome, 0) for _, found in rows] for outcome in Outcome),
                current_tenant_id(),
            ],
        )
        due.expect(operation_uses.PRUNE_JOB, timezone.now() + operation_uses.EVERY)
