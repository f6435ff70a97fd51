"""What a gateway has of the tenant in scope, as far as it can be told without asking it.

A gateway's configuration is never kept; it is made anew from what the gateway last acknowledged (Deployment.good_routes), and the
digest that was written down then says whether it is still the same (see gateway.envoy.resources.part_digest). One version at a time: to
make all that a thousand operations need takes longer than anybody should wait for a page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from apis.models import ApiVersion, Operation, Revision
from gateway import desired, views
from gateway.desired import RoutesRef
from gateway.envoy import chain, routes, state
from gateway.envoy.ai import clusters as ai_clusters
from gateway.envoy.clusters import cluster, cluster_name, secrets
from gateway.envoy.extensions import FilterChainConfigPerRoute
from gateway.envoy.listener import listener
from gateway.envoy.resources import part_digest, part_name
from gateway.envoy.telling import tell
from gateway.models import Deployment, GatewayNode, Loaded, Receipt
from tenants.event_kinds import GATEWAY_KINDS, Part
from tenants.models import Tenant
from tenants.scope import current_tenant_id


class Truth(StrEnum):
    """How what is shown of a version relates to what the gateway has."""

    # The same, to the digest.
    ACKNOWLEDGED = "acknowledged"
    # The gateway has this version in another form, which is not kept.
    OTHER = "other"
    # It has acknowledged a configuration without it.
    ABSENT = "absent"
    # It has loaded nothing of the tenant, or did before it was written down.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """A gateway and the tenant in scope.

    `receipt` is the last that it acknowledged; `routes` and `access` are the last decisions on where calls go and on who may call, 0
    before there is any. `ref` names the routes that it has, or else those that it will load.
    """

    node: GatewayNode
    connected: bool
    loaded: bool
    deployment: Deployment | None
    receipt: Receipt | None
    routes: int
    access: int
    ref: RoutesRef

    @property
    def is_behind(self) -> bool:
        return self.receipt is None or self.receipt.routes < self.routes or self.receipt.access < self.access

    @property
    def passes_nothing(self) -> bool:
        return self.deployment is not None and self.deployment.state == Deployment.State.CLOSED

    def segment_of(self, revision: Revision) -> str:
        """Of the address of what it has of a revision, what comes after the API's."""
        tried = any(item.get("tested", False) and item["revision"] == str(revision.pk) for item in self.ref)
        return f"{revision.version.name}~{revision.number}" if tried else revision.version.name

    def truth_of(self, version: state.Version, *, portal: str) -> Truth:
        if self.deployment is None or self.deployment.parts is None or not self.loaded:
            return Truth.UNKNOWN
        kept = self.deployment.parts.get(part_name(version))
        if kept is None:
            return Truth.ABSENT
        return Truth.ACKNOWLEDGED if kept == part_digest(version, portal=portal) else Truth.OTHER


@dataclass(frozen=True, slots=True)
class Configured:
    """What one version needs at a gateway. `whole` is the tenant with this version alone, and without anybody who may call it."""

    revision: Revision
    whole: state.Tenant
    version: state.Version
    truth: Truth

    @property
    def cluster(self) -> str:
        """Its name, "" where the gateway answers by itself, or providers of AI models do."""
        return cluster_name(self.whole.slug, self.version.upstream) if self.version.upstream else ""

    @property
    def clusters(self) -> list[str]:
        """The names of all."""
        if self.version.ai:
            return [ai_clusters.cluster_name(self.whole.slug, each) for each in ai_clusters.keys(self.whole)]
        return [self.cluster] if self.cluster else []

    @property
    def secrets(self) -> list[str]:
        """The names of what is injected into its calls, and of what the gateway proves itself with in TLS."""
        if self.version.ai:
            return [each.name for key in ai_clusters.keys(self.whole) for each in ai_clusters.secrets(self.whole.slug, key)]
        return [each.name for each in secrets(self.whole.slug, self.version.upstream)] if self.version.upstream else []

    def operations(self, q: str = "") -> QuerySet[Operation]:
        """Those whose path or id holds `q`."""
        rows = self.revision.operations.defer("description")
        return rows.filter(Q(path__icontains=q) | Q(operation_id__icontains=q)) if q else rows

    def clusters_told(self) -> list[dict[str, Any]]:
        """Of an AI API one for each key of a provider, in each of its formats."""
        if self.version.ai:
            return [tell(ai_clusters.cluster(self.whole.slug, each)) for each in ai_clusters.keys(self.whole)]
        told = self.cluster_told()
        return [told] if told else []

    def cluster_told(self) -> dict[str, Any] | None:
        return tell(cluster(self.whole.slug, self.version.upstream)) if self.version.upstream else None

    def chain_told(self) -> list[dict[str, Any]]:
        """The steps that every call of it passes, in order, without the tables of who may call."""
        per_route = FilterChainConfigPerRoute.FromString(chain.chain(self.whole).value)
        return [tell(step) for step in per_route.filter_chain.filters]

    def routes_told(self, operations: Sequence[state.Operation]) -> Iterator[tuple[state.Operation, dict[str, Any] | None]]:
        for operation, route in routes.of_operations(self.whole, self.version, operations):
            yield operation, tell(route) if route is not None else None


