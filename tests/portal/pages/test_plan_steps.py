"""Every step in the life of a plan, and every one that there is none, in the browser."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.models import Plan
from portal.pages import plans
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.plan_life import CHANGING, REFUSED, STEPS, WAYS, WHO, gold
from tests.steps import Step, named

LIST = "/t/acme/console/plans/"
Status = Plan.Status


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(answer.content.decode()))


def orders_gold(cast: Cast, state: str) -> Plan:
    with tenant_scope(cast.acme.pk):
        return gold(make.api("orders"), state)


def now(cast: Cast, plan: Plan) -> str:
    with tenant_scope(cast.acme.pk):
        return Plan.objects.values_list("status", flat=True).get(pk=plan.pk)


def signed_in(user: Any) -> Client:
    found = Client()
    found.force_login(user)
    return found


def leads_on(state: str) -> set[str]:
    return {step.way for step in STEPS if step.was == state} | ({"change", "audience"} if state in CHANGING else set())


def test_the_buttons_of_the_code_are_the_table() -> None:
    for state in Status.values:
        assert {name.removeprefix("console-plan-") for name, *_ in plans.WAYS[state]} == leads_on(state)


@pytest.mark.parametrize("page", [LIST, "/t/acme/console/apis/orders/"])
@pytest.mark.parametrize("state", Status.values)
def test_a_page_offers_what_leads_on_and_nothing_else(cast: Cast, pam: Client, state: str, page: str) -> None:
    plan = orders_gold(cast, state)
    assert set(re.findall(rf'href="{LIST}{plan.pk}/([\w-]+)/"', text(pam.get(page)))) == leads_on(state)
    reader = signed_in(make.member(cast.acme, None, Role.APPROVER))
    assert f"{LIST}{plan.pk}/" not in text(reader.get(page)), "who may not publish is offered nothing"


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_pam_takes_each_step_on_its_page(cast: Cast, pam: Client, step: Step) -> None:
    plan = orders_gold(cast, step.was)
    at = f"{LIST}{plan.pk}/{step.way}/"
    assert pam.get(at).status_code == 200
    assert step.said in text(pam.post(at, WAYS[step.way].given, follow=True))
    assert now(cast, plan) == step.now
    with tenant_scope(cast.acme.pk):
        assert Event.objects.order_by("-number")[0].kind == f"plan.{step.verb}"


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_no_page_goes_another_way(cast: Cast, pam: Client, way: str, state: str) -> None:
    plan = orders_gold(cast, state)
    answer = pam.post(f"{LIST}{plan.pk}/{way}/", WAYS[way].given)
    assert answer.status_code == 409
    assert re.search(r'class="errors" role="alert"> <p>(The plan gold|This plan) ', text(answer)), "says why"
    assert now(cast, plan) == state


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_only_who_publishes_takes_a_step_on_its_page(cast: Cast, step: Step) -> None:
    plan, given = orders_gold(cast, step.was), WAYS[step.way].given
    at = f"{LIST}{plan.pk}/{step.way}/"
    for role in set(Role.values) - WHO:
        assert signed_in(make.member(cast.acme, None, role)).post(at, given).status_code == 403, role
    assert signed_in(cast.eve).post(at, given).status_code == 404
    assert now(cast, plan) == step.was
    assert signed_in(cast.ada).post(at, given).status_code == 302
    assert now(cast, plan) == step.now
