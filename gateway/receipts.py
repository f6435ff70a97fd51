"""Whether a decision is enforced, and where: the promise that the state on the screen is the state at the gateway."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from apis.models import Subscription
from gateway.models import Deployment, GatewayNode, Loaded, serving
from keys.models import Application, Credential, owned_by
from tenants.event_kinds import GATEWAY_KINDS, Change, Part
from tenants.models import Event, User
from tenants.scope import current_tenant_id


class State(StrEnum):
    ENFORCED = "enforced"
    # The gateway has not asked for this tenant; it will load the newest.
    NOT_LOADED = "not_loaded"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class NodeReceipt:
    """One gateway. `ms` counts from the decision to its acknowledgement; `detail` is the gateway's own words when it refused."""

    gateway: str
    state: State
    ms: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """`concerns_gateways` is false for events that change nothing there. Gateways that are not connected are named, not counted;
    those of groups in which the tenant has nothing are no matter of it."""

    event: int
    kind: str
    at: datetime
    concerns_gateways: bool
    gateways: tuple[NodeReceipt, ...]
    not_connected: tuple[str, ...]

    @property
    def enforced(self) -> int:
        return sum(each.state in {State.ENFORCED, State.NOT_LOADED} for each in self.gateways)

    @property
    def total(self) -> int:
        return len(self.gateways)

    @property
    def complete(self) -> bool:
        return not self.concerns_gateways or self.enforced == self.total

    @property
    def ms(self) -> int | None:
        """Until the last gateway; None while one is missing, and where no gateway had to do anything."""
        times = [each.ms for each in self.gateways if each.ms is not None]
        return max(times) if times and self.complete else None

    @property
    def refused(self) -> NodeReceipt | None:
        """The first gateway that refused."""
        return next((each for each in self.gateways if each.state is State.REFUSED), None)

    @property
    def waiting_for(self) -> str:
        """The gateways that have not answered, by name."""
        return ", ".join(each.gateway for each in self.gateways if each.state is State.WAITING)

    @property
    def sentence(self) -> str:
        if not self.concerns_gateways:
            return _("Nothing changes at the gateways.")
        if not self.gateways:
            return _("No gateway is connected; each will load this when it connects.")
        counted = {"enforced": self.enforced, "total": self.total}
        if self.complete and self.ms is not None:
            return _("Enforced on %(enforced)s/%(total)s gateways in %(ms)s ms.") % {**counted, "ms": self.ms}
        if self.complete:
            return _("Enforced on %(enforced)s/%(total)s gateways.") % counted
        if self.refused is not None:
            return _("%(gateway)s refused the configuration.") % {"gateway": self.refused.gateway}
        return _("Enforced on %(enforced)s/%(total)s gateways; waiting for %(waiting)s.") % {**counted, "waiting": self.waiting_for}


def visible_to(user: User, permissions: Set[str]) -> QuerySet[Event]:
    """The events whose receipts a person may see: all with the audit, else those of their own decisions, about their own applications,
    and of what else they see: everyone's subscriptions and the life of everyone's applications, and what gateways enforce."""
    if "audit.read" in permissions:
        return Event.objects.all()
    seen = Q(actor_id=user.pk) | Q(subject_id__in=Application.objects.filter(owned_by(user)).values("pk"))
    for part in (Subscription, Credential):
        seen |= Q(subject_id__in=part.objects.filter(owned_by(user, via="application__")).values("pk"))
    if "applications.see_all" in permissions:
        seen |= Q(kind__in=[kind for kind in GATEWAY_KINDS if kind.startswith("application.")])
    if "subscriptions.see_all" in permissions:
        seen |= Q(kind__startswith="subscription.")
    if "gateways.see" in permissions:
        seen |= Q(kind__in=list(GATEWAY_KINDS))
    return Event.objects.filter(seen)


def as_told_to(permissions: Set[str], told: Receipt) -> Receipt:
    """Without the gateways' own words for who may not see gateways: they name hosts and paths inside."""
    if "gateways.see" in permissions:
        return told
    return replace(told, gateways=tuple(replace(each, detail="") for each in told.gateways))


