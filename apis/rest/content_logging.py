"""REST: whether an API keeps what callers ask models and what these answer, and agreeing to that."""

from typing import Any
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import content_logging
from apis.models import ContentLogging, Subscription
from apis.rest.publishing import ApisView
from apis.rest.subscriptions import SubscriptionsView
from apis.serializers_content_logging import ContentLoggingIn, ContentLoggingOut, LoggingConsentIn, LoggingConsentOut
from tenants.serializers import decided


class ContentLoggingView(ApisView):
    access = {"GET": "apis.see_published", "PUT": "apis.publish"}

    @extend_schema(responses=ContentLoggingOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """What of calls to models an API keeps, and the text that people agree to. 404 where it keeps nothing.

        Who publishes sees it also while it is switched off, and how many agreed.
        """
        found = self.api(api)
        row = content_logging.of(found) if "apis.publish" in self.permissions else content_logging.in_force(found)
        if row is None:
            raise Http404
        return Response(self._out(row))

    @extend_schema(
        request=ContentLoggingIn,
        responses=PolymorphicProxySerializer(
            "PutContentLogging", serializers=[decided(ContentLoggingOut), ContentLoggingOut], resource_type_field_name=None
        ),
    )
    def put(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Say what of calls to models an API keeps, for how long, and what people agree to. The same twice changes nothing.

        Another text, more that is kept or more days ask everybody anew: `version` grows, and nothing of theirs is kept before they agree.
        """
        found = self.api(api)
        event = content_logging.put(found, **self.read(ContentLoggingIn), by=self.user)
        row = content_logging.of(found)
        assert row is not None
        shown = self._out(row)
        return self.decided(shown, event) if event else Response(shown)

    def _out(self, row: ContentLogging) -> dict[str, Any]:
        """How many agreed is told to who publishes."""
        more = {"counts": content_logging.counts(row.api)} if "apis.publish" in self.permissions else {}
        return dict(ContentLoggingOut(row, context=more).data)


class LoggingConsent(SubscriptionsView):
    access = {"GET": "tenant.see", "PUT": "applications.own", "DELETE": "applications.own"}

    @extend_schema(responses=LoggingConsentOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """What the API of a subscription keeps of calls, and whether its people agreed to that."""
        return Response(LoggingConsentOut(content_logging.standing(self.subscription(pk))).data)

    @extend_schema(request=LoggingConsentIn, responses=LoggingConsentOut)
    def put(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Agree for your application to what the API keeps. 409 where that is something else by now."""
        found = self._own(pk)
        content_logging.agree(found, **self.read(LoggingConsentIn), by=self.user)
        return Response(LoggingConsentOut(content_logging.standing(found)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Withdraw what your application agreed to: from now on nothing of it is kept."""
        content_logging.withdraw(self._own(pk), by=self.user)
        return Response(status=204)

    def _own(self, pk: UUID) -> Subscription:
        found: Subscription = get_object_or_404(Subscription.objects.for_list().owned_by(self.user), pk=pk)
        return found
