"""The gateways as a tenant sees them: who is connected, what each acknowledged, how it stands to this tenant."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apis.models.api import limit_in_words
from gateway import receipts
from gateway.acknowledged import Acknowledged, history_of, newest_of
from gateway.models import Deployment, Drift, GatewayNode, Loaded, serving
from portal import words
from portal.pages.shares import divided, in_general
from portal.words import duration, happened, subject_of
from tenants.access import TenantRequest, tenant_view
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event
from tenants.scope import current_tenant_id

# How many receipts one gateway's page shows.
SHOWN = 20
# What took longer is told in seconds, minutes or hours: the gateway was away.
MOST_MS = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """An acknowledgement in words; `took` is "" where the gateway only loaded what there was."""

    acknowledged: Acknowledged
    sentence: str
    took: str


@dataclass(frozen=True, slots=True)
class Row:
    """A gateway: `standing` is one of portal.templatetags.ui.STATES, "" while it is not connected."""

    node: GatewayNode
    connected: bool
    standing: str
    deployment: Deployment | None
    last: Told | None
    loaded: Loaded | None = None
    # How often it was put right lately, of this tenant.
    drifts: int = 0


def nodes() -> QuerySet[GatewayNode]:
    """Those that serve the tenant in scope. They are few."""
    return GatewayNode.objects.filter(serving(), revoked_at=None).order_by("name")


def rows_of(found: QuerySet[GatewayNode]) -> list[Row]:
    """In as many queries for many as for one."""
    gateways = list(found)
    connected = set(GatewayNode.objects.connected().values_list("pk", flat=True))
    loaded = {each.node_id: each for each in Loaded.objects.filter(tenant_id=current_tenant_id())}
    drifts = Drift.objects.filter(tenant_id=current_tenant_id()).by_node()
    # All routes of a tenant stand beside it.
    deployments = {each.node_id: each for each in Deployment.objects.defer("good_routes", "parts")}
    last = newest_of(gateways)
    return [
        Row(
            each,
            each.pk in connected,
            standing_of(each, connected, loaded.keys(), deployments.get(each.pk)),
            deployments.get(each.pk),
            _told(last[each.pk]) if each.pk in last else None,
            loaded.get(each.pk),
            drifts.get(each.pk, 0),
        )
        for each in gateways
    ]


def standing_of(node: GatewayNode, connected: Set[UUID], loaded: Set[UUID], deployment: Deployment | None) -> str:
    if node.pk not in connected:
        return ""
    if node.pk not in loaded:
        return "not_loaded"
    return deployment.state if deployment else "waiting"


def _told(acknowledged: Acknowledged) -> Told:
    event, ms = acknowledged.event, acknowledged.ms
    if event is None:
        return Told(acknowledged, "", "")
    sentence = happened(event.kind, event.data, actor=event.actor_name, subject=subject_of(event), by_a_person=event.actor_id is not None)
    took = "" if ms is None else _("%(ms)s ms") % {"ms": ms} if ms < MOST_MS else duration(timedelta(milliseconds=ms))
    return Told(acknowledged, sentence, took)


@tenant_view("gateways.see")
@require_safe
def console_gateways(request: TenantRequest) -> HttpResponse:
    decision = Event.objects.filter(kind__in=GATEWAY_KINDS).order_by("-number").first()
    ceiling = request.tenant.ceiling
    limit = limit_in_words(ceiling, 1) if ceiling else ""
    context = {
        "rows": rows_of(nodes()),
        "ceiling": limit,
        "divided": divided(request, limit, at_once=ceiling) if ceiling else in_general(request),
        "decision": decision,
        "receipt": receipts.receipt(decision) if decision else None,
    }
    return render(request, "gateways/list.html", context)


@tenant_view("gateways.see")
@require_safe
def console_gateway(request: TenantRequest, gateway: str) -> HttpResponse:
    """One gateway, and the last that it acknowledged of this tenant."""
    found = rows_of(nodes().filter(name=gateway))
    if not found:
        raise Http404
    context = {
        "row": found[0],
        "history": [_told(each) for each in history_of(found[0].node, most=SHOWN)],
        "shown": SHOWN,
        "drifts": [
            (each.at, words.drift_parts(each.parts))
            for each in Drift.objects.filter(tenant_id=current_tenant_id(), node=found[0].node).order_by("-id")[:SHOWN]
        ],
        "may_see_configuration": "apis.see_all" in request.permissions,
    }
    return render(request, "gateways/gateway.html", context)


urlpatterns = [
    path("t/<str:tenant>/console/gateways/", console_gateways, name="console-gateways"),
    path("t/<str:tenant>/console/gateways/<path:gateway>/", console_gateway, name="console-gateway"),
]
