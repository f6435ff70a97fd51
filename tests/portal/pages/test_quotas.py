"""How a quota is shown to both sides, how an approver adds to it, and how a publisher reads whom another one stops."""

import re
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import quotas
from apis.models import Plan, QuotaUse, Subscription
from tenants.models import Event, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

TERMS = {"calls": "60", "period": "60", "seconds": "", "approval": "manual", "quota": "10", "quota_period": "day", "quota_time_zone": "UTC"}
GIVEN = {"calls": "5", "reason": "Their sale."}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))).strip()


@pytest.fixture
def plan(cast: Cast) -> Plan:
    with tenant_scope(cast.acme.pk):
        return make.plan(make.api("orders"), name="gold", calls=60, seconds=60, quota=10, quota_period="day")


def subscribe(cast: Cast, plan: Plan, name: str = "Shop", owner: User | None = None) -> Subscription:
    with tenant_scope(cast.acme.pk):
        return make.subscription(of=make.application(owner or cast.carl, name=name), to=plan)


@pytest.fixture
def held(cast: Cast, plan: Plan) -> Subscription:
    return subscribe(cast, plan)


def called(cast: Cast, held: Subscription, many: int) -> None:
    quotas.count(cast.acme.pk, {(held.pk, timezone.now()): many})


def at(held: Subscription | Any, step: str = "", tenant: str = "acme") -> str:
    return f"/t/{tenant}/console/subscriptions/{getattr(held, 'pk', held)}/{step}"


def counts(cast: Cast) -> list[int]:
    with tenant_scope(cast.acme.pk):
        return list(QuotaUse.objects.values_list("topped_up", flat=True))


# --- the meter -------------------------------------------------------------------------------------------------------


def test_both_sides_see_how_much_is_used_and_when_it_begins_anew(cast: Cast, held: Subscription) -> None:
    app = f"/t/acme/apps/{held.application_id}/?tab=subscriptions"
    pages = ((signed_in(cast.carl), app), (signed_in(cast.ada), at(held)))
    for client, page in pages:
        assert "0 of 10 calls used, 0 % · begins anew in" in text(client.get(page))
        assert "nothing counted yet" in text(client.get(page))
    called(cast, held, 8)
    with tenant_scope(cast.acme.pk):
        quotas.top_up(held, calls=2, reason="x", by=cast.ada)
    for client, page in pages:
        answer = client.get(page)
        said = text(answer)
        assert "8 of 12 calls used, 66 % · begins anew in" in said
        assert "2 calls were added for this time" in said
        assert re.search(r"counted (just now|\d+ seconds? ago)", said)
        assert "60 calls a minute; 10 calls a day (UTC)" in said
        assert re.search(r'<meter[^>]*value="66"', answer.content.decode())
        assert "QUOTA_EXCEEDED" not in said
    called(cast, held, 4)
    for client, page in pages:
        assert "The quota is used up: calls get 429 QUOTA_EXCEEDED until it begins anew." in text(client.get(page))


