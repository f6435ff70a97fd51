"""REST: service accounts. What their keys open, see keys/service_keys.py."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from keys.actions import service_accounts
from keys.actions.service_accounts import GRACES, MOST_DAYS, MOST_NAME, USUAL_DAYS
from keys.serializers import OptionalReasonIn
from tenants.models import ServiceAccount
from tenants.rest import TenantRestView
from tenants.serializers import Body, Choice, Text


class InSchema(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "keys.service_keys.ServiceKeys"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "description": "The key of a service account, ptc_svc_…"}


def _permissions(**more: Any) -> serializers.ListField:
    return serializers.ListField(child=Text(max_length=40), max_length=100, **more)


class ServiceAccountIn(Body):
    """`permissions` are of docs/roles.md; what they need comes with them. It ends after `days`."""

    name = Text(max_length=MOST_NAME)
    description = Text(max_length=200, allow_blank=True, default="")
    permissions = _permissions()
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, default=USUAL_DAYS)


class ServiceAccountChangeIn(Body):
    """What is left out stays. With `days` it ends so many days from now."""

    description = Text(max_length=200, allow_blank=True, required=False)
    permissions = _permissions(required=False)
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, required=False)


class ServiceAccountRollIn(Body):
    """For how long the old secret works on."""

    grace = Choice(choices=list(GRACES), default="24h")


class ServiceAccountOut(serializers.ModelSerializer[ServiceAccount]):
    """`created_by` answers for it: made it, or rolled it last. `former_until` is how long the secret before this one works."""

    created_by = serializers.EmailField(source="created_by.email")

    class Meta:
        model = ServiceAccount
        fields = [
            "id", "name", "description", "permissions", "status", "last_four", "created_by", "created_at", "expires_at",
            "last_used_at", "former_until", "ended_at",
        ]  # fmt: skip


class NewServiceAccountOut(ServiceAccountOut):
    """With the secret: this once and never again."""

    secret = serializers.SerializerMethodField()

    class Meta(ServiceAccountOut.Meta):
        fields = [*ServiceAccountOut.Meta.fields, "secret"]

    def get_secret(self, _: ServiceAccount) -> str:
        return str(self.context["secret"])


class ServiceAccountsView(TenantRestView):
    def account(self, pk: UUID) -> ServiceAccount:
        found: ServiceAccount = get_object_or_404(ServiceAccount.objects.select_related("created_by"), pk=pk)
        return found

    def shown_once(self, account: ServiceAccount, secret: str) -> Response:
        answer = Response(NewServiceAccountOut(account, context={"secret": secret}).data, status=201)
        answer["Cache-Control"] = "no-store"
        return answer


class ServiceAccounts(ServiceAccountsView):
    access = {"GET": "service_accounts.manage", "POST": "service_accounts.manage"}

    @extend_schema(responses=ServiceAccountOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The tenant's service accounts, also those that have ended."""
        return self.listed(ServiceAccount.objects.select_related("created_by"), ServiceAccountOut)

    @extend_schema(request=ServiceAccountIn, responses={201: NewServiceAccountOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a service account, with permissions that you hold. Its secret is in this answer and nowhere else."""
        return self.shown_once(*service_accounts.create(**self.read(ServiceAccountIn), by=self.user))


class ServiceAccountDetail(ServiceAccountsView):
    access = {"GET": "service_accounts.manage", "PATCH": "service_accounts.manage"}

    @extend_schema(responses=ServiceAccountOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A service account."""
        return Response(ServiceAccountOut(self.account(pk)).data)

    @extend_schema(request=ServiceAccountChangeIn, responses=ServiceAccountOut)
    def patch(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Change what it may and when it ends, from its next request on."""
        account = self.account(pk)
        service_accounts.change(account, **self.read(ServiceAccountChangeIn), by=self.user)
        return Response(ServiceAccountOut(account).data)


class ServiceAccountRoll(ServiceAccountsView):
    access = {"POST": "service_accounts.manage"}

    @extend_schema(request=ServiceAccountRollIn, responses={201: NewServiceAccountOut})
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A new secret, in this answer and nowhere else; the old one works on for `grace`: 0, 1h or 24h."""
        account = self.account(pk)
        secret = service_accounts.roll(account, **self.read(ServiceAccountRollIn), by=self.user)
        return self.shown_once(account, secret)


class ServiceAccountRevoke(ServiceAccountsView):
    access = {"POST": "service_accounts.manage"}

    @extend_schema(request=OptionalReasonIn, responses=ServiceAccountOut)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """End it now."""
        account = self.account(pk)
        service_accounts.revoke(account, **self.read(OptionalReasonIn), by=self.user)
        return Response(ServiceAccountOut(account).data)
