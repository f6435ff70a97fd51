"""Permissions, and which role has them. docs/roles.md shows the same table."""

from tenants.models import Role

_A, _P, _V, _D, _U = Role.ADMIN, Role.PUBLISHER, Role.APPROVER, Role.DEVELOPER, Role.AUDITOR

PERMISSIONS: dict[str, frozenset[Role]] = {
    "tenant.see": frozenset(Role),
    "members.see": frozenset({_A}),
    "apis.see_published": frozenset(Role),
    "apis.see_all": frozenset({_A, _P}),
    "apis.publish": frozenset({_A, _P}),
    "subscriptions.see_all": frozenset({_A, _V}),
    "subscriptions.decide": frozenset({_A, _V}),
    "applications.own": frozenset({_A, _D}),
    "applications.see_all": frozenset({_A, _V}),
    "applications.revoke_any": frozenset({_A}),
    "keys.see": frozenset({_A, _U}),
    "keys.manage": frozenset({_A}),
    "gateways.see": frozenset({_A, _P, _V, _U}),
    "audit.read": frozenset({_A, _U}),
}


def permissions_of(roles: list[str]) -> frozenset[str]:
    return frozenset(name for name, holders in PERMISSIONS.items() if holders & set(roles))
