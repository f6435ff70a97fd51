from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from keys import tokens
from keys.actions import applications, credentials
from keys.fetching import fetch_jwks
from keys.jwks import JwksRefused
from keys.models import Application, Credential
from keys.revocable import with_use
from keys.serializers import (
    CREDENTIALS_IN,
    NEW_OUT,
    ApplicationIn,
    ApplicationOut,
    ClientSecretIn,
    CredentialOut,
    NewApiKeyOut,
    NewClientSecretOut,
    NewCredentialOut,
    OptionalReasonIn,
    RollIn,
)
from tenants.errors import Invalid
from tenants.models import Team
from tenants.rest import TenantRestView
from tenants.serializers import decided


class ApplicationsView(TenantRestView):
    """What both own and others' applications have in common."""

    def application(self, pk: UUID) -> Application:
        """One that the person may see."""
        rows = Application.objects.visible_to(self.user, self.permissions).select_related("owner", "team", "suspended_by")
        found: Application = get_object_or_404(rows, pk=pk)
        return found

    def team(self, pk: UUID) -> Team:
        """One of the person's own, that a body names."""
        found: Team | None = Team.objects.of(self.user).select_related("lead__user").filter(pk=pk).first()
        if found is None:
            raise Invalid({"team": [_("You are in no such team.")]})
        return found

    def own_application(self, pk: UUID) -> Application:
        """The person's own. Who makes a secret holds it, so not even an admin makes one of somebody else's application."""
        found = self.application(pk)
        if not found.belongs_to(self.user):
            raise PermissionDenied(f"{found} belongs to {found.whose}, who alone can make its secrets. You can ask for one.")
        return found


class Applications(ApplicationsView):
    access = {"GET": "tenant.see", "POST": "applications.own"}

    @extend_schema(responses=ApplicationOut(many=True), parameters=[OpenApiParameter("status", enum=Application.Status.values)])
    def get(self, request: Request) -> Response:
        """Your applications; all of the tenant's for approvers and admins. Deleted ones only with `?status=deleted`."""
        status = request.query_params.get("status")
        if status and status not in Application.Status.values:
            raise Invalid({"status": [f"Choose from {', '.join(Application.Status.values)}."]})
        rows = Application.objects.known_to(self.user, self.permissions).select_related("owner", "team", "suspended_by")
        return self.listed(rows.filter(status=status) if status else rows.standing(), ApplicationOut)

    @extend_schema(request=ApplicationIn, responses={201: ApplicationOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Register an application."""
        given = self.read(ApplicationIn)
        if "team" in given:
            given["team"] = self.team(given["team"])
        application = applications.register_application(**given, by=self.user)
        return Response(ApplicationOut(application).data, status=201)


NEW = PolymorphicProxySerializer("NewCredential", [NewClientSecretOut, NewApiKeyOut, NewCredentialOut], resource_type_field_name=None)


class CredentialsView(ApplicationsView):
    def shown_once(self, credential: Credential, secret: str = "") -> Response:  # nosec B107  ("" where there is none)
        endpoint = f"{tokens.issuer(settings.PORTAL_URL, self.tenant.slug)}/oauth/token"
        out = NEW_OUT[credential.kind](credential, context={"secret": secret, "token_endpoint": endpoint})
        answer = Response(out.data, status=201)
        answer["Cache-Control"] = "no-store"
        return answer

    def credential(self, of: Application, pk: UUID) -> Credential:
        found: Credential = get_object_or_404(with_use(of.credentials.select_related("application")), pk=pk)
        return found


class Credentials(CredentialsView):
    access = {"GET": "tenant.see", "POST": "applications.own"}

    @extend_schema(responses=CredentialOut(many=True))
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """How the application proves itself, what of it is used, and what could go."""
        return self.listed(with_use(self.application(pk).credentials.all()), CredentialOut)

    @extend_schema(
        request=PolymorphicProxySerializer(
            "CredentialIn", {str(kind): each for kind, each in CREDENTIALS_IN.items()}, resource_type_field_name="kind"
        ),
        responses={201: NEW},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """A new credential; its kind says which other fields there are. A secret or an API key is in this answer and nowhere else."""
        application = self.own_application(pk)
        kind = request.data.get("kind") if isinstance(request.data, dict) else None
        given = self.read(CREDENTIALS_IN.get(kind, ClientSecretIn) if isinstance(kind, str) else ClientSecretIn)
        match given.pop("kind"):
            case Credential.Kind.API_KEY:
                return self.shown_once(*credentials.create_api_key(application, **given, by=self.user))
            case Credential.Kind.KEY_PAIR:
                return self.shown_once(credentials.add_key_pair(application, **given, by=self.user))
            case Credential.Kind.ISSUER:
                return self.shown_once(credentials.trust_issuer(application, **_with_keys(given), by=self.user))
        return self.shown_once(*credentials.create_credential(application, **given, by=self.user))


def _with_keys(given: dict[str, Any]) -> dict[str, Any]:
    """Fetched from their address, where that was given."""
    if "jwks_url" not in given:
        return given
    try:
        return {**given, "jwks": fetch_jwks(given["jwks_url"])}
    except JwksRefused as refusal:
        raise Invalid({"jwks_url": [_(refusal.sentence) % refusal.named]}) from None


class CredentialRoll(CredentialsView):
    access = {"POST": "applications.own"}

    @extend_schema(request=RollIn, responses={201: NEW})
    def post(self, request: Request, pk: UUID, credential: UUID) -> Response:  # noqa: ARG002
        """Replace a secret or an API key; the old one works on for `grace`: 0, 1h, 24h or 7d."""
        found = self.credential(self.own_application(pk), credential)
        return self.shown_once(*credentials.roll(found, **self.read(RollIn), by=self.user))


class CredentialRevoke(CredentialsView):
    access = {"POST": "applications.own"}

    @extend_schema(request=OptionalReasonIn, responses=decided(CredentialOut))
    def post(self, request: Request, pk: UUID, credential: UUID) -> Response:  # noqa: ARG002
        """End a credential now, and every token it earned: one's own, or anybody's for an admin."""
        anybodys = "applications.revoke_any" in self.permissions
        found = self.credential(self.application(pk) if anybodys else self.own_application(pk), credential)
        event = credentials.revoke(found, **self.read(OptionalReasonIn), by=self.user)
        return self.decided(CredentialOut(found).data, event)
