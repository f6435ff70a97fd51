"""REST: what approvers have beside single decisions: several at once, what stands out, and the clock."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import deciding_many, request_clock, risk_notes
from apis.models import Subscription
from apis.serializers_approvals import DecisionsIn, DecisionsOut, RequestPolicyIn, RequestPolicyOut, RiskNotesOut
from tenants.rest import TenantRestView


class Decisions(TenantRestView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=DecisionsIn, responses=DecisionsOut)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Approve or reject several requests in one go. Each is decided by itself: what a rule refuses holds up no other."""
        given = self.read(DecisionsIn)
        among = Subscription.objects.visible_to(self.user, self.permissions).for_list()
        if given["decision"] == "approve":
            results = deciding_many.approve_all(given["subscriptions"], among=among, by=self.user)
        else:
            results = deciding_many.reject_all(given["subscriptions"], among=among, reason=given["reason"], by=self.user)
        decided = sum(each.event is not None for each in results)
        told = {"decided": decided, "refused": len(results) - decided, "results": results}
        return Response(DecisionsOut(told, context={"tenant": self.tenant.slug}).data)


class RiskNotes(TenantRestView):
    access = {"GET": "subscriptions.see_all"}

    @extend_schema(responses=RiskNotesOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """What stands out of a request, in plain sentences; empty where nothing does."""
        rows = Subscription.objects.visible_to(self.user, self.permissions).for_list()
        found = risk_notes.notes(get_object_or_404(rows, pk=pk))
        return Response(RiskNotesOut({"notes": [{"name": name, "says": says} for name, says in found.items()]}).data)


class RequestPolicyView(TenantRestView):
    access = {"GET": "subscriptions.see_all", "PUT": "settings.manage"}

    @extend_schema(responses=RequestPolicyOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Within how many hours requests are to be answered."""
        return Response(RequestPolicyOut(request_clock.policy()).data)

    @extend_schema(request=RequestPolicyIn, responses=RequestPolicyOut)
    def put(self, request: Request) -> Response:  # noqa: ARG002
        """Say within how many hours requests are to be answered, those that wait too; null stops the clock."""
        request_clock.change(**self.read(RequestPolicyIn), by=self.user)
        return Response(RequestPolicyOut(request_clock.policy()).data)