def receipt(event: Event) -> Receipt:
    """The receipt of an event of the tenant in scope, as things stand now."""
    return receipts_of([event])[event.number]


def receipts_of(events: Sequence[Event]) -> dict[int, Receipt]:
    """By the events' numbers, in as many queries for fifty as for one. All of the tenant in scope."""
    changes = {event.number: GATEWAY_KINDS.get(event.kind) for event in events}
    concerning = {number: change for number, change in changes.items() if change is not None}
    connected = list(GatewayNode.objects.serving().filter(serving()).order_by("name")) if concerning else []
    others = GatewayNode.objects.filter(serving(), revoked_at=None, drained_at=None)
    away = others.exclude(pk__in=[node.pk for node in connected]).order_by("name")
    names = tuple(away.values_list("name", flat=True)) if concerning else ()
    standings = _standings(connected)
    first = _first_covering(concerning, connected)
    found = {}
    for event in events:
        change = changes[event.number]
        gateways = tuple(_at_node(each, event, change, first.get((event.number, each.node.pk))) for each in standings) if change else ()
        found[event.number] = Receipt(event.number, event.kind, event.at, change is not None, gateways, names if change else ())
    return found


def newest_decisions(subject_ids: Iterable[UUID]) -> dict[UUID, Event]:
    """Of each of these the last event that gateways hear of, whose receipt says where it is enforced as it stands."""
    rows = Event.objects.filter(subject_id__in=subject_ids, kind__in=GATEWAY_KINDS)
    return {event.subject_id: event for event in rows.order_by("subject_id", "-number").distinct("subject_id")}


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a connected gateway stands to the tenant in scope."""

    node: GatewayNode
    loaded: bool
    deployment: Deployment | None


def _standings(nodes: Sequence[GatewayNode]) -> list[_Standing]:
    if not nodes:
        return []
    loaded = set(Loaded.objects.filter(tenant_id=current_tenant_id(), node__in=nodes).values_list("node_id", flat=True))
    # All routes of a tenant stand beside it, and a receipt that is under way is asked for often.
    deployments = {row.node_id: row for row in Deployment.objects.filter(node__in=nodes).defer("good_routes")}
    return [_Standing(node, node.pk in loaded, deployments.get(node.pk)) for node in nodes]


# For each event and gateway the first acknowledgement that covers it.
_FIRST = """
    SELECT event.number, node.id, first.at
    FROM unnest(%s::bigint[], %s::boolean[], %s::boolean[]) AS event (number, routes, gives)
    CROSS JOIN unnest(%s::uuid[]) AS node (id)
    CROSS JOIN LATERAL (
        SELECT at FROM gateway_receipt receipt
        WHERE receipt.tenant_id = %s AND receipt.node_id = node.id
            AND CASE WHEN event.routes THEN receipt.routes ELSE receipt.access END >= event.number
            AND NOT (event.gives AND receipt.closed)
        ORDER BY receipt.id LIMIT 1
    ) AS first
"""


def _first_covering(changes: Mapping[int, Change], nodes: Sequence[GatewayNode]) -> dict[tuple[int, UUID], datetime]:
    if not changes or not nodes:
        return {}
    routes = [change.part is Part.ROUTES for change in changes.values()]
    gives = [change.gives for change in changes.values()]
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, [list(changes), routes, gives, [node.pk for node in nodes], current_tenant_id()])
        return {(number, node): at for number, node, at in cursor.fetchall()}


def _at_node(standing: _Standing, event: Event, change: Change, at: datetime | None) -> NodeReceipt:
    """:param at: when it acknowledged what covers the event; None while it has not."""
    name, deployment = standing.node.name, standing.deployment
    if at is not None:
        return NodeReceipt(name, State.ENFORCED, max(0, round((at - event.at).total_seconds() * 1000)))
    if not standing.loaded:
        return NodeReceipt(name, State.NOT_LOADED)
    behind = deployment is not None and deployment.state != Deployment.State.IN_STEP and deployment.refused_at is not None
    if behind and deployment is not None and (change.part is Part.ROUTES or deployment.state == Deployment.State.CLOSED):
        return NodeReceipt(name, State.REFUSED, detail=deployment.refused_text)
    return NodeReceipt(name, State.WAITING)
