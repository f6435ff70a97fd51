"""What of calls may be told to a destination, how many of them, and what is masked in each record."""

from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.protobuf import wrappers_pb2
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from gateway.envoy.names import CALLED, LOGGED, LOGGED_REQUEST, LOGGED_RESPONSE
from gateway.logged import FIELDS, MASKED, USUAL, LoggingRefused, Rules, checked, is_hidden, without_credentials
from gateway.shipping import masking, otlp
from gateway.shipping.destinations import Place
from gateway.shipping.outcomes import SENTENCES, Outcome, Trouble
from gateway.shipping.records import Told, example, made, place, threshold
from gateway.usage.calls import read
from tests.gateway.test_usage import a_call

URL = "https://logs.example.com/portico"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhcHAtMSJ9.c2lnbmF0dXJl"


def rules(**given: Any) -> Rules:
    return checked(files=True, **{"url": URL, **given})


def told(
    rule: Rules, *, query: str = "", path: str = "", request: dict[str, str] | None = None, answer: dict[str, str] | None = None
) -> Any:
    entry = a_call()
    if path:
        entry.common_properties.filter_state_objects[CALLED].Pack(wrappers_pb2.StringValue(value=path))
    entry.request.path = f"/orders/7?{query}"
    noted = Struct()
    noted.update({f"{LOGGED_REQUEST}{name}": value for name, value in (request or {}).items()})
    noted.update({f"{LOGGED_RESPONSE}{name}": value for name, value in (answer or {}).items()})
    entry.common_properties.metadata.filter_metadata[LOGGED].CopyFrom(noted)
    return made(Told(read(entry), entry.SerializeToString(), "gateway-1"), rule)


# --- what may be chosen


