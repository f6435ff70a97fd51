"""Budgets and tokens on pages: the meter, what a publisher and an approver decide, the tenant's own, and what usage shows of answers."""

import csv
import re
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import budgets
from apis.budgets import MILLION
from apis.models import Api, Plan, Subscription, TenantBudget
from gateway.models import UsageFreshness
from tenants.models import Event, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

TERMS: dict[str, Any] = {"budget_tokens": 1_000, "budget_amount": 2 * MILLION, "budget_period": "day"}
GIVEN = {"tokens": "500", "amount": "1.25", "currency": "EUR", "period": "month", "time_zone": "Europe/Berlin", "soft_percent": "70"}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))).strip()


def whole(file: Any) -> str:
    return b"".join(file.streaming_content).decode()


@pytest.fixture
def plan(cast: Cast) -> Plan:
    with tenant_scope(cast.acme.pk):
        made = make.api("ai")
        Api.objects.filter(pk=made.pk).update(kind=Api.Kind.AI)
        made.refresh_from_db()
        return make.plan(made, name="gold", **TERMS)


@pytest.fixture
def held(cast: Cast, plan: Plan) -> Subscription:
    with tenant_scope(cast.acme.pk):
        return make.subscription(of=make.application(cast.carl, name="Shop"), to=plan)


def spent(cast: Cast, held: Subscription, tokens: int, amount: int = 0, unpriced: int = 0) -> None:
    with tenant_scope(cast.acme.pk):
        crossing = budgets.add([budgets.Spent(held.pk, timezone.now(), "USD", tokens, amount, 1, unpriced)])
    if crossing:
        budgets.tell(cast.acme.pk, crossing)


def at(held: Subscription, step: str = "", tenant: str = "acme") -> str:
    return f"/t/{tenant}/console/subscriptions/{held.pk}/{step}"


def of_plan(plan: Plan, tenant: str = "acme") -> str:
    return f"/t/{tenant}/console/plans/{plan.pk}/budget/"


def now(cast: Cast, plan: Plan) -> tuple[Any, ...]:
    with tenant_scope(cast.acme.pk):
        plan.refresh_from_db()
        budget = plan.budget
    return budget.tokens, budget.amount, budget.currency, budget.period, budget.time_zone, budget.soft_percent


# --- the meter -------------------------------------------------------------------------------------------------------


def test_both_sides_see_what_is_spent_and_when_it_begins_anew(cast: Cast, held: Subscription) -> None:
    pages = ((signed_in(cast.carl), f"/t/acme/apps/{held.application_id}/?tab=subscriptions"), (signed_in(cast.ada), at(held)))
    for client, page in pages:
        said = text(client.get(page))
        assert "0 of 1,000 tokens · USD 0.00 of USD 2.00 · begins anew in" in said
        assert "nothing counted yet" in said
        assert "1,000 tokens or USD 2 a day (UTC)" in said
    spent(cast, held, 700, 1_500_000, unpriced=2)
    for client, page in pages:
        answer = client.get(page)
        said = text(answer)
        assert "700 of 1,000 tokens · USD 1.50 of USD 2.00" in said
        assert "2 answers have no price in USD and count by their tokens alone." in said
        assert re.search(r'<meter[^>]+value="75"[^>]+aria-label="Budget"', re.sub(r"\s+", " ", answer.content.decode()))
        assert "The budget is spent" not in said
    spent(cast, held, 300)
    for client, page in pages:
        assert "The budget is spent: calls get 429 BUDGET_EXCEEDED until it begins anew." in text(client.get(page))


