"""What happens to tenants and their members."""

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import transaction

from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import RESERVED_SLUGS, EventCounter, Membership, Role, Tenant, User
from tenants.scope import tenant_scope


@transaction.atomic
def add_tenant(*, slug: str, name: str, by: User | None) -> Tenant:
    """A new tenant with its event chain. Keys are not its business: see keys.actions.create_tenant."""
    tenant = Tenant(slug=slug, name=name)
    try:
        tenant.clean_fields()
    except ValidationError as error:
        raise Invalid(error.message_dict) from error
    if slug in RESERVED_SLUGS:
        raise Invalid({"slug": [f"“{slug}” is reserved; choose another slug."]})
    if Tenant.objects.filter(slug=slug).exists():
        raise NotAllowed(f"A tenant “{slug}” exists already; slugs are never given twice.")
    tenant.save(force_insert=True)
    with tenant_scope(tenant.pk):
        EventCounter.objects.create()
        events.lock()
        events.record("tenant.created", tenant, by=by)
    events.record_platform("tenant.created", tenant, by=by)
    return tenant


@transaction.atomic
def add_member(user: User, *, roles: Collection[str], by: User | None) -> Membership:
    """Give a person roles in the tenant in scope; their roles become exactly these."""
    unknown = sorted(set(roles) - set(Role.values))
    if unknown or not roles:
        raise Invalid({"roles": [f"Choose from {', '.join(Role.values)}." + (f" “{unknown[0]}” is no role." if unknown else "")]})
    events.lock()
    membership, created = Membership.objects.get_or_create(user=user, defaults={"roles": sorted(roles)})
    was = [] if created else membership.roles
    if not created:
        membership.roles = sorted(roles)
        membership.save(update_fields=["roles"])
    events.record("member.added" if created else "member.changed", user, by=by, was=was, roles=membership.roles)
    return membership
