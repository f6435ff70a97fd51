from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis.models import Operation, Revision
from gateway.configuration import Standing, Truth
from gateway.models import Receipt
from gateway.serializers import DeploymentOut


def _json(**more: Any) -> serializers.DictField:
    """A message of Envoy's."""
    return serializers.DictField(child=serializers.JSONField(), **more)


class AcknowledgedOut(serializers.ModelSerializer[Receipt]):
    """Up to which event, for where calls go and for who may call. `closed`: it lets no call through."""

    class Meta:
        model = Receipt
        fields = ["routes", "access", "closed", "at"]


class DecidedOut(serializers.Serializer[Any]):
    """The last decisions that gateways hear of, by their events."""

    routes = serializers.IntegerField()
    access = serializers.IntegerField()


class ConfigurationOut(serializers.Serializer[Any]):
    """The context brings `told`, whether the gateway's own words are, and `filters`."""

    gateway = serializers.CharField(source="node.name")
    connected = serializers.BooleanField()
    loaded = serializers.BooleanField()
    acknowledged = AcknowledgedOut(source="receipt", allow_null=True)
    decided = DecidedOut(source="*")
    behind = serializers.BooleanField(source="is_behind")
    deployment = serializers.SerializerMethodField()
    filters = serializers.SerializerMethodField()

    @extend_schema_field(DeploymentOut(allow_null=True))
    def get_deployment(self, at: Standing) -> Any:
        if at.deployment is None:
            return None
        told = DeploymentOut(at.deployment).data
        return told if self.context["told"] else {**told, "refused_text": ""}

    @extend_schema_field(serializers.ListField(child=_json()))
    def get_filters(self, at: Standing) -> Any:  # noqa: ARG002
        return self.context["filters"]


class ConfiguredVersionOut(serializers.ModelSerializer[Revision]):
    """The context brings `at`, the gateway's standing."""

    api = serializers.CharField(source="version.api.slug")
    version = serializers.SerializerMethodField()
    revision = serializers.IntegerField(source="number")

    class Meta:
        model = Revision
        fields = ["api", "version", "revision"]

    def get_version(self, revision: Revision) -> str:
        segment: str = self.context["at"].segment_of(revision)
        return segment


class ConfiguredOut(serializers.Serializer[Any]):
    api = serializers.CharField(source="version.api")
    version = serializers.CharField(source="version.segment")
    revision = serializers.IntegerField(source="revision.number")
    truth = serializers.ChoiceField(choices=[each.value for each in Truth])
    cluster = _json(source="cluster_told", allow_null=True)
    # Its name alone.
    secrets = serializers.ListField(child=serializers.CharField())
    chain = serializers.ListField(child=_json(), source="chain_told")


class ConfiguredOperationOut(serializers.ModelSerializer[Operation]):
    """The context brings `found`, the version, and `known`, its operations by their ids."""

    operation = serializers.CharField(source="operation_id")
    route = serializers.SerializerMethodField()

    class Meta:
        model = Operation
        fields = ["operation", "method", "path", "route"]

    @extend_schema_field(_json(allow_null=True))
    def get_route(self, row: Operation) -> Any:
        return next(told for _, told in self.context["found"].routes_told([self.context["known"][row.operation_id]]))
