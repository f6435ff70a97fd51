"""Counts of minutes are written: one transaction and one upsert per tenant. Names become ids here, and what there is no longer nobody's."""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Generic
from uuid import UUID

from django.db import DatabaseError, connection
from django.utils import timezone

from apis.models import Api, ApiVersion
from gateway.database import AWAY, first_line
from gateway.usage import days, rolling, tables
from gateway.usage.bounded import Counts, K, Named
from gateway.usage.calls import tenants_of, uuid_of
from gateway.usage.minutes import HISTOGRAM, Kind, Kinds
from gateway.usage.tables import Row, Rows, Table
from keys.models import Application
from tenants import due
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)


@dataclass
class Written(Generic[K]):
    """What became of counts: those that wait for PostgreSQL, how many calls it would not have, and the places that exist."""

    waiting: dict[K, Counts] = field(default_factory=dict)
    lost: int = 0
    places: set[tuple[str, str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Way(Generic[K]):
    """How kinds become rows of a table.

    `rows_of`: of a tenant in scope, by the kinds, with the places that exist. `beside`: is told of the rows in the same transaction;
    what it returns is done once that stands.
    """

    table: Table
    rows_of: Callable[[dict[K, Counts]], tuple[Rows, set[tuple[str, str, str]]]]
    beside: Callable[[UUID, Rows], Callable[[], None]] | None = None


def write(kinds: Kinds) -> Written[Kind]:
    """Add them to the tables. What PostgreSQL refuses is lost: it would refuse it again, for ever."""
    return write_by(CALLED, kinds)


def write_by(way: Way[K], kinds: dict[K, Counts]) -> Written[K]:
    found: Written[K] = Written()
    of: dict[str, dict[K, Counts]] = defaultdict(dict)
    for kind, counts in kinds.items():
        of[kind.slug][kind] = counts
    try:
        tenants = tenants_of(of)
        for slug in of.keys() - tenants.keys():
            # Nobody's.
            del of[slug]
        _make_days(sorted({start(kind).date() for hers in of.values() for kind in hers}))
        for slug, tenant_id in sorted(tenants.items()):
            try:
                found.places |= _write_for(tenant_id, way, of[slug])
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


def start(kind: Named) -> datetime:
    return datetime.fromtimestamp(kind.minute * 60, UTC)


def _write_for(tenant_id: UUID, way: Way[K], kinds: dict[K, Counts]) -> set[tuple[str, str, str]]:
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        # In place of a foreign key: while it is being erased this waits, and then it is gone.
        cursor.execute("SELECT FROM tenants_tenant WHERE id = %s FOR KEY SHARE", [tenant_id])
        if cursor.fetchone() is None:
            return set()
        rows, places = way.rows_of(kinds)
        if not rows:
            return places
        way.table.write(rows)
        follows = way.beside(tenant_id, rows) if way.beside else None
        hours = sorted({row[0].replace(minute=0) for row in rows})
        rolling.open_hours(hours)
        due.expect(rolling.JOB, max(hours[0] + rolling.AFTER, timezone.now() + timedelta(seconds=60)))
    if follows is not None:
        follows()
    return places


def plan_of(name: str) -> str:
    return "" if name == "-" else name[:80]


def _rows_of(kinds: Kinds) -> tuple[Rows, set[tuple[str, str, str]]]:
    apis = dict(Api.objects.filter(slug__in={kind.api for kind in kinds}).values_list("slug", "pk"))
    versions = set(ApiVersion.objects.filter(api__in=apis.values()).values_list("api_id", "name"))
    clients = {kind.client_id for kind in kinds if kind.client_id}
    applications = dict(Application.objects.filter(client_id__in=clients).values_list("client_id", "pk")) if clients else {}
    summed: dict[Row, Counts] = {}
    places = set()
    for kind, counts in kinds.items():
        api = apis.get(kind.api)
        version = kind.version if (api, kind.version) in versions else ""
        if version:
            places.add((kind.slug, kind.api, version))
        client = applications.get(kind.client_id)
        # As the columns stand in the table.
        key = (api, version, kind.operation, client, uuid_of(kind.grant), plan_of(kind.plan), kind.status_class, kind.code)
        row = (start(kind), *key)
        held = summed.get(row)
        summed[row] = counts if held is None else [one + other for one, other in zip(held, counts, strict=True)]
    last = HISTOGRAM - 1
    rows: Rows = {row: [*counts[:last], round(counts[last] / 1000), counts[HISTOGRAM:]] for row, counts in summed.items()}
    return rows, places


CALLED: Way[Kind] = Way(tables.CALLS, _rows_of)
