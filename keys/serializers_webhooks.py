"""What comes in and goes out about webhooks."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from keys import webhooks
from keys.actions.webhook_sending import SECONDS
from keys.models import Webhook, WebhookAttempt, WebhookDelivery
from keys.webhooks import SENTENCES, Trouble
from tenants.serializers import Body, Text


def _kinds(**more: Any) -> serializers.ListField:
    return serializers.ListField(child=Text(max_length=60), max_length=100, **more)


class WebhookIn(Body):
    """`kinds` are of docs/webhooks.md: single kinds, or families such as `subscription.*`."""

    name = Text(max_length=80)
    url = Text(max_length=webhooks.MAX_URL)
    kinds = _kinds()


class WebhookChangeIn(Body):
    """What is left out stays. One that is switched on again hears of what happened meanwhile with `catch_up`."""

    name = Text(max_length=80, required=False)
    url = Text(max_length=webhooks.MAX_URL, required=False)
    kinds = _kinds(required=False)
    enabled = serializers.BooleanField(required=False)
    catch_up = serializers.BooleanField(required=False)


class SinceIn(Body):
    since = serializers.DateTimeField()


class WebhookOut(serializers.ModelSerializer[Webhook]):
    """`former_until` is how long the secret before this one signs, too. `failing_since`: since then nothing was taken."""

    kinds = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Webhook
        fields = [
            "id", "name", "url", "kinds", "enabled", "disabled_why", "former_until", "failing_since", "succeeded_at", "created_at",
        ]  # fmt: skip


class NewWebhookOut(WebhookOut):
    """With the secret: this once and never again."""

    secret = serializers.SerializerMethodField()

    class Meta(WebhookOut.Meta):
        fields = [*WebhookOut.Meta.fields, "secret"]

    def get_secret(self, _: Webhook) -> str:
        return str(self.context["secret"])


class WebhookDeliveryOut(serializers.ModelSerializer[WebhookDelivery]):
    """`message` is its `webhook-id`; `number` the event's, 0 of a test. One that waits is tried at `next_at`, after those before it."""

    message = serializers.CharField()

    class Meta:
        model = WebhookDelivery
        fields = ["id", "message", "kind", "number", "state", "tries", "next_at", "created_at", "ended_at"]


class WebhookAttemptOut(serializers.ModelSerializer[WebhookAttempt]):
    """`answered` is the status of the answer, `answer` how it begins; `error` says what stood in the way."""

    error = serializers.SerializerMethodField()

    class Meta:
        model = WebhookAttempt
        fields = ["at", "took_ms", "answered", "answer", "trouble", "error"]

    def get_error(self, attempt: WebhookAttempt) -> str:
        return error_of(attempt, self.context["host"])


class WebhookDeliveryDetailOut(WebhookDeliveryOut):
    """With every attempt, the newest first."""

    attempts = serializers.SerializerMethodField()

    class Meta(WebhookDeliveryOut.Meta):
        fields = [*WebhookDeliveryOut.Meta.fields, "attempts"]

    def get_attempts(self, delivery: WebhookDelivery) -> list[dict[str, Any]]:
        rows = delivery.attempts.order_by("-pk")
        return list(WebhookAttemptOut(rows, many=True, context={"host": delivery.webhook.host}).data)


class RedeliveredOut(serializers.Serializer[Any]):
    """How many wait to be sent again."""

    redelivered = serializers.IntegerField()


def error_of(attempt: WebhookAttempt, host: str) -> str:
    """What stood in the way, as a sentence; "" if nothing did."""
    if not attempt.trouble:
        return ""
    return _(SENTENCES[Trouble(attempt.trouble)]) % {"host": host, "status": attempt.answered, "seconds": round(SECONDS)}
