"""What comes in and goes out where a version's life is decided."""

from typing import Any

from rest_framework import serializers

from apis.actions.gate import Concerned
from apis.actions.versions import Caller
from apis.differences import Level
from apis.models import Acknowledgement, BrownOut
from tenants.serializers import Body, Text


class DeprecateIn(Body):
    """`successor` is the name of another version; "" for none."""

    reason = Text(max_length=500)
    sunset_at = serializers.DateTimeField(allow_null=True, default=None)
    successor = Text(max_length=20, allow_blank=True, default="")


class SunsetIn(Body):
    sunset_at = serializers.DateTimeField()


class RetireIn(Body):
    reason = Text(max_length=500, allow_blank=True, default="")
    override = serializers.BooleanField(default=False)


class LiveIn(Body):
    """`instead_of`: the number of the revision that is taken for live, 0 for none; left out where nobody looked."""

    instead_of = serializers.IntegerField(min_value=0, allow_null=True, default=None)
    reason = Text(max_length=500, allow_blank=True, default="")
    override = serializers.BooleanField(default=False)


class TestIn(Body):
    """`hours`: 1, 8 or 24. `application`: one of one's own, that may call it; only where nothing of the API is open, and needed there."""

    hours = serializers.IntegerField()
    application = serializers.UUIDField(allow_null=True, default=None)


class BrownOutIn(Body):
    starts_at = serializers.DateTimeField()
    minutes = serializers.IntegerField(min_value=1, max_value=1_440)


class BrownOutOut(serializers.ModelSerializer[BrownOut]):
    class Meta:
        model = BrownOut
        fields = ["id", "starts_at", "ends_at", "status"]


class AcknowledgeIn(Body):
    application = serializers.UUIDField()


class AcknowledgementOut(serializers.ModelSerializer[Acknowledgement]):
    by_name = serializers.CharField(source="by.name")

    class Meta:
        model = Acknowledgement
        fields = ["application", "by", "by_name", "at"]


class CallerOut(serializers.Serializer[Caller]):
    """`calls` and `last_at` in the last 30 days."""

    application = serializers.UUIDField(source="application.pk")
    name = serializers.CharField(source="application.name")
    owner = serializers.CharField(source="application.whose")
    calls = serializers.IntegerField()
    last_at = serializers.DateTimeField(allow_null=True)
    acknowledged = AcknowledgementOut(allow_null=True)


class CallersOut(serializers.Serializer[Any]):
    results = CallerOut(many=True)


class ConcernedCallerOut(serializers.Serializer[Concerned]):
    """`level` is the worst that happens to an operation that it called; `calls` and `last_at` in the last 30 days."""

    application = serializers.UUIDField(source="application.pk")
    name = serializers.CharField(source="application.name")
    owner = serializers.CharField(source="application.whose")
    level = serializers.ChoiceField(choices=[each.value for each in Level])
    calls = serializers.IntegerField()
    last_at = serializers.DateTimeField()


class ConcernedOut(serializers.Serializer[Any]):
    """`against`: what it breaks, and for whom, in a sentence; "" where nothing speaks against it."""

    against = serializers.CharField()
    results = ConcernedCallerOut(many=True)
