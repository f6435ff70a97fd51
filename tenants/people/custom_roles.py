"""Roles of a tenant's own: a name for a set of permissions."""

from collections.abc import Collection

from django.db import transaction
from django.utils.translation import gettext as _

from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import CustomRole, Event, Invitation, Membership, Role, User
from tenants.people import delegations
from tenants.people.members import managing
from tenants.people.roles import holds_all
from tenants.roles import PERMISSIONS, whole

# So many holders are named where a role can't be deleted.
NAMED = 5


@transaction.atomic
def create_role(*, name: str, permissions: Collection[str], by: User, description: str = "") -> CustomRole:
    events.lock()
    given = checked(permissions)
    holds_all(managing(by), given)
    _check_free(name)
    role = CustomRole.objects.create(name=name, description=description, permissions=sorted(given))
    events.record("role.created", role, by=by, permissions=role.permissions)
    return role


@transaction.atomic
def change_role(
    role: CustomRole,
    *,
    name: str | None = None,
    description: str | None = None,
    permissions: Collection[str] | None = None,
    by: User,
) -> Event | None:
    """Change what is given and differs, with effect from the next request of everybody who holds it. None if nothing changed."""
    events.lock()
    held = managing(by)
    role.refresh_from_db()
    given = frozenset(role.permissions) if permissions is None else checked(permissions)
    # What a role from before names and is no permission any more, nobody holds, and anybody may take out.
    holds_all(held, (given ^ frozenset(role.permissions)) & PERMISSIONS.keys())
    if name is not None:
        _check_free(name, but=role)
    wanted = {"name": name, "description": description, "permissions": None if permissions is None else sorted(given)}
    now = {each: value for each, value in wanted.items() if value not in (None, getattr(role, each))}
    if not now:
        return None
    was = {each: getattr(role, each) for each in now}
    for each, value in now.items():
        setattr(role, each, value)
    role.save(update_fields=list(now))
    event = events.record("role.changed", role, by=by, was=was, now=now)
    delegations.lapse(by=by)
    return event


@transaction.atomic
def delete_role(role: CustomRole, *, by: User) -> Event:
    """:raises NotAllowed: somebody holds it, or is invited to it."""
    events.lock()
    managing(by)
    if holders := _holders(role):
        names = ", ".join(holders[:NAMED]) + (" …" if len(holders) > NAMED else "")
        raise NotAllowed(_("Give them another role first, it is theirs: %(names)s.") % {"names": names})
    event = events.record("role.deleted", role, by=by, permissions=role.permissions)
    role.delete()
    return event


def _holders(role: CustomRole) -> list[str]:
    members = Membership.objects.filter(custom_roles__contains=[role.pk]).select_related("user").order_by("pk")
    invited = Invitation.objects.filter(custom_roles__contains=[role.pk], status=Invitation.Status.PENDING).order_by("pk")
    return [*(str(each.user) for each in members[: NAMED + 1]), *(each.email for each in invited[: NAMED + 1])]


def checked(permissions: Collection[str]) -> frozenset[str]:
    unknown = sorted(set(permissions) - PERMISSIONS.keys())
    if unknown:
        raise Invalid({"permissions": [_("There is no permission “%(name)s”.") % {"name": unknown[0][:40]}]})
    return whole(permissions)


def _check_free(name: str, *, but: CustomRole | None = None) -> None:
    # Events and lists tell roles by their names, so ours can't be called like a built-in one.
    others = CustomRole.objects.filter(name__iexact=name)
    if name.lower() in Role.values or (others.exclude(pk=but.pk) if but else others).exists():
        raise Invalid({"name": [_("There is a role “%(name)s” already.") % {"name": name}]})
