"""When a subscription starts and ends, and what its people ask to change of it, over REST."""

from collections.abc import Callable
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import changes, dates
from apis.models import ChangeRequest, Plan, Subscription
from apis.rest.subscriptions import DECIDED, SubscriptionsView
from apis.serializers import SubscriptionOut
from apis.serializers_changes import ChangeRequestOut, DatesIn, PlanWishIn, RenewalIn
from keys.serializers import ReasonIn
from tenants.errors import Invalid
from tenants.models import Event
from tenants.rest import TenantRestView
from tenants.serializers import decided

CHANGE = decided(ChangeRequestOut)


class Dates(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(
        request=DatesIn,
        responses=PolymorphicProxySerializer("ChangedDates", serializers=[DECIDED, SubscriptionOut], resource_type_field_name=None),
    )
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Change when it starts and ends. Without a difference there is no event."""
        found = self.subscription(pk)
        event = dates.change_dates(found, by=self.user, **self.read(DatesIn))
        return self.after(found, event) if event else Response(SubscriptionOut(found).data)


class ChangesView(TenantRestView):
    def changes(self) -> QuerySet[ChangeRequest]:
        """Those of subscriptions that the person may see."""
        rows: QuerySet[ChangeRequest] = ChangeRequest.objects.visible_to(self.user, self.permissions).for_list()
        return rows

    def own(self, pk: UUID) -> Subscription:
        found: Subscription = get_object_or_404(Subscription.objects.for_list().owned_by(self.user), pk=pk)
        return found

    def told(self, pk: UUID, event: Event, status: int = 200) -> Response:
        answer = self.decided(ChangeRequestOut(self.changes().get(pk=pk)).data, event)
        answer.status_code = status
        return answer


class PlanWish(ChangesView):
    access = {"POST": "applications.own"}

    @extend_schema(request=PlanWishIn, responses={201: CHANGE})
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Ask for another plan of the same API; calls go on meanwhile, and its tokens work on."""
        found, given = self.own(pk), self.read(PlanWishIn)
        # One that is over is found, so that the rule says so.
        plans = Plan.objects.exclude(status=Plan.Status.STAGING).visible_to(self.user, self.permissions)
        plan = plans.filter(api=found.api_id, name=given["plan"]).first()
        if plan is None:
            raise Invalid({"plan": [f"{found.api} offers no plan “{given['plan']}”."]})
        asked, event = changes.ask_for_plan(found, plan=plan, purpose=given["purpose"], by=self.user)
        return self.told(asked.pk, event, 201)


class Renewal(ChangesView):
    access = {"POST": "applications.own"}

    @extend_schema(request=RenewalIn, responses={201: CHANGE})
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Ask for a later end before the end comes; calls go on meanwhile."""
        asked, event = changes.ask_to_renew(self.own(pk), **self.read(RenewalIn), by=self.user)
        return self.told(asked.pk, event, 201)


class ChangeRequests(ChangesView):
    access = {"GET": "tenant.see"}

    @extend_schema(
        responses=ChangeRequestOut(many=True),
        parameters=[OpenApiParameter("status", enum=ChangeRequest.Status.values), OpenApiParameter("subscription", UUID)],
    )
    def get(self, request: Request) -> Response:
        """What is asked to change of subscriptions, of all of them for approvers. `?status=pending` is what waits."""
        rows = self.changes()
        if status := request.query_params.get("status"):
            if status not in ChangeRequest.Status.values:
                raise Invalid({"status": [f"Choose from {', '.join(ChangeRequest.Status.values)}."]})
            rows = rows.waiting() if status == ChangeRequest.Status.PENDING else rows.filter(status=status)  # type: ignore[attr-defined]
        if of := request.query_params.get("subscription"):
            rows = rows.filter(subscription=_id(of))
        return self.listed(rows, ChangeRequestOut)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid({"subscription": ["Give the id of a subscription."]}) from None


class ChangeRequestDetail(ChangesView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=ChangeRequestOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """One change that is asked for, and where it stands."""
        return Response(ChangeRequestOut(get_object_or_404(self.changes(), pk=pk)).data)


class ChangeStep(ChangesView):
    access = {"POST": "subscriptions.decide"}

    def moved(self, pk: UUID, act: Callable[[ChangeRequest], Event]) -> Response:
        return self.told(pk, act(get_object_or_404(self.changes(), pk=pk)))


class Approve(ChangeStep):
    @extend_schema(request=None, responses=CHANGE)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Change the subscription as it was asked."""
        return self.moved(pk, lambda asked: changes.approve(asked, by=self.user))


class Reject(ChangeStep):
    @extend_schema(request=ReasonIn, responses=CHANGE)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Say no to a change, and why; the subscription goes on as it is."""
        return self.moved(pk, lambda asked: changes.reject(asked, **self.read(ReasonIn), by=self.user))


class Withdraw(ChangesView):
    access = {"POST": "applications.own"}

    @extend_schema(request=None, responses=CHANGE)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Take a change back that you or your team asked for."""
        found = get_object_or_404(ChangeRequest.objects.owned_by(self.user).for_list(), pk=pk)
        return self.told(pk, changes.withdraw(found, by=self.user))
