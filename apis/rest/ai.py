"""REST: AI APIs, what they offer, and aliases for models."""

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions import ai_apis, ai_models, aliases
from apis.models import Api, ApiVersion, ModelAlias, Revision
from apis.rest.publishing import API, ApisView
from apis.serializers import RevisionOut
from apis.serializers_ai import (
    AiApiIn,
    AliasChangeIn,
    AliasIn,
    AliasOut,
    ApiModelsOut,
    AskablesOut,
    OfferedOut,
    OfferIn,
    offer_of,
)
from tenants.rest import TenantRestView

SEE, MANAGE = "providers.see", "providers.manage"


class AiApis(ApisView):
    access = {"POST": "apis.publish"}

    @extend_schema(request=AiApiIn, responses={201: API})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Publish an AI API: models of providers, under plans, open to subscribers at once."""
        given = self.read(AiApiIn)
        told = {name: given[name] for name in ("slug", "name", "description", "visibility")}
        teams = [self.team(pk) for pk in given["teams"]]
        api, event = ai_apis.publish(**told, offer=offer_of(given), terms=given["plans"], teams=teams, by=self.user)
        answer = self.decided(self.shown(api), event)
        answer.status_code = 201
        return answer


class AiOffer(ApisView):
    access = {"GET": "apis.see_all", "POST": "apis.publish"}

    def ai_version(self, slug: str) -> ApiVersion:
        rows = ApiVersion.objects.select_related("api").filter(api__in=self.apis().filter(kind=Api.Kind.AI))
        found: ApiVersion | None = rows.filter(api__slug=slug).order_by("id").first()
        if found is None:
            raise Http404
        return found

    @extend_schema(responses=OfferedOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """What an AI API offers in its newest revision: models, prompts and rails."""
        version = self.ai_version(api)
        rows = Revision.objects.select_related("version").filter(version=version)
        newest = get_object_or_404(rows.order_by("-number")[:1])
        return Response(OfferedOut(OfferedOut.told(newest)).data)

    @extend_schema(request=OfferIn, responses={201: RevisionOut})
    def post(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Change what an AI API offers: a new revision, which is served once it is made live."""
        version, given = self.ai_version(api), self.read(OfferIn)
        revision = ai_apis.offer(version, offer_of(given), note=given["note"], by=self.user)
        return Response(RevisionOut(revision, context=self.of_revisions()).data, status=201)


class ApiModels(ApisView):
    access = {"GET": "apis.see_published"}

    @extend_schema(responses=ApiModelsOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """What callers of an AI API may ask for now, and what the models cost."""
        found = self.api(api)
        return Response(ApiModelsOut({"models": ai_models.catalogue_of(found)}).data)


class Askables(TenantRestView):
    access = {"GET": SEE}

    @extend_schema(responses=AskablesOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """What AI APIs can offer: aliases, and the models of providers."""
        found = [{"name": each.name, "alias": each.alias, "formats": sorted(each.formats)} for each in ai_models.askable()]
        return Response(AskablesOut({"models": found}).data)


class AliasesView(TenantRestView):
    def alias(self, name: str) -> ModelAlias:
        found: ModelAlias = get_object_or_404(ModelAlias.objects, name=name)
        return found


class Aliases(AliasesView):
    access = {"GET": SEE, "POST": MANAGE}

    @extend_schema(responses=AliasOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The aliases for models."""
        return self.listed(ModelAlias.objects.all(), AliasOut)

    @extend_schema(request=AliasIn, responses={201: AliasOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make an alias: a name that callers ask for, and who answers, in order."""
        return Response(AliasOut(aliases.create(**self.read(AliasIn), by=self.user)).data, status=201)


class AliasDetail(AliasesView):
    access = {"GET": SEE, "PATCH": MANAGE, "DELETE": MANAGE}

    @extend_schema(responses=AliasOut)
    def get(self, request: Request, alias: str) -> Response:  # noqa: ARG002
        """An alias for models."""
        return Response(AliasOut(self.alias(alias)).data)

    @extend_schema(request=AliasChangeIn, responses=AliasOut)
    def patch(self, request: Request, alias: str) -> Response:  # noqa: ARG002
        """Change who answers, at once and for all who ask for it."""
        aliases.change(self.alias(alias), **self.read(AliasChangeIn), by=self.user)
        return Response(AliasOut(self.alias(alias)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, alias: str) -> Response:  # noqa: ARG002
        """Delete an alias that nothing offers."""
        aliases.delete(self.alias(alias), by=self.user)
        return Response(status=204)
