"""REST: the gateways, for operators, and for the machines that are or become gateways. Shared tables alone."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import fleet, nodes, placing
from gateway.models import GatewayNode
from gateway.serializers_fleet import (
    JoinedOut,
    JoinIn,
    JoinTokenIn,
    JoinTokenMadeOut,
    JoinTokenOut,
    LoadedOut,
    NodeOut,
    RolledOut,
)
from tenants import throttle
from tenants.access import open_to_all
from tenants.errors import NotAllowed
from tenants.origin import origin
from tenants.rest import RestView
from tenants.rest_platform import OperatorsView

# Of one address in a minute. Tokens have 256 bits: this is for the database's sake.
JOINS, ROLLS = 30, 120


class Fleet(OperatorsView):
    # They are few, and stand side by side.
    pagination_class = None

    @extend_schema(responses=NodeOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Every gateway: whether it is connected, what it has loaded and acknowledged, and what is amiss."""
        return Response(NodeOut(fleet.standings(fleet.nodes().order_by("name")), many=True).data)


class NodeView(OperatorsView):
    def node(self, pk: UUID) -> GatewayNode:
        return get_object_or_404(fleet.nodes(), pk=pk)

    def does(self, request: Request, pk: UUID, act: Callable[..., None]) -> Response:
        by, node = self.by(request), self.node(pk)
        act(node, by=by)
        found = GatewayNode.objects.get(pk=pk)
        return Response(NodeOut(fleet.standings([found])[0]).data)


class NodeDetail(NodeView):
    @extend_schema(responses=NodeOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """One gateway."""
        return Response(NodeOut(fleet.standings([self.node(pk)])[0]).data)


class NodeTenants(NodeView):
    @extend_schema(responses=LoadedOut(many=True))
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """The tenants that a gateway has loaded, newest first, with what it acknowledged and how often it refused; its words are theirs."""
        return self.listed(fleet.tenants_of(self.node(pk)), LoadedOut)


class NodeRevoke(NodeView):
    @extend_schema(request=None, responses=NodeOut)
    def post(self, request: Request, pk: UUID) -> Response:
        """Revoke a gateway: its credentials end, and its connection with them. It may join again with a new join token."""
        return self.does(request, pk, nodes.revoke)


class NodeDrain(NodeView):
    @extend_schema(request=None, responses=NodeOut)
    def post(self, request: Request, pk: UUID) -> Response:
        """Let a gateway take no more calls: load balancers are told, then it stops listening, and calls under way end as they would."""
        return self.does(request, pk, nodes.drain)


class NodeUndrain(NodeView):
    @extend_schema(request=None, responses=NodeOut)
    def post(self, request: Request, pk: UUID) -> Response:
        """Let a gateway that drains take calls again."""
        return self.does(request, pk, nodes.undrain)


class NodeForget(NodeView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, pk: UUID) -> Response:
        """Take a gateway that is gone off the list. What it acknowledged stays."""
        self.does(request, pk, nodes.forget)
        return Response(status=status.HTTP_204_NO_CONTENT)


class JoinTokens(OperatorsView):
    @extend_schema(responses=JoinTokenOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Join tokens, newest first, without the tokens themselves."""
        return self.listed(fleet.join_tokens(), JoinTokenOut)

    @extend_schema(request=JoinTokenIn, responses={201: JoinTokenMadeOut})
    def post(self, request: Request) -> Response:
        """Issue a join token, with which one machine becomes the gateway of that name. The token is in this answer alone."""
        by, given = self.by(request), self.read(JoinTokenIn)
        given["groups"] = [each.pk for each in placing.named(given["groups"])]
        made, secret = nodes.issue_join_token(**given, by=by)
        shown = JoinTokenMadeOut(fleet.join_tokens().get(pk=made.pk), context={"join_token": secret}).data
        return Response(shown, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class JoinTokenRevoke(OperatorsView):
    @extend_schema(request=None, responses=JoinTokenOut)
    def post(self, request: Request, pk: UUID) -> Response:
        """Revoke a join token that nobody has used."""
        by, found = self.by(request), get_object_or_404(fleet.join_tokens(), pk=pk)
        nodes.revoke_join_token(found, by=by)
        return Response(JoinTokenOut(fleet.join_tokens().get(pk=pk)).data)


# The machines' own. Refusals are written down, so nothing here stands in the request's transaction.


class MachineView(RestView):
    # Transactions of its own, so that what was written of a refusal stays.
    opens_its_own_scope = True
    authentication_classes = ()
    permission_classes = ()
    max_body = 4 * 1024


@open_to_all("a machine that becomes a gateway has its join token, and nothing else yet")
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class Join(MachineView):
    @extend_schema(request=JoinIn, responses={201: JoinedOut}, auth=[])
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Become a gateway: change a join token for a credential, once. The credential is in this answer, and nowhere after it."""
        throttle.attempt(f"join {origin.get().place}", limit=JOINS, seconds=60)
        joined = nodes.join(self.read(JoinIn)["join_token"])
        if joined is None:
            # One sentence for all of it: who holds no token learns nothing of those that there are.
            raise AuthenticationFailed("This join token lets nobody in (any more). Ask an operator for a new one.")
        told = {"gateway": joined.node.name, "credential": joined.credential, "address": joined.node.address}
        return Response(JoinedOut(told).data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


@open_to_all("a gateway shows its own credential here, which no other door takes")
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class Roll(MachineView):
    @extend_schema(request=None, responses={201: RolledOut}, auth=[])
    def post(self, request: Request) -> Response:
        """Roll a gateway's credential, which comes as a bearer token: another is in this answer, and the one shown goes on for a while."""
        throttle.attempt(f"roll {origin.get().place}", limit=ROLLS, seconds=60)
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        rolled = nodes.roll(credential) if scheme.lower() == "bearer" else None
        if rolled is None:
            raise AuthenticationFailed("This is no gateway's credential that works.")
        if isinstance(rolled, nodes.NotThisOne):
            raise NotAllowed(rolled.sentence)
        told = {"gateway": rolled.node.name, "credential": rolled.credential, "former_until": rolled.former_until}
        return Response(RolledOut(told).data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


for_operators = [
    path("gateways/", Fleet.as_view(), name="rest-platform-gateways"),
    path("gateways/join-tokens/", JoinTokens.as_view(), name="rest-platform-join-tokens"),
    path("gateways/join-tokens/<uuid:pk>/revoke/", JoinTokenRevoke.as_view(), name="rest-platform-join-token-revoke"),
    path("gateways/<uuid:pk>/", NodeDetail.as_view(), name="rest-platform-gateway"),
    path("gateways/<uuid:pk>/tenants/", NodeTenants.as_view(), name="rest-platform-gateway-tenants"),
    path("gateways/<uuid:pk>/revoke/", NodeRevoke.as_view(), name="rest-platform-gateway-revoke"),
    path("gateways/<uuid:pk>/drain/", NodeDrain.as_view(), name="rest-platform-gateway-drain"),
    path("gateways/<uuid:pk>/undrain/", NodeUndrain.as_view(), name="rest-platform-gateway-undrain"),
    path("gateways/<uuid:pk>/forget/", NodeForget.as_view(), name="rest-platform-gateway-forget"),
]
for_machines = [
    path("join/", Join.as_view(), name="rest-gateway-join"),
    path("roll/", Roll.as_view(), name="rest-gateway-roll"),
]
