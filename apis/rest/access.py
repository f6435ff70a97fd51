from datetime import datetime
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apis.access_at import Access, Standing, access_at
from keys.models import Application
from tenants.errors import Invalid
from tenants.models import Event
from tenants.rest import TenantRestView


class WhyOut(serializers.ModelSerializer[Event]):
    """The event that did it; `by` is null for what Portico did by itself."""

    event = serializers.IntegerField(source="number")
    by = serializers.UUIDField(source="actor_id", allow_null=True)
    by_name = serializers.CharField(source="actor_name")
    reason = serializers.SerializerMethodField()

    class Meta:
        model = Event
        fields = ["event", "kind", "at", "by", "by_name", "reason"]

    def get_reason(self, event: Event) -> str:
        return str(event.data.get("reason", ""))


class StandingOut(serializers.Serializer[Standing[Any]]):
    id = serializers.UUIDField(source="row.pk")
    state = serializers.CharField()
    works = serializers.BooleanField()
    since = WhyOut(source="by")
    allowed = WhyOut(allow_null=True)


class SubscriptionThenOut(StandingOut):
    api = serializers.CharField(source="row.api.slug")
    plan = serializers.CharField(source="row.plan.name")


class CredentialThenOut(StandingOut):
    kind = serializers.CharField(source="row.kind")
    label = serializers.CharField(source="row.label")  # type: ignore[assignment]
    last_four = serializers.CharField(source="row.last_four")


class AccessOut(serializers.Serializer[Access]):
    at = serializers.DateTimeField()
    could_call = serializers.BooleanField()
    stopped = WhyOut(allow_null=True)
    suspended = WhyOut(allow_null=True)
    subscriptions = SubscriptionThenOut(many=True)
    credentials = CredentialThenOut(many=True)


class AccessAt(TenantRestView):
    access = {"GET": "audit.read"}

    @extend_schema(responses=AccessOut, parameters=[OpenApiParameter("at", OpenApiTypes.DATETIME, required=True)])
    def get(self, request: Request, pk: UUID) -> Response:
        """What the application could call at a moment, and who had allowed it: told again from the events."""
        application = get_object_or_404(Application, pk=pk)
        return Response(AccessOut(access_at(application, _moment(request.query_params.get("at", "")))).data)


def _moment(text: str) -> datetime:
    """
    :raises Invalid: it is no moment with a time zone (RFC 3339), or one to come.
    """
    try:
        # A “+” that was not encoded has become a space.
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 1970 <= at.year < 3000:
        raise Invalid({"at": [_("Write a moment with its time zone, such as 2027-03-31T12:00:00Z.")]})
    if at > timezone.now():
        raise Invalid({"at": [_("This moment is still to come.")]})
    return at
