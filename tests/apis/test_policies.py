"""Pam says from where an API may be called, in whatever spelling; Portico keeps one, and says what it can't keep."""

import json
from typing import Any

import pytest

from apis.actions.policies import change_policies
from apis.models import Api
from apis.policies import MOST_KIB, MOST_NETWORKS, Policies, PolicyRefused, network, networks
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

# Networks


@pytest.mark.parametrize(
    "given,kept",
    [
        ("203.0.113.0/24", "203.0.113.0/24"),
        (" 203.0.113.7\n", "203.0.113.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_has_one_spelling(given: str, kept: str) -> None:
    assert str(network(given)) == kept
    assert str(network(kept)) == kept


@pytest.mark.parametrize(
    "given,sentence",
    [
        ("203.0.113.7/24", "“203.0.113.7/24” names one address of a network; for all of it write 203.0.113.0/24."),
        ("2001:db8::1/32", "for all of it write 2001:db8::/32."),
        ("::ffff:203.0.113.7", "is an IPv4 address in IPv6 notation; write it as IPv4."),
        ("", "“” is neither an IP address nor a network; write for example 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32."),
        ("shop.example", "“shop.example” is neither"),
        ("203.0.113.0/33", "neither"),
        ("203.0.113.0/", "neither"),
        ("203.0.113.0/255.255.255.0", "neither"),
        ("203.0.113.0/0.0.0.255", "neither"),
        ("203.0.113.0/٢٤", "neither"),
        ("203.0.113", "neither"),
        ("010.0.0.1", "neither"),
        ("1", "neither"),
        ("fe80::1%eth0", "neither"),
        ("203.0.113.7 203.0.113.8", "neither"),
        ("203.0.113.7, 203.0.113.8", "neither"),
        ("x" * 10_000, "neither"),
    ],
)
def test_what_is_no_network_is_refused_with_the_reason(given: str, sentence: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        network(given)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 250


def test_a_list_is_sorted_and_holds_each_once() -> None:
    assert networks(["2001:db8::/32", "10.0.0.0/8", "9.0.0.1", " 10.0.0.0/8"]) == ("9.0.0.1/32", "10.0.0.0/8", "2001:db8::/32")
    with pytest.raises(PolicyRefused, match=f"These are 101 networks; a list may have {MOST_NETWORKS}."):
        networks([f"203.0.{n}.0/24" for n in range(MOST_NETWORKS + 1)])


# Sizes and headers


def test_headers_are_kept_in_lower_case_and_sorted() -> None:
    found = Policies().changed(
        {
            "max_body_kib": MOST_KIB,
            "set_request_headers": {"X-Source": " gateway ", "User-Agent": "100%"},
            "remove_request_headers": ["Cookie", "x-debug", "COOKIE"],
            "set_response_headers": {"X-Frame-Options": "DENY"},
            "remove_response_headers": ["Server", "set-cookie"],
        }
    )
    assert found.set_request_headers == (("user-agent", "100%"), ("x-source", "gateway"))
    assert found.remove_request_headers == ("cookie", "x-debug")
    assert found.remove_response_headers == ("server", "set-cookie")
    assert Policies.of(json.loads(json.dumps(found.as_json()))) == found
    # The audit names headers; what they say may be somebody's secret after all.
    assert found.told()["set_request_headers"] == ["user-agent", "x-source"]
    assert "gateway" not in json.dumps(found.told())


RESERVED = "belongs to HTTP or to the gateway; choose another."
OF_REQUESTS = (
    "Host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Upgrade", "Keep-Alive", "X-Portico-Plan", "x-portico-",
    "X-Envoy-Original-Path", "X-Forwarded-For", "Via", "X-Request-Id", "Sec-Fetch-Site", "Proxy-Authorization",
)  # fmt: skip
OF_RESPONSES = (
    "Content-Length", "Content-Type", "X-Portico-Refusal", "Access-Control-Allow-Origin", "Vary", "Sunset", "Retry-After",
    "X-RateLimit-Limit", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "Connection", "X-Request-Id",
)  # fmt: skip
WRONG: list[tuple[str, Any, str]] = [
    ("max_body_kib", -1, "A body's limit is a number of KiB from 1 to 1048576, or 0 for none."),
    ("max_body_kib", MOST_KIB + 1, "from 1 to 1048576"),
    ("max_calls", -1, "A ceiling is from 1 to 1000000 calls, or 0 for none."),
    ("max_calls", 1_000_001, "A ceiling is from 1 to 1000000 calls, or 0 for none."),
    ("max_calls_seconds", 0, "A ceiling counts in a second or in a minute: 1 or 60."),
    ("max_calls_seconds", 61, "1 or 60"),
    ("retries", 4, "A call is tried again at most 3 times; 0 is never."),
    ("retry_percent", 0, "A share is from 1 to 100 percent."),
    ("set_request_headers", {"X A": "b"}, "“X A” is not a header's name."),
    ("set_request_headers", {"": "b"}, "“” is not a header's name."),
    ("set_request_headers", {":path": "/"}, "not a header's name"),
    ("set_request_headers", {"x_a": "b"}, "not a header's name"),
    ("set_request_headers", {"Größe": "b"}, "not a header's name"),
    ("set_request_headers", {"x-a\r\nx-b": "b"}, "not a header's name"),
    ("set_request_headers", {"x-a": ""}, "The value of x-a is empty, or has characters other than printable ASCII."),
    ("set_request_headers", {"x-a": "b\r\nx-portico-plan: gold"}, "printable ASCII"),
    ("set_request_headers", {"x-a": "b\tc"}, "printable ASCII"),
    ("set_request_headers", {"x-a": "é"}, "printable ASCII"),
    ("set_request_headers", {"X-A": "b", "x-a ": "c"}, "x-a is set twice; a header gets one value."),
    ("set_request_headers", {f"x-{n}": "b" for n in range(21)}, "These are 21 headers; at most 20 may be."),
    ("set_request_headers", {"x-a": "b" * 2_000}, "These headers have 2003 characters together; at most 2000 may be."),
    ("remove_response_headers", [f"x-{n}" for n in range(21)], "These are 21 headers"),
    *(("set_request_headers", {name: "b"}, RESERVED) for name in OF_REQUESTS),
    *(("set_request_headers", {name: "b"}, "the caller's proof") for name in ("Authorization", "X-API-Key")),
    *(("remove_request_headers", [name], RESERVED) for name in ("host", "X-Portico-Tenant", "x-request-id")),
    *(("set_response_headers", {name: "b"}, RESERVED) for name in OF_RESPONSES),
    *(("remove_response_headers", [name], RESERVED) for name in ("Link", "x-portico-refusal", "access-control-expose-headers")),
]


@pytest.mark.parametrize("field,given,sentence", WRONG)
def test_what_no_gateway_could_hold_is_refused_with_the_reason(field: str, given: Any, sentence: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        Policies().changed({field: given})
    assert refused.value.field == field
    assert sentence in str(refused.value)


def test_what_is_kept_is_what_is_set() -> None:
    assert Policies().as_json() == {}
    some = Policies().changed({"ip_deny": ["203.0.113.7"]})
    assert some.as_json() == {"ip_deny": ("203.0.113.7/32",)}
    assert Policies.of({"ip_deny": ["203.0.113.7/32"], "of_tomorrow": 1}) == some


# The action


@pytest.fixture
def api(in_acme: Cast) -> Api:
    return make.api("orders")


def change(api: Api, **given: Any) -> Event | None:
    return change_policies(api, given=given, by=None)


def kept() -> dict[str, Any]:
    policies: dict[str, Any] = Api.objects.get().policies
    return policies


def changes() -> list[dict[str, Any]]:
    return list(Event.objects.filter(kind="api.policies_changed").order_by("number").values_list("data", flat=True))


def test_gateways_hear_of_what_differs_and_of_nothing_else(in_acme: Cast, api: Api) -> None:
    assert change(api) is None
    assert change(api, ip_allow=[], ip_deny=[]) is None
    event = change_policies(api, given={"ip_deny": ["203.0.113.7"]}, by=in_acme.pam)
    assert event is not None
    assert (event.kind, event.actor_id, event.subject_id) == ("api.policies_changed", in_acme.pam.pk, api.pk)
    assert change(api, ip_deny=["203.0.113.7/32", " 203.0.113.7"]) is None
    assert change(api, ip_allow=["::/0"]) is not None
    assert kept() == {"ip_allow": ["::/0"], "ip_deny": ["203.0.113.7/32"]}
    assert change(api, ip_allow=[], ip_deny=[]) is not None
    assert kept() == {}
    assert [(data["was"], data["now"]) for data in changes()] == [
        ({}, {"ip_deny": ["203.0.113.7/32"]}),
        ({"ip_deny": ["203.0.113.7/32"]}, {"ip_allow": ["::/0"], "ip_deny": ["203.0.113.7/32"]}),
        ({"ip_allow": ["::/0"], "ip_deny": ["203.0.113.7/32"]}, {}),
    ]


def test_a_change_made_meanwhile_is_not_undone(api: Api) -> None:
    mine, theirs = Api.objects.get(), Api.objects.get()
    change(theirs, ip_allow=["::/0"])
    change(mine, ip_deny=["::1"])
    assert kept() == {"ip_allow": ["::/0"], "ip_deny": ["::1/128"]}


def test_a_wrong_policy_changes_nothing(api: Api) -> None:
    with pytest.raises(Invalid) as refused:
        change(api, ip_allow=["::/0"], ip_deny=["everybody"])
    assert list(refused.value.problems) == ["ip_deny"]
    assert kept() == {}
    assert changes() == []


# REST

NOTHING: dict[str, Any] = {
    "ip_allow": [], "ip_deny": [], "max_body_kib": 0, "max_calls": 0, "max_calls_seconds": 1,
    "set_request_headers": {}, "remove_request_headers": [],
    "set_response_headers": {}, "remove_response_headers": [], "retries": 0, "retry_percent": 20, "streaming": False,
    "compress": False,
}  # fmt: skip


@pytest.fixture
def address(cast: Cast) -> str:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    return f"{base(cast.acme)}/apis/orders/policies/"


def test_pam_changes_only_what_she_sends(cast: Cast, rest: Rest, address: str) -> None:
    pam = rest(cast.pam)
    assert pam.get(address).json() == NOTHING
    with queries("PATCH apis/orders/policies/"):
        answer = pam.patch(address, {"ip_deny": ["203.0.113.7"]})
    assert answer.status_code == 200, answer.content
    assert {name for name, value in answer.json().items() if value != NOTHING.get(name)} == {"ip_deny", "event", "receipt"}
    assert answer.json()["ip_deny"] == ["203.0.113.7/32"]
    receipt = pam.get(answer.json()["receipt"]).json()
    assert (receipt["event"], receipt["kind"]) == (answer.json()["event"], "api.policies_changed")
    same = pam.patch(address, {"ip_deny": ["203.0.113.7/32"]})
    assert same.json() == pam.get(address).json() == {**NOTHING, "ip_deny": ["203.0.113.7/32"]}
    more = {
        "retries": 2,
        "retry_percent": 50,
        "streaming": True,
        "compress": True,
        "max_body_kib": 64,
        "max_calls": 100,
        "max_calls_seconds": 60,
        "set_response_headers": {"x-frame-options": "DENY"},
        "remove_request_headers": ["cookie"],
    }
    assert pam.patch(address, more).status_code == 200
    assert pam.get(address).json() == {**NOTHING, **more, "ip_deny": ["203.0.113.7/32"]}
    assert pam.patch(address, {name: NOTHING[name] for name in ("ip_deny", *more)}).status_code == 200
    assert pam.get(address).json() == NOTHING


@pytest.mark.parametrize(
    "body,field",
    [
        ({"ip_allow": None}, "ip_allow"),
        ({"ip_allow": "203.0.113.7"}, "ip_allow"),
        ({"ip_allow": [7]}, "ip_allow"),
        ({"ip_allow": [""]}, "ip_allow"),
        ({"ip_allow": ["203.0.113.7/24"]}, "ip_allow"),
        ({"ip_deny": ["x" * 10_000]}, "ip_deny"),
        ({"ip_deny": ["a\x00b"]}, "ip_deny"),
        ({"ip_deny": [f"203.0.{n}.0/24" for n in range(101)]}, "ip_deny"),
        ({"ip_block": []}, "ip_block"),
        ({"max_body_kib": "much"}, "max_body_kib"),
        ({"max_body_kib": -1}, "max_body_kib"),
        ({"max_body_kib": 10**30}, "max_body_kib"),
        ({"max_body_kib": None}, "max_body_kib"),
        ({"max_calls": "many"}, "max_calls"),
        ({"max_calls": -1}, "max_calls"),
        ({"max_calls": 10**30}, "max_calls"),
        ({"max_calls": None}, "max_calls"),
        ({"max_calls_seconds": 7}, "max_calls_seconds"),
        ({"retries": 4}, "retries"),
        ({"retries": -1}, "retries"),
        ({"retry_percent": 0}, "retry_percent"),
        ({"retry_percent": 101}, "retry_percent"),
        ({"streaming": "often"}, "streaming"),
        ({"set_request_headers": ["x-a: b"]}, "set_request_headers"),
        ({"set_request_headers": {"x-a": None}}, "set_request_headers"),
        ({"set_request_headers": {"x-a": {}}}, "set_request_headers"),
        ({"set_request_headers": {"authorization": "b"}}, "set_request_headers"),
        ({"set_response_headers": {"x-a": "a\x00b"}}, "set_response_headers"),
        ({"remove_request_headers": {"x-a": 1}}, "remove_request_headers"),
        ({"remove_response_headers": ["vary"]}, "remove_response_headers"),
    ],
)
def test_what_cannot_be_used_is_told_and_changes_nothing(cast: Cast, rest: Rest, address: str, body: Any, field: str) -> None:
    answer = rest(cast.pam).patch(address, body)
    assert answer.status_code == 422, answer.content
    assert {name.partition(".")[0] for name in answer.json()["errors"]} == {field}
    with tenant_scope(cast.acme.pk):
        assert (kept(), changes()) == ({}, [])


def test_who_may_see_and_change_policies(cast: Cast, rest: Rest, address: str) -> None:
    body = {"ip_deny": ["0.0.0.0/0"]}
    for person, status in ((cast.carl, 403), (cast.eve, 404), (cast.olga, 404), (None, 401)):
        assert rest(person).get(address).status_code == status
        assert rest(person).patch(address, body).status_code == status
    assert rest(cast.eve).patch(f"{base(cast.globex)}/apis/orders/policies/", body).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert changes() == []
    assert rest(cast.ada).patch(address, body).status_code == 200
