"""What happens to members: roles change, people go and hand on what they answered for, and somebody is always there to let others in."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection

from keys.actions import leaving
from keys.models import Application, CalendarFeed
from tenants.errors import Invalid, NotAllowed
from tenants.models import CustomRole, Event, Membership, Role, SignUp, Team, TeamMember, Tenant, TenantSettings, User
from tenants.people import members
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, as_owner, base, empty_tables, make_cast


def of(user: User) -> Membership:
    return Membership.objects.select_related("user").get(user=user)


def last() -> Event:
    return Event.objects.latest("number")


@pytest.fixture
def host(in_acme: Cast) -> User:
    """Manages members by a role of Acme's own, and holds nothing else."""
    role = CustomRole.objects.create(name="Host", permissions=["members.see", "members.manage"])
    made = make.member(in_acme.acme, "host@acme.example", Role.DEVELOPER)
    Membership.objects.filter(user=made).update(roles=[], custom_roles=[role.pk])
    return made


# --- roles ---------------------------------------------------------------------------------------------------------


def test_ada_changes_carls_roles(in_acme: Cast) -> None:
    reader = CustomRole.objects.create(name="Reader", permissions=["audit.read"])
    changed = members.change_roles(of(in_acme.carl), roles=["publisher"], custom_roles=[reader.pk], by=in_acme.ada)
    assert (changed.roles, changed.custom_roles) == (["publisher"], [reader.pk])
    assert (last().kind, last().data) == ("member.changed", {"was": ["developer"], "roles": ["publisher", "Reader"]})


def test_what_does_not_differ_is_no_event(in_acme: Cast) -> None:
    before = last().number
    members.change_roles(of(in_acme.carl), roles=["developer", "developer"], by=in_acme.ada)
    assert last().number == before


def test_a_member_without_any_role_there_is_not(in_acme: Cast) -> None:
    with pytest.raises(Invalid, match="Choose from"):
        members.change_roles(of(in_acme.carl), roles=[], by=in_acme.ada)


def test_nobody_gives_or_takes_what_they_do_not_hold(in_acme: Cast, host: User) -> None:
    for roles in (["admin"], ["developer", "auditor"]):
        with pytest.raises(NotAllowed, match="yourself"):
            members.change_roles(of(in_acme.carl), roles=roles, by=host)
    with pytest.raises(NotAllowed, match="yourself"):
        members.change_roles(of(in_acme.pam), roles=[], custom_roles=of(host).custom_roles, by=host)
    with pytest.raises(NotAllowed, match="yourself"):
        members.change_roles(of(host), roles=["admin"], custom_roles=of(host).custom_roles, by=host)
    # What they hold they may give, and leave alone what they don't.
    members.change_roles(of(in_acme.pam), roles=["publisher"], custom_roles=of(host).custom_roles, by=host)
    assert of(in_acme.pam).roles == ["publisher"]


def test_who_manages_members_no_more_changes_nobody(in_acme: Cast) -> None:
    """The page asked before somebody else took it from them."""
    with pytest.raises(NotAllowed, match="don't manage the members here any more"):
        members.change_roles(of(in_acme.carl), roles=["admin"], by=in_acme.pam)
    with pytest.raises(NotAllowed, match="don't manage the members here any more"):
        leaving.remove(of(in_acme.carl), by=in_acme.eve)


