"""Ada decides, sees that it was a mistake, and takes it back: for ten seconds, and only what she decided herself."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apis.actions import subscriptions
from apis.models import Plan, Subscription
from gateway import desired
from keys.models import Application
from tenants import events, limits
from tenants.errors import NotAllowed
from tenants.event_kinds import UNDO
from tenants.models import Event, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base


@pytest.fixture
def alan(in_acme: Cast) -> User:
    """Another approver."""
    return make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)


@pytest.fixture
def pending(in_acme: Cast) -> Subscription:
    return make.subscription(status="pending", of=make.application(in_acme.carl))


def decide(subscription: Subscription, decision: str, by: User) -> None:
    if decision == "approve":
        subscriptions.approve(subscription, by=by)
    else:
        subscriptions.reject(subscription, reason="No.", by=by)


def later(subscription: Subscription, seconds: float) -> None:
    """Let that many seconds pass: the decision is as much older."""
    passed = timedelta(seconds=seconds)
    assert subscription.decided_at is not None
    assert subscription.undo_until is not None
    Subscription.objects.filter(pk=subscription.pk).update(
        decided_at=subscription.decided_at - passed, undo_until=subscription.undo_until - passed
    )


def stored(subscription: Subscription) -> Subscription:
    return Subscription.objects.for_list().get(pk=subscription.pk)


def undone(subscription: Subscription) -> bool:
    found = stored(subscription)
    return (found.status, found.reason, found.decided_by, found.decided_at, found.undo_until, found.ended_at) == (
        "pending", "", None, None, None, None,
    )  # fmt: skip


def refused(subscription: Subscription, by: User) -> str:
    """The sentence; and nothing happened."""
    before, count = stored(subscription), Event.objects.count()
    with pytest.raises(NotAllowed) as error:
        subscriptions.undo(stored(subscription), by=by)
    after = stored(subscription)
    assert (after.status, after.decided_by, after.undo_until) == (before.status, before.decided_by, before.undo_until)
    assert Event.objects.count() == count
    return str(error.value)


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_ada_takes_her_decision_back(in_acme: Cast, pending: Subscription, decision: str) -> None:
    decide(pending, decision, in_acme.ada)
    was = pending.status
    later(pending, UNDO.total_seconds() - 1)
    event = subscriptions.undo(pending, by=in_acme.ada)
    assert (event.kind, event.data, event.actor_id) == ("subscription.decision_undone", {"was": was}, in_acme.ada.pk)
    assert undone(pending)
    subscriptions.approve(pending, by=in_acme.ada)
    assert stored(pending).status == "active"


def test_the_gateways_hear_that_it_is_pending_again(in_acme: Cast, pending: Subscription) -> None:
    subscriptions.approve(pending, by=in_acme.ada)
    assert [grant.refusal for grant in desired._grants()] == [""]
    subscriptions.undo(pending, by=in_acme.ada)
    assert [grant.refusal for grant in desired._grants()] == ["SUBSCRIPTION_PENDING"]


@pytest.mark.parametrize(
    "decision,sentence",
    [
        ("approve", "Ten seconds have passed, so this decision stands; suspend or cancel it instead."),
        ("reject", "Ten seconds have passed, so this decision stands; the applicant may ask again."),
    ],
)
def test_after_ten_seconds_it_stands(in_acme: Cast, pending: Subscription, decision: str, sentence: str) -> None:
    decide(pending, decision, in_acme.ada)
    later(pending, UNDO.total_seconds() + 1)
    assert refused(pending, in_acme.ada) == sentence


def test_another_approvers_decision_is_theirs(in_acme: Cast, pending: Subscription, alan: User) -> None:
    subscriptions.approve(pending, by=alan)
    assert refused(pending, in_acme.ada) == "Someone else decided this, so only they can undo it."


NOTHING = "There is nothing to undo: the last that happened here is no approval or rejection by a person."


def test_a_resumed_subscription_is_active_and_no_approval_to_undo(in_acme: Cast, pending: Subscription, alan: User) -> None:
    subscriptions.approve(pending, by=in_acme.ada)
    seen_before = stored(pending)
    subscriptions.suspend(pending, reason="Too loud.", by=alan)
    subscriptions.resume(pending, by=in_acme.ada)
    assert not pending.undoable_by(in_acme.ada, events.lock().now)
    assert refused(pending, in_acme.ada) == NOTHING
    with pytest.raises(NotAllowed, match="nothing to undo"):
        subscriptions.undo(seen_before, by=in_acme.ada)
    assert stored(pending).status == "active"


@pytest.mark.parametrize("then", ["suspend", "cancel", "undo"])
def test_once_something_else_happened_there_is_nothing_to_undo(in_acme: Cast, pending: Subscription, then: str) -> None:
    subscriptions.approve(pending, by=in_acme.ada)
    more: dict[str, Any] = {"reason": "A test."} if then == "suspend" else {}
    getattr(subscriptions, then)(pending, **more, by=in_acme.ada)
    assert refused(pending, in_acme.ada) == NOTHING


def test_what_a_plan_approved_by_itself_is_nobodys_to_undo(in_acme: Cast) -> None:
    plan = make.plan(approval="automatic")
    found, _ = subscriptions.request(make.application(in_acme.carl), api=plan.api, plan=plan, purpose="A test.", by=in_acme.carl)
    assert found.status == "active"
    assert refused(found, in_acme.ada) == NOTHING


def test_a_rejection_stands_once_the_applicant_has_asked_again(in_acme: Cast, pending: Subscription) -> None:
    subscriptions.reject(pending, reason="No.", by=in_acme.ada)
    subscriptions.request(pending.application, api=pending.api, plan=pending.plan, purpose="Again.", by=in_acme.carl)
    said = refused(pending, in_acme.ada)
    assert said == f"{pending.application} has asked for {pending.api} again meanwhile, so this decision stands; decide the new request."


def test_a_rejection_stands_if_an_application_had_one_too_many_open(
    in_acme: Cast, pending: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriptions.reject(pending, reason="No.", by=in_acme.ada)
    make.subscription(status="pending", of=pending.application)
    monkeypatch.setattr(limits, "OPEN_SUBSCRIPTIONS_PER_APPLICATION", 1)
    assert "as many as an application may have" in refused(pending, in_acme.ada)


def test_the_button_is_drawn_while_it_would_work(in_acme: Cast, pending: Subscription, alan: User) -> None:
    assert not pending.undoable_by(in_acme.ada, events.lock().now)
    subscriptions.approve(pending, by=in_acme.ada)
    decided = pending.decided_at
    assert decided is not None
    assert pending.undoable_by(in_acme.ada, decided + UNDO)
    assert not pending.undoable_by(in_acme.ada, decided + UNDO + timedelta(milliseconds=1))
    assert not pending.undoable_by(alan, decided)
    assert stored(pending).undoable_by(in_acme.ada, decided + UNDO)
    subscriptions.undo(pending, by=in_acme.ada)
    assert not pending.undoable_by(in_acme.ada, decided)


@pytest.mark.parametrize("status", ["pending", "suspended", "cancelled"])
def test_the_database_refuses_a_step_that_forgets_to_end_it(in_acme: Cast, pending: Subscription, status: str) -> None:
    subscriptions.approve(pending, by=in_acme.ada)
    with pytest.raises(IntegrityError, match="only_a_decision_can_be_undone"), transaction.atomic():
        Subscription.objects.filter(pk=pending.pk).update(status=status)


# --- an approval that was undone is no approval ------------------------------------------------------------------


def ask(shop: Application, plan: Plan) -> Subscription:
    return subscriptions.request(shop, api=plan.api, plan=plan, purpose="A test.", by=shop.owner)[0]


@pytest.fixture
def shaken(in_acme: Cast) -> tuple[Application, Plan, Subscription]:
    """Carl's subscription to a plan that approves by itself was suspended; he cancelled it and has asked again."""
    shop, plan = make.application(in_acme.carl), make.plan(approval="automatic")
    first = ask(shop, plan)
    subscriptions.suspend(first, reason="Too many calls.", by=in_acme.ada)
    subscriptions.cancel(first, by=in_acme.carl)
    return shop, plan, ask(shop, plan)


