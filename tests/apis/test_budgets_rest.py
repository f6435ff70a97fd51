"""Budgets over REST: of plans, of subscriptions, and the tenant's own."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apis.actions import budgets
from apis.budgets import MILLION
from apis.models import Api, Subscription
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

WHY = "Their sale."
TERMS: dict[str, Any] = {"budget_tokens": 1_000, "budget_amount": MILLION // 2, "budget_period": "day"}
GIVEN = {"tokens": 5_000, "amount": "12.50", "currency": "EUR", "period": "day", "time_zone": "Europe/Berlin", "soft_percent": 70}


def ai(slug: str = "ai") -> Api:
    made = make.api(slug)
    Api.objects.filter(pk=made.pk).update(kind=Api.Kind.AI)
    made.refresh_from_db()
    return made


@pytest.fixture
def held(cast: Cast) -> Subscription:
    with tenant_scope(cast.acme.pk):
        return make.subscription(of=make.application(cast.carl, name="Shop"), to=make.plan(ai(), name="gold", **TERMS))


def spent(cast: Cast, held: Subscription, tokens: int, amount: int = 0) -> None:
    with tenant_scope(cast.acme.pk):
        crossing = budgets.add([budgets.Spent(held.pk, timezone.now(), "USD", tokens, amount, 1, 0)])
    if crossing:
        budgets.tell(cast.acme.pk, crossing)


def plans(cast: Cast, plan: str = "") -> str:
    return f"{base(cast.acme)}/apis/ai/plans/{plan}"


def top_ups(cast: Cast, held: Any) -> str:
    return f"{base(cast.acme)}/subscriptions/{getattr(held, 'pk', held)}/budget-top-ups/"


def test_a_plan_has_a_budget_another_or_none(cast: Cast, rest: Rest, held: Subscription) -> None:
    pam = rest(cast.pam)
    made = pam.post(plans(cast), {"name": "silver", "calls": 5, "seconds": 1, "budget": GIVEN}, format="json")
    assert (made.status_code, made.json()["budget"]) == (201, {**GIVEN, "amount": "12.5"})
    other = pam.patch(plans(cast, "silver/"), {"budget": {"tokens": 9}}, format="json")
    assert other.json()["budget"] == {
        "tokens": 9, "amount": None, "currency": "USD", "period": "month", "time_zone": "UTC", "soft_percent": 80,
    }  # fmt: skip
    assert pam.patch(plans(cast, "silver/"), {"calls": 6}, format="json").json()["budget"]["tokens"] == 9
    assert pam.patch(plans(cast, "silver/"), {"budget": None}, format="json").json()["budget"] is None
    assert pam.get(plans(cast, "gold/")).json()["budget"]["amount"] == "0.5"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"tokens": 0}, "tokens"),
        ({"tokens": 2**70}, "tokens"),
        ({"tokens": "many"}, "tokens"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "0.0000001"}, "amount"),
        ({"amount": "1e99999999"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": []}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "5\x00"}, "amount"),
        ({"currency": "EURO"}, "currency"),
        ({"period": "week"}, "period"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"soft_percent": 100}, "soft_percent"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_no_budget_is_told(cast: Cast, rest: Rest, held: Subscription, wrong: dict[str, Any], field: str) -> None:
    for answer in (
        rest(cast.pam).patch(plans(cast, "gold/"), {"budget": {**GIVEN, **wrong}}, format="json"),
        rest(cast.ada).put(f"{base(cast.acme)}/budget/", {**GIVEN, **wrong}, format="json"),
    ):
        assert answer.status_code == 422, answer.content
        assert field in str(answer.json()["errors"])


def test_a_currency_that_is_none_is_told(cast: Cast, rest: Rest, held: Subscription) -> None:
    answer = rest(cast.ada).put(f"{base(cast.acme)}/budget/", {**GIVEN, "currency": "eur"}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["currency"])


def test_a_plan_of_calls_has_none(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.plan(make.api("orders"), name="gold")
    answer = rest(cast.pam).patch(f"{base(cast.acme)}/apis/orders/plans/gold/", {"budget": GIVEN}, format="json")
    assert (answer.status_code, sorted(answer.json()["errors"])) == (422, ["budget_amount", "budget_tokens"])


def test_a_subscription_tells_how_it_stands(cast: Cast, rest: Rest, held: Subscription) -> None:
    spent(cast, held, 800, 1)
    found = rest(cast.carl).get(f"{base(cast.acme)}/subscriptions/{held.pk}/").json()["budget"]
    assert all([found.pop("counted_at"), found.pop("resets_at")])
    assert found == {
        "budget": {"tokens": 1_000, "amount": "0.5", "currency": "USD", "period": "day", "time_zone": "UTC", "soft_percent": 80},
        "tokens": 800, "amount": "0.000001", "unpriced": 0, "percent": 80, "more_tokens": 0, "more_amount": "0", "refused": False,
    }  # fmt: skip
    with tenant_scope(cast.acme.pk):
        without = make.subscription(of=make.application(cast.carl))
    assert rest(cast.carl).get(f"{base(cast.acme)}/subscriptions/{without.pk}/").json()["budget"] is None


def test_a_list_tells_it_in_as_many_queries_for_many_as_for_one(cast: Cast, rest: Rest, held: Subscription) -> None:
    ada, at = rest(cast.ada), f"{base(cast.acme)}/subscriptions/"
    ada.get(at)
    with queries("subscriptions:quotas"):
        ada.get(at)
    with tenant_scope(cast.acme.pk):
        more = [make.subscription(of=make.application(cast.carl), to=held.plan) for _ in range(4)]
    for each in more:
        spent(cast, each, 3)
    with queries("subscriptions:quotas"):
        rows = ada.get(at).json()["results"]
    assert sorted(row["budget"]["tokens"] for row in rows) == [0, 3, 3, 3, 3]


def test_who_has_a_plan_is_told_with_what_they_spent(cast: Cast, rest: Rest, held: Subscription) -> None:
    spent(cast, held, 5)
    found = rest(cast.pam).get(plans(cast, "gold/holders/")).json()["results"]
    assert [each["budget"]["tokens"] for each in found] == [5]


def test_an_approver_adds_and_gets_a_receipt(cast: Cast, rest: Rest, held: Subscription) -> None:
    spent(cast, held, 1_000)
    answer = rest(cast.ada).post(top_ups(cast, held), {"tokens": 500, "amount": "1.5", "reason": WHY}, format="json")
    assert answer.status_code == 200, answer.content
    told = answer.json()["budget"]
    assert (told["budget"]["tokens"], told["budget"]["amount"], told["more_amount"], told["refused"]) == (1_500, "2", "1.5", False)
    assert answer.json()["receipt"].endswith(f"/receipts/{answer.json()['event']}/")


def test_what_can_not_be_added_is_told(cast: Cast, rest: Rest, held: Subscription) -> None:
    ada = rest(cast.ada)
    for given, field in (
        ({"tokens": 0, "reason": WHY}, "tokens"),
        ({"amount": "0", "reason": WHY}, "amount"),
        ({"reason": WHY}, "tokens"),
        ({"tokens": 5}, "reason"),
        ({"tokens": 5, "reason": WHY, "calls": 1}, "calls"),
    ):
        answer = ada.post(top_ups(cast, held), given, format="json")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    # Four eyes, who may not, and whose it is not.
    assert rest(cast.carl).post(top_ups(cast, held), {"tokens": 5, "reason": WHY}, format="json").status_code == 403
    assert rest(cast.eve).post(top_ups(cast, held), {"tokens": 5, "reason": WHY}, format="json").status_code == 404
    assert ada.post(top_ups(cast, uuid4()), {"tokens": 5, "reason": WHY}, format="json").status_code == 404


def test_the_tenants_budget_is_the_admins_to_set_and_the_publishers_to_see(cast: Cast, rest: Rest, held: Subscription) -> None:
    at = f"{base(cast.acme)}/budget/"
    spent(cast, held, 600)
    told = rest(cast.ada).put(at, {"tokens": 5_000, "amount": "2"}, format="json")
    assert (told.status_code, told.json()["budget"]["amount"], told.json()["tokens"]) == (200, "2", 600)
    assert rest(cast.pam).get(at).json()["percent"] == 12
    assert rest(cast.ada).put(at, {}, format="json").json()["budget"]["tokens"] is None
    assert rest(cast.pam).put(at, {"tokens": 5}, format="json").status_code == 403
    assert rest(cast.carl).get(at).status_code == 403
    for method in ("get", "put"):
        assert getattr(rest(cast.eve), method)(at, {}, format="json").status_code == 404
