"""What goes out about what an AI API offers."""

from typing import Any

from rest_framework import serializers


class VariableOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    default = serializers.JSONField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())
    most = serializers.IntegerField()


class PromptMessageOut(serializers.Serializer[Any]):
    role = serializers.CharField()
    text = serializers.CharField()


class PromptOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    model = serializers.CharField()
    variables = VariableOut(many=True)
    messages = PromptMessageOut(many=True)
    parameters = serializers.DictField(child=serializers.FloatField())


class PatternOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    regex = serializers.CharField()


class RailsOut(serializers.Serializer[Any]):
    masks = serializers.ListField(child=serializers.CharField())
    patterns = PatternOut(many=True)
    blocked = serializers.ListField(child=serializers.CharField())
    body_kib = serializers.IntegerField()


class OfferOut(serializers.Serializer[Any]):
    models = serializers.ListField(child=serializers.CharField())
    prompts = PromptOut(many=True)
    rails = RailsOut()