def test_what_nobody_chose_has_its_default_and_each_its_normal_form() -> None:
    found = rules(request_headers=(" X-Customer ", "x-customer", ""), masked_paths=(" $.path ",), percent=Decimal("12.5"))
    assert (found.fields, found.request_headers, found.masked_paths) == (USUAL, ("x-customer",), ("$.path",))
    assert found.percent == Decimal("12.50")
    assert rules(fields=("status", "time", "status")).fields == ("status", "time"), "in the order in which they were chosen"
    assert (rules(destination="file").url, rules(destination="file", form="array").form) == ("", "lines")


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("percent", Decimal("100.01"), "from 0 to 100"),
        ("percent", Decimal(-1), "from 0 to 100"),
        ("percent", Decimal("0.001"), "two decimals"),
        ("percent", Decimal("NaN"), "from 0 to 100"),
        ("fields", (), "at least one"),
        ("fields", ("body",), "no field “body”"),
        ("request_headers", ("authorization",), "never told"),
        ("request_headers", ("X-Api-Key",), "never told"),
        ("request_headers", ("cookie",), "never told"),
        ("response_headers", ("Set-Cookie",), "never told"),
        ("request_headers", ("x-portico-plan",), "the gateway's own"),
        ("request_headers", ("x customer",), "no header's name"),
        ("request_headers", ("x" * 81,), "no header's name"),
        ("request_headers", tuple(f"x-{n}" for n in range(21)), "20 may be named"),
        ("masked_headers", ("x\0y",), "no header's name"),
        ("masked_paths", ("query.email",), "no JSONPath"),
        ("masked_paths", ("$",), "the whole record"),
        ("masked_paths", ("$.a[?@.b == 1]",), "has a filter"),
        ("masked_paths", ("$[?match(@.path, '(a+)+$')]",), "has a filter"),
        ("masked_paths", ("$..a..b",), "more than once"),
        ("masked_paths", ("$." + "a" * 200,), "200 characters"),
        ("masked_paths", ("$" + "[" * 150,), "no JSONPath"),
        ("masked_paths", tuple(f"$.a{n}" for n in range(21)), "20 may be named"),
        ("url", "ftp://logs.example.com/", "Write an address"),
        ("url", "https://me:word@logs.example.com/", "Write an address"),
        ("url", "", "Write an address"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_reason(field: str, value: Any, sentence: str) -> None:
    with pytest.raises(LoggingRefused) as refused:
        rules(**{field: value})
    assert refused.value.field == field
    assert sentence in str(refused.value)


def test_without_a_folder_there_are_no_files() -> None:
    with pytest.raises(LoggingRefused, match="PORTICO_LOG_SHIPPING_FOLDER") as refused:
        checked(files=False, destination="file")
    assert refused.value.field == "destination"


def test_names_that_sound_like_credentials() -> None:
    hidden = (
        "authorization", "proxy-authorization", "x-auth", "cookie", "set-cookie", "x-api-key", "apikey", "x-token", "x-secret", "x-csrf",
        "x-amz-security-token", "x-session-id", "x-password", "x-signature",
    )  # fmt: skip
    assert [name for name in hidden if not is_hidden(name)] == []
    shown = ("accept", "content-type", "x-customer", "x-request-id", "idempotency-key", "user-agent", "origin", "traceparent")
    assert [name for name in shown if is_hidden(name)] == []


# --- of how many calls


def test_the_share_is_about_right_and_the_same_each_time() -> None:
    below, salt = threshold(Decimal(10)), uuid4().bytes
    ids = [str(UUID(int=number)) for number in range(20_000)]
    chosen = [each for each in ids if place(salt, each) < below]
    assert 1_800 < len(chosen) < 2_200
    assert chosen == [each for each in ids if place(salt, each) < below]
    more = [each for each in ids if place(salt, each) < threshold(Decimal(50))]
    assert set(chosen) < set(more), "a larger share has the smaller"
    others = [each for each in ids if place(uuid4().bytes, each) < below]
    assert set(others) != set(chosen)


def test_nothing_and_everything() -> None:
    places = [place(b"salt", str(number)) for number in range(1_000)]
    assert not any(each < threshold(Decimal(0)) for each in places)
    assert all(each < threshold(Decimal(100)) for each in places)


# --- what a record has


def test_a_record_has_what_was_chosen_in_its_order() -> None:
    record = told(rules(fields=("status", "path", "method")))
    assert list(record) == ["status", "path", "method"]
    assert list(told(rules(fields=FIELDS))) == list(FIELDS)


def test_the_query_is_by_name_and_without_what_opens_anything() -> None:
    found = told(rules(fields=("query",)), query=f"a=1&a=2&a=3&access_token=x&api_key=y&code=z&q={JWT}&Password=p&e=")
    assert found["query"] == {
        "a": ["1", "2", "3"], "access_token": MASKED, "api_key": MASKED, "code": MASKED, "q": MASKED, "Password": MASKED, "e": "",
    }  # fmt: skip
    assert told(rules(fields=("query",)), query="&".join("a=1" for _ in range(101)))["query"] == {MASKED: MASKED}


def test_headers_are_those_that_were_named_and_there() -> None:
    rule = rules(request_headers=("x-customer", "x-shown", "x-absent"), response_headers=("x-answer",), masked_headers=("x-customer",))
    found = told(rule, request={"x-customer": "Anna", "x-shown": f"a {JWT} b", "x-other": "no"}, answer={"x-answer": "yes"})
    assert found["request_headers"] == {"x-customer": MASKED, "x-shown": f"a {MASKED} b"}
    assert found["response_headers"] == {"x-answer": "yes"}


def test_paths_replace_whatever_they_name() -> None:
    rule = rules(
        fields=("path", "query", "request_headers", "address"),
        request_headers=("x-customer",),
        masked_paths=("$.query.email", "$.query.list[1]", "$..['x-customer']", "$.address", "$.not.there", "$.query.deep.er"),
    )
    found = told(rule, query="email=a%40b.example&list=1&list=2&list=3&deep=1", request={"x-customer": "Anna"})
    assert found == {
        "path": "/acme/orders/v1/orders/7",
        "query": {"email": MASKED, "list": ["1", MASKED, "3"], "deep": "1"},
        "request_headers": {"x-customer": MASKED},
        "address": MASKED,
    }
    everything = told(rules(fields=("path", "status"), masked_paths=("$.*",)))
    assert everything == {"path": MASKED, "status": MASKED}


def test_claims_are_of_what_was_verified_alone() -> None:
    assert told(rules(fields=("claims",)))["claims"]["sub"] == "app-1"
    entry = a_call()
    entry.common_properties.metadata.Clear()
    assert made(Told(read(entry), entry.SerializeToString(), ""), rules(fields=("claims", "application"))) == {
        "claims": None,
        "application": "",
    }
    assert masking.claims({"api_key": "x", "deep": [{"a": JWT}], "n": 1}) == {"api_key": MASKED, "deep": [{"a": MASKED}], "n": 1}
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    assert "x" not in str(masking.claims(deep))


@pytest.mark.parametrize(
    "text",
    [JWT, f"ptc_live_{JWT}", "ptc_secret_" + "a" * 43, "Bearer abc", "basic dXNlcjpwYXNz", "whsec_" + "a" * 43],
    ids=["jwt", "key", "secret", "bearer", "basic", "webhook"],
)
def test_what_looks_like_a_credential_is_replaced_wherever_it_stands(text: str) -> None:
    assert without_credentials(f"before {text} after") == f"before {MASKED} after"
    record = told(rules(fields=("path",)), path=f"/acme/orders/v1/orders/{text}")
    assert text.rpartition(" ")[2] not in record["path"]


@given(st.text(max_size=300), st.text(max_size=100))
def test_whatever_callers_send_makes_a_record(query: str, header: str) -> None:
    rule = rules(fields=FIELDS, request_headers=("x-customer",), masked_paths=("$..*",))
    record = told(rule, query=query.encode(errors="replace").decode(), request={"x-customer": header.encode(errors="replace").decode()})
    for kind in ("http", "otlp"):
        assert Place(rules(destination=kind), tenant="acme", api="orders").body([record])


def test_a_test_says_that_it_is_one() -> None:
    found = example("acme", "orders", rules(fields=("time", "path", "status"), masked_paths=("$.path",)))
    assert (found["test"], found["status"], found["path"]) == (True, 200, MASKED)


# --- as it is sent


def test_lines_and_arrays() -> None:
    records: list[dict[str, Any]] = [{"a": 1}, {"b": "ü"}]
    assert Place(rules(), tenant="acme", api="orders").body(records) == '{"a":1}\n{"b":"ü"}\n'.encode()
    assert Place(rules(form="array"), tenant="acme", api="orders").body(records) == '[{"a":1},{"b":"ü"}]'.encode()


def test_otlp_has_each_field_as_an_attribute_and_how_bad_it_is() -> None:
    records = [
        {"time": "2026-11-29T10:00:00.123Z", "status": status, "n": 1.5, "x": None, "q": {"a": ["b"]}, "ok": True}
        for status in (200, 404, 500, 0)
    ]
    found = logs_service_pb2.ExportLogsServiceRequest.FromString(otlp.request(records, tenant="acme", api="orders", now_ns=7))
    logs = found.resource_logs[0].scope_logs[0].log_records
    assert [each.severity_text for each in logs] == ["INFO", "WARN", "ERROR", "ERROR"]
    assert (logs[0].time_unix_nano, logs[0].observed_time_unix_nano) == (1_795_946_400_123_000_000, 7)
    values = {each.key: each.value for each in logs[0].attributes}
    assert set(values) == {"time", "status", "n", "q", "ok"}
    assert (values["status"].int_value, values["n"].double_value, values["ok"].bool_value) == (200, 1.5, True)
    assert values["q"].kvlist_value.values[0].value.array_value.values[0].string_value == "b"
    (masked,) = logs_service_pb2.ExportLogsServiceRequest.FromString(
        otlp.request([{"time": MASKED, "status": MASKED}], tenant="acme", api="orders", now_ns=7)
    ).resource_logs[0].scope_logs[0].log_records  # fmt: skip
    assert masked.time_unix_nano == 7


def test_what_a_collector_would_not_have_is_counted() -> None:
    answer = logs_service_pb2.ExportLogsServiceResponse()
    assert otlp.rejected(answer.SerializeToString()) == (0, "")
    answer.partial_success.rejected_log_records, answer.partial_success.error_message = 3, "too old"
    assert otlp.rejected(answer.SerializeToString()) == (3, "too old")
    assert otlp.rejected(b"\xff not protobuf") == (0, "")


def test_what_is_sent_again() -> None:
    again = {
        trouble: Outcome(trouble, 500 if trouble == Trouble.STATUS else None).again
        for trouble in Trouble
    }  # fmt: skip
    assert Counter(again.values()) == {True: 7, False: 5}
    assert [Outcome(Trouble.STATUS, status).again for status in (400, 401, 408, 413, 429, 503)] == [False, False, True, False, True, True]
    assert set(SENTENCES) == set(Trouble)
