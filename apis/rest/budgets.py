"""The tenant's budget for models, and what approvers add to a subscription's."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import budgets
from apis.rest.subscriptions import DECIDED, SubscriptionsView
from apis.serializers_budgets import BudgetIn, BudgetStandingOut, BudgetTopUpIn
from tenants.rest import TenantRestView


class BudgetTopUps(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=BudgetTopUpIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Let more be spent on models in this period of the plan's budget, and in no other."""
        found = self.subscription(pk)
        return self.after(found, budgets.top_up(found, **self.read(BudgetTopUpIn), by=self.user))


class TenantsBudget(TenantRestView):
    access = {"GET": "providers.see", "PUT": "settings.manage"}

    @extend_schema(responses=BudgetStandingOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """What the tenant may spend on models in all its AI APIs together, and what it has spent."""
        return Response(BudgetStandingOut(budgets.tenants_standing()).data)

    @extend_schema(request=BudgetIn, responses=BudgetStandingOut)
    def put(self, request: Request) -> Response:  # noqa: ARG002
        """Say what the tenant may spend on models, at once; null for tokens and amount takes its budget away."""
        budgets.set_tenants(given=self.read(BudgetIn), by=self.user)
        return Response(BudgetStandingOut(budgets.tenants_standing()).data)