def standing(node: GatewayNode) -> Standing:
    deployment = Deployment.objects.filter(node=node).first()
    ref, decided = deployment.good_routes if deployment else None, _decided()
    return Standing(
        node=node,
        connected=GatewayNode.objects.connected().filter(pk=node.pk).exists(),
        loaded=Loaded.objects.filter(node=node, tenant_id=current_tenant_id()).exists(),
        deployment=deployment,
        receipt=Receipt.objects.filter(node=node, tenant_id=current_tenant_id()).order_by("-id").first(),
        routes=decided[Part.ROUTES],
        access=decided[Part.ACCESS],
        ref=desired.live(views.shown(views.read().view(node.pk))) if ref is None else ref,
    )


# One look into the index of kinds for each: the last decision on routes may lie far behind.
_LAST = """
    SELECT kind, (SELECT max(event.number) FROM tenants_event event WHERE event.tenant_id = %s AND event.kind = kinds.kind)
    FROM unnest(%s::text[]) AS kinds (kind)
"""


def _decided() -> Mapping[Part, int]:
    """The last decision on each half, 0 before there is any."""
    found = dict.fromkeys(Part, 0)
    with connection.cursor() as cursor:
        cursor.execute(_LAST, [current_tenant_id(), list(GATEWAY_KINDS)])
        for kind, number in cursor.fetchall():
            part = GATEWAY_KINDS[kind].part
            found[part] = max(found[part], number or 0)
    return found


def revisions(at: Standing) -> QuerySet[Revision]:
    """Those whose routes it has, or would load."""
    found = Revision.objects.filter(pk__in=[item["revision"] for item in at.ref])
    # What was taken from callers since is not given back by older routes.
    found = found.filter(Q(version__status__in=ApiVersion.OFFERED) | Q(open_until__gt=Now()))
    return found.select_related("version__api", "upstream").defer("document", "outline", "findings", "answers")


def configured(tenant: Tenant, at: Standing, *, api: str, segment: str) -> Configured | None:
    """What a version needs there: `segment` is its name, or that of a revision that is tried, as in its address; None without any."""
    name, tilde, _ = segment.partition("~")
    items = {item["revision"]: item for item in at.ref if item.get("tested", False) is bool(tilde)}
    rows = revisions(at).filter(pk__in=items, version__api__slug=api, version__name=name)
    revision = next((each for each in rows if at.segment_of(each) == segment), None)
    whole = desired.part(tenant, items[str(revision.pk)]) if revision is not None else None
    if revision is None or whole is None:
        return None
    (version,) = whole.routes or ()
    return Configured(revision, whole, version, at.truth_of(version, portal=whole.portal))


def filters() -> list[dict[str, Any]]:
    """The listener's filters, which are every tenant's: the chain of each fills the one called gate."""
    made = listener(port=settings.GATEWAY_PORT, address=settings.GATEWAY_ADDRESS, portal_url=settings.PORTAL_URL)
    manager = hcm_pb2.HttpConnectionManager.FromString(made.filter_chains[0].filters[0].typed_config.value)
    return [tell(each) for each in manager.http_filters]
