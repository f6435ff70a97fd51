import json
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from keys import revocable
from keys.actions.credentials import GRACES
from keys.jwks import JwksRefused, read_public
from keys.models import Application, Credential, TokenPolicy
from keys.revocable import Use
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
    contact = Text(max_length=254, allow_blank=True, default="")
    environment = Choice(choices=Application.Environment.choices, default=Application.Environment.LIVE)
    team = serializers.UUIDField(required=False)
    redirect_uris = NoRedirect(required=False, write_only=True)


class ApplicationChangeIn(Body):
    """`contact` is an e-mail address or an https address, "" for none. What is left out stays as it is."""

    name = Text(max_length=80, required=False)
    purpose = Text(max_length=500, required=False)
    contact = Text(max_length=254, allow_blank=True, required=False)


class TransferIn(Body):
    """One of the two: `to`, a member's e-mail address, or `team`, the id of one."""

    to = Text(max_length=254, required=False)
    team = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError({"to": [_("Name a member, or a team: one of the two.")]})
        return attrs


class LeadIn(Body):
    """`lead` is the id of a member of the team, as the list of members has it."""

    lead = serializers.UUIDField()


class ApplicationOut(serializers.ModelSerializer[Application]):
    """`team` owns it, if there is one; `owner` answers for it, of a team its lead.

    `pending` waits for an approver, where the tenant has people approve new ones. While it is suspended `reason` and `suspended_by` say why
    and by whom; `resumable_by_owner` whether its own people can resume it.
    """

    owner = serializers.EmailField(source="owner.email")
    team_name = serializers.CharField(source="team.name", default=None)
    suspended_by = serializers.EmailField(source="suspended_by.email", default=None)
    resumable_by_owner = serializers.SerializerMethodField()

    class Meta:
        model = Application
        fields = [
            "id", "name", "purpose", "contact", "environment", "owner", "team", "team_name", "client_id", "status", "reason",
            "suspended_by", "resumable_by_owner", "created_at", "deleted_at",
        ]  # fmt: skip

    def get_resumable_by_owner(self, application: Application) -> bool:
        return application.status == Application.Status.SUSPENDED and not application.suspended_by_others


class CredentialIn(Body):
    """`kind` says which other fields there are."""

    kind = Choice(choices=Credential.Kind.choices, default=Credential.Kind.CLIENT_SECRET)
    label = Text(max_length=80, allow_blank=True, default="")  # type: ignore[assignment]  # a serializer has a label too


class ClientSecretIn(CredentialIn):
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ApiKeyIn(ClientSecretIn):
    """Without an end it works for as long as the tenant's policy allows."""


