from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis import budgets
from gateway.serializers_usage import Zoned
from gateway.token_reports import By, Figures, Report
from gateway.usage_ranges import NAMED
from tenants.serializers import Body, Choice, Text


class TokensIn(Body):
    """What is asked of a report, as the address's query says; all of it may be left out."""

    range = Choice(choices=list(NAMED), default="24h")
    since = serializers.DateTimeField(required=False, default=None)
    until = serializers.DateTimeField(required=False, default=None)
    time_zone = Zoned(default="UTC")
    by = Choice(choices=[each.value for each in By], required=False, default=None)
    api = Text(max_length=40, required=False)
    application = serializers.UUIDField(required=False)
    plan = Text(max_length=80, required=False)


class CostOut(serializers.Serializer[Any]):
    currency = serializers.CharField()
    amount = serializers.CharField()


class TokenFiguresOut(serializers.Serializer[Figures]):
    """`cached` is part of `input`, and `reasoning` of `output`. `cost` has an amount for each currency that prices are in.

    `missing`: answers of which the provider did not say how many tokens they took; `unpriced`: those without a price.
    """

    calls = serializers.IntegerField()
    input = serializers.IntegerField()
    output = serializers.IntegerField()
    cached = serializers.IntegerField()
    reasoning = serializers.IntegerField()
    missing = serializers.IntegerField()
    unpriced = serializers.IntegerField()
    cost = serializers.SerializerMethodField()

    @extend_schema_field(CostOut(many=True))
    def get_cost(self, of: Figures) -> list[dict[str, str]]:
        return [{"currency": each, "amount": budgets.plain(amount) or "0"} for each, amount in of.amounts.items()]


class TokenStepOut(serializers.Serializer[Any]):
    """`figures` is null of a step of which nothing is counted yet."""

    at = serializers.DateTimeField()
    figures = TokenFiguresOut(allow_null=True)


class TokenLineOut(serializers.Serializer[Any]):
    """What `by` names, and its figures. `asked`: as callers asked for it; `model`: as the `provider` that answered calls it.

    A slug or a name is "" of what is no more, or what its reader does not see.
    """

    asked = serializers.CharField()
    provider = serializers.CharField()
    model = serializers.CharField()
    application = serializers.UUIDField(allow_null=True)
    application_name = serializers.CharField()
    api = serializers.CharField()
    plan = serializers.CharField()
    figures = TokenFiguresOut()


class TokensOut(serializers.Serializer[Report]):
    """A report. `lines` are the largest by what was asked for, the most tokens first."""

    range = serializers.CharField(source="span.name")
    since = serializers.DateTimeField(source="span.since")
    until = serializers.DateTimeField(source="span.until")
    step_seconds = serializers.SerializerMethodField()
    as_of = serializers.DateTimeField(source="tables.until", allow_null=True)
    behind = serializers.BooleanField(source="tables.behind")
    total = TokenFiguresOut()
    series = serializers.SerializerMethodField()
    lines = serializers.SerializerMethodField()

    def get_step_seconds(self, report: Report) -> int:
        return int(report.span.step.total_seconds())

    @extend_schema_field(TokenStepOut(many=True))
    def get_series(self, report: Report) -> Any:
        return TokenStepOut([{"at": start, "figures": figures} for start, figures in report.series], many=True).data

    @extend_schema_field(TokenLineOut(many=True))
    def get_lines(self, report: Report) -> Any:
        return TokenLineOut([each for lines in report.lines.values() for each in lines], many=True).data
