"""What comes in and goes out about approval rules."""

from rest_framework import serializers

from apis.actions.approval_rules import Replay
from apis.models import ApprovalRule
from apis.serializers import SubscriptionOut
from keys.models import Application
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
