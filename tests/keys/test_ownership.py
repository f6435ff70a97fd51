"""Whose an application is: a team's is everybody's in it, and it can be given away without anything stopping."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apis.actions import subscriptions
from apis.models import Subscription
from gateway import receipts
from keys.actions.applications import change_lead, hand_over, receiver_called, transfer
from keys.models import Application
from portal import news
from tenants.actions import add_member
from tenants.errors import Invalid, NotAllowed
from tenants.models import CustomRole, Event, Membership, Role, Team, TeamMember, User
from tenants.roles import permissions_of
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

DEVELOPER = permissions_of([Role.DEVELOPER])


def join(team: Team, user: User) -> None:
    TeamMember.objects.create(team=team, membership=Membership.objects.get(user=user))


@pytest.fixture
def dora(in_acme: Cast) -> User:
    return make.member(in_acme.acme, "dora@acme.example")


@pytest.fixture
def shop(in_acme: Cast, dora: User) -> Team:
    """Carl leads it, and Dora is in it."""
    team = make.team(in_acme.carl, "Shop")
    join(team, dora)
    return team


# --- registering ----------------------------------------------------------------------------------------------------


def test_dora_registers_one_for_her_team_and_its_lead_answers_for_it(in_acme: Cast, dora: User, shop: Team) -> None:
    made = make.application(dora, name="Checkout", team=shop)
    assert (made.owner, made.team, made.whose) == (in_acme.carl, shop, "Shop")
    event = Event.objects.get(kind="application.created")
    assert (event.actor_id, event.data["team"]) == (dora.pk, "Shop")


def test_nobody_registers_for_a_team_that_they_are_not_in(in_acme: Cast, shop: Team) -> None:
    frank = make.member(in_acme.acme, "frank@acme.example")
    with pytest.raises(Invalid, match="You are in no such team"):
        make.application(frank, team=shop)


def test_a_team_has_each_name_once_whatever_its_lead_has(in_acme: Cast, dora: User, shop: Team) -> None:
    make.application(in_acme.carl, name="Checkout")
    make.application(dora, name="Checkout", team=shop)
    make.application(dora, name="Checkout")
    with pytest.raises(NotAllowed, match="Shop has an application called “Checkout” already"):
        make.application(in_acme.carl, name="Checkout", team=shop)
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.create(name="Checkout", purpose="x", owner=dora, team=shop, client_id="other")


# --- what a team's members may do ------------------------------------------------------------------------------------


def test_it_is_everybodys_in_the_team_and_nobody_elses(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(in_acme.carl, team=shop)
    subscription = make.subscription(of=application)
    alone = make.application(in_acme.carl)
    frank = make.member(in_acme.acme, "frank@acme.example")
    for user, theirs in ((in_acme.carl, {application, alone}), (dora, {application}), (frank, set()), (in_acme.pam, set())):
        assert set(Application.objects.owned_by(user)) == theirs
        assert set(Application.objects.visible_to(user, DEVELOPER)) == theirs
        assert set(Subscription.objects.visible_to(user, DEVELOPER)) == ({subscription} if application in theirs else set())
        assert application.belongs_to(user) == (application in theirs)
        assert subscription.is_own_of(user) == (application in theirs)


def test_who_has_left_the_team_sees_nothing_of_it_any_more(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(dora, team=shop)
    assert application.belongs_to(dora)
    TeamMember.objects.filter(membership__user=dora).delete()
    assert not application.belongs_to(dora)
    assert not Application.objects.owned_by(dora).exists()


def test_dora_handles_what_carl_registered(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        dora = make.member(cast.acme, "dora@acme.example")
        team = make.team(cast.carl, "Shop")
        join(team, dora)
        application = make.application(cast.carl, team=team)
        plan = make.plan(make.api("orders"), name="gold")
    at, client = base(cast.acme), rest(dora)
    assert client.get(f"{at}/applications/{application.pk}/").json()["team_name"] == "Shop"
    made = client.post(f"{at}/applications/{application.pk}/credentials/", {"label": "Hers"}, format="json")
    assert made.status_code == 201
    secret = f"{at}/applications/{application.pk}/credentials/{made.json()['id']}"
    assert client.post(f"{secret}/roll/", {"grace": "0"}, format="json").status_code == 201
    asked = {"application": str(application.pk), "api": "orders", "plan": plan.name, "purpose": "x"}
    subscription = client.post(f"{at}/subscriptions/", asked, format="json")
    assert subscription.status_code == 201
    assert client.get(subscription.json()["receipt"]).status_code == 200
    carls = rest(cast.carl).get(subscription.json()["receipt"])
    assert carls.status_code == 200, "Carl sees what Dora did for their team"
    assert rest(cast.carl).post(f"{at}/subscriptions/{subscription.json()['id']}/cancel/").status_code == 200
    assert len(client.get(f"{at}/expiries/").json()["results"]) == len(rest(cast.carl).get(f"{at}/expiries/").json()["results"])
    assert client.get(f"{at}/applications/{application.pk}/refusals/").status_code == 200


def test_receipts_about_the_teams_application_are_for_its_people(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(in_acme.carl, team=shop)
    make.credential(application)
    kinds = set(receipts.visible_to(dora, DEVELOPER).values_list("kind", flat=True))
    assert {"application.created", "credential.created"} <= kinds
    frank = make.member(in_acme.acme, "frank@acme.example")
    assert not receipts.visible_to(frank, DEVELOPER).exists()


def test_somebody_in_the_team_who_may_not_have_applications_handles_none(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        team = make.team(cast.carl, "Shop")
        join(team, cast.pam)
        application = make.application(cast.carl, team=team)
    at = f"{base(cast.acme)}/applications/{application.pk}/credentials/"
    assert rest(cast.pam).post(at, {}, format="json").status_code == 403


# --- four eyes ------------------------------------------------------------------------------------------------------


def test_nobody_of_the_team_decides_its_request(in_acme: Cast, dora: User, shop: Team) -> None:
    join(shop, in_acme.ada)
    alan = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    pending = make.subscription(status="pending", of=make.application(dora, team=shop))
    assert pending.requested_by == in_acme.carl
    for act in (lambda: subscriptions.approve(pending, by=in_acme.ada), lambda: subscriptions.reject(pending, reason="x", by=in_acme.ada)):
        with pytest.raises(NotAllowed, match="a request of your own"):
            act()
    subscriptions.approve(pending, by=alan)
    subscriptions.suspend(pending, reason="x", by=in_acme.ada)
    with pytest.raises(NotAllowed, match="a request of your own"):
        subscriptions.resume(pending, by=in_acme.ada)


def test_nobody_of_the_team_is_asked_to_decide_its_request(in_acme: Cast, dora: User, shop: Team) -> None:
    join(shop, in_acme.ada)
    alan = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    pending = make.subscription(status="pending", of=make.application(dora, team=shop))
    asked = Event.objects.get(kind="subscription.requested")
    among = news.crowd([asked], {pending.pk: pending})
    assert news.recipients(asked, pending, among) == [alan]


def test_who_was_given_an_application_does_not_decide_its_request(in_acme: Cast) -> None:
    pending = make.subscription(status="pending", of=make.application(in_acme.carl))
    transfer(pending.application, to=in_acme.ada, by=in_acme.carl)
    with pytest.raises(NotAllowed, match="a request of your own"):
        subscriptions.approve(Subscription.objects.for_list().get(), by=in_acme.ada)


# --- giving away ----------------------------------------------------------------------------------------------------


def test_carl_gives_his_application_to_dora_and_nothing_stops(in_acme: Cast, dora: User) -> None:
    subscription = make.subscription(of=make.application(in_acme.carl, name="Checkout"))
    credential, _ = make.credential(subscription.application)
    before = subscription.application.client_id
    event = transfer(subscription.application, to=dora, by=in_acme.carl)
    assert (event.kind, event.data, event.actor_id) == ("application.transferred", {"was": "Carl", "now": "Dora"}, in_acme.carl.pk)
    now = Application.objects.get()
    assert (now.owner, now.team, now.client_id) == (dora, None, before)
    subscription.refresh_from_db()
    credential.refresh_from_db()
    assert (subscription.status, credential.status) == ("active", "active")
    assert not Application.objects.owned_by(in_acme.carl).exists()


def test_to_a_team_and_back(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(dora)
    assert transfer(application, to=shop, by=dora).data == {"was": "Dora", "now": "Shop"}
    application.refresh_from_db()
    assert (application.owner, application.team) == (in_acme.carl, shop)
    with pytest.raises(NotAllowed, match="is not yours to give"):
        transfer(application, to=dora, by=dora)
    transfer(application, to=dora, by=in_acme.carl)
    application.refresh_from_db()
    assert (application.owner, application.team) == (dora, None)


def test_its_lead_answers_for_what_the_team_owns(in_acme: Cast, dora: User, shop: Team) -> None:
    application, alone = make.application(in_acme.carl, team=shop), make.application(in_acme.carl)
    change_lead(shop, to=Membership.objects.get(user=dora), by=in_acme.ada)
    application.refresh_from_db()
    alone.refresh_from_db()
    assert (application.owner, alone.owner) == (dora, in_acme.carl)


def test_who_may_give_it_and_who_may_get_it(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(in_acme.carl, name="Checkout")
    for by in (dora, in_acme.pam):
        with pytest.raises(NotAllowed, match="is not yours to give"):
            transfer(application, to=dora, by=by)
    for to in (in_acme.pam, in_acme.eve, in_acme.olga):
        with pytest.raises(NotAllowed, match="may not have applications here"):
            transfer(application, to=to, by=in_acme.carl)
    with pytest.raises(NotAllowed, match="Checkout belongs to Carl already"):
        transfer(application, to=in_acme.carl, by=in_acme.carl)
    closed = make.member(in_acme.acme, "closed@acme.example")
    closed.is_active = False
    closed.save()
    with pytest.raises(NotAllowed, match="may not have applications here"):
        transfer(application, to=closed, by=in_acme.carl)
    transfer(application, to=dora, by=in_acme.ada)
    assert Application.objects.get().owner == dora


def test_who_manages_members_by_a_role_of_acmes_own_gives_it_too(in_acme: Cast, dora: User) -> None:
    role = CustomRole.objects.create(name="People", permissions=["members.manage"])
    add_member(in_acme.pam, roles=[Role.PUBLISHER], custom_roles=[role.pk], by=None)
    transfer(make.application(in_acme.carl), to=dora, by=in_acme.pam)
    assert Application.objects.get().owner == dora


def test_a_team_whose_lead_may_not_have_applications_gets_none(in_acme: Cast) -> None:
    team = make.team(in_acme.pam, "Pam's")
    with pytest.raises(NotAllowed, match="Pam leads this team, and may not have applications here"):
        transfer(make.application(in_acme.carl), to=team, by=in_acme.ada)


def test_two_of_a_name_are_told_before(in_acme: Cast, dora: User) -> None:
    make.application(dora, name="Checkout")
    with pytest.raises(NotAllowed, match="Dora has an application called “Checkout” already"):
        transfer(make.application(in_acme.carl, name="Checkout"), to=dora, by=in_acme.carl)


def test_all_of_a_persons_go_together_and_the_teams_stay(in_acme: Cast, dora: User, shop: Team) -> None:
    make.application(in_acme.carl, name="One")
    make.application(in_acme.carl, name="Two")
    theirs = make.application(in_acme.carl, name="Three", team=shop)
    assert hand_over(in_acme.carl, to=dora, by=in_acme.ada) == 2
    assert set(Application.objects.filter(owner=dora).values_list("name", flat=True)) == {"One", "Two"}
    theirs.refresh_from_db()
    assert theirs.team == shop


def test_an_address_tells_nobody_who_is_a_member(in_acme: Cast, dora: User) -> None:
    assert receiver_called(" DORA@acme.example ") == dora
    said = set()
    for email in ("pam@acme.example", "eve@globex.example", "nobody@acme.example", ""):
        with pytest.raises(Invalid) as refused:
            receiver_called(email)
        said.add(str(refused.value.problems))
    assert said == {"{'to': ['Nobody here with this address may have applications.']}"}


# --- REST -----------------------------------------------------------------------------------------------------------


def test_giving_away_over_rest(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        dora = make.member(cast.acme, "dora@acme.example")
        team = make.team(dora, "Shop")
        application = make.application(cast.carl)
    at = f"{base(cast.acme)}/applications/{application.pk}/"
    for user, status in ((cast.eve, 404), (cast.olga, 404), (dora, 404), (cast.pam, 404)):
        assert rest(user).post(f"{at}transfer/", {"to": "dora@acme.example"}, format="json").status_code == status
    hidden = rest(cast.carl).post(f"{at}transfer/", {"team": str(team.pk)}, format="json")
    assert (hidden.status_code, list(hidden.json()["errors"])) == (422, ["team"]), "a team that Carl is not in"
    given = rest(cast.carl).post(f"{at}transfer/", {"to": "dora@acme.example"}, format="json")
    assert (given.status_code, given.json()["owner"]) == (200, "dora@acme.example")
    assert rest(cast.carl).get(at).status_code == 404
    given = rest(dora).post(f"{at}transfer/", {"team": str(team.pk)}, format="json")
    assert (given.json()["team"], given.json()["team_name"]) == (str(team.pk), "Shop")


def test_an_approver_sees_it_and_may_not_give_it_away(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        alan = make.member(cast.acme, "alan@acme.example", Role.APPROVER)
        application = make.application(cast.carl)
    answer = rest(alan).post(f"{base(cast.acme)}/applications/{application.pk}/transfer/", {"to": "carl@acme.example"}, format="json")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body", [{}, {"to": "carl@acme.example", "team": "0192f0c0-0000-7000-8000-000000000000"}, {"to": ""}, {"team": "x"}]
)
def test_it_goes_to_one(cast: Cast, rest: Rest, body: dict[str, Any]) -> None:
    with tenant_scope(cast.acme.pk):
        application = make.application(cast.carl)
    answer = rest(cast.carl).post(f"{base(cast.acme)}/applications/{application.pk}/transfer/", body, format="json")
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) <= {"to", "team"}


def test_registering_for_a_team_over_rest(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        own, other = make.team(cast.carl, "Shop"), make.team(cast.pam, "Other")
    at, body = f"{base(cast.acme)}/applications/", {"name": "x", "purpose": "x"}
    made = rest(cast.carl).post(at, {**body, "team": str(own.pk)}, format="json")
    assert (made.status_code, made.json()["team_name"]) == (201, "Shop")
    refused = rest(cast.carl).post(at, {**body, "team": str(other.pk)}, format="json")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["team"])


def test_a_service_account_is_nobody_to_give_to(in_acme: Cast) -> None:
    account, _secret = make.service_account("applications.own", by=in_acme.ada)
    with pytest.raises(NotAllowed, match="may not have applications here"):
        transfer(make.application(in_acme.carl), to=account.user, by=in_acme.carl)
