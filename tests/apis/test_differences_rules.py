"""Every rule by which changes are told apart, with the least that makes it speak."""

import json
import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from apis.balancing import NONE as ALONE
from apis.balancing import Balancing, Further, HealthCheck
from apis.connections import NONE, Connection
from apis.differences import Level, differences, target_changes
from apis.differences.levels import Direction, Effect
from apis.differences.rules import ASPECTS, OF_THE_REST, RULES, SUBJECTS
from apis.openapi import parse
from tests.apis.differences_cases import CASES, SCHEMAS, document
from tests.apis.oasdiff_levels import OASDIFF, each
from tests.pki import Authority

TODAY = date(2026, 1, 1)
OF_TARGETS = {rule.id for rule in OF_THE_REST if rule.id.startswith("upstream-")}
# tests/apis/test_differences_offers.py.
OF_OFFERS = {rule.id for rule in OF_THE_REST if rule.id.startswith("ai-")}
# About more than one change: tests/apis/test_differences_bounds.py.
OF_MANY = {f"further-{level}-changes" for level in Level}
# What happens to schemas, wherever they stand; and each rule that is about nothing else.
TOGETHER = {
    **{f"…-{aspect}": [f"{subject}-{aspect}" for subject in SUBJECTS] for aspect in ASPECTS},
    **{rule: [rule] for rule in CASES if not any(rule == f"{subject}-{aspect}" for subject in SUBJECTS for aspect in ASPECTS)},
}


@pytest.mark.parametrize("rules", TOGETHER)
def test_a_rule_says_what_it_is_for_and_no_other_rule_does(rules: str) -> None:
    for rule in TOGETHER[rules]:
        found = differences(*CASES[rule], today=TODAY).changes
        assert [(change.rule, change.level) for change in found] == [(rule, RULES[rule].level)]
        assert "%(" not in found[0].text


def test_every_rule_has_its_case() -> None:
    assert CASES.keys() == RULES.keys() - OF_TARGETS - OF_OFFERS - OF_MANY


def test_the_schemas_of_the_cases_are_such_as_portico_takes() -> None:
    kept = {f"{aspect}-{at}": schema for aspect, pair in SCHEMAS.items() for at, schema in enumerate(pair) if schema != {}}
    parse(json.dumps(document({"responses": {"200": {"description": ""}}}, components={"schemas": kept})))


ROOT = Authority()
OWN, RENEWED = (ROOT.issue("Gateways") for _ in range(2))


def proven(certificate: str) -> Connection:
    return Connection(client_certificate=certificate)


SHARED = Balancing(further=(Further("b.example", 443, 20),))
CHECKED = Balancing(check=HealthCheck(path="/healthz"))


@dataclass
class Target:
    address: str = "https://a.example:443"
    connect_timeout_ms: int = 5_000
    timeout_ms: int = 30_000
    header: str = "x-key"
    connects: Connection = NONE
    balances: Balancing = ALONE

    def __str__(self) -> str:
        return self.address


@pytest.mark.parametrize(
    "rule,was,now",
    [
        ("upstream-changed", {}, {"address": "https://b.example:443"}),
        ("upstream-connect-timeout-decreased", {}, {"connect_timeout_ms": 4_000}),
        ("upstream-connect-timeout-increased", {}, {"connect_timeout_ms": 6_000}),
        ("upstream-timeout-decreased", {}, {"timeout_ms": 1_000}),
        ("upstream-timeout-increased", {}, {"timeout_ms": 60_000}),
        ("upstream-header-added", {"header": ""}, {}),
        ("upstream-header-removed", {}, {"header": ""}),
        ("upstream-credential-changed", {}, {"connects": Connection(credential="basic", user="portico")}),
        ("upstream-tls-changed", {}, {"connects": Connection(sni="orders.example.com")}),
        ("upstream-client-certificate-added", {}, {"connects": proven(OWN.certificate)}),
        ("upstream-client-certificate-removed", {"connects": proven(OWN.certificate)}, {}),
        ("upstream-client-certificate-changed", {"connects": proven(OWN.certificate)}, {"connects": proven(RENEWED.certificate)}),
        (
            "upstream-client-certificate-chain-changed",
            {"connects": proven(OWN.certificate)},
            {"connects": proven(OWN.certificate + ROOT.certificate)},
        ),
        ("upstream-strip-path-changed", {}, {"connects": Connection(strip_path="/api/v3")}),
        ("upstream-shares-changed", {}, {"balances": SHARED}),
        ("upstream-shares-changed", {"balances": SHARED}, {"balances": replace(SHARED, weight=2)}),
        ("upstream-health-check-added", {}, {"balances": CHECKED}),
        ("upstream-health-check-changed", {"balances": CHECKED}, {"balances": Balancing(check=HealthCheck(path="/b"))}),
        ("upstream-health-check-removed", {"balances": CHECKED}, {}),
    ],
)
def test_where_calls_go_has_its_rules(rule: str, was: dict[str, Any], now: dict[str, Any]) -> None:
    found = list(target_changes(Target(**was), Target(**now)))
    assert [(change.rule, change.level) for change in found] == [(rule, RULES[rule].level)]
    assert rule in OF_TARGETS
    assert list(target_changes(Target(**was), Target(**was))) == []


