"""One application, and its life: what it is, what is changed of it, suspending and resuming it, and its end."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import applications as endings
from keys.actions import application_approvals, application_life
from keys.models import Application
from keys.rest import ApplicationsView
from keys.serializers import ApplicationChangeIn, ApplicationOut, OptionalReasonIn, ReasonIn
from tenants.models import Event
from tenants.serializers import decided

DECIDED = decided(ApplicationOut)


class LifeView(ApplicationsView):
    def after(self, application: Application, event: Event) -> Response:
        return self.decided(ApplicationOut(application).data, event)

    def not_theirs(self, application: Application) -> PermissionDenied:
        return PermissionDenied(f"{application} belongs to {application.whose}.")


class ApplicationDetail(LifeView):
    access = {"GET": "tenant.see", "PATCH": "applications.own", "DELETE": "tenant.see"}

    @extend_schema(responses=ApplicationOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """An application; also one that was deleted, to read what it was."""
        rows = Application.objects.known_to(self.user, self.permissions).select_related("owner", "team", "suspended_by")
        return Response(ApplicationOut(get_object_or_404(rows, pk=pk)).data)

    @extend_schema(request=ApplicationChangeIn, responses=ApplicationOut)
    def patch(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Change its name, its purpose, or whom to ask about it. The environment stays as it was registered."""
        application = self.application(pk)
        if not application_life.handles(application, self.user, self.permissions):
            raise self.not_theirs(application)
        application_life.change_application(application, **self.read(ApplicationChangeIn), by=self.user)
        return Response(ApplicationOut(application).data)

    @extend_schema(request=OptionalReasonIn, responses=DECIDED)
    def delete(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """End it for good, with all of its subscriptions and credentials: one's own, or anybody's for an admin. Its name is free again."""
        application = self.application(pk)
        if not application_life.may_delete(application, self.user, self.permissions):
            raise self.not_theirs(application)
        return self.after(application, endings.delete(application, **self.read(OptionalReasonIn), by=self.user))


class DecidedView(LifeView):
    access = {"POST": "subscriptions.decide"}

    def waiting(self, pk: UUID) -> Application:
        """Anybody's: who decides requests decides about those who make them."""
        rows = Application.objects.standing().select_related("owner", "team", "suspended_by")
        found: Application = get_object_or_404(rows, pk=pk)
        return found


class ApplicationApprove(DecidedView):
    @extend_schema(request=None, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Let a new application subscribe and get credentials, where the tenant has people approve it."""
        application = self.waiting(pk)
        return self.after(application, application_approvals.approve(application, by=self.user))


class ApplicationReject(DecidedView):
    @extend_schema(request=ReasonIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Say no to a new application, and why, for good."""
        application = self.waiting(pk)
        return self.after(application, application_approvals.reject(application, **self.read(ReasonIn), by=self.user))


class ApplicationSuspend(LifeView):
    access = {"POST": "tenant.see"}

    @extend_schema(request=ReasonIn, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Refuse all of its calls, and give it no tokens, until it is resumed: one's own, or anybody's for who may."""
        application = self.application(pk)
        if not application_life.may_suspend(application, self.user, self.permissions):
            raise self.not_theirs(application)
        return self.after(application, application_life.suspend(application, **self.read(ReasonIn), by=self.user))


class ApplicationResume(LifeView):
    access = {"POST": "tenant.see"}

    @extend_schema(request=None, responses=DECIDED)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Let its calls pass again. What somebody else suspended, because they may suspend anybody's, its own people can't resume."""
        application = self.application(pk)
        if not application_life.may_suspend(application, self.user, self.permissions):
            raise self.not_theirs(application)
        return self.after(application, application_life.resume(application, by=self.user))
