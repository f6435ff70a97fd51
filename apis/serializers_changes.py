"""When a subscription starts and ends, and what is asked to change of it."""

from rest_framework import serializers

from apis.models import ChangeRequest
from tenants.serializers import Body, Text


class DatesIn(Body):
    """What is left out stays as it is; null is at once, and never."""

    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)


class PlanWishIn(Body):
    plan = Text(max_length=40)
    purpose = Text(max_length=500)


class RenewalIn(Body):
    """Without `ends_at` it is as long again as it was last given for, a year at most."""

    purpose = Text(max_length=500)
    ends_at = serializers.DateTimeField(required=False)


class ChangeRequestOut(serializers.ModelSerializer[ChangeRequest]):
    """`kind`: “plan”, with `was_plan` and `plan`, or “renewal”, with `was_ends_at` and `ends_at`.

    Of one that is pending `waits` says whether it still can be decided: its subscription goes on.
    """

    subscription = serializers.UUIDField(source="subscription_id")
    application = serializers.UUIDField(source="subscription.application_id")
    application_name = serializers.CharField(source="subscription.application.name")
    api = serializers.CharField(source="subscription.api.slug")
    plan = serializers.CharField(source="plan.name", default=None)
    was_plan = serializers.CharField(source="was_plan.name", default=None)
    waits = serializers.BooleanField()
    requested_by = serializers.CharField(source="requested_by.email")
    decided_by = serializers.CharField(source="decided_by.email", default=None)
    first_approved_by = serializers.CharField(source="first_approved_by.email", default=None)

    class Meta:
        model = ChangeRequest
        fields = [
            "id", "kind", "subscription", "application", "application_name", "api", "plan", "was_plan", "ends_at", "was_ends_at", "purpose",
            "status", "waits", "reason", "requested_by", "requested_at",
            "approvals_needed", "first_approved_by", "first_approved_at", "decided_by", "decided_at",
        ]  # fmt: skip
