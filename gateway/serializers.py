from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gateway.models import Deployment, GatewayNode, Refusal
from gateway.receipts import State
from keys.models import SigningKey
from tenants.serializers import Body, Choice


class NodeReceiptOut(serializers.Serializer[Any]):
    gateway = serializers.CharField()
    state = serializers.ChoiceField(choices=[each.value for each in State])
    ms = serializers.IntegerField(allow_null=True)
    detail = serializers.CharField()


class ReceiptOut(serializers.Serializer[Any]):
    event = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    sentence = serializers.CharField()
    complete = serializers.BooleanField()
    enforced = serializers.IntegerField()
    total = serializers.IntegerField()
    ms = serializers.IntegerField(allow_null=True)
    gateways = NodeReceiptOut(many=True)
    not_connected = serializers.ListField(child=serializers.CharField())


class RefusalOut(serializers.ModelSerializer[Refusal]):
    class Meta:
        model = Refusal
        fields = ["id", "at", "request_id", "code", "status", "method", "path", "gateway"]


class DeploymentOut(serializers.ModelSerializer[Deployment]):
    class Meta:
        model = Deployment
        fields = ["state", "refused_text", "refused_at"]


class GatewayOut(serializers.ModelSerializer[GatewayNode]):
    """A gateway as a tenant sees it."""

    connected = serializers.BooleanField(source="alive")
    deployment = DeploymentOut(allow_null=True)
    # Since when its canary of the tenant can't be reached, and since when it serves other routes than it acknowledged.
    unreached_since = serializers.DateTimeField(source="loaded.unreached_since", allow_null=True, default=None)
    serves_other_since = serializers.DateTimeField(source="loaded.stale_since", allow_null=True, default=None)
    # How often, in 30 days, it had what no event explains, and was put right.
    put_right = serializers.IntegerField()

    class Meta:
        model = GatewayNode
        fields = ["name", "connected", "seen_at", "version", "deployment", "unreached_since", "serves_other_since", "put_right"]


class PurposeIn(Body):
    purpose = Choice(choices=SigningKey.Use.choices)


class SigningKeyOut(serializers.ModelSerializer[SigningKey]):
    """A key with the dates of its life, null where they have not come. The context brings `waiting`, by key."""

    waiting_for = serializers.SerializerMethodField()

    class Meta:
        model = SigningKey
        fields = [
            "id", "purpose", "alg", "kid", "status", "created_at", "published_at", "known_at", "planned_for", "activated_at",
            "retired_at", "last_exp", "remove_at", "ended_at", "waiting_for",
        ]  # fmt: skip

    def get_waiting_for(self, key: SigningKey) -> list[str]:
        found: list[str] = self.context.get("waiting", {}).get(key.pk, [])
        return found


class BehindOut(serializers.Serializer[Any]):
    """An application that works with what a key signed; `calls` of the last day or two."""

    name = serializers.CharField()
    owner = serializers.EmailField()
    calls = serializers.IntegerField()
    last_at = serializers.DateTimeField()


class BlastRadiusOut(serializers.Serializer[Any]):
    applications = BehindOut(many=True)
    tokens_until = serializers.DateTimeField(allow_null=True)
    api_keys = serializers.IntegerField()


class SigningKeyDetailOut(SigningKeyOut):
    behind = serializers.SerializerMethodField()

    class Meta(SigningKeyOut.Meta):
        fields = [*SigningKeyOut.Meta.fields, "behind"]

    @extend_schema_field(BlastRadiusOut(allow_null=True))
    def get_behind(self, key: SigningKey) -> Any:  # noqa: ARG002
        behind = self.context["behind"]
        return BlastRadiusOut(behind).data if behind else None


class TriedOut(serializers.Serializer[Any]):
    """A gateway: `said` is its refusal's code, "" where it was not reached."""

    gateway = serializers.CharField()
    ok = serializers.BooleanField()
    said = serializers.CharField()
    ms = serializers.IntegerField(allow_null=True)


class RehearsalOut(serializers.Serializer[Any]):
    """`reasons` speak against it; without any it is `go`. `behind` is what works with the key that signs now."""

    go = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())
    key = SigningKeyOut()
    ready_at = serializers.DateTimeField()
    gateways = TriedOut(many=True)
    not_connected = serializers.ListField(child=serializers.CharField())
    behind = BlastRadiusOut()
    event = serializers.IntegerField(source="event.number")
    receipt = serializers.CharField(required=False)
