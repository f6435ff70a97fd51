"""How subscriptions begin over REST: what an API asks, several requests at once, and one that is added without a request."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import adding, request_forms, several
from apis.models import Api, Plan, Subscription, questions_of
from apis.rest.publishing import ApisView
from apis.rest.subscriptions import DECIDED, SubscriptionsView
from apis.serializers import SubscriptionOut
from apis.serializers_requests import AddedIn, RequestFormIn, RequestFormOut, RequestsIn, question
from keys.models import Application
from tenants.errors import Invalid


class RequestsOut(serializers.Serializer[Any]):
    """In the order in which they were asked for, each with what became of it."""

    results = DECIDED(many=True)


class RequestForm(ApisView):
    access = {"GET": "apis.see_published", "PUT": "apis.publish"}

    @extend_schema(responses=RequestFormOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """What an API asks of those who request a subscription to it."""
        return Response(RequestFormOut({"questions": questions_of(self.api(api))}).data)

    @extend_schema(request=RequestFormIn, responses=RequestFormOut)
    def put(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Ask these questions of requests to come; those that were made keep what they were asked."""
        found = self.api(api)
        request_forms.set_form(found, [question(each) for each in self.read(RequestFormIn)["questions"]], by=self.user)
        return Response(RequestFormOut({"questions": questions_of(found)}).data)


class Requests(SubscriptionsView):
    access = {"POST": "applications.own"}

    @extend_schema(request=RequestsIn, responses={201: RequestsOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Ask for several APIs at once, for one application and one purpose: for all of them, or none."""
        given = self.read(RequestsIn)
        application = Application.objects.owned_by(self.user).filter(pk=given["application"]).first()
        problems = {} if application else {"application": ["You have no application with this id."]}
        wanted = self._wanted(given["requests"], problems)
        if problems:
            raise Invalid(problems)
        assert application is not None
        made = several.request_all(application, wanted, purpose=given["purpose"], by=self.user)
        rows = Subscription.objects.for_list().in_bulk([each.pk for each, _event in made])
        told = [self.decided(SubscriptionOut(rows[each.pk]).data, event).data for each, event in made]
        return Response({"results": told}, status=201)

    def _wanted(self, given: Sequence[Mapping[str, Any]], problems: dict[str, list[str]]) -> list[several.Wanted]:
        """What of it there is, each API once; `problems` gets the rest, by the API."""
        slugs = [each["api"] for each in given]
        apis: dict[str, Api] = {each.slug: each for each in Api.objects.readable_by(self.user, self.permissions).filter(slug__in=slugs)}
        rows = self.plans().filter(api__in=apis.values())
        plans: dict[tuple[UUID, str], Plan] = {(each.api_id, each.name): each for each in rows}
        wanted = []
        for each in given:
            slug, api = each["api"], apis.get(each["api"])
            plan = plans.get((api.pk, each["plan"])) if api else None
            if slugs.count(slug) > 1:
                problems[slug] = [f"“{slug}” is there more than once."]
            elif api is None:
                problems[slug] = [f"No API “{slug}” is published here."]
            elif plan is None:
                problems[slug] = [f"{api} offers no plan “{each['plan']}”."]
            else:
                wanted.append(several.Wanted(api, plan, each.get("answers", {}), each.get("logging_agreed")))
        return wanted


class Added(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=AddedIn, responses={201: DECIDED})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Give an application of somebody else's a subscription, at once and without a request."""
        given = self.read(AddedIn)
        application = Application.objects.visible_to(self.user, self.permissions).filter(pk=given["application"]).first()
        api = Api.objects.readable_by(self.user, self.permissions).filter(slug=given["api"]).first()
        plan = self.plans().filter(api=api, name=given["plan"]).first() if api else None
        problems = {}
        if application is None:
            problems["application"] = ["There is no application with this id."]
        if api is None:
            problems["api"] = [f"No API “{given['api']}” is published here."]
        elif plan is None:
            problems["plan"] = [f"{api} offers no plan “{given['plan']}”."]
        if problems:
            raise Invalid(problems)
        assert application is not None
        assert api is not None
        assert plan is not None
        made, event = adding.add(application, api=api, plan=plan, reason=given["reason"], by=self.user)
        answer = self.after(self.subscription(made.pk), event)
        answer.status_code = 201
        return answer
