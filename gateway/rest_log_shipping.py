"""REST: an API's calls told to a destination outside."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.models import Api
from apis.rest.publishing import ApisView
from gateway import log_shipping
from gateway.models import LogShipping
from gateway.serializers_log_shipping import LogShippingIn, LogShippingOut, LogShippingTestOut, test_of
from tenants.serializers import decided


class _Shipping(ApisView):
    def shipping(self, api: Api) -> LogShipping:
        found = log_shipping.of(api)
        if found is None:
            raise Http404
        return found


class LogShippingView(_Shipping):
    access = {"GET": "apis.publish", "PUT": "apis.publish", "DELETE": "apis.publish"}

    @extend_schema(responses=LogShippingOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Where calls of an API are told to, what of them, and how that goes. 404 where nobody has said so."""
        return Response(LogShippingOut(self.shipping(self.api(api))).data)

    @extend_schema(
        request=LogShippingIn,
        responses=PolymorphicProxySerializer(
            "PutLogShipping", serializers=[decided(LogShippingOut), LogShippingOut], resource_type_field_name=None
        ),
    )
    def put(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Say where calls of an API are told to, and what of them. The same twice changes nothing."""
        found, given = self.api(api), self.read(LogShippingIn)
        event = log_shipping.put(
            found, enabled=given.pop("enabled"), authorization=given.pop("authorization", None), rules=given, by=self.user
        )
        shown: dict[str, Any] = dict(LogShippingOut(self.shipping(found)).data)
        return self.decided(shown, event) if event else Response(shown)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Tell calls of an API to nobody any more, and forget where to."""
        found = self.api(api)
        self.shipping(found)
        log_shipping.remove(found, by=self.user)
        return Response(status=204)


class LogShippingTest(_Shipping):
    access = {"POST": "apis.publish"}

    @extend_schema(request=None, responses={202: LogShippingTestOut})
    def post(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Send a test record to the destination of an API's calls. What came back stands in `test` within seconds."""
        found = self.api(api)
        self.shipping(found)
        log_shipping.ask_test(found)
        return Response(LogShippingTestOut(test_of(self.shipping(found))).data, status=202)
