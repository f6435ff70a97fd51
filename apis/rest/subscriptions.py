from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import dates, questions, request_clock, subscriptions, waiting
from apis.models import Api, Plan, Subscription
from apis.serializers import MessageIn, MessageOut, SubscriptionIn, SubscriptionOut
from apis.serializers_changes import DatesIn
from keys.models import Application
from keys.serializers import OptionalReasonIn, ReasonIn
from tenants.errors import Invalid
from tenants.models import Event
from tenants.rest import TenantRestView
from tenants.serializers import decided

DECIDED = decided(SubscriptionOut)
# What narrows the list, with what each may be.
NARROWING: dict[str, list[str] | None] = {
    "status": Subscription.Status.values,
    "api": None,
    "environment": Application.Environment.values,
    "q": None,
    "waits": list(waiting.WAITS),
}


class SubscriptionsView(TenantRestView):
    def subscription(self, pk: UUID) -> Subscription:
        """One that the person may see."""
        rows = Subscription.objects.visible_to(self.user, self.permissions).for_list()
        found: Subscription = get_object_or_404(rows, pk=pk)
        return found

    def plans(self) -> QuerySet[Plan]:
        """Those that the person may name, also one that is over, so that the rule says so."""
        rows: QuerySet[Plan] = Plan.objects.exclude(status=Plan.Status.STAGING).visible_to(self.user, self.permissions)
        return rows

    def after(self, subscription: Subscription, event: Event) -> Response:
        return self.decided(SubscriptionOut(subscription).data, event)


class Subscriptions(SubscriptionsView):
    access = {"GET": "tenant.see", "POST": "applications.own"}

    @extend_schema(
        responses=SubscriptionOut(many=True), parameters=[OpenApiParameter(name, enum=words) for name, words in NARROWING.items()]
    )
    def get(self, request: Request) -> Response:
        """Your applications' subscriptions; all of them for approvers. `?status=pending` is the queue.

        `api` is a slug, `q` stands in the name of the application, its owner, team or applicant. `waits` has requests that wait for an
        answer to a question, for a second approval, or for too long.
        """
        given = {name: request.query_params.get(name, "").replace("\x00", "").strip()[:100] for name in NARROWING}
        for name, words in NARROWING.items():
            if words is not None and given[name] not in ("", *words):
                raise Invalid({name: [f"Choose from {', '.join(words)}."]})
        rows = Subscription.objects.visible_to(self.user, self.permissions).for_list()
        if given["status"]:
            rows = rows.filter(status=given["status"])
        to = waiting.Narrowing(given["api"], given["environment"], given["q"], given["waits"])
        within = request_clock.policy().within if to.waits == "overdue" else None
        return self.listed(waiting.narrowed(rows, to, now=timezone.now(), within=within), SubscriptionOut)

    @extend_schema(request=SubscriptionIn, responses={201: DECIDED})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Ask for a subscription of one of your applications."""
        given = self.read(SubscriptionIn)
        application = Application.objects.owned_by(self.user).filter(pk=given["application"]).first()
        api = Api.objects.readable_by(self.user, self.permissions).filter(slug=given["api"]).first()
        plan = self.plans().filter(api=api, name=given["plan"]).first() if api else None
        missing = {}
        if application is None:
            missing["application"] = ["You have no application with this id."]
        if api is None:
            missing["api"] = [f"No API “{given['api']}” is published here."]
        elif plan is None:
            missing["plan"] = [f"{api} offers no plan “{given['plan']}”."]
        if missing:
            raise Invalid(missing)
        assert application is not None
        assert api is not None
        assert plan is not None
        told = {name: given[name] for name in ("purpose", "answers", "logging_agreed", "starts_at", "ends_at") if name in given}
        subscription, event = subscriptions.request(application, api=api, plan=plan, **told, by=self.user)
        answer = self.after(self.subscription(subscription.pk), event)
        answer.status_code = 201
        return answer


class SubscriptionDetail(SubscriptionsView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=SubscriptionOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A subscription, and where it stands."""
        return Response(SubscriptionOut(self.subscription(pk)).data)


class Approve(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=DatesIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Let the application's calls pass, at once or within the dates that you set with it."""
        found = self.subscription(pk)
        return self.after(found, dates.approve_within(found, by=self.user, **self.read(DatesIn)))


class Reject(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=ReasonIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Say no, and why: the applicant reads the reason and may ask again."""
        found = self.subscription(pk)
        return self.after(found, subscriptions.reject(found, **self.read(ReasonIn), by=self.user))


class Ask(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=MessageIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Ask the applicant before you decide. They hear of it, and `asked_at` says since when their answer is waited for."""
        found = self.subscription(pk)
        return self.after(found, questions.ask(found, **self.read(MessageIn), by=self.user))


class Answer(SubscriptionsView):
    access = {"POST": "applications.own"}

    @extend_schema(request=MessageIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Answer a question about a request of yours, or say more about it. Approvers hear of it."""
        found: Subscription = get_object_or_404(Subscription.objects.for_list().owned_by(self.user), pk=pk)
        return self.after(found, questions.answer(found, **self.read(MessageIn), by=self.user))


class Messages(SubscriptionsView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=MessageOut(many=True))
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """What was asked and answered about a request, the newest first."""
        found = self.subscription(pk)
        return self.listed(Event.objects.filter(subject_id=found.pk, kind__in=questions.TALK), MessageOut)


class Undo(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=None, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Take back your approval or rejection, within ten seconds: it is a request again."""
        found = self.subscription(pk)
        return self.after(found, subscriptions.undo(found, by=self.user))


class Suspend(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=ReasonIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Refuse the application's calls until it is resumed."""
        found = self.subscription(pk)
        return self.after(found, subscriptions.suspend(found, **self.read(ReasonIn), by=self.user))


class Resume(SubscriptionsView):
    access = {"POST": "subscriptions.decide"}

    @extend_schema(request=None, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Let the application's calls pass again."""
        found = self.subscription(pk)
        return self.after(found, subscriptions.resume(found, by=self.user))


class Cancel(SubscriptionsView):
    access = {"POST": "tenant.see"}

    @extend_schema(request=OptionalReasonIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """End it for good: the application's owner, or who decides."""
        rows = Subscription.objects.for_list()
        if "subscriptions.decide" not in self.permissions:
            rows = rows.owned_by(self.user)
        found: Subscription = get_object_or_404(rows, pk=pk)
        return self.after(found, subscriptions.cancel(found, **self.read(OptionalReasonIn), by=self.user))
