"""What approvers add to a quota."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import quotas
from apis.rest.subscriptions import DECIDED, SubscriptionsView
from apis.serializers_quotas import TopUpIn


class TopUps(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=TopUpIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Let more calls pass in this period of the plan's quota, and in no other."""
        found = self.subscription(pk)
        return self.after(found, quotas.top_up(found, **self.read(TopUpIn), by=self.user))
