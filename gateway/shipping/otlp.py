"""Records as logs of OpenTelemetry, in its own messages. Pure.

https://opentelemetry.io/docs/specs/otlp/#otlphttp, https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

CONTENT_TYPE = "application/x-protobuf"
_Severity = logs_pb2.SeverityNumber


def request(records: Sequence[Mapping[str, Any]], *, tenant: str, api: str, now_ns: int) -> bytes:
    """`ExportLogsServiceRequest`: each field of a record is an attribute."""
    resource = resource_pb2.Resource(
        attributes=[
            _attribute("service.name", "portico-gateway"),
            _attribute("portico.tenant", tenant),
            _attribute("portico.api", api),
        ]
    )
    scope = logs_pb2.ScopeLogs(scope=common_pb2.InstrumentationScope(name="portico"), log_records=[_log(each, now_ns) for each in records])
    return logs_service_pb2.ExportLogsServiceRequest(
        resource_logs=[logs_pb2.ResourceLogs(resource=resource, scope_logs=[scope])]
    ).SerializeToString()


def rejected(answer: bytes) -> tuple[int, str]:
    """Of how many records a destination that took the rest said that it would not have them, and why."""
    try:
        found = logs_service_pb2.ExportLogsServiceResponse.FromString(answer).partial_success
    except DecodeError:
        return 0, ""
    return max(found.rejected_log_records, 0), found.error_message


def _log(record: Mapping[str, Any], now_ns: int) -> logs_pb2.LogRecord:
    status = record.get("status")
    failed = isinstance(status, int) and (status >= 500 or status == 0)
    refused = isinstance(status, int) and 400 <= status < 500
    severity, word = (
        (_Severity.SEVERITY_NUMBER_ERROR, "ERROR")
        if failed
        else (_Severity.SEVERITY_NUMBER_WARN, "WARN")
        if refused
        else (_Severity.SEVERITY_NUMBER_INFO, "INFO")
    )
    said = " ".join(str(record[name]) for name in ("method", "path", "status", "code") if record.get(name) not in {None, ""})
    return logs_pb2.LogRecord(
        time_unix_nano=_nanoseconds(record.get("time")) or now_ns,
        observed_time_unix_nano=now_ns,
        severity_number=severity,
        severity_text=word,
        body=common_pb2.AnyValue(string_value=said),
        attributes=[_attribute(name, value) for name, value in record.items() if value is not None],
    )


def _nanoseconds(text: Any) -> int:
    """Of a time as records have it; 0 where it was masked, or not chosen."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000) * 1_000_000
    except (TypeError, ValueError):
        return 0


def _attribute(name: str, value: Any) -> common_pb2.KeyValue:
    return common_pb2.KeyValue(key=name, value=_value(value))


def _value(value: Any) -> common_pb2.AnyValue:
    if isinstance(value, bool):
        return common_pb2.AnyValue(bool_value=value)
    if isinstance(value, int):
        return common_pb2.AnyValue(int_value=value)
    if isinstance(value, float):
        return common_pb2.AnyValue(double_value=value)
    if isinstance(value, dict):
        return common_pb2.AnyValue(
            kvlist_value=common_pb2.KeyValueList(values=[_attribute(str(name), each) for name, each in value.items()])
        )
    if isinstance(value, list):
        return common_pb2.AnyValue(array_value=common_pb2.ArrayValue(values=[_value(each) for each in value]))
    return common_pb2.AnyValue(string_value="" if value is None else str(value))
