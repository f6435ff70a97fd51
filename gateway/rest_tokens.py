"""REST: tokens and cost of answers of models, of the tenant, of an AI API and of an application; as JSON, and as CSV."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.models import Api
from gateway import token_reports
from gateway.rest_usage import OfApi, OfApplication, Reported
from gateway.serializers_tokens import TokensIn, TokensOut
from gateway.token_reports import STEPS, By, Report
from gateway.usage_lines import as_file
from gateway.usage_ranges import NAMED
from gateway.usage_reports import Of, choose, tables
from keys.models import Application

_TIME = [
    OpenApiParameter("range", enum=list(NAMED), description="The time up to now; 24h where nothing is said."),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="In place of `range`: from when on."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="In place of `range`: until when; now where nothing is said."),
    OpenApiParameter("time_zone", description="Whose midnights begin days; UTC where nothing is said."),
    OpenApiParameter("by", enum=[each.value for each in By], description="By what `lines` are told."),
    OpenApiParameter("plan", description="Answers under this plan alone."),
]
_API = OpenApiParameter("api", description="Answers of the API with this slug alone.")
_APPLICATION = OpenApiParameter("application", OpenApiTypes.UUID, description="Answers to this application alone.")
_FILE = {(200, "text/csv"): OpenApiTypes.STR}


class _Told(Reported):
    def told(self, of: Of, apis: QuerySet[Api], applications: QuerySet[Application]) -> tuple[Report, By | None]:
        given = self.asked(TokensIn)
        known = tables()
        span = choose(given["range"], given["since"], given["until"], known=known, zone=given["time_zone"])
        of = self.narrowed(of, given, apis, applications)
        by = By(given["by"]) if given["by"] else None
        return token_reports.report(span, of, known, by=[by] if by else [], apis=apis, applications=applications), by

    def answer_tokens(self, *about: Any) -> Response:
        return Response(TokensOut(self.told(*about)[0]).data)

    def file_of_tokens(self, name: str, *about: Any) -> HttpResponseBase:
        made, by = self.told(*about)
        rows = token_reports.lines_as_rows(made, by) if by else token_reports.steps_as_rows(made)
        return as_file(rows, f"{name}-tokens-{by or STEPS}-{made.span.since:%Y%m%d}")


class TenantTokens(_Told):
    access = {"GET": "usage.see"}

    @extend_schema(parameters=[*_TIME, _API, _APPLICATION], responses=TokensOut, operation_id="tenants_usage_tokens_retrieve")
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """How many tokens all AI APIs of the tenant took, and what they cost: in all, step by step, and by what `by` names."""
        return self.answer_tokens(Of(), Api.objects.all(), Application.objects.all())


class TenantTokensFile(_Told):
    access = {"GET": "usage.see"}
    http_method_names = ["get"]

    @extend_schema(parameters=[*_TIME, _API, _APPLICATION], responses=_FILE, operation_id="tenants_usage_tokens_csv_retrieve")
    def get(self, request: Request) -> HttpResponseBase:  # noqa: ARG002
        """How many tokens all AI APIs of the tenant took, and what they cost, as CSV."""
        return self.file_of_tokens(self.tenant.slug, Of(), Api.objects.all(), Application.objects.all())


class ApiTokens(OfApi, _Told):
    @extend_schema(parameters=[*_TIME, _APPLICATION], responses=TokensOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """How many tokens an AI API took, and what they cost: in all, step by step, and by what `by` names."""
        return self.answer_tokens(*self.found(api))


class ApiTokensFile(OfApi, _Told):
    http_method_names = ["get"]

    @extend_schema(parameters=[*_TIME, _APPLICATION], responses=_FILE)
    def get(self, request: Request, api: str) -> HttpResponseBase:  # noqa: ARG002
        """How many tokens an AI API took, and what they cost, as CSV."""
        return self.file_of_tokens(f"{self.tenant.slug}-{api}", *self.found(api))


class ApplicationTokens(OfApplication, _Told):
    @extend_schema(parameters=[*_TIME, _API], responses=TokensOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """How many tokens an application took, and what they cost: in all, step by step, and by what `by` names."""
        return self.answer_tokens(*self.found(pk))


class ApplicationTokensFile(OfApplication, _Told):
    http_method_names = ["get"]

    @extend_schema(parameters=[*_TIME, _API], responses=_FILE)
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:  # noqa: ARG002
        """How many tokens an application took, and what they cost, as CSV."""
        return self.file_of_tokens(f"{self.tenant.slug}-{pk}", *self.found(pk))
