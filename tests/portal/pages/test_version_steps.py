"""Every step in the life of a version, and every one that there is none, in the browser."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.actions import publishing
from apis.models import ApiVersion
from portal.pages import version_life
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.life import REFUSED, STEPS, WAYS, WHO, Step
from tests.steps import named

V2 = "/t/acme/console/apis/orders/v2/"
LIFE = f"{V2}life/"
# Pages that the life of a version offers beside its steps.
BESIDE = {"deprecated": {"sunset", "brown-out"}}
# What leads back says from where it would.
BACK = {"unblock": "blocked", "reinstate": "deprecated"}
Status = ApiVersion.Status


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(answer.content.decode()))


def orders_v2(cast: Cast, state: str) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        return make.version(make.api("orders"), status=state, by=cast.pam)


def now(cast: Cast, version: ApiVersion) -> str:
    with tenant_scope(cast.acme.pk):
        return ApiVersion.objects.values_list("status", flat=True).get(pk=version.pk)


def signed_in(user: Any) -> Client:
    found = Client()
    found.force_login(user)
    return found


def test_the_buttons_of_the_code_are_the_table() -> None:
    for state in Status.values:
        offered = {name.removeprefix("console-api-version-") for name, *_ in version_life.WAYS[state]}
        assert offered - BESIDE.get(state, set()) == {step.way for step in STEPS if step.was == state}


@pytest.mark.parametrize("state", Status.values)
def test_the_page_offers_what_leads_on_and_nothing_else(cast: Cast, pam: Client, state: str) -> None:
    orders_v2(cast, state)
    page = text(pam.get(LIFE))
    offered = set(re.findall(rf'href="{V2}([\w-]+)/"', page)) - {"life"} - BESIDE.get(state, set())
    assert offered == {step.way for step in STEPS if step.was == state}
    assert 'aria-current="step"' in page


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_pam_takes_each_step_on_its_page(cast: Cast, pam: Client, step: Step) -> None:
    version = orders_v2(cast, step.was)
    assert pam.get(f"{V2}{step.way}/").status_code == 200
    assert f"Orders v2 {step.said}" in text(pam.post(f"{V2}{step.way}/", WAYS[step.way].given, follow=True))
    assert now(cast, version) == step.now
    with tenant_scope(cast.acme.pk):
        assert Event.objects.order_by("-number")[0].kind == f"version.{step.verb}"


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_no_page_goes_another_way(cast: Cast, pam: Client, way: str, state: str) -> None:
    version = orders_v2(cast, state)
    answer = pam.post(f"{V2}{way}/", WAYS[way].given)
    assert answer.status_code == 409
    assert re.search(r'class="errors" role="alert"> <p>Orders v2 |class="errors" role="alert"> <p>This version ', text(answer)), "says why"
    assert now(cast, version) == state
    if way in BACK and state != "retired":
        assert f"Orders v2 is not {BACK[way]}." in text(answer)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_only_who_publishes_takes_a_step_on_its_page(cast: Cast, step: Step) -> None:
    version, given = orders_v2(cast, step.was), WAYS[step.way].given
    for role in set(Role.values) - WHO:
        assert signed_in(make.member(cast.acme, None, role)).post(f"{V2}{step.way}/", given).status_code == 403, role
    assert signed_in(cast.eve).post(f"{V2}{step.way}/", given).status_code == 404
    assert now(cast, version) == step.was
    assert signed_in(cast.ada).post(f"{V2}{step.way}/", given).status_code == 302
    assert now(cast, version) == step.now


def test_no_revision_of_a_retired_version_goes_live(cast: Cast, pam: Client) -> None:
    version = orders_v2(cast, "retired")
    with tenant_scope(cast.acme.pk):
        publishing.add_revision(version, document=make.document(), target=make.target(), by=cast.pam)
    live = f"{V2}revisions/2/live/"
    assert live not in text(pam.get(f"{V2}revisions/2/"))
    answer = pam.post(live, {"instead_of": "1"})
    assert answer.status_code == 409
    assert "Orders v2 is retired, so no revision of it can go live." in text(answer)
