"""REST: by which identity provider people sign in to the tenant."""

from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from keys.actions.identity_providers import MAX_SECRET, change_provider, remove_provider
from keys.models import IdentityProvider
from keys.oidc import MAX_URL
from tenants.rest import TenantRestView
from tenants.serializers import JOINING, Body, Choice, Text


class IdentityProviderIn(Body):
    """`client_secret` is needed at first, and with another issuer; `joins_as` is the role of who is no member yet, "" lets nobody join."""

    issuer = Text(max_length=MAX_URL)
    client_id = Text(max_length=190)
    client_secret = Text(max_length=MAX_SECRET, required=False)
    enabled = serializers.BooleanField()
    joins_as = Choice(choices=[("", ""), *JOINING], required=False, allow_blank=True)


class IdentityProviderOut(serializers.Serializer[IdentityProvider]):
    issuer = serializers.CharField()
    client_id = serializers.CharField()
    enabled = serializers.BooleanField()
    joins_as = serializers.CharField()


class Provider(TenantRestView):
    access = {"GET": "settings.manage", "PUT": "settings.manage", "DELETE": "settings.manage"}

    @extend_schema(responses=IdentityProviderOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """By whom people sign in; 404 where nobody is named. The client secret is never shown."""
        found = IdentityProvider.objects.first()
        if found is None:
            raise Http404
        return Response(IdentityProviderOut(found).data)

    @extend_schema(request=IdentityProviderIn, responses=IdentityProviderOut)
    def put(self, request: Request) -> Response:
        """Name it, or change it. Another issuer or client, and switching it off, end the sessions that it began."""
        given = self.read(IdentityProviderIn)
        with transaction.atomic():
            change_provider({"joins_as": "", **given}, by=self.user)
        return self.get(request)

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:  # noqa: ARG002
        """Nobody signs in by it any more, and its sessions end."""
        if not IdentityProvider.objects.exists():
            raise Http404
        with transaction.atomic():
            remove_provider(by=self.user)
        return Response(status=204)
