"""Some requests need two people: Ada approves, and Alan has to, too."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apis.actions import approval_rules, dates, questions, subscriptions
from apis.models import Plan, Subscription
from keys.models import Application
from tenants.errors import NotAllowed
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event, Role, User
from tests import make
from tests.conftest import Cast, Rest, base


@pytest.fixture
def alan(cast: Cast) -> User:
    """Another approver."""
    return make.member(cast.acme, "alan@acme.example", Role.APPROVER)


@pytest.fixture
def asked(in_acme: Cast) -> Subscription:
    """Carl's Checkout asks for Orders, under a plan that needs two people."""
    plan = make.plan(make.api("orders"), name="gold", approval="two_people")
    return make.subscription(status="pending", of=make.application(in_acme.carl, name="Checkout"), to=plan)


def again(subscription: Subscription) -> Subscription:
    return Subscription.objects.for_list().get(pk=subscription.pk)


def kinds() -> list[str]:
    rows = Event.objects.filter(kind__startswith="subscription.").order_by("number").values_list("kind", flat=True)
    return [each.partition(".")[2] for each in rows]


def test_the_second_approval_lets_calls_pass(in_acme: Cast, alan: User, asked: Subscription) -> None:
    first = subscriptions.approve(asked, by=in_acme.ada)
    found = again(asked)
    assert (found.status, found.approvals_needed, found.first_approved_by, found.first_approved_at) == ("pending", 2, in_acme.ada, first.at)
    assert (found.decided_by, found.undo_until, found.waits_for_second) == (None, None, True)
    assert first.kind not in GATEWAY_KINDS, "gateways do nothing yet"
    second = subscriptions.approve(found, by=alan)
    found = again(asked)
    assert (found.status, found.decided_by, found.first_approved_by) == ("active", alan, in_acme.ada)
    assert (second.kind, second.data["first_approved_by"]) == ("subscription.approved", "Ada")
    assert kinds() == ["requested", "approved_first", "approved"]


def test_one_person_is_not_two(in_acme: Cast, asked: Subscription) -> None:
    subscriptions.approve(asked, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="You have approved this already"):
        subscriptions.approve(again(asked), by=in_acme.ada)
    assert again(asked).status == "pending"


@pytest.mark.parametrize("first", ["account", "person"])
def test_a_service_account_is_no_second_person(in_acme: Cast, alan: User, asked: Subscription, first: str) -> None:
    account, _ = make.service_account("subscriptions.decide", by=in_acme.ada)
    pair = [account.user, in_acme.ada]
    one, other = pair if first == "account" else pair[::-1]
    subscriptions.approve(asked, by=one)
    with pytest.raises(NotAllowed, match="You have approved this already"):
        subscriptions.approve(again(asked), by=other)
    subscriptions.approve(again(asked), by=alan)
    assert again(asked).status == "active"


def test_nobody_is_one_of_two_for_their_own(in_acme: Cast, alan: User) -> None:
    plan = make.plan(approval="two_people")
    own = make.subscription(status="pending", of=make.application(in_acme.ada), to=plan)
    with pytest.raises(NotAllowed, match="a request of your own"):
        subscriptions.approve(own, by=in_acme.ada)
    subscriptions.approve(again(own), by=alan)
    with pytest.raises(NotAllowed, match="a request of your own"):
        subscriptions.approve(again(own), by=in_acme.ada)


def test_who_has_the_application_by_now_counts_no_more(in_acme: Cast, alan: User, asked: Subscription) -> None:
    subscriptions.approve(asked, by=in_acme.ada)
    Application.objects.filter(pk=asked.application_id).update(owner=in_acme.ada)
    subscriptions.approve(again(asked), by=alan)
    found = again(asked)
    assert (found.status, found.first_approved_by) == ("pending", alan)
    adam = make.member(in_acme.acme, "adam@acme.example", Role.APPROVER)
    subscriptions.approve(found, by=adam)
    assert again(asked).status == "active"


