"""What comes in and goes out about telling calls to a destination."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from gateway import logged
from gateway.models import LogShipping, LogShippingState
from gateway.shipping.destinations import SECONDS
from gateway.shipping.outcomes import SENTENCES, Trouble
from tenants.serializers import Body, Choice, Text


def _names(most: int, length: int) -> serializers.ListField:
    return serializers.ListField(child=Text(max_length=length), max_length=most, required=False)


class LogShippingIn(Body):
    """All of it: what is left out has its default, but for `authorization`, which stays as it is; "" takes it away.

    `percent`: of how many calls. `fields` and names of headers are in the order in which they were chosen. `masked_headers`: named headers
    whose value is replaced; `masked_paths`: JSONPath (RFC 9535) without filters, into the record. `authorization` is what stands behind
    `Authorization:`; it is sealed, and no answer has it.
    """

    enabled = serializers.BooleanField()
    destination = Choice(choices=LogShipping.Destination.choices)
    url = Text(max_length=500, required=False, allow_blank=True)
    authorization = Text(max_length=logged.MAX_AUTHORIZATION, required=False, allow_blank=True, write_only=True)
    form = Choice(choices=LogShipping.Form.choices, required=False)
    percent = serializers.DecimalField(max_digits=5, decimal_places=2, min_value=Decimal(0), max_value=Decimal(100), required=False)
    request_headers = _names(100, 200)
    response_headers = _names(100, 200)
    masked_headers = _names(100, 200)
    masked_paths = _names(100, 1_000)

    def get_fields(self) -> dict[str, Any]:
        """`fields` is a serializer's own name."""
        return {**super().get_fields(), "fields": serializers.ListField(child=Text(max_length=60), max_length=100, required=False)}


class LogShippingTestOut(serializers.Serializer[Any]):
    """`ok` is null while nobody has asked for one. `answered` is the status of the answer, `answer` how it begins."""

    waiting = serializers.BooleanField()
    at = serializers.DateTimeField(allow_null=True)
    ok = serializers.BooleanField(allow_null=True)
    answered = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField()
    error = serializers.CharField()


class LogShippingStateOut(serializers.Serializer[Any]):
    """`dropped`: records that found no place, or that the destination would not have. `failing_since`: since then it took nothing."""

    sent = serializers.IntegerField()
    sent_at = serializers.DateTimeField(allow_null=True)
    dropped = serializers.IntegerField()
    dropped_at = serializers.DateTimeField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()
    error_at = serializers.DateTimeField(allow_null=True)
    answered = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField()


class LogShippingOut(serializers.ModelSerializer[LogShipping]):
    """`authorization`: whether there is one."""

    percent = serializers.FloatField()
    request_headers = serializers.ListField(child=serializers.CharField())
    response_headers = serializers.ListField(child=serializers.CharField())
    masked_headers = serializers.ListField(child=serializers.CharField())
    masked_paths = serializers.ListField(child=serializers.CharField())
    authorization = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    test = serializers.SerializerMethodField()

    class Meta:
        model = LogShipping
        fields = [
            "enabled", "destination", "url", "authorization", "form", "percent", "fields", "request_headers", "response_headers",
            "masked_headers", "masked_paths", "state", "test",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        """`fields` is a serializer's own name."""
        return {**super().get_fields(), "fields": serializers.ListField(child=serializers.CharField())}

    def get_authorization(self, row: LogShipping) -> bool:
        return bool(row.sealed)

    def get_state(self, row: LogShipping) -> LogShippingStateOut:
        state, host = row.state, logged.host_of(row.url)
        told = {
            "sent": state.sent,
            "sent_at": state.sent_at,
            "dropped": state.dropped,
            "dropped_at": state.dropped_at,
            "failing_since": state.failing_since,
            "error": sentence(state.trouble, state.answered, host),
            "error_at": state.trouble_at,
            "answered": state.answered,
            "answer": state.answer,
        }
        return LogShippingStateOut(told).data  # type: ignore[return-value]

    def get_test(self, row: LogShipping) -> LogShippingTestOut:
        return LogShippingTestOut(test_of(row)).data  # type: ignore[return-value]


def test_of(row: LogShipping) -> dict[str, Any]:
    state: LogShippingState = row.state
    return {
        "waiting": state.test_asked_at is not None,
        "at": state.tested_at,
        "ok": None if state.tested_at is None else not state.test_trouble,
        "answered": state.test_answered,
        "answer": state.test_answer,
        "error": sentence(state.test_trouble, state.test_answered, logged.host_of(row.url)),
    }


def sentence(trouble: str, answered: int | None, host: str) -> str:
    """What stood in the way; "" if nothing did."""
    if not trouble:
        return ""
    return _(SENTENCES[Trouble(trouble)]) % {"host": host, "status": answered, "seconds": round(SECONDS)}
