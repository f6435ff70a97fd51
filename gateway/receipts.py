"""Whether a decision is enforced, and where: the promise that the state on the screen is the state at the gateway."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import OuterRef, Subquery

from gateway.models import Deployment, GatewayNode, Loaded
from gateway.models import Receipt as Row
from tenants.event_kinds import GATEWAY_KINDS, Change, Part
from tenants.models import Event


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
    """`concerns_gateways` is false for events that change nothing there. Gateways that are not connected are named, not counted."""

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
    def sentence(self) -> str:
        if not self.concerns_gateways:
            return "Nothing changes at the gateways."
        if not self.gateways:
            return "No gateway is connected; each will load this when it connects."
        if self.complete:
            took = f" in {self.ms} ms" if self.ms is not None else ""
            return f"Enforced on {self.enforced}/{self.total} gateways{took}."
        refused = next((each for each in self.gateways if each.state is State.REFUSED), None)
        if refused is not None:
            return f"{refused.gateway} refused the configuration."
        waiting = ", ".join(each.gateway for each in self.gateways if each.state is State.WAITING)
        return f"Enforced on {self.enforced}/{self.total} gateways; waiting for {waiting}."


def receipt(event: Event) -> Receipt:
    """The receipt of an event of the tenant in scope, as things stand now."""
    change = GATEWAY_KINDS.get(event.kind)
    connected = list(GatewayNode.objects.connected().order_by("name")) if change else []
    away = GatewayNode.objects.filter(revoked_at=None).exclude(pk__in=[node.pk for node in connected]).order_by("name")
    names = tuple(away.values_list("name", flat=True)) if change else ()
    gateways = _at_nodes(event, change, connected) if change else ()
    return Receipt(event.number, event.kind, event.at, change is not None, gateways, names)


def _at_nodes(event: Event, change: Change, nodes: list[GatewayNode]) -> tuple[NodeReceipt, ...]:
    loaded = dict(Loaded.objects.filter(tenant_id=event.owning_tenant, node__in=nodes).values_list("node_id", "at"))
    covering = Row.objects.filter(node=OuterRef("pk"), tenant=event.owning_tenant, **{f"{change.part}__gte": event.number})
    if change.gives:
        covering = covering.filter(closed=False)
    at = Subquery(covering.order_by("id").values("at")[:1])
    first = dict(GatewayNode.objects.filter(pk__in=[node.pk for node in nodes]).values_list("pk", at))
    deployments = {row.node_id: row for row in Deployment.objects.filter(node__in=nodes)}
    return tuple(
        _at_node(node, event, change, loaded=node.pk in loaded, at=first.get(node.pk), deployment=deployments.get(node.pk))
        for node in nodes
    )


def _at_node(
    node: GatewayNode, event: Event, change: Change, *, loaded: bool, at: datetime | None, deployment: Deployment | None
) -> NodeReceipt:
    if at is not None:
        return NodeReceipt(node.name, State.ENFORCED, max(0, round((at - event.at).total_seconds() * 1000)))
    if not loaded:
        return NodeReceipt(node.name, State.NOT_LOADED)
    behind = deployment is not None and deployment.state != Deployment.State.IN_STEP and deployment.refused_at is not None
    if behind and deployment is not None and (change.part is Part.ROUTES or deployment.state == Deployment.State.CLOSED):
        return NodeReceipt(node.name, State.REFUSED, detail=deployment.refused_text)
    return NodeReceipt(node.name, State.WAITING)
