"""What happens to tenants, their members, and people."""

from collections.abc import Collection
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import OWN_SLUG, RESERVED_SLUGS, CustomRole, ErasedTenant, EventCounter, Membership, Role, Tenant, TenantSettings, User
from tenants.scope import tenant_scope


@transaction.atomic
def add_tenant(*, slug: str, name: str, by: User | None) -> Tenant:
    """A new tenant with its event chain. Keys are not its business: see keys.actions.signing.create_tenant.

    :param by: None for the command line, whose person runs the installation; they alone make the one that is Portico's own.
    """
    tenant = Tenant(slug=slug, name=name)
    try:
        tenant.clean_fields()
    except ValidationError as error:
        raise Invalid(error.message_dict) from error
    if slug in RESERVED_SLUGS and (slug, by) != (OWN_SLUG, None):
        raise Invalid({"slug": [_("“%(slug)s” is reserved; choose another slug.") % {"slug": slug}]})
    if Tenant.objects.filter(slug=slug).exists():
        raise NotAllowed(_("A tenant “%(slug)s” exists already; slugs are never given twice.") % {"slug": slug})
    if ErasedTenant.objects.filter(slug=slug).exists():
        raise NotAllowed(_("A tenant “%(slug)s” was here before; slugs are never given twice.") % {"slug": slug})
    tenant.save(force_insert=True)
    with tenant_scope(tenant.pk):
        EventCounter.objects.create()
        TenantSettings.objects.create()
        events.lock()
        events.record("tenant.created", tenant, by=by)
    events.record_platform("tenant.created", tenant, by=by)
    return tenant


@transaction.atomic
def add_member(user: User, *, roles: Collection[str], custom_roles: Collection[UUID] = (), by: User | None) -> Membership:
    """Give a person roles in the tenant in scope; their roles become exactly these.

    Whether `by` may give them is asked before, see tenants.people.roles.may_give.
    """
    events.lock()
    now = checked_roles(roles, custom_roles)
    membership, created = Membership.objects.get_or_create(user=user, defaults={"roles": now[0], "custom_roles": now[1]})
    was = [] if created else names_of_roles(membership)
    if not created:
        membership.roles, membership.custom_roles = now
        membership.save(update_fields=["roles", "custom_roles"])
    events.record("member.added" if created else "member.changed", user, by=by, was=was, roles=names_of_roles(membership))
    return membership


def names_of_roles(membership: Membership) -> list[str]:
    """As events write them down: the built-in ones, then the tenant's own."""
    own = CustomRole.objects.filter(pk__in=membership.custom_roles).order_by("name") if membership.custom_roles else ()
    return [*membership.roles, *(each.name for each in own)]


def checked_roles(roles: Collection[str], custom_roles: Collection[UUID] = ()) -> tuple[list[str], list[UUID]]:
    """Both sorted, each once; roles that there are, and at least one of them."""
    unknown = sorted(set(roles) - set(Role.values))
    if unknown or not (roles or custom_roles):
        said = _("Choose from %(roles)s. “%(unknown)s” is no role.") if unknown else _("Choose from %(roles)s.")
        raise Invalid({"roles": [said % {"roles": ", ".join(Role.values), "unknown": next(iter(unknown), "")}]})
    own = sorted(CustomRole.objects.filter(pk__in=custom_roles).values_list("pk", flat=True)) if custom_roles else []
    if len(own) < len(set(custom_roles)):
        raise Invalid({"custom_roles": [_("One of these roles is not there any more.")]})
    return sorted(set(roles)), own


@transaction.atomic
def change_profile(user: User, *, name: str, time_zone: str, language: str, theme: str) -> User:
    """A person's own settings. The name is what events call them by, so another one is an event."""
    was = User.objects.select_for_update().get(pk=user.pk)
    user.name, user.time_zone, user.language, user.theme = name, time_zone, language, theme
    user.save(update_fields=["name", "time_zone", "language", "theme"])
    if name != was.name:
        events.record_platform("person.renamed", user, by=was, was=was.name, now=name)
    return user


@transaction.atomic
def change_password(user: User, *, password: str) -> None:
    """Whoever knew the old one is out: other sessions end with it, and so do refresh tokens."""
    user.set_password(password)
    user.save(update_fields=["password"])
    end_refresh_tokens(user)
    events.record_platform("login.password_changed", user, by=user)


def end_refresh_tokens(user: User) -> None:
    """Programs that act for a person need a new sign-in. Sessions of browsers end with the password they began with."""
    # Who renews one, or signs in, waits for the same row, see tenants.sessions.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    tokens = OutstandingToken.objects.filter(user=user, expires_at__gt=timezone.now(), blacklistedtoken=None).order_by("pk")
    BlacklistedToken.objects.bulk_create([BlacklistedToken(token=token) for token in tokens], ignore_conflicts=True)