@pytest.mark.parametrize("who", ["first", "second"])
def test_a_rejection_by_either_ends_it(in_acme: Cast, alan: User, asked: Subscription, who: str) -> None:
    subscriptions.approve(asked, by=in_acme.ada)
    subscriptions.reject(again(asked), reason="No.", by=in_acme.ada if who == "first" else alan)
    assert again(asked).status == "rejected"
    with pytest.raises(NotAllowed, match="This subscription is rejected"):
        subscriptions.approve(again(asked), by=alan)


def test_the_first_is_taken_back_by_who_gave_it(in_acme: Cast, alan: User, asked: Subscription) -> None:
    subscriptions.approve(asked, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="only they can take it back"):
        subscriptions.undo(again(asked), by=alan)
    subscriptions.undo(again(asked), by=in_acme.ada)
    found = again(asked)
    assert (found.status, found.first_approved_by, found.first_approved_at) == ("pending", None, None)
    subscriptions.approve(found, by=alan)
    assert again(asked).first_approved_by == alan
    assert kinds() == ["requested", "approved_first", "first_approval_undone", "approved_first"]


@pytest.mark.parametrize("by", ["ada", "alan"])
def test_the_first_approved_no_other_dates(in_acme: Cast, alan: User, asked: Subscription, by: str) -> None:
    """Else one of two gives for ten years what the other gave for a week."""
    subscriptions.approve(asked, by=in_acme.ada)
    who = alan if by == "alan" else in_acme.ada
    event = dates.approve_within(again(asked), by=who, ends_at=timezone.now() + timedelta(days=3000))
    found = again(asked)
    assert (event.kind, found.status, found.first_approved_by) == ("subscription.approved_first", "pending", who)
    subscriptions.approve(found, by=in_acme.ada if by == "alan" else alan)
    assert again(asked).status == "active"


def test_what_two_gave_one_does_not_prolong(in_acme: Cast, alan: User, asked: Subscription) -> None:
    soon, later = (timezone.now() + timedelta(days=many) for many in (7, 70))
    dates.change_dates(asked, by=in_acme.ada, ends_at=soon)
    subscriptions.approve(again(asked), by=in_acme.ada)
    subscriptions.approve(again(asked), by=alan)
    for ends_at in (later, None):
        with pytest.raises(NotAllowed, match="Two people have to approve"):
            dates.change_dates(again(asked), by=in_acme.ada, ends_at=ends_at)
    assert dates.change_dates(again(asked), by=in_acme.ada, ends_at=soon - timedelta(days=1)), "earlier may be said by one"


def test_undoing_the_second_leaves_the_first(in_acme: Cast, alan: User, asked: Subscription) -> None:
    subscriptions.approve(asked, by=in_acme.ada)
    subscriptions.approve(again(asked), by=alan)
    with pytest.raises(NotAllowed, match="Someone else decided this"):
        subscriptions.undo(again(asked), by=in_acme.ada)
    subscriptions.undo(again(asked), by=alan)
    found = again(asked)
    assert (found.status, found.first_approved_by, found.waits_for_second) == ("pending", in_acme.ada, True)


