"""REST: who decides requests of a kind."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import approval_rules
from apis.models import ApprovalRule
from apis.serializers_approvals import ApprovalRuleChangeIn, ApprovalRuleIn, ApprovalRuleOut, ReplayOut
from tenants.rest import TenantRestView


class RulesView(TenantRestView):
    def rule(self, pk: UUID) -> ApprovalRule:
        found: ApprovalRule = get_object_or_404(ApprovalRule.objects, pk=pk)
        return found


class ApprovalRules(RulesView):
    access = {"GET": "subscriptions.see_all", "POST": "settings.manage"}

    @extend_schema(responses=ApprovalRuleOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The rules, on or off, the newest first."""
        return self.listed(ApprovalRule.objects.all(), ApprovalRuleOut)

    @extend_schema(request=ApprovalRuleIn, responses={201: ApprovalRuleOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a rule, which decides nothing until it is switched on: look at its replay before."""
        rule, _event = approval_rules.create(**self.read(ApprovalRuleIn), by=self.user)
        return Response(ApprovalRuleOut(rule).data, status=201)


class ApprovalRuleDetail(RulesView):
    access = {"GET": "subscriptions.see_all", "PATCH": "settings.manage", "DELETE": "settings.manage"}

    @extend_schema(responses=ApprovalRuleOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A rule."""
        return Response(ApprovalRuleOut(self.rule(pk)).data)

    @extend_schema(request=ApprovalRuleChangeIn, responses=ApprovalRuleOut)
    def patch(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Change it, or switch it on or off (`enabled`), for requests to come."""
        approval_rules.change(self.rule(pk), **self.read(ApprovalRuleChangeIn), by=self.user)
        return Response(ApprovalRuleOut(self.rule(pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Delete it; what it approved stays."""
        approval_rules.delete(self.rule(pk), by=self.user)
        return Response(status=204)


class ApprovalRuleReplay(RulesView):
    access = {"GET": "subscriptions.see_all"}

    @extend_schema(responses=ReplayOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """What it would have decided lately, beside what people decided."""
        return Response(ReplayOut(approval_rules.replay(self.rule(pk), now=timezone.now())).data)
