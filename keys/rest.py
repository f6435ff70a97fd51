from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from keys import actions, tokens
from keys.models import Application, Credential
from keys.serializers import (
    ApplicationIn,
    ApplicationOut,
    CredentialIn,
    CredentialOut,
    NewCredentialOut,
    OptionalReasonIn,
    RollIn,
)
from tenants.rest import TenantRestView
from tenants.serializers import decided


class ApplicationsView(TenantRestView):
    """What both own and others' applications have in common."""

    def application(self, pk: UUID) -> Application:
        """One that the person may see."""
        rows = Application.objects.visible_to(self.user, self.permissions).select_related("owner")
        found: Application = get_object_or_404(rows, pk=pk)
        return found

    def own_application(self, pk: UUID) -> Application:
        """The person's own. Who makes a secret holds it, so not even an admin makes one of somebody else's application."""
        found = self.application(pk)
        if found.owner_id != self.user.pk:
            raise PermissionDenied(f"{found} belongs to {found.owner}, who alone can make its secrets. You can ask for one.")
        return found


class Applications(ApplicationsView):
    access = {"GET": "tenant.see", "POST": "applications.own"}

    @extend_schema(responses=ApplicationOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your applications; all of the tenant's for approvers and admins."""
        return self.listed(Application.objects.visible_to(self.user, self.permissions).select_related("owner"), ApplicationOut)

    @extend_schema(request=ApplicationIn, responses={201: ApplicationOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Register an application."""
        application = actions.register_application(**self.read(ApplicationIn), by=self.user)
        return Response(ApplicationOut(application).data, status=201)


class ApplicationDetail(ApplicationsView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=ApplicationOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        return Response(ApplicationOut(self.application(pk)).data)


class CredentialsView(ApplicationsView):
    def shown_once(self, credential: Credential, secret: str) -> Response:
        endpoint = f"{tokens.issuer(settings.PORTAL_URL, self.tenant.slug)}/oauth/token"
        answer = Response(NewCredentialOut(credential, context={"secret": secret, "token_endpoint": endpoint}).data, status=201)
        answer["Cache-Control"] = "no-store"
        return answer

    def credential(self, of: Application, pk: UUID) -> Credential:
        found: Credential = get_object_or_404(of.credentials.select_related("application"), pk=pk)
        return found


class Credentials(CredentialsView):
    access = {"GET": "tenant.see", "POST": "applications.own"}

    @extend_schema(responses=CredentialOut(many=True))
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        return self.listed(self.application(pk).credentials.all(), CredentialOut)

    @extend_schema(request=CredentialIn, responses={201: NewCredentialOut})
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A new client secret. It is in this answer and nowhere else."""
        return self.shown_once(*actions.create_credential(self.own_application(pk), **self.read(CredentialIn), by=self.user))


class CredentialRoll(CredentialsView):
    access = {"POST": "applications.own"}

    @extend_schema(request=RollIn, responses={201: NewCredentialOut})
    def post(self, request: Request, pk: UUID, credential: UUID) -> Response:  # noqa: ARG002
        """Replace a secret; the old one works on for `grace`: 0, 1h, 24h or 7d."""
        found = self.credential(self.own_application(pk), credential)
        return self.shown_once(*actions.roll(found, **self.read(RollIn), by=self.user))


class CredentialRevoke(CredentialsView):
    access = {"POST": "applications.own"}

    @extend_schema(request=OptionalReasonIn, responses=decided(CredentialOut))
    def post(self, request: Request, pk: UUID, credential: UUID) -> Response:  # noqa: ARG002
        """End a secret now, and every token it earned: one's own, or anybody's for an admin."""
        anybodys = "applications.revoke_any" in self.permissions
        found = self.credential(self.application(pk) if anybodys else self.own_application(pk), credential)
        event = actions.revoke(found, **self.read(OptionalReasonIn), by=self.user)
        return self.decided(CredentialOut(found).data, event)
