"""What comes in and goes out about quotas."""

from typing import Any

from rest_framework import serializers

from apis import quotas
from apis.actions.quotas import Standing
from apis.models import Plan
from tenants.serializers import Body, Choice, Text


class Quota(serializers.IntegerField):
    def __init__(self, **more: Any) -> None:
        super().__init__(min_value=1, max_value=quotas.MOST_CALLS, **more)


class Zone(Text):
    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=64, **more)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not quotas.is_zone(name):
            raise serializers.ValidationError("Name a time zone of a place, such as Europe/Berlin, or UTC.")
        return name


class QuotaOut(serializers.Serializer[Standing]):
    """How a subscription stands to its plan's quota: `limit` calls pass in this period, `topped_up` of which were added for it.

    `counted_at`: when calls were last added to `used`, which comes a moment after them.
    """

    limit = serializers.IntegerField()
    used = serializers.IntegerField()
    period = serializers.ChoiceField(choices=Plan.Period.choices)
    time_zone = serializers.CharField()
    resets_at = serializers.DateTimeField()
    topped_up = serializers.IntegerField()
    counted_at = serializers.DateTimeField(allow_null=True)


class TopUpIn(Body):
    calls = Quota()
    reason = Text(max_length=500)


class QuotaAskedIn(serializers.Serializer[Any]):
    """Of the address: a quota that is not in force yet."""

    quota = Quota(required=False)
    quota_period = Choice(choices=Plan.Period.choices, required=False)
    quota_time_zone = Zone(required=False)
