"""Groups of gateways: Olga makes them and places gateways, Pam places her APIs, and nobody finds what is not theirs."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from apis.models import Api
from gateway import desired, domains, groups, nodes, placing, receipts, views
from gateway.control import Control
from gateway.database import Database
from gateway.doors import Doors
from gateway.envoy.resources import Resource
from gateway.envoy.state import Access
from gateway.models import DEFAULT, ApiGroup, GatewayGroup, GatewayNode, GroupedNode, GroupUse, Loaded
from gateway.views import USUAL, Groups, View
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, PlatformEvent
from tenants.scope import tenant_scope
from tests import make
from tests.cast import Cast
from tests.conftest import Rest, base
from tests.gateway.test_domains import issued

GROUPS = "/api/v1/platform/gateway-groups/"


def group(name: str = "eu", **fields: Any) -> GatewayGroup:
    return groups.create(name=name, by=None, **fields)


def node(name: str = "gateway-1") -> GatewayNode:
    return GatewayNode.objects.create(
        name=name,
    )


def routes(view: View = USUAL) -> list[str]:
    """The APIs that gateways of the view route to."""
    there = views.shown(view)
    return [each.api for each in desired._routes(desired.live(there), there)]


def access(view: View = USUAL) -> Access:
    return desired._access(views.shown(view))


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


def test_a_gateway_that_is_too_old_for_ai_apis_sees_less(in_acme: Cast) -> None:
    old, new, silent = (GatewayNode.objects.create(name=f"gateway-{version}", version=version) for version in ("1.39.2", "1.40.0", ""))
    there = views.read()
    assert [there.view(each.pk).serves_ai for each in (old, new, silent)] == [False, True, True]
    # It is a view of its own, so others get what they can serve.
    assert there.view(new.pk) == USUAL != there.view(old.pk)


def test_the_default_group_is_there_and_stays_what_it_is(in_acme: Cast) -> None:
    default = GatewayGroup.objects.get()
    assert (default.pk, default.name, default.for_all) == (DEFAULT, "default", True)
    for changes in ({"name": "other"}, {"for_all": False}):
        with pytest.raises(NotAllowed, match="keeps its name"):
            groups.change(default, changes, by=None)
    with pytest.raises(NotAllowed, match="stays"):
        groups.delete(default, by=None)
    assert groups.change(default, {"description": "All others", "url": "https://gw.example"}, by=in_acme.olga) is not None


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": " "}, "name", "needs a name"),
        ({"name": "Europe"}, "name", "lower-case"),
        ({"name": "x" * 41}, "name", "40 characters"),
        ({"name": "default"}, "name", "already"),
        ({"name": "eu", "description": "x" * 301}, "description", "300 characters"),
        ({"name": "eu", "url": "eu.gw.example"}, "url", "begin with https"),
        ({"name": "eu", "url": "https://eu.gw.example/path"}, "url", "path"),
        ({"name": "eu", "url": "https://user@eu.gw.example"}, "url", "names a user"),
        ({"name": "eu", "url": "https://*"}, "url", "wildcard"),
    ],
)
def test_what_makes_no_group_is_told_at_its_field(in_acme: Cast, fields: dict[str, str], field: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        groups.create(**fields, by=None)
    assert [*refused.value.problems] == [field]


def test_an_operator_renames_describes_and_restricts_a_group(in_acme: Cast) -> None:
    eu = group(url="https://eu.gw.example/")
    assert eu.url == "https://eu.gw.example"
    event = groups.change(eu, {"name": "europe", "for_all": False, "tenants": ["acme"]}, by=in_acme.olga)
    assert event is not None
    assert (event.kind, event.data["now"]) == ("gateway_group.changed", {"name": "europe", "for_all": False, "tenants": ["acme"]})
    assert groups.change(eu, {"name": "europe"}, by=None) is None
    assert [each.name for each in groups.usable()] == ["default", "europe"]
    with tenant_scope(in_acme.globex.pk):
        assert [each.name for each in groups.usable()] == ["default"]
    with pytest.raises(Invalid, match="no tenant “nobody”"):
        groups.change(eu, {"tenants": ["nobody"]}, by=None)


def test_an_api_is_served_by_the_default_group_until_its_publisher_says_otherwise(in_acme: Cast, orders: Api) -> None:
    eu = group()
    there = View((eu.pk,))
    assert (routes(), routes(there)) == (["orders"], [])
    event = groups.place_api(orders, ["eu"], by=in_acme.pam)
    assert event is not None
    assert (event.kind, event.data) == ("api.gateways_changed", {"was": ["default"], "now": ["eu"]})
    assert (routes(), routes(there), routes(View((DEFAULT, eu.pk)))) == ([], ["orders"], ["orders"])
    assert groups.place_api(orders, ["eu"], by=in_acme.pam) is None
    groups.place_api(orders, ["default", "eu"], by=in_acme.pam)
    assert (routes(), routes(there)) == (["orders"], ["orders"])
    groups.place_api(orders, ["default"], by=in_acme.pam)
    assert (routes(), routes(there)) == (["orders"], [])
    assert not ApiGroup.objects.exists()
    assert not GroupUse.objects.exists()


def test_a_gateway_is_told_nothing_of_apis_that_it_does_not_serve(in_acme: Cast, orders: Api) -> None:
    """Neither its grants nor the tenant's keys, retired versions and revisions that are tried."""
    eu = group()
    make.subscription(to=make.plan(orders))
    make.api_key()
    other = make.api("other")
    groups.place_api(other, ["eu"], by=None)
    here, there, nowhere = (access(view) for view in (USUAL, View((eu.pk,)), View((uuid4(),))))
    assert ([each.api for each in here.grants], len(here.api_keys)) == (["orders"], 1)
    assert ([each.api for each in there.grants], len(there.api_keys)) == ([], 1)
    assert (nowhere.grants, nowhere.api_keys, nowhere.revoked_credentials) == ((), (), ())
    assert nowhere.jwks == here.jwks


