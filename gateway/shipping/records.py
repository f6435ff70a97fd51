"""A record of one call, of an entry of the access log: the fields that were chosen, masked."""

import hashlib
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from envoy.config.core.v3 import base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf.json_format import MessageToDict

from gateway.envoy.names import CLAIMS, JWT, LOGGED, LOGGED_REQUEST, LOGGED_RESPONSE
from gateway.logged import Rules, without_credentials
from gateway.shipping import masking
from gateway.usage.calls import Call, operation_name, uuid_of

_Entry: TypeAlias = accesslog_pb2.HTTPAccessLogEntry
_PROTOCOLS = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 4: "HTTP/3"}
_WHOLE = 1 << 64


class Told(NamedTuple):
    """A call that waits; `entry` as it came, so that making a record of it costs nobody who counts."""

    call: Call
    entry: bytes
    gateway: str


def threshold(percent: Decimal) -> int:
    """Below which `place` has to be."""
    return int(percent * _WHOLE / 100)


def place(salt: bytes, request_id: str) -> int:
    """Where a call stands among all, by its id alone: the same wherever and whenever it is asked. What callers know of it is salted."""
    return int.from_bytes(hashlib.blake2b(request_id.encode(errors="replace"), digest_size=8, key=salt).digest())


def made(told: Told, rules: Rules) -> dict[str, Any]:
    entry = _Entry.FromString(told.entry)
    record = {name: _FIELDS[name](told, entry, rules) for name in rules.fields}
    masking.by_paths(record, rules.masked_paths)
    return record


def example(slug: str, api: str, rules: Rules) -> dict[str, Any]:
    """What a test sends: a record of no call, which says so."""
    call = Call(
        slug=slug, api=api, version="v1", path=f"/{slug}/{api}/v1/portico-test", verified=False, client_id="", credential="", route="",
        grant="", plan="", sent_on=False, status=200, details="", code="", us=1_000, bytes_in=0, bytes_out=0,
    )  # fmt: skip
    entry = _Entry()
    entry.common_properties.start_time.GetCurrentTime()
    entry.request.request_id = "portico-test"
    entry.request.request_method = base_pb2.GET
    return {**made(Told(call, entry.SerializeToString(), ""), rules), "test": True}


# --- fields ----------------------------------------------------------------------------------------------------------


def _text(text: str, most: int = 500) -> str:
    return without_credentials(text[:most])


def _address(_told: Told, entry: _Entry, _rules: Rules) -> str:
    return entry.common_properties.downstream_remote_address.socket_address.address


def _upstream_ms(_told: Told, entry: _Entry, _rules: Rules) -> float | None:
    common = entry.common_properties
    if not common.HasField("time_to_first_upstream_tx_byte") or not common.HasField("time_to_last_upstream_rx_byte"):
        return None
    first, last = (
        each.seconds * 1_000 + each.nanos / 1_000_000
        for each in (common.time_to_first_upstream_tx_byte, common.time_to_last_upstream_rx_byte)
    )
    return round(max(last - first, 0), 3)


def _claims(told: Told, entry: _Entry, _rules: Rules) -> Any:
    if not told.call.verified:
        return None
    metadata = entry.common_properties.metadata.filter_metadata
    return masking.claims(MessageToDict(metadata[JWT].fields[CLAIMS].struct_value))


def _headers(of: str, name: str) -> Callable[[Told, _Entry, Rules], dict[str, str]]:
    def found(_told: Told, entry: _Entry, rules: Rules) -> dict[str, str]:
        noted = entry.common_properties.metadata.filter_metadata.get(LOGGED)
        values = (
            {}
            if noted is None
            else {each.removeprefix(of): value.string_value for each, value in noted.fields.items() if each.startswith(of)}
        )
        return masking.headers(values, getattr(rules, name), rules)

    return found


_FIELDS: dict[str, Callable[[Told, _Entry, Rules], Any]] = {
    "time": lambda _told, entry, _rules: _stamp(entry),
    "request_id": lambda _told, entry, _rules: _text(entry.request.request_id, 64),
    "gateway": lambda told, _entry, _rules: told.gateway[:80],
    "method": lambda _told, entry, _rules: base_pb2.RequestMethod.Name(entry.request.request_method)[:10],
    "host": lambda _told, entry, _rules: _text(entry.request.authority, 253),
    "path": lambda told, _entry, _rules: _text(told.call.path),
    "query": lambda _told, entry, _rules: masking.query(entry.request.path.partition("?")[2]),
    "protocol": lambda _told, entry, _rules: _PROTOCOLS.get(entry.protocol_version, ""),
    "api": lambda told, _entry, _rules: told.call.api,
    "version": lambda told, _entry, _rules: told.call.version,
    "operation": lambda told, _entry, _rules: operation_name(told.call.route),
    "status": lambda told, _entry, _rules: told.call.status,
    "code": lambda told, _entry, _rules: told.call.code,
    "duration_ms": lambda told, _entry, _rules: told.call.us / 1_000,
    "upstream_ms": _upstream_ms,
    "bytes_in": lambda told, _entry, _rules: told.call.bytes_in,
    "bytes_out": lambda told, _entry, _rules: told.call.bytes_out,
    "application": lambda told, _entry, _rules: told.call.client_id,
    # Elsewhere a refusal's code stands there.
    "subscription": lambda told, _entry, _rules: told.call.grant if uuid_of(told.call.grant) else "",
    "plan": lambda told, _entry, _rules: "" if told.call.plan == "-" else told.call.plan[:80],
    "address": _address,
    "user_agent": lambda _told, entry, _rules: _text(entry.request.user_agent),
    "claims": _claims,
    "request_headers": _headers(LOGGED_REQUEST, "request_headers"),
    "response_headers": _headers(LOGGED_RESPONSE, "response_headers"),
}


def _stamp(entry: _Entry) -> str:
    at = entry.common_properties.start_time.ToDatetime(tzinfo=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
