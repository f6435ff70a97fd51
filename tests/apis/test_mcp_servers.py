"""Pam says which operations of a version agents may use as tools: the rule, and REST."""

from typing import Any

import pytest
from django.conf import settings

from apis.actions import mcp_servers, publishing
from apis.actions.policies import change_policies
from apis.models import Api, ApiVersion, McpServer
from gateway import desired, desired_mcp
from gateway.envoy.names import MCP_API
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

LIST, GET = {"operation": "listOrders"}, {"operation": "getOrder", "name": "get_order", "description": "One of them."}
KEPT = [{"operation": "listOrders", "name": "listOrders", "description": ""}, GET]


def put(api: Api, *chosen: dict[str, str], enabled: bool = True, **more: Any) -> Event | None:
    return mcp_servers.put(api.versions.get(), enabled=enabled, chosen=chosen, by=make.somebody("publisher"), **more)


def read(cast: Cast) -> Any:
    """What gateways should have."""
    routes = desired._routes(desired.live())
    return desired_mcp.with_tools(desired._tenant(cast.acme, access=desired._access(), routes=routes, retired=()))


def told() -> list[tuple[str, Any]]:
    rows = Event.objects.filter(kind__startswith="mcp.").order_by("number").values_list("kind", "data")
    return [(kind, data) for kind, data in rows]


def test_switching_on_changing_and_switching_off(in_acme: Cast) -> None:
    api = make.api("orders")
    assert put(api, enabled=False) is None
    put(api, LIST, GET)
    assert (McpServer.objects.get().enabled, McpServer.objects.get().tools) == (True, KEPT)
    assert put(api, LIST, GET) is None
    put(api, GET)
    put(api, GET, enabled=False)
    assert McpServer.objects.get().tools == [GET], "the choice stays"
    put(api, LIST, enabled=False)
    assert told() == [
        ("mcp.switched_on", {"tools": ["listOrders", "get_order"]}),
        ("mcp.changed", {"was": ["listOrders", "get_order"], "now": ["get_order"]}),
        ("mcp.switched_off", {}),
        ("mcp.changed", {"was": ["get_order"], "now": ["listOrders"]}),
    ]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([], "Choose at least one operation."),
        ([{"operation": "nothing"}], "has no operation “nothing”"),
        ([{"operation": "getOrder", "name": "a b"}], "takes letters, digits, - and _"),
        ([{"operation": "getOrder", "name": "a" * 65}], "at most 64 of them"),
        ([{"operation": "getOrder", "name": "x"}, {"operation": "listOrders", "name": "x"}], "Two tools have the name “x”."),
        ([{"operation": "getOrder"}, {"operation": "getOrder", "name": "x"}], "is chosen twice"),
        ([{"operation": "getOrder", "description": "x" * 1_001}], "at most 1000 characters"),
        ([{"operation": "getOrder"}] * 101, "100 tools are the most"),
    ],
)
def test_what_makes_no_tools(in_acme: Cast, chosen: list[dict[str, str]], said: str) -> None:
    api = make.api("orders")
    with pytest.raises(Invalid) as refused:
        put(api, *chosen)
    assert any(said in sentence for sentence in refused.value.problems["tools"])
    assert not McpServer.objects.exists()


def test_what_is_in_the_way(in_acme: Cast) -> None:
    bare = publishing.create_api(slug="bare", name="Bare", description="", by=None)
    publishing.add_version(bare, name="v1", by=None)
    with pytest.raises(NotAllowed, match="No revision of Bare v1 is live"):
        put(bare, LIST)
    own = make.api("own", content={**make.DOCUMENT, "paths": {"/mcp": make.DOCUMENT["paths"]["/orders"]}})
    with pytest.raises(NotAllowed, match="GET /mcp answers at /mcp itself"):
        put(own, LIST)
    limited = make.api("limited")
    change_policies(limited, given={"ip_allow": ["203.0.113.0/24"]}, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="from some addresses only"):
        put(limited, LIST)
    gone = make.api("gone", published=False)
    make.version(gone, name="v2", status="retired", by=in_acme.pam)
    with pytest.raises(NotAllowed, match="is retired"):
        mcp_servers.put(gone.versions.get(name="v2"), enabled=True, chosen=[LIST], by=in_acme.pam)


