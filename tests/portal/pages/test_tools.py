"""Pam chooses tools for agents; Carl sees how an agent is told of them."""

import re
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apis.actions import mcp_servers, publishing
from apis.actions.policies import change_policies
from apis.models import Api, McpServer
from portal.pages.tools import SHOWN, _key
from tenants.models import Event, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

ORDERS = "/t/acme/console/apis/orders/"
TOOLS = f"{ORDERS}versions/v1/tools/"
CATALOGUE = "/t/acme/apis/orders/"
ON, NAME, SAYS = (f"{field}_{_key('getOrder')}" for field in ("on", "name", "says"))


def signed_in(user: User) -> Client:
    found = Client()
    found.force_login(user)
    return found


def text(answer: Any) -> str:
    return unescape(str(answer.content.decode()))


def kept(cast: Cast) -> McpServer | None:
    with tenant_scope(cast.acme.pk):
        return McpServer.objects.first()


def test_nothing_is_a_tool_at_first(pam: Client, orders: Api) -> None:
    assert f'href="{TOOLS}"' in text(pam.get(ORDERS))
    with queries("page:version-tools"):
        page = text(pam.get(TOOLS))
    assert f"{settings.GATEWAY_URL}/acme/orders/v1/mcp" in page
    assert "GET /orders/{id}" in page
    assert "checked" not in page


