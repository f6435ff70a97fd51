"""What an operator sees of the gateways: numbers and times of every tenant together, and no tenant's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.db.models.functions import Coalesce, Now

from gateway.clocks import MOST_MS
from gateway.models import Drift, GatewayGroup, GatewayNode, JoinToken, Loaded, Nack, NodeCredential, Receipt
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The last that a gateway acknowledged: when, and of which tenant."""

    at: datetime
    tenant: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A gateway as the fleet's list has it. `loaded`, `behind`, `silent` and `other` are numbers of tenants: the last two of those whose
    canary can't be reached, and of which it serves other routes than it acknowledged. `put_right`: how often in 30 days it had what no
    decision explains.

    `state`: one of connected, gone, draining, drained, refused and revoked.
    """

    node: GatewayNode
    state: str
    loaded: int
    behind: int
    silent: int
    other: int
    put_right: int
    nacks: int
    nacked_at: datetime | None
    last: Acknowledged | None
    credentials: tuple[NodeCredential, ...]

    @property
    def connected(self) -> bool:
        return self.state in {"connected", "draining", "drained"}

    @property
    def clock_is_off(self) -> bool:
        return self.node.clock_ms is not None and abs(self.node.clock_ms) > MOST_MS

    @property
    def clock_lags(self) -> bool:
        return (self.node.clock_ms or 0) < 0

    @property
    def clock_seconds(self) -> float:
        """By how much it is off."""
        return round(abs(self.node.clock_ms or 0) / 1000, 1)


def nodes() -> QuerySet[GatewayNode]:
    return GatewayNode.objects.standing()


# What is counted of the tenants that a gateway has loaded, each by the column that says since when.
_SINCE = {"behind": "behind_since", "silent": "unreached_since", "other": "stale_since"}


def standings(found: Iterable[GatewayNode]) -> list[Standing]:
    """In as many queries for many as for one."""
    gateways = list(found)
    ids = [node.pk for node in gateways]
    connected = set(GatewayNode.objects.connected().filter(pk__in=ids).values_list("pk", flat=True))
    counts = {f"{name}_many": Count("pk", filter=~Q(**{since: None})) for name, since in _SINCE.items()}
    loaded = {
        node: numbers
        for node, *numbers in Loaded.objects.filter(node__in=ids)
        .values("node_id")
        .annotate(many=Count("pk"), **counts)
        .values_list("node_id", "many", *counts)
    }
    drifts = Drift.objects.filter(node__in=ids).by_node()
    nacks = _nacks(ids)
    last = _last_acknowledged(ids)
    credentials: dict[UUID, list[NodeCredential]] = {}
    for each in NodeCredential.objects.working().filter(node__in=ids).order_by("-created_at", "-pk"):
        credentials.setdefault(each.node_id, []).append(each)
    return [
        Standing(
            node,
            state_of(node, connected=node.pk in connected),
            **dict(zip(("loaded", *_SINCE), loaded.get(node.pk, (0,) * (len(_SINCE) + 1)), strict=True)),
            put_right=drifts.get(node.pk, 0),
            nacks=nacks[node.pk][0] if node.pk in nacks else 0,
            nacked_at=nacks[node.pk][1] if node.pk in nacks else None,
            last=last.get(node.pk),
            credentials=tuple(credentials.get(node.pk, ())),
        )
        for node in gateways
    ]


def state_of(node: GatewayNode, *, connected: bool) -> str:
    if node.revoked_at is not None:
        return "revoked"
    if connected:
        return "connected" if node.draining_at is None else "drained" if node.drained_at else "draining"
    return "refused" if node.refused_at is not None else "gone"


def _nacks(ids: list[UUID]) -> dict[UUID, tuple[int, datetime]]:
    found: dict[UUID, tuple[int, datetime]] = {}
    for node, many, at in Nack.objects.filter(node__in=ids).values_list("node_id", "many", "at"):
        before = found.get(node, (0, at))
        found[node] = (before[0] + many, max(before[1], at))
    return found


def _last_acknowledged(ids: list[UUID]) -> dict[UUID, Acknowledged]:
    newest = Receipt.objects.filter(node=OuterRef("pk")).order_by("-id").values("pk")[:1]
    last = GatewayNode.objects.filter(pk__in=ids).annotate(last=Subquery(newest)).values_list("last", flat=True)
    rows = Receipt.objects.filter(pk__in=[pk for pk in last if pk is not None]).values_list("node_id", "at", "tenant__slug")
    return {node: Acknowledged(at, slug) for node, at, slug in rows}


def tenants_of(node: GatewayNode) -> QuerySet[Tenant]:
    """The tenants that the gateway has loaded; each with since when, when it last acknowledged something of it, and its refusals."""
    loaded = Loaded.objects.filter(node=node, tenant=OuterRef("pk"))
    last = Receipt.objects.filter(node=node, tenant=OuterRef("pk")).order_by("-id")
    nack = Nack.objects.filter(node=node, tenant=OuterRef("pk"))
    return Tenant.objects.filter(Exists(loaded)).annotate(
        loaded_at=Subquery(loaded.values("at")[:1]),
        behind_since=Subquery(loaded.values("behind_since")[:1]),
        acknowledged_at=Subquery(last.values("at")[:1]),
        nacks=Coalesce(Subquery(nack.values("many")[:1]), 0),
        nacked_at=Subquery(nack.values("at")[:1]),
    )


def behind(node: GatewayNode) -> QuerySet[Loaded, UUID]:
    """The ids of the tenants of which it has not acknowledged the newest."""
    return Loaded.objects.filter(node=node).exclude(behind_since=None).values_list("tenant_id", flat=True)


def refused_by(node: GatewayNode, *, most: int) -> list[Nack]:
    """The tenants of which it refused configurations, the last first."""
    return list(Nack.objects.filter(node=node).select_related("tenant").order_by("-at")[:most])


def join_tokens() -> QuerySet[JoinToken]:
    """With the time, and with `group_names`, the groups that each leads to."""
    to = ExpressionWrapper(OuterRef("groups"), output_field=ArrayField(UUIDField()))
    led_to = GatewayGroup.objects.alias(to=to).filter(to__contains=[F("pk")])  # type: ignore[misc]  # mypy's plugin takes it for text
    names = led_to.order_by("name").values("name")
    return JoinToken.objects.select_related("created_by").annotate(now=Now(), group_names=ArraySubquery(names))
