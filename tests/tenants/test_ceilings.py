"""How many calls of a tenant pass: Olga says it, Ada reads it, and nobody else says anything."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client, override_settings

from gateway import desired
from portal.words import happened
from tenants.errors import Invalid
from tenants.models import Event, PlatformEvent, Tenant, User
from tenants.people import tenants
from tenants.scope import tenant_scope
from tests.conftest import Cast, Rest, base, queries

REST = "/api/v1/platform/tenants/acme/ceiling/"
PAGE = "/platform/tenants/acme/ceiling/"
RANGE = "A ceiling is from 1 to 1000000 calls a second, or 0 for none."


def signed_in(user: User) -> Client:
    found = Client()
    found.force_login(user)
    return found


def acme(cast: Cast) -> Tenant:
    return Tenant.objects.get(pk=cast.acme.pk)


def at_the_gateways(cast: Cast) -> int:
    return desired.read(cast.acme.pk).tenant.max_calls


def told(cast: Cast) -> list[dict[str, Any]]:
    with tenant_scope(cast.acme.pk):
        return list(Event.objects.filter(kind="tenant.ceiling_changed").order_by("number").values_list("data", flat=True))


@pytest.mark.django_db(transaction=True)
def test_gateways_hear_of_it(cast: Cast) -> None:
    assert at_the_gateways(cast) == 0
    tenants.change_ceiling(acme(cast), max_calls=500, by=cast.olga)
    assert at_the_gateways(cast) == 500
    with override_settings(TENANT_CALLS_PER_SECOND=70):
        assert at_the_gateways(cast) == 500
        tenants.change_ceiling(acme(cast), max_calls=None, by=cast.olga)
        assert at_the_gateways(cast) == 70, "what the platform says for every tenant"
        tenants.change_ceiling(acme(cast), max_calls=0, by=cast.olga)
        assert at_the_gateways(cast) == 0


def test_it_is_recorded_at_both_once(cast: Cast) -> None:
    assert tenants.change_ceiling(acme(cast), max_calls=500, by=cast.olga) is not None
    assert tenants.change_ceiling(acme(cast), max_calls=500, by=cast.olga) is None
    tenants.change_ceiling(acme(cast), max_calls=0, by=cast.olga)
    tenants.change_ceiling(acme(cast), max_calls=None, by=cast.olga)
    assert [(each["was"], each["now"]) for each in told(cast)] == [(None, 500), (500, 0), (0, None)]
    assert PlatformEvent.objects.filter(kind="tenant.ceiling_changed", subject_id=cast.acme.pk).count() == 3
    said = [happened("tenant.ceiling_changed", each, actor="Olga", subject="Acme", by_a_person=True) for each in told(cast)]
    assert said == [
        "Olga lets 500 calls a second pass of all of the tenant's APIs together",
        "Olga took the ceiling of the tenant's calls away",
        "Olga lets as many calls of the tenant pass as the platform does where nothing is said",
    ]


@pytest.mark.parametrize("wrong", [-1, 1_000_001, 10**30])
def test_what_no_gateway_counts_is_refused(cast: Cast, wrong: int) -> None:
    with pytest.raises(Invalid) as refused:
        tenants.change_ceiling(acme(cast), max_calls=wrong, by=cast.olga)
    assert refused.value.problems == {"max_calls": [RANGE]}
    assert told(cast) == []


def test_operators_alone_say_it_over_rest(cast: Cast, rest: Rest) -> None:
    olga = rest(cast.olga)
    with queries("POST platform ceiling/"):
        answer = olga.post(REST, {"max_calls": 500})
    assert (answer.status_code, answer.json()["max_calls"], answer.json()["ceiling"]) == (200, 500, 500)
    assert olga.post(REST, {"max_calls": None}).json()["max_calls"] is None
    for wrong in ("many", -1, 10**30, 1.5, [1]):
        assert olga.post(REST, {"max_calls": wrong}).status_code == 422, wrong
    assert olga.post(REST, {}).status_code == 422
    assert olga.post(REST, {"max_calls": 1, "burst": 2}).status_code == 422
    assert olga.post(REST.replace("acme", f"no-{uuid4().hex[:8]}"), {"max_calls": 1}).status_code == 404
    for user in (cast.ada, cast.eve):
        assert rest(user).post(REST, {"max_calls": 0}).status_code == 404
    assert told(cast)[-1]["now"] is None


def test_its_members_read_it_over_rest(cast: Cast, rest: Rest) -> None:
    tenants.change_ceiling(acme(cast), max_calls=500, by=cast.olga)
    assert rest(cast.ada).get(f"{base(cast.acme)}/").json()["ceiling"] == 500
    assert rest(cast.eve).get(f"{base(cast.acme)}/").status_code == 404


# The page


@pytest.fixture
def olga(cast: Cast) -> Client:
    return signed_in(cast.olga)


def test_olga_says_it_on_a_page(cast: Cast, olga: Client) -> None:
    assert f'href="{PAGE}"' in olga.get("/platform/").content.decode()
    shown = olga.get(PAGE).content.decode()
    assert "How many calls of Acme pass?" in shown
    assert "The platform says no ceiling for every tenant." in shown
    assert olga.post(PAGE, {"max_calls": "500"})["Location"] == "/platform/"
    assert acme(cast).max_calls == 500
    assert 'value="500"' in olga.get(PAGE).content.decode()
    assert "Calls a second: 500" in olga.get("/platform/?q=acme").content.decode()
    assert olga.post(PAGE, {"max_calls": ""}).status_code == 302
    assert acme(cast).max_calls == 0
    with override_settings(TENANT_CALLS_PER_SECOND=1_200):
        assert "The platform says 1,200 calls a second for every tenant." in olga.get(PAGE).content.decode()
    assert olga.post(PAGE, {"default": "on", "max_calls": "7"}).status_code == 302
    assert acme(cast).max_calls is None


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("-1", RANGE), ("1000001", RANGE), ("many", "Give a whole number."), ("1.5", "Give a whole number."), ("9" * 40, RANGE)],
)
def test_what_can_not_be_comes_back_as_it_was_typed(cast: Cast, olga: Client, typed: str, sentence: str) -> None:
    answer = olga.post(PAGE, {"max_calls": typed})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in shown
    assert f'value="{typed}"' in shown
    assert told(cast) == []


def test_nobody_else_finds_the_page(cast: Cast, olga: Client) -> None:
    for user in (cast.ada, cast.eve):
        assert [signed_in(user).get(PAGE).status_code, signed_in(user).post(PAGE, {"max_calls": "1"}).status_code] == [404, 404]
    assert Client().get(PAGE).status_code == 302
    assert olga.get(PAGE.replace("acme", "nobody")).status_code == 404


def test_ada_sees_it_at_the_gateways(cast: Cast) -> None:
    assert "as the platform's operator says" not in signed_in(cast.ada).get("/t/acme/console/gateways/").content.decode()
    tenants.change_ceiling(acme(cast), max_calls=500, by=cast.olga)
    shown = signed_in(cast.ada).get("/t/acme/console/gateways/").content.decode()
    assert "All APIs together take 500 calls a second" in shown