def test_pam_switches_a_tool_on_changes_it_and_switches_it_off(cast: Cast, pam: Client, orders: Api) -> None:
    carl = signed_in(cast.carl)
    sent = {ON: "on", NAME: "get_order", SAYS: "One of them.", "enabled": "on", "seen": "none", "once": "a" * 32}
    assert pam.post(TOOLS, sent)["Location"] == f"{ORDERS}?version=v1"
    server = kept(cast)
    assert server is not None
    assert (server.enabled, server.tools) == (True, [{"operation": "getOrder", "name": "get_order", "description": "One of them."}])
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
    assert (event.kind, event.actor_id) == ("mcp.switched_on", cast.pam.pk)
    page = text(pam.get(ORDERS))
    assert "Agents may use the tools of Orders v1." in page
    assert f"/receipts/{event.number}/" in page
    page = text(pam.get(TOOLS))
    assert 'value="get_order"' in page
    assert "One of them." in page
    # Sent twice, and by who has not seen it.
    assert pam.post(TOOLS, sent).status_code == 409
    again = pam.post(TOOLS, {**sent, "once": "b" * 32})
    assert again.status_code == 409
    assert "Somebody changed this meanwhile" in text(again)
    assert 'value="get_order"' in text(again), "what was typed stays"
    seen = mcp_servers.stamp(server)
    pam.post(TOOLS, {**sent, "seen": seen, "once": "c" * 32})
    assert "Nothing was changed." in text(pam.get(ORDERS))
    catalogue = text(carl.get(CATALOGUE))
    for said in (
        "For agents (MCP)",
        "1 tool",
        f"{settings.GATEWAY_URL}/acme/orders/v1/mcp",
        f"{settings.GATEWAY_URL}/acme/mcp",
        "mcpServers",
    ):
        assert said in catalogue
    pam.post(TOOLS, {ON: "on", NAME: "get_order", "seen": seen, "once": "d" * 32})
    assert "Agents have no tools of Orders v1." in text(pam.get(ORDERS))
    assert "For agents (MCP)" not in text(carl.get(CATALOGUE))


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"enabled": "on"}, "Choose at least one operation."),
        ({ON: "on", NAME: "a b"}, "takes letters, digits, - and _"),
        ({ON: "on", NAME: "x" * 65}, "at most 64 of them"),
        ({ON: "on", SAYS: "x" * 1_001}, "at most 1000 characters"),
        ({ON: "on", NAME: "x\x00y"}, "Control characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(cast: Cast, pam: Client, orders: Api, sent: dict[str, str], said: str) -> None:
    answer = pam.post(TOOLS, {"seen": "none", **sent})
    assert answer.status_code == 422
    assert said in text(answer)
    assert kept(cast) is None
    if NAME in sent and "\x00" not in sent[NAME]:
        assert f'value="{sent[NAME]}"' in text(answer)


def test_what_is_wrong_with_a_tool_stands_at_it(cast: Cast, pam: Client, orders: Api) -> None:
    """There may be two hundred of them on the page."""
    second = "createOrder"
    on, name = (f"{field}_{_key(second)}" for field in ("on", "name"))
    sent = {"enabled": "on", "seen": "none", ON: "on", NAME: "a b", SAYS: "x" * 1_001, on: "on", name: "get_order"}
    page = text(pam.post(TOOLS, sent))
    for field, said in ((NAME, "takes letters, digits, - and _"), (SAYS, "A description has at most 1000 characters.")):
        (error,) = re.findall(rf'id="id_{field}_error"[^>]*>(.*?)</', page, re.DOTALL)
        assert said in re.sub(r"<[^>]+>", "", error)
    assert page.count("takes letters, digits") == 1
    for field in (NAME, SAYS):
        assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', page)
    assert 'value="get_order"' in page
    # Two of one name: the one that stands below is asked for another.
    page = text(pam.post(TOOLS, {**sent, NAME: "get_order", SAYS: ""}))
    assert page.count("Two tools have the name “get_order”.") == 1
    assert re.search(rf'name="{NAME}"[^>]*aria-invalid="true"', page)
    assert not re.search(rf'name="{name}"[^>]*aria-invalid="true"', page)
    # What is not chosen may be called as it will.
    assert pam.post(TOOLS, {"enabled": "on", "seen": "none", ON: "on", NAME: "get_order", name: "get_order"}).status_code == 302
    assert kept(cast) is not None


def test_what_is_in_the_way_stands_on_the_page(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        change_policies(orders, given={"ip_allow": ["203.0.113.0/24"]}, by=cast.pam)
    assert "from some addresses only" in text(pam.get(TOOLS))
    answer = pam.post(TOOLS, {ON: "on", "enabled": "on", "seen": "none"})
    assert (answer.status_code, "from some addresses only" in text(answer)) == (409, True)


def test_a_version_without_a_revision_says_what_comes_first(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        publishing.add_version(orders, name="v2", by=None)
    assert "Make a revision live first" in text(pam.get(f"{ORDERS}versions/v2/tools/"))


def test_an_operation_that_is_gone_can_be_left_out(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        version = orders.versions.get()
        mcp_servers.put(version, enabled=True, chosen=[{"operation": "getOrder"}, {"operation": "listOrders"}], by=cast.pam)
        only = {**make.DOCUMENT, "paths": {"/orders": make.DOCUMENT["paths"]["/orders"]}}
        publishing.make_live(publishing.add_revision(version, document=make.document(only), target=make.target(), by=None), by=None)
    page = text(pam.get(TOOLS))
    assert "The live revision has this operation no more" in page
    pam.post(TOOLS, {f"on_{_key('listOrders')}": "on", "enabled": "on"})
    server = kept(cast)
    assert server is not None
    assert [each["operation"] for each in server.tools] == ["listOrders"]


def test_of_a_large_version_some_are_shown(cast: Cast, pam: Client) -> None:
    paths = {f"/p{n:03}": {"get": {"operationId": f"get{n:03}", "responses": {"200": {"description": "Fine."}}}} for n in range(SHOWN + 5)}
    with tenant_scope(cast.acme.pk):
        large = make.api("large", content={**make.DOCUMENT, "paths": paths})
        chosen = [{"operation": f"get{SHOWN + 3:03}"}]
        mcp_servers.put(large.versions.get(), enabled=True, chosen=chosen, by=cast.pam)
    page = text(pam.get("/t/acme/console/apis/large/versions/v1/tools/"))
    assert "5 operations more can be chosen over REST." in page
    assert f"/p{SHOWN + 3:03}" in page


def test_eve_and_carl_do_not_see_it(cast: Cast, orders: Api) -> None:
    eve, carl = signed_in(cast.eve), signed_in(cast.carl)
    assert eve.get(TOOLS).status_code == 404
    assert eve.post(TOOLS, {ON: "on"}).status_code == 404
    assert carl.get(TOOLS).status_code == 403
    assert carl.post(TOOLS, {ON: "on"}).status_code == 403
    assert kept(cast) is None
