"""What comes in and goes out about approval rules."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from apis.actions.approval_rules import Replay
from apis.actions.deciding_many import Result
from apis.models import MOST_HOURS, ApprovalRule, RequestPolicy
from apis.serializers import SubscriptionOut
from keys.models import Application
from tenants import limits
from tenants.serializers import Body, Choice, Text


class ApprovalRuleIn(Body):
    name = Text(max_length=80)
    outcome = Choice(ApprovalRule.Outcome.choices)
    environment = Choice(Application.Environment.choices, allow_blank=True, required=False)
    most_per_minute = serializers.IntegerField(min_value=1, max_value=2_000_000_000, allow_null=True, required=False)
    reads_only = serializers.BooleanField(required=False)
    own_team = serializers.BooleanField(required=False)
    tags = serializers.ListField(child=Text(max_length=80), max_length=20, required=False)


class ApprovalRuleChangeIn(ApprovalRuleIn):
    name = Text(max_length=80, required=False)
    outcome = Choice(ApprovalRule.Outcome.choices, required=False)
    enabled = serializers.BooleanField(required=False)


class ApprovalRuleOut(serializers.ModelSerializer[ApprovalRule]):
    """`most_per_minute`: the calls that the plan may allow at most. What is empty, null or false asks for nothing."""

    tags = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ApprovalRule
        fields = ["id", "name", "outcome", "enabled", "environment", "most_per_minute", "reads_only", "own_team", "tags"]


class ReplayOut(serializers.Serializer[Replay]):
    """What the rule would have decided of the requests of the last 90 days. `against`: those that people rejected."""

    since = serializers.DateTimeField()
    looked_at = serializers.IntegerField()
    fitting = serializers.IntegerField()
    approved = serializers.IntegerField()
    rejected = serializers.IntegerField()
    waiting = serializers.IntegerField()
    against = SubscriptionOut(many=True)


class RequestPolicyIn(Body):
    answer_hours = serializers.IntegerField(min_value=1, max_value=MOST_HOURS, allow_null=True)


class RequestPolicyOut(serializers.ModelSerializer[RequestPolicy]):
    """`answer_hours`: within how many hours requests are to be answered; null: no clock runs."""

    class Meta:
        model = RequestPolicy
        fields = ["answer_hours"]


class RiskNoteOut(serializers.Serializer[Any]):
    """`name` stays the same in every language, `says` is a sentence."""

    name = serializers.CharField()
    says = serializers.CharField()


class RiskNotesOut(serializers.Serializer[Any]):
    notes = RiskNoteOut(many=True)


class DecisionsIn(Body):
    """`reason` is needed to reject; those whom it concerns read it."""

    decision = Choice([("approve", "Approve"), ("reject", "Reject")])
    subscriptions = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=limits.DECISIONS_AT_ONCE)
    reason = Text(max_length=500, required=False)

    def validate(self, told: dict[str, Any]) -> dict[str, Any]:
        if len(set(told["subscriptions"])) < len(told["subscriptions"]):
            raise serializers.ValidationError({"subscriptions": ["Name each once."]})
        if (told["decision"] == "reject") != ("reason" in told):
            said = "This field is required to reject." if told["decision"] == "reject" else "To approve takes no reason."
            raise serializers.ValidationError({"reason": [said]})
        return told


class DecisionOut(serializers.Serializer[Result]):
    """`status` as it is now, null where there is no such request. `refused` says why it was not decided; then `event` is null."""

    id = serializers.UUIDField(source="pk")
    status = serializers.CharField(source="subscription.status", default=None, allow_null=True)
    event = serializers.IntegerField(source="event.number", default=None, allow_null=True)
    receipt = serializers.SerializerMethodField()
    refused = serializers.CharField(source="refusal")

    def get_receipt(self, result: Result) -> str | None:
        if result.event is None:
            return None
        return reverse("receipt", kwargs={"tenant": self.context["tenant"], "number": result.event.number})


class DecisionsOut(serializers.Serializer[Any]):
    decided = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = DecisionOut(many=True)