def test_without_one_there_is_no_meter(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        held = make.subscription(of=make.application(cast.carl))
    assert "Budget" not in text(signed_in(cast.ada).get(at(held)))


def test_who_has_the_plan_is_named_with_what_they_spent(cast: Cast, plan: Plan, held: Subscription) -> None:
    spent(cast, held, 500)
    assert "50 % of its budget spent" in text(signed_in(cast.pam).get(f"/t/acme/console/plans/{plan.pk}/change/"))


# --- a plan's --------------------------------------------------------------------------------------------------------


def test_pam_gives_a_plan_another_budget(cast: Cast, plan: Plan) -> None:
    pam = signed_in(cast.pam)
    assert f"/t/acme/console/plans/{plan.pk}/budget/" in pam.get("/t/acme/console/plans/").content.decode()
    page = pam.get(of_plan(plan)).content.decode()
    assert 'value="1000"' in page
    assert 'value="2"' in page
    answer = pam.post(of_plan(plan), GIVEN, follow=True)
    assert "The budget of the plan gold of Ai is saved." in text(answer)
    assert now(cast, plan) == (500, 1_250_000, "EUR", "month", "Europe/Berlin", 70)
    answer = pam.post(of_plan(plan), GIVEN, follow=True)
    assert "stays as it was" in text(answer)
    pam.post(of_plan(plan), {**GIVEN, "tokens": "", "amount": ""})
    assert now(cast, plan)[:2] == (None, None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tokens": "0"}, "Give a number from 1 to"),
        ({"tokens": "-1"}, "Give a number from 1 to"),
        ({"tokens": "1.5"}, "Give a whole number."),
        ({"tokens": "9" * 30}, "Give a number from 1 to"),
        ({"amount": "0"}, "Give an amount such as 12.50"),
        ({"amount": "lots"}, "Give an amount such as 12.50"),
        ({"amount": "1\x00"}, "control"),
        ({"amount": "0.0000001"}, "Give an amount such as 12.50"),
        ({"currency": "euro"}, "4 characters; 3 are the most"),
        ({"currency": "eur"}, "A currency has three capital letters"),
        ({"period": "year"}, "Select a valid choice"),
        ({"soft_percent": "0"}, "Give a number from 1 to 99."),
        ({"soft_percent": ""}, "Fill this in."),
    ],
)
def test_what_is_no_budget_comes_back_as_it_was_typed(cast: Cast, plan: Plan, wrong: dict[str, str], said: str) -> None:
    answer = signed_in(cast.pam).post(of_plan(plan), {**GIVEN, **wrong})
    assert answer.status_code == 422
    assert said.lower() in text(answer).lower()
    assert "Europe/Berlin" in answer.content.decode()
    assert now(cast, plan)[:2] == (1_000, 2 * MILLION)


def test_whom_another_budget_stops_it_stops_after_a_second_look(cast: Cast, plan: Plan, held: Subscription) -> None:
    spent(cast, held, 600)
    pam, lower = signed_in(cast.pam), {**GIVEN, "currency": "USD", "period": "day", "time_zone": "UTC", "amount": ""}
    answer = pam.post(of_plan(plan), lower)
    assert answer.status_code == 422
    assert "1 application has spent as much as that already and is refused at once, until the budget begins anew: Shop." in text(answer)
    assert now(cast, plan)[0] == 1_000
    pam.post(of_plan(plan), {**lower, "even_over": "on"})
    assert now(cast, plan)[0] == 500
    with tenant_scope(cast.acme.pk):
        assert Event.objects.filter(kind="budget.passed").count() == 1


