from typing import Any

from rest_framework import serializers

from gateway.groups import MAX_NAME
from gateway.models import MOST_GROUPS, JoinToken, NodeCredential
from gateway.nodes import LEAST_MINUTES, MOST_MINUTES, USUAL_MINUTES, state_of
from tenants.serializers import Body, Text

STATES = ("connected", "gone", "draining", "drained", "refused", "revoked")
TOKEN_STATES = ("waiting", "used", "revoked", "expired")


class NodeCredentialOut(serializers.ModelSerializer[NodeCredential]):
    """`ends_at`: of one that was rolled, until when it works beside its successor."""

    class Meta:
        model = NodeCredential
        fields = ["last_four", "created_at", "last_used_at", "rolled_at", "ends_at"]


class NodeOut(serializers.Serializer[Any]):
    """A gateway as operators see it. `behind`: of how many tenants it has not acknowledged the newest; `nacks`: how many configurations it
    refused; `clock_ms`: by how much its clock is ahead of the control plane's."""

    id = serializers.UUIDField(source="node.pk")
    name = serializers.CharField(source="node.name")
    state = serializers.ChoiceField(choices=STATES)
    version = serializers.CharField(source="node.version")
    address = serializers.CharField(source="node.address")
    connected_at = serializers.DateTimeField(source="node.connected_at", allow_null=True)
    seen_at = serializers.DateTimeField(source="node.seen_at", allow_null=True)
    control = serializers.UUIDField(source="node.control", allow_null=True)
    refused_version = serializers.CharField(source="node.refused_version")
    draining_at = serializers.DateTimeField(source="node.draining_at", allow_null=True)
    drained_at = serializers.DateTimeField(source="node.drained_at", allow_null=True)
    clock_ms = serializers.IntegerField(source="node.clock_ms", allow_null=True)
    loaded = serializers.IntegerField()
    behind = serializers.IntegerField()
    nacks = serializers.IntegerField()
    nacked_at = serializers.DateTimeField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(source="last.at", default=None, allow_null=True)
    acknowledged_tenant = serializers.CharField(source="last.tenant", default="")
    credentials = NodeCredentialOut(many=True)


class LoadedOut(serializers.Serializer[Any]):
    """A tenant that the gateway has loaded. `behind_since`: null while it has acknowledged the newest."""

    tenant = serializers.CharField(source="slug")
    loaded_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    behind_since = serializers.DateTimeField(allow_null=True)
    nacks = serializers.IntegerField()
    nacked_at = serializers.DateTimeField(allow_null=True)


class JoinTokenIn(Body):
    """`address`: where the control plane may call the gateway. `minutes`: how long the token lets a machine in. `groups`: where the gateway
    is put on joining, by their names; none: where it was, which is the default group for a new one.
    """

    name = Text(max_length=80)
    address = Text(max_length=200, required=False, default="", allow_blank=True)
    minutes = serializers.IntegerField(required=False, default=USUAL_MINUTES, min_value=LEAST_MINUTES, max_value=MOST_MINUTES)
    groups = serializers.ListField(child=Text(max_length=MAX_NAME), max_length=MOST_GROUPS, required=False, default=list)


class JoinTokenOut(serializers.ModelSerializer[JoinToken]):
    """`refused`: how often it was shown when it let nobody in any more. `groups`: where it puts the gateway; none: where it was."""

    state = serializers.SerializerMethodField()
    groups = serializers.ListField(child=serializers.CharField(), source="group_names")
    created_by = serializers.EmailField(source="created_by.email", default=None, allow_null=True)

    class Meta:
        model = JoinToken
        fields = [
            "id",
            "name",
            "address",
            "groups",
            "state",
            "last_four",
            "created_by",
            "created_at",
            "expires_at",
            "used_at",
            "revoked_at",
            "refused",
        ]

    def get_state(self, row: Any) -> str:
        return state_of(row, now=row.now)


class JoinTokenMadeOut(JoinTokenOut):
    """With the token, which is shown this once."""

    join_token = serializers.SerializerMethodField()

    class Meta(JoinTokenOut.Meta):
        fields = [*JoinTokenOut.Meta.fields, "join_token"]

    def get_join_token(self, row: Any) -> str:  # noqa: ARG002
        return str(self.context["join_token"])


class JoinIn(Body):
    join_token = serializers.CharField(max_length=200, trim_whitespace=False)


class JoinedOut(serializers.Serializer[Any]):
    """`gateway`: the name to say to the control plane. `credential`: what to show it, told this once."""

    gateway = serializers.CharField()
    credential = serializers.CharField()
    address = serializers.CharField()


class RolledOut(serializers.Serializer[Any]):
    """`former_until`: when the credential that was shown ends."""

    gateway = serializers.CharField()
    credential = serializers.CharField()
    former_until = serializers.DateTimeField()