def test_who_looked_at_something_else_is_told(in_acme: Cast) -> None:
    api = make.api("orders")
    put(api, GET, seen="none")
    with pytest.raises(NotAllowed, match="Somebody changed this meanwhile"):
        put(api, LIST, seen="none")


def test_gateways_hear_where_tools_are_and_who_reaches_all_of_them(in_acme: Cast) -> None:
    api, other = make.api("orders"), make.api("billing")
    for status in ("active", "suspended", "pending"):
        make.subscription(status=status, to=make.plan(api))
    carl = make.subscription(status="active", to=make.plan(other))
    assert read(in_acme).mcp is None
    put(api, LIST)
    found = read(in_acme)
    assert found.mcp is not None
    assert [(each.api, each.mcp) for each in found.routes or ()] == [("billing", False), ("orders", True)]
    active = {each.client_id for each in found.access.grants if not each.refusal and each.api != MCP_API}
    assert {each.client_id: each.refusal for each in found.access.grants if each.api == MCP_API} == dict.fromkeys(active, "")
    assert carl.application.client_id in active
    put(api, LIST, enabled=False)
    assert read(in_acme).mcp is None


def test_rest(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    at = f"{base(cast.acme)}/apis/orders/versions/v1/mcp/"
    pam, carl = rest(cast.pam), rest(cast.carl)
    with queries("mcp"):
        answer = pam.get(at)
    assert answer.json() == {"enabled": False, "served": False, "why_not": "", "url": _url("acme/orders/v1/mcp"), "tools": []}
    first = pam.put(at, {"enabled": True, "tools": [LIST, GET]}, format="json")
    assert first.status_code == 200, first.json()
    shown = first.json()
    assert (shown["served"], shown["tools"][1]) == (True, {**GET, "method": "GET", "path": "/orders/{id}"})
    assert pam.get(shown["receipt"]).json()["kind"] == "mcp.switched_on"
    assert "event" not in pam.put(at, {"enabled": True, "tools": [LIST, GET]}, format="json").json()
    assert [each["name"] for each in carl.get(at).json()["tools"]] == ["listOrders", "get_order"]
    assert carl.put(at, {"enabled": False, "tools": []}, format="json").status_code == 403
    with tenant_scope(cast.acme.pk):
        change_policies(Api.objects.get(), given={"ip_deny": ["203.0.113.7"]}, by=cast.pam)
    limited = pam.get(at).json()
    assert (limited["served"], "from some addresses only" in limited["why_not"]) == (False, True)
    pam.put(at, {"enabled": False, "tools": [GET]}, format="json")
    assert carl.get(at).json()["tools"] == [], "what is switched off is the publisher's alone"
    assert [each["name"] for each in pam.get(at).json()["tools"]] == ["get_order"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "enabled"),
        ({"enabled": True}, "tools"),
        ({"enabled": True, "tools": [], "more": 1}, "more"),
        ({"enabled": True, "tools": "x"}, "tools"),
        ({"enabled": True, "tools": [{"operation": "getOrder", "colour": "red"}]}, "tools"),
        ({"enabled": True, "tools": [{"operation": "getOrder", "name": "a\x00"}]}, "tools"),
        ({"enabled": True, "tools": [{"operation": "nothing"}]}, "tools"),
        ({"enabled": "perhaps", "tools": []}, "enabled"),
    ],
)
def test_rest_says_what_is_wrong(cast: Cast, rest: Rest, body: dict[str, Any], field: str) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    answer = rest(cast.pam).put(f"{base(cast.acme)}/apis/orders/versions/v1/mcp/", body, format="json")
    assert answer.status_code == 422, answer.json()
    assert field in str(answer.json())


def test_eve_sees_nothing(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        api = make.api("orders")
        mcp_servers.put(api.versions.get(), enabled=True, chosen=[LIST], by=cast.pam)
    eve = rest(cast.eve)
    for at in (f"{base(cast.acme)}/apis/orders/versions/v1/mcp/", f"{base(cast.globex)}/apis/orders/versions/v1/mcp/"):
        assert eve.get(at).status_code == 404
        assert eve.put(at, {"enabled": False, "tools": []}, format="json").status_code == 404
    with tenant_scope(cast.globex.pk):
        assert not McpServer.objects.exists()
        assert not ApiVersion.objects.exists()


def _url(rest: str) -> str:
    return f"{settings.GATEWAY_URL}/{rest}"
