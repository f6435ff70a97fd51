"""REST: what a gateway has of the tenant, version by version."""

from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import configuration
from gateway.configuration import Configured, Standing
from gateway.models import GatewayNode, serving
from gateway.serializers_configuration import ConfigurationOut, ConfiguredOperationOut, ConfiguredOut, ConfiguredVersionOut
from tenants.rest import TenantRestView


class _OfGateway(TenantRestView):
    access = {"GET": "apis.see_all"}

    def standing(self, gateway: str) -> Standing:
        return configuration.standing(get_object_or_404(GatewayNode.objects.filter(serving()), name=gateway, revoked_at=None))

    def configured(self, gateway: str, api: str, version: str) -> tuple[Standing, Configured]:
        at = self.standing(gateway)
        found = configuration.configured(self.tenant, at, api=api, segment=version)
        if found is None:
            raise Http404
        return at, found


class Configuration(_OfGateway):
    @extend_schema(responses=ConfigurationOut)
    def get(self, request: Request, gateway: str) -> Response:  # noqa: ARG002
        """What a gateway acknowledged of this tenant, and up to which decision. `versions/` below it lists the versions."""
        at = self.standing(gateway)
        told = "gateways.see" in self.permissions
        return Response(ConfigurationOut(at, context={"told": told, "filters": configuration.filters()}).data)


class ConfiguredVersions(_OfGateway):
    @extend_schema(responses=ConfiguredVersionOut(many=True))
    def get(self, request: Request, gateway: str) -> Response:  # noqa: ARG002
        """The versions, and revisions that are tried, whose routes the gateway has, or will load with the first call."""
        at = self.standing(gateway)
        return self.listed(configuration.revisions(at), ConfiguredVersionOut, at=at)


class ConfiguredDetail(_OfGateway):
    @extend_schema(responses=ConfiguredOut)
    def get(self, request: Request, gateway: str, api: str, version: str) -> Response:  # noqa: ARG002
        """What a version needs there, as Envoy gets it, without secrets and without the tables of who may call. `version` is as in its
        address: `v1`, or `v1~2` for revision 2 that is tried.

        `truth` says whether the gateway has it so: `acknowledged`, the same to the digest; `other`, it has another form; `absent`, it has
        none; `unknown`, it has loaded nothing."""
        return Response(ConfiguredOut(self.configured(gateway, api, version)[1]).data)


class ConfiguredOperations(_OfGateway):
    @extend_schema(
        responses=ConfiguredOperationOut(many=True), parameters=[OpenApiParameter("q", str, description="Part of a path, or of an id.")]
    )
    def get(self, request: Request, gateway: str, api: str, version: str) -> Response:
        """The route of each operation of a version there, as Envoy gets it; null where the gateway answers in place of it."""
        _, found = self.configured(gateway, api, version)
        rows = found.operations(request.query_params.get("q", "").replace("\x00", "")[:100])
        known: dict[str, Any] = {each.operation_id: each for each in found.version.operations}
        return self.listed(rows, ConfiguredOperationOut, found=found, known=known)
