"""A tenant is made by a person, who is its first admin."""

from django.db import transaction

from keys.actions.signing import create_tenant
from tenants.actions import add_member
from tenants.models import PlatformSettings, Role, Tenant, User
from tenants.scope import tenant_scope


def may_found(user: User) -> bool:
    """As the platform's settings say: operators, or everybody."""
    if user.is_service or not user.is_active:
        return False
    return user.operates or PlatformSettings.get().tenants_by == PlatformSettings.Creators.EVERYBODY


@transaction.atomic
def found_tenant(*, slug: str, name: str, by: User) -> Tenant:
    """
    :raises Invalid: by field. :raises NotAllowed: the slug is taken, or was.
    """
    tenant = create_tenant(slug=slug, name=name, by=by)
    with tenant_scope(tenant.pk):
        add_member(by, roles=[Role.ADMIN], by=by)
    return tenant
