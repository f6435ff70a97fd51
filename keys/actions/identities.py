"""Who somebody at the tenant's identity provider is here: known, recognised by the address, or new."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from keys.models import Identity, IdentityProvider
from keys.oidc import Claims
from tenants import events
from tenants.errors import NotAllowed
from tenants.models import AccountMail, Event, Membership, Tenant, User
from tenants.origin import origin
from tenants.people import accounts
from tenants.people.invitations import address_of
from tenants.people.members import enrol, held_now, taking_in
from tenants.people.roles import holds_all
from tenants.scope import current_tenant_id

LINKED, UNLINKED = "identity_linked", "identity_unlinked"


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a session remembers of how it began; `goes_on` looks whether that still holds."""

    user: User
    identity: UUID
    era: UUID


@transaction.atomic
def recognise(claims: Claims) -> Recognised:
    """Whom the tenant's provider has just signed in. What it says counts here alone: it never takes over an account.

    :raises NotAllowed: this person does not come in, and why.
    """
    events.lock()
    tenant = taking_in()
    provider = IdentityProvider.objects.filter(enabled=True, issuer=claims.issuer).first()
    if provider is None:
        raise NotAllowed(_("Nobody signs in to %(tenant)s with this provider any more.") % {"tenant": tenant})
    known = Identity.objects.filter(issuer=claims.issuer, subject=claims.subject).select_related("user").first()
    user = known.user if known else _by_address(claims, provider, tenant)
    if not user.is_active or user.is_service:
        raise NotAllowed(_("This account is closed. Ask an operator of this portal."))
    if not Membership.objects.filter(user=user).exists():
        _join(user, provider, tenant)
    identity = known or _link(user, claims, tenant)
    events.record_platform("login.succeeded", user, by=user, tenant=tenant.slug, provider=claims.issuer)
    return Recognised(user, identity.pk, provider.era)


def _by_address(claims: Claims, provider: IdentityProvider, tenant: Tenant) -> User:
    """The member whose address this is, or somebody new; never who is known here as another tenant's."""
    email = address_of(claims.email)
    _check_address(email, claims)
    user = User.objects.filter(email=email).first()
    if user is not None and Membership.objects.filter(user=user).exists():
        if Identity.objects.filter(issuer=claims.issuer, user=user).exists():
            said = _("%(email)s is linked to another account at the provider. An admin can undo that in the settings.")
            raise NotAllowed(said % {"email": email})
        return user
    if not provider.joins_as:
        raise NotAllowed(_("%(email)s is no member of %(tenant)s. Ask an admin for an invitation.") % {"email": email, "tenant": tenant})
    if user is None:
        user = accounts.sign_up(email=email, name=claims.name, hashed=make_password(None))
        if user is not None:
            return user
    said = _("There is an account with the address %(email)s already. Sign in with its password, and ask an admin for an invitation.")
    raise NotAllowed(said % {"email": email})


def _check_address(email: str, claims: Claims) -> None:
    if not email:
        raise NotAllowed(_("The provider names no e-mail address of yours. An admin has to let it tell Portico (scope “email”)."))
    if not claims.verified:
        said = _("The provider does not say that %(email)s is confirmed (email_verified), so Portico can't know that it is yours.")
        raise NotAllowed(said % {"email": email})
    try:
        validate_email(email)
    except ValidationError:
        email = ""
    if not email or len(email) > 254 or not email.isascii():
        raise NotAllowed(_("The e-mail address that the provider names can't be used here."))


def _join(user: User, provider: IdentityProvider, tenant: Tenant) -> None:
    """Who was removed needs an invitation: else they would be back with the next click."""
    removed = Event.objects.filter(kind="member.removed", subject_id=user.pk).exists()
    if removed or not provider.joins_as:
        said = _("%(email)s is no member of %(tenant)s. Ask an admin for an invitation.")
        raise NotAllowed(said % {"email": user.email, "tenant": tenant})
    membership = enrol(user, roles=[provider.joins_as])
    events.record("member.joined", user, by=user, roles=membership.roles, provider=provider.issuer)


def _link(user: User, claims: Claims, tenant: Tenant) -> Identity:
    identity = Identity.objects.create(issuer=claims.issuer, subject=claims.subject, user=user)
    events.record("identity.linked", user, by=user, provider=claims.issuer, subject=claims.subject)
    _tell(LINKED, user, tenant)
    return identity


def _tell(kind: str, user: User, tenant: Tenant) -> None:
    data = {"ip": origin.get().ip, "tenant": tenant.name, "slug": tenant.slug}
    AccountMail.objects.create(kind=kind, email=user.email, data=data, at=timezone.now())


@transaction.atomic
def unlink(identity: Identity, *, by: User) -> Event:
    """The next sign-in of this person at the provider is recognised by its address again; sessions that it began end."""
    events.lock()
    held, found = held_now(by), Identity.objects.filter(pk=identity.pk).select_related("user").first()
    if found is None:
        raise NotAllowed(_("%(person)s is not linked any more.") % {"person": identity})
    # Whoever is recognised by the address next may be somebody else at the provider: as if one gave them these roles.
    holds_all(held, {"settings.manage"} | held_now(found.user))
    event = events.record("identity.unlinked", found.user, by=by, provider=found.issuer, subject=found.subject)
    found.delete()
    _tell(UNLINKED, found.user, Tenant.objects.get(pk=current_tenant_id()))
    return event


def goes_on(identity: UUID, era: UUID, *, user: UUID) -> bool:
    """Whether a session that the provider of the tenant in scope began is still good."""
    provider = Exists(IdentityProvider.objects.filter(enabled=True, era=era, issuer=OuterRef("issuer")))
    return Identity.objects.filter(provider, pk=identity, user_id=user).exists()
