"""Roles of a tenant's own: Ada makes them, nobody gives what they don't hold, and they let people decide as built-in ones do."""

from typing import Any

import pytest

from tenants.actions import add_member
from tenants.errors import Invalid, NotAllowed
from tenants.models import CustomRole, Event, Membership, Role, User
from tenants.people import custom_roles
from tenants.people.roles import may_give
from tenants.roles import EVERYONES, NEEDS, PERMISSIONS, permissions_held, permissions_of, whole
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base


def holding(permissions: list[str], name: str = "Helpers") -> User:
    """A member of Acme with this role of its own, and no other."""
    role = CustomRole.objects.create(name=name, permissions=permissions)
    user = make.user(f"{name.lower()}@acme.example")
    add_member(user, roles=[], custom_roles=[role.pk], by=None)
    return user


def held_by(user: User) -> frozenset[str]:
    return permissions_held(Membership.objects.with_custom_permissions().get(user=user))


# --- the rule -------------------------------------------------------------------------------------------------------


def test_nobody_gives_what_they_dont_hold(in_acme: Cast) -> None:
    publisher = permissions_of([Role.PUBLISHER])
    may_give(publisher, [Role.PUBLISHER])
    with pytest.raises(NotAllowed, match="You don't hold “applications.own” yourself"):
        may_give(publisher, [Role.PUBLISHER, Role.DEVELOPER])
    role = CustomRole.objects.create(name="Key keepers", permissions=["keys.manage"])
    may_give(frozenset(PERMISSIONS), [], [role.pk])
    with pytest.raises(NotAllowed, match="keys.manage"):
        may_give(publisher, [], [role.pk])


def test_what_decides_can_be_seen_too() -> None:
    assert whole(["subscriptions.decide"]) == {"subscriptions.decide", "subscriptions.see_all"} | EVERYONES
    assert whole([]) == EVERYONES
    assert set(NEEDS) | set(NEEDS.values()) <= set(PERMISSIONS)
    for role in Role:
        assert whole(permissions_of([role])) == permissions_of([role]), "the built-in ones are whole already"


# --- making, changing, deleting -------------------------------------------------------------------------------------


def test_ada_makes_one_and_the_audit_says_of_what(in_acme: Cast) -> None:
    role = custom_roles.create_role(name="Deciders", permissions=["subscriptions.decide"], by=in_acme.ada)
    event = Event.objects.get(kind="role.created")
    assert set(role.permissions) == {"subscriptions.decide", "subscriptions.see_all"} | EVERYONES
    assert (event.actor_id, event.subject_name, event.data["permissions"]) == (in_acme.ada.pk, "Deciders", role.permissions)


@pytest.mark.parametrize("name", ["Deciders", "DECIDERS", "admin", "Approver"])
def test_a_name_is_given_once(in_acme: Cast, name: str) -> None:
    custom_roles.create_role(name="Deciders", permissions=[], by=in_acme.ada)
    with pytest.raises(Invalid) as refused:
        custom_roles.create_role(name=name, permissions=[], by=in_acme.ada)
    assert list(refused.value.problems) == ["name"]


def test_nobody_makes_a_role_of_more_than_they_hold(in_acme: Cast) -> None:
    helper = holding(["members.manage", "members.see", "keys.see"])
    assert custom_roles.create_role(name="Readers", permissions=["keys.see"], by=helper)
    for more in ("keys.manage", "subscriptions.decide"):
        with pytest.raises(NotAllowed, match="You don't hold"):
            custom_roles.create_role(name="Keepers", permissions=[more], by=helper)
    assert not CustomRole.objects.filter(name="Keepers").exists()


def test_nobody_puts_in_or_takes_out_what_they_dont_hold(in_acme: Cast) -> None:
    helper = holding(["members.manage", "members.see", "keys.see"])
    role = custom_roles.create_role(name="Keepers", permissions=["keys.manage"], by=in_acme.ada)
    for permissions in (["keys.see"], [], ["keys.manage", "audit.read"]):
        with pytest.raises(NotAllowed, match="You don't hold"):
            custom_roles.change_role(role, permissions=permissions, by=helper)
    custom_roles.change_role(role, name="Key keepers", by=helper)
    role.refresh_from_db()
    assert (role.name, "keys.manage" in role.permissions) == ("Key keepers", True)


def test_who_manages_members_no_more_changes_nothing_any_more(in_acme: Cast) -> None:
    role = custom_roles.create_role(name="Keepers", permissions=[], by=in_acme.ada)
    for act in (
        lambda: custom_roles.create_role(name="x", permissions=[], by=in_acme.pam),
        lambda: custom_roles.change_role(role, name="x", by=in_acme.pam),
        lambda: custom_roles.delete_role(role, by=in_acme.pam),
    ):
        with pytest.raises(NotAllowed, match="You don't manage the members here any more"):
            act()


def test_a_change_says_what_it_was_and_what_it_is(in_acme: Cast) -> None:
    role = custom_roles.create_role(name="Keepers", permissions=["keys.see"], by=in_acme.ada)
    assert custom_roles.change_role(role, name="Keepers", permissions=["keys.see"], by=in_acme.ada) is None
    event = custom_roles.change_role(role, permissions=[], by=in_acme.ada)
    assert event is not None
    assert (event.data["was"], event.data["now"]) == (
        {"permissions": sorted({"keys.see"} | EVERYONES)},
        {"permissions": sorted(EVERYONES)},
    )


