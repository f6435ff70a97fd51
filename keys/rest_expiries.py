"""REST: what ends when, and the address of its calendar."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from keys.actions import calendar_feeds, expiries
from keys.models import Application, Credential
from tenants.paging import NewestFirst
from tenants.rest import TenantRestView


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


class SoonestFirst(NewestFirst):
    """By the end, and by id among those that end together."""

    ordering = ("expires_at", "id")  # type: ignore[assignment]
    position = staticmethod(_moment)


class ExpiryOut(serializers.ModelSerializer[Credential]):
    application = serializers.UUIDField(source="application_id")
    application_name = serializers.CharField(source="application.name")
    owner = serializers.EmailField(source="application.owner.email")
    last_used_at = serializers.DateTimeField(allow_null=True)
    use = serializers.SerializerMethodField()

    class Meta:
        model = Credential
        fields = [
            "id", "kind", "label", "last_four", "status", "use", "last_used_at", "expires_at", "application", "application_name", "owner",
        ]  # fmt: skip

    def get_use(self, credential: Credential) -> str:
        """`replaced` (rolled, in its grace), `in_use` (in the last seven days) or `unused`."""
        return expiries.use_of(credential)


class FeedOut(serializers.Serializer[Any]):
    """The address, this once and never again."""

    address = serializers.URLField()
    created_at = serializers.DateTimeField()


class Expiries(TenantRestView):
    access = {"GET": "tenant.see"}
    pagination_class = SoonestFirst

    @extend_schema(responses=ExpiryOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """What of your applications ends, soonest first; of all of the tenant's for approvers and admins."""
        return self.listed(expiries.agenda(Application.objects.visible_to(self.user, self.permissions)), ExpiryOut)


class Feed(TenantRestView):
    access = {"POST": "tenant.see", "DELETE": "tenant.see"}

    @extend_schema(request=None, responses={201: FeedOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Your private address of the calendar of expiries. It is in this answer and nowhere else; the one before ends."""
        feed, secret = calendar_feeds.create_feed(by=self.user)
        address = settings.PORTAL_URL + reverse("calendar-feed", args=[self.tenant.slug, secret])
        answer = Response(FeedOut({"address": address, "created_at": feed.created_at}).data, status=201)
        answer["Cache-Control"] = "no-store"
        return answer

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:  # noqa: ARG002
        """End it."""
        calendar_feeds.revoke_feed(by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
