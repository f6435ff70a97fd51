"""Ada gives Carl's application a subscription that nobody asked for."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apis.access_at import access_at
from apis.actions import adding, approval_rules, request_forms, subscriptions
from apis.models import Api, FormQuestion, Plan, Subscription
from keys.actions import application_life
from keys.models import Application
from tenants.errors import NotAllowed
from tenants.models import Event
from tests import make
from tests.conftest import Cast, Rest, base, queries


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(make.api("orders"), name="gold")


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


def added(cast: Cast, application: Application, plan: Plan, **more: Any) -> Subscription:
    return adding.add(application, api=plan.api, plan=plan, **{"reason": "Our partner.", "by": cast.ada, **more})[0]


def test_it_is_active_at_once(in_acme: Cast, checkout: Application, gold: Plan) -> None:
    request_forms.set_form(gold.api, [FormQuestion("why", "Why?")], by=in_acme.pam)
    found = Subscription.objects.get(pk=added(in_acme, checkout, gold).pk)
    assert (found.status, found.purpose, found.added, found.decided_by, found.undo_until) == (
        "active", "Our partner.", True, in_acme.ada, None,
    )  # fmt: skip
    event = Event.objects.get(subject_id=found.pk)
    assert (event.kind, event.actor_id, event.data["reason"]) == ("subscription.added", in_acme.ada.pk, "Our partner.")
    then = access_at(checkout, timezone.now() + timedelta(seconds=1)).subscriptions[0]
    assert (then.state, then.allowed) == ("active", event)


def test_it_lives_on_as_any_other(in_acme: Cast, checkout: Application, gold: Plan) -> None:
    found = added(in_acme, checkout, gold)
    with pytest.raises(NotAllowed, match="There is nothing to undo"):
        subscriptions.undo(found, by=in_acme.ada)
    subscriptions.suspend(found, reason="Too loud.", by=in_acme.ada)
    subscriptions.resume(found, by=in_acme.ada)
    assert found.status == "active", "who added it asked for nothing, so it is not their own"
    subscriptions.suspend(found, reason="Too loud.", by=in_acme.ada)
    subscriptions.cancel(found, by=in_acme.carl)
    free = make.plan(gold.api, approval="automatic")
    again, _ = subscriptions.request(checkout, api=gold.api, plan=free, purpose="x", by=in_acme.carl)
    assert again.status == "pending", "the last word of a person was to suspend"
    subscriptions.cancel(again, by=in_acme.carl)
    subscriptions.cancel(added(in_acme, checkout, gold), by=in_acme.carl)
    again, _ = subscriptions.request(checkout, api=gold.api, plan=free, purpose="x", by=in_acme.carl)
    assert again.status == "active", "by now it is that Ada added one"


def test_four_eyes(in_acme: Cast, gold: Plan) -> None:
    own = make.application(in_acme.ada)
    with pytest.raises(NotAllowed, match="You can't add a subscription for an application of your own"):
        added(in_acme, own, gold)
    theirs = make.application(in_acme.ada, team=make.team(in_acme.ada))
    with pytest.raises(NotAllowed, match="of your own"):
        added(in_acme, theirs, gold)
    assert not Subscription.objects.exists()


def test_what_speaks_against_it(in_acme: Cast, checkout: Application, gold: Plan) -> None:
    staging = Plan.objects.create(api=gold.api, name="new", calls=1, seconds=1)
    with pytest.raises(NotAllowed, match="Orders offers no plan “new”"):
        added(in_acme, checkout, staging)
    with pytest.raises(NotAllowed, match="offers no plan"):
        adding.add(checkout, api=make.api(), plan=gold, reason="x", by=in_acme.ada)
    with pytest.raises(NotAllowed, match="is not published yet"):
        added(in_acme, checkout, make.plan(make.api(published=False)))
    asked, _ = subscriptions.request(checkout, api=gold.api, plan=gold, purpose="x", by=in_acme.carl)
    with pytest.raises(NotAllowed, match="has a subscription to Orders already; it is pending"):
        added(in_acme, checkout, gold)
    subscriptions.reject(asked, reason="No.", by=in_acme.ada)
    application_life.suspend(checkout, reason="x", by=in_acme.ada)
    with pytest.raises(NotAllowed, match="is suspended"):
        added(in_acme, checkout, gold)


def test_nobody_gives_what_they_do_not_see(in_acme: Cast, checkout: Application, gold: Plan) -> None:
    alan = make.member(in_acme.acme, "alan@acme.example", "approver")
    Api.objects.filter(pk=gold.api_id).update(visibility="teams")
    with pytest.raises(NotAllowed, match="Orders is not open to you"):
        added(in_acme, checkout, gold, by=alan)
    assert added(in_acme, checkout, gold).status == "active", "Ada sees all APIs"


def test_a_replay_looks_at_requests_alone(in_acme: Cast, checkout: Application, gold: Plan) -> None:
    added(in_acme, checkout, gold)
    rule, _ = approval_rules.create(name="Live", outcome="automatic", environment="live", by=in_acme.ada)
    assert approval_rules.replay(rule, now=timezone.now()).looked_at == 0


def test_over_rest(in_acme: Cast, checkout: Application, gold: Plan, rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/subscriptions/added/"
    body = {"application": str(checkout.pk), "api": "orders", "plan": "gold", "reason": "Our partner."}
    for name, wrong in (("application", str(gold.pk)), ("api", "no"), ("plan", "no"), ("reason", ""), ("reason", "\x00"), ("x", "y")):
        refused = rest(in_acme.ada).post(at, {**body, name: wrong}, format="json")
        assert (refused.status_code, list(refused.json()["errors"])) == (422, [name])
    assert rest(in_acme.carl).post(at, body, format="json").status_code == 403
    assert rest(in_acme.eve).post(at, body, format="json").status_code == 404
    with queries("subscription-added:post"):
        made = rest(in_acme.ada).post(at, body, format="json")
    assert (made.status_code, made.json()["status"], made.json()["added"]) == (201, "active", True)
    assert made.json()["receipt"].endswith(f"/{made.json()['event']}/")
    assert rest(in_acme.ada).post(at, body, format="json").status_code == 409
    own = make.application(in_acme.ada)
    assert rest(in_acme.ada).post(at, {**body, "application": str(own.pk)}, format="json").status_code == 409


def test_what_two_people_decide_is_not_added_by_one(in_acme: Cast, checkout: Application, gold: Plan) -> None:
    Plan.objects.filter(pk=gold.pk).update(approval=Plan.Approval.TWO_PEOPLE)
    gold.refresh_from_db()
    with pytest.raises(NotAllowed, match="Two people have to approve a subscription under gold"):
        added(in_acme, checkout, gold)
    assert not Subscription.objects.exists()