def test_the_last_admin_stays_one(in_acme: Cast) -> None:
    ada = of(in_acme.ada)
    with pytest.raises(NotAllowed, match="Ada is the last admin here"):
        members.change_roles(ada, roles=["developer"], by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Ada is the last admin here"):
        leaving.remove(ada, by=in_acme.ada)
    second = make.member(in_acme.acme, "alan@acme.example", Role.ADMIN)
    User.objects.filter(pk=second.pk).update(is_active=False)
    with pytest.raises(NotAllowed, match="last admin"):
        members.change_roles(ada, roles=["developer"], by=in_acme.ada)
    User.objects.filter(pk=second.pk).update(is_active=True)
    members.change_roles(ada, roles=["developer"], by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Alan is the last admin here"):
        leaving.remove(of(second), by=second)


# --- going ---------------------------------------------------------------------------------------------------------


def test_who_is_removed_leaves_their_applications_to_whom_ada_names(in_acme: Cast) -> None:
    shop = make.application(in_acme.carl, name="Shop")
    credential, _secret = make.credential(shop)
    CalendarFeed.objects.create(user=in_acme.carl, secret_hmac="0" * 64)
    cleo = make.member(in_acme.acme, "cleo@acme.example", Role.DEVELOPER)
    carl = of(in_acme.carl)
    leaving.remove(carl, to=of(cleo), by=in_acme.ada)
    assert (last().kind, last().subject_name, last().data) == ("member.removed", "Carl", {"roles": ["developer"], "applications": "Cleo"})
    shop.refresh_from_db()
    credential.refresh_from_db()
    assert (shop.owner, credential.status) == (cleo, "active"), "nothing stops working"
    assert not Membership.objects.filter(user=in_acme.carl).exists()
    assert not CalendarFeed.objects.exists()
    with pytest.raises(NotAllowed, match="Carl is no member any more"):
        leaving.remove(carl, to=of(cleo), by=in_acme.ada)


def test_what_their_service_accounts_registered_goes_with_it(in_acme: Cast) -> None:
    """Those stop with who answers for them, so nobody else would."""
    alan = make.member(in_acme.acme, "alan@acme.example", Role.ADMIN)
    account, _secret = make.service_account("applications.own", by=alan)
    shop = make.application(account.user, name="Shop")
    with pytest.raises(Invalid, match="Say to whom"):
        leaving.remove(of(alan), by=alan)
    leaving.remove(of(alan), to=of(in_acme.carl), by=alan)
    shop.refresh_from_db()
    assert (shop.owner, last().data["applications"]) == (in_acme.carl, "Carl")


def test_nobody_leads_whose_account_is_closed(in_acme: Cast) -> None:
    team = make.team(in_acme.carl, "Payments")
    for user in (in_acme.pam, in_acme.ada):
        TeamMember.objects.create(team=team, membership=of(user))
    User.objects.filter(pk=in_acme.pam.pk).update(is_active=False)
    leaving.remove(of(in_acme.carl), by=in_acme.ada)
    team.refresh_from_db()
    assert team.lead.user == in_acme.ada
    assert "applications" not in last().data


def test_what_is_left_out_stays_as_it_is_by_then(in_acme: Cast) -> None:
    stale, reader = of(in_acme.carl), make.custom_role("Reader", ["audit.read"])
    stale.roles = ["admin"]
    changed = members.change_roles(stale, custom_roles=[reader.pk], by=in_acme.ada)
    assert (changed.roles, changed.custom_roles) == (["developer"], [reader.pk])


def test_nobody_gets_a_team_who_may_not_have_applications_or_whose_account_is_closed(in_acme: Cast) -> None:
    make.team(in_acme.carl, "Payments")
    gone = make.member(in_acme.acme, "gone@acme.example", Role.DEVELOPER)
    theirs = make.team(gone, "Theirs")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    for to in (of(in_acme.pam), of(gone), theirs):
        with pytest.raises(Invalid, match="may not have applications here"):
            leaving.remove(of(in_acme.carl), to=to, by=in_acme.ada)
    leaving.remove(of(in_acme.carl), to=of(in_acme.ada), by=in_acme.ada)
    assert Team.objects.get(name="Payments").lead.user == in_acme.ada


def test_or_to_a_team(in_acme: Cast) -> None:
    shop = make.application(in_acme.carl, name="Shop")
    cleo = make.member(in_acme.acme, "cleo@acme.example", Role.DEVELOPER)
    team = make.team(cleo, "Payments")
    leaving.remove(of(in_acme.carl), to=team, by=in_acme.ada)
    shop.refresh_from_db()
    assert (shop.team, shop.owner, last().data["applications"]) == (team, cleo, "Payments")


def test_nothing_is_lost_where_nobody_is_named(in_acme: Cast) -> None:
    make.application(in_acme.carl)
    before = last().number
    pams, nobody = of(in_acme.pam), "may not have applications here"
    for to, said in (
        (None, "Say to whom"),
        (of(in_acme.carl), "Carl is who goes"),
        (pams, f"Pam {nobody}"),
        (make.team(in_acme.pam), f"Pam {nobody}"),
    ):
        with pytest.raises(Invalid, match=said) as refused:
            leaving.remove(of(in_acme.carl), to=to, by=in_acme.ada)
        assert list(refused.value.problems) == ["applications_to"]
    assert last().number == before
    assert Application.objects.get().owner == in_acme.carl


def test_a_team_goes_on_with_who_has_been_in_it_longest(in_acme: Cast) -> None:
    payments, lonely = make.team(in_acme.carl, "Payments"), make.team(in_acme.carl, "Lonely")
    for user in (in_acme.pam, in_acme.ada):
        TeamMember.objects.create(team=payments, membership=of(user))
    shared = make.application(in_acme.carl, name="Shared")
    Application.objects.filter(pk=shared.pk).update(team=payments)
    with pytest.raises(Invalid, match="Say to whom"):
        leaving.remove(of(in_acme.carl), by=in_acme.ada)
    with pytest.raises(Invalid, match="Nobody else is in Lonely"):
        leaving.remove(of(in_acme.carl), to=lonely, by=in_acme.ada)
    leaving.remove(of(in_acme.carl), to=of(in_acme.ada), by=in_acme.ada)
    payments.refresh_from_db()
    lonely.refresh_from_db()
    shared.refresh_from_db()
    assert (payments.lead.user, lonely.lead.user) == (in_acme.pam, in_acme.ada)
    assert (shared.owner, shared.team) == (in_acme.pam, payments)
    assert TeamMember.objects.filter(team=lonely, membership=of(in_acme.ada)).exists()


def test_a_team_that_is_left_to_itself_needs_another_lead(in_acme: Cast) -> None:
    """Carl's own applications go to the team that he has led."""
    team = make.team(in_acme.carl, "Payments")
    cleo = make.member(in_acme.acme, "cleo@acme.example", Role.DEVELOPER)
    TeamMember.objects.create(team=team, membership=of(cleo))
    shop = make.application(in_acme.carl)
    leaving.remove(of(in_acme.carl), to=team, by=in_acme.ada)
    shop.refresh_from_db()
    assert (shop.team, shop.owner) == (team, cleo)


def test_carl_leaves_by_himself(in_acme: Cast) -> None:
    leaving.remove(of(in_acme.carl), by=in_acme.carl)
    assert (last().kind, last().actor_name, last().data) == ("member.left", "Carl", {"roles": ["developer"]})


def test_nobody_removes_who_holds_more_than_they(in_acme: Cast, host: User) -> None:
    make.member(in_acme.acme, None, Role.ADMIN)
    for user in (in_acme.ada, in_acme.pam):
        with pytest.raises(NotAllowed, match="yourself"):
            leaving.remove(of(user), by=host)
    other = make.member(in_acme.acme, None, Role.DEVELOPER)
    Membership.objects.filter(user=other).update(roles=[], custom_roles=of(host).custom_roles)
    leaving.remove(of(other), by=host)


# --- at the same moment --------------------------------------------------------------------------------------------


@pytest.fixture
def in_the_open(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    """The cast, committed: other connections see them."""
    with django_db_blocker.unblock():
        yield make_cast()
        with as_owner():
            empty_tables()
        connection.close()


def both(tenant: Tenant, *acts: Callable[[], Any]) -> list[str]:
    """Each on a connection of its own, at the same moment; what was answered."""
    together, answers = threading.Barrier(len(acts)), []

    def one(act: Callable[[], Any]) -> None:
        try:
            with tenant_scope(tenant.pk):
                together.wait(timeout=10)
                act()
            answers.append("done")
        except NotAllowed as refusal:
            answers.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[act]) for act in acts]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=30)
    return sorted(answers)


