"""Pam sees what a gateway does with the calls of her APIs, and whether the page can be sure of it."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.actions import versions
from apis.models import Api, ApiVersion
from gateway.models import Deployment, GatewayNode
from tenants.models import Event, Role
from tests import make
from tests.conftest import Cast, queries
from tests.gateway.test_configuration import acknowledges
from tests.gateway.test_many_receipts import covers, node
from tests.portal.pages.test_console import signed_in, text

PAGE = "/t/acme/console/gateways/gateway-1/configuration/"


@pytest.fixture
def pam(in_acme: Cast) -> Client:
    return signed_in(in_acme.pam)


@pytest.fixture
def api(in_acme: Cast) -> Api:
    return make.api("orders")


@pytest.fixture
def at(api: Api) -> GatewayNode:
    """It has acknowledged everything."""
    found = node("gateway-1")
    acknowledges(found)
    covers(found, newest(), newest())
    return found


def newest() -> int:
    return Event.objects.latest("number").number


def code(response: Any) -> str:
    """What stands in it, whose words are marked one by one."""
    return unescape(re.sub(r"<[^>]+>", "", response.content.decode()))


def large(many: int) -> dict[str, Any]:
    answers = {"responses": {"200": {"description": "Answers"}}}
    return {**make.DOCUMENT, "paths": {f"/things-{n}": {"get": {"operationId": f"getThing{n}", **answers}} for n in range(many)}}


def test_who_sees_it(in_acme: Cast, at: GatewayNode) -> None:
    approver = make.member(in_acme.acme, "vera@acme.example", Role.APPROVER)
    for address in (PAGE, f"{PAGE}orders/v1/", f"{PAGE}orders/v1/json/"):
        for user, status in ((in_acme.pam, 200), (in_acme.ada, 200), (approver, 403), (in_acme.carl, 403), (in_acme.eve, 404)):
            assert signed_in(user).get(address).status_code == status
    assert PAGE in signed_in(in_acme.pam).get("/t/acme/console/gateways/gateway-1/").content.decode()
    assert PAGE not in signed_in(approver).get("/t/acme/console/gateways/gateway-1/").content.decode()


def test_up_to_which_decision(pam: Client, at: GatewayNode, api: Api) -> None:
    said = text(pam.get(PAGE))
    assert "In step" in said
    published = Event.objects.get(kind="version.published").number
    assert f"Where calls go acknowledged, with the newest decision, event {published}" in said
    versions.block(ApiVersion.objects.get(), reason="A test.", by=make.somebody(Role.PUBLISHER))
    said = text(pam.get(PAGE))
    blocked = newest()
    assert f"acknowledged up to event {blocked - 1}; the newest decision is event {blocked}" in said


def test_before_it_has_acknowledged_anything(pam: Client, in_acme: Cast, api: Api) -> None:
    node("gateway-1", loaded=False)
    said = text(pam.get(PAGE))
    assert "Not loaded yet" in said
    assert "nothing acknowledged; the newest decision is event" in said
    assert "Orders v1" in said
    assert "Whether gateway-1 has it so is not known" in text(pam.get(f"{PAGE}orders/v1/"))


def test_without_any_version(pam: Client, in_acme: Cast) -> None:
    node("gateway-1")
    assert "It has no routes" in text(pam.get(PAGE))


def test_versions_are_found_by_the_names_of_their_apis(pam: Client, at: GatewayNode) -> None:
    make.api("payments")
    acknowledges(at)
    assert "2 in all" in text(pam.get(PAGE))
    said = text(pam.get(f"{PAGE}?q=paym"))
    assert "Payments v1" in said
    assert "Orders v1" not in said
    assert "No version is called so" in text(pam.get(f"{PAGE}?q=nothing"))


def test_what_it_does_with_one_operation(pam: Client, at: GatewayNode) -> None:
    said = text(pam.get(f"{PAGE}orders/v1/"))
    assert f"gateway-1 has acknowledged exactly this, last with event {newest()}." in said
    assert "GET /orders/{id}" in said
    assert "regex_rewrite" not in said
    said = code(pam.get(f"{PAGE}orders/v1/?operation=getOrder"))
    assert '"regex": "^/acme/orders/v1"' in said
    assert '"name": "op/getOrder"' in said
    said = text(pam.get(f"{PAGE}orders/v1/?q=post"))
    assert "POST /orders" in said
    assert "GET" not in said.partition("What it does with each operation")[2].partition("The steps")[0]


@pytest.mark.parametrize(
    ("state", "parts", "says"),
    [
        ("in_step", {"orders/v1": "0" * 64}, "gateway-1 has the version in another form, of which no copy is kept."),
        ("in_step", {}, "has acknowledged a configuration without this version"),
        ("closed", {}, "gateway-1 lets no call through for this tenant. These are the routes that it had before."),
        ("in_step", None, "Whether gateway-1 has it so is not known"),
    ],
)
def test_what_it_can_not_be_sure_of_it_says(pam: Client, at: GatewayNode, state: str, parts: Any, says: str) -> None:
    Deployment.objects.update(state=state, parts=parts)
    said = text(pam.get(f"{PAGE}orders/v1/"))
    assert says in said
    assert "exactly this" not in said


def test_a_gateway_that_is_away_goes_on_with_it(pam: Client, at: GatewayNode) -> None:
    GatewayNode.objects.update(connected=False)
    assert "It is not connected, and goes on with it." in text(pam.get(f"{PAGE}orders/v1/"))


def test_a_blocked_version_says_what_its_calls_are_answered(pam: Client, at: GatewayNode) -> None:
    versions.block(ApiVersion.objects.get(), reason="A test.", by=make.somebody(Role.PUBLISHER))
    answer = pam.get(f"{PAGE}orders/v1/?operation=getOrder")
    assert "Every call of its operations is answered API_BLOCKED." in text(answer)
    assert '"cluster": "nowhere"' in code(answer)


def test_the_file_has_all_of_it(pam: Client, at: GatewayNode) -> None:
    answer = pam.get(f"{PAGE}orders/v1/json/")
    assert answer["Content-Disposition"] == 'attachment; filename="gateway-1-orders-v1.json"'
    told = json.loads(b"".join(answer))
    assert (told["gateway"], told["tenant"], told["api"], told["version"], told["truth"]) == (
        "gateway-1", "acme", "orders", "v1", "acknowledged",
    )  # fmt: skip
    assert {(each["method"], each["path"]) for each in told["operations"]} == {
        ("GET", "/orders"), ("POST", "/orders"), ("GET", "/orders/{id}"),
    }  # fmt: skip
    assert all(each["route"]["route"]["cluster"] == told["cluster"]["name"] for each in told["operations"])


def test_of_many_operations_the_first_are_shown_and_the_others_found(pam: Client, in_acme: Cast) -> None:
    make.api("orders", content=large(300))
    node("gateway-1")
    page = pam.get(f"{PAGE}orders/v1/")
    assert page.content.decode().count("/things-") == 200
    assert "100 more operations; search for one." in text(page)
    assert "/things-299" in text(pam.get(f"{PAGE}orders/v1/?q=things-299"))
    assert "No operation has this" in text(pam.get(f"{PAGE}orders/v1/?q=nothing"))


@pytest.mark.parametrize("address", [f"{PAGE}nothing/v1/", f"{PAGE}orders/v9/", PAGE.replace("gateway-1", "gateway-9")])
def test_there_is_no_such_thing(pam: Client, at: GatewayNode, address: str) -> None:
    assert pam.get(address).status_code == 404


@pytest.mark.parametrize("rest_of_it", ["", "payments/v1/?operation=getThing1"])
def test_as_many_queries_for_many(pam: Client, at: GatewayNode, api: Api, rest_of_it: str) -> None:
    make.version(api, name="v2")
    make.api("payments", content=large(30))
    node("gateway-2")
    acknowledges(at)
    with queries(f"page:gateway-configuration{'-version' if rest_of_it else ''}"):
        pam.get(f"{PAGE}{rest_of_it}")
