"""What Pam publishes, as Carl calls it: from the form's action over the database and control to a real Envoy and the provider."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from apis.actions import ai_apis, aliases, gate, plans, provider_keys, provider_models, subscriptions
from apis.ai.offer import Message, Offer, Pattern, Prompt, Rails, Variable
from apis.models import Api, ApiVersion, ModelAlias, Plan, ProviderKey, Subscription
from keys.models import Application
from tests import live, make
from tests.gateway.ai import Provider
from tests.live import Answer, Gateway, Shop, Upstream

PROMPT = Prompt(
    "sum-up",
    "Sum up",
    "fast",
    (Variable("text"), Variable("words", "integer", False, 50), Variable("tone", "string", False, "plain", ("plain", "formal"))),
    (Message("system", "Be {{tone}}."), Message("user", 'In {{words}} words: "{{text}}"')),
    {"temperature": 0.2},
)
RAILS = Rails(("email",), (Pattern("customer", r"\bK-\d{6}\b"),), ("Top Secret",), 64)


@dataclass
class Published:
    """`key`: an API key of Carl's application, which is subscribed."""

    shop: Shop
    gateway: Gateway
    api: Api
    application: Application
    key: str

    def post(self, path: str, body: Any) -> Answer:
        told = json.dumps(body).encode()
        headers = [("content-type", "application/json")]
        return self.gateway.call(self.shop.path(path, api="models"), self.key, method="POST", headers=headers, body=told, timeout=20)

    def ask(self, model: str = "fast", text: str = "Say hello.", **more: Any) -> Answer:
        return self.post("/chat/completions", {"model": model, "messages": [{"role": "user", "content": text}], **more})

    def does(self, action: Any, *args: Any, **named: Any) -> None:
        event = self.shop.does(action, *args, **named)
        assert event is not None
        self.shop.enforced(event)


@pytest.fixture
def providers() -> Iterator[tuple[Provider, Provider]]:
    found = (Provider("A"), Provider("B"))
    yield found
    for each in found:
        each.stop()


@pytest.fixture
def published(gateway: Gateway, upstream: Upstream, providers: tuple[Provider, Provider]) -> Published:
    shop = live.shop(upstream, api=False)
    pam = shop.person("publisher")
    with shop.scope():
        for name, provider in zip(("first", "second"), providers, strict=True):
            made = make.provider(name, kind="custom", url=f"http://127.0.0.1:{provider.port}/v1", by=pam)
            provider_models.add(made, given={"name": f"mini-{name}"}, by=pam)
            make.provider_key(made, label=name, key=f"sk-{name}-0123456789", by=pam)
        make.alias("fast", "first/mini-first", "second/mini-second", by=pam)
        api = make.ai_api("models", "fast", "second/mini-second", by=pam, prompts=(PROMPT,), rails=RAILS)
        carl = make.application()
        subscriptions.request(carl, api=api, plan=Plan.objects.get(api=api), purpose="A test.", by=carl.owner)
        _, key = make.api_key(carl)
    shop.enforced_newest()
    return Published(shop, gateway, api, carl, key)


def test_one_form_and_a_key_later_models_answer(published: Published, providers: tuple[Provider, Provider]) -> None:
    answer = published.ask()
    assert answer.status == 200, str(answer)
    assert answer.json["choices"][0]["message"]["content"].startswith("hello from A")
    (seen,) = providers[0].seen
    assert (seen.path, seen.body["model"], seen.headers["authorization"]) == (
        "/v1/chat/completions", "mini-first", "Bearer sk-first-0123456789",
    )  # fmt: skip
    assert published.key not in seen.raw.decode() + json.dumps(seen.headers)
    assert published.ask("second/mini-second").json["choices"][0]["message"]["content"].startswith("hello from B")
    listed = published.gateway.call(published.shop.path("/models", api="models"), published.key)
    assert sorted(each["id"] for each in listed.json["data"]) == ["fast", "second/mini-second"]
    assert published.ask("gone").code == "MODEL_UNKNOWN"


