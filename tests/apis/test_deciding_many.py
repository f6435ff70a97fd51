"""Ada decides several requests in one go, and is told what became of each."""

from typing import Any
from uuid import uuid4

import pytest

from apis.actions import deciding_many, subscriptions
from apis.models import Subscription
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base


@pytest.fixture
def asked(in_acme: Cast) -> list[Subscription]:
    """Three of Carl's applications ask for Orders."""
    plan = make.plan(make.api("orders"))
    names = ("One", "Two", "Three")
    return [make.subscription(status="pending", of=make.application(in_acme.carl, name=name), to=plan) for name in names]


def states() -> list[str]:
    return list(Subscription.objects.order_by("pk").values_list("status", flat=True))


def test_each_is_decided_by_itself(in_acme: Cast, asked: list[Subscription]) -> None:
    subscriptions.reject(asked[1], reason="No.", by=in_acme.ada)
    own = make.subscription(status="pending", of=make.application(in_acme.ada), to=asked[0].plan)
    nobody = uuid4()
    ids = [own.pk, nobody, *(each.pk for each in asked)]
    results = deciding_many.approve_all(ids, among=Subscription.objects.for_list(), by=in_acme.ada)
    assert [each.pk for each in results] == ids, "in the order that was asked"
    assert [each.event is not None for each in results] == [False, False, True, False, True]
    assert "a request of your own" in results[0].refusal
    assert (results[1].subscription, results[1].refusal) == (None, "There is no such request.")
    assert "This subscription is rejected" in results[3].refusal
    assert states() == ["active", "rejected", "active", "pending"]
    assert Event.objects.filter(kind="subscription.approved").count() == 2


def test_one_reason_for_all(in_acme: Cast, asked: list[Subscription]) -> None:
    deciding_many.reject_all([each.pk for each in asked], among=Subscription.objects.for_list(), reason="Not now.", by=in_acme.ada)
    assert states() == ["rejected"] * 3
    assert set(Subscription.objects.values_list("reason", flat=True)) == {"Not now."}
    subscriptions.undo(Subscription.objects.get(pk=asked[0].pk), by=in_acme.ada)
    assert states() == ["pending", "rejected", "rejected"], "each is taken back by itself"


def test_of_two_people_it_is_the_first_or_the_second(in_acme: Cast) -> None:
    alan = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    plan = make.plan(make.api("orders"), approval="two_people")
    begun = make.subscription(status="pending", of=make.application(in_acme.carl), to=plan)
    subscriptions.approve(begun, by=alan)
    fresh = make.subscription(status="pending", of=make.application(in_acme.carl), to=plan)
    results = deciding_many.approve_all([begun.pk, fresh.pk], among=Subscription.objects.for_list(), by=in_acme.ada)
    assert [each.event.kind for each in results if each.event] == ["subscription.approved", "subscription.approved_first"]
    assert states() == ["active", "pending"]


# --- REST -------------------------------------------------------------------------------------------------------------


def at(cast: Cast) -> str:
    return f"{base(cast.acme)}/subscriptions/decisions/"


def test_over_rest(in_acme: Cast, rest: Rest, asked: list[Subscription]) -> None:
    subscriptions.approve(asked[2], by=in_acme.ada)
    nobody = str(uuid4())
    ids = [str(each.pk) for each in asked]
    answer = rest(in_acme.ada).post(at(in_acme), {"decision": "approve", "subscriptions": [*ids, nobody]}, format="json")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["decided"], told["refused"]) == (2, 2)
    assert [(each["id"], each["status"]) for each in told["results"]] == [
        *((each, "active") for each in ids),
        (nobody, None),
    ]
    first, _, late, unknown = told["results"]
    assert first["receipt"] == f"{base(in_acme.acme)}/receipts/{first['event']}/"
    assert (late["event"], late["receipt"], late["refused"]) == (None, None, "This subscription is active, so there is nothing to approve.")
    assert unknown["refused"] == "There is no such request."


def test_a_rejection_over_rest(in_acme: Cast, rest: Rest, asked: list[Subscription]) -> None:
    body = {"decision": "reject", "subscriptions": [str(asked[0].pk)], "reason": "No."}
    assert rest(in_acme.ada).post(at(in_acme), body, format="json").json()["decided"] == 1
    assert states() == ["rejected", "pending", "pending"]


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"subscriptions": []}, "subscriptions", "at least 1"),
        ({"subscriptions": [str(uuid4()) for _ in range(101)]}, "subscriptions", "no more than 100"),
        ({"subscriptions": ["x"]}, "subscriptions.0", "UUID"),
        ({"subscriptions": "x"}, "subscriptions", "list"),
        ({"subscriptions": ["0" * 32] * 2}, "subscriptions", "Name each once."),
        ({"decision": "maybe"}, "decision", "Choose from approve, reject."),
        ({"decision": "reject"}, "reason", "This field is required to reject."),
        ({"decision": "reject", "reason": ""}, "reason", "blank"),
        ({"decision": "reject", "reason": "x" * 501}, "reason", "500"),
        ({"decision": "reject", "reason": "a\x00b"}, "reason", ""),
        ({"reason": "Well."}, "reason", "To approve takes no reason."),
        ({"more": 1}, "more", "There is no such field"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_what_cannot_be_used(
    in_acme: Cast, rest: Rest, asked: list[Subscription], change: dict[str, Any], field: str, sentence: str
) -> None:
    body = {"decision": "approve", "subscriptions": [str(asked[0].pk)], **change}
    answer = rest(in_acme.ada).post(at(in_acme), body, format="json")
    assert answer.status_code == 422
    assert sentence in str(answer.json()["errors"][field])
    assert states() == ["pending"] * 3


def test_others_decide_nothing(in_acme: Cast, rest: Rest, asked: list[Subscription]) -> None:
    body = {"decision": "approve", "subscriptions": [str(asked[0].pk)]}
    for user, status in ((in_acme.carl, 403), (in_acme.pam, 403), (in_acme.eve, 404), (None, 401)):
        assert rest(user).post(at(in_acme), body, format="json").status_code == status
    with tenant_scope(in_acme.globex.pk):
        make.member(in_acme.globex, "adele@globex.example", Role.ADMIN)
    answer = rest(in_acme.eve).post(f"{base(in_acme.globex)}/subscriptions/decisions/", body, format="json")
    assert answer.status_code in {200, 403}
    if answer.status_code == 200:
        assert answer.json()["results"][0]["status"] is None
    assert states() == ["pending"] * 3