def test_a_role_from_before_with_what_is_no_permission_any_more_can_be_tidied_up(in_acme: Cast) -> None:
    role = CustomRole.objects.create(name="Old", permissions=["stars.count", "keys.see"])
    custom_roles.change_role(role, permissions=["keys.see"], by=in_acme.ada)
    role.refresh_from_db()
    assert "stars.count" not in role.permissions


def test_one_that_somebody_holds_or_is_invited_to_stays(in_acme: Cast) -> None:
    helper = holding(["keys.see"])
    role = CustomRole.objects.get()
    with pytest.raises(NotAllowed, match=f"it is theirs: {helper}"):
        custom_roles.delete_role(role, by=in_acme.ada)
    add_member(helper, roles=[Role.DEVELOPER], by=in_acme.ada)
    invitation = make.invitation("guest@acme.example", by=in_acme.ada, roles=[], custom_roles=[role.pk])
    with pytest.raises(NotAllowed, match="guest@acme.example"):
        custom_roles.delete_role(role, by=in_acme.ada)
    invitation.delete()
    custom_roles.delete_role(role, by=in_acme.ada)
    assert not CustomRole.objects.exists()
    assert Event.objects.filter(kind="role.deleted").count() == 1


def test_a_role_that_many_hold_names_a_few(in_acme: Cast) -> None:
    role = CustomRole.objects.create(name="Crowd", permissions=["keys.see"])
    for _ in range(8):
        add_member(make.user(), roles=[], custom_roles=[role.pk], by=None)
    with pytest.raises(NotAllowed) as refused:
        custom_roles.delete_role(role, by=in_acme.ada)
    assert str(refused.value).count(",") == 5
    assert "…" in str(refused.value)


# --- what it lets one do --------------------------------------------------------------------------------------------


def test_a_change_counts_from_the_next_request_on(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        helper = holding(["keys.see"])
        role = CustomRole.objects.get()
    address = f"{base(cast.acme)}/events/"
    assert rest(helper).get(address).status_code == 403
    body = {"permissions": ["audit.read"]}
    assert rest(cast.ada).patch(f"{base(cast.acme)}/roles/{role.pk}/", body, format="json").status_code == 200
    assert rest(helper).get(address).status_code == 200
    assert rest(helper).get(f"{base(cast.acme)}/signing-keys/").status_code == 403


def test_who_decides_by_a_role_of_acmes_own_decides(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        helper = holding(sorted(whole(["subscriptions.decide"])))
        pending = make.subscription(status="pending", of=make.application(cast.carl))
        own = make.subscription(status="pending", of=make.application(cast.carl), to=make.plan())
        own.requested_by = helper
        own.save()
    at = f"{base(cast.acme)}/subscriptions"
    assert len(rest(helper).get(f"{at}/?status=pending").json()["results"]) == 2
    assert rest(helper).post(f"{at}/{pending.pk}/approve/").status_code == 200
    assert rest(helper).post(f"{at}/{own.pk}/approve/").status_code == 409, "four eyes"


# --- REST -----------------------------------------------------------------------------------------------------------


def test_roles_over_rest(cast: Cast, rest: Rest) -> None:
    roles = f"{base(cast.acme)}/roles/"
    ada = rest(cast.ada)
    made = ada.post(roles, {"name": "Readers", "permissions": []}, format="json")
    assert made.status_code == 201
    assert made.json()["permissions"] == sorted(EVERYONES)
    one = f"{roles}{made.json()['id']}/"
    assert ada.get(roles).json()["results"] == [made.json()]
    assert ada.get(one).json()["holders"] == 0
    assert ada.patch(one, {"description": "For partners."}, format="json").json()["description"] == "For partners."
    assert ada.delete(one).status_code == 204
    assert ada.get(one).status_code == 404


@pytest.mark.parametrize(
    "body,field",
    [
        ({"name": "", "permissions": []}, "name"),
        ({"name": "x" * 41, "permissions": []}, "name"),
        ({"name": "x", "permissions": ["fly"]}, "permissions.0"),
        ({"name": "x"}, "permissions"),
        ({"name": "x", "permissions": [], "holders": 3}, "holders"),
        ({"name": "Admin", "permissions": []}, "name"),
    ],
)
def test_what_is_no_role_is_refused_at_its_field(cast: Cast, rest: Rest, body: dict[str, Any], field: str) -> None:
    answer = rest(cast.ada).post(f"{base(cast.acme)}/roles/", body, format="json")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


def test_who_may_see_and_who_may_change_roles(cast: Cast, rest: Rest) -> None:
    roles = f"{base(cast.acme)}/roles/"
    made = rest(cast.ada).post(roles, {"name": "Readers", "permissions": []}, format="json").json()
    for user, status in ((cast.pam, 403), (cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        assert rest(user).get(roles).status_code == status
        assert rest(user).post(roles, {"name": "x", "permissions": []}, format="json").status_code == status
        assert rest(user).delete(f"{roles}{made['id']}/").status_code == status
    assert rest(cast.eve).get(f"{base(cast.globex)}/roles/{made['id']}/").status_code == 404


def test_a_role_of_globex_gives_nothing_at_acme(in_acme: Cast) -> None:
    with tenant_scope(in_acme.globex.pk):
        theirs = CustomRole.objects.create(name="All", permissions=list(PERMISSIONS))
    with pytest.raises(Invalid, match="not there any more"):
        add_member(in_acme.carl, roles=[], custom_roles=[theirs.pk], by=None)
    # Also where it got in by another way.
    Membership.objects.filter(user=in_acme.carl).update(roles=["developer"], custom_roles=[theirs.pk])
    assert held_by(in_acme.carl) == permissions_of([Role.DEVELOPER])