def test_routes_from_before_a_move_are_not_given_back(in_acme: Cast, orders: Api) -> None:
    """What a gateway falls back to after it refused something obeys the groups of today."""
    group()
    ref = desired.live()
    assert desired._routes(ref, views.shown(USUAL))
    groups.place_api(orders, ["eu"], by=None)
    assert desired._routes(ref, views.shown(USUAL)) == ()


def test_a_groups_address_is_a_host_of_its_gateways_alone(in_acme: Cast) -> None:
    eu = group(url="https://eu.gw.example:8443")
    groups.place_gateway(node(), [eu], by=None)
    view = views.read().view(GatewayNode.objects.get().pk)
    assert view == View((eu.pk,), ("eu.gw.example",))


@pytest.mark.parametrize(
    ("names", "said"), [([], "at least one group"), (["nothing"], "no group “nothing”"), (["internal"], "no group “internal”")]
)
def test_an_api_goes_only_where_its_tenant_may(in_acme: Cast, orders: Api, names: list[str], said: str) -> None:
    internal = group("internal")
    groups.change(internal, {"for_all": False, "tenants": ["globex"]}, by=None)
    many = Event.objects.count()
    with pytest.raises(Invalid, match=said):
        groups.place_api(orders, names, by=in_acme.pam)
    assert Event.objects.count() == many


def test_a_group_in_use_is_neither_deleted_nor_taken_from_its_users(in_acme: Cast, orders: Api) -> None:
    eu = group()
    groups.place_gateway(node(), [eu], by=None)
    with pytest.raises(NotAllowed, match=r"Gateways are in it: gateway-1\."):
        groups.delete(eu, by=None)
    groups.place_gateway(GatewayNode.objects.get(), [GatewayGroup.objects.get(pk=DEFAULT)], by=None)
    groups.place_api(orders, ["eu"], by=None)
    with pytest.raises(NotAllowed, match=r"APIs of Acme are in it\."):
        groups.delete(eu, by=None)
    with pytest.raises(NotAllowed, match="APIs of Acme are in it, so they may use it"):
        groups.change(eu, {"for_all": False, "tenants": ["globex"]}, by=None)
    groups.place_api(orders, ["default"], by=None)
    groups.delete(eu, by=in_acme.olga)
    assert [each.name for each in GatewayGroup.objects.all()] == ["default"]
    with pytest.raises(NotAllowed, match="not there any more"):
        groups.delete(eu, by=None)