def test_a_plan_of_calls_has_none(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(make.api("orders"), name="gold")
    pam = signed_in(cast.pam)
    assert of_plan(plan) not in pam.get("/t/acme/console/plans/").content.decode()
    looked = pam.get(of_plan(plan), follow=True)
    assert looked.redirect_chain == [("/t/acme/console/plans/", 302)]
    assert "Orders is no AI API, so its plans have no budget." in text(looked)
    dialog = pam.get(of_plan(plan), headers={"hx-request": "true", "hx-target": "dialog"})
    assert ("/t/acme/console/plans/" in dialog["HX-Location"], "close-dialog" in dialog["HX-Trigger"]) == (True, True)
    answer = pam.post(of_plan(plan), GIVEN)
    assert (answer.status_code, "is no AI API, so its plans have no budget" in text(answer)) == (422, True)


def test_who_may_not_and_whose_it_is_not(cast: Cast, plan: Plan, held: Subscription) -> None:
    for user, status in ((cast.carl, 403), (cast.eve, 404)):
        for page in (of_plan(plan), at(held, "budget-top-up/"), "/t/acme/console/ai-budget/"):
            for answer in (signed_in(user).get(page), signed_in(user).post(page, GIVEN)):
                assert answer.status_code == status, (user, page)
    assert signed_in(cast.eve).get(of_plan(plan, tenant="globex")).status_code == 404
    assert now(cast, plan)[0] == 1_000


# --- more for once ---------------------------------------------------------------------------------------------------


def test_ada_lets_more_be_spent(cast: Cast, held: Subscription) -> None:
    spent(cast, held, 1_000)
    ada, page = signed_in(cast.ada), at(held, "budget-top-up/")
    assert page in ada.get(at(held)).content.decode()
    assert "1,000 tokens of 1,000 tokens" in text(ada.get(page))
    for given, said in (
        ({"reason": "Their sale."}, "Say how much more."),
        ({"tokens": "0", "reason": "x"}, "Give a number from 1 to"),
        ({"tokens": "5"}, "Fill this in."),
    ):
        answer = ada.post(page, given)
        assert (answer.status_code, said.lower() in text(answer).lower()) == (422, True), given
    answer = ada.post(page, {"tokens": "200", "amount": "0.5", "reason": "Their sale."}, follow=True)
    assert "Shop may spend more on Ai, until the budget begins anew." in text(answer)
    assert "1,000 of 1,200 tokens · USD 0.00 of USD 2.50" in text(ada.get(at(held)))
    assert "more was added for this time" in text(ada.get(at(held)))


def test_where_there_is_no_budget_there_is_nothing_to_add_to(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        held = make.subscription(of=make.application(cast.carl, name="Shop"), to=make.plan(make.api("orders")))
    ada, page = signed_in(cast.ada), at(held, "budget-top-up/")
    looked = ada.get(page, follow=True)
    assert looked.redirect_chain == [(at(held), 302)]
    assert "Its plan has no budget, so there is nothing to add to." in text(looked)
    # It had one when the form was shown: what was typed stays.
    answer = ada.post(page, {"tokens": "5", "reason": "Their sale."})
    assert (answer.status_code, "Their sale." in text(answer)) == (409, True)


# --- the tenant's own ------------------------------------------------------------------------------------------------


def test_ada_says_what_all_may_spend_and_pam_sees_it(cast: Cast, held: Subscription) -> None:
    ada, pam, page = signed_in(cast.ada), signed_in(cast.pam), "/t/acme/console/ai-budget/"
    assert page in ada.get("/t/acme/console/ai-providers/").content.decode()
    spent(cast, held, 30, 1_200_000)
    assert "It has no end." in text(ada.get(page))
    assert "30 tokens · USD 1.20 · begins anew" in text(ada.get(page))
    answer = ada.post(page, {**GIVEN, "currency": "USD", "time_zone": "UTC", "amount": "1.2"}, follow=True)
    assert "The budget is saved." in text(answer)
    assert "The budget is spent: calls get 429 BUDGET_EXCEEDED" in text(ada.get(page))
    said = text(pam.get(page))
    assert ("30 of 500 tokens · USD 1.20 of USD 1.20" in said, "Save the budget" in said) == (True, False)
    assert pam.post(page, {**GIVEN, "tokens": "1"}).status_code == 200
    with tenant_scope(cast.acme.pk):
        assert TenantBudget.objects.get().tokens == 500
    assert ada.post(page, {**GIVEN, "tokens": "0"}).status_code == 422
    assert "Nothing was changed." in text(ada.post(page, {**GIVEN, "currency": "USD", "time_zone": "UTC", "amount": "1.2"}, follow=True))


# --- what usage shows ------------------------------------------------------------------------------------------------


@pytest.fixture
def answered(cast: Cast, held: Subscription) -> Subscription:
    moment = timezone.now()
    with tenant_scope(cast.acme.pk):
        UsageFreshness.objects.create(started_at=moment, seen_at=moment, written_until=moment)
        key: dict[str, Any] = {"api": held.api_id, "application": held.application_id, "subscription": held.pk, "plan": "gold"}
        make.usage(12, version="v1", operation="chatCompletions", **key)
        make.answers(10, asked="fast", provider="openai", model="gpt-4o-mini", amount=12_500_000, cached=300, reasoning=40, **key)
        make.answers(2, asked="openai/gpt-4o", provider="openai", model="gpt-4o", currency="", amount=0, unpriced=1, missing=1, **key)
    return held


def test_each_sees_tokens_and_cost_of_what_is_theirs(cast: Cast, answered: Subscription) -> None:
    for user, page in (
        (cast.carl, f"/t/acme/apps/{answered.application_id}/usage/"),
        (cast.pam, "/t/acme/console/apis/ai/usage/"),
        (cast.ada, "/t/acme/console/usage/"),
    ):
        said = text(signed_in(user).get(page))
        assert "Tokens and cost Cost Cost USD 12.50 1 answer has no price" in said, page
        assert "Tokens in 1,200 300 of them cached Tokens out 240 40 of them reasoning Answers 12 1 without a word of its tokens" in said
        assert "Tokens by model" in said
        assert re.search(r"fast openai/gpt-4o-mini USD 12.50 1,000 200 10", said)
        assert "Tokens 1,440 USD 12.50 in both minutes" in said
        file = signed_in(user).get(page, {"as": "csv", "what": "tokens-model"})
        rows = list(csv.reader(whole(file).splitlines()))
        assert rows[1][:4] == ["fast", "openai", "gpt-4o-mini", "10"]
        steps = signed_in(user).get(page, {"as": "csv", "what": "tokens"})
        assert "cost_USD" in whole(steps)
    assert "Tokens by application" in text(signed_in(cast.pam).get("/t/acme/console/apis/ai/usage/"))
    assert signed_in(cast.carl).get(f"/t/acme/apps/{answered.application_id}/usage/?as=csv&what=tokens-application").status_code == 404


def chart_of(page: str) -> str:
    (found,) = re.findall(r'<section class="card" aria-labelledby="tokens-title">.*?</section>', page, re.DOTALL)
    return unescape(found)


def test_what_was_spent_is_drawn(cast: Cast, answered: Subscription) -> None:
    page = "/t/acme/console/apis/ai/usage/"
    drawn = chart_of(signed_in(cast.pam).get(page).content.decode())
    assert 'aria-label="Cost over time: USD 12.50 in all"' in drawn
    assert re.search(r"<title>[^<]+: USD 12.50</title>", drawn)
    assert drawn.count('<rect class="answered"') == 1
    assert "USD 15.00" in drawn, "the scale"
    assert "Tokens step by step" in drawn, "the table stays as its text"


@pytest.mark.parametrize("other", ["EUR", ""])
def test_tokens_are_drawn_where_money_has_no_one_scale(cast: Cast, held: Subscription, other: str) -> None:
    moment = timezone.now()
    with tenant_scope(cast.acme.pk):
        UsageFreshness.objects.create(started_at=moment, seen_at=moment, written_until=moment)
        key: dict[str, Any] = {"api": held.api_id, "application": held.application_id, "subscription": held.pk, "plan": "gold"}
        make.usage(2, version="v1", operation="chatCompletions", **key)
        if other:
            make.answers(1, asked="fast", currency="USD", amount=5, **key)
        make.answers(1, asked="large", currency=other, amount=5 if other else 0, **key)
    drawn = chart_of(signed_in(cast.pam).get("/t/acme/console/apis/ai/usage/").content.decode())
    many = 2 if other else 1
    assert f'aria-label="Tokens over time: {100 * many} in and {20 * many} out in all"' in drawn
    assert (drawn.count('<rect class="answered"'), drawn.count('<rect class="made"')) == (1, 1)
    assert re.search(rf"<title>[^<]+: {100 * many} tokens in, {20 * many} out</title>", drawn)


def test_they_are_narrowed_as_calls_are(cast: Cast, answered: Subscription) -> None:
    ada = signed_in(cast.ada)
    assert "Tokens and cost" in text(ada.get("/t/acme/console/usage/", {"application": str(answered.application_id)}))
    with tenant_scope(cast.acme.pk):
        other = make.application(cast.carl)
    assert "Tokens and cost" not in text(ada.get("/t/acme/console/usage/", {"application": str(other.pk)}))


def test_where_there_is_no_ai_api_nothing_is_said_of_tokens(cast: Cast, answered: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        Api.objects.update(kind=Api.Kind.REST)
    for page in ("/t/acme/console/usage/", "/t/acme/console/apis/orders/usage/"):
        assert "Tokens" not in text(signed_in(cast.ada).get(page))
    assert signed_in(cast.ada).get("/t/acme/console/usage/?as=csv&what=tokens").status_code == 404


def test_as_many_queries_for_many_as_for_one(cast: Cast, answered: Subscription) -> None:
    ada = signed_in(cast.ada)
    ada.get("/t/acme/console/usage/")
    for _ in range(2):
        with queries("page:usage-tokens"):
            ada.get("/t/acme/console/usage/")
        with tenant_scope(cast.acme.pk):
            for number in range(5):
                make.answers(api=answered.api_id, application=make.application(cast.carl).pk, asked=f"model-{uuid4()}", plan=f"p{number}")
