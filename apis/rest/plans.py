"""The life of a plan over REST."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import audience, plans, quotas
from apis.models import Plan, Subscription
from apis.rest.publishing import ApisView
from apis.serializers_plans import HoldersOut, PlanChangeIn, PlanIn, PlanOut
from apis.serializers_quotas import QuotaAskedIn
from keys.serializers import OptionalReasonIn
from tenants.errors import Invalid
from tenants.models import Event, Team
from tenants.serializers import decided

PLAN = decided(PlanOut)


class PlansView(ApisView):
    def plans(self, api: str) -> QuerySet[Plan]:
        """All for who publishes; for everyone else those that are offered, and those that their applications have."""
        rows: QuerySet[Plan] = Plan.objects.select_related("api").filter(api=self.api(api))
        if "apis.see_all" in self.permissions:
            return rows
        held = Subscription.objects.open().owned_by(self.user).values("plan")
        seen = Plan.objects.offered().visible_to(self.user, self.permissions).values("pk")
        return rows.filter(Q(pk__in=seen) | Q(pk__in=held))

    def plan(self, api: str, name: str) -> Plan:
        found: Plan = get_object_or_404(self.plans(api), name=name)
        return found


class Plans(PlansView):
    access = {"GET": "apis.see_published", "POST": "apis.publish"}

    @extend_schema(responses=PlanOut(many=True), parameters=[OpenApiParameter("status", enum=Plan.Status.values)])
    def get(self, request: Request, api: str) -> Response:
        """The plans of an API that are offered, and those that your applications have; all of them for publishers."""
        rows = self.plans(api)
        if status := request.query_params.get("status"):
            if status not in Plan.Status.values:
                raise Invalid({"status": [f"Choose from {', '.join(Plan.Status.values)}."]})
            rows = rows.filter(status=status)
        return self.listed(rows.prefetch_related("audience"), PlanOut)

    @extend_schema(request=PlanIn, responses={201: PlanOut})
    def post(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Make a plan, which nobody sees until it is published."""
        return Response(PlanOut(plans.create(self.api(api), **self.read(PlanIn), by=self.user)).data, status=201)


class PlanDetail(PlansView):
    access = {"GET": "apis.see_published", "PATCH": "apis.publish"}

    @extend_schema(responses=PlanOut)
    def get(self, request: Request, api: str, plan: str) -> Response:  # noqa: ARG002
        """What a plan allows, and where it stands."""
        return Response(PlanOut(self.plan(api, plan)).data)

    @extend_schema(
        request=PlanChangeIn,
        responses=PolymorphicProxySerializer("ChangedPlan", serializers=[PLAN, PlanOut], resource_type_field_name=None),
    )
    def patch(self, request: Request, api: str, plan: str) -> Response:  # noqa: ARG002
        """Change what it allows, at once and for all who have it, who decides about requests to come, or who sees it.

        Without a difference there is no event.
        """
        found, given = self.plan(api, plan), self.read(PlanChangeIn)
        shown: dict[str, Any] = {name: given.pop(name) for name in ("visibility", "teams") if name in given}
        event = plans.change_terms(found, **given, by=self.user) if given else None
        if shown:
            event = audience.show(found, **self._audience(shown), by=self.user) or event
        found = self.plan(api, plan)
        return self.decided(PlanOut(found).data, event) if event else Response(PlanOut(found).data)

    def _audience(self, given: dict[str, Any]) -> dict[str, Any]:
        """With the teams themselves, of those that the person sees."""
        if "teams" not in given:
            return given
        seen = Team.objects.visible_to(self.user, self.permissions).in_bulk(given["teams"])
        if len(seen) != len(set(given["teams"])):
            raise Invalid({"teams": ["One of these teams is not there."]})
        return {**given, "teams": [*seen.values()]}


class PlanHolders(PlansView):
    access = {"GET": "apis.see_all"}

    @extend_schema(responses=HoldersOut, parameters=[QuotaAskedIn])
    def get(self, request: Request, api: str, plan: str) -> Response:
        """Whom a change or the end of a plan affects: the open subscriptions under it.

        With `?quota=`, and what is to change of its period, `over` tells how many another quota would stop at once.
        """
        found = self.plan(api, plan)
        asked = QuotaAskedIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        told = asked.validated_data
        over = quotas.over(
            found,
            quota=told.get("quota", found.quota),
            period=told.get("quota_period", found.quota_period),
            time_zone=told.get("quota_time_zone", found.quota_time_zone),
            now=timezone.now(),
        )
        return Response(HoldersOut(plans.concerned(found), context={"over": len(over)}).data)


class PlanStep(PlansView):
    """The plan is looked up before the body: of what there is not nobody is told how it would be asked for."""

    access = {"POST": "apis.publish"}

    def moved(self, api: str, plan: str, act: Callable[[Plan], Event]) -> Response:
        found = self.plan(api, plan)
        event = act(found)
        return self.decided(PlanOut(found).data, event)


class Publish(PlanStep):
    @extend_schema(request=None, responses=PLAN)
    def post(self, request: Request, api: str, plan: str) -> Response:  # noqa: ARG002
        """Offer a plan to subscribers."""
        return self.moved(api, plan, lambda found: plans.publish(found, by=self.user))


class Deprecate(PlanStep):
    @extend_schema(request=OptionalReasonIn, responses=PLAN)
    def post(self, request: Request, api: str, plan: str) -> Response:  # noqa: ARG002
        """Let nobody new subscribe under it; who has it goes on."""
        return self.moved(api, plan, lambda found: plans.deprecate(found, **self.read(OptionalReasonIn), by=self.user))


class Reinstate(PlanStep):
    @extend_schema(request=None, responses=PLAN)
    def post(self, request: Request, api: str, plan: str) -> Response:  # noqa: ARG002
        """Offer a deprecated plan again."""
        return self.moved(api, plan, lambda found: plans.reinstate(found, by=self.user))


class Close(PlanStep):
    @extend_schema(request=OptionalReasonIn, responses=PLAN)
    def post(self, request: Request, api: str, plan: str) -> Response:  # noqa: ARG002
        """End it for good, and every open subscription under it; with a reason, if there is one."""
        return self.moved(api, plan, lambda found: plans.close(found, **self.read(OptionalReasonIn), by=self.user))
