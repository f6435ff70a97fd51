from typing import Any

from rest_framework import serializers

from gateway.models import Deployment, GatewayNode, Refusal
from gateway.receipts import State


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

    class Meta:
        model = GatewayNode
        fields = ["name", "connected", "seen_at", "version", "deployment"]
