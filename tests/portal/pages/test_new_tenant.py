"""Making a tenant: operators may, and everybody where the platform's settings say so."""

from typing import Any

import pytest
from django.test import Client

from keys.models import SigningKey
from tenants.models import Event, Membership, PlatformSettings, Tenant
from tenants.scope import tenant_scope
from tests.conftest import Cast
from tests.portal.pages.test_console import signed_in

PAGE = "/tenants/new/"


def test_olga_makes_one_and_administers_it(cast: Cast) -> None:
    olga = signed_in(cast.olga)
    assert "New tenant" in olga.get("/tenants/").content.decode()
    assert olga.post(PAGE, {"name": "Initech Ltd", "slug": ""}).headers["Location"] == "/t/initech-ltd/"
    made = Tenant.objects.get(slug="initech-ltd")
    with tenant_scope(made.pk):
        assert Membership.objects.get().roles == ["admin"]
        assert SigningKey.objects.filter(status="active").count() == 2
        assert Event.objects.get(number=1).kind == "tenant.created"
    assert olga.get("/t/initech-ltd/").status_code == 200


def test_others_may_where_the_platform_lets_them(cast: Cast, rest: Any) -> None:
    carl, program = signed_in(cast.carl), rest(cast.carl)
    assert "New tenant" not in carl.get("/tenants/").content.decode()
    assert carl.get(PAGE).status_code == 403
    assert program.post("/api/v1/tenants/", {"slug": "initech", "name": "Initech"}).status_code == 403
    PlatformSettings.objects.create(pk=1, tenants_by="everybody")
    assert carl.get(PAGE).status_code == 200
    answer = program.post("/api/v1/tenants/", {"slug": "initech", "name": "Initech"})
    assert (answer.status_code, answer.json()) == (201, {"slug": "initech", "name": "Initech", "roles": ["admin"]})
    assert program.post("/api/v1/tenants/", {"slug": "initech", "name": "Initech"}).status_code == 409


@pytest.mark.parametrize(
    "slug,said",
    [
        ("api", "is reserved"),
        ("static", "is reserved"),
        ("admin", "is reserved"),
        ("acme", "exists already"),
        ("Initech", "Use lower-case letters"),
        ("-initech", "Use lower-case letters"),
        ("in--itech", "Use lower-case letters"),
        ("аcme", "Use lower-case letters"),
        ("acmе-ltd", "Use lower-case letters"),
        ("x" * 41, "41 characters"),
    ],
)
def test_a_slug_that_will_not_do_has_its_sentence(cast: Cast, slug: str, said: str) -> None:
    answer = signed_in(cast.olga).post(PAGE, {"name": "Initech", "slug": slug})
    assert answer.status_code in {409, 422}
    text = answer.content.decode()
    assert said in text
    assert 'value="Initech"' in text
    assert slug in text


def test_a_name_without_letters_asks_for_an_address(cast: Cast) -> None:
    assert signed_in(cast.olga).post(PAGE, {"name": "東京", "slug": ""}).status_code == 422


def test_nobody_in_particular_makes_none(cast: Cast) -> None:
    assert Client().get(PAGE).status_code == 302