def test_without_a_quota_there_is_no_meter(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        held = make.subscription(of=make.application(cast.carl))
    assert "<meter" not in signed_in(cast.ada).get(at(held)).content.decode()
    assert "/top-up/" not in signed_in(cast.ada).get(at(held)).content.decode()


def test_an_applications_subscriptions_take_as_many_queries_for_many_as_for_one(cast: Cast, held: Subscription) -> None:
    carl = signed_in(cast.carl)
    page = f"/t/acme/apps/{held.application_id}/?tab=subscriptions"
    carl.get(page)
    with queries("page:app:quotas"):
        carl.get(page)
    with tenant_scope(cast.acme.pk):
        for _ in range(3):
            quotas.count(cast.acme.pk, {(make.subscription(of=held.application, to=make.plan(quota=5)).pk, timezone.now()): 5})
    with queries("page:app:quotas"):
        assert text(carl.get(page)).count("calls used") == 4


# --- topping up ------------------------------------------------------------------------------------------------------


def test_where_there_is_no_quota_there_is_nothing_to_add_to(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        held = make.subscription(of=make.application(cast.carl))
    ada, page = signed_in(cast.ada), at(held, "top-up/")
    looked = ada.get(page, follow=True)
    assert looked.redirect_chain == [(at(held), 302)]
    assert "Its plan has no quota, so there is nothing to add to." in text(looked)
    # It had one when the form was shown: what was typed stays.
    answer = ada.post(page, GIVEN)
    assert (answer.status_code, GIVEN["reason"] in text(answer)) == (409, True)


def test_ada_lets_more_pass_and_sees_where_that_is_enforced(cast: Cast, held: Subscription) -> None:
    ada = signed_in(cast.ada)
    called(cast, held, 10)
    assert f'href="{at(held, "top-up/")}"' in ada.get(at(held)).content.decode()
    asked = text(ada.get(at(held, "top-up/")))
    assert "Let more calls of Shop to Orders pass?" in asked
    assert "10 of 10 calls are used. What you add holds until the quota begins anew:" in asked
    answer = ada.post(at(held, "top-up/"), {**GIVEN, "once": "a" * 32}, follow=True)
    assert "Shop may call Orders more often, until the quota begins anew." in text(answer)
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
    assert (event.kind, event.data["calls"], event.data["reason"]) == ("quota.topped_up", 5, "Their sale.")
    assert f"/receipts/{event.number}/" in answer.content.decode()
    assert "let 5 calls more of Shop to Orders pass until its quota begins anew" in text(answer)
    twice = ada.post(at(held, "top-up/"), {**GIVEN, "once": "a" * 32})
    assert (twice.status_code, counts(cast)) == (409, [5])
    assert "This was sent twice, and done once." in text(twice)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"calls": "0"}, "Give a number from 1 to 1,000,000,000,000."),
        ({"calls": "-5"}, "Give a number from 1 to 1,000,000,000,000."),
        ({"calls": "1" * 30}, "Give a number from 1 to 1,000,000,000,000."),
        ({"calls": "many"}, "Give a whole number."),
        ({"calls": ""}, "Fill this in."),
        ({"reason": ""}, "Fill this in."),
        ({"reason": "x" * 501}, "This has 501 characters; 500 are the most."),
        ({"reason": "a\x00b"}, "Control characters can't be used here."),
    ],
)
def test_what_can_not_be_added_comes_back(cast: Cast, held: Subscription, given: dict[str, str], said: str) -> None:
    answer = signed_in(cast.ada).post(at(held, "top-up/"), {**GIVEN, **given})
    assert answer.status_code == 422
    assert said in text(answer)
    assert counts(cast) == []


def test_a_rule_that_says_no_is_told_on_the_page(cast: Cast, plan: Plan) -> None:
    with tenant_scope(cast.acme.pk):
        suspended = make.subscription(of=make.application(cast.carl), to=plan, status="suspended")
        without = make.subscription(of=make.application(cast.carl))
    ada = signed_in(cast.ada)
    for held, said in (
        (suspended, "This subscription is suspended, so nothing can be added"),
        (without, "has no quota, so there is nothing to add to"),
    ):
        answer = ada.post(at(held, "top-up/"), GIVEN)
        assert answer.status_code == 409
        assert said in text(answer)


def test_only_those_who_decide_add_to_it(cast: Cast, held: Subscription) -> None:
    for user, status in ((cast.carl, 403), (cast.pam, 403), (cast.eve, 404), (cast.olga, 404)):
        client = signed_in(user)
        assert (client.get(at(held, "top-up/")).status_code, client.post(at(held, "top-up/"), GIVEN).status_code) == (status, status)
    eve = signed_in(cast.eve)
    for pk in (held.pk, uuid4()):
        assert eve.post(at(pk, "top-up/", "globex"), GIVEN).status_code == 404
    assert counts(cast) == []


# --- from a mail -----------------------------------------------------------------------------------------------------


