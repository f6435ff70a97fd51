"""Counts of minutes are written: one transaction and one upsert per tenant. Names become ids here, and what there is no longer nobody's."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from django.db import DatabaseError, connection
from django.utils import timezone

from apis.models import Api, ApiVersion
from gateway.database import AWAY, first_line
from gateway.usage import days, rolling
from gateway.usage.calls import tenants_of, uuid_of
from gateway.usage.minutes import HISTOGRAM, Counts, Kind, Kinds
from keys.models import Application
from tenants import due
from tenants.models.base import new_id
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

# As the columns stand in the statement: at, API, version, operation, application, subscription, plan, status, code.
_Row: TypeAlias = tuple[datetime, UUID | None, str, str, UUID | None, UUID | None, str, int, str]


@dataclass
class Written:
    """What became of counts: those that wait for PostgreSQL, how many calls it would not have, and the places that exist."""

    waiting: Kinds = field(default_factory=dict)
    lost: int = 0
    places: set[tuple[str, str, str]] = field(default_factory=set)


def write(kinds: Kinds) -> Written:
    """Add them to the tables. What PostgreSQL refuses is lost: it would refuse it again, for ever."""
    found = Written()
    of: dict[str, Kinds] = defaultdict(dict)
    for kind, counts in kinds.items():
        of[kind.slug][kind] = counts
    try:
        tenants = tenants_of(of)
        for slug in of.keys() - tenants.keys():
            # Nobody's.
            del of[slug]
        _make_days(sorted({_start(kind).date() for hers in of.values() for kind in hers}))
        for slug, tenant_id in sorted(tenants.items()):
            try:
                found.places |= _write_for(tenant_id, of[slug])
            except AWAY:
                raise
            except (DatabaseError, ValueError) as error:
                calls = sum(counts[0] for counts in of[slug].values())
                found.lost += calls
                log.warning("%s calls of tenant %s are not counted: %s", calls, slug, first_line(error))
            del of[slug]
    except AWAY as error:
        found.waiting = {kind: counts for hers in of.values() for kind, counts in hers.items()}
        log.warning("PostgreSQL does not answer (%s); %s counts of calls wait.", first_line(error), len(found.waiting))
    return found


def _make_days(wanted: list[date]) -> None:
    try:
        days.make(wanted)
    except AWAY:
        raise
    except DatabaseError as error:
        # Calls of days that there are have their place.
        log.warning("A day has no place for its calls: %s", first_line(error))


def _start(kind: Kind) -> datetime:
    return datetime.fromtimestamp(kind.minute * 60, UTC)


def _write_for(tenant_id: UUID, kinds: Kinds) -> set[tuple[str, str, str]]:
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        # In place of a foreign key: while it is being erased this waits, and then it is gone.
        cursor.execute("SELECT FROM tenants_tenant WHERE id = %s FOR KEY SHARE", [tenant_id])
        if cursor.fetchone() is None:
            return set()
        apis = dict(Api.objects.filter(slug__in={kind.api for kind in kinds}).values_list("slug", "pk"))
        versions = set(ApiVersion.objects.filter(api__in=apis.values()).values_list("api_id", "name"))
        clients = {kind.client_id for kind in kinds if kind.client_id}
        applications = dict(Application.objects.filter(client_id__in=clients).values_list("client_id", "pk")) if clients else {}
        rows: dict[_Row, Counts] = {}
        places = set()
        for kind, counts in kinds.items():
            api = apis.get(kind.api)
            version = kind.version if (api, kind.version) in versions else ""
            if version:
                places.add((kind.slug, kind.api, version))
            at, client = _start(kind), applications.get(kind.client_id)
            plan = "" if kind.plan == "-" else kind.plan[:80]
            row = (at, api, version, kind.operation, client, uuid_of(kind.grant), plan, kind.status_class, kind.code)
            held = rows.get(row)
            rows[row] = counts if held is None else [one + other for one, other in zip(held, counts, strict=True)]
        _upsert(cursor, tenant_id, sorted(rows.items(), key=lambda each: tuple(map(str, each[0]))))
        hours = sorted({row[0].replace(minute=0) for row in rows})
        rolling.open_hours(hours)
        due.expect(rolling.JOB, max(hours[0] + rolling.AFTER, timezone.now() + timedelta(seconds=60)))
    return places


def _upsert(cursor: Any, tenant_id: UUID, rows: list[tuple[_Row, Counts]]) -> None:
    """One statement, in one order, so that two processes never wait for each other in a circle."""
    cursor.execute(
        """INSERT INTO gateway_usageminute AS kept (
               id, tenant_id, at, api, version, operation, application, subscription, plan, status_class, code,
               calls, bytes_in, bytes_out, duration_ms_sum, histogram)
           SELECT new.id, %s, new.at, new.api, new.version, new.operation, new.application, new.subscription, new.plan, new.status,
               new.code, new.calls, new.bytes_in, new.bytes_out, new.ms, new.histogram::bigint[]
           FROM unnest(%s::uuid[], %s::timestamptz[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::int[],
                       %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
               AS new (id, at, api, version, operation, application, subscription, plan, status, code,
                       calls, bytes_in, bytes_out, ms, histogram)
           ON CONFLICT (tenant_id, at, api, version, operation, application, subscription, plan, status_class, code) DO UPDATE SET
               calls = kept.calls + EXCLUDED.calls, bytes_in = kept.bytes_in + EXCLUDED.bytes_in,
               bytes_out = kept.bytes_out + EXCLUDED.bytes_out, duration_ms_sum = kept.duration_ms_sum + EXCLUDED.duration_ms_sum,
               histogram = gateway_usage_added(kept.histogram, EXCLUDED.histogram)""",
        [tenant_id, [new_id() for _ in rows], *_columns(rows)],
    )


def _columns(rows: list[tuple[_Row, Counts]]) -> Iterator[list[Any]]:
    for place in range(len(rows[0][0])):
        yield [row[place] for row, _ in rows]
    for place in range(HISTOGRAM - 1):
        yield [counts[place] for _, counts in rows]
    yield [round(counts[HISTOGRAM - 1] / 1000) for _, counts in rows]
    yield [f"{{{','.join(map(str, counts[HISTOGRAM:]))}}}" for _, counts in rows]
