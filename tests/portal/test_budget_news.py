"""Who hears of a budget for models: its application's people, the API's when it is spent, and of the tenant's who manages providers."""

from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from apis.actions import budgets, key_states
from apis.actions.key_states import Seen
from apis.budgets import MILLION
from apis.models import Api, ProviderKey, Subscription
from keys.models import Application
from portal import tasks
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, make_cast
from tests.portal.test_inbox import subjects, told
from tests.portal.test_mails import checkout, parts, pass_time

__all__ = ["checkout"]


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return make_cast()


@pytest.fixture
def held(cast: Cast, checkout: Application) -> Subscription:
    """Checkout's thousand tokens or two dollars a day of the API that Pam has made; what came before is told."""
    with tenant_scope(cast.acme.pk):
        api = make.api("ai")
        Api.objects.filter(pk=api.pk).update(created_by=cast.pam, kind=Api.Kind.AI)
        api.refresh_from_db()
        terms: dict[str, Any] = {"budget_tokens": 1_000, "budget_amount": 2 * MILLION, "budget_period": "day"}
        found = make.subscription(of=checkout, to=make.plan(api, name="gold", **terms))
    pass_time(11)
    tasks.send_mails()
    mail.outbox.clear()
    return found


def news_of(cast: Cast, family: str = "budget") -> list[tuple[str, str]]:
    tasks.send_mails()
    return [(who, kind) for who, kind in told(cast.acme) if kind.startswith(f"{family}.")]


def spent(cast: Cast, held: Subscription, tokens: int, amount: int = 0) -> None:
    with tenant_scope(cast.acme.pk):
        crossing = budgets.add([budgets.Spent(held.pk, timezone.now(), "USD", tokens, amount, 1, 0)])
    if crossing:
        budgets.tell(cast.acme.pk, crossing)


def test_the_applications_people_hear_that_it_is_nearly_spent_once(cast: Cast, held: Subscription) -> None:
    spent(cast, held, 800, 500_000)
    spent(cast, held, 1)
    assert news_of(cast) == [("carl", "budget.warned")]
    assert subjects() == [("carl", "Checkout has spent 80 % of its budget for Ai")]
    body = parts(mail.outbox[0])[0]
    for said in (
        "Tokens: 800 of 1,000 tokens",
        "Money: USD 0.5000 of USD 2.00",
        "It begins anew:",
        "Plan: gold",
        f"/t/acme/quotas/{held.pk}/",
    ):
        assert said in body


def test_when_it_is_spent_the_apis_people_hear_it_too(cast: Cast, held: Subscription) -> None:
    spent(cast, held, 1, 2 * MILLION)
    assert news_of(cast) == [("carl", "budget.passed"), ("pam", "budget.passed")]
    assert {subject for _who, subject in subjects()} == {"Checkout has spent its budget for Ai"}
    assert "Calls of Checkout are refused until the budget begins anew." in parts(mail.outbox[0])[0]


def test_who_may_spend_more_hears_it_and_why(cast: Cast, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        budgets.top_up(held, tokens=5_000, reason="Their sale.", by=cast.ada)
    assert news_of(cast) == [("carl", "budget.topped_up")]
    body = parts(mail.outbox[0])[0]
    assert "Their sale." in body
    assert "6,000 tokens" in body


def test_of_the_tenants_who_manages_providers_hears(cast: Cast, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        budgets.set_tenants(given={"tokens": 1_000}, by=cast.ada)
    spent(cast, held, 850)
    assert news_of(cast, "tenant_budget") == [("ada", "tenant_budget.warned"), ("pam", "tenant_budget.warned")]
    assert "Acme has spent 80 % of its budget for models" in {subject for _who, subject in subjects()}
    spent(cast, held, 150)
    assert [kind for _who, kind in news_of(cast, "tenant_budget")].count("tenant_budget.passed") == 2


def test_who_manages_providers_hears_of_a_key_that_is_refused(cast: Cast, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        key = make.provider_key(make.provider(by=cast.pam), by=cast.pam, label="Team account")
        ProviderKey.objects.update(state_since=timezone.now() - key_states.APART)
    key_states.tell(cast.acme.pk, {key.pk: Seen(ProviderKey.State.REFUSED, 401)})
    assert news_of(cast, "provider_key") == [("ada", "provider_key.refused"), ("pam", "provider_key.refused")]
    assert ("pam", "OpenAI refuses the key Team account") in subjects()
    assert "Provider: OpenAI" in parts(mail.outbox[0])[0]
