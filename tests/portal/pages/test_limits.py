"""How often something may be called, on pages: a plan's burst, an API's ceiling, and how both are divided for who may see gateways."""

from html import unescape
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from apis.models import Api, Plan
from gateway import register
from gateway.models import COUNTED, GatewayNode
from tenants.actions import add_member
from tenants.models import Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

POLICIES = "/t/acme/console/apis/orders/policies/"
TERMS = {"calls": "100", "period": "60", "seconds": "", "approval": "manual"}


def text(answer: Any) -> str:
    return " ".join(unescape(answer.content.decode()).split())


@pytest.fixture
def plan(cast: Cast, orders: Api) -> Plan:
    with tenant_scope(cast.acme.pk):
        return make.plan(orders, name="gold", calls=100, seconds=60)


def change(plan: Plan) -> str:
    return f"/t/acme/console/plans/{plan.pk}/change/"


def gateways(many: int) -> None:
    for n in range(many):
        node = GatewayNode.objects.create(name=f"g-{n}")
        register.node_joined(register.NodeId(node.pk, node.name), stream=node.pk, address="", version="1.40.0")
    assert GatewayNode.objects.filter(counted_until__gt=Now() + COUNTED / 2).count() == many


def test_pam_says_how_many_come_at_once(cast: Cast, pam: Client, plan: Plan) -> None:
    assert "at most" not in text(pam.get("/t/acme/console/plans/"))
    assert pam.post(change(plan), {**TERMS, "burst": "20"}).status_code == 302
    assert "100 calls a minute, at most 20 at once" in text(pam.get("/t/acme/console/plans/"))
    assert 'name="burst" value="20"' in text(pam.get(change(plan)))
    assert pam.post(change(plan), {**TERMS, "burst": ""}).status_code == 302
    assert "at most" not in text(pam.get("/t/acme/console/plans/"))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("0", "Give a number from 1 to 1,000,000."),
        ("-1", "Give a number from 1 to 1,000,000."),
        ("101", "The plan allows 100 calls in all, so no more can come at once."),
        ("9" * 30, "Give a number from 1 to 1,000,000."),
        ("<b>", "Give a whole number."),
    ],
)
def test_a_burst_that_can_not_be_comes_back_as_it_was_typed(pam: Client, plan: Plan, typed: str, sentence: str) -> None:
    answer = pam.post(change(plan), {**TERMS, "burst": typed})
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert f'name="burst" value="{typed}"' in text(answer)


def test_who_sees_gateways_sees_the_shares(cast: Cast, pam: Client, plan: Plan) -> None:
    assert "gateways that are connected" not in text(pam.get("/t/acme/console/plans/"))
    assert "gateways:" not in text(pam.get(change(plan)))
    gateways(3)
    assert "Each limit is divided among the 3 gateways that are connected, in equal shares." in text(pam.get("/t/acme/console/plans/"))
    assert "100 calls a minute, over 3 gateways: 34 calls at once at each." in text(pam.get(change(plan)))
    assert pam.post(change(plan), {**TERMS, "burst": "1"}).status_code == 302
    assert "100 calls a minute, at most 1 at once, over 3 gateways: 1 call at once at each." in text(pam.get(change(plan)))


def test_others_do_not(cast: Cast, plan: Plan) -> None:
    gateways(3)
    with tenant_scope(cast.acme.pk):
        ben = make.user("ben@acme.example")
        add_member(ben, roles=[Role.APPROVER], by=None)
    client = Client()
    client.force_login(ben)
    assert "gateways that are connected" not in text(client.get("/t/acme/console/plans/"))


def test_pam_gives_an_api_a_ceiling(cast: Cast, pam: Client, orders: Api) -> None:
    gateways(3)
    assert pam.post(POLICIES, {"max_calls": "1000", "max_calls_seconds": "60"}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Api.objects.get().policies == {"max_calls": 1000, "max_calls_seconds": 60}
    assert "at most 1000 calls a minute, of all callers together" in text(pam.get("/t/acme/console/apis/orders/"))
    shown = text(pam.get(POLICIES))
    assert 'name="max_calls" value="1000"' in shown
    assert "1,000 calls a minute, over 3 gateways: 334 calls at once at each." in shown
    assert pam.post(POLICIES, {"max_calls": "", "max_calls_seconds": "1"}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Api.objects.get().policies == {}


@pytest.mark.parametrize(
    ("typed", "seconds", "sentence"),
    [
        ("-1", "1", "A ceiling is from 1 to 1000000 calls, or 0 for none."),
        ("1000001", "1", "A ceiling is from 1 to 1000000 calls, or 0 for none."),
        ("many", "1", "Write a whole number."),
        ("5", "7", "Select a valid choice."),
    ],
)
def test_a_ceiling_that_can_not_be_is_refused(pam: Client, orders: Api, typed: str, seconds: str, sentence: str) -> None:
    answer = pam.post(POLICIES, {"max_calls": typed, "max_calls_seconds": seconds})
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert f'name="max_calls" value="{typed}"' in text(answer)
