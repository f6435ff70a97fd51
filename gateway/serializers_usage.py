from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from gateway.usage_lines import Told
from gateway.usage_ranges import NAMED
from gateway.usage_reports import Against, Dimension, Figures, Report
from tenants.serializers import Body, Choice, Text


class Zoned(Text):
    """A time zone by its name."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=64, **more)

    def run_validation(self, data: Any = empty) -> Any:
        name = super().run_validation(data)
        if name not in available_timezones():
            raise serializers.ValidationError("Name a time zone of the IANA's list, such as Europe/Berlin.")
        return ZoneInfo(name)


class UsageIn(Body):
    """What is asked of a report, as the address's query says; all of it may be left out."""

    range = Choice(choices=list(NAMED), default="24h")
    since = serializers.DateTimeField(required=False, default=None)
    until = serializers.DateTimeField(required=False, default=None)
    time_zone = Zoned(default="UTC")
    against = Choice(choices=[each.value for each in Against], default=Against.NOTHING.value)
    by = Choice(choices=[each.value for each in Dimension], required=False, default=None)
    api = Text(max_length=40, required=False)
    application = serializers.UUIDField(required=False)
    version = Text(max_length=20, required=False)
    operation = Text(max_length=200, required=False)
    plan = Text(max_length=80, required=False)


class UsageFiguresOut(serializers.Serializer[Any]):
    """`calls` are `answered`, `refused`, `failed` and `unanswered` together. Percentiles are null where nothing was answered."""

    calls = serializers.IntegerField()
    answered = serializers.IntegerField()
    refused = serializers.IntegerField()
    failed = serializers.IntegerField()
    unanswered = serializers.IntegerField()
    bytes_in = serializers.IntegerField()
    bytes_out = serializers.IntegerField()
    p50_ms = serializers.SerializerMethodField()
    p95_ms = serializers.SerializerMethodField()
    p99_ms = serializers.SerializerMethodField()

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_p50_ms(self, of: Figures) -> float | None:
        return _rounded(of.p50)

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_p95_ms(self, of: Figures) -> float | None:
        return _rounded(of.p95)

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_p99_ms(self, of: Figures) -> float | None:
        return _rounded(of.p99)


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)


class UsageStepOut(serializers.Serializer[Any]):
    """`figures` is null of a step of which nothing is counted yet."""

    at = serializers.DateTimeField()
    figures = UsageFiguresOut(allow_null=True)


class UsageLineOut(serializers.Serializer[Any]):
    """What `by` names, and its figures. A slug or a name is "" of what is no more, or what its reader does not see."""

    application = serializers.UUIDField(allow_null=True)
    application_name = serializers.CharField()
    api = serializers.CharField()
    version = serializers.CharField()
    operation = serializers.CharField()
    plan = serializers.CharField()
    code = serializers.CharField()
    status_class = serializers.IntegerField(allow_null=True)
    figures = UsageFiguresOut()


class UsageOut(serializers.Serializer[Any]):
    """A report. The context brings `lines`, which are the busiest by what was asked for, the most calls first."""

    range = serializers.CharField(source="span.name")
    since = serializers.DateTimeField(source="span.since")
    until = serializers.DateTimeField(source="span.until")
    step_seconds = serializers.SerializerMethodField()
    as_of = serializers.DateTimeField(source="tables.until", allow_null=True)
    behind = serializers.BooleanField(source="tables.behind")
    lost = serializers.IntegerField(source="tables.lost")
    total = UsageFiguresOut()
    before = UsageFiguresOut(allow_null=True)
    series = serializers.SerializerMethodField()
    lines = serializers.SerializerMethodField()

    def get_step_seconds(self, report: Report) -> int:
        return int(report.span.step.total_seconds())

    @extend_schema_field(UsageStepOut(many=True))
    def get_series(self, report: Report) -> Any:
        return UsageStepOut([{"at": start, "figures": figures} for start, figures in report.series], many=True).data

    @extend_schema_field(UsageLineOut(many=True))
    def get_lines(self, report: Report) -> Any:  # noqa: ARG002
        lines: list[Told] = self.context["lines"]
        return UsageLineOut(lines, many=True).data
