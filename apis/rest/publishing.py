import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis import lint, openapi, searching, words
from apis.actions import catalogue, publishing, resources, teams
from apis.compared import compared
from apis.models import LARGE, LIVE_LARGE, Api, ApiQuerySet, ApiVersion, Category, LintRule, Revision
from apis.serializers import (
    ApiChangeIn,
    ApiIn,
    ApiOut,
    DifferencesOut,
    PublishedApiOut,
    PublishedRevisionOut,
    RevisionDetailOut,
    RevisionIn,
    RevisionOut,
    VersionIn,
    VersionOut,
)
from keys import tokens
from tenants.errors import Busy, Invalid
from tenants.models import Event, Team
from tenants.rest import OwnScope, TenantRestView, uuid_in
from tenants.serializers import decided

API, VERSION, REVISION = decided(ApiOut), decided(VersionOut), decided(RevisionOut)


class ApisView(TenantRestView):
    def apis(self) -> ApiQuerySet:
        """All for who publishes; the published ones for everyone else, as far as they may see them."""
        return Api.objects.all() if "apis.see_all" in self.permissions else Api.objects.readable_by(self.user, self.permissions)

    def catalogue(self) -> QuerySet[Api]:
        """The same with as much inside as the person may know."""
        if "apis.see_all" in self.permissions:
            return Api.objects.with_versions().with_encryption_key()
        return self.apis().with_published_versions(self.user, self.permissions)

    def api(self, slug: str) -> Api:
        found: Api = get_object_or_404(self.apis(), slug=slug)
        return found

    def version(self, slug: str, name: str) -> ApiVersion:
        rows = ApiVersion.objects.select_related("api", "live_revision", "successor").defer(*LIVE_LARGE).filter(api__in=self.apis())
        if "apis.see_all" not in self.permissions:
            rows = rows.offered()
        found: ApiVersion = get_object_or_404(rows, api__slug=slug, name=name)
        return found

    def revision(self, slug: str, name: str, number: int, *, without: Sequence[str] = LARGE) -> Revision:
        """Without what takes long to read of a large document, unless that is what was asked for."""
        rows = Revision.objects.select_related("version__api", "upstream").defer(*without)
        found: Revision = get_object_or_404(rows, version=self.version(slug, name), number=number)
        return found

    def context(self) -> dict[str, Any]:
        return {"gateway": tokens.audience(settings.GATEWAY_URL, self.tenant.slug)}

    def of_revisions(self) -> dict[str, Any]:
        """The context of their serializers."""
        return {"choices": LintRule.objects.chosen(), **self.context()}

    def team(self, pk: UUID, *, of: Api | None = None) -> Team:
        """One that the person may see, or that sees the API already."""
        seen = Q(pk__in=Team.objects.visible_to(self.user, self.permissions).values("pk"))
        found: Team | None = Team.objects.filter(seen | Q(pk__in=of.audience.values("team")) if of else seen, pk=pk).first()
        if found is None:
            raise Invalid({"teams" if of else "team": [_("You see no team with this id.")]})
        return found

    @property
    def out(self) -> type[PublishedApiOut]:
        return ApiOut if "apis.see_all" in self.permissions else PublishedApiOut

    def shown(self, api: Api) -> dict[str, Any]:
        return dict(self.out(self.catalogue().get(pk=api.pk), context=self.context()).data)


def _any_api(*, many: bool = False) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer("AnyApi", serializers=[ApiOut, PublishedApiOut], resource_type_field_name=None, many=many)


