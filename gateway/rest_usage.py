"""REST: how APIs are called, of the tenant, of an API and of an application; as JSON, and as CSV."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.models import Api
from gateway.serializers_usage import UsageIn, UsageOut
from gateway.usage_lines import STEPS, Told, apis_seen, as_file, lines_as_rows, names, steps_as_rows, told
from gateway.usage_ranges import NAMED
from gateway.usage_reports import Against, Dimension, Of, Report, choose, earlier, report, tables
from keys.models import Application
from tenants.errors import Invalid
from tenants.rest import TenantRestView
from tenants.serializers import Body

_TIME = [
    OpenApiParameter("range", enum=list(NAMED), description="The time up to now; 24h where nothing is said."),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="In place of `range`: from when on."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="In place of `range`: until when; now where nothing is said."),
    OpenApiParameter("time_zone", description="Whose midnights begin days; UTC where nothing is said."),
    OpenApiParameter("by", enum=[each.value for each in Dimension], description="By what `lines` are told."),
    OpenApiParameter("version", description="Calls of this version alone."),
    OpenApiParameter("operation", description="Calls of this operation alone."),
    OpenApiParameter("plan", description="Calls under this plan alone."),
]
_AGAINST = OpenApiParameter("against", enum=[each.value for each in Against], description="With what `before` compares.")
_API = OpenApiParameter("api", description="Calls of the API with this slug alone.")
_APPLICATION = OpenApiParameter("application", OpenApiTypes.UUID, description="Calls of this application alone.")
_FILE = {(200, "text/csv"): OpenApiTypes.STR}


class Reported(TenantRestView):
    """What is looked at, as the address and its query say."""

    # Of an address that is about one of them, the query names no other.
    fixed: ClassVar[frozenset[str]] = frozenset()

    def asked(self, reader: type[Body]) -> dict[str, Any]:
        asked = {name: value for name, value in self.request.query_params.dict().items() if name not in self.fixed}
        if taken := sorted(self.fixed & set(self.request.query_params)):
            raise Invalid({name: ["The address says this already."] for name in taken})
        found = reader(data=asked)
        found.is_valid(raise_exception=True)
        return dict(found.validated_data)

    def narrowed(self, of: Of, given: dict[str, Any], apis: QuerySet[Api], applications: QuerySet[Application]) -> Of:
        of = of._replace(**{name: given[name] for name in ("version", "operation", "plan") if name in given})
        if "api" in given:
            pk = apis.filter(slug=given["api"]).values_list("pk", flat=True).first()
            if pk is None:
                raise Invalid({"api": ["There is no such API here."]})
            of = of._replace(api=pk)
        if "application" in given:
            if not applications.filter(pk=given["application"]).exists():
                raise Invalid({"application": ["There is no such application here."]})
            of = of._replace(application=given["application"])
        return of

    def reported(self, of: Of, apis: QuerySet[Api], applications: QuerySet[Application]) -> tuple[Report, Dimension | None, list[Told]]:
        given = self.asked(UsageIn)
        known, zone = tables(), given["time_zone"]
        span = choose(given["range"], given["since"], given["until"], known=known, zone=zone)
        of = self.narrowed(of, given, apis, applications)
        dimension = Dimension(given["by"]) if given["by"] else None
        by = (dimension,) if dimension else ()
        made = report(span, of, known, by=by, against=earlier(span, Against(given["against"])))
        lines = told(made.lines[dimension], dimension, names(made, apis=apis, applications=applications)) if dimension else []
        return made, dimension, lines

    def answer(self, of: Of, apis: QuerySet[Api], applications: QuerySet[Application]) -> Response:
        made, _dimension, lines = self.reported(of, apis, applications)
        return Response(UsageOut(made, context={"lines": lines}).data)

    def file(self, of: Of, apis: QuerySet[Api], applications: QuerySet[Application], name: str) -> HttpResponseBase:
        made, dimension, lines = self.reported(of, apis, applications)
        rows = lines_as_rows(lines, dimension) if dimension else steps_as_rows(made)
        return as_file(rows, f"{name}-usage-{dimension or STEPS}-{made.span.since:%Y%m%d}")


class TenantUsage(Reported):
    access = {"GET": "usage.see"}

    @extend_schema(parameters=[*_TIME, _AGAINST, _API, _APPLICATION], responses=UsageOut, operation_id="tenants_usage_retrieve")
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """How all APIs of the tenant are called: in all, step by step, and by what `by` names."""
        return self.answer(Of(), Api.objects.all(), Application.objects.all())


class TenantUsageFile(Reported):
    access = {"GET": "usage.see"}
    http_method_names = ["get"]

    @extend_schema(parameters=[*_TIME, _API, _APPLICATION], responses=_FILE, operation_id="tenants_usage_csv_retrieve")
    def get(self, request: Request) -> HttpResponseBase:  # noqa: ARG002
        """How all APIs of the tenant are called, as CSV: step by step, or by what `by` names."""
        return self.file(Of(), Api.objects.all(), Application.objects.all(), self.tenant.slug)


class OfApi(Reported):
    access = {"GET": "apis.see_all"}
    fixed = frozenset({"api"})

    def found(self, api: str) -> tuple[Of, QuerySet[Api], QuerySet[Application]]:
        found = get_object_or_404(Api.objects, slug=api)
        return Of(api=found.pk), Api.objects.filter(pk=found.pk), Application.objects.all()


class ApiUsage(OfApi):
    @extend_schema(parameters=[*_TIME, _AGAINST, _APPLICATION], responses=UsageOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """How an API is called: in all, step by step, and by what `by` names."""
        return self.answer(*self.found(api))


class ApiUsageFile(OfApi):
    http_method_names = ["get"]

    @extend_schema(parameters=[*_TIME, _APPLICATION], responses=_FILE)
    def get(self, request: Request, api: str) -> HttpResponseBase:  # noqa: ARG002
        """How an API is called, as CSV: step by step, or by what `by` names."""
        return self.file(*self.found(api), f"{self.tenant.slug}-{api}")


class OfApplication(Reported):
    access = {"GET": "tenant.see"}
    fixed = frozenset({"application"})

    def found(self, pk: UUID) -> tuple[Of, QuerySet[Api], QuerySet[Application]]:
        found = get_object_or_404(Application.objects.visible_to(self.user, self.permissions), pk=pk)
        return Of(application=pk), apis_seen(self.user, self.permissions, found), Application.objects.filter(pk=pk)


class ApplicationUsage(OfApplication):
    @extend_schema(parameters=[*_TIME, _AGAINST, _API], responses=UsageOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """How an application calls: in all, step by step, and by what `by` names."""
        return self.answer(*self.found(pk))


class ApplicationUsageFile(OfApplication):
    http_method_names = ["get"]

    @extend_schema(parameters=[*_TIME, _API], responses=_FILE)
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:  # noqa: ARG002
        """How an application calls, as CSV: step by step, or by what `by` names."""
        return self.file(*self.found(pk), f"{self.tenant.slug}-{pk}")
