from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from keys.actions import GRACES
from keys.models import Application, Credential
from tenants.serializers import Body, Choice, Text


@extend_schema_field(OpenApiTypes.NONE)
class NoRedirect(serializers.Field[Any, Any, Any, Any]):
    """Stands where other portals ask for redirect URIs, to say why there are none."""

    def to_internal_value(self, data: Any) -> Any:  # noqa: ARG002
        raise serializers.ValidationError(
            "Applications get tokens by client credentials, without a browser, so there is no redirect to register. Leave this out."
        )


class ApplicationIn(Body):
    name = Text(max_length=80)
    purpose = Text(max_length=500)
    environment = Choice(choices=Application.Environment.choices, default=Application.Environment.LIVE)
    redirect_uris = NoRedirect(required=False, write_only=True)


class ApplicationOut(serializers.ModelSerializer[Application]):
    owner = serializers.EmailField(source="owner.email")

    class Meta:
        model = Application
        fields = ["id", "name", "purpose", "environment", "owner", "client_id", "status", "created_at"]


class CredentialIn(Body):
    label = Text(max_length=80, allow_blank=True, default="")  # type: ignore[assignment]  # a serializer has a label too
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RollIn(Body):
    grace = Choice(choices=list(GRACES), default="24h")


class ReasonIn(Body):
    """Why. Those it concerns read it."""

    reason = Text(max_length=500)


class OptionalReasonIn(Body):
    reason = Text(max_length=500, allow_blank=True, default="")


class CredentialOut(serializers.ModelSerializer[Credential]):
    class Meta:
        model = Credential
        fields = ["id", "label", "last_four", "status", "expires_at", "ended_at", "created_at"]


class NewCredentialOut(CredentialOut):
    """With the secret: this once and never again."""

    client_id = serializers.CharField(source="application.client_id")
    client_secret = serializers.SerializerMethodField()
    token_endpoint = serializers.SerializerMethodField()

    class Meta(CredentialOut.Meta):
        fields = [*CredentialOut.Meta.fields, "client_id", "client_secret", "token_endpoint"]

    def get_client_secret(self, _: Credential) -> str:
        return str(self.context["secret"])

    def get_token_endpoint(self, _: Credential) -> str:
        return str(self.context["token_endpoint"])
