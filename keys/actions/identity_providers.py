"""Whom a tenant believes when people sign in: its identity provider, named, changed and removed."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from keys import oidc
from keys.envelope import seal, unseal
from keys.kek import kek
from keys.models import Identity, IdentityProvider
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Role, User, new_id
from tenants.people.members import held_now
from tenants.people.roles import holds_all
from tenants.roles import PERMISSIONS

FIELDS = ("issuer", "client_id", "enabled", "joins_as")
# Whoever calls somebody “17” has another in mind, once one of these has changed (Core §8.1).
NAMES_PEOPLE = {"issuer", "client_id"}
MAX_SECRET = 500


@transaction.atomic
def change_provider(given: dict[str, Any], *, by: User) -> Event | None:
    """Name the provider, or change what is given of it; None where everything is so already.

    Another issuer or client, and switching it off, end the sessions that it began. Another issuer or client knows nobody, for some
    providers name people anew to each client: who was linked is no more.

    :param given: some of FIELDS, all of the first three at first, and `client_secret`, which is needed with another issuer, too.
    :raises Invalid: by field. :raises NotAllowed: `by` does not hold all that people could get by it.
    """
    events.lock()
    provider = IdentityProvider.objects.first() or IdentityProvider()
    new = provider._state.adding  # noqa: SLF001  (Django's documented model API)
    was = {} if new else {name: getattr(provider, name) for name in FIELDS}
    for name in FIELDS:
        setattr(provider, name, given.get(name, getattr(provider, name)))
    secret = given.get("client_secret", "")
    _check(provider, secret, needed=new or was["issuer"] != provider.issuer)
    changed = {name: getattr(provider, name) for name in FIELDS if new or was[name] != getattr(provider, name)}
    if not changed and not secret:
        return None
    _trusted_with_all(by)
    if secret:
        provider.sealed = seal(secret.encode(), provider.sealed_for, kek())
        # Never what it is: that there is another one.
        changed["client_secret"] = True
    if not new and {*NAMES_PEOPLE, "enabled"} & changed.keys():
        provider.era = new_id()
    if not new and NAMES_PEOPLE & changed.keys():
        Identity.objects.all().delete()
    provider.save()
    return events.record(
        "identity_provider.changed", provider, by=by, was={name: was[name] for name in was if name in changed}, now=changed
    )


def _check(provider: IdentityProvider, secret: str, *, needed: bool) -> None:
    problems: dict[str, list[str]] = {}
    try:
        oidc.check_issuer(provider.issuer)
    except oidc.ProviderRefused as refusal:
        problems["issuer"] = [str(refusal)]
    if not provider.client_id.strip() or not provider.client_id.isprintable():
        problems["client_id"] = [_("Write the client id that the provider gave to Portico.")]
    if provider.joins_as == Role.ADMIN:
        problems["joins_as"] = [_("Nobody becomes an admin by themselves; an admin makes admins.")]
    elif provider.joins_as and provider.joins_as not in Role.values:
        problems["joins_as"] = [_("Choose one of the list.")]
    if needed and not secret:
        # Else whoever may write an address here would have the secret sent to it.
        problems["client_secret"] = [_("Write the client secret; another issuer needs its own.")]
    elif not secret.isprintable():
        problems["client_secret"] = [_("Control characters can't be used here.")]
    if problems:
        raise Invalid(problems)


def _trusted_with_all(by: User) -> None:
    """Who names the provider decides who signs in as whom, an admin included.

    :raises NotAllowed: `by` lacks a permission that somebody here may have.
    """
    try:
        holds_all(held_now(by), PERMISSIONS)
    except NotAllowed:
        raise NotAllowed(_("A provider signs in every member, admins too. Only who holds every permission here names one.")) from None


def secret_of(provider: IdentityProvider) -> str:
    return unseal(provider.sealed, provider.sealed_for, kek()).decode()


@transaction.atomic
def remove_provider(*, by: User) -> Event:
    """Nobody signs in with it any more, its sessions end, and nobody is linked."""
    events.lock()
    provider = IdentityProvider.objects.first()
    if provider is None:
        raise NotAllowed(_("There is no identity provider."))
    _trusted_with_all(by)
    Identity.objects.all().delete()
    event = events.record("identity_provider.removed", provider, by=by, was={name: getattr(provider, name) for name in FIELDS})
    provider.delete()
    return event
