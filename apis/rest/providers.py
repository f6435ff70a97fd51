"""REST: providers of AI models, their keys, and their models with what they cost."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import provider_keys, provider_models, providers
from apis.ai.catalogue import catalogue
from apis.models import Provider, ProviderKey, ProviderModel
from apis.serializers_providers import (
    ProviderChangeIn,
    ProviderIn,
    ProviderKeyChangeIn,
    ProviderKeyIn,
    ProviderKeyOut,
    ProviderKeyTestedOut,
    ProviderKindsOut,
    ProviderModelChangeIn,
    ProviderModelDetailOut,
    ProviderModelIn,
    ProviderModelOut,
    ProviderOut,
)
from tenants.rest import OwnScope, TenantRestView

SEE, MANAGE = "providers.see", "providers.manage"


class ProvidersView(TenantRestView):
    def provider(self, slug: str) -> Provider:
        found: Provider = get_object_or_404(Provider.objects, slug=slug)
        return found

    def key(self, slug: str, pk: UUID) -> ProviderKey:
        rows = ProviderKey.objects.select_related("provider")
        found: ProviderKey = get_object_or_404(rows, provider__slug=slug, pk=pk)
        return found

    def model(self, slug: str, pk: UUID) -> ProviderModel:
        rows = ProviderModel.objects.select_related("provider")
        found: ProviderModel = get_object_or_404(rows, provider__slug=slug, pk=pk)
        return found


class ProviderKinds(TenantRestView):
    access = {"GET": SEE}

    @extend_schema(responses=ProviderKindsOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The kinds of providers that can be connected, with their models and prices."""
        return Response(ProviderKindsOut(catalogue()).data)


class Providers(ProvidersView):
    access = {"GET": SEE, "POST": MANAGE}

    @extend_schema(responses=ProviderOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The providers of AI models that the tenant has connected."""
        return self.listed(Provider.objects.all(), ProviderOut)

    @extend_schema(request=ProviderIn, responses={201: ProviderOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Connect a provider. Nothing is called yet; test its key next."""
        return Response(ProviderOut(providers.connect(**self.read(ProviderIn), by=self.user)).data, status=201)


class ProviderDetail(ProvidersView):
    access = {"GET": SEE, "PATCH": MANAGE, "DELETE": MANAGE}

    @extend_schema(responses=ProviderOut)
    def get(self, request: Request, provider: str) -> Response:  # noqa: ARG002
        """A provider of AI models."""
        return Response(ProviderOut(self.provider(provider)).data)

    @extend_schema(request=ProviderChangeIn, responses=ProviderOut)
    def patch(self, request: Request, provider: str) -> Response:  # noqa: ARG002
        """Change its name, base URL, formats or time-outs. To another server it moves without keys alone."""
        providers.change(self.provider(provider), **self.read(ProviderChangeIn), by=self.user)
        return Response(ProviderOut(self.provider(provider)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, provider: str) -> Response:  # noqa: ARG002
        """Remove a provider with its keys and models."""
        providers.remove(self.provider(provider), by=self.user)
        return Response(status=204)


class ProviderKeys(ProvidersView):
    access = {"GET": SEE, "POST": MANAGE}

    @extend_schema(responses=ProviderKeyOut(many=True))
    def get(self, request: Request, provider: str) -> Response:  # noqa: ARG002
        """The keys of a provider, without what they are."""
        rows = ProviderKey.objects.filter(provider=self.provider(provider)).select_related("provider").defer("sealed")
        return self.listed(rows, ProviderKeyOut)

    @extend_schema(request=ProviderKeyIn, responses={201: ProviderKeyOut})
    def post(self, request: Request, provider: str) -> Response:  # noqa: ARG002
        """Add a key. It is sealed, and told to nobody again."""
        made = provider_keys.add(self.provider(provider), **self.read(ProviderKeyIn), by=self.user)
        return Response(ProviderKeyOut(made).data, status=201)


class ProviderKeyDetail(ProvidersView):
    access = {"GET": SEE, "PATCH": MANAGE, "DELETE": MANAGE}

    @extend_schema(responses=ProviderKeyOut)
    def get(self, request: Request, provider: str, provider_key: UUID) -> Response:  # noqa: ARG002
        """A key of a provider, without what it is."""
        return Response(ProviderKeyOut(self.key(provider, provider_key)).data)

    @extend_schema(request=ProviderKeyChangeIn, responses=ProviderKeyOut)
    def patch(self, request: Request, provider: str, provider_key: UUID) -> Response:  # noqa: ARG002
        """Change its label, priority or weight, or switch it on or off. In place of another key add one and remove this."""
        provider_keys.change(self.key(provider, provider_key), **self.read(ProviderKeyChangeIn), by=self.user)
        return Response(ProviderKeyOut(self.key(provider, provider_key)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, provider: str, provider_key: UUID) -> Response:  # noqa: ARG002
        """Remove a key of a provider."""
        provider_keys.remove(self.key(provider, provider_key), by=self.user)
        return Response(status=204)


class ProviderKeyTest(OwnScope, ProvidersView):
    access = {"POST": MANAGE}

    @extend_schema(request=None, responses=ProviderKeyTestedOut)
    def post(self, request: Request, provider: str, provider_key: UUID) -> Response:
        """Test a key: ask the provider for its models, for five seconds at most. What comes back becomes the key's state."""
        with self.scope():
            key = self.key(provider, provider_key)
        tested = provider_keys.try_out(self.tenant.pk, key.pk, by=self.user)
        with self.scope():
            self.check_permissions(request)
            return Response(ProviderKeyTestedOut(tested).data)


class ProviderModels(ProvidersView):
    access = {"GET": SEE, "POST": MANAGE}

    @extend_schema(responses=ProviderModelOut(many=True))
    def get(self, request: Request, provider: str) -> Response:  # noqa: ARG002
        """The models of a provider, and what they cost."""
        return self.listed(ProviderModel.objects.filter(provider=self.provider(provider)), ProviderModelOut)

    @extend_schema(request=ProviderModelIn, responses={201: ProviderModelDetailOut})
    def post(self, request: Request, provider: str) -> Response:  # noqa: ARG002
        """Add a model to a provider."""
        made = provider_models.add(self.provider(provider), given=self.read(ProviderModelIn), by=self.user)
        return Response(ProviderModelDetailOut(made).data, status=201)


class ProviderModelDetail(ProvidersView):
    access = {"GET": SEE, "PATCH": MANAGE, "DELETE": MANAGE}

    @extend_schema(responses=ProviderModelDetailOut)
    def get(self, request: Request, provider: str, provider_model: UUID) -> Response:  # noqa: ARG002
        """A model of a provider, with what it cost before."""
        return Response(ProviderModelDetailOut(self.model(provider, provider_model)).data)

    @extend_schema(request=ProviderModelChangeIn, responses=ProviderModelDetailOut)
    def patch(self, request: Request, provider: str, provider_model: UUID) -> Response:  # noqa: ARG002
        """Change what is known of a model. A price counts from now on, and the former one is kept."""
        provider_models.change(self.model(provider, provider_model), given=self.read(ProviderModelChangeIn), by=self.user)
        return Response(ProviderModelDetailOut(self.model(provider, provider_model)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, provider: str, provider_model: UUID) -> Response:  # noqa: ARG002
        """Remove a model of a provider."""
        provider_models.remove(self.model(provider, provider_model), by=self.user)
        return Response(status=204)
