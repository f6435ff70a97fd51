"""How often applications call operations, as gateways count it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apis.models import DAYS_KEPT, OperationUse, VersionDay
from tenants import due, events
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope

PRUNE_JOB = "prune_operation_uses"
KEPT = timedelta(days=90)
EVERY = timedelta(days=1)
# A client id, an API's slug, a version's name, an operation's id.
Called: TypeAlias = tuple[str, str, str, str]


def store(tenant_id: UUID, calls: Mapping[Called, int]) -> None:
    """Add to what applications of a tenant called today. What there is no longer is nobody's.

    One statement, in one order, so that two processes never wait for each other in a circle.
    """
    rows = sorted(calls.items())
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO apis_operationuse AS kept (id, tenant_id, application_id, version_id, operation_id, day, calls, last_at)
                   SELECT new.id, a.tenant_id, a.id, v.id, new.operation, (now() AT TIME ZONE 'UTC')::date, new.calls, now()
                   FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
                       AS new (id, client_id, api, version, operation, calls)
                   JOIN keys_application a ON a.tenant_id = %s AND a.client_id = new.client_id
                   JOIN apis_api p ON p.tenant_id = a.tenant_id AND p.slug = new.api
                   JOIN apis_apiversion v ON v.tenant_id = a.tenant_id AND v.api_id = p.id AND v.name = new.version
                   ORDER BY a.id, v.id, new.operation
               ON CONFLICT (tenant_id, version_id, application_id, operation_id, day) DO UPDATE SET
                   calls = kept.calls + EXCLUDED.calls, last_at = GREATEST(kept.last_at, EXCLUDED.last_at)""",
            [
                [new_id() for _ in rows],
                *([called[place] for called, _ in rows] for place in range(4)),
                [many for _, many in rows],
                current_tenant_id(),
            ],
        )
        due.expect(PRUNE_JOB, timezone.now() + EVERY)


def prune() -> datetime | None:
    """Forget what is older than 90 days, for the tenant in scope, of how calls went, too; returns when to look again.

    Runs under the lock.
    """
    now = events.now()
    OperationUse.objects.filter(day__lt=(now - KEPT).date()).delete()
    VersionDay.objects.filter(day__lte=(now - DAYS_KEPT).date()).delete()
    return now + EVERY if OperationUse.objects.exists() or VersionDay.objects.exists() else None
