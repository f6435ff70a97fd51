"""REST: one's own inbox in a tenant, and how one hears of what."""

from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal import inbox, news, news_words
from portal.inbox import Wish
from portal.pages.inbox import in_words
from tenants.access import even_suspended
from tenants.errors import Invalid
from tenants.models import Notification, NotificationPreference
from tenants.rest import TenantRestView
from tenants.serializers import Body, Choice


class Listed(serializers.ListSerializer[Any]):
    """Reads what a whole page is about in one go, and puts each into words once."""

    def to_representation(self, data: Any) -> list[Any]:
        found = cast("Iterable[Notification]", list(data))
        child = cast("NotificationOut", self.child)
        child.abouts = news.abouts([each.event for each in found])
        child.words = {each.pk: in_words(each.event, child.abouts.get(each.event.subject_id), self.context["tenant"]) for each in found}
        return super().to_representation(found)


class NotificationOut(serializers.ModelSerializer[Notification]):
    """`title` and `sentence` are English; `event` is the number of the event in the audit, and `path` the page that it is about."""

    group = serializers.SerializerMethodField()
    kind = serializers.CharField(source="event.kind")
    event = serializers.IntegerField(source="event.number")
    at = serializers.DateTimeField(source="event.at")
    title = serializers.SerializerMethodField()
    sentence = serializers.SerializerMethodField()
    path = serializers.SerializerMethodField()
    abouts: dict[UUID, news.About]
    # Title, sentence and quote.
    words: dict[UUID, tuple[str, str, str]]

    class Meta:
        model = Notification
        list_serializer_class = Listed
        fields = ["id", "group", "kind", "event", "at", "title", "sentence", "path", "read_at"]

    def get_group(self, row: Notification) -> str:
        return news.GROUP_OF.get(row.event.kind, "")

    def get_title(self, row: Notification) -> str:
        return self.words[row.pk][0]

    def get_sentence(self, row: Notification) -> str:
        return self.words[row.pk][1]

    def get_path(self, row: Notification) -> str:
        about = self.abouts.get(row.event.subject_id)
        there = row.event.kind in news.GROUP_OF and news.knows(row.event, about)
        return news_words.said(row.event, about, self.context["tenant"]).path if there else ""


class ReadOut(serializers.Serializer[Any]):
    read = serializers.IntegerField()


class PreferenceOut(serializers.Serializer[Any]):
    group = serializers.ChoiceField(choices=list(news.GROUPS))
    inbox = serializers.BooleanField()
    mail = serializers.ChoiceField(choices=NotificationPreference.Mail.values)


class PreferenceIn(Body):
    group = Choice(choices=list(news.GROUPS))
    inbox = serializers.BooleanField()
    mail = Choice(choices=NotificationPreference.Mail.values)


class PreferencesOut(serializers.Serializer[Any]):
    preferences = PreferenceOut(many=True)


class PreferencesIn(Body):
    preferences = PreferenceIn(many=True)


class Inbox(TenantRestView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=NotificationOut(many=True), parameters=[OpenApiParameter("unread", bool, description="Only what is news.")])
    def get(self, request: Request) -> Response:
        """What you were told here, newest first."""
        wanted = request.query_params.get("unread", "false")
        if wanted not in {"true", "false"}:
            raise Invalid({"unread": ["Choose from true, false."]})
        found = inbox.unread(self.user) if wanted == "true" else inbox.of(self.user)
        return self.listed(found.select_related("event"), NotificationOut, tenant=self.tenant)


@even_suspended
class InboxRead(TenantRestView):
    access = {"POST": "tenant.see"}

    @extend_schema(request=None, responses=ReadOut, operation_id="tenants_inbox_read_all")
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Mark all as read. Answers how many were news."""
        return Response({"read": inbox.read(inbox.of(self.user))})


@even_suspended
class NotificationRead(TenantRestView):
    access = {"POST": "tenant.see"}

    @extend_schema(request=None, responses=ReadOut)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Mark one as read."""
        found = get_object_or_404(inbox.of(self.user), pk=pk)
        return Response({"read": inbox.read(inbox.of(self.user).filter(pk=found.pk))})


@even_suspended
class Preferences(TenantRestView):
    access = {"GET": "tenant.see", "PUT": "tenant.see"}

    @extend_schema(responses=PreferencesOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """How you hear of what can concern you here: in the inbox or not, and by mail `at_once`, in the daily `digest`, or `never`."""
        wishes = inbox.wishes_of(self.user, self.permissions)
        return Response({"preferences": [{"group": name, "inbox": wish.inbox, "mail": wish.mail} for name, wish in wishes.items()]})

    @extend_schema(request=PreferencesIn, responses=PreferencesOut)
    def put(self, request: Request) -> Response:
        """Choose. Groups that are not named stay as they are."""
        given = self.read(PreferencesIn)["preferences"]
        inbox.choose(self.user, {each["group"]: Wish(each["inbox"], each["mail"]) for each in given})
        return self.get(request)


urlpatterns = [
    path("inbox/", Inbox.as_view(), name="rest-inbox"),
    path("inbox/read/", InboxRead.as_view(), name="rest-inbox-read"),
    path("inbox/preferences/", Preferences.as_view(), name="rest-inbox-preferences"),
    path("inbox/<uuid:pk>/read/", NotificationRead.as_view(), name="rest-notification-read"),
]