def test_each_is_led_to_the_page_that_they_may_see(cast: Cast, held: Subscription) -> None:
    where = f"/t/acme/quotas/{held.pk}/"
    assert signed_in(cast.carl).get(where)["Location"] == f"/t/acme/apps/{held.application_id}/?tab=subscriptions"
    assert signed_in(cast.ada).get(where)["Location"] == at(held)
    assert signed_in(cast.pam).get(where)["Location"] == "/t/acme/console/plans/?api=orders"
    dora = make.member(cast.acme, "dora@acme.example")
    assert signed_in(dora).get(where).status_code == 404
    for tenant in ("acme", "globex"):
        assert signed_in(cast.eve).get(f"/t/{tenant}/quotas/{held.pk}/").status_code == 404


# --- a plan's quota --------------------------------------------------------------------------------------------------


def test_pam_makes_a_plan_with_a_quota_that_subscribers_read(cast: Cast, plan: Plan) -> None:
    pam = signed_in(cast.pam)
    given = {**TERMS, "api": "orders", "name": "silver", "quota": "5000", "quota_period": "month", "quota_time_zone": "America/New_York"}
    assert pam.post("/t/acme/console/plans/new/", given).status_code == 302
    with tenant_scope(cast.acme.pk):
        made = Plan.objects.get(name="silver")
        assert (made.quota, made.quota_period, made.quota_time_zone) == (5000, "month", "America/New_York")
    pam.post(f"/t/acme/console/plans/{made.pk}/publish/", {})
    said = "60 calls a minute; 5,000 calls a month (America/New York)"
    pages = ((pam, "/t/acme/console/plans/"), (pam, "/t/acme/console/apis/orders/"))
    with tenant_scope(cast.acme.pk):
        make.application(cast.carl)
    carl = signed_in(cast.carl)
    for client, page in (*pages, (carl, "/t/acme/apis/orders/?tab=plans"), (carl, "/t/acme/apis/orders/subscribe/")):
        assert said in text(client.get(page)), page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"quota": "0"}, "Give a number from 1 to 1,000,000,000,000."),
        ({"quota": "-1"}, "Give a number from 1 to 1,000,000,000,000."),
        ({"quota": "9" * 40}, "Give a number from 1 to 1,000,000,000,000."),
        ({"quota": "x"}, "Give a whole number."),
        ({"quota_period": "week"}, "Select a valid choice."),
        ({"quota_time_zone": "Mars/Olympus"}, "Select a valid choice."),
    ],
)
def test_a_quota_that_can_not_be_comes_back(cast: Cast, plan: Plan, given: dict[str, str], said: str) -> None:
    answer = signed_in(cast.pam).post(f"/t/acme/console/plans/{plan.pk}/change/", {**TERMS, **given})
    assert answer.status_code == 422
    assert said in text(answer)
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.get(pk=plan.pk).quota == 10


def test_pam_reads_whom_another_quota_stops_before_it_does(cast: Cast, plan: Plan, held: Subscription) -> None:
    pam, page = signed_in(cast.pam), f"/t/acme/console/plans/{plan.pk}/change/"
    less = subscribe(cast, plan, "Less")
    called(cast, held, 8)
    called(cast, less, 2)
    assert "8 of 10 used" in text(pam.get(page))
    answer = pam.post(page, {**TERMS, "quota": "8"})
    assert answer.status_code == 422
    assert "1 application has used as much as that already and is refused at once, until the quota begins anew: Shop." in text(answer)
    assert 'type="checkbox" name="even_over"' in answer.content.decode()
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.get(pk=plan.pk).quota == 10
    assert pam.post(page, {**TERMS, "quota": "8", "even_over": "on"}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.get(pk=plan.pk).quota == 8
        assert [each.subject_id for each in Event.objects.filter(kind="quota.passed")] == [held.pk]
    # Where nobody is stopped nobody asks again, nor where the quota stays.
    assert pam.post(page, {**TERMS, "quota": "9"}).status_code == 302
    assert pam.post(page, {**TERMS, "quota": "9", "calls": "50"}).status_code == 302
    assert pam.post(page, {**TERMS, "quota": ""}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.get(pk=plan.pk).quota is None
