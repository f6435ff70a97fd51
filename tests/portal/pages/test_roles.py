"""Ada makes roles of Acme's own in the console, and sees what the built-in ones let one do."""

import pytest
from django.test import Client

from portal.pages.members import LETS
from portal.pages.roles import GROUPS
from tenants.actions import add_member
from tenants.models import CustomRole, Role
from tenants.roles import EVERYONES, PERMISSIONS, whole
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

ROLES = "/t/acme/console/members/roles/"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


@pytest.fixture
def deciders(in_acme: Cast) -> CustomRole:
    permissions = sorted(whole(["subscriptions.decide"]))
    return CustomRole.objects.create(name="Deciders", description="For the week-end.", permissions=permissions)


@pytest.mark.parametrize("address", [ROLES, f"{ROLES}new/", f"{ROLES}{{role}}/", f"{ROLES}{{role}}/delete/"])
def test_admins_alone_get_in(in_acme: Cast, deciders: CustomRole, address: str) -> None:
    for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        assert signed_in(user).get(address.format(role=deciders.pk)).status_code == status
    if "{role}" in address:
        assert signed_in(in_acme.eve).get(address.format(role=deciders.pk).replace("acme", "globex")).status_code == 404


def test_who_sees_the_members_sees_the_roles_and_changes_none(in_acme: Cast, deciders: CustomRole) -> None:
    deciders.permissions = sorted(whole(["members.see"]))
    deciders.save()
    add_member(in_acme.pam, roles=[Role.PUBLISHER], custom_roles=[deciders.pk], by=None)
    pam = signed_in(in_acme.pam)
    answer = pam.get(ROLES)
    assert answer.status_code == 200
    assert "new/" not in answer.content.decode().partition("<main")[2]
    assert pam.get(f"{ROLES}new/").status_code == 403


def test_every_permission_stands_in_a_group_or_is_everyones() -> None:
    assert {name for _label, names in GROUPS.values() for name in names} | EVERYONES == set(PERMISSIONS) == set(LETS)


def test_what_each_lets_one_do_and_who_holds_it(ada: Client, in_acme: Cast, deciders: CustomRole) -> None:
    add_member(in_acme.pam, roles=[Role.PUBLISHER], custom_roles=[deciders.pk], by=None)
    said = text(ada.get(ROLES))
    assert "Deciders For the week-end." in said
    assert "See everyone's subscriptions Approve, reject, suspend, resume and cancel subscriptions 1 Change" in said
    assert "Suspend and resume anyone's applications yes no yes no no" in said
    assert "Revoke anyone's secrets, and delete anyone's applications yes no no no no" in said
    assert "Read the audit yes no no no yes" in said
    assert "Deciders" not in text(ada.get(ROLES, {"q": "keys"}))
    assert "No role of yours is called that" in text(ada.get(ROLES, {"q": "<b>"}))


def test_without_any_it_says_what_to_do(ada: Client) -> None:
    said = text(ada.get(ROLES))
    assert "No role of your own yet" in said
    assert "Make a role" in said


def test_ada_makes_one_from_a_copy(ada: Client) -> None:
    html = ada.get(f"{ROLES}new/", {"from": "approver"}).content.decode()
    assert 'value="subscriptions.decide" id="id_subscriptions_1" checked' in html.replace("\n", " ")
    assert html.count(" checked") == 5, "what approvers have beyond what everyone has"
    sent = {"name": "Deciders", "description": "", "subscriptions": ["subscriptions.decide"], "keys": ["keys.see"]}
    answer = ada.post(f"{ROLES}new/", sent, follow=True)
    assert answer.redirect_chain == [(ROLES, 302)]
    assert "The role Deciders is there." in answer.content.decode()
    assert set(CustomRole.objects.get().permissions) == whole(["subscriptions.decide", "keys.see"])