def test_an_alias_changes_under_its_callers(published: Published, providers: tuple[Provider, Provider]) -> None:
    pam = published.shop.person("publisher")
    with published.shop.scope():
        alias = ModelAlias.objects.get()
    published.does(aliases.change, alias, targets=[{"provider": "second", "model": "mini-second"}], by=pam)
    published.ask()
    assert (len(providers[0].seen), len(providers[1].seen)) == (0, 1)
    assert providers[1].seen[0].body["model"] == "mini-second"


def test_the_second_target_answers_where_the_first_fails_and_where_its_key_is_off(
    published: Published, providers: tuple[Provider, Provider]
) -> None:
    providers[0].does = "429"
    assert published.ask().json["choices"][0]["message"]["content"].startswith("hello from B")
    assert (len(providers[0].seen), len(providers[1].seen)) == (1, 1)
    assert providers[1].seen[0].headers["authorization"] == "Bearer sk-second-0123456789", "and not the first one's"
    pam = published.shop.person("publisher")
    with published.shop.scope():
        key = ProviderKey.objects.get(label="first")
    published.does(provider_keys.change, key, on=False, by=pam)
    assert published.ask().status == 200
    assert (len(providers[0].seen), len(providers[1].seen)) == (1, 2), "a key that is off gets no call"


def test_a_plan_bounds_models_and_tokens(published: Published) -> None:
    pam = published.shop.person("publisher")
    with published.shop.scope():
        plan = Plan.objects.select_related("api").get()
    published.does(plans.change_terms, plan, models=["fast"], max_tokens=100, by=pam)
    assert published.ask(max_tokens=50).status == 200
    assert published.ask("second/mini-second", max_tokens=50).code == "MODEL_NOT_IN_PLAN"
    assert published.ask(max_tokens=500).code == "TOO_MANY_TOKENS"


def test_rails_mask_and_refuse_what_callers_send(published: Published, providers: tuple[Provider, Provider]) -> None:
    assert published.ask(text="I am bo@acme.example, customer K-123456.").status == 200
    sent = providers[0].seen[0].body["messages"][0]["content"]
    assert "bo@acme.example" not in sent
    assert "K-123456" not in sent
    assert sent.startswith("I am [")
    assert "[customer]" in sent
    assert published.ask(text="This is TOP secret.").code == "TEXT_BLOCKED"
    assert published.ask(text="This is topsecrets.").status == 200, "a part of another word"
    assert published.ask(text="a" * 70_000).status == 413


def test_a_prompt_is_an_operation(published: Published, providers: tuple[Provider, Provider]) -> None:
    answer = published.post("/prompts/sum-up", {"text": 'He said "{{tone}}" and {"a": 1}\n.', "tone": "formal"})
    assert answer.status == 200, str(answer)
    assert answer.json["text"].startswith("hello from A")
    asked = providers[0].seen[0].body
    assert asked["messages"] == [
        {"role": "system", "content": "Be formal."},
        {"role": "user", "content": 'In 50 words: "He said "{{tone}}" and {"a": 1}\n."'},
    ]
    assert (asked["model"], asked["temperature"]) == ("mini-first", 0.2)
    for wrong in ({}, {"text": 1}, {"text": "a", "words": "many"}, {"text": "a", "tone": "rude"}, {"text": "a", "more": 1}):
        assert published.post("/prompts/sum-up", wrong).code == "VARIABLE_INVALID", wrong


def test_another_offer_counts_once_it_is_live_and_a_suspension_at_once(published: Published) -> None:
    pam, ada = published.shop.person("publisher"), published.shop.person("approver")
    with published.shop.scope():
        version = ApiVersion.objects.select_related("api").get(api=published.api)
        revision = ai_apis.offer(version, Offer(("second/mini-second",)), by=pam)
    assert published.ask().status == 200
    published.does(gate.go_live, revision, override=True, reason="A test.", by=pam)
    assert published.ask().code == "MODEL_UNKNOWN"
    assert published.post("/prompts/sum-up", {"text": "a"}).status == 404
    with published.shop.scope():
        held = Subscription.objects.select_related("application", "api").get()
    published.does(subscriptions.suspend, held, reason="A test.", by=ada)
    assert published.ask("second/mini-second").code == "SUBSCRIPTION_SUSPENDED"
