"""The one page on which Pam says what an API's gateway asks of calls."""

from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.actions.policies import change_policies
from apis.models import Api
from tenants.actions import add_member
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

ORDERS = "/t/acme/console/apis/orders/"
POLICIES = f"{ORDERS}policies/"


def text(answer: Any) -> str:
    return unescape(str(answer.content.decode()))


def kept(cast: Cast) -> dict[str, Any]:
    with tenant_scope(cast.acme.pk):
        policies: dict[str, Any] = Api.objects.get().policies
    return policies


def test_an_api_begins_without_policies(pam: Client, orders: Api) -> None:
    assert f'href="{POLICIES}"' in text(pam.get(ORDERS))
    with queries("page:api-policies"):
        page = text(pam.get(POLICIES))
    assert "What is left empty does nothing." in page


def test_pam_says_from_where_it_may_be_called(cast: Cast, pam: Client, orders: Api) -> None:
    sent = {"ip_allow": "203.0.113.0/24\r\n\r\n 2001:DB8::/32 ", "ip_deny": "203.0.113.7", "once": "a" * 32}
    assert pam.post(POLICIES, sent)["Location"] == ORDERS
    assert kept(cast) == {"ip_allow": ["203.0.113.0/24", "2001:db8::/32"], "ip_deny": ["203.0.113.7/32"]}
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
    assert (event.kind, event.actor_id) == ("api.policies_changed", cast.pam.pk)
    page = text(pam.get(ORDERS))
    for said in (
        "The policies of Orders are changed.",
        f"/receipts/{event.number}/",
        "2 networks may call it",
        "1 network may not call it",
    ):
        assert said in page
    assert "203.0.113.0/24\n2001:db8::/32" in text(pam.get(POLICIES))
    again = pam.post(POLICIES, sent)
    assert again.status_code == 409
    assert "This was sent twice, and done once." in text(again)
    pam.post(POLICIES, {**sent, "once": "b" * 32})
    assert "Nothing was changed." in text(pam.get(ORDERS))


def test_every_wrong_line_is_named_and_nothing_typed_is_lost(cast: Cast, pam: Client, orders: Api) -> None:
    answer = pam.post(POLICIES, {"ip_allow": "203.0.113.7\nshop.example\n\n10.0.0.1/8", "ip_deny": "<script>x</script>"})
    assert answer.status_code == 422
    assert "<script>x" not in answer.content.decode()
    page = text(answer)
    for said in (
        "Line 2: “shop.example” is neither an IP address nor a network",
        "Line 4: “10.0.0.1/8” names one address of a network; for all of it write 10.0.0.0/8.",
        "Line 1: “<script>x</script>” is neither",
        "203.0.113.7\nshop.example\n\n10.0.0.1/8",
    ):
        assert said in page
    many = pam.post(POLICIES, {"ip_deny": "\n".join(f"203.0.{n}.0/24" for n in range(101))})
    assert many.status_code == 422
    assert "These are 101 networks; a list may have 100." in text(many)
    assert "203.0.100.0/24" in text(many)
    assert kept(cast) == {}


HEADERS = {
    "set_request_headers": "X-Source:  gateway\n\nx-share: 100%",
    "remove_request_headers": "Cookie",
    "set_response_headers": "X-Frame-Options: DENY",
    "remove_response_headers": "server\nX-Powered-By",
}


def test_pam_says_what_happens_where_the_upstream_fails(cast: Cast, pam: Client, orders: Api) -> None:
    assert pam.post(POLICIES, {"retries": "1", "retry_percent": "50", "streaming": "on", "compress": "on"}).status_code == 302
    assert kept(cast) == {"retries": 1, "retry_percent": 50, "streaming": True, "compress": True}
    page = text(pam.get(ORDERS))
    for said in ("calls that fail are tried again 1 time", "answers stream", "answers are compressed"):
        assert said in page
    page = text(pam.get(POLICIES))
    assert page.count("checked") == 2
    assert 'value="50"' in page
    assert pam.post(POLICIES, {"retries": "0", "retry_percent": ""}).status_code == 302
    assert kept(cast) == {}


def test_pam_limits_sizes_and_changes_headers(cast: Cast, pam: Client, orders: Api) -> None:
    assert pam.post(POLICIES, {**HEADERS, "max_body_kib": "64"}).status_code == 302
    assert kept(cast) == {
        "max_body_kib": 64,
        "set_request_headers": [["x-share", "100%"], ["x-source", "gateway"]],
        "remove_request_headers": ["cookie"],
        "set_response_headers": [["x-frame-options", "DENY"]],
        "remove_response_headers": ["server", "x-powered-by"],
    }
    page = text(pam.get(ORDERS))
    for said in ("bodies of at most 64 KiB", "headers set or removed"):
        assert said in page
    page = text(pam.get(POLICIES))
    for said in ('value="64"', "x-share: 100%\nx-source: gateway", "server\nx-powered-by"):
        assert said in page
    assert pam.post(POLICIES, {}).status_code == 302
    assert kept(cast) == {}


@pytest.mark.parametrize(
    "field,typed,sentence",
    [
        ("max_body_kib", "much", "Write a whole number."),
        ("max_body_kib", "1.5", "Write a whole number."),
        ("max_body_kib", "-1", "A body's limit is a number of KiB from 1 to 1048576, or 0 for none."),
        ("retries", "4", "A call is tried again at most 3 times; 0 is never."),
        ("retries", "often", "Write a whole number."),
        ("retry_percent", "0", "A share is from 1 to 100 percent."),
        ("set_request_headers", "x-a: b\nx-source", "Line 2: “x-source” has no colon; write Name: value."),
        ("set_request_headers", "X-A: b\nx-a: c", "Line 2: x-a is set twice; a header gets one value."),
        ("set_request_headers", "X-Portico-Plan: gold", "Line 1: The header x-portico-plan belongs to HTTP or to the gateway"),
        ("set_request_headers", "Authorization: Basic x", "Line 1: authorization is the caller's proof"),
        ("set_request_headers", "x-a: é", "Line 1: The value of x-a is empty, or has characters other than printable ASCII."),
        ("remove_request_headers", "a b", "Line 1: “a b” is not a header's name."),
        ("set_response_headers", "x-a:", "Line 1: The value of x-a is empty"),
        ("remove_response_headers", "server\nvary", "Line 2: The header vary belongs to HTTP or to the gateway"),
    ],
)
def test_what_was_typed_wrong_comes_back_with_a_sentence(
    cast: Cast, pam: Client, orders: Api, field: str, typed: str, sentence: str
) -> None:
    answer = pam.post(POLICIES, {field: typed})
    assert answer.status_code == 422
    page = text(answer)
    assert sentence in page
    assert typed in page
    assert kept(cast) == {}


def test_who_may_set_policies(cast: Cast, client: Client, orders: Api) -> None:
    for person, status in ((cast.carl, 403), (cast.eve, 404)):
        client.force_login(person)
        assert client.get(POLICIES).status_code == status
        assert client.post(POLICIES, {"ip_deny": "0.0.0.0/0"}).status_code == status
    assert kept(cast) == {}


def test_who_only_looks_sees_what_is_set_and_no_way_to_change_it(cast: Cast, client: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        change_policies(orders, given={"ip_deny": ["203.0.113.7"]}, by=None)
        add_member(cast.carl, roles=["developer"], custom_roles=[make.custom_role("Reader", ["apis.see_all"]).pk], by=None)
    client.force_login(cast.carl)
    page = text(client.get(ORDERS))
    assert "1 network may not call it" in page
    assert POLICIES not in page
    assert client.get(POLICIES).status_code == 403
