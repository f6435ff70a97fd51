"""Acme promises an answer within some hours; Ada sees what is left, and is told once of what is overdue."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apis import tasks
from apis.actions import request_clock, subscriptions, waiting
from apis.models import Plan, RequestPolicy, Subscription
from tenants import due
from tenants.errors import Invalid
from tenants.models import Due, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

JOB = request_clock.ESCALATE_JOB


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(make.api("orders"), name="gold")


def asks(cast: Cast, to: Plan, *, hours_ago: float = 0, **about: Any) -> Subscription:
    found = make.subscription(status="pending", of=make.application(cast.carl, **about), to=to)
    Subscription.objects.filter(pk=found.pk).update(requested_at=timezone.now() - timedelta(hours=hours_ago))
    found.refresh_from_db()
    return found


def expected() -> datetime | None:
    return Due.objects.filter(job=JOB).values_list("at", flat=True).first()


def escalate() -> None:
    Due.objects.filter(job=JOB).update(at=timezone.now() - timedelta(seconds=1))
    tasks.escalate_requests()


def overdue() -> list[Any]:
    return list(Event.objects.filter(kind="subscription.overdue").order_by("number").values_list("subject_id", flat=True))


def test_there_is_no_clock_until_somebody_says_so(in_acme: Cast, gold: Plan) -> None:
    asks(in_acme, gold, hours_ago=10_000)
    assert request_clock.policy().within is None
    assert expected() is None
    assert request_clock.change(answer_hours=None, by=in_acme.ada) is None, "it was so already"


def test_what_is_overdue_is_told_once(in_acme: Cast, gold: Plan) -> None:
    late, fresh = asks(in_acme, gold, hours_ago=25), asks(in_acme, gold, hours_ago=23)
    event = request_clock.change(answer_hours=24, by=in_acme.ada)
    assert event is not None
    assert (event.kind, event.data) == ("request_policy.changed", {"was": None, "now": 24})
    escalate()
    escalate()
    assert overdue() == [late.pk]
    told = Event.objects.get(kind="subscription.overdue")
    assert (told.actor_id, told.data) == (None, {"hours": 24})
    at = expected()
    assert at is not None
    assert abs(at - (fresh.requested_at + timedelta(hours=24))) < timedelta(seconds=1)
    Subscription.objects.filter(pk=fresh.pk).update(requested_at=timezone.now() - timedelta(hours=24))
    escalate()
    assert overdue() == [late.pk, fresh.pk]
    assert expected() is None, "nothing waits that was not told of"


def test_what_is_decided_is_not_told(in_acme: Cast, gold: Plan) -> None:
    late = asks(in_acme, gold, hours_ago=30)
    request_clock.change(answer_hours=24, by=in_acme.ada)
    subscriptions.reject(late, reason="No.", by=in_acme.ada)
    escalate()
    assert overdue() == []
    subscriptions.undo(Subscription.objects.get(pk=late.pk), by=in_acme.ada)
    escalate()
    assert overdue() == [late.pk], "it waits again"


def test_a_new_request_is_expected(in_acme: Cast, gold: Plan) -> None:
    request_clock.change(answer_hours=2, by=in_acme.ada)
    tasks.escalate_requests()
    due.settle(JOB, None)
    found = make.subscription(status="pending", of=make.application(in_acme.carl), to=gold)
    assert expected() == found.requested_at + timedelta(hours=2)
    due.settle(JOB, None)
    plan = make.plan(approval="automatic")
    subscriptions.request(make.application(in_acme.carl), api=plan.api, plan=plan, purpose="x", by=in_acme.carl)
    assert expected() is None, "what was approved at once waits for nobody"


def test_a_clock_that_is_stopped_tells_nothing(in_acme: Cast, gold: Plan) -> None:
    asks(in_acme, gold, hours_ago=30)
    request_clock.change(answer_hours=24, by=in_acme.ada)
    request_clock.change(answer_hours=None, by=in_acme.ada)
    escalate()
    assert overdue() == []
    assert expected() is None


def test_many_are_told_in_several_runs(in_acme: Cast, gold: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_clock, "MOST_AT_ONCE", 2)
    rows = [asks(in_acme, gold, hours_ago=30) for _ in range(3)]
    request_clock.change(answer_hours=24, by=in_acme.ada)
    escalate()
    assert overdue() == [each.pk for each in rows[:2]]
    escalate()
    assert overdue() == [each.pk for each in rows]


def test_for_two_tenants(cast: Cast) -> None:
    for tenant, who in ((cast.acme, cast.carl), (cast.globex, cast.eve)):
        with tenant_scope(tenant.pk):
            found = make.subscription(status="pending", of=make.application(who), to=make.plan())
            Subscription.objects.filter(pk=found.pk).update(requested_at=timezone.now() - timedelta(hours=3))
            request_clock.change(answer_hours=2, by=who)
    escalate()
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            assert len(overdue()) == 1


@pytest.mark.parametrize("hours", [0, -1, 721, 10**9])
def test_numbers_that_nobody_can_promise(in_acme: Cast, hours: int) -> None:
    with pytest.raises(Invalid, match="Give a number from 1 to 720"):
        request_clock.change(answer_hours=hours, by=in_acme.ada)
    with pytest.raises((IntegrityError, Exception)), transaction.atomic():
        RequestPolicy.objects.create(answer_hours=hours)


def test_the_clock_over_rest(in_acme: Cast, rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/request-policy/"
    ada = rest(in_acme.ada)
    assert ada.get(at).json() == {"answer_hours": None}
    assert ada.put(at, {"answer_hours": 48}, format="json").json() == {"answer_hours": 48}
    assert ada.get(at).json() == {"answer_hours": 48}
    for body, sentence in (
        ({"answer_hours": 0}, "greater than or equal to 1"),
        ({"answer_hours": 721}, "less than or equal to 720"),
        ({"answer_hours": "x"}, "integer"),
        ({}, "required"),
        ({"hours": 3, "answer_hours": 3}, "There is no such field"),
    ):
        answer = ada.put(at, body, format="json")
        assert (answer.status_code, sentence in str(answer.json())) == (422, True)
    for user, got, put in ((in_acme.carl, 403, 403), (in_acme.eve, 404, 404), (None, 401, 401)):
        assert rest(user).get(at).status_code == got
        assert rest(user).put(at, {"answer_hours": 1}, format="json").status_code == put
    approver = make.member(in_acme.acme, "alan@acme.example", "approver")
    assert rest(approver).get(at).status_code == 200
    assert rest(approver).put(at, {"answer_hours": 1}, format="json").status_code == 403


# --- who waits --------------------------------------------------------------------------------------------------------


def test_who_waits_is_narrowed_and_counted(in_acme: Cast, gold: Plan) -> None:
    late = asks(in_acme, gold, hours_ago=30, name="Late", environment="live")
    asked = asks(in_acme, gold, hours_ago=1, name="Asked", environment="test")
    other = asks(in_acme, make.plan(make.api("prices"), approval="two_people"), hours_ago=1, name="Other")
    Subscription.objects.filter(pk=asked.pk).update(asked_at=timezone.now())
    subscriptions.approve(other, by=in_acme.ada)
    subscriptions.approve(asks(in_acme, gold, name="Decided"), by=in_acme.ada)
    rows, now, within = Subscription.objects.filter(status="pending"), timezone.now(), timedelta(hours=24)

    def found(**to: str) -> set[Any]:
        return {each.pk for each in waiting.narrowed(rows, waiting.Narrowing(**to), now=now, within=within)}

    assert found() == {late.pk, asked.pk, other.pk}
    assert found(waits="overdue") == {late.pk}
    assert found(waits="answer") == {asked.pk}
    assert found(waits="second") == {other.pk}
    assert found(api="prices") == {other.pk}
    assert found(environment="test") == {asked.pk}
    assert found(text="lat") == {late.pk}
    assert found(text="CARL@") == {late.pk, asked.pk, other.pk}
    assert found(text="carl", waits="answer", api="orders") == {asked.pk}
    assert found(text="%") == set()
    assert waiting.counts(rows, now=now, within=within) == {"": 3, "answer": 1, "second": 1, "overdue": 1}
    assert waiting.counts(rows, now=now, within=None)["overdue"] == 0
    assert [(slug, many) for slug, _, many in waiting.apis_of(rows)] == [("orders", 2), ("prices", 1)]


def test_who_waits_over_rest(in_acme: Cast, rest: Rest, gold: Plan) -> None:
    late = asks(in_acme, gold, hours_ago=30, name="Late", environment="live")
    asks(in_acme, make.plan(make.api("prices")), name="Other", environment="test")
    at, ada = f"{base(in_acme.acme)}/subscriptions/", rest(in_acme.ada)

    def names(query: str) -> list[str]:
        return [each["application_name"] for each in ada.get(f"{at}?{query}").json()["results"]]

    assert names("waits=overdue") == []
    request_clock.change(answer_hours=24, by=in_acme.ada)
    assert names("waits=overdue") == ["Late"]
    assert names("api=prices") == ["Other"]
    assert names("environment=live&status=pending") == ["Late"]
    assert names("q=oth") == ["Other"]
    assert names("api=nowhere") == []
    for name in ("status", "environment", "waits"):
        answer = ada.get(f"{at}?{name}=x")
        assert (answer.status_code, "Choose from" in str(answer.json()["errors"][name])) == (422, True)
    assert [each["id"] for each in rest(in_acme.carl).get(f"{at}?waits=overdue").json()["results"]] == [str(late.pk)]
    assert rest(in_acme.eve).get(f"{at}?waits=overdue").status_code == 404