def test_a_gateway_is_in_the_default_group_until_an_operator_says_otherwise(in_acme: Cast) -> None:
    one, eu = node(), group()
    default = GatewayGroup.objects.get(pk=DEFAULT)
    assert (placing.groups_of_gateway(one), views.read().view(one.pk)) == (["default"], USUAL)
    with pytest.raises(Invalid, match="at least one"):
        groups.place_gateway(one, [], by=None)
    event = groups.place_gateway(one, [eu, default], by=in_acme.olga)
    assert event is not None
    assert (event.kind, event.data) == ("gateway.groups_changed", {"was": ["default"], "now": ["default", "eu"]})
    assert views.read().view(one.pk).serves_all
    groups.place_gateway(one, [default], by=None)
    assert not GroupedNode.objects.exists()


def test_receipts_count_gateways_that_serve_the_tenant_or_hold_something_of_it(in_acme: Cast, orders: Api) -> None:
    eu = group()
    first, second = node("gateway-1"), node("gateway-2")
    groups.place_gateway(second, [eu], by=None)

    def names() -> tuple[str, ...]:
        return receipts.receipt(Event.objects.filter(kind="api.gateways_changed").order_by("-number")[0]).not_connected

    groups.place_api(orders, ["default", "eu"], by=None)
    assert names() == ("gateway-1", "gateway-2")
    groups.place_api(orders, ["default"], by=None)
    assert names() == ("gateway-1",)
    # It has not let go of it yet, so it is waited for.
    Loaded.objects.create(node=second, tenant_id=in_acme.acme.pk, at="2026-01-01T00:00:00Z")
    assert names() == ("gateway-1", "gateway-2")
    assert first.name == "gateway-1"


def test_tenants_see_only_gateways_of_groups_in_which_they_have_something(in_acme: Cast, orders: Api, rest: Rest) -> None:
    eu = group()
    groups.place_gateway(node("gateway-2"), [eu], by=None)
    groups.place_api(orders, ["default", "eu"], by=None)
    told = {
        person: rest(person).get(f"{base(at)}/gateways/").json()
        for person, at in ((in_acme.ada, in_acme.acme), (in_acme.eve, in_acme.globex))
    }
    assert [each["name"] for each in told[in_acme.ada]] == ["gateway-2"]
    assert told[in_acme.eve] == []
    assert rest(in_acme.eve).get(f"{base(in_acme.globex)}/gateways/gateway-2/configuration/").status_code == 404


def test_gateways_of_a_view_share_what_is_read_for_them(in_acme: Cast) -> None:
    """With one group all of them do."""
    control = Control()
    control._add_tenants({"acme": in_acme.acme.pk})
    there = View((uuid4(),))
    assert control._board("acme", View()) is control._board("acme", Groups().view(uuid4()))
    assert control._board("acme", there) is not control._board("acme", View())
    assert control._board("acme", there).view == there
    control._forget_views()
    assert control.boards == {"acme": {}}, "no gateway is there, so nobody needs them"


def test_a_gateway_is_told_of_tenants_that_have_something_there(in_acme: Cast, orders: Api) -> None:
    eu = group()
    there, acme = View((eu.pk,)), in_acme.acme.pk
    assert (views.read().serves(USUAL, acme), views.read().serves(there, acme)) == (True, False)
    groups.place_api(orders, ["eu"], by=None)
    assert views.read().serves(there, acme)
    assert not views.read().serves(there, in_acme.globex.pk)


def test_a_gateway_gets_no_certificate_of_a_tenant_that_has_nothing_there(in_acme: Cast, orders: Api) -> None:
    eu, pair = group(), issued("api.acme.example")
    domains.put_certificate(make.domain("api.acme.example"), certificate=pair.certificate, key=pair.key, by=in_acme.ada)
    there = View((eu.pk,))
    sent: list[tuple[list[str], list[str]]] = []

    class Asked:
        known: ClassVar[dict[str, dict[str, str]]] = {}

        def has(self, _: Resource) -> bool:
            return False

        async def send(self, _: str, resources: Sequence[Resource] = (), removed: Sequence[str] = ()) -> None:
            sent.append(([each.name for each in resources], list(removed)))

    class Here(Database):
        async def ask(self, work: Any, *args: Any, **kwargs: Any) -> Any:
            return work(*args, **kwargs)

    doors = Doors(Here(), {"api.acme.example": in_acme.acme.pk})
    known = views.read()
    for view in (USUAL, there):
        serves = partial(known.serves, view)
        # No loop is needed: whatever it waits for is there.
        with pytest.raises(StopIteration):
            doors.answer(Asked(), "api.acme.example", serves=serves).send(None)  # type: ignore[arg-type]
    assert sent == [(["api.acme.example"], []), ([], ["api.acme.example"])]


