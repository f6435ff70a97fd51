"""What operators do: the platform's settings, and people's accounts. Shared tables alone."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from tenants import events
from tenants.actions import end_refresh_tokens
from tenants.errors import Invalid, NotAllowed
from tenants.models import PlatformEvent, PlatformSettings, SignUp, User
from tenants.people.settings import domains

FIELDS = ("tenants_by", "sign_up", "sign_up_domains")


@transaction.atomic
def change_platform(changes: dict[str, Any], *, by: User) -> PlatformEvent | None:
    """Change what is named, of FIELDS; None where everything is so already.

    :raises Invalid: by field.
    """
    PlatformSettings.objects.get_or_create(pk=1)
    settings = PlatformSettings.objects.select_for_update().get(pk=1)
    was = {name: getattr(settings, name) for name in changes}
    for name, value in changes.items():
        setattr(settings, name, domains(value) if name == "sign_up_domains" else value)
    if settings.sign_up == SignUp.DOMAINS and not settings.sign_up_domains:
        raise Invalid({"sign_up_domains": [_("Name at least one domain, such as example.com.")]})
    changed = [name for name in changes if was[name] != getattr(settings, name)]
    if not changed:
        return None
    settings.save()
    now = {name: getattr(settings, name) for name in changed}
    return events.record_platform("platform.changed", by, by=by, was={name: was[name] for name in changed}, now=now)


@transaction.atomic
def deactivate(person: User, *, by: User) -> PlatformEvent:
    """Nobody signs in with this account any more, and every session of it has ended.

    :raises NotAllowed: it is one's own, or closed already.
    """
    found = User.objects.select_for_update().get(pk=person.pk)
    if found.pk == by.pk:
        raise NotAllowed(_("This is your own account. Another operator can close it."))
    if not found.is_active:
        raise NotAllowed(_("This account is closed already."))
    found.is_active = False
    found.save(update_fields=["is_active"])
    end_refresh_tokens(found)
    return events.record_platform("person.deactivated", found, by=by)


@transaction.atomic
def reactivate(person: User, *, by: User) -> PlatformEvent:
    """
    :raises NotAllowed: it is open.
    """
    found = User.objects.select_for_update().get(pk=person.pk)
    if found.is_active:
        raise NotAllowed(_("This account is open already."))
    found.is_active = True
    found.save(update_fields=["is_active"])
    return events.record_platform("person.reactivated", found, by=by)
