"""REST: groups of gateways, for operators below /api/v1/platform/, and inside a tenant which of them serve an API."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apis.models import Api
from apis.rest.publishing import ApisView
from gateway import groups, placing
from gateway.groups import MAX_DESCRIPTION, MAX_NAME, MAX_URL
from gateway.models import MOST_GROUPS, GatewayGroup, GatewayNode
from tenants.rest import TenantRestView
from tenants.rest_platform import OperatorsView
from tenants.serializers import Body, Text

MOST_TENANTS = 1_000


class GatewayGroupIn(Body):
    name = Text(max_length=MAX_NAME)
    description = Text(max_length=MAX_DESCRIPTION, allow_blank=True, default="")
    url = Text(max_length=MAX_URL, allow_blank=True, default="")


class GatewayGroupChangeIn(Body):
    """What is left out stays as it is. `tenants`: the slugs of those that may use it, where it is not `for_all`."""

    name = Text(max_length=MAX_NAME, required=False)
    description = Text(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    url = Text(max_length=MAX_URL, allow_blank=True, required=False)
    for_all = serializers.BooleanField(required=False)
    tenants = serializers.ListField(child=Text(max_length=40), max_length=MOST_TENANTS, required=False)


class GatewayGroupOut(serializers.ModelSerializer[GatewayGroup]):
    """`gateways` are there by what was said of them; the default group also has each of which nothing was."""

    gateways = serializers.SerializerMethodField()
    tenants = serializers.SerializerMethodField()

    class Meta:
        model = GatewayGroup
        fields = ["id", "name", "description", "url", "is_default", "for_all", "tenants", "gateways", "created_at"]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_gateways(self, group: GatewayGroup) -> list[str]:
        return sorted(each.node.name for each in group.nodes.all())

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_tenants(self, group: GatewayGroup) -> list[str]:
        return sorted(each.tenant.slug for each in group.tenants.all())


def _groups() -> QuerySet[GatewayGroup]:
    return GatewayGroup.objects.prefetch_related("nodes__node", "tenants__tenant")


def _shown(pk: UUID) -> Response:
    return Response(GatewayGroupOut(_groups().get(pk=pk)).data)


class GatewayGroups(OperatorsView):
    # They are few, and stand side by side.
    pagination_class = None

    @extend_schema(responses=GatewayGroupOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The groups of gateways, by name."""
        return Response(GatewayGroupOut(_groups(), many=True).data)

    @extend_schema(request=GatewayGroupIn, responses={201: GatewayGroupOut})
    def post(self, request: Request) -> Response:
        """Make a group of gateways. Every tenant may use it until you say otherwise."""
        by, given = self.by(request), self.read(GatewayGroupIn)
        answer = _shown(groups.create(**given, by=by).pk)
        answer.status_code = 201
        return answer


class GatewayGroupDetail(OperatorsView):
    @extend_schema(responses=GatewayGroupOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """One group of gateways."""
        return _shown(get_object_or_404(GatewayGroup, pk=pk).pk)

    @extend_schema(request=GatewayGroupChangeIn, responses=GatewayGroupOut)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change what is named of a group of gateways."""
        by, found = self.by(request), get_object_or_404(GatewayGroup, pk=pk)
        groups.change(found, self.read(GatewayGroupChangeIn), by=by)
        return _shown(pk)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete a group in which there is no gateway and no API."""
        groups.delete(get_object_or_404(GatewayGroup, pk=pk), by=self.by(request))
        return Response(status=204)


class GroupsIn(Body):
    """By their names; they take the place of what was."""

    groups = serializers.ListField(child=Text(max_length=MAX_NAME), max_length=MOST_GROUPS)


class GatewayPlaceOut(serializers.Serializer[Any]):
    gateway = serializers.CharField()
    groups = serializers.ListField(child=serializers.CharField())


class GatewayPlace(OperatorsView):
    @extend_schema(responses=GatewayPlaceOut)
    def get(self, request: Request, gateway: str) -> Response:  # noqa: ARG002
        """The groups that a gateway is in."""
        return self.shown(self.gateway(gateway))

    @extend_schema(request=GroupsIn, responses=GatewayPlaceOut)
    def put(self, request: Request, gateway: str) -> Response:
        """Say which groups a gateway is in. It gets and loses routes at once."""
        by, found = self.by(request), self.gateway(gateway)
        names = self.read(GroupsIn)["groups"]
        with transaction.atomic():
            groups.place_gateway(found, placing.named(names), by=by)
        return self.shown(found)

    def gateway(self, name: str) -> GatewayNode:
        return get_object_or_404(GatewayNode, name=name, revoked_at=None)

    def shown(self, found: GatewayNode) -> Response:
        return Response(GatewayPlaceOut({"gateway": found.name, "groups": placing.groups_of_gateway(found)}).data)


class UsableGroupOut(serializers.ModelSerializer[GatewayGroup]):
    class Meta:
        model = GatewayGroup
        fields = ["name", "description", "url", "is_default"]


class UsableGroups(TenantRestView):
    access = {"GET": "apis.see_all"}
    pagination_class = None

    @extend_schema(responses=UsableGroupOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The groups of gateways that this tenant may put its APIs in."""
        return Response(UsableGroupOut(groups.usable(), many=True).data)


class AddressOut(serializers.Serializer[Any]):
    group = serializers.CharField()
    address = serializers.URLField()


class ApiGroupsOut(serializers.Serializer[Any]):
    """`addresses`: where versions are called, each with its name after it."""

    groups = serializers.ListField(child=serializers.CharField())
    addresses = AddressOut(many=True)


class ApiGroupsDecidedOut(ApiGroupsOut):
    event = serializers.IntegerField()
    receipt = serializers.CharField()


class ApiGroups(ApisView):
    access = {"GET": "apis.see_published", "PUT": "apis.publish"}

    @extend_schema(responses=ApiGroupsOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """The groups of gateways that serve an API, and where it is called."""
        return Response(self.placed(self.api(api)))

    @extend_schema(
        request=GroupsIn,
        responses=PolymorphicProxySerializer("PlacedApi", serializers=[ApiGroupsDecidedOut, ApiGroupsOut], resource_type_field_name=None),
    )
    def put(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Say which groups of gateways serve an API; others answer its calls with 404 NO_SUCH_ROUTE. Without a difference: no event."""
        found = self.api(api)
        event = groups.place_api(found, self.read(GroupsIn)["groups"], by=self.user)
        return self.decided(self.placed(found), event) if event else Response(self.placed(found))

    def placed(self, api: Api) -> dict[str, Any]:
        told = [{"group": name, "address": f"{url}/{self.tenant.slug}/{api.slug}"} for name, url in groups.addresses(api)]
        return dict(ApiGroupsOut({"groups": groups.groups_of_api(api), "addresses": told}).data)


urlpatterns = [
    path("gateway-groups/", UsableGroups.as_view(), name="usable-gateway-groups"),
    path("apis/<str:api>/gateway-groups/", ApiGroups.as_view(), name="api-gateway-groups"),
]
for_operators = [
    path("gateway-groups/", GatewayGroups.as_view(), name="rest-platform-gateway-groups"),
    path("gateway-groups/<uuid:pk>/", GatewayGroupDetail.as_view(), name="rest-platform-gateway-group"),
    path("gateways/<str:gateway>/groups/", GatewayPlace.as_view(), name="rest-platform-gateway-place"),
]