# REST


def test_olga_keeps_groups_over_rest(cast: Cast, rest: Rest) -> None:
    node()
    olga = rest(cast.olga)
    made = olga.post(GROUPS, {"name": "eu", "url": "https://eu.gw.example"}, format="json")
    assert made.status_code == 201
    one = f"{GROUPS}{made.json()['id']}/"
    changed = olga.patch(one, {"description": "Europe", "for_all": False, "tenants": ["acme"]}, format="json").json()
    assert (changed["description"], changed["for_all"], changed["tenants"]) == ("Europe", False, ["acme"])
    placed = olga.put("/api/v1/platform/gateways/gateway-1/groups/", {"groups": ["eu"]}, format="json")
    assert placed.json() == {"gateway": "gateway-1", "groups": ["eu"]}
    assert [each["gateways"] for each in olga.get(GROUPS).json()] == [[], ["gateway-1"]]
    assert olga.delete(one).status_code == 409
    assert olga.put("/api/v1/platform/gateways/gateway-1/groups/", {"groups": ["default"]}, format="json").status_code == 200
    assert olga.delete(one).status_code == 204
    assert olga.get(one).status_code == 404
    for wrong, status in (
        ({"name": "default"}, 422), ({"name": "x\x00"}, 422), ({}, 422), ({"name": "us", "members": []}, 422), ({"name": None}, 422),
    ):  # fmt: skip
        assert olga.post(GROUPS, wrong, format="json").status_code == status
    assert olga.put("/api/v1/platform/gateways/gateway-1/groups/", {"groups": ["nothing"]}, format="json").status_code == 422
    assert olga.put("/api/v1/platform/gateways/nobody/groups/", {"groups": ["default"]}, format="json").status_code == 404
    assert PlatformEvent.objects.filter(kind__startswith="gateway_group.").count() == 3


def test_pam_places_an_api_over_rest(in_acme: Cast, orders: Api, rest: Rest) -> None:
    group(url="https://eu.gw.example")
    place = f"{base(in_acme.acme)}/apis/orders/gateway-groups/"
    pam = rest(in_acme.pam)
    answer = pam.put(place, {"groups": ["eu"]}, format="json").json()
    assert answer["addresses"] == [{"group": "eu", "address": "https://eu.gw.example/acme/orders"}]
    receipt = pam.get(answer["receipt"]).json()
    assert (receipt["event"], receipt["kind"]) == (answer["event"], "api.gateways_changed")
    assert "event" not in pam.put(place, {"groups": ["eu"]}, format="json").json()
    assert pam.put(place, {"groups": []}, format="json").status_code == 422
    assert rest(in_acme.carl).get(place).json()["groups"] == ["eu"]
    assert rest(in_acme.carl).put(place, {"groups": ["default"]}, format="json").status_code == 403
    assert [each["name"] for each in pam.get(f"{base(in_acme.acme)}/gateway-groups/").json()] == ["default", "eu"]


def test_eve_finds_nothing(in_acme: Cast, orders: Api, rest: Rest) -> None:
    eu = group()
    eve = rest(in_acme.eve)
    for address in (GROUPS, f"{GROUPS}{eu.pk}/", "/api/v1/platform/gateways/gateway-1/groups/"):
        assert eve.get(address).status_code in {403, 404}
    place = f"{base(in_acme.acme)}/apis/orders/gateway-groups/"
    assert (eve.get(place).status_code, eve.put(place, {"groups": ["eu"]}, format="json").status_code) == (404, 404)
    assert groups.groups_of_api(orders) == ["default"]


def test_no_api_of_another_tenant_is_placed(in_acme: Cast, orders: Api) -> None:
    eu = group()
    with tenant_scope(in_acme.globex.pk):
        ApiGroup.objects.create(api_id=orders.pk, group=eu)
        with pytest.raises(IntegrityError), transaction.atomic():
            connection.check_constraints()
        ApiGroup.objects.all().delete()


def test_a_gateway_that_is_forgotten_is_in_no_group_any_more(in_acme: Cast) -> None:
    eu = group()
    gone = node("gone")
    groups.place_gateway(gone, [eu], by=None)
    nodes.forget(gone, by=None)
    groups.delete(eu, by=None)