def test_an_undone_approval_does_not_shake_off_a_suspension(in_acme: Cast, shaken: tuple[Application, Plan, Subscription]) -> None:
    shop, plan, waiting = shaken
    subscriptions.approve(waiting, by=in_acme.ada)
    subscriptions.undo(waiting, by=in_acme.ada)
    subscriptions.cancel(waiting, by=in_acme.carl)
    assert ask(shop, plan).status == "pending"


def test_an_approval_after_one_that_was_undone_does(in_acme: Cast, shaken: tuple[Application, Plan, Subscription]) -> None:
    shop, plan, waiting = shaken
    subscriptions.approve(waiting, by=in_acme.ada)
    subscriptions.undo(waiting, by=in_acme.ada)
    subscriptions.approve(waiting, by=in_acme.ada)
    subscriptions.cancel(waiting, by=in_acme.carl)
    assert ask(shop, plan).status == "active"


# --- REST --------------------------------------------------------------------------------------------------------


@pytest.fixture
def approved(cast: Cast) -> Subscription:
    with tenant_scope(cast.acme.pk):
        found = make.subscription(status="pending", of=make.application(cast.carl))
        subscriptions.approve(found, by=cast.ada)
    return found


def test_ada_undoes_over_rest(cast: Cast, rest: Rest, approved: Subscription) -> None:
    at = f"{base(cast.acme)}/subscriptions/{approved.pk}/undo/"
    found = rest(cast.ada).post(at)
    assert found.status_code == 200
    said = found.json()
    assert (said["status"], said["reason"], said["decided_by"], said["decided_at"], said["ended_at"]) == ("pending", "", None, None, None)
    assert rest(cast.ada).get(said["receipt"]).json()["kind"] == "subscription.decision_undone"
    again = rest(cast.ada).post(at)
    assert (again.status_code, again.json()["detail"]) == (409, NOTHING)


def test_carl_and_pam_decide_nothing_and_eve_sees_nothing(cast: Cast, rest: Rest, approved: Subscription) -> None:
    at = f"{base(cast.acme)}/subscriptions/{approved.pk}/undo/"
    assert [rest(who).post(at).status_code for who in (cast.carl, cast.pam, cast.eve, None)] == [403, 403, 404, 401]
    assert rest(cast.eve).post(at.replace("/acme/", "/globex/")).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert stored(approved).status == "active"
