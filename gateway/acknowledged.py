"""What gateways have acknowledged of a tenant, one receipt after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import OuterRef

from gateway.models import GatewayNode, Receipt
from tenants.event_kinds import GATEWAY_KINDS, Part
from tenants.models import Event
from tenants.scope import current_tenant_id


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One receipt with the newest decision that it covers. `ms` counts from that decision; None where the receipt before covers it, too,
    and for the first of all: the gateway only loaded what there was."""

    at: datetime
    closed: bool
    event: Event | None
    ms: int | None


def newest_of(nodes: Sequence[GatewayNode]) -> dict[UUID, Acknowledged]:
    """Of each gateway the last it acknowledged of the tenant in scope, by its id; in as many queries for many as for one."""
    receipts = Receipt.objects.filter(tenant_id=current_tenant_id(), node=OuterRef("pk")).order_by("-id")
    last_two = GatewayNode.objects.filter(pk__in=[node.pk for node in nodes]).annotate(last=ArraySubquery(receipts.values("pk")[:2]))
    ids = dict(last_two.values_list("pk", "last"))
    found = _told([pk for pair in ids.values() for pk in pair])
    return {node: _one_after_the_other([found[pk] for pk in pair])[0] for node, pair in ids.items() if pair}


def history_of(node: GatewayNode, *, most: int) -> list[Acknowledged]:
    """The last receipts of one gateway for the tenant in scope, newest first."""
    receipts = Receipt.objects.filter(tenant_id=current_tenant_id(), node=node).order_by("-id")
    ids = list(receipts.values_list("pk", flat=True)[: most + 1])
    found = _told(ids)
    return _one_after_the_other([found[pk] for pk in ids])[:most]


Told = tuple[Receipt, Event | None]


def _one_after_the_other(told: Sequence[Told]) -> list[Acknowledged]:
    """Newest first."""
    return [_acknowledged(each, before) for each, before in zip_longest(told, told[1:])]


def _acknowledged(told: Told, before: Told | None) -> Acknowledged:
    receipt, event = told
    new = event is not None and before is not None and (before[1] is None or before[1].number < event.number)
    return Acknowledged(
        receipt.at, receipt.closed, event, max(0, round((receipt.at - event.at).total_seconds() * 1000)) if new and event else None
    )


# For each receipt the newest decision that it covers: the closed configuration enforces what takes, never what gives.
_COVERS = """
    SELECT receipt.id, covered.number
    FROM gateway_receipt receipt
    CROSS JOIN LATERAL (
        SELECT event.number FROM tenants_event event
        WHERE event.tenant_id = receipt.tenant_id AND event.number <= greatest(receipt.routes, receipt.access)
            AND (event.kind = ANY(%s) AND event.number <= receipt.routes OR event.kind = ANY(%s) AND event.number <= receipt.access)
            AND NOT (receipt.closed AND event.kind = ANY(%s))
        ORDER BY event.number DESC LIMIT 1
    ) AS covered
    WHERE receipt.id = ANY(%s)
"""


def _told(ids: Sequence[int]) -> dict[int, Told]:
    """These receipts by their ids, each with the newest decision that it covers."""
    routes = [kind for kind, change in GATEWAY_KINDS.items() if change.part is Part.ROUTES]
    access = [kind for kind in GATEWAY_KINDS if kind not in routes]
    gives = [kind for kind, change in GATEWAY_KINDS.items() if change.gives]
    with connection.cursor() as cursor:
        cursor.execute(_COVERS, [routes, access, gives, list(ids)])
        covered = dict(cursor.fetchall())
    events = {event.number: event for event in Event.objects.filter(number__in=set(covered.values()))}
    return {each.pk: (each, events.get(covered.get(each.pk, 0))) for each in Receipt.objects.filter(pk__in=ids)}
