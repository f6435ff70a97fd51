"""Members: what happens to their roles, and how one becomes a member without being asked in."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils.translation import gettext as _

from tenants import events
from tenants.actions import add_member, checked_roles, names_of_roles
from tenants.errors import NotAllowed
from tenants.models import Event, Membership, Role, SignUp, Team, TeamMember, Tenant, TenantSettings, User
from tenants.people import delegations
from tenants.people.roles import may_give
from tenants.roles import PERMISSIONS, permissions_held, permissions_of_service
from tenants.scope import current_tenant_id


def held_now(by: User | None) -> frozenset[str]:
    """What somebody may do by now: while they waited for the lock, it may have been taken from them. A job may give anything."""
    if by is None:
        return frozenset(PERMISSIONS)
    if by.is_service:
        return permissions_of_service(by) or frozenset()
    membership = Membership.objects.filter(user=by, user__is_active=True).with_custom_permissions().first()
    return permissions_held(membership) if membership else frozenset()


def managing(by: User | None) -> frozenset[str]:
    """The same, of somebody who manages members.

    :raises NotAllowed: they don't any more.
    """
    events.require_lock()
    held = held_now(by)
    if "members.manage" not in held:
        raise NotAllowed(_("You don't manage the members here any more."))
    return held


def taking_in() -> Tenant:
    """The tenant in scope, while it takes people in.

    :raises NotAllowed: it is suspended or closing.
    """
    tenant = Tenant.objects.get(pk=current_tenant_id())
    if tenant.status != Tenant.Status.ACTIVE:
        raise NotAllowed(_("%(tenant)s takes nobody in at the moment.") % {"tenant": tenant})
    return tenant


@transaction.atomic
def change_roles(
    membership: Membership, *, roles: Collection[str] | None = None, custom_roles: Collection[UUID] | None = None, by: User | None
) -> Membership:
    """Their roles become exactly these; of those left out what they are by now."""
    events.lock()
    held = managing(by)
    found = still_there(membership)
    wanted, own = checked_roles(found.roles if roles is None else roles, found.custom_roles if custom_roles is None else custom_roles)
    # Role by role: one that adds nothing today would be all that is left when another goes.
    may_give(held, set(wanted) ^ set(found.roles), set(own) ^ set(found.custom_roles))
    if Role.ADMIN not in wanted:
        keep_an_admin(found)
    if (wanted, own) == (sorted(found.roles), sorted(found.custom_roles)):
        return found
    changed = add_member(found.user, roles=wanted, custom_roles=own, by=by)
    delegations.lapse(by=by)
    return changed


def still_there(membership: Membership) -> Membership:
    """As it is under the lock."""
    found = Membership.objects.filter(pk=membership.pk).select_related("user").first()
    if found is None:
        raise NotAllowed(_("%(person)s is no member any more.") % {"person": membership.user})
    return found


def keep_an_admin(membership: Membership) -> None:
    """Somebody else has to be an admin who can sign in, where this one would be none any more."""
    if Role.ADMIN not in membership.roles:
        return
    admins = Membership.objects.filter(roles__contains=[Role.ADMIN], user__is_active=True)
    if not admins.exclude(pk=membership.pk).exists():
        raise NotAllowed(_("%(person)s is the last admin here. Make somebody else an admin first.") % {"person": membership.user})


def about_to_go(membership: Membership, *, by: User | None) -> Membership:
    """The member as they are, once it is sure that they may go: by themselves, or by somebody who holds all that they hold."""
    events.require_lock()
    found = still_there(membership)
    if by is None or by.pk != found.user_id:
        may_give(managing(by), found.roles, found.custom_roles)
    keep_an_admin(found)
    return found


def end(membership: Membership, *, by: User | None, **data: Any) -> Event:
    """The last step of going. What they answered for has somebody else by then, see keys.actions.leaving."""
    left = by is not None and by.pk == membership.user_id
    roles = names_of_roles(membership)
    membership.delete()
    event = events.record("member.left" if left else "member.removed", membership.user, by=by, roles=roles, **data)
    delegations.lapse(by=by)
    return event


def enrol(user: User, *, roles: Collection[str], custom_roles: Collection[UUID] = (), team: Team | None = None) -> Membership:
    """Make a member, or give one more roles; whoever calls has the lock, and records it."""
    events.require_lock()
    given = {"roles": sorted(roles), "custom_roles": sorted(custom_roles)}
    membership, created = Membership.objects.get_or_create(user=user, defaults=given)
    if not created:
        membership.roles = sorted({*membership.roles, *roles})
        membership.custom_roles = sorted({*membership.custom_roles, *custom_roles})
        membership.save(update_fields=["roles", "custom_roles"])
    if team is not None:
        TeamMember.objects.get_or_create(team=team, membership=membership)
    return membership


def may_join(user: User) -> bool:
    """Whether the tenant in scope takes this person in without asking: as its settings say, by an address that is proven theirs.

    Who was removed needs an invitation: else they would be back with the next click.
    """
    settings = TenantSettings.objects.get()
    domain = user.email.rpartition("@")[2]
    named = settings.sign_up == SignUp.DOMAINS and domain in settings.sign_up_domains
    if user.is_service or not user.is_active or not (named or settings.sign_up == SignUp.OPEN):
        return False
    proven = EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()
    return proven and not Event.objects.filter(kind="member.removed", subject_id=user.pk).exists()


@transaction.atomic
def join(user: User) -> Membership:
    """Become a member by oneself, with the role that the settings give."""
    events.lock()
    taking_in()
    found = Membership.objects.filter(user=user).first()
    if found is not None:
        return found
    if not may_join(user):
        raise NotAllowed(_("Nobody joins here any more without an invitation."))
    membership = enrol(user, roles=[TenantSettings.objects.get().sign_up_role])
    events.record("member.joined", user, by=user, roles=membership.roles)
    return membership
