"""Ada is away, and Carl decides in her place: for as long as she said, and no longer than she may herself."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apis.actions import adding, subscriptions
from apis.models import Subscription
from portal import tasks
from tenants import due, events
from tenants.actions import add_member
from tenants.errors import Invalid, NotAllowed
from tenants.models import Delegation, Due, Event, Membership, Role, User
from tenants.people import custom_roles, delegations, members
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base


@pytest.fixture
def dora(cast: Cast) -> User:
    """A developer, who decides nothing by herself."""
    return make.member(cast.acme, "dora@acme.example", Role.DEVELOPER)


@pytest.fixture
def alan(cast: Cast) -> User:
    return make.member(cast.acme, "alan@acme.example", Role.APPROVER)


def hand_on(by: User, to: User, *, begins: float = 0, days: float = 1) -> Delegation:
    """:param begins: in so many days."""
    starts = timezone.now() + timedelta(days=begins)
    made, _ = delegations.create(delegate=to.email, starts_at=starts, ends_at=starts + timedelta(days=days), by=by)
    return made


def asked(cast: Cast, of: User | None = None) -> Subscription:
    return make.subscription(status="pending", of=make.application(of or cast.carl), to=make.plan())


def decides(cast: Cast, rest: Rest, who: User, subscription: Subscription | None = None) -> int:
    one = subscription or asked(cast)
    return int(rest(who).post(f"{base(cast.acme)}/subscriptions/{one.pk}/approve/").status_code)


def ends() -> list[tuple[Any, Any]]:
    return [(each.actor_name, each.data["why"]) for each in Event.objects.filter(kind="delegation.ended").order_by("number")]


def test_the_delegate_decides_while_it_runs(in_acme: Cast, rest: Rest, alan: User, dora: User) -> None:
    assert decides(in_acme, rest, dora) == 403
    made = hand_on(alan, dora)
    event = Event.objects.get(kind="delegation.created")
    assert (event.actor_name, event.subject_name, event.data["delegate"]) == (str(alan), f"{alan} to {dora}", str(dora))
    assert decides(in_acme, rest, dora) == 200
    assert rest(dora).get(f"{base(in_acme.acme)}/approval-rules/").status_code == 200, "who decides sees"
    assert decides(in_acme, rest, alan) == 200, "who handed it on decides as before"
    delegations.end(made, by=alan)
    assert decides(in_acme, rest, dora) == 403
    assert ends() == [(str(alan), "taken_back")]
    with pytest.raises(NotAllowed, match="This has ended already"):
        delegations.end(made, by=alan)


def test_it_begins_on_its_day_and_ends_by_itself(in_acme: Cast, rest: Rest, alan: User, dora: User) -> None:
    made = hand_on(alan, dora, begins=1)
    assert decides(in_acme, rest, dora) == 403, "not yet"
    Delegation.objects.update(starts_at=timezone.now() - timedelta(days=2), ends_at=timezone.now() + timedelta(seconds=9))
    assert decides(in_acme, rest, dora) == 200
    Delegation.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert decides(in_acme, rest, dora) == 403, "before any job has run"
    for _ in range(2):
        due.expect(delegations.END_JOB, timezone.now() - timedelta(days=1))
        tasks.end_delegations()
    assert ends() == [("Portico", "date")]
    made.refresh_from_db()
    assert (made.ended_by, made.ended_at is not None) == ("date", True)
    assert not Due.objects.filter(job=delegations.END_JOB).exists()


def test_the_job_comes_again_for_the_next(in_acme: Cast, alan: User, dora: User) -> None:
    hand_on(alan, dora)
    Delegation.objects.update(starts_at=timezone.now() - timedelta(days=2), ends_at=timezone.now() - timedelta(seconds=1))
    later = hand_on(in_acme.ada, dora, days=3)
    due.expect(delegations.END_JOB, timezone.now() - timedelta(days=1))
    tasks.end_delegations()
    assert Due.objects.get(job=delegations.END_JOB).at == later.ends_at


@pytest.mark.parametrize("how", ["role", "removed", "closed"])
def test_it_ends_at_once_with_what_the_delegator_may(in_acme: Cast, rest: Rest, alan: User, dora: User, how: str) -> None:
    hand_on(alan, dora)
    one = asked(in_acme)
    membership = Membership.objects.get(user=alan)
    if how == "role":
        members.change_roles(membership, roles=[Role.DEVELOPER], by=in_acme.ada)
    elif how == "removed":
        events.lock()
        members.end(membership, by=in_acme.ada)
    else:
        User.objects.filter(pk=alan.pk).update(is_active=False)
    assert decides(in_acme, rest, dora, one) == 403
    assert ends() == ([] if how == "closed" else [("Ada", "gone")])


def test_without_any_event_the_roles_count(in_acme: Cast, rest: Rest, alan: User, dora: User) -> None:
    hand_on(alan, dora)
    Membership.objects.filter(user=alan).update(roles=["developer"])
    assert decides(in_acme, rest, dora) == 403


def test_by_a_role_of_the_tenants_own(in_acme: Cast, rest: Rest, dora: User) -> None:
    role = custom_roles.create_role(name="Deciders", permissions=["subscriptions.decide"], by=in_acme.ada)
    dan = make.member(in_acme.acme, "dan@acme.example", Role.DEVELOPER)
    Membership.objects.filter(user=dan).update(custom_roles=[role.pk])
    hand_on(dan, dora)
    assert decides(in_acme, rest, dora) == 200
    custom_roles.change_role(role, permissions=["audit.read"], by=in_acme.ada)
    assert decides(in_acme, rest, dora) == 403
    assert ends() == [("Ada", "gone")]


def test_the_delegate_may_leave(in_acme: Cast, alan: User, dora: User) -> None:
    hand_on(alan, dora)
    events.lock()
    members.end(Membership.objects.get(user=dora), by=dora)
    assert ends() == [(str(dora), "gone")]


# --- four eyes --------------------------------------------------------------------------------------------------------


def test_neither_their_own_nor_the_delegators(in_acme: Cast, alan: User, dora: User) -> None:
    hand_on(alan, dora)
    with pytest.raises(NotAllowed, match="a request of your own"):
        subscriptions.approve(asked(in_acme, dora), by=dora)
    own = asked(in_acme, alan)
    for act in (subscriptions.approve, lambda one, by: subscriptions.reject(one, reason="No.", by=by)):
        with pytest.raises(NotAllowed, match="whose own request this is"):
            act(own, by=dora)
    subscriptions.approve(own, by=in_acme.ada)
    plan = make.plan()
    with pytest.raises(NotAllowed, match="whose own application this is"):
        adding.add(own.application, api=plan.api, plan=plan, reason="x", by=dora)


def test_who_decides_by_a_role_decides_for_themselves(in_acme: Cast, alan: User, dora: User) -> None:
    hand_on(alan, dora)
    members.change_roles(Membership.objects.get(user=dora), roles=[Role.APPROVER], by=in_acme.ada)
    subscriptions.approve(asked(in_acme, alan), by=dora)


def test_they_are_two_people_if_both_decide(in_acme: Cast, alan: User, dora: User) -> None:
    hand_on(alan, dora)
    one = make.subscription(status="pending", of=make.application(in_acme.carl), to=make.plan(approval="two_people"))
    subscriptions.approve(one, by=dora)
    with pytest.raises(NotAllowed, match="You have approved this already"):
        subscriptions.approve(Subscription.objects.get(pk=one.pk), by=dora)
    subscriptions.approve(Subscription.objects.get(pk=one.pk), by=alan)
    assert Subscription.objects.get(pk=one.pk).status == "active"


def test_it_is_not_handed_further_nor_given_to_others(in_acme: Cast, alan: User, dora: User) -> None:
    hand_on(alan, dora)
    with pytest.raises(NotAllowed, match="by a role of their own"):
        hand_on(dora, in_acme.carl)
    assert "subscriptions.decide" not in members.held_now(dora)


# --- what can't be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "begins", "days", "field", "sentence"),
    [
        ("nobody@acme.example", 0, 1, "delegate", "No member here has this address."),
        ("eve@globex.example", 0, 1, "delegate", "No member here has this address."),
        ("alan@acme.example", 0, 1, "delegate", "Name somebody else."),
        ("ada@acme.example", 0, 1, "delegate", "Ada decides already."),
        ("dora@acme.example", 0, 0, "ends_at", "Choose an end that is later"),
        ("dora@acme.example", 0, -1, "ends_at", "Choose an end that is later"),
        ("dora@acme.example", -9, 1, "ends_at", "Choose an end that is later"),
        ("dora@acme.example", 0, 367, "ends_at", "It may begin within a year"),
        ("dora@acme.example", 367, 1, "ends_at", "It may begin within a year"),
    ],
)
def test_what_cannot_be_handed_on(
    in_acme: Cast, alan: User, dora: User, to: str, begins: float, days: float, field: str, sentence: str
) -> None:
    starts = timezone.now() + timedelta(days=begins)
    with pytest.raises(Invalid, match=sentence) as refused:
        delegations.create(delegate=to, starts_at=starts, ends_at=starts + timedelta(days=days), by=alan)
    assert list(refused.value.problems) == [field]
    assert not Delegation.objects.exists()


def test_one_at_a_time(in_acme: Cast, alan: User, dora: User) -> None:
    made = hand_on(alan, dora, begins=5)
    with pytest.raises(NotAllowed, match="You have handed it on to"):
        hand_on(alan, in_acme.carl)
    delegations.end(made, by=alan)
    hand_on(alan, in_acme.carl)


def test_the_database_holds_it(in_acme: Cast, alan: User, dora: User) -> None:
    now = timezone.now()
    for about in (
        {"delegator": alan, "delegate": alan, "starts_at": now, "ends_at": now + timedelta(days=1)},
        {"delegator": alan, "delegate": dora, "starts_at": now, "ends_at": now},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Delegation.objects.create(**about)


# --- REST -------------------------------------------------------------------------------------------------------------


def test_over_rest(in_acme: Cast, rest: Rest, alan: User, dora: User) -> None:
    at, now = f"{base(in_acme.acme)}/delegations/", timezone.now()
    body = {"delegate": "Dora@acme.example", "starts_at": now.isoformat(), "ends_at": (now + timedelta(days=2)).isoformat()}
    answer = rest(alan).post(at, body, format="json")
    assert (answer.status_code, answer.json()["delegate"], answer.json()["ended_by"]) == (201, dora.email, "")
    one = answer.json()["id"]
    assert rest(alan).post(at, body, format="json").status_code == 409
    assert rest(in_acme.carl).post(at, body, format="json").status_code == 403
    for user, seen in ((alan, 1), (dora, 1), (in_acme.ada, 1), (in_acme.carl, 0)):
        assert len(rest(user).get(at).json()["results"]) == seen
        assert rest(user).get(f"{at}{one}/").status_code == (200 if seen else 404)
    for user, status in ((in_acme.carl, 404), (in_acme.eve, 404)):
        assert rest(user).post(f"{at}{one}/end/").status_code == status
    assert rest(None).post(f"{at}{one}/end/").status_code == 401
    assert rest(in_acme.eve).get(at).status_code == 404
    assert rest(in_acme.eve).post(f"{base(in_acme.globex)}/delegations/{one}/end/").status_code == 404
    assert rest(dora).post(f"{at}{one}/end/").json()["ended_by"] == "taken_back"
    assert rest(in_acme.ada).post(f"{at}{one}/end/").status_code == 409
    for change in ({"delegate": ""}, {"starts_at": "x"}, {"ends_at": None}, {"delegate": "a\x00b"}, {"more": 1}):
        assert rest(alan).post(at, {**body, **change}, format="json").status_code == 422


def test_each_tenant_has_its_own(cast: Cast, rest: Rest, alan: User, dora: User) -> None:
    """Dora is a member of Globex, too; there nobody handed anything on to her."""
    with tenant_scope(cast.globex.pk):
        add_member(dora, roles=[Role.DEVELOPER], by=None)
        there = make.subscription(status="pending", of=make.application(cast.eve), to=make.plan())
    with tenant_scope(cast.acme.pk):
        hand_on(alan, dora)
    assert rest(dora).post(f"{base(cast.globex)}/subscriptions/{there.pk}/approve/").status_code == 403
