"""Models and prompts as tools of agents: by the official SDK, a real Envoy and a provider behind it."""

from collections.abc import Iterator

import pytest

from apis.actions import provider_models
from apis.ai.offer import Message, Prompt, Variable
from tests import live, make
from tests.gateway.ai import Provider
from tests.gateway.test_mcp import ACCEPT, agent, agents, bearer, message, switch_on
from tests.live import Gateway, Shop, Upstream

__all__ = ["agents"]
TRANSLATE = Prompt(
    "translate",
    "Translate a text",
    "first/gpt-4o",
    (Variable("text"), Variable("to", choices=("de", "fr"))),
    (Message("system", "Translate into {{to}}."), Message("user", "{{text}}")),
    {},
)
ASKED = {"model": "first/gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider("first")
    yield found
    found.stop()


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream, provider: Provider) -> Shop:
    found = live.shop(upstream, api=False)
    with found.scope():
        pam = make.somebody("publisher")
        made = make.provider("first", kind="litellm", url=f"http://127.0.0.1:{provider.port}", by=pam)
        make.provider_key(made, by=pam)
        provider_models.add(made, given={"name": "gpt-4o"}, by=pam)
        found.apis["llm"] = make.ai_api("llm", "first/gpt-4o", prompts=(TRANSLATE,), by=pam)
    return found


def test_an_agent_calls_a_prompt_and_a_model_as_tools(agents: Gateway, shop: Shop, provider: Provider) -> None:
    with shop.scope():
        plan = make.plan(shop.apis["llm"], name="gold", calls=1_000, seconds=60)
    carl = shop.client(plan=plan)
    switch_on(shop, {"operation": TRANSLATE.operation_id, "name": "translate"}, {"operation": "chatCompletions", "name": "chat"}, api="llm")
    path = shop.path("/mcp", api="llm")
    asked = [
        ("translate", {"body": {"text": "good day", "to": "de"}}),
        ("chat", {"body": ASKED}),
        ("translate", {"body": {"text": "good day", "to": "it"}}),
    ]
    found = agent(agents, path, bearer(carl.token()), asked)
    assert sorted(found.tools) == ["chat", "translate"]
    (failed, text), (also, chat), (refused, why) = found.calls
    assert (failed, also) == (False, False), found.calls
    assert '"text"' in text
    assert '"choices"' in chat
    first, second = (each.body for each in provider.seen[-2:])
    assert [each["content"] for each in first["messages"]] == ["Translate into de.", "good day"]
    assert second["messages"] == ASKED["messages"]
    assert refused
    assert "VARIABLE_INVALID" in why


def test_whoever_may_not_call_the_model_reaches_no_tool_of_it(agents: Gateway, shop: Shop) -> None:
    eve = shop.client("")
    switch_on(shop, {"operation": "chatCompletions", "name": "chat"}, api="llm")
    told = {"method": "POST", "headers": ACCEPT, "body": message("tools/list")}
    agents.settles(403, "SUBSCRIPTION_REQUIRED", shop.path("/mcp", api="llm"), eve.token(), **told)
    agents.settles(403, "SUBSCRIPTION_REQUIRED", f"/{shop.slug}/mcp", eve.token(), **told)
