"""What another offer of an AI API changes: each rule with the least that makes it speak."""

from dataclasses import replace
from typing import Any

import pytest

from apis.ai.offer import Message, Offer, Pattern, Prompt, Rails
from apis.differences import Level, offer_changes
from apis.differences.rules import OF_THE_REST, RULES

PROMPT = Prompt("sum-up", "Sum up", "fast", (), (Message("user", "Sum up."),), {"temperature": 0.2})
OFFER = Offer(("fast",), (PROMPT,), Rails(("email",), (Pattern("customer", "K-1"),), ("secret",), 64))


def rails(**given: Any) -> Offer:
    return replace(OFFER, rails=replace(OFFER.rails, **given))


def prompt(**given: Any) -> Offer:
    return replace(OFFER, prompts=(replace(PROMPT, **given),))


CASES: dict[str, tuple[Offer, str]] = {
    "ai-model-added": (replace(OFFER, models=("fast", "openai/gpt-5")), "The model openai/gpt-5 can be asked for."),
    "ai-model-removed": (replace(OFFER, models=()), "The model fast can no longer be asked for."),
    "ai-prompt-model-changed": (prompt(model="large"), "The prompt sum-up asks large; it asked fast."),
    "ai-prompt-text-changed": (prompt(messages=(Message("user", "Be short."),)), "The prompt sum-up has another text."),
    "ai-prompt-settings-changed": (
        prompt(parameters={"top_p": 1, "max_tokens": 9}),
        "The prompt sum-up asks with max_tokens 9, top_p 1; it asked with temperature 0.2.",
    ),
    "ai-mask-added": (rails(masks=("email", "card")), "What callers send is masked: Numbers of payment cards."),
    "ai-mask-removed": (rails(masks=()), "What callers send is no longer masked: E-mail addresses."),
    "ai-pattern-added": (rails(patterns=(Pattern("customer", "K-1"), Pattern("order", "O-%d"))), "What matches O-%d is masked as [order]."),
    "ai-pattern-removed": (rails(patterns=()), "What matches K-1 is no longer masked as [customer]."),
    "ai-pattern-changed": (
        rails(patterns=(Pattern("customer", "K-2"),)),
        "What matches K-2 is masked as [customer]; it was what matches K-1.",
    ),
    "ai-blocked-added": (rails(blocked=("secret", "a", "b")), "Calls with one of these are refused: a, b."),
    "ai-blocked-removed": (rails(blocked=()), "Calls with one of these are no longer refused: secret."),
    "ai-body-decreased": (rails(body_kib=16), "A body has at most 16 KiB; it had 64."),
    "ai-body-increased": (rails(body_kib=128), "A body has at most 128 KiB; it had 64."),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_says_what_it_is_for_and_no_other_rule_does(rule: str) -> None:
    now, said = CASES[rule]
    assert [(each.rule, each.level, each.text) for each in offer_changes(OFFER, now)] == [(rule, RULES[rule].level, said)]


def test_every_rule_has_its_case() -> None:
    assert CASES.keys() == {rule.id for rule in OF_THE_REST if rule.id.startswith("ai-")}


def test_what_is_the_same_or_no_ai_api_changes_nothing() -> None:
    for was, now in ((OFFER, OFFER), (None, None), (None, OFFER), (OFFER, None)):
        assert list(offer_changes(was, now)) == []


def test_settings_that_are_none_are_said_to_be() -> None:
    (change,) = offer_changes(prompt(parameters={}), OFFER)
    assert change.text == "The prompt sum-up asks with temperature 0.2; it asked with none."


def test_only_a_model_that_is_gone_breaks_callers() -> None:
    assert [rule for rule in CASES if RULES[rule].level is Level.BREAKING] == ["ai-model-removed"]