def test_a_client_certificate_is_told_by_its_fingerprint() -> None:
    connects = [proven(pair.certificate) for pair in (OWN, RENEWED)]
    (change,) = target_changes(Target(connects=connects[0]), Target(connects=connects[1]))
    said = f"The gateway proves itself to the upstream with the client certificate {RENEWED.fingerprint}; it did with {OWN.fingerprint}."
    assert change.text == said


def test_where_a_target_was_found_last_is_no_change() -> None:
    found = replace(SHARED, further=(Further("b.example", 443, 20, ("192.0.2.1",)),))
    assert list(target_changes(Target(balances=SHARED), Target(balances=found))) == []
    (change,) = target_changes(Target(), Target(balances=found))
    assert change.text == "Calls are shared by https://a.example:443 1, b.example:443 20; they were by https://a.example:443."


@pytest.mark.parametrize("rule,was,now", [("upstream-added", None, Target()), ("upstream-removed", Target(), None)])
def test_examples_in_place_of_an_upstream_are_told(rule: str, was: Target | None, now: Target | None) -> None:
    assert [(change.rule, change.level) for change in target_changes(was, now)] == [(rule, Level.RISKY)]
    assert rule in OF_TARGETS
    assert list(target_changes(None, None)) == []


# --- the levels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effect,request_level,response_level",
    [
        (Effect.NARROWS, Level.BREAKING, Level.SAFE),
        (Effect.WIDENS, Level.SAFE, Level.BREAKING),
        (Effect.INCOMPARABLE, Level.BREAKING, Level.BREAKING),
        (Effect.UNKNOWN, Level.RISKY, Level.RISKY),
        (Effect.NONE, Level.SAFE, Level.SAFE),
    ],
)
def test_what_narrows_breaks_requests_and_what_widens_breaks_responses(effect: Effect, request_level: Level, response_level: Level) -> None:
    assert (effect.level(Direction.REQUEST), effect.level(Direction.RESPONSE)) == (request_level, response_level)


PAGE = (Path(settings.BASE_DIR) / "docs/differences.md").read_text()


def rows(part: str, cells: int) -> list[list[str]]:
    """Of the tables of a part whose first column has rules."""
    found = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in part.splitlines() if line.startswith("| `")]
    return [row for row in found if len(row) == cells]


def shown(sentence: str) -> str:
    return re.sub(r"%\((\w+)\)s", r"*\1*", sentence)


def test_every_level_is_oasdiffs_but_for_those_that_the_page_gives_a_reason_for() -> None:
    part = PAGE.partition("## Where the level is another one")[2].partition("## What is left out")[0]
    said = {rule: (theirs, ours) for pattern, theirs, ours, _why in rows(part, 4) for rule in each(pattern.strip("`"))}
    found = {rule: (level.value, RULES[rule].level.value) for rule, level in OASDIFF.items() if RULES[rule].level is not level}
    assert said == found
    assert f"Of {len(OASDIFF)} rules that oasdiff has as well" in PAGE


def test_the_page_has_every_rule_with_its_level_and_sentence() -> None:
    part = PAGE.partition("## Where the level is another one")[0]
    alone = [(rule.strip("`"), level, sentence) for rule, level, sentence in rows(part, 3)]
    of_schemas = [(what.strip("`"), *more) for what, *more in rows(part, 4)]
    assert of_schemas == [
        (f"…-{aspect}", effect.level(Direction.REQUEST).value, effect.level(Direction.RESPONSE).value, shown(sentence))
        for aspect, (effect, sentence) in ASPECTS.items()
    ]
    assert sorted(alone) == sorted(
        (rule.id, rule.level.value, shown(rule.sentence)) for rule in RULES.values() if rule.id not in _of_aspects()
    )
    assert all(f"`{subject}`" in part for subject in SUBJECTS)


def _of_aspects() -> set[str]:
    return {f"{subject}-{aspect}" for subject in SUBJECTS for aspect in ASPECTS}
