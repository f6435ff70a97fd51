"""REST: a second person looks at a revision before callers get it."""

from collections.abc import Callable
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import reviews
from apis.models import Review
from apis.rest.publishing import ApisView
from apis.serializers_reviews import ReviewIn, ReviewNeededIn, ReviewNeededOut, ReviewOut
from keys.serializers import ReasonIn
from tenants.models import Event
from tenants.rest import TenantRestView
from tenants.serializers import decided

# Made once: the schema has it by name.
REVIEW = decided(ReviewOut)


class ReviewNeeded(ApisView):
    access = {"GET": "apis.see_all", "PUT": "settings.manage"}

    @extend_schema(responses=ReviewNeededOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Whether a second person has to approve each revision of an API before callers get it."""
        return Response({"needed": self.api(api).needs_review})

    @extend_schema(request=ReviewNeededIn, responses=ReviewNeededOut)
    def put(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Say whether a second person has to."""
        found = self.api(api)
        change = reviews.ask_for_reviews if self.read(ReviewNeededIn)["needed"] else reviews.ask_for_no_reviews
        change(found, by=self.user)
        return Response({"needed": found.needs_review})


class WaitingReviews(TenantRestView):
    access = {"GET": "apis.see_all"}

    @extend_schema(responses=ReviewOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The reviews of all APIs that wait for somebody."""
        return self.listed(Review.objects.waiting().for_list(), ReviewOut)


class RevisionReviews(ApisView):
    access = {"GET": "apis.see_all", "POST": "apis.publish"}

    @extend_schema(responses=ReviewOut(many=True))
    def get(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """The reviews of a revision."""
        return self.listed(self.revision(api, version, number).reviews.for_list(), ReviewOut)

    @extend_schema(request=ReviewIn, responses={201: ReviewOut})
    def post(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """Ask for a review, against what callers have now."""
        found = self.revision(api, version, number)
        made = reviews.request(found, **self.read(ReviewIn), by=self.user)
        return Response(ReviewOut(Review.objects.for_list().get(pk=made.pk)).data, status=201)


class ReviewView(ApisView):
    access = {"POST": "apis.publish"}

    def settled(self, api: str, version: str, number: int, pk: UUID, act: Callable[[Review], Event]) -> Response:
        found: Review = get_object_or_404(self.revision(api, version, number).reviews.for_list(), pk=pk)
        event = act(found)
        return self.decided(ReviewOut(found).data, event)


class Approve(ReviewView):
    @extend_schema(request=None, responses=REVIEW)
    def post(self, request: Request, api: str, version: str, number: int, pk: UUID) -> Response:  # noqa: ARG002
        """Let callers get it. Refused to who asked, and once something else went live."""
        return self.settled(api, version, number, pk, lambda found: reviews.approve(found, by=self.user))


class Reject(ReviewView):
    @extend_schema(request=ReasonIn, responses=REVIEW)
    def post(self, request: Request, api: str, version: str, number: int, pk: UUID) -> Response:  # noqa: ARG002
        """Keep it from callers, and say why."""
        return self.settled(api, version, number, pk, lambda found: reviews.reject(found, **self.read(ReasonIn), by=self.user))


class Withdraw(ReviewView):
    @extend_schema(request=None, responses=REVIEW)
    def post(self, request: Request, api: str, version: str, number: int, pk: UUID) -> Response:  # noqa: ARG002
        """Take it back, for who asked."""
        return self.settled(api, version, number, pk, lambda found: reviews.withdraw(found, by=self.user))
