"""In and out are two serializers; they translate and never decide."""

from typing import Any

from rest_framework import serializers

from tenants.models import CustomRole, Event, Invitation, Membership, Role, Team, Tenant
from tenants.roles import PERMISSIONS

# So many unknown fields are named, each cut to so many characters: an answer is not as long as whatever was sent.
NAMED = 10
NAMED_CHARACTERS = 40
# As what somebody may join by themselves: an admin is made by admins.
JOINING = [each for each in Role.choices if each[0] != Role.ADMIN]


def is_text(text: str) -> bool:
    """No NUL (PostgreSQL can't hold it), no other control character but line breaks and tabs, no half of a surrogate pair."""
    return not any((ord(each) < 32 and each not in "\n\r\t") or each == "\x7f" or "\ud800" <= each <= "\udfff" for each in text)


class Body(serializers.Serializer[Any]):
    """A request's body. A field that does not exist is an error: a typing error must not pass for consent."""

    default_error_messages = {"invalid": "Send a JSON object here."}

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            known = ", ".join(self.fields)
            problems = {name[:NAMED_CHARACTERS]: [f"There is no such field here; there are {known}."] for name in unknown[:NAMED]}
            if len(unknown) > NAMED:
                problems["non_field_errors"] = [f"There are {len(unknown) - NAMED} more fields that don't exist here."]
            raise serializers.ValidationError(problems)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Text of a person."""

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if not is_text(text):
            raise serializers.ValidationError("Control characters can't be used here.")
        return text


class Choice(serializers.ChoiceField):
    """One of a few words; a wrong one is answered with all of them."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError:
            raise serializers.ValidationError(f"Choose from {', '.join(self.choices)}.") from None


def decided(out: type[serializers.ModelSerializer[Any]]) -> type[serializers.ModelSerializer[Any]]:
    """For the schema: what a decision answers, see TenantRestView.decided."""
    meta = type("Meta", (out.Meta,), {"fields": [*out.Meta.fields, "event", "receipt"]})
    more = {"event": serializers.IntegerField(), "receipt": serializers.CharField(), "Meta": meta}
    return type(out.__name__.replace("Out", "DecidedOut"), (out,), more)


class SessionIn(Body):
    email = Text(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    # Of an authenticator app, or a recovery code; who has a second factor needs it.
    code = Text(max_length=20, required=False, default="", allow_blank=True)


class RefreshIn(Body):
    refresh = serializers.CharField(max_length=4000)


class SessionOut(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class TenantOut(serializers.ModelSerializer[Tenant]):
    """`roles` are the reader's own; the context brings them by tenant id."""

    roles = serializers.SerializerMethodField()

    class Meta:
        model = Tenant
        fields = ["slug", "name", "roles"]

    def get_roles(self, tenant: Tenant) -> list[str]:
        found: list[str] = self.context["roles"][tenant.pk]
        return found


class TenantStateOut(serializers.ModelSerializer[Tenant]):
    """`status_why` is the reason why it is suspended or closing; at `erase_at` one that is closing is erased. `max_calls`: the ceiling that
    an operator set, null for the platform's default; `ceiling`: how many calls a second pass, 0 for as many as come.
    """

    ceiling = serializers.IntegerField(read_only=True)

    class Meta:
        model = Tenant
        fields = ["slug", "name", "status", "status_why", "erase_at", "max_calls", "ceiling"]


class TenantDetailOut(TenantOut):
    """`ceiling`: how many calls a second pass of all its APIs together, 0 for as many as come."""

    ceiling = serializers.IntegerField(read_only=True)

    class Meta(TenantOut.Meta):
        fields = [*TenantOut.Meta.fields, "status", "status_why", "erase_at", "ceiling"]


class MemberOut(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")

    class Meta:
        model = Membership
        fields = ["id", "email", "name", "roles", "custom_roles", "created_at"]


def _roles() -> serializers.ListField:
    return serializers.ListField(child=Choice(choices=Role.choices), max_length=len(Role), required=False)


def _custom_roles() -> serializers.ListField:
    """By their ids."""
    return serializers.ListField(child=serializers.UUIDField(), max_length=100, required=False)


class RolesIn(Body):
    roles = _roles()
    custom_roles = _custom_roles()


class InviteIn(Body):
    """One address or up to 50. `team` is the id of one that they come into."""

    emails = serializers.ListField(child=Text(max_length=320), allow_empty=False, max_length=1000)
    roles = _roles()
    custom_roles = _custom_roles()
    team = serializers.UUIDField(required=False, allow_null=True)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"roles": [], **given}


class InvitationOut(serializers.ModelSerializer[Invitation]):
    invited_by = serializers.EmailField(source="invited_by.email")

    class Meta:
        model = Invitation
        fields = ["id", "email", "roles", "custom_roles", "team", "status", "invited_by", "created_at", "expires_at"]


class RoleIn(Body):
    """`permissions` are those of docs/roles.md."""

    name = Text(max_length=40)
    description = Text(max_length=200, allow_blank=True, default="")
    permissions = serializers.ListField(child=Choice(choices=list(PERMISSIONS)), max_length=len(PERMISSIONS))


class RoleChangeIn(Body):
    """What is left out stays as it is."""

    name = Text(max_length=40, required=False)
    description = Text(max_length=200, allow_blank=True, required=False)
    permissions = serializers.ListField(child=Choice(choices=list(PERMISSIONS)), max_length=len(PERMISSIONS), required=False)


class RoleOut(serializers.ModelSerializer[CustomRole]):
    """`holders`: how many members hold it."""

    holders = serializers.IntegerField()

    class Meta:
        model = CustomRole
        fields = ["id", "name", "description", "permissions", "holders", "created_at"]


class TeamIn(Body):
    """`lead` is the id of a member, as the list of members has it."""

    name = Text(max_length=80)
    description = Text(max_length=200, allow_blank=True, default="")
    lead = serializers.UUIDField()


class TeamChangeIn(Body):
    """What is left out stays as it is."""

    name = Text(max_length=80, required=False)
    description = Text(max_length=200, allow_blank=True, required=False)


class TeamOut(serializers.ModelSerializer[Team]):
    """`members`: how many are in it."""

    lead = serializers.EmailField(source="lead.user.email")
    members = serializers.IntegerField()

    class Meta:
        model = Team
        fields = ["id", "name", "description", "lead", "members", "created_at"]


class EventOut(serializers.ModelSerializer[Event]):
    class Meta:
        model = Event
        fields = [
            "id", "number", "at", "kind", "actor_id", "actor_name", "subject_type", "subject_id", "subject_name", "data",
            "ip", "user_agent", "request_id", "previous", "digest",
        ]  # fmt: skip