@pytest.mark.parametrize("way", ["remove", "leave", "change"])
def test_of_two_admins_who_go_at_the_same_moment_one_stays(in_the_open: Cast, way: str) -> None:
    acme, ada = in_the_open.acme, in_the_open.ada
    alan = make.member(acme, "alan@acme.example", Role.ADMIN)
    with tenant_scope(acme.pk):
        of_ada, of_alan = of(ada), of(alan)
    ways: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "remove": (lambda: leaving.remove(of_alan, by=ada), lambda: leaving.remove(of_ada, by=alan)),
        "leave": (lambda: leaving.remove(of_ada, by=ada), lambda: leaving.remove(of_alan, by=alan)),
        "change": (
            lambda: members.change_roles(of_alan, roles=["developer"], by=ada),
            lambda: members.change_roles(of_ada, roles=["developer"], by=alan),
        ),
    }
    done, refused = sorted(both(acme, *ways[way]), key=lambda said: said != "done")
    assert done == "done"
    assert refused != "done"
    with tenant_scope(acme.pk):
        assert Membership.objects.filter(roles__contains=["admin"]).count() == 1


def test_who_was_just_removed_removes_nobody(in_the_open: Cast) -> None:
    """With a third admin there is no last one, so it is the lost right alone that stops the second."""
    acme, ada = in_the_open.acme, in_the_open.ada
    alan = make.member(acme, "alan@acme.example", Role.ADMIN)
    make.member(acme, "abe@acme.example", Role.ADMIN)
    with tenant_scope(acme.pk):
        of_ada, of_alan = of(ada), of(alan)
    answers = both(acme, lambda: leaving.remove(of_alan, by=ada), lambda: leaving.remove(of_ada, by=alan))
    assert answers == ["You don't manage the members here any more.", "done"]


