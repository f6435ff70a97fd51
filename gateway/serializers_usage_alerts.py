from rest_framework import serializers

from gateway.models import UsageAlert
from gateway.usage_alerts import MOST_CALLS, MOST_MINUTES, MOST_MS
from tenants.serializers import Body, Choice, Text


class UsageAlertChangeIn(Body):
    """What is left out stays as it is."""

    name = Text(max_length=80, required=False)
    threshold = serializers.IntegerField(min_value=0, max_value=MOST_MS, required=False)
    minutes = serializers.IntegerField(min_value=1, max_value=MOST_MINUTES, required=False)
    fewest_calls = serializers.IntegerField(min_value=1, max_value=MOST_CALLS, required=False)
    cooldown_minutes = serializers.IntegerField(min_value=0, max_value=MOST_MINUTES, required=False)
    muted = serializers.BooleanField(required=False)


class UsageAlertIn(UsageAlertChangeIn):
    name = Text(max_length=80)
    kind = Choice(choices=UsageAlert.Kind.choices)
    minutes = serializers.IntegerField(min_value=1, max_value=MOST_MINUTES)
    api = Text(max_length=40, required=False)
    application = serializers.UUIDField(required=False)


class UsageAlertOut(serializers.ModelSerializer[UsageAlert]):
    api = serializers.CharField(source="api.slug", default=None, allow_null=True)
    created_by = serializers.CharField(source="created_by.name")

    class Meta:
        model = UsageAlert
        fields = [
            "id", "name", "kind", "api", "application", "threshold", "minutes", "fewest_calls", "cooldown_minutes", "muted",
            "created_by", "created_at", "opened_at", "closed_at",
        ]  # fmt: skip
