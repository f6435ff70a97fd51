"""AI APIs and tools for agents in files: exported, planned, applied, and made at a tenant that has none."""

import json
from typing import Any

import pytest

from apis.actions import ai_apis, mcp_servers, plans
from apis.ai.offer import Message, Offer, Pattern, Prompt, Rails, Variable
from apis.budgets import MILLION
from apis.models import Api, McpServer, ModelAlias, Plan, Revision, Subscription, TenantBudget
from cli import files
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_describing import Describing, events, lines
from tests.conftest import Cast, Rest

PROMPT = Prompt("sum-up", "Sum up", "fast", (Variable("text"),), (Message("user", "Sum up: {{text}}\nBriefly."),), {"temperature": 0.2})
RAILS = Rails(("email",), (Pattern("customer", r"\bK-\d{6}\b"),), ("Top: secret",), 64)


@pytest.fixture
def ada(cast: Cast, rest: Rest) -> Describing:
    return Describing(rest, cast.ada)


def connect(cast: Cast) -> None:
    """Who answers is no part of a description."""
    make.provider_key(make.provider(by=cast.pam), by=cast.pam)
    make.alias("fast", "openai/gpt-5-mini", by=cast.pam)


@pytest.fixture
def models(cast: Cast) -> Cast:
    """Acme publishes models, and Carl's Shop asks them under gold."""
    with tenant_scope(cast.acme.pk):
        connect(cast)
        api = make.ai_api("models", "fast", "openai/gpt-5", by=cast.pam, prompts=(PROMPT,), rails=RAILS)
        gold = make.plan(api, name="gold", calls=100, seconds=60)
        terms: dict[str, Any] = {"models": ["fast"], "max_tokens": 500, "tokens_per_minute": 9_000}
        budget: dict[str, Any] = {"budget_tokens": 1_000_000, "budget_amount": 12_500_000, "budget_period": "day"}
        plans.change_terms(gold, **terms, **budget, by=cast.pam)
        make.subscription(of=make.application(cast.carl, name="Shop"), to=gold)
    return cast


def sent(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(told))
    return found


def test_what_was_exported_changes_nothing(models: Cast, ada: Describing) -> None:
    told, before = ada.export(), events(models)
    (api,) = told["apis"]
    assert (api["slug"], api["kind"]) == ("models", "ai")
    assert api["offer"] == sent(Offer(("fast", "openai/gpt-5"), (PROMPT,), RAILS).told)
    assert api["versions"] == [{"name": "v1", "status": "published", "reason": "", "sunset": None, "successor": ""}]
    gold = next(each for each in api["plans"] if each["name"] == "gold")
    assert (gold["models"], gold["max_tokens"], gold["tokens_per_minute"]) == (["fast"], 500, 9_000)
    assert gold["budget"] == {
        "tokens": 1_000_000, "amount": "12.5", "currency": "USD", "period": "day", "time_zone": "UTC", "soft_percent": 80,
    }  # fmt: skip
    assert told["subscriptions"][0]["api"] == "models"
    assert ada.plan(told)["differences"] == []
    assert ada.plan(told, prune=True)["differences"] == []
    assert "event" not in ada.apply(told)
    assert events(models) == before


def test_a_folder_says_the_same(models: Cast, ada: Describing, tmp_path: Any) -> None:
    told = ada.export()
    files.save(tmp_path, told)
    assert "sk-" not in "".join(each.read_text() for each in tmp_path.rglob("*.yaml"))
    read = files.load(tmp_path, {}).description
    assert ada.plan(read)["differences"] == []
    assert read["apis"][0]["offer"] == told["apis"][0]["offer"]