class Apis(ApisView):
    access = {"GET": "apis.see_published", "POST": "apis.publish"}

    @extend_schema(
        responses=_any_api(many=True),
        parameters=[
            OpenApiParameter("team", UUID),
            OpenApiParameter("q", str),
            OpenApiParameter("category", UUID),
            OpenApiParameter("tag", str),
        ],
    )
    def get(self, request: Request) -> Response:
        """The catalogue; publishers see what is not published yet as well, and whose it is: `?team=` has those that a team looks after.

        `?q=` has those in which each of the words begins one: of their name, slug or description, or of an operation that can be called.
        `?category=` and `?tag=` have those that stand there.
        """
        rows = self.catalogue()
        if q := request.query_params.get("q"):
            rows = rows.filter(pk__in=searching.matching(words.terms(q)))
        if category := request.query_params.get("category"):
            rows = rows.filter(category=uuid_in("category", category))
        if tag := request.query_params.get("tag"):
            rows = rows.filter(tags__contains=[tag])
        if "apis.see_all" in self.permissions and (team := request.query_params.get("team")):
            rows = rows.filter(team=uuid_in("team", team))
        return self.listed(rows, self.out, **self.context())

    @extend_schema(request=ApiIn, responses={201: ApiOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Create an API, without a version yet."""
        return Response(self.shown(publishing.create_api(**self.read(ApiIn), by=self.user)), status=201)


class ApiDetail(ApisView):
    access = {"GET": "apis.see_published", "PATCH": "apis.publish"}

    @extend_schema(responses=_any_api())
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """An API with its versions and its plans."""
        return Response(self.shown(self.api(api)))

    @extend_schema(
        request=ApiChangeIn,
        responses=PolymorphicProxySerializer("ChangedApi", serializers=[API, ApiOut], resource_type_field_name=None),
    )
    def patch(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Change its name, description, category, tags, team or encryption key, or whose pages may call it.

        Without a difference there is no event.
        """
        found, given = self.api(api), self.read(ApiChangeIn)
        keyed = resources.change_encryption_key(found, given.pop("encryption_jwk"), by=self.user) if "encryption_jwk" in given else None
        moved = teams.give_api(found, team=self.team(pk) if (pk := given.pop("team")) else None, by=self.user) if "team" in given else None
        standing: dict[str, Any] = {name: given.pop(name) for name in ("category", "tags", "visibility", "teams") if name in given}
        placed = self.place(found, standing) if standing else None
        event = publishing.change_api(found, **given, by=self.user) or keyed or moved or placed
        return self.decided(self.shown(found), event) if event else Response(self.shown(found))

    def place(self, api: Api, given: dict[str, Any]) -> Event | None:
        """Where it stands in the catalogue."""
        if "category" in given:
            found = Category.objects.filter(pk=given["category"]).first()
            if found is None and given["category"] is not None:
                raise Invalid({"category": [_("There is no category with this id.")]})
            given["category"] = found or ""
        if "teams" in given:
            given["teams"] = [self.team(pk, of=api) for pk in given["teams"]]
        return catalogue.place(api, **given, by=self.user)


class Versions(ApisView):
    access = {"POST": "apis.publish"}

    @extend_schema(request=VersionIn, responses={201: VersionOut})
    def post(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Add a version, which nobody sees until it is opened."""
        version = publishing.add_version(self.api(api), **self.read(VersionIn), by=self.user)
        return Response(VersionOut(version, context=self.context()).data, status=201)


class VersionPublish(ApisView):
    access = {"POST": "apis.publish"}

    @extend_schema(request=None, responses=VERSION)
    def post(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """Open a version to subscribers."""
        found = self.version(api, version)
        event = publishing.publish(found, by=self.user)
        return self.decided(VersionOut(found, context=self.context()).data, event)


class Revisions(OwnScope, ApisView):
    access = {"GET": "apis.see_all", "POST": "apis.publish"}
    max_body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    @extend_schema(responses=RevisionOut(many=True))
    def get(self, request: Request, api: str, version: str) -> Response:  # noqa: ARG002
        """The revisions of a version."""
        with self.scope():
            rows = self.version(api, version).revisions.select_related("version__api", "upstream").defer(*LARGE)
            return self.listed(rows, RevisionOut, **self.of_revisions())

    @extend_schema(request=RevisionIn, responses={201: RevisionOut})
    def post(self, request: Request, api: str, version: str) -> Response:
        """Import an OpenAPI 3 or Swagger 2.0 document, with an upstream or to be answered from its examples.

        It is served once it is made live.
        """
        with self.scope():
            self.version(api, version)
        given = self.read(RevisionIn)
        # Seconds, perhaps: no transaction and no lock waits for them.
        document = _document(given["document"])
        target = publishing.answer_from_examples(document) if given["mock"] else publishing.check_target(**given["upstream"])
        with self.scope():
            self.check_permissions(request)
            found = self.version(api, version)
            revision = publishing.add_revision(found, document=document, target=target, note=given["note"], by=self.user)
            return Response(RevisionOut(revision, context=self.of_revisions()).data, status=201)


class RevisionDetail(ApisView):
    access = {"GET": "apis.see_published"}

    @extend_schema(
        responses=PolymorphicProxySerializer(
            "AnyRevision", serializers=[RevisionDetailOut, PublishedRevisionOut], resource_type_field_name=None
        )
    )
    def get(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """The document and its operations. Without the right to publish, the live revision only, and not where its calls go."""
        found = self.revision(api, version, number, without=("outline", "findings"))
        if "apis.see_all" not in self.permissions:
            get_object_or_404(ApiVersion.objects, live_revision=found)
            return Response(PublishedRevisionOut(found).data)
        return Response(RevisionDetailOut(found, context=self.of_revisions()).data)


class RevisionDifferences(ApisView):
    access = {"GET": "apis.see_all"}

    @extend_schema(responses=DifferencesOut, parameters=[OpenApiParameter("from", int), OpenApiParameter("from_version", str)])
    def get(self, request: Request, api: str, version: str, number: int) -> Response:
        """What a revision changes for callers, against the live one or `?from=<number>`; with `from_version`, of that version of the API.

        Where nothing is live, all is new.
        """
        found, asked = self.revision(api, version, number), request.query_params
        other = self.other(self.other_version(found.version, asked.get("from_version")), asked.get("from"))
        changes = compared(other, found)
        return Response(DifferencesOut(changes, context={"number": number, "other": other}).data)

    def other_version(self, version: ApiVersion, given: str | None) -> ApiVersion:
        if given is None or given == version.name:
            return version
        for each in ApiVersion.objects.filter(api=version.api_id).select_related("api"):
            if each.name == given:
                return each
        raise Invalid({"from_version": [_("%(api)s has no such version.") % {"api": version.api}]})

    def other(self, version: ApiVersion, given: str | None) -> Revision | None:
        """The one to compare with."""
        rows = version.revisions.select_related("upstream").defer(*LARGE)
        if given is None:
            return rows.filter(live_in=version).first()
        found = rows.filter(number=int(given)).first() if re.fullmatch("[0-9]{1,9}", given) else None
        if found is None:
            raise Invalid({"from": [_("%(version)s has no such revision.") % {"version": version}]})
        return found


def _document(given: Any) -> openapi.Document:
    try:
        if isinstance(given, str):
            return openapi.read(given, gateway=settings.GATEWAY_URL)
        return lint.without_lines(openapi.read(json.dumps(given), gateway=settings.GATEWAY_URL))
    except openapi.TooManyAtOnceError:
        raise Busy("Portico reads other documents just now. Try again in a few seconds.") from None
    except openapi.DocumentError as error:
        raise Invalid({"document": [_sentence(problem, text=isinstance(given, str)) for problem in error.problems]}) from error


def _sentence(problem: openapi.Problem, *, text: bool) -> str:
    # Lines mean something to the person only where they sent lines.
    return f"Line {problem.line}, column {problem.column}: {problem.message}" if text else problem.message
