"""Ada has requests of a kind decided by a rule, after she has seen what it would have done."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apis.actions import approval_rules, catalogue, subscriptions
from apis.models import Api, ApprovalRule, Plan, Subscription
from tenants import limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

READING = {
    "openapi": "3.1.0",
    "info": {"title": "Prices", "version": "1"},
    "paths": {"/prices": {"get": {"operationId": "prices", "responses": {"200": {"description": "Prices"}}}}},
}


def rule(by: Any, *, name: str = "Tests", outcome: str = "automatic", on: bool = True, **conditions: Any) -> ApprovalRule:
    found, _ = approval_rules.create(name=name, outcome=outcome, by=by, **conditions)
    if on:
        approval_rules.change(found, enabled=True, by=by)
        found.refresh_from_db()
    return found


def asks(cast: Cast, to: Plan, **about: Any) -> Subscription:
    found, _ = subscriptions.request(make.application(cast.carl, **about), api=to.api, plan=to, purpose="A test.", by=cast.carl)
    return found


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    """A plan of Orders for which people decide, with 60 calls a minute."""
    return make.plan(make.api("orders"), name="gold", calls=60, seconds=60)


# --- what it decides -------------------------------------------------------------------------------------------------


def test_a_rule_approves_what_fits_and_leaves_the_rest_to_people(in_acme: Cast, gold: Plan) -> None:
    rule(in_acme.ada, environment="test")
    test, live = asks(in_acme, gold, environment="test"), asks(in_acme, gold, environment="live")
    assert (test.status, live.status) == ("active", "pending")
    approved = Event.objects.get(kind="subscription.approved")
    assert (approved.actor_id, approved.data["rule"]) == (None, "Tests")
    assert approved.data["reason"] == "The rule Tests approves by itself."


def test_a_rule_that_is_off_decides_nothing(in_acme: Cast, gold: Plan) -> None:
    rule(in_acme.ada, environment="test", on=False)
    assert asks(in_acme, gold, environment="test").status == "pending"


def test_one_that_asks_for_people_wins_over_rules_and_plans(in_acme: Cast) -> None:
    plan = make.plan(make.api("orders"), approval="automatic")
    rule(in_acme.ada, environment="live")
    rule(in_acme.ada, name="Live ones", outcome="people", environment="live")
    assert asks(in_acme, plan, environment="live").status == "pending"
    assert Event.objects.get(kind="subscription.requested").data["rule"] == "Live ones"
    assert asks(in_acme, plan, environment="test").status == "active", "there the plan decides"


@pytest.mark.parametrize(("most", "calls", "seconds", "status"), [(60, 60, 60, "active"), (59, 60, 60, "pending"), (60, 2, 1, "pending")])
def test_how_much_the_plan_allows(in_acme: Cast, most: int, calls: int, seconds: int, status: str) -> None:
    rule(in_acme.ada, most_per_minute=most)
    assert asks(in_acme, make.plan(make.api("orders"), calls=calls, seconds=seconds)).status == status


def test_an_api_that_only_reads(in_acme: Cast, gold: Plan) -> None:
    rule(in_acme.ada, reads_only=True)
    prices = make.plan(make.api("prices", content=READING), name="all")
    assert asks(in_acme, prices).status == "active"
    assert asks(in_acme, gold).status == "pending", "orders are made there, too"


def test_what_carries_a_tag(in_acme: Cast, gold: Plan) -> None:
    rule(in_acme.ada, tags=["Internal", "internal ", "open"])
    assert ApprovalRule.objects.get().tags == ["internal", "open"]
    assert asks(in_acme, gold).status == "pending"
    catalogue.place(gold.api, tags=["Internal"], by=in_acme.pam)
    assert asks(in_acme, Plan.objects.select_related("api").get(pk=gold.pk)).status == "active"


def test_the_teams_own(in_acme: Cast, gold: Plan) -> None:
    rule(in_acme.ada, own_team=True)
    team, other = make.team(in_acme.carl), make.team(in_acme.carl)
    Api.objects.filter(pk=gold.api_id).update(team=team)
    plan = Plan.objects.select_related("api").get(pk=gold.pk)
    assert asks(in_acme, plan, team=team).status == "active"
    assert asks(in_acme, plan, team=other).status == "pending"
    assert asks(in_acme, plan).status == "pending"
    Api.objects.filter(pk=gold.api_id).update(team=None)
    assert asks(in_acme, Plan.objects.select_related("api").get(pk=gold.pk)).status == "pending", "nobody's is not everybody's"


def test_all_conditions_have_to_hold(in_acme: Cast, gold: Plan) -> None:
    rule(in_acme.ada, environment="test", most_per_minute=10)
    assert asks(in_acme, gold, environment="test").status == "pending"


def test_what_was_left_suspended_waits_for_a_person(in_acme: Cast, gold: Plan) -> None:
    rule(in_acme.ada, environment="test")
    first = asks(in_acme, gold, environment="test")
    subscriptions.suspend(first, reason="Too loud.", by=in_acme.ada)
    subscriptions.cancel(first, by=in_acme.carl)
    again, _ = subscriptions.request(first.application, api=gold.api, plan=gold, purpose="x", by=in_acme.carl)
    assert again.status == "pending"


# --- replay ----------------------------------------------------------------------------------------------------------


def test_what_it_would_have_done(in_acme: Cast, gold: Plan) -> None:
    tests = [asks(in_acme, gold, environment="test") for _ in range(4)]
    asks(in_acme, gold, environment="live")
    subscriptions.approve(tests[0], by=in_acme.ada)
    subscriptions.reject(tests[1], reason="No.", by=in_acme.ada)
    subscriptions.cancel(tests[2], by=in_acme.carl)
    found = approval_rules.replay(rule(in_acme.ada, environment="test", on=False), now=timezone.now())
    assert (found.looked_at, found.fitting, found.approved, found.rejected, found.waiting) == (5, 4, 1, 1, 1)
    assert list(found.against) == [tests[1]]
    assert Subscription.objects.filter(status="active").count() == 1, "it only looks"


def test_a_replay_goes_back_so_far(in_acme: Cast, gold: Plan) -> None:
    old = asks(in_acme, gold, environment="test")
    now = timezone.now()
    Subscription.objects.filter(pk=old.pk).update(requested_at=now - timedelta(days=91))
    assert approval_rules.replay(rule(in_acme.ada, environment="test"), now=now).looked_at == 0


# --- changes ---------------------------------------------------------------------------------------------------------


def test_each_change_is_on_the_record(in_acme: Cast) -> None:
    found = rule(in_acme.ada, environment="test")
    assert approval_rules.change(found, name="Tests", enabled=True, by=in_acme.ada) is None
    approval_rules.change(found, most_per_minute=5, by=in_acme.ada)
    approval_rules.delete(found, by=in_acme.ada)
    told = [(each.kind, each.data) for each in Event.objects.filter(kind__startswith="approval_rule.").order_by("number")]
    assert [kind for kind, _ in told] == ["approval_rule.created", *["approval_rule.changed"] * 2, "approval_rule.deleted"]
    assert told[1][1] == {"was": {"enabled": False}, "now": {"enabled": True}}
    assert told[2][1] == {"was": {"most_per_minute": None}, "now": {"most_per_minute": 5}}
    assert told[3][1]["was"]["name"] == "Tests"
    assert not ApprovalRule.objects.exists()


def test_a_rule_for_everything_is_refused_if_it_approves(in_acme: Cast) -> None:
    with pytest.raises(Invalid) as caught:
        rule(in_acme.ada)
    assert "without a condition" in caught.value.problems["outcome"][0]
    rule(in_acme.ada, outcome="people")
    narrow = rule(in_acme.ada, name="Narrow", environment="test")
    with pytest.raises(Invalid):
        approval_rules.change(narrow, environment="", by=in_acme.ada)


def test_names_are_told_apart(in_acme: Cast) -> None:
    rule(in_acme.ada, environment="test")
    other = rule(in_acme.ada, name="Other", environment="test")
    for act in (
        lambda: rule(in_acme.ada, name="TESTS", environment="live"),
        lambda: approval_rules.change(other, name="tests", by=in_acme.ada),
    ):
        with pytest.raises(Invalid) as caught:
            act()
        assert caught.value.problems == {"name": ["Another rule has this name."]}
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRule.objects.filter(pk=other.pk).update(name="tests")


@pytest.mark.parametrize(("name", "same"), [("Straße", "STRAẞE"), ("k", "\u212a"), ("é", "É")])
def test_names_are_told_apart_as_the_database_does_it(in_acme: Cast, name: str, same: str) -> None:
    rule(in_acme.ada, name=name, environment="test")
    with pytest.raises(Invalid, match="Another rule has this name"):
        rule(in_acme.ada, name=same, environment="test")


def test_what_somebody_deleted_meanwhile_is_told(in_acme: Cast) -> None:
    """Both looked at the same page."""
    found = rule(in_acme.ada, environment="test")
    stale = ApprovalRule.objects.get(pk=found.pk)
    approval_rules.delete(found, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Somebody has deleted the rule “Tests” meanwhile."):
        approval_rules.change(stale, enabled=False, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Somebody has deleted the rule “Tests” meanwhile."):
        approval_rules.delete(stale, by=in_acme.ada)
    assert Event.objects.filter(kind="approval_rule.deleted").count() == 1


def test_so_many_and_no_more(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "APPROVAL_RULES", 1)
    rule(in_acme.ada, environment="test")
    with pytest.raises(NotAllowed, match="There are 1 approval rules"):
        rule(in_acme.ada, name="Other", environment="test")


# --- over REST -------------------------------------------------------------------------------------------------------


def test_the_whole_life_over_rest(cast: Cast, rest: Rest) -> None:
    ada, rules = rest(cast.ada), f"{base(cast.acme)}/approval-rules/"
    made = ada.post(rules, {"name": "Tests", "outcome": "automatic", "environment": "test", "tags": ["Open"]})
    assert made.status_code == 201
    assert made.json() == {
        "id": made.json()["id"], "name": "Tests", "outcome": "automatic", "enabled": False, "environment": "test",
        "most_per_minute": None, "reads_only": False, "own_team": False, "tags": ["open"],
    }  # fmt: skip
    at = f"{rules}{made.json()['id']}/"
    assert ada.get(rules).json()["results"] == [made.json()] == [ada.get(at).json()]
    replay = ada.get(f"{at}replay/").json()
    assert {name: replay[name] for name in ("looked_at", "fitting", "against")} == {"looked_at": 0, "fitting": 0, "against": []}
    assert ada.patch(at, {"enabled": True, "tags": []}).json() == {**made.json(), "enabled": True, "tags": []}
    assert ada.delete(at).status_code == 204
    assert ada.get(at).status_code == 404


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "name"),
        ({"name": "", "outcome": "automatic"}, "name"),
        ({"name": "A", "outcome": "maybe"}, "outcome"),
        ({"name": "A", "outcome": "automatic"}, "outcome"),
        ({"name": "A", "outcome": "people", "environment": "moon"}, "environment"),
        ({"name": "A", "outcome": "people", "most_per_minute": 0}, "most_per_minute"),
        ({"name": "A", "outcome": "people", "most_per_minute": -5}, "most_per_minute"),
        ({"name": "A", "outcome": "people", "most_per_minute": 2**31}, "most_per_minute"),
        ({"name": "A", "outcome": "people", "tags": ["x" * 81]}, "tags"),
        ({"name": "A", "outcome": "people", "tags": ["x" * 79]}, "tags"),
        ({"name": "A", "outcome": "people", "enabled": True}, "enabled"),
    ],
)
def test_what_is_no_rule(cast: Cast, rest: Rest, given: dict[str, Any], field: str) -> None:
    refused = rest(cast.ada).post(f"{base(cast.acme)}/approval-rules/", given)
    assert (refused.status_code, field in {name.partition(".")[0] for name in refused.json()["errors"]}) == (422, True)


def test_who_may(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        found = rule(cast.ada, environment="test")
    rules = f"{base(cast.acme)}/approval-rules/"
    at = f"{rules}{found.pk}/"
    for person, status in ((cast.carl, 403), (cast.pam, 403), (cast.eve, 404)):
        client = rest(person)
        answers = [
            client.get(rules),
            client.get(at),
            client.get(f"{at}replay/"),
            client.post(rules, {}),
            client.patch(at, {}),
            client.delete(at),
        ]
        assert {each.status_code for each in answers} == {status}
    globex = f"{base(cast.globex)}/approval-rules/{found.pk}/"
    assert rest(cast.eve).get(globex).status_code == 404


def test_as_many_queries_for_many(cast: Cast, rest: Rest) -> None:
    ada, rules = rest(cast.ada), f"{base(cast.acme)}/approval-rules/"
    with tenant_scope(cast.acme.pk):
        found = rule(cast.ada, environment="test", on=False)
        plan = make.plan(make.api("orders"))
        asks(cast, plan)
    ada.get(rules)
    for more in (4, 0):
        with queries("approval-rules/"):
            ada.get(rules)
        with queries("approval-rules/replay/"):
            ada.get(f"{rules}{found.pk}/replay/")
        with tenant_scope(cast.acme.pk):
            for number in range(more):
                rule(cast.ada, name=f"R{number}", environment="live")
                subscriptions.reject(asks(cast, make.plan(make.api(f"api-{number}")), environment="test"), reason="No.", by=cast.ada)