def test_what_it_offers_goes_live_with_its_plans(models: Cast, ada: Describing) -> None:
    told = ada.export()
    api = told["apis"][0]
    api["offer"]["models"].append("openai/gpt-5-mini")
    api["offer"]["rails"] |= {"blocked": [], "body_kib": 128}
    gold = next(each for each in api["plans"] if each["name"] == "gold")
    gold |= {"models": ["openai/gpt-5-mini"], "max_tokens": 0, "budget": {"tokens": 5}}
    plan = ada.plan(told)
    assert lines(plan) == ["~ api models", "~ plan models/gold"]
    assert plan["differences"][0]["text"] == "offers + openai/gpt-5-mini, other rails, goes live"
    ada.apply(told)
    with tenant_scope(models.acme.pk):
        live = Revision.objects.get(live_in__api__slug="models")
        assert live.ai is not None
        assert (live.number, live.ai["models"], live.ai["rails"]["body_kib"]) == (2, ["fast", "openai/gpt-5", "openai/gpt-5-mini"], 128)
        made = Plan.objects.get(name="gold")
        assert (made.models, made.max_tokens, made.tokens_per_minute) == (["openai/gpt-5-mini"], None, 9_000)
        assert (made.budget_tokens, made.budget_amount, made.budget_period) == (5, None, "month")
    assert ada.plan(told)["differences"] == []
    # What is not said stays; an empty budget has no end.
    ada.apply({"apis": [{"slug": "models", "plans": [{"name": "gold", "budget": {}}]}]})
    with tenant_scope(models.acme.pk):
        assert not Plan.objects.get(name="gold").budget.is_set
        assert Plan.objects.get(name="gold").models == ["openai/gpt-5-mini"]


def test_a_model_that_goes_breaks_callers(models: Cast, ada: Describing) -> None:
    told = ada.export()
    told["apis"][0]["offer"]["models"] = ["fast"]
    (found,) = ada.plan(told)["differences"]
    assert "break callers" in found["text"]
    assert found["blocked"] == "Say why it goes live all the same: --breaking."
    ada.apply(told, breaking="It is old.")
    with tenant_scope(models.acme.pk):
        assert ai_apis.offered(Revision.objects.get(live_in__api__slug="models")).models == ("fast",)
        assert Event.objects.filter(kind="revision.live").latest("number").data["reason"] == "It is old."


def test_what_waits_in_a_revision_is_made_live(models: Cast, ada: Describing) -> None:
    told = ada.export()
    told["apis"][0]["offer"]["rails"]["body_kib"] = 128
    with tenant_scope(models.acme.pk):
        version = Api.objects.get().versions.get()
        ai_apis.offer(version, Offer.of(told["apis"][0]["offer"]), by=models.pam)
    ada.apply(told)
    with tenant_scope(models.acme.pk):
        assert Revision.objects.get(live_in__api__slug="models").number == 2


def test_a_whole_ai_api_is_made_elsewhere(models: Cast, rest: Rest, ada: Describing) -> None:
    told = sent(ada.export())
    told.pop("members")
    told["applications"] = [{**each, "owner": "eve@globex.example"} for each in told["applications"]]
    told["subscriptions"] = [{**each, "owner": "eve@globex.example"} for each in told["subscriptions"]]
    told.pop("tenant")
    told.pop("aliases")
    eve = Describing(rest, models.eve, "/api/v1/tenants/globex/description/")
    with tenant_scope(models.globex.pk):
        missing = eve.ask("plan", told)
        assert missing.status_code == 422
        assert "There is no model fast here." in json.dumps(missing.json())
        connect(models)
    plan = eve.plan(told)
    assert "+ api models" in lines(plan)
    eve.apply(told)
    with tenant_scope(models.globex.pk):
        api = Api.objects.get()
        assert (api.is_ai, api.versions.get().status) == (True, "published")
        assert Plan.objects.get(name="gold").budget_amount == 12_500_000
        assert Subscription.objects.count() == 1
    mine = ada.export()["apis"]
    assert eve.export()["apis"] == mine


