"""REST: deciding in somebody's place for a while."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.models import Delegation
from tenants.people import delegations
from tenants.rest import TenantRestView
from tenants.serializers import Body, Text


class DelegationIn(Body):
    """`delegate` is the e-mail address of a member. `starts_at` in the past is now."""

    delegate = Text(max_length=254)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()


class DelegationOut(serializers.ModelSerializer[Delegation]):
    """`ended_by`: date, taken_back or gone; empty while it stands."""

    delegator = serializers.CharField(source="delegator.email")
    delegate = serializers.CharField(source="delegate.email")

    class Meta:
        model = Delegation
        fields = ["id", "delegator", "delegate", "starts_at", "ends_at", "created_at", "ended_at", "ended_by"]


class DelegationsView(TenantRestView):
    def rows(self, everybody: str) -> "QuerySet[Delegation]":
        """One's own, given or got; all for who holds this permission."""
        rows = Delegation.objects.for_list()
        return rows if everybody in self.permissions else rows.of(self.user)


class Delegations(DelegationsView):
    access = {"GET": "tenant.see", "POST": "subscriptions.decide"}

    @extend_schema(responses=DelegationOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Who decides in whose place: what you handed on, or got; all of it for who sees the members."""
        return self.listed(self.rows("members.see"), DelegationOut)

    @extend_schema(request=DelegationIn, responses={201: DelegationOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Hand deciding requests on to another member for a while, such as while you are away."""
        made, _event = delegations.create(**self.read(DelegationIn), by=self.user)
        return Response(DelegationOut(made).data, status=201)


class DelegationDetail(DelegationsView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=DelegationOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A delegation, and whether it has ended."""
        return Response(DelegationOut(get_object_or_404(self.rows("members.see"), pk=pk)).data)


class DelegationEnd(DelegationsView):
    access = {"POST": "tenant.see"}

    @extend_schema(request=None, responses=DelegationOut)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """End it at once: who gave it, who got it, or who manages the members."""
        found = get_object_or_404(self.rows("members.manage"), pk=pk)
        delegations.end(found, by=self.user)
        return Response(DelegationOut(found).data)
