"""Pam shows a plan to some teams alone; others neither see it nor may ask for it."""

from typing import Any
from uuid import uuid4

import pytest

from apis.actions import adding, audience, catalogue, changes, several, subscriptions
from apis.models import Plan, PlanTeam, Subscription
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Team, User
from tenants.people.teams import delete_team
from tests import make
from tests.conftest import Cast, Rest, base
from tests.portal.pages.test_requests import signed_in, text


@pytest.fixture
def dora(in_acme: Cast) -> User:
    """In the team that sees it."""
    return make.member(in_acme.acme, "dora@acme.example")


@pytest.fixture
def friends(in_acme: Cast, dora: User) -> Team:
    return make.team(dora, "Friends")


@pytest.fixture
def gold(in_acme: Cast, friends: Team) -> Plan:
    """For friends; silver is for everybody."""
    silver = make.plan(make.api("orders"), name="silver")
    found = make.plan(silver.api, name="gold")
    audience.show(found, visibility="teams", teams=[friends], by=in_acme.pam)
    return found


def asks(by: User, to: Plan) -> Subscription:
    return subscriptions.request(make.application(by), api=to.api, plan=to, purpose="x", by=by)[0]


def test_others_can_not_ask_for_it(in_acme: Cast, dora: User, gold: Plan) -> None:
    for ask in (
        lambda: asks(in_acme.carl, gold),
        lambda: several.request_all(make.application(in_acme.carl), [several.Wanted(gold.api, gold)], purpose="x", by=in_acme.carl),
    ):
        with pytest.raises((NotAllowed, Invalid), match="^Orders offers no plan “gold”"):
            ask()
    assert asks(dora, gold).status == "pending"
    assert asks(in_acme.ada, gold).status == "pending", "who may publish sees all"
    alan = make.member(in_acme.acme, None, "approver")
    with pytest.raises(NotAllowed, match="^Orders offers no plan “gold”"):
        adding.add(make.application(in_acme.carl), api=gold.api, plan=gold, reason="x", by=alan)


def test_who_has_it_keeps_it(in_acme: Cast, dora: User, gold: Plan, friends: Team) -> None:
    held = asks(dora, gold)
    other = make.team(in_acme.carl, "Others")
    audience.show(gold, teams=[other], by=in_acme.pam)
    subscriptions.approve(held, by=in_acme.ada)
    assert held.status == "active"
    with pytest.raises(NotAllowed, match="offers no plan"):
        asks(dora, gold)
    audience.show(gold, visibility="all", by=in_acme.pam)
    assert not PlanTeam.objects.exists()
    assert asks(dora, gold).status == "pending"


def test_each_change_is_on_the_record(in_acme: Cast, gold: Plan, friends: Team) -> None:
    assert audience.show(gold, visibility="teams", teams=[friends], by=in_acme.pam) is None
    event = Event.objects.get(kind="plan.shown")
    assert event.data == {
        "api": "orders",
        "was": {"visibility": "all", "teams": []},
        "now": {"visibility": "teams", "teams": ["Friends"]},
    }


def test_a_team_is_needed_and_has_to_be_there(in_acme: Cast, friends: Team) -> None:
    plan = make.plan(make.api("prices"))
    with pytest.raises(Invalid, match="Choose at least one team that sees it"):
        audience.show(plan, visibility="teams", teams=[], by=in_acme.pam)
    delete_team(friends, by=in_acme.ada)
    with pytest.raises(Invalid, match="One of these teams is not there any more"):
        audience.show(plan, visibility="teams", teams=[friends], by=in_acme.pam)
    Plan.objects.filter(pk=plan.pk).update(status="closed")
    with pytest.raises(NotAllowed, match="is closed"):
        audience.show(plan, visibility="all", by=in_acme.pam)


def test_a_plan_approves_tests_by_itself(in_acme: Cast) -> None:
    plan = make.plan(make.api(), approval="tests")
    test, live = (make.application(in_acme.carl, environment=each) for each in ("test", "live"))
    states = [subscriptions.request(each, api=plan.api, plan=plan, purpose="x", by=in_acme.carl)[0].status for each in (test, live)]
    assert states == ["active", "pending"]


