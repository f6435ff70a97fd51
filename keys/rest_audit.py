"""REST: the audit as a file."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from keys.actions import audit_exports, audit_keys
from tenants import throttle
from tenants.event_kinds import KINDS
from tenants.models import Event
from tenants.rest import OwnScope
from tenants.serializers import Body, Choice

# Per person and minute: each is a file of everything.
EXPORTS = 10
# Whom nobody in particular is.
PORTICO = "portico"


class ExportIn(Body):
    """`first` and `last` are numbers of events. What narrows by more is for CSV: a part can't be proven whole."""

    format = Choice(choices=[audit_exports.JSON_LINES, audit_exports.CSV], default=audit_exports.JSON_LINES)
    first = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    last = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    kind = Choice(choices=sorted(KINDS), required=False)
    who = serializers.CharField(required=False)
    subject = serializers.UUIDField(required=False)
    ip = serializers.IPAddressField(required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)

    def validate_who(self, text: str) -> str:
        try:
            return text if text == PORTICO else str(UUID(text))
        except ValueError:
            raise serializers.ValidationError(f"Give the id of a person, or “{PORTICO}”.") from None

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        narrowed = set(given) - {"format", "first", "last"}
        if given["format"] == audit_exports.JSON_LINES and narrowed:
            sentence = "JSON lines are whole, so that they can be verified; narrow CSV, or leave this out."
            raise serializers.ValidationError({name: [sentence] for name in sorted(narrowed)})
        return given


PARAMETERS = [
    OpenApiParameter("format", enum=[audit_exports.JSON_LINES, audit_exports.CSV]),
    *(OpenApiParameter(name, OpenApiTypes.INT64) for name in ("first", "last")),
    *(OpenApiParameter(name, OpenApiTypes.DATETIME) for name in ("since", "until")),
    *(OpenApiParameter(name) for name in ("kind", "who", "subject", "ip")),
]


class Export(OwnScope):
    access = {"GET": "audit.read"}
    # Without it a HEAD would be a GET whose file nobody reads.
    http_method_names = ["get"]

    @extend_schema(parameters=PARAMETERS, responses={(200, "application/jsonl"): OpenApiTypes.STR, (200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request) -> HttpResponse:
        """The events as JSON lines, which `verify_audit` proves whole and unchanged, or as CSV."""
        found = ExportIn(data=request.query_params.dict())
        found.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(found.validated_data)
        form, first, last = given.pop("format"), given.pop("first", None), given.pop("last", None)
        key = audit_keys.signer()
        with self.scope():
            throttle.attempt(f"audit export {self.user.pk}", limit=EXPORTS, seconds=60)
            narrowed = {name: _text(value) for name, value in given.items()}
            span = audit_exports.export(self.tenant, form=form, by=self.user, first=first, last=last, **narrowed)
        if form == audit_exports.JSON_LINES:
            return download(span, form, audit_exports.json_lines(span, key))
        return download(span, form, audit_exports.csv_rows(span, lambda: _narrow(given)))


def download(span: audit_exports.Span, form: str, content: Any) -> HttpResponse:
    """As a file, of which no proxy keeps or gathers anything."""
    answer = StreamingHttpResponse(content, content_type=audit_exports.TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="{span.file(form)}"'
    answer["Cache-Control"], answer["X-Accel-Buffering"] = "private, no-store", "no"
    return answer  # type: ignore[return-value]


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _narrow(given: dict[str, Any]) -> QuerySet[Event]:
    rows = Event.objects.all()
    for name, column in (("kind", "kind"), ("subject", "subject_id"), ("ip", "ip"), ("since", "at__gte"), ("until", "at__lt")):
        if name in given:
            rows = rows.filter(**{column: given[name]})
    if who := given.get("who"):
        rows = rows.filter(actor_id=None if who == PORTICO else who)
    return rows