# --- joining by oneself --------------------------------------------------------------------------------------------


@pytest.fixture
def bo(in_acme: Cast) -> User:
    """Nobody's member; that the address is Bo's is proven."""
    made = make.user("bo@acme.example")
    EmailAddress.objects.update_or_create(user=made, email=made.email, defaults={"verified": True, "primary": True})
    return made


def let_in(sign_up: str, *domains: str, **more: str) -> None:
    TenantSettings.objects.update(sign_up=sign_up, sign_up_domains=domains, **more)


def test_who_has_an_address_of_the_domain_joins_with_the_role_of_the_settings(in_acme: Cast, bo: User) -> None:
    let_in(SignUp.DOMAINS, "other.example", "acme.example", sign_up_role="auditor")
    assert members.join(bo).roles == ["auditor"]
    assert (last().kind, last().actor_name, last().data) == ("member.joined", "Bo", {"roles": ["auditor"]})
    assert members.join(bo).roles == ["auditor"]
    assert Event.objects.filter(kind="member.joined").count() == 1


@pytest.mark.parametrize("domain", ["other.example", "example", "me.example", "sub.acme.example", ""])
def test_another_domain_does_not_do(in_acme: Cast, bo: User, domain: str) -> None:
    let_in(SignUp.DOMAINS, domain)
    assert not members.may_join(bo)
    with pytest.raises(NotAllowed):
        members.join(bo)


def test_everybody_joins_where_that_is_said_and_nobody_where_it_is_not(in_acme: Cast, bo: User) -> None:
    assert not members.may_join(bo), "by invitation only, to begin with"
    let_in(SignUp.INVITATION, "acme.example")
    assert not members.may_join(bo)
    let_in(SignUp.OPEN)
    assert members.may_join(bo)