def test_over_rest(in_acme: Cast, dora: User, gold: Plan, friends: Team, rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/apis/orders/"
    names = lambda found: [each["name"] for each in found]  # noqa: E731
    for person, seen in ((in_acme.carl, ["silver"]), (dora, ["silver", "gold"]), (in_acme.pam, ["silver", "gold"])):
        assert names(rest(person).get(at).json()["plans"]) == seen
        assert names(rest(person).get(f"{base(in_acme.acme)}/apis/").json()["results"][0]["plans"]) == seen
        assert sorted(names(rest(person).get(f"{at}plans/").json()["results"])) == sorted(seen)
        assert rest(person).get(f"{at}plans/gold/").status_code == (200 if "gold" in seen else 404)
    body: dict[str, Any] = {"application": str(make.application(in_acme.carl).pk), "api": "orders", "plan": "gold", "purpose": "x"}
    refused = rest(in_acme.carl).post(f"{base(in_acme.acme)}/subscriptions/", body, format="json")
    none = rest(in_acme.carl).post(f"{base(in_acme.acme)}/subscriptions/", {**body, "plan": "none"}, format="json")
    assert refused.status_code == none.status_code == 422
    assert refused.json()["errors"] == {"plan": ["Orders offers no plan “gold”."]}
    assert none.json()["errors"] == {"plan": ["Orders offers no plan “none”."]}
    subscriptions.request(make.application(dora), api=gold.api, plan=gold, purpose="x", by=dora)
    change = f"{at}plans/gold/"
    for wrong in ({"teams": [str(uuid4())]}, {"visibility": "some"}, {"visibility": "teams", "teams": []}, {"teams": ["x"]}):
        assert rest(in_acme.pam).patch(change, wrong, format="json").status_code == 422, wrong
    shown = rest(in_acme.pam).patch(change, {"calls": 7, "visibility": "all"}, format="json")
    assert (shown.status_code, shown.json()["visibility"], shown.json()["teams"], shown.json()["calls"]) == (200, "all", [], 7)
    again = rest(in_acme.ada).patch(change, {"visibility": "teams", "teams": [str(friends.pk)]}, format="json")
    assert again.json()["teams"] == [str(friends.pk)]
    assert rest(in_acme.carl).patch(change, {"visibility": "all"}, format="json").status_code == 403
    assert rest(in_acme.eve).patch(change, {"visibility": "all"}, format="json").status_code == 404


def test_on_pages(in_acme: Cast, dora: User, gold: Plan, friends: Team) -> None:
    for person, seen in ((in_acme.carl, False), (dora, True)):
        own = make.application(person)
        for page in (
            "/t/acme/apis/orders/?tab=plans",
            "/t/acme/apis/orders/subscribe/",
            f"/t/acme/apps/{own.pk}/subscribe/",
            f"/t/acme/apps/{own.pk}/subscribe/plans/?api=orders",
        ):
            assert ("gold" in text(signed_in(person).get(page))) is seen, (person, page)
    carl, own = signed_in(in_acme.carl), make.application(in_acme.carl)
    typed = {"application": str(own.pk), "plan": str(gold.pk), "purpose": "x"}
    assert "This plan is not offered any more." in text(carl.post("/t/acme/apis/orders/subscribe/", typed))
    there = {"orders.plan": str(gold.pk), "purpose": "x"}
    assert "This plan is not offered any more." in text(carl.post(f"/t/acme/apps/{own.pk}/subscribe/plans/?api=orders", there))
    assert not Subscription.objects.exists()


def test_a_change_leads_to_no_plan_that_one_does_not_see(in_acme: Cast, dora: User, gold: Plan, rest: Rest) -> None:
    bronze = make.plan(gold.api, name="bronze")
    for person, seen in ((in_acme.carl, False), (dora, True)):
        held = make.subscription(of=make.application(person), to=bronze)
        assert ("gold" in text(signed_in(person).get(f"/t/acme/apps/subscriptions/{held.pk}/plan/"))) is seen, person
    mine = Subscription.objects.get(application__owner=in_acme.carl)
    at = f"{base(in_acme.acme)}/subscriptions/{mine.pk}/change-plan/"
    for name in ("gold", "none"):
        refused = rest(in_acme.carl).post(at, {"plan": name, "purpose": "x"}, format="json")
        assert (refused.status_code, refused.json()["errors"]) == (422, {"plan": [f"Orders offers no plan “{name}”."]})


def test_nor_to_any_of_an_api_that_one_does_not_see_any_more(in_acme: Cast, gold: Plan, friends: Team) -> None:
    held = make.subscription(of=make.application(in_acme.carl), to=Plan.objects.get(name="silver"))
    free = make.plan(gold.api, name="free", approval="automatic")
    catalogue.place(held.api, visibility="teams", teams=[friends], by=in_acme.pam)
    with pytest.raises(NotAllowed, match="Orders is not open to you"):
        changes.ask_for_plan(held, plan=free, purpose="x", by=in_acme.carl)


def test_it_is_changed_on_its_page(in_acme: Cast, gold: Plan, friends: Team) -> None:
    ada, here = signed_in(in_acme.ada), f"/t/acme/console/plans/{gold.pk}/audience/"
    assert here in ada.get("/t/acme/console/plans/").content.decode()
    assert "Some teams alone see it" in text(ada.get("/t/acme/console/plans/"))
    assert "Friends" in text(ada.get(here))
    refused = ada.post(here, {"visibility": "teams"})
    assert (refused.status_code, "Choose at least one team" in text(refused)) == (422, True)
    assert ada.post(here, {"visibility": "teams", "teams": [str(uuid4())]}).status_code == 422
    done = text(ada.post(here, {"visibility": "all"}, follow=True))
    assert "Who sees the plan gold of Orders is changed." in done
    assert Plan.objects.get(pk=gold.pk).visibility == "all"
    assert signed_in(in_acme.carl).get(here).status_code == 403
    assert signed_in(in_acme.eve).get(here).status_code == 404
    assert signed_in(in_acme.eve).post(here.replace("acme", "globex"), {"visibility": "all"}).status_code == 404