@pytest.mark.parametrize(
    ("given", "at", "said"),
    [
        ({"offer": {"models": ["none"]}}, "offer.models", "There is no model none here."),
        ({"offer": {"models": []}}, "offer.models", "Choose at least one model or alias."),
        ({"offer": {"models": ["fast"], "rails": {"patterns": [{"name": "x", "regex": "("}]}}}, "offer.rails.patterns", ""),
        ({"offer": {"models": ["fast"], "rails": {"masks": ["iban"]}}}, "offer.rails.masks.0", "Choose from email, phone, card."),
        ({"offer": {"models": ["fast"], "note": "x"}}, "offer.note", "is not known here"),
        ({"offer": {"modells": ["fast"]}}, "offer.modells", "did you mean “models”?"),
        ({"kind": "rest"}, "kind", "An API stays of the kind that it was made."),
        ({"versions": [{"name": "v2"}]}, "versions.0.name", "An AI API has one version, v1."),
        ({"versions": [{"name": "v1", "document": "{}"}]}, "versions.0.document", "An AI API has none"),
        ({"plans": [{"name": "gold", "max_tokens": -1}]}, "plans.0.max_tokens", "greater than or equal to 0"),
        ({"plans": [{"name": "gold", "budget": {"amount": "-5"}}]}, "plans.0.budget.amount", "Give an amount above 0"),
        ({"slug": "more", "kind": "ai", "name": "More"}, "offer", "A new AI API needs to say what it offers."),
        ({"slug": "more", "kind": "ai", "name": "More", "offer": {"models": ["fast"]}}, "versions", "has the version v1"),
        ({"slug": "more", "name": "More", "offer": {"models": ["fast"]}}, "offer", "Only an AI API offers models"),
        (
            {"slug": "more", "name": "More", "plans": [{"name": "a", "calls": 1, "seconds": 1, "budget": {"tokens": 5}}]},
            "plans.0.budget",
            "Only a plan of an AI API has this.",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(models: Cast, ada: Describing, given: dict[str, Any], at: str, said: str) -> None:
    answer = ada.ask("plan", {"apis": [{"slug": "models", **given}]})
    assert answer.status_code == 422, answer.json()
    errors = answer.json()["errors"]
    assert any(place.endswith(f"apis.0.{at}") for place in errors), errors
    assert said in json.dumps(errors, ensure_ascii=False)


def test_who_prunes_is_told_whose_models_go(models: Cast, ada: Describing) -> None:
    plan = ada.plan({"apis": []}, prune=True)
    assert "- plan models/gold" in lines(plan)
    assert plan["losses"] == [{"application": "Shop", "whose": "carl@acme.example", "calls": ["models v1"]}]


def test_a_plan_that_says_nothing_of_models_has_none(cast: Cast, ada: Describing) -> None:
    with tenant_scope(cast.acme.pk):
        make.plan(make.api("orders"), name="gold")
    assert ada.plan({"apis": [{"slug": "orders", "plans": [{"name": "gold", "models": [], "budget": None}]}]})["differences"] == []


def test_tools_are_switched_on_changed_and_off(cast: Cast, ada: Describing) -> None:
    with tenant_scope(cast.acme.pk):
        version = make.api("orders").versions.get()
    told: dict[str, Any] = {"apis": [{"slug": "orders", "versions": [{"name": "v1", "tools": [{"operation": "getOrder"}]}]}]}
    (found,) = ada.plan(told)["differences"]
    assert (found["what"], found["text"]) == ("version orders/v1", "tools for agents: getOrder")
    ada.apply(told)
    with tenant_scope(cast.acme.pk):
        server = McpServer.objects.get()
        assert (server.enabled, server.tools) == (True, [{"operation": "getOrder", "name": "getOrder", "description": ""}])
    assert ada.export()["apis"][0]["versions"][0]["tools"] == server.tools
    assert ada.plan(told)["differences"] == []
    assert ada.plan(ada.export())["differences"] == []
    told["apis"][0]["versions"][0]["tools"] = [{"operation": "nowhere"}]
    base = ada.plan(told)["base"]
    refused = ada.ask("apply", told, base=base)
    assert (refused.status_code, "has no operation “nowhere”" in json.dumps(refused.json(), ensure_ascii=False)) == (422, True)
    # What is not said stays.
    assert ada.plan({"apis": [{"slug": "orders", "versions": [{"name": "v1"}]}]})["differences"] == []
    told["apis"][0]["versions"][0]["tools"] = []
    ada.apply(told)
    with tenant_scope(cast.acme.pk):
        assert mcp_servers.of(version).enabled is False  # type: ignore[union-attr]
    assert "tools" not in ada.export()["apis"][0]["versions"][0]


def test_money_is_told_as_people_write_it(models: Cast, ada: Describing) -> None:
    ada.apply({"apis": [{"slug": "models", "plans": [{"name": "gold", "budget": {"amount": "0.25", "currency": "EUR"}}]}]})
    with tenant_scope(models.acme.pk):
        assert (Plan.objects.get(name="gold").budget_amount, Plan.objects.get(name="gold").budget_currency) == (MILLION // 4, "EUR")


def test_aliases_are_made_changed_and_deleted(models: Cast, ada: Describing) -> None:
    told = ada.export()
    assert told["aliases"] == [{"name": "fast", "targets": ["openai/gpt-5-mini"]}]
    told["aliases"] = [{"name": "fast", "targets": ["openai/gpt-5"]}, {"name": "large", "targets": ["openai/gpt-5"]}]
    told["apis"][0]["offer"]["models"].append("large")
    assert lines(ada.plan(told)) == ["~ alias fast", "+ alias large", "~ api models"]
    ada.apply(told)
    assert ada.plan(told)["differences"] == []
    with tenant_scope(models.acme.pk):
        assert ModelAlias.objects.get(name="fast").targets == [{"provider": "openai", "model": "gpt-5"}]
        assert Revision.objects.get(live_in__api__slug="models").number == 2
        make.alias("unused", "openai/gpt-5", by=models.pam)
    assert lines(ada.plan(told)) == []
    assert lines(ada.plan(told, prune=True)) == ["- alias unused"]
    ada.apply(told, prune=True)
    for target in ("openai/none", "large", "none"):
        refused = ada.ask("plan", {"aliases": [{"name": "more", "targets": [target]}]})
        assert (refused.status_code, f"There is no model {target} here." in json.dumps(refused.json())) == (422, True)
    # Callers ask for it.
    told["aliases"] = told["aliases"][:1]
    base = ada.plan(told, prune=True)["base"]
    refused = ada.ask("apply", told, base=base, prune=True)
    assert (refused.status_code, "alias large" in refused.json()["detail"].lower()) == (409, True), refused.json()


def test_what_all_together_may_spend(models: Cast, ada: Describing) -> None:
    assert ada.export()["tenant"]["ai_budget"] == {}
    told: dict[str, Any] = {"tenant": {"ai_budget": {"amount": "1000", "currency": "EUR", "period": "day"}}}
    assert lines(ada.plan(told)) == ["~ tenant"]
    ada.apply(told)
    assert ada.plan(told)["differences"] == []
    with tenant_scope(models.acme.pk):
        assert (TenantBudget.objects.get().amount, TenantBudget.objects.get().currency) == (1000 * MILLION, "EUR")
    assert ada.plan({"tenant": {"name": "Acme"}})["differences"] == [], "what is not said stays"
    ada.apply({"tenant": {"ai_budget": None}})
    assert ada.export()["tenant"]["ai_budget"] == {}


def test_who_sees_no_providers_describes_no_aliases(models: Cast, rest: Rest) -> None:
    carl = rest(models.carl)
    assert carl.post("/api/v1/tenants/acme/description/plan/", {"description": {"aliases": []}}, format="json").status_code == 403