def test_an_address_that_is_not_proven_joins_nothing(in_acme: Cast, bo: User) -> None:
    let_in(SignUp.OPEN)
    EmailAddress.objects.filter(user=bo).update(verified=False)
    assert not members.may_join(bo)
    EmailAddress.objects.filter(user=bo).update(verified=True, email="else@acme.example")
    assert not members.may_join(bo)


def test_who_was_removed_is_not_back_with_the_next_click(in_acme: Cast, bo: User) -> None:
    let_in(SignUp.OPEN)
    leaving.remove(members.join(bo), by=bo)
    assert members.may_join(bo), "who left may come back"
    leaving.remove(members.join(bo), by=in_acme.ada)
    assert not members.may_join(bo)


def test_a_suspended_tenant_takes_nobody_in(in_acme: Cast, bo: User) -> None:
    let_in(SignUp.OPEN)
    Tenant.objects.filter(pk=in_acme.acme.pk).update(status="suspended")
    with pytest.raises(NotAllowed, match="Acme takes nobody in at the moment"):
        members.join(bo)


# --- over REST -----------------------------------------------------------------------------------------------------


def member_address(cast: Cast, user: User) -> str:
    with tenant_scope(cast.acme.pk):
        return f"{base(cast.acme)}/members/{of(user).pk}/"


def test_ada_reads_changes_and_removes_a_member_over_rest(cast: Cast, rest: Rest) -> None:
    ada, address = rest(cast.ada), member_address(cast, cast.carl)
    assert ada.get(address).json()["email"] == "carl@acme.example"
    changed = ada.patch(address, {"roles": ["developer", "auditor"]})
    assert (changed.status_code, changed.json()["roles"]) == (200, ["auditor", "developer"])
    assert ada.patch(address, {"roles": ["king"]}).status_code == 422
    assert ada.patch(address, {"role": ["admin"]}).status_code == 422
    assert ada.patch(address, {"roles": []}).status_code == 422
    assert ada.delete(address).status_code == 204
    assert ada.get(address).status_code == 404


def test_who_was_removed_is_out_with_the_next_request(cast: Cast, rest: Rest) -> None:
    carl, ada = rest(cast.carl), rest(cast.ada)
    with tenant_scope(cast.acme.pk):
        application, own = make.application(cast.carl), of(cast.ada).pk
    assert carl.get(f"{base(cast.acme)}/applications/").status_code == 200
    address = member_address(cast, cast.carl)
    refused = ada.delete(address)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["applications_to"])
    assert ada.delete(address, {"applications_to": str(application.pk)}).status_code == 422
    assert ada.delete(address, {"applications_to": str(own)}).status_code == 204
    assert carl.get(f"{base(cast.acme)}/applications/").status_code == 404
    assert carl.get(f"{base(cast.acme)}/").status_code == 404


def test_carl_leaves_and_the_last_admin_can_not_over_rest(cast: Cast, rest: Rest) -> None:
    assert rest(cast.carl).post(f"{base(cast.acme)}/leave/").status_code == 204
    assert rest(cast.carl).get(f"{base(cast.acme)}/").status_code == 404
    refused = rest(cast.ada).post(f"{base(cast.acme)}/leave/")
    assert (refused.status_code, refused.json()["detail"]) == (409, "Ada is the last admin here. Make somebody else an admin first.")
    assert rest(cast.eve).post(f"{base(cast.acme)}/leave/").status_code == 404


def test_only_who_manages_members_may_and_eve_finds_nobody(cast: Cast, rest: Rest) -> None:
    address = member_address(cast, cast.carl)
    theirs = address.replace("/acme/", "/globex/")
    for user, path, status in (
        (cast.pam, address, 403),
        (cast.carl, address, 403),
        (cast.eve, address, 404),
        (cast.olga, address, 404),
        (cast.eve, theirs, 404),
    ):
        client = rest(user)
        assert {client.get(path).status_code, client.patch(path, {}).status_code, client.delete(path).status_code} == {status}