@extend_schema_field(OpenApiTypes.OBJECT)
class PublicJwks(serializers.Field[Any, Any, Any, Any]):
    """Public keys: a JWKS (RFC 7517), or one JWK."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        try:
            return read_public(data if isinstance(data, str) else json.dumps(data))
        except JwksRefused as refusal:
            raise serializers.ValidationError(_(refusal.sentence) % refusal.named) from None

    def to_representation(self, value: Any) -> Any:
        return value


class KeyPairIn(ClientSecretIn):
    jwks = PublicJwks()


class IssuerIn(CredentialIn):
    """The provider's keys are given, or an address that they are fetched from: one of the two."""

    issuer = Text(max_length=500)
    claim = Text(max_length=80, default="sub")
    claim_value = Text(max_length=500)
    jwks = PublicJwks(required=False)
    jwks_url = Text(max_length=500, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("jwks" in attrs) == ("jwks_url" in attrs):
            raise serializers.ValidationError({"jwks": [_("Give the keys, or the address that they are fetched from: one of the two.")]})
        return attrs


# A field that another kind has is an error here, as one that does not exist is.
CREDENTIALS_IN: dict[str, type[CredentialIn]] = {
    Credential.Kind.CLIENT_SECRET: ClientSecretIn,
    Credential.Kind.API_KEY: ApiKeyIn,
    Credential.Kind.KEY_PAIR: KeyPairIn,
    Credential.Kind.ISSUER: IssuerIn,
}


class RollIn(Body):
    grace = Choice(choices=list(GRACES), default="24h")


class ReasonIn(Body):
    """Why. Those it concerns read it."""

    reason = Text(max_length=500)


class OptionalReasonIn(Body):
    reason = Text(max_length=500, allow_blank=True, default="")


class SafeToRevokeOut(serializers.Serializer[Any]):
    """`level` says whether anybody would miss it, `because` in a sentence why."""

    level = serializers.ChoiceField(choices=revocable.Level.choices)
    because = serializers.CharField(source="sentence")


class CredentialOut(serializers.ModelSerializer[Credential]):
    """`calls_last_7_days` are those of today and the six days before, UTC; `safe_to_revoke` is null for what has ended."""

    # A row that `revocable.with_use` did not bring reads as if it had never been used: it was just made.
    first_used_at = serializers.SerializerMethodField()
    last_used_at = serializers.SerializerMethodField()
    calls_last_7_days = serializers.SerializerMethodField()
    safe_to_revoke = serializers.SerializerMethodField()

    class Meta:
        model = Credential
        fields = [
            "id", "kind", "label", "last_four", "issuer", "claim", "claim_value", "jwks", "jwks_url", "status", "replaces",
            "expires_at", "ended_at", "created_at", "first_used_at", "last_used_at", "calls_last_7_days", "safe_to_revoke",
        ]  # fmt: skip

    def get_first_used_at(self, credential: Credential) -> datetime | None:
        return Use.of(credential).first_at

    def get_last_used_at(self, credential: Credential) -> datetime | None:
        return Use.of(credential).last_at

    def get_calls_last_7_days(self, credential: Credential) -> int:
        return Use.of(credential).calls

    @extend_schema_field(SafeToRevokeOut(allow_null=True))
    def get_safe_to_revoke(self, credential: Credential) -> dict[str, str] | None:
        found = revocable.verdict(credential, Use.of(credential), now=timezone.now())
        return dict(SafeToRevokeOut(found).data) if found else None


class NewCredentialOut(CredentialOut):
    """What its application needs to ask for tokens with it."""

    client_id = serializers.CharField(source="application.client_id")
    token_endpoint = serializers.SerializerMethodField()

    class Meta(CredentialOut.Meta):
        fields = [*CredentialOut.Meta.fields, "client_id", "token_endpoint"]

    def get_token_endpoint(self, _: Credential) -> str:
        return str(self.context["token_endpoint"])


class NewClientSecretOut(NewCredentialOut):
    """With the secret: this once and never again."""

    client_secret = serializers.SerializerMethodField()

    class Meta(NewCredentialOut.Meta):
        fields = [*NewCredentialOut.Meta.fields, "client_secret"]

    def get_client_secret(self, _: Credential) -> str:
        return str(self.context["secret"])


class NewApiKeyOut(CredentialOut):
    """With the API key: this once and never again. It calls gateways as it is."""

    client_id = serializers.CharField(source="application.client_id")
    api_key = serializers.SerializerMethodField()

    class Meta(CredentialOut.Meta):
        fields = [*CredentialOut.Meta.fields, "client_id", "api_key"]

    def get_api_key(self, _: Credential) -> str:
        return str(self.context["secret"])


NEW_OUT: dict[str, type[CredentialOut]] = {
    Credential.Kind.CLIENT_SECRET: NewClientSecretOut,
    Credential.Kind.API_KEY: NewApiKeyOut,
    Credential.Kind.KEY_PAIR: NewCredentialOut,
    Credential.Kind.ISSUER: NewCredentialOut,
}


class TokenPolicyIn(Body):
    """Times in seconds; the policy itself says how long they may be."""

    algorithm = Choice(choices=TokenPolicy.Algorithm.choices, required=False)
    rotation = serializers.IntegerField(required=False)
    token_lifetime = serializers.IntegerField(required=False)
    overlap = serializers.IntegerField(required=False)
    jwks_max_age = serializers.IntegerField(required=False)
    api_key_days = serializers.IntegerField(required=False)


class TokenPolicyOut(serializers.ModelSerializer[TokenPolicy]):
    class Meta:
        model = TokenPolicy
        fields = ["algorithm", "rotation", "token_lifetime", "overlap", "jwks_max_age", "api_key_days"]
