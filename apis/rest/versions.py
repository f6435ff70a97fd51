"""The states of a version over REST: opening it, blocking it, and saying goodbye."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import publishing, versions
from apis.models import Api, ApiQuerySet, ApiVersion, Subscription
from apis.rest.publishing import VERSION, ApisView
from apis.serializers import VersionOut
from apis.serializers_versions import (
    AcknowledgeIn,
    AcknowledgementOut,
    BrownOutIn,
    BrownOutOut,
    CallersOut,
    DeprecateIn,
    RetireIn,
    SunsetIn,
)
from keys.models import Application
from keys.serializers import ReasonIn
from tenants.errors import Invalid
from tenants.models import Event
from tenants.serializers import decided


class VersionView(ApisView):
    """The version is looked up before the body: of what there is not nobody is told how it would be asked for."""

    access = {"POST": "apis.publish"}

    def moved(self, api: str, version: str, act: Callable[[ApiVersion], Event]) -> Response:
        found = self.version(api, version)
        event = act(found)
        return self.decided(VersionOut(found, context=self.context()).data, event)


class Prerelease(VersionView):
    @extend_schema(request=None, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Open a version to subscribers before it is done; it may still change."""
        return self.moved(api, version, lambda found: publishing.prerelease(found, by=self.user))


class Block(VersionView):
    @extend_schema(request=ReasonIn, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Refuse every call with `API_BLOCKED` until it is unblocked."""
        return self.moved(api, version, lambda found: versions.block(found, **self.read(ReasonIn), by=self.user))


class Unblock(VersionView):
    @extend_schema(request=None, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Let calls pass again."""
        return self.moved(api, version, lambda found: versions.unblock(found, by=self.user))


class Deprecate(VersionView):
    @extend_schema(request=DeprecateIn, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Tell callers that it is going: by the headers Deprecation, Sunset and Link, in the portal, and by mail."""
        return self.moved(api, version, self.deprecated)

    def deprecated(self, version: ApiVersion) -> Event:
        given = self.read(DeprecateIn)
        name = given.pop("successor")
        successor = ApiVersion.objects.filter(api=version.api_id, name=name).first() if name else None
        if name and successor is None:
            raise Invalid({"successor": [_("The API has no version with this name.")]})
        return versions.deprecate(version, **given, successor=successor, by=self.user)


class Sunset(VersionView):
    @extend_schema(request=SunsetIn, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Promise a day until which it answers, or a later one."""
        return self.moved(api, version, lambda found: versions.change_sunset(found, **self.read(SunsetIn), by=self.user))


class Reinstate(VersionView):
    @extend_schema(request=None, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Take the deprecation back."""
        return self.moved(api, version, lambda found: versions.reinstate(found, by=self.user))


class Retire(VersionView):
    @extend_schema(request=RetireIn, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Answer no more, for good. Refused while somebody still calls who has not acknowledged it, unless `override` says so, with a
        reason.
        """
        return self.moved(api, version, lambda found: versions.retire(found, **self.read(RetireIn), by=self.user))


class Callers(ApisView):
    access = {"GET": "apis.see_all"}

    @extend_schema(responses=CallersOut)
    def get(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Who may call it, how often each did in the last 30 days, and who knows that it is going."""
        return Response(CallersOut({"results": versions.callers(self.version(api, version))}).data)


class BrownOuts(ApisView):
    access = {"GET": "apis.see_published", "POST": "apis.publish"}

    @extend_schema(responses=BrownOutOut(many=True))
    def get(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """The brown-outs of a version."""
        return self.listed(self.version(api, version).brown_outs.all(), BrownOutOut)

    @extend_schema(request=BrownOutIn, responses={201: BrownOutOut})
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Plan a short refusal of every call of a deprecated version, with `BROWN_OUT`."""
        found, given = self.version(api, version), self.read(BrownOutIn)
        lasts = timedelta(minutes=given["minutes"])
        planned = versions.plan_brown_out(found, starts_at=given["starts_at"], lasts=lasts, by=self.user)
        return Response(BrownOutOut(planned).data, status=201)


class BrownOutCancel(ApisView):
    access = {"POST": "apis.publish"}

    @extend_schema(request=None, responses=decided(BrownOutOut))
    def post(self, request: Request, api: str, version: str, pk: UUID) -> Response:  # noqa: ARG002
        """It does not come, or ends at once."""
        found = get_object_or_404(self.version(api, version).brown_outs.select_related("version__api"), pk=pk)
        event = versions.cancel_brown_out(found, by=self.user)
        return self.decided(BrownOutOut(found).data, event)


class Acknowledge(ApisView):
    access = {"POST": "applications.own"}

    def apis(self) -> ApiQuerySet:
        """Also those that one doesn't see any more, and calls."""
        held = Subscription.objects.open().owned_by(self.user).values("api")
        return Api.objects.published().filter(Q(pk__in=super().apis().values("pk")) | Q(pk__in=held))

    @extend_schema(request=AcknowledgeIn, responses=AcknowledgementOut)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Say for an application of one's own that its people know that the version is going."""
        found = self.version(api, version)
        given: dict[str, Any] = self.read(AcknowledgeIn)
        application = Application.objects.owned_by(self.user).filter(pk=given["application"]).first()
        if application is None:
            raise Invalid({"application": [_("You have no application with this id.")]})
        versions.acknowledge(found, application, by=self.user)
        return Response(AcknowledgementOut(found.acknowledgements.select_related("by").get(application=application)).data)
