"""What an Envoy told of real calls (entries.textproto), in messages as large as Envoy's."""

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf import text_format

ENTRIES = Path(__file__).with_name("entries.textproto")
MESSAGE_BYTES = 64 * 1024


def entries() -> list[accesslog_pb2.HTTPAccessLogEntry]:
    lines = [line for line in ENTRIES.read_text().splitlines() if not line.startswith("#")]
    return [text_format.Parse(line, accesslog_pb2.HTTPAccessLogEntry()) for line in lines]


def message(calls: Iterator[accesslog_pb2.HTTPAccessLogEntry]) -> als_pb2.StreamAccessLogsMessage:
    found = als_pb2.StreamAccessLogsMessage()
    found.identifier.node.id = "bench"
    size = 0
    while size < MESSAGE_BYTES:
        call = next(calls)
        size += call.ByteSize()
        found.http_logs.log_entry.append(call)
    return found


def mixed() -> Iterator[accesslog_pb2.HTTPAccessLogEntry]:
    """Nine that passed for each that was refused."""
    answered = [each for each in entries() if each.response.response_code.value == 200]
    others = [each for each in entries() if each.response.response_code.value != 200]
    for each in cycle(others):
        yield from islice(cycle(answered), 9)
        yield each


def refused() -> Iterator[accesslog_pb2.HTTPAccessLogEntry]:
    return cycle(each for each in entries() if each.response.response_code.value != 200)
