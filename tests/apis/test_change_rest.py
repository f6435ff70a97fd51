"""Dates, trials and changes of subscriptions over REST."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apis.models import ChangeRequest, Plan, Subscription
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries


def iso(**away: float) -> str:
    return (timezone.now() + timedelta(**away)).isoformat()


@pytest.fixture
def held(cast: Cast) -> Subscription:
    """Carl's Checkout has gold at Orders, where there is silver as well."""
    with tenant_scope(cast.acme.pk):
        gold = make.plan(make.api("orders"), name="gold")
        make.plan(gold.api, name="silver", calls=10)
        return make.subscription(of=make.application(cast.carl, name="Checkout"), to=gold)


def at(cast: Cast, thing: Any, verb: str = "", noun: str = "subscriptions") -> str:
    return f"{base(cast.acme)}/{noun}/{getattr(thing, 'pk', thing)}/{verb and verb + '/'}"


def wish(cast: Cast, rest: Rest, held: Subscription, **told: Any) -> dict[str, Any]:
    done = rest(cast.carl).post(at(cast, held, "change-plan"), {"plan": "silver", "purpose": "Less is enough.", **told})
    assert done.status_code == 201, done.json()
    found: dict[str, Any] = done.json()
    return found


def test_carl_asks_for_dates(cast: Cast, rest: Rest, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        other = make.application(cast.carl, name="Shop")
    told = {"application": str(other.pk), "api": "orders", "plan": "gold", "purpose": "A fair."}
    path = f"{base(cast.acme)}/subscriptions/"
    done = rest(cast.carl).post(path, {**told, "starts_at": iso(days=1), "ends_at": iso(days=3)})
    assert done.status_code == 201, done.json()
    assert done.json()["starts_at"] < done.json()["ends_at"]
    assert done.json()["started_at"] is None
    refused = rest(cast.carl).post(path, {**told, "ends_at": iso(days=-1)})
    # The rule that was broken first: it has one already.
    assert refused.status_code in {409, 422}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ends_at", "2020-01-01T00:00:00Z", "This time has passed."),
        ("ends_at", "9999-12-31T23:59:59Z", "Choose a time in the next ten years."),
        ("ends_at", "0001-01-01T00:00:00Z", "This time has passed."),
        ("ends_at", "tomorrow", "Datetime has wrong format"),
        ("starts_at", 5, "Datetime has wrong format"),
        ("starts_at", "2027-01-01\x00", "Datetime has wrong format"),
        ("begins", "2027-01-01T00:00:00Z", "There is no such field here"),
    ],
)
def test_dates_that_there_are_not(cast: Cast, rest: Rest, held: Subscription, field: str, value: Any, said: str) -> None:
    refused = rest(cast.ada).post(at(cast, held, "dates"), {field: value})
    assert refused.status_code == 422
    assert said in str(refused.json()["errors"][field])


def test_ada_changes_the_dates_and_null_takes_the_end_away(cast: Cast, rest: Rest, held: Subscription) -> None:
    ends, ada = iso(days=9), rest(cast.ada)
    done = ada.post(at(cast, held, "dates"), {"ends_at": ends})
    assert (done.status_code, done.json()["receipt"] is not None) == (200, True)
    assert done.json()["ends_at"] is not None
    same = ada.post(at(cast, held, "dates"), {"ends_at": done.json()["ends_at"]})
    assert (same.status_code, "event" in same.json()) == (200, False)
    assert ada.post(at(cast, held, "dates"), {}).status_code == 200
    assert ada.post(at(cast, held, "dates"), {"ends_at": None}).json()["ends_at"] is None


