from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import receipts
from gateway.models import Deployment, Drift, GatewayNode, Loaded, serving
from gateway.serializers import GatewayOut, ReceiptOut
from tenants.rest import TenantRestView
from tenants.scope import current_tenant_id


class Receipt(TenantRestView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=ReceiptOut)
    def get(self, request: Request, number: int) -> Response:  # noqa: ARG002
        """Where a decision is enforced by now. For who made it, whose application it is about, and who may see all decisions."""
        event = get_object_or_404(receipts.visible_to(self.user, self.permissions), number=number)
        found = receipts.as_told_to(self.permissions, receipts.receipt(event))
        return Response(ReceiptOut(found).data)


class Gateways(TenantRestView):
    access = {"GET": "gateways.see"}
    # They are few, and stand side by side.
    pagination_class = None

    @extend_schema(responses=GatewayOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The gateways, and how each stands to this tenant: in step, on older routes, or closed, with what it refused."""
        alive = set(GatewayNode.objects.connected().values_list("pk", flat=True))
        deployments = {row.node_id: row for row in Deployment.objects.all()}
        loaded = {row.node_id: row for row in Loaded.objects.filter(tenant_id=current_tenant_id())}
        drifts = Drift.objects.filter(tenant_id=current_tenant_id()).by_node()
        nodes = list(GatewayNode.objects.filter(serving(), revoked_at=None).order_by("name"))
        for node in nodes:
            node.alive = node.pk in alive  # type: ignore[attr-defined]
            node.deployment = deployments.get(node.pk)  # type: ignore[attr-defined]
            node.loaded = loaded.get(node.pk)  # type: ignore[attr-defined]
            node.put_right = drifts.get(node.pk, 0)  # type: ignore[attr-defined]
        return Response(GatewayOut(nodes, many=True).data)