def test_two_at_once_one_wins(in_acme: Cast, alan: User, asked: Subscription) -> None:
    """Each has read it before the other had the lock: first when nobody had approved it, then when one had."""
    ada, other = again(asked), again(asked)
    subscriptions.approve(ada, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Someone else has just changed this subscription"):
        subscriptions.approve(other, by=alan)
    adam = make.member(in_acme.acme, "adam@acme.example", Role.APPROVER)
    one, two = again(asked), again(asked)
    subscriptions.approve(one, by=alan)
    with pytest.raises(NotAllowed, match="This subscription is active"):
        subscriptions.approve(two, by=adam)
    assert kinds() == ["requested", "approved_first", "approved"]


def test_what_was_asked_for_before_needs_what_it_needed_then(in_acme: Cast, alan: User, asked: Subscription) -> None:
    Plan.objects.update(approval="automatic")
    subscriptions.approve(asked, by=in_acme.ada)
    assert again(asked).status == "pending"
    one = make.subscription(status="pending", to=make.plan(name="silver"))
    Plan.objects.update(approval="two_people")
    subscriptions.approve(one, by=alan)
    assert again(one).status == "active"


@pytest.mark.parametrize(
    ("plan", "outcomes", "needed"),
    [
        ("automatic", ["two_people"], 2),
        ("manual", ["two_people", "people", "automatic"], 2),
        ("manual", ["people", "automatic"], 1),
        ("two_people", ["people"], 2),
        ("two_people", ["automatic"], 0),
        ("two_people", [], 2),
        ("automatic", ["people"], 1),
    ],
)
def test_the_strictest_rule_wins(in_acme: Cast, plan: str, outcomes: list[str], needed: int) -> None:
    for outcome in outcomes:
        rule, _ = approval_rules.create(name=outcome, outcome=outcome, environment="test", by=in_acme.ada)
        approval_rules.change(rule, enabled=True, by=in_acme.ada)
    of, to = make.application(in_acme.carl, environment="test"), make.plan(approval=plan)
    found, _ = subscriptions.request(of, api=to.api, plan=to, purpose="x", by=in_acme.carl)
    assert (found.status, found.approvals_needed) == ("pending" if needed else "active", max(1, needed))


def test_the_first_approval_ends_no_question(in_acme: Cast, alan: User, asked: Subscription) -> None:
    questions.ask(asked, text="How many?", by=in_acme.ada)
    subscriptions.approve(again(asked), by=in_acme.ada)
    assert again(asked).asked_at is not None
    subscriptions.approve(again(asked), by=alan)
    assert again(asked).asked_at is None


@pytest.mark.parametrize(
    "change",
    [
        {"approvals_needed": 0},
        {"approvals_needed": 3},
        {"first_approved_at": timezone.now()},
        {"status": "active"},
        {"approvals_needed": 1, "first_approved_by": "ada", "first_approved_at": timezone.now()},
    ],
    ids=["none", "three", "by nobody", "with none", "of one"],
)
def test_the_database_holds_it(in_acme: Cast, asked: Subscription, change: dict[str, Any]) -> None:
    change = {name: in_acme.ada if value == "ada" else value for name, value in change.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.filter(pk=asked.pk).update(**change)


def test_over_rest(in_acme: Cast, alan: User, rest: Rest, asked: Subscription) -> None:
    at = f"{base(in_acme.acme)}/subscriptions/{asked.pk}"
    answer = rest(in_acme.ada).post(f"{at}/approve/")
    told = {"status": "pending", "approvals_needed": 2, "first_approved_by": in_acme.ada.email, "decided_by": None}
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in told} == told
    assert answer.json()["first_approved_at"]
    again_ = rest(in_acme.ada).post(f"{at}/approve/")
    assert (again_.status_code, "approved this already" in again_.json()["detail"]) == (409, True)
    assert rest(in_acme.ada).post(f"{at}/undo/").json()["first_approved_by"] is None
    assert rest(in_acme.eve).post(f"{at}/approve/").status_code == 404
    rest(in_acme.ada).post(f"{at}/approve/")
    assert rest(alan).post(f"{at}/approve/").json()["status"] == "active"


def test_plans_and_rules_over_rest_know_it(in_acme: Cast, rest: Rest) -> None:
    make.api("orders")
    plan = {"name": "careful", "calls": 1, "seconds": 1, "approval": "two_people"}
    answer = rest(in_acme.pam).post(f"{base(in_acme.acme)}/apis/orders/plans/", plan, format="json")
    assert (answer.status_code, answer.json()["approval"]) == (201, "two_people")
    rule = rest(in_acme.ada).post(f"{base(in_acme.acme)}/approval-rules/", {"name": "Live", "outcome": "two_people"}, format="json")
    assert (rule.status_code, rule.json()["outcome"]) == (201, "two_people")