def test_ada_approves_with_dates(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        asked = make.subscription(status="pending", of=make.application(cast.carl))
    done = rest(cast.ada).post(at(cast, asked, "approve"), {"starts_at": iso(days=1), "ends_at": iso(days=2)})
    assert (done.status_code, done.json()["status"]) == (200, "active"), done.json()
    assert done.json()["starts_at"] is not None
    with tenant_scope(cast.acme.pk):
        refused_at = make.subscription(status="pending", of=make.application(cast.carl))
    refused = rest(cast.ada).post(at(cast, refused_at, "approve"), {"ends_at": iso(days=-1)})
    assert refused.status_code == 422
    with tenant_scope(cast.acme.pk):
        assert Subscription.objects.get(pk=refused_at.pk).status == "pending", "all of it or nothing"


def test_a_trial_is_in_the_terms_of_a_plan(cast: Cast, rest: Rest, held: Subscription) -> None:
    pam, plans = rest(cast.pam), f"{base(cast.acme)}/apis/orders/plans/"
    told = {"name": "trial", "calls": 5, "seconds": 1, "trial_days": 30}
    assert pam.post(plans, told).json()["trial_days"] == 30
    assert pam.patch(f"{plans}trial/", {"trial_days": 60}).json()["trial_days"] == 60
    assert pam.patch(f"{plans}trial/", {"calls": 6}).json()["trial_days"] == 60, "what is left out stays"
    assert pam.patch(f"{plans}trial/", {"trial_days": None}).json()["trial_days"] is None
    with tenant_scope(cast.acme.pk):
        assert Event.objects.filter(kind="plan.changed").count() == 3
    for wrong in (0, -1, 366, 10**30, "a", True, 1.5):
        assert pam.patch(f"{plans}trial/", {"trial_days": wrong}).status_code == 422, wrong


def test_another_plan_is_asked_for_and_given(cast: Cast, rest: Rest, held: Subscription) -> None:
    asked = wish(cast, rest, held)
    told = {name: asked[name] for name in ("kind", "plan", "was_plan", "status", "waits", "purpose", "requested_by")}
    assert told == {
        "kind": "plan", "plan": "silver", "was_plan": "gold", "status": "pending", "waits": True, "purpose": "Less is enough.",
        "requested_by": "carl@acme.example",
    }  # fmt: skip
    ada = rest(cast.ada)
    queue = f"{base(cast.acme)}/change-requests/"
    assert [each["id"] for each in ada.get(f"{queue}?status=pending").json()["results"]] == [asked["id"]]
    assert [each["id"] for each in ada.get(f"{queue}?subscription={held.pk}").json()["results"]] == [asked["id"]]
    done = ada.post(at(cast, asked["id"], "approve", "change-requests"))
    assert (done.status_code, done.json()["status"], done.json()["decided_by"]) == (200, "approved", "ada@acme.example")
    assert rest(cast.carl).get(at(cast, held)).json()["plan"] == "silver"
    assert ada.get(f"{queue}?status=pending").json()["results"] == []
    assert ada.post(at(cast, asked["id"], "approve", "change-requests")).status_code == 409


def test_a_change_is_rejected_or_withdrawn(cast: Cast, rest: Rest, held: Subscription) -> None:
    first = wish(cast, rest, held)["id"]
    assert rest(cast.ada).post(at(cast, first, "reject", "change-requests")).status_code == 422
    done = rest(cast.ada).post(at(cast, first, "reject", "change-requests"), {"reason": "No."})
    assert (done.status_code, done.json()["status"], done.json()["reason"]) == (200, "rejected", "No.")
    second = wish(cast, rest, held)["id"]
    done = rest(cast.carl).post(at(cast, second, "withdraw", "change-requests"))
    assert (done.status_code, done.json()["status"]) == (200, "withdrawn")
    assert rest(cast.carl).post(at(cast, second, "withdraw", "change-requests")).status_code == 409


@pytest.mark.parametrize("plan", ["gold", "bronze", "planned", "other", "a\x00", ""])
def test_plans_that_can_not_be_asked_for(cast: Cast, rest: Rest, held: Subscription, plan: str) -> None:
    """The same, none at all, one in staging, one of another API, and no text."""
    with tenant_scope(cast.acme.pk):
        make.plan(make.api("bills"), name="other")
        Plan.objects.create(api=held.api, name="planned", calls=1, seconds=1)
    refused = rest(cast.carl).post(at(cast, held, "change-plan"), {"plan": plan, "purpose": "x"})
    assert refused.status_code == (409 if plan == "gold" else 422), refused.json()


def test_one_change_at_a_time_over_rest(cast: Cast, rest: Rest, held: Subscription) -> None:
    wish(cast, rest, held)
    again = rest(cast.carl).post(at(cast, held, "change-plan"), {"plan": "silver", "purpose": "x"})
    assert (again.status_code, "waits already" in str(again.json())) == (409, True)


def test_a_renewal_over_rest(cast: Cast, rest: Rest, held: Subscription) -> None:
    carl, renew = rest(cast.carl), at(cast, held, "renew")
    assert carl.post(renew, {"purpose": "x"}).status_code == 409, "it has no end"
    before = rest(cast.ada).post(at(cast, held, "dates"), {"ends_at": iso(days=5)}).json()["ends_at"]
    assert carl.post(renew, {"purpose": "x", "ends_at": iso(days=1)}).status_code == 422
    assert carl.post(renew, {}).status_code == 422
    done = carl.post(renew, {"purpose": "We go on."})
    assert (done.status_code, done.json()["kind"], done.json()["was_ends_at"]) == (201, "renewal", before)
    assert rest(cast.ada).post(at(cast, done.json()["id"], "approve", "change-requests")).status_code == 200
    assert carl.get(at(cast, held)).json()["ends_at"] == done.json()["ends_at"]


def test_who_may_not_change_anything(cast: Cast, rest: Rest, held: Subscription) -> None:
    asked = wish(cast, rest, held)["id"]
    change = at(cast, asked, noun="change-requests")
    for verb, given in (("change-plan", {"plan": "silver", "purpose": "x"}), ("renew", {"purpose": "x"}), ("dates", {"ends_at": None})):
        for who, expected in ((cast.eve, 404), (None, 401), (cast.pam, 403)):
            assert rest(who).post(at(cast, held, verb), given).status_code == expected, (verb, who)
    assert rest(cast.carl).post(at(cast, held, "dates"), {"ends_at": None}).status_code == 403
    assert rest(cast.ada).post(at(cast, held, "renew"), {"purpose": "x"}).status_code in {403, 404}, "it is not hers"
    for verb in ("approve", "reject", "withdraw"):
        for who, expected in ((cast.eve, 404), (None, 401), (cast.pam, 403)):
            assert rest(who).post(f"{change}{verb}/", {"reason": "x"}).status_code == expected, (verb, who)
    assert rest(cast.carl).post(f"{change}approve/").status_code == 403
    assert rest(cast.eve).get(change).status_code == 404
    with tenant_scope(cast.acme.pk):
        cora = make.member(cast.acme, "cora@acme.example", Role.DEVELOPER)
        assert ChangeRequest.objects.get().status == "pending"
    assert rest(cora).get(change).status_code == 404, "another developer"
    assert rest(cora).get(f"{base(cast.acme)}/change-requests/").json()["results"] == []
    assert rest(cast.ada).get(at(cast, uuid4(), noun="change-requests")).status_code == 404


@pytest.mark.parametrize("query", ["status=open", "subscription=x"])
def test_what_can_not_be_looked_for(cast: Cast, rest: Rest, query: str) -> None:
    assert rest(cast.ada).get(f"{base(cast.acme)}/change-requests/?{query}").status_code == 422


def test_the_list_of_changes_takes_as_many_queries_for_many(cast: Cast, rest: Rest, held: Subscription) -> None:
    for _ in range(3):
        asked = wish(cast, rest, held)["id"]
        rest(cast.carl).post(at(cast, asked, "withdraw", "change-requests"))
    with queries("change-requests/"):
        assert len(rest(cast.ada).get(f"{base(cast.acme)}/change-requests/").json()["results"]) == 3
