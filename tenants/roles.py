"""Permissions, and which role has them. docs/roles.md shows the same table."""

from collections.abc import Collection, Iterable

from django.db.models import Q

from tenants.models import CustomRole, Membership, Role, ServiceAccount, User

_A, _P, _V, _D, _U = Role.ADMIN, Role.PUBLISHER, Role.APPROVER, Role.DEVELOPER, Role.AUDITOR

PERMISSIONS: dict[str, frozenset[Role]] = {
    "tenant.see": frozenset(Role),
    "members.see": frozenset({_A}),
    "members.manage": frozenset({_A}),
    "service_accounts.manage": frozenset({_A}),
    "webhooks.manage": frozenset({_A}),
    "settings.manage": frozenset({_A}),
    "apis.see_published": frozenset(Role),
    "apis.see_all": frozenset({_A, _P}),
    "apis.publish": frozenset({_A, _P}),
    "providers.see": frozenset({_A, _P}),
    "providers.manage": frozenset({_A, _P}),
    "subscriptions.see_all": frozenset({_A, _V}),
    "subscriptions.decide": frozenset({_A, _V}),
    "applications.own": frozenset({_A, _D}),
    "applications.see_all": frozenset({_A, _V}),
    "applications.suspend": frozenset({_A, _V}),
    "applications.revoke_any": frozenset({_A}),
    "keys.see": frozenset({_A, _U}),
    "keys.manage": frozenset({_A}),
    "gateways.see": frozenset({_A, _P, _V, _U}),
    "usage.see": frozenset({_A, _U}),
    "audit.read": frozenset({_A, _U}),
}
# What every member may, whatever the role.
EVERYONES = frozenset(name for name, holders in PERMISSIONS.items() if holders == frozenset(Role))

# Who decides has to see: the permission on the left is worth little without that on the right.
NEEDS: dict[str, str] = {
    "members.manage": "members.see",
    "apis.publish": "apis.see_all",
    "providers.manage": "providers.see",
    "subscriptions.decide": "subscriptions.see_all",
    "applications.suspend": "applications.see_all",
    "applications.revoke_any": "applications.see_all",
    "keys.manage": "keys.see",
    # Who has events sent elsewhere reads them there.
    "webhooks.manage": "audit.read",
}


def whole(permissions: Collection[str]) -> frozenset[str]:
    """These, what they need, and what everyone has."""
    return frozenset(permissions) | {NEEDS[each] for each in permissions if each in NEEDS} | EVERYONES


def permissions_of(roles: Collection[str], custom: Iterable[str] = ()) -> frozenset[str]:
    """What these roles let one do, and what custom roles add (see Membership.objects.with_custom_permissions)."""
    held = frozenset(name for name, holders in PERMISSIONS.items() if holders & set(roles))
    # A permission that is no more, of a role from before, gives nothing.
    added = frozenset(custom) & PERMISSIONS.keys()
    return held | added | EVERYONES if held or added else frozenset()


def permissions_held(membership: Membership) -> frozenset[str]:
    """All of a member's, of a row that was read `with_custom_permissions`, or `with_delegated_permissions`."""
    held = permissions_of(membership.roles, membership.custom_permissions)  # type: ignore[attr-defined]
    return held | frozenset(getattr(membership, "delegated_permissions", ())) if held else held


def permissions_of_service(user: User) -> frozenset[str] | None:
    """A service account's, by now: no more than who answers for it may, since one who left, or lost a role, leaves no way in behind.

    None of an account that works no more, or whose person is no member.
    """
    account = ServiceAccount.objects.working().filter(user_id=user.pk).first()
    if account is None:
        return None
    people = Membership.objects.filter(user_id=account.created_by_id, user__is_active=True)
    maker = people.with_custom_permissions().only("roles").first()
    return None if maker is None else permissions_of([], permissions_held(maker).intersection(account.permissions))


def who_may(permission: str) -> Q:
    """Of the tenant's memberships, those with this permission."""
    custom = list(CustomRole.objects.filter(permissions__contains=[permission]).values_list("pk", flat=True))
    return Q(roles__overlap=sorted(PERMISSIONS[permission])) | (Q(custom_roles__overlap=custom) if custom else Q(pk=None))
