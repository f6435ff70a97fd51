"""The pages of groups of gateways: Olga makes groups and places gateways, Pam places an API, Carl reads where it is called."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apis.models import Api
from gateway import groups, placing
from gateway.models import DEFAULT, GatewayGroup, GatewayNode
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

LIST = "/platform/gateway-groups/"
PLACE = "/t/acme/console/apis/orders/gateways/"


@pytest.fixture
def olga(cast: Cast) -> Client:
    return signed_in(cast.olga)


@pytest.fixture
def eu(cast: Cast) -> GatewayGroup:
    return groups.create(name="eu", description="In Europe", url="https://eu.gw.example", by=None)


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


def group(name: str = "eu") -> GatewayGroup:
    return GatewayGroup.objects.get(name=name)


def test_olga_makes_changes_and_deletes_a_group(olga: Client) -> None:
    assert f'href="{LIST}"' in olga.get("/platform/gateways/").content.decode()
    assert "default" in text(olga.get(LIST))
    assert "No gateway is known yet" in text(olga.get(LIST))
    refused = olga.post(f"{LIST}new/", {"name": "Europe", "description": "Kept", "url": "eu.example"})
    assert refused.status_code == 422
    assert 'value="Kept"' in refused.content.decode()
    assert "Use lower-case letters" in text(refused)
    form = {"name": "eu", "description": "In Europe", "url": "https://eu.gw.example/", "once": "abc"}
    assert olga.post(f"{LIST}new/", form)["Location"] == LIST
    assert olga.post(f"{LIST}new/", {**form, "name": "us"}).status_code == 409
    assert "https://eu.gw.example" in text(olga.get(LIST))
    page = f"{LIST}{group().pk}/"
    some = {"name": "eu", "used_by": "some", "tenants": "acme, globex\n"}
    assert olga.post(page, some).status_code == 302
    assert (group().for_all, group().url, group().tenants.count()) == (False, "", 2)
    assert ">\nacme\nglobex</textarea>" in olga.get(page).content.decode()
    wrong = olga.post(page, {**some, "tenants": "nobody"})
    assert (wrong.status_code, "There is no tenant “nobody”." in text(wrong)) == (422, True)
    assert olga.post(page, {"name": "eu"}).status_code == 422
    assert "Delete the group eu?" in text(olga.get(f"{page}delete/"))
    assert olga.post(f"{page}delete/")["Location"] == LIST
    assert olga.get(page).status_code == 404
    default = olga.post(f"{LIST}{DEFAULT}/", {"name": "other", "used_by": "all"})
    assert (default.status_code, "keeps its name" in text(default)) == (409, True)
    assert olga.post(f"{LIST}{DEFAULT}/delete/").status_code == 409


def test_olga_places_a_gateway(olga: Client, eu: GatewayGroup) -> None:
    node = GatewayNode.objects.create(
        name="gateway-1",
    )
    page = f"/platform/gateways/{node.pk}/groups/"
    assert f'href="{page}"' in olga.get(LIST).content.decode()
    assert "eu: In Europe" in text(olga.get(page))
    assert olga.post(page, {"groups": ["eu", "default"]})["Location"] == LIST
    assert placing.groups_of_gateway(node) == ["default", "eu"]
    for wrong, said in (([], "Choose at least one group."), (["us"], "Choose from these groups.")):
        answer = olga.post(page, {"groups": wrong})
        assert (answer.status_code, said in text(answer)) == (422, True)
    refused = olga.post(f"{LIST}{eu.pk}/delete/")
    assert (refused.status_code, "Gateways are in it: gateway-1." in text(refused)) == (409, True)


def test_operators_alone_find_them(cast: Cast, eu: GatewayGroup) -> None:
    node = GatewayNode.objects.create(
        name="gateway-1",
    )
    for page in (LIST, f"{LIST}new/", f"{LIST}{eu.pk}/", f"{LIST}{eu.pk}/delete/", f"/platform/gateways/{node.pk}/groups/"):
        for person in (cast.ada, cast.eve):
            assert [signed_in(person).get(page).status_code, signed_in(person).post(page).status_code] == [404, 404]
        assert Client().get(page).status_code == 302


def test_a_list_of_many_takes_as_many_queries(olga: Client) -> None:
    for number in range(3):
        groups.place_gateway(
            GatewayNode.objects.create(
                name=f"gateway-{number}",
            ),
            [groups.create(name=f"g{number}", by=None)],
            by=None,
        )
    with queries("page:platform-gateway-groups"):
        olga.get(LIST)


def test_pam_places_an_api_and_sees_the_receipt(in_acme: Cast, orders: Api, eu: GatewayGroup) -> None:
    pam = signed_in(in_acme.pam)
    assert PLACE in pam.get("/t/acme/console/apis/orders/").content.decode()
    with queries("page:console-api-gateways"):
        pam.get(PLACE)
    answer = pam.post(PLACE, {"groups": ["eu"]}, follow=True)
    assert "Other gateways serve Orders now." in answer.content.decode()
    assert "https://eu.gw.example/acme/orders/v1" in text(answer)
    assert groups.groups_of_api(orders) == ["eu"]
    empty = pam.post(PLACE, {})
    assert (empty.status_code, "Choose at least one group" in text(empty)) == (422, True)
    assert "Nothing was changed." in pam.post(PLACE, {"groups": ["eu"]}, follow=True).content.decode()


def test_carl_reads_where_an_api_is_called(in_acme: Cast, orders: Api, eu: GatewayGroup) -> None:
    carl = signed_in(in_acme.carl)
    usual, theirs = (f"{base}/acme/orders/v1" for base in (settings.GATEWAY_URL, eu.url))
    assert usual in text(carl.get("/t/acme/apis/orders/"))
    groups.place_api(orders, ["default", "eu"], by=None)
    shown = text(carl.get("/t/acme/apis/orders/"))
    assert usual in shown
    assert theirs in shown
    groups.place_api(orders, ["eu"], by=None)
    shown = text(carl.get("/t/acme/apis/orders/"))
    assert usual not in shown
    assert theirs in shown


def test_who_may_not_finds_no_way(in_acme: Cast, orders: Api, eu: GatewayGroup) -> None:
    cases: list[tuple[Any, int]] = [(in_acme.eve, 404), (in_acme.carl, 403)]
    for person, status in cases:
        assert signed_in(person).post(PLACE, {"groups": ["eu"]}).status_code == status
    assert groups.groups_of_api(orders) == ["default"]