@pytest.mark.parametrize("begin", ["", "nothing", "0192f0c0-0000-7000-8000-000000000000", "admin'--"])
def test_a_copy_of_nothing_is_empty(ada: Client, begin: str) -> None:
    assert " checked" not in ada.get(f"{ROLES}new/", {"from": begin}).content.decode()


def test_a_copy_of_ones_own(ada: Client, deciders: CustomRole) -> None:
    assert ada.get(f"{ROLES}new/", {"from": str(deciders.pk)}).content.decode().count(" checked") == 2


def test_what_was_typed_comes_back_with_what_is_wrong(ada: Client, deciders: CustomRole) -> None:
    sent = {"name": "DECIDERS", "description": "Weekly", "keys": ["keys.see"]}
    answer = ada.post(f"{ROLES}new/", sent)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "There is a role “DECIDERS” already." in text(answer)
    assert 'value="Weekly"' in html
    assert html.count(" checked") == 1


def test_nobody_is_offered_what_they_dont_hold(in_acme: Cast, deciders: CustomRole) -> None:
    deciders.permissions = sorted(whole(["members.manage"]))
    deciders.save()
    add_member(in_acme.pam, roles=[Role.PUBLISHER], custom_roles=[deciders.pk], by=None)
    pam = signed_in(in_acme.pam)
    html = pam.get(f"{ROLES}new/", {"from": "admin"}).content.decode()
    assert 'value="apis.publish"' in html
    assert 'value="keys.manage"' not in html
    assert pam.post(f"{ROLES}new/", {"name": "Keys", "keys": ["keys.manage"]}).status_code == 422
    assert not CustomRole.objects.filter(name="Keys").exists()


def test_a_change_by_page(ada: Client, deciders: CustomRole) -> None:
    address = f"{ROLES}{deciders.pk}/"
    assert "0 members hold it" in text(ada.get(address))
    assert ada.post(address, {"name": "Watchers", "subscriptions": ["subscriptions.see_all"]}).status_code == 302
    deciders.refresh_from_db()
    assert (deciders.name, frozenset(deciders.permissions)) == ("Watchers", whole(["subscriptions.see_all"]))
    same = {"name": "Watchers", "description": "", "subscriptions": ["subscriptions.see_all"]}
    assert "Nothing was changed." in ada.post(address, same, follow=True).content.decode()


def test_what_somebody_puts_in_without_holding_it_is_refused_on_the_page(in_acme: Cast, deciders: CustomRole) -> None:
    manager = CustomRole.objects.create(name="People", permissions=sorted(whole(["members.manage"])))
    add_member(in_acme.pam, roles=[Role.PUBLISHER], custom_roles=[manager.pk], by=None)
    answer = signed_in(in_acme.pam).post(f"{ROLES}{deciders.pk}/", {"name": "Deciders"})
    assert answer.status_code == 409
    assert "You don't hold “subscriptions.decide” yourself" in text(answer)


def test_one_that_is_held_is_not_deleted_and_says_by_whom(ada: Client, in_acme: Cast, deciders: CustomRole) -> None:
    add_member(in_acme.pam, roles=[Role.PUBLISHER], custom_roles=[deciders.pk], by=None)
    answer = ada.post(f"{ROLES}{deciders.pk}/delete/")
    assert (answer.status_code, "it is theirs: Pam." in text(answer)) == (409, True)
    add_member(in_acme.pam, roles=[Role.PUBLISHER], by=None)
    assert ada.post(f"{ROLES}{deciders.pk}/delete/").status_code == 302
    assert not CustomRole.objects.exists()


def test_as_many_queries_for_many(ada: Client, in_acme: Cast, deciders: CustomRole) -> None:
    for number in range(6):
        role = CustomRole.objects.create(name=f"Role {number}", permissions=["keys.see"])
        add_member(make.user(), roles=[], custom_roles=[role.pk], by=None)
    with queries("page:member-roles"):
        ada.get(ROLES)
    with queries("page:member-role"):
        ada.get(f"{ROLES}{deciders.pk}/")
    with queries("page:member-role-new"):
        ada.get(f"{ROLES}new/")
