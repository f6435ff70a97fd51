from rest_framework import serializers

from gateway.explaining import Explanation
from keys.models import Application
from tenants.models import Event


class WhoseOut(serializers.ModelSerializer[Application]):
    """The application that called."""

    class Meta:
        model = Application
        fields = ["id", "name", "client_id"]


class CauseOut(serializers.ModelSerializer[Event]):
    """What was decided, by whom and when; `reason` in their words, "" where nothing was said."""

    event = serializers.IntegerField(source="number")
    by = serializers.CharField(source="actor_name")
    reason = serializers.SerializerMethodField()

    class Meta:
        model = Event
        fields = ["event", "kind", "at", "by", "reason"]

    def get_reason(self, event: Event) -> str:
        return str(event.data.get("reason") or "")


class ExplanationOut(serializers.Serializer[Explanation]):
    """A refused call. `model`: that an AI API was asked for. `since`: what was decided about the same thing after `decision`, and
    `enforced` where gateways know of it.
    """

    request_id = serializers.CharField(source="refusal.request_id")
    at = serializers.DateTimeField(source="refusal.at")
    code = serializers.CharField(source="refusal.code")
    status = serializers.IntegerField(source="refusal.status")
    method = serializers.CharField(source="refusal.method")
    path = serializers.CharField(source="refusal.path")
    operation = serializers.CharField()
    model = serializers.CharField()
    gateway = serializers.CharField(source="refusal.gateway")
    details = serializers.CharField(source="refusal.details")
    application = WhoseOut(source="refusal.application", allow_null=True)
    meaning = serializers.CharField()
    rule = serializers.CharField()
    fact = serializers.CharField()
    decision = CauseOut(source="event", allow_null=True)
    since = CauseOut(allow_null=True)
    enforced = serializers.SerializerMethodField()
    fix = serializers.CharField()

    def get_enforced(self, explained: Explanation) -> str | None:
        return explained.receipt.sentence if explained.receipt else None
