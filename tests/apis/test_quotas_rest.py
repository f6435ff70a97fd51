"""Quotas over REST: of plans, of subscriptions, and what approvers add."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apis.actions import quotas
from apis.models import Plan, Subscription
from apis.quotas import span
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

GIVEN = {"calls": 5, "reason": "Their sale."}


@pytest.fixture
def held(cast: Cast) -> Subscription:
    with tenant_scope(cast.acme.pk):
        gold = make.plan(make.api("orders"), name="gold", quota=10, quota_period="day", quota_time_zone="Asia/Tokyo")
        return make.subscription(of=make.application(cast.carl, name="Shop"), to=gold)


def called(cast: Cast, held: Subscription, many: int) -> None:
    quotas.count(cast.acme.pk, {(held.pk, timezone.now()): many})


def top_ups(cast: Cast, held: Any, tenant: str = "acme") -> str:
    return f"/api/v1/tenants/{tenant}/subscriptions/{getattr(held, 'pk', held)}/top-ups/"


def test_a_subscription_tells_how_it_stands(cast: Cast, rest: Rest, held: Subscription) -> None:
    called(cast, held, 7)
    found = rest(cast.carl).get(f"{base(cast.acme)}/subscriptions/{held.pk}/").json()["quota"]
    assert found.pop("counted_at") is not None
    ends = span(timezone.now(), "day", "Asia/Tokyo")[1]
    assert found == {
        "limit": 10,
        "used": 7,
        "period": "day",
        "time_zone": "Asia/Tokyo",
        "resets_at": ends.isoformat().replace("+00:00", "Z"),
        "topped_up": 0,
    }
    with tenant_scope(cast.acme.pk):
        without = make.subscription(of=make.application(cast.carl))
    assert rest(cast.carl).get(f"{base(cast.acme)}/subscriptions/{without.pk}/").json()["quota"] is None


def test_a_list_tells_it_in_as_many_queries_for_many_as_for_one(cast: Cast, rest: Rest, held: Subscription) -> None:
    ada, at = rest(cast.ada), f"{base(cast.acme)}/subscriptions/"
    ada.get(at)
    with queries("subscriptions:quotas"):
        ada.get(at)
    with tenant_scope(cast.acme.pk):
        more = [make.subscription(of=make.application(cast.carl), to=held.plan) for _ in range(4)]
    for each in more:
        called(cast, each, 3)
    with queries("subscriptions:quotas"):
        rows = ada.get(at).json()["results"]
    assert sorted(row["quota"]["used"] for row in rows) == [0, 3, 3, 3, 3]


def test_an_approver_adds_to_it_and_gets_a_receipt(cast: Cast, rest: Rest, held: Subscription) -> None:
    called(cast, held, 10)
    answer = rest(cast.ada).post(top_ups(cast, held), GIVEN, format="json")
    assert answer.status_code == 200
    assert {name: answer.json()["quota"][name] for name in ("limit", "used", "topped_up")} == {"limit": 15, "used": 10, "topped_up": 5}
    assert answer.json()["receipt"].endswith(f"/receipts/{answer.json()['event']}/")


@pytest.mark.parametrize("calls", [0, -1, 10**12 + 1, 2**70, "many", None, 1.5])
def test_what_can_not_be_added_is_told(cast: Cast, rest: Rest, held: Subscription, calls: Any) -> None:
    answer = rest(cast.ada).post(top_ups(cast, held), {**GIVEN, "calls": calls}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["calls"])


def test_what_is_no_reason_and_what_is_unknown_is_told(cast: Cast, rest: Rest, held: Subscription) -> None:
    ada = rest(cast.ada)
    for given, field in (({"calls": 1}, "reason"), ({**GIVEN, "reason": "a\x00"}, "reason"), ({**GIVEN, "for": "ever"}, "for")):
        answer = ada.post(top_ups(cast, held), given, format="json")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_a_rule_says_no(cast: Cast, rest: Rest, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        pending = make.subscription(of=make.application(cast.carl), to=held.plan, status="pending")
        without = make.subscription(of=make.application(cast.carl))
    for each, said in ((pending, "is pending, so nothing can be added"), (without, "has no quota")):
        answer = rest(cast.ada).post(top_ups(cast, each), GIVEN, format="json")
        assert answer.status_code == 409
        assert said in answer.json()["detail"]


def test_only_those_who_decide_add_to_it(cast: Cast, rest: Rest, held: Subscription) -> None:
    for user, status in ((cast.carl, 403), (cast.pam, 403), (cast.eve, 404)):
        assert rest(user).post(top_ups(cast, held), GIVEN, format="json").status_code == status
    for pk in (held.pk, uuid4()):
        assert rest(cast.eve).post(top_ups(cast, pk, "globex"), GIVEN, format="json").status_code == 404


def test_a_publisher_gives_a_plan_a_quota_and_takes_it_away(cast: Cast, rest: Rest, held: Subscription) -> None:
    pam, at = rest(cast.pam), f"{base(cast.acme)}/apis/orders/plans/"
    made = pam.post(at, {"name": "silver", "calls": 1, "seconds": 1, "quota": 5}, format="json").json()
    assert (made["quota"], made["quota_period"], made["quota_time_zone"]) == (5, "month", "UTC")
    changed = pam.patch(f"{at}silver/", {"quota_period": "day", "quota_time_zone": "Europe/Berlin"}, format="json").json()
    assert (changed["quota"], changed["quota_period"], changed["quota_time_zone"]) == (5, "day", "Europe/Berlin")
    assert pam.patch(f"{at}silver/", {"quota": None}, format="json").json()["quota"] is None
    assert "event" not in pam.patch(f"{at}silver/", {"quota": None}, format="json").json()
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.get(name="silver").quota is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quota", 0), ("quota", -1), ("quota", 10**12 + 1), ("quota", "x"), ("quota_period", "week"), ("quota_time_zone", "Mars/Olympus"),
        ("quota_time_zone", "../../etc/passwd"), ("quota_time_zone", "UTC\x00"), ("quota_time_zone", "x" * 65),
    ],
)  # fmt: skip
def test_a_quota_that_can_not_be_is_told(cast: Cast, rest: Rest, held: Subscription, field: str, value: Any) -> None:
    answer = rest(cast.pam).patch(f"{base(cast.acme)}/apis/orders/plans/gold/", {field: value}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_whom_another_quota_would_stop_is_told_before(cast: Cast, rest: Rest, held: Subscription) -> None:
    called(cast, held, 7)
    pam, at = rest(cast.pam), f"{base(cast.acme)}/apis/orders/plans/gold/holders/"
    found = [pam.get(f"{at}{asked}").json()["over"] for asked in ("", "?quota=8", "?quota=7", "?quota=7&quota_period=month")]
    assert found == [0, 0, 1, 0]
    assert pam.get(at).json()["results"][0]["quota"]["used"] == 7
    assert pam.get(f"{at}?quota=0").status_code == 422
    assert pam.get(f"{at}?quota=many").status_code == 422
