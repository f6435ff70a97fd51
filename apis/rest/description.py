"""REST: a tenant as files describe it: exported, planned and applied. docs/cli.md is for who writes the files."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import applying
from apis.serializers_description import SEEING, AppliedOut, ApplyingIn, DescriptionOut, PlannedOut, PlanningIn
from tenants.rest import OwnScope, TenantRestView

# Hundreds of APIs with their documents.
MAX_BODY = 20 * 1024 * 1024
# Of a version, what is ours to know.
_OURS = {"live"}


class Description(TenantRestView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=DescriptionOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The tenant in words that files can hold, each part that you may see. Secrets stand as `${NAME}`."""
        found = applying.look(by=self.user)
        parts = {part: _written(part, found.now[part]) for part, needed in SEEING.items() if needed in self.permissions}
        return Response({"base": found.base, **parts})


def _written(part: str, value: Any) -> Any:
    if part != "apis":
        return value
    return [
        {**api, "versions": [{name: each for name, each in version.items() if name not in _OURS} for version in api["versions"]]}
        for api in value
    ]


class DescriptionView(OwnScope):
    access = {"POST": "tenant.see"}
    max_body = MAX_BODY

    def given(self, serializer: type[PlanningIn]) -> dict[str, Any]:
        """
        :raises PermissionDenied: somebody who sees no part whole can describe none, and so sends nothing that is large.
        """
        if not self.permissions.intersection(SEEING.values()):
            raise PermissionDenied(_("Your roles here don't include “%(permission)s”.") % {"permission": SEEING["apis"]})
        return self.read(serializer)

    def planned(self, given: dict[str, Any]) -> applying.Plan:
        """
        :raises PermissionDenied: of a part that the person may not see.
        """
        for part in given["description"]:
            if SEEING[part] not in self.permissions:
                raise PermissionDenied(_("Your roles here don't include “%(permission)s”.") % {"permission": SEEING[part]})
        with self.scope():
            found = applying.look(by=self.user)
        # Documents are read and names looked up while no transaction and no lock waits for them.
        return applying.plan(found, given["description"], prune=given["prune"], breaking=given["breaking"], held=self.permissions)


class DescriptionPlan(DescriptionView):
    @extend_schema(request=PlanningIn, responses=PlannedOut)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """What would change if the tenant became as it is described, and who would lose access. Nothing is changed."""
        return Response(PlannedOut(self.planned(self.given(PlanningIn))).data)


class DescriptionApply(DescriptionView):
    @extend_schema(request=ApplyingIn, responses=AppliedOut)
    def post(self, request: Request) -> Response:
        """Make the tenant as it is described, all of it or nothing. `base` is of the plan that you read: 409 if it is true no more."""
        given = self.given(ApplyingIn)
        found = self.planned(given)
        made = {} if found.blocked else applying.targets(found)
        with self.scope():
            self.check_permissions(request)
            event = applying.apply(found, made, base=given["base"], breaking=given["breaking"], by=self.user)
        told = PlannedOut(found).data
        if event is None:
            return Response(told)
        receipt = reverse("receipt", kwargs={"tenant": self.tenant.slug, "number": event.number})
        return Response({**told, "event": event.number, "receipt": receipt})
