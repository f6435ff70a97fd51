"""Each call of an AI API that is refused is explained: by a real gateway's access log, to who called and to who publishes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse

from apis.actions import plans, provider_keys, provider_models
from apis.ai.offer import Message, Prompt, Rails, Variable
from apis.models import Plan, ProviderKey
from apis.models import Provider as Provided
from gateway.envoy.names import MODEL, REFUSAL_HEADER
from gateway.usage.calls import read
from gateway.usage.refused import refusal_of
from keys.models import Application
from tests import live, make
from tests.conftest import Rest
from tests.gateway.ai import CHAT, Provider
from tests.gateway.test_usage_tokens import answered
from tests.live import Answer, Client, Gateway, Shop, Upstream, eventually

PROMPT = Prompt(
    "sum-up",
    "Sum up",
    "fast",
    (Variable("text", most=50), Variable("tone", "string", False, "plain", ("plain", "formal")), Variable("words", "integer", False, 5)),
    (Message("user", "{{tone}} {{words}} {{text}}"),),
    {},
)


@dataclass
class World:
    """“gold” includes “fast” alone, “platinum” every model; “fast” is answered by the first."""

    gateway: Gateway
    shop: Shop
    first: Provider
    plan: Plan
    client: Client
    # Of an application under “platinum”, where nothing of a plan's stands before what is looked at later.
    other: Client

    def ask(self, path: str = CHAT, **body: Any) -> Answer:
        told = {"model": "fast", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5, **body}
        return self.send(json.dumps(told).encode(), path)

    def send(self, body: bytes, path: str = CHAT, *, client: Client | None = None) -> Answer:
        headers, token = (("content-type", "application/json"),), (client or self.client).token()
        return self.gateway.call(self.shop.path(path, api="llm"), token, method="POST", body=body, headers=headers)


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider("first")
    yield found
    found.stop()


@pytest.fixture
def world(gateway: Gateway, upstream: Upstream, provider: Provider) -> World:
    shop = live.shop(upstream, api=False)
    with shop.scope():
        pam = make.somebody("publisher")
        made = make.provider("first", name="First", kind="litellm", url=f"http://127.0.0.1:{provider.port}", by=pam)
        make.provider_key(made, label="main", by=pam)
        provider_models.add(made, given={"name": "gpt-4o"}, by=pam)
        make.alias("fast", "first/gpt-4o", by=pam)
        make.alias("large", "first/gpt-4o", by=pam)
        rails = Rails(blocked=("top secret", "classified"), body_kib=16)
        api = make.ai_api("llm", "fast", "large", by=pam, prompts=(PROMPT,), rails=rails)
        shop.apis["llm"] = api
        plan = make.plan(api, name="gold", calls=100_000, seconds=600)
        platinum = make.plan(api, name="platinum", calls=100_000, seconds=600)
        plans.change_terms(plan, models=["fast"], max_tokens=1_000, tokens_per_minute=5_000, by=pam)
    client, other = shop.client(plan=plan), shop.client(plan=platinum)
    shop.enforced_newest()
    return World(gateway, shop, provider, plan, client, other)


def in_a_minute(world: World) -> Answer:
    for _ in range(20):
        answer = world.ask(max_tokens=1_000)
        if answer.status != 200:
            return answer
    raise AssertionError("never refused")


def too_large(world: World) -> Answer:
    # With a tenant's first call at a gateway Envoy brings all of the body that it held while the tenant was loaded.
    assert world.ask().status == 200
    return world.ask(text="x" * 20_000)


def no_key(world: World) -> Answer:
    world.first.does = "401"
    return world.ask()


def a_page(world: World) -> Answer:
    world.first.does = "html"
    return world.ask()


# The code, how it is earned, the model that is told, what the fact says, and the decision behind it.
WAYS: dict[str, tuple[str, Callable[[World], Answer], str, str, str]] = {
    "unknown": (
        "MODEL_UNKNOWN",
        lambda world: world.send(b'{"model": "huge"}', client=world.other),
        "huge",
        "It asked for huge; the API offers fast, large.",
        "revision.live",
    ),
    "no model": (
        "MODEL_UNKNOWN",
        lambda world: world.send(b"{}", client=world.other),
        "",
        "The call named no model; the API offers fast, large.",
        "revision.live",
    ),
    "neither": (
        "MODEL_NOT_IN_PLAN",
        lambda world: world.ask(model="huge"),
        "huge",
        "It asked for huge; the plan gold includes fast. The API offers no such model.",
        "plan.changed",
    ),
    "plan": (
        "MODEL_NOT_IN_PLAN",
        lambda world: world.ask(model="large"),
        "large",
        "It asked for large; the plan gold includes fast. The plans free, platinum include it.",
        "plan.changed",
    ),
    "no JSON": ("BODY_NOT_JSON", lambda world: world.send(b"[1"), "", "It is no JSON object", ""),
    "two ways": (
        "BODY_NOT_JSON",
        lambda world: world.send(b'{"model":"fast","max_tokens":5,"max_tokens":5}'),
        "fast",
        "more than one way",
        "",
    ),
    "large": ("BODY_TOO_LARGE", too_large, "", "at most 16 KiB", "revision.live"),
    "tokens": (
        "TOO_MANY_TOKENS",
        lambda world: world.ask(max_tokens=1_001),
        "fast",
        "gold lets a call ask for up to 1,000",
        "plan.changed",
    ),
    "minute": ("TOKENS_LIMITED", in_a_minute, "fast", "gold has 5,000 tokens a minute", "plan.changed"),
    "blocked": ("TEXT_BLOCKED", lambda world: world.ask(note="Top Secret"), "fast", "one of 2 words or expressions", "revision.live"),
    "variable": (
        "VARIABLE_INVALID",
        lambda world: world.send(b"{}", PROMPT.path),
        "",
        "text (text of up to 50 characters), tone (plain, formal; may be left out), words (integer; may be left out).",
        "revision.live",
    ),
    "refused key": ("PROVIDER_UNAVAILABLE", no_key, "fast", "none of its providers gave an answer of use. The keys now: First: main", ""),
    "page": ("PROVIDER_UNAVAILABLE", a_page, "fast", "The keys now: First: main is on.", ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_call_is_explained(world: World, rest: Rest, way: str) -> None:
    code, call, model, fact, kind = WAYS[way]
    answer = call(world)
    assert answer.code == code, str(answer)
    address = reverse("refusal", args=[world.shop.slug, answer.headers["x-request-id"]])
    with world.shop.scope():
        admin = make.somebody("admin")
    eventually(lambda: rest(admin).get(address).status_code == 200)
    found = rest(admin).get(address).json()
    assert (found["code"], found["model"]) == (code, model)
    assert fact in found["fact"]
    assert (found["decision"] or {}).get("kind", "") == kind
    # Who called hears the same, but for what is the providers' alone.
    with world.shop.scope():
        owner = Application.objects.select_related("owner").get(pk=found["application"]["id"]).owner
    carls = rest(owner).get(address).json()
    assert carls["model"] == model
    if code == "PROVIDER_UNAVAILABLE":
        assert carls["fact"] == "It asked for fast, and none of its providers gave an answer of use."
        assert carls["decision"] is None
    else:
        assert carls["fact"] == found["fact"]


def test_which_keys_are_out_is_told_to_who_sees_providers(world: World, rest: Rest) -> None:
    pam = world.shop.person("publisher")
    with world.shop.scope():
        spare = make.provider_key(Provided.objects.get(), label="spare", by=pam)
        admin = make.somebody("admin")
    world.shop.does(provider_keys.change, spare, on=False, by=pam)
    world.shop.enforced_newest()
    world.first.does = "403"
    answer = world.ask()
    assert answer.code == "PROVIDER_UNAVAILABLE", str(answer)
    address = reverse("refusal", args=[world.shop.slug, answer.headers["x-request-id"]])
    eventually(lambda: rest(admin).get(address).status_code == 200)
    assert "; spare: Off since" in rest(admin).get(address).json()["fact"].replace(", ", "; ")
    # Where no key is left there is no such model, and the fact says whose fault that is.
    with world.shop.scope():
        main = ProviderKey.objects.get(label="main")
    world.shop.does(provider_keys.change, main, on=False, by=pam)
    world.shop.enforced_newest()
    answer = world.ask()
    assert answer.code == "MODEL_UNKNOWN", str(answer)
    address = reverse("refusal", args=[world.shop.slug, answer.headers["x-request-id"]])
    eventually(lambda: rest(admin).get(address).status_code == 200)
    assert rest(admin).get(address).json()["fact"] == "The API offers fast, but no provider answers it at this endpoint."


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("fast", "fast"), ("openai/gpt-4o:latest", "openai/gpt-4o:latest"), ("-", ""), ("!", ""), ("", ""), ("a b", ""), ("a\0b", ""),
        ("ä", ""), ("<b>", ""), ("x" * 500, "x" * 200),
    ],
)  # fmt: skip
def test_what_is_no_models_name_is_not_kept(asked: str, kept: str) -> None:
    entry = answered(None, model=asked, status=404)
    entry.response.response_headers[REFUSAL_HEADER] = "MODEL_UNKNOWN"
    entry.response.response_code_details = "cluster_not_found"
    found = refusal_of(read(entry), entry, "edge")
    assert found is not None
    assert found.asked == kept


def test_a_call_that_names_none_has_none() -> None:
    entry = answered(None, status=404)
    del entry.common_properties.filter_state_objects[MODEL]
    entry.response.response_headers[REFUSAL_HEADER] = "NO_SUCH_ROUTE"
    entry.response.response_code_details = "direct_response"
    found = refusal_of(read(entry), entry, "edge")
    assert found is not None
    assert found.asked == ""


@pytest.mark.parametrize(
    ("code", "status", "cluster", "told"),
    [
        ("PROVIDER_UNAVAILABLE", 503, "acme/ai/k/openai/d", "PROVIDER_UNAVAILABLE"),
        ("PROVIDER_UNAVAILABLE", 200, "acme/ai/k/openai/d", ""),
        ("PROVIDER_UNAVAILABLE", 503, "acme/0123456789abcdef", ""),
        ("TOKEN_REVOKED", 503, "acme/ai/k/openai/d", ""),
    ],
)
def test_what_stands_in_an_answers_place_is_the_gateways_and_nothing_else_is(code: str, status: int, cluster: str, told: str) -> None:
    entry = answered(None, status=status)
    entry.common_properties.upstream_cluster = cluster
    entry.response.response_headers[REFUSAL_HEADER] = code
    entry.response.response_code_details = "via_upstream"
    assert read(entry).code == told
