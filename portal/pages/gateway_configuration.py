"""What a gateway has of the tenant: up to which decision, and of each version its routes as Envoy gets them, without secrets."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, Value
from django.db.models.functions import Concat
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_safe

from apis.models import Operation, Revision
from gateway import configuration
from gateway.configuration import Configured, Standing
from portal.pages.gateways import Row, nodes, standing_of
from portal.pages.listing import page_of, sought
from tenants.access import TenantRequest, tenant_view

# So many operations of a version are drawn; searching finds the others.
OPERATIONS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Version:
    """One in the list: `segment` is of its address; `calls_go_to` is "" where the gateway answers by itself."""

    revision: Revision
    segment: str
    operations: int
    calls_go_to: str


@tenant_view("apis.see_all")
@require_safe
def console_gateway_configuration(request: TenantRequest, gateway: str) -> HttpResponse:
    """How the gateway stands to the newest decisions, and the versions that it has."""
    at, q = _standing(gateway), sought(request)
    rows = configuration.revisions(at)
    if q:
        rows = rows.annotate(address=Concat("version__api__slug", Value("/"), "version__name"))
        rows = rows.filter(Q(address__icontains=q) | Q(version__api__name__icontains=q))
    page = page_of(request, rows)
    many = Operation.objects.filter(revision__in=page.rows).values_list("revision").annotate(many=Count("pk")).order_by()
    counted = dict(many)
    context = {
        **_of_gateway(request, at),
        "page": page,
        "versions": [Version(each, at.segment_of(each), counted.get(each.pk, 0), _address(each)) for each in page.rows],
        "q": q,
        "filters": _json(configuration.filters()),
    }
    return render(request, "gateways/configuration.html", context)


@tenant_view("apis.see_all")
@require_safe
def console_gateway_configuration_version(request: TenantRequest, gateway: str, api: str, version: str) -> HttpResponse:
    """What the gateway does with the calls of one version; `?operation=` chooses the one whose route is shown."""
    at, q = _standing(gateway), sought(request)
    found = _configured(request, at, api, version)
    operations = [each for each in found.version.operations if q.lower() in f"{each.method} {each.path} {each.operation_id}".lower()]
    chosen = [each for each in found.version.operations if each.operation_id == request.GET.get("operation")]
    told = next((told for _, told in found.routes_told(chosen)), None)
    context = {
        **_of_gateway(request, at),
        "found": found,
        "calls_go_to": _address(found.revision),
        "address": f"{found.whole.audience}/{found.version.api}/{found.version.segment}",
        "operations": operations[:OPERATIONS_SHOWN],
        "chosen": chosen[0] if chosen else None,
        "told": _json(told) if told is not None else "",
        "left_out": max(0, len(operations) - OPERATIONS_SHOWN),
        "q": q,
        "clusters": [_json(each) for each in found.clusters_told()],
        "chain": _json(found.chain_told()),
    }
    return render(request, "gateways/configuration_version.html", context)


@tenant_view("apis.see_all")
@require_safe
def console_gateway_configuration_file(request: TenantRequest, gateway: str, api: str, version: str) -> HttpResponseBase:
    """All of one version as JSON, made while it is sent: of a thousand operations that takes a third of a second."""
    at = _standing(gateway)
    found = _configured(request, at, api, version)
    answer = StreamingHttpResponse(_written(at, found), content_type="application/json")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{gateway}-{api}-{version}")
    answer["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return answer


def _written(at: Standing, found: Configured) -> Iterator[str]:
    receipt = at.receipt
    head = {
        "gateway": at.node.name,
        "tenant": found.whole.slug,
        "api": found.version.api,
        "version": found.version.segment,
        "truth": found.truth,
        "acknowledged": {"routes": receipt.routes, "access": receipt.access, "at": receipt.at.isoformat()} if receipt else None,
        "decided": {"routes": at.routes, "access": at.access},
        "filters": configuration.filters(),
        "chain": found.chain_told(),
        "cluster": found.cluster_told(),
        "clusters": found.clusters_told(),
        "secrets": found.secrets,
    }
    yield f'{_json(head)[:-2]},\n  "operations": ['
    between = "\n"
    for operation, told in found.routes_told(found.version.operations):
        yield between + json.dumps({"method": operation.method, "path": operation.path, "route": told}, sort_keys=True)
        between = ",\n"
    yield "\n  ]\n}\n"


def _standing(gateway: str) -> Standing:
    return configuration.standing(get_object_or_404(nodes(), name=gateway))


def _configured(request: TenantRequest, at: Standing, api: str, version: str) -> Configured:
    found = configuration.configured(request.tenant, at, api=api, segment=version)
    if found is None:
        raise Http404
    return found


def _of_gateway(request: TenantRequest, at: Standing) -> dict[str, Any]:
    """What both pages show. What the gateway said when it refused is for who may see gateways."""
    may_see = "gateways.see" in request.permissions
    loaded = {at.node.pk} if at.loaded else set[Any]()
    standing = standing_of(at.node, {at.node.pk} if at.connected else set[Any](), loaded, at.deployment)
    row = Row(at.node, at.connected, standing, at.deployment if may_see else None, None)
    return {"at": at, "row": row, "may_see_gateways": may_see}


def _address(revision: Revision) -> str:
    """All that get a share of the calls."""
    if revision.upstream is None:
        return ""
    balances = revision.upstream.balances
    own = [str(revision.upstream)] if balances.weight else []
    return ", ".join([*own, *(str(each) for each in balances.further if each.weight)])


def _json(told: Any) -> str:
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False)


_PLACE = "t/<str:tenant>/console/gateways/<path:gateway>/configuration"
urlpatterns = [
    path(f"{_PLACE}/", console_gateway_configuration, name="console-gateway-configuration"),
    path(f"{_PLACE}/<str:api>/<str:version>/", console_gateway_configuration_version, name="console-gateway-configuration-version"),
    path(f"{_PLACE}/<str:api>/<str:version>/json/", console_gateway_configuration_file, name="console-gateway-configuration-file"),
]
