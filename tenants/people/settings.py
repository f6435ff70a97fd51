"""How a tenant shows itself and whom it lets in."""

import hashlib
import re
from typing import Any

from django.conf import settings as platform
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from tenants import addresses, events
from tenants.errors import Invalid
from tenants.models import Event, Role, SignUp, Tenant, TenantSettings, User
from tenants.people.members import held_now
from tenants.people.roles import may_give
from tenants.scope import current_tenant_id

MOST_DOMAINS = 20
# What was counted a day ago may still be added up to hours.
LEAST_DAYS = 2
# Of the tenant itself, and of its settings.
SHOWN = ("name", "accent")
FIELDS = (
    "support_address", "catalogue", "sign_up", "sign_up_domains", "sign_up_role", "mfa_required", "approval_by_people",
    "applications_need_approval", "usage_minutes_days", "usage_days",
)  # fmt: skip


@transaction.atomic
def change_settings(changes: dict[str, Any], *, by: User) -> Event | None:
    """Change what is named, of SHOWN and FIELDS; None where everything is so already.

    :raises Invalid: by field. :raises NotAllowed: people would get a role by themselves that `by` does not hold.
    """
    events.lock()
    tenant, settings = Tenant.objects.get(pk=current_tenant_id()), TenantSettings.objects.get()
    was = {name: getattr(tenant if name in SHOWN else settings, name) for name in changes}
    for name, value in changes.items():
        setattr(tenant if name in SHOWN else settings, name, domains(value) if name == "sign_up_domains" else value)
    _check(tenant, settings)
    now = {name: getattr(tenant if name in SHOWN else settings, name) for name in changes}
    changed = [name for name in changes if was[name] != now[name]]
    if not changed:
        return None
    _check_kept(settings, changed)
    if settings.sign_up != SignUp.INVITATION and {"sign_up", "sign_up_domains", "sign_up_role"} & set(changed):
        # Who lets people in gives them the role, perhaps to another address of their own.
        may_give(held_now(by), [settings.sign_up_role])
    # Nothing else of the tenant's own row: an operator may be suspending it.
    tenant.save(update_fields=SHOWN)
    settings.save(update_fields=FIELDS)
    return events.record(
        "tenant.changed", tenant, by=by, was={name: was[name] for name in changed}, now={name: now[name] for name in changed}
    )


def _check(tenant: Tenant, settings: TenantSettings) -> None:
    problems: dict[str, list[str]] = {}
    for thing, names in ((tenant, SHOWN), (settings, FIELDS)):
        for name in names:
            try:
                field = thing._meta.get_field(name)  # noqa: SLF001  (Django's documented model API)
                field.clean(getattr(thing, name), thing)  # type: ignore[union-attr]
            except ValidationError as error:
                if name != "sign_up_domains":
                    problems[name] = error.messages
    if settings.sign_up == SignUp.DOMAINS and not settings.sign_up_domains:
        problems["sign_up_domains"] = [_("Name at least one domain, such as example.com.")]
    if settings.sign_up_role == Role.ADMIN:
        problems["sign_up_role"] = [_("Nobody becomes an admin by themselves; an admin makes admins.")]
    if problems:
        raise Invalid(problems)


def _check_kept(settings: TenantSettings, changed: list[str]) -> None:
    """What an operator allows may be less by now; whoever changes something else is not asked about it."""
    most = {"usage_minutes_days": platform.USAGE_MINUTES_MOST_DAYS, "usage_days": platform.USAGE_MOST_DAYS}
    wrong = [name for name in most if name in changed and not LEAST_DAYS <= getattr(settings, name) <= most[name]]
    if wrong:
        raise Invalid({name: [_("Choose from %(least)s to %(most)s days.") % {"least": LEAST_DAYS, "most": most[name]}] for name in wrong})


def domains(given: list[str]) -> list[str]:
    """Domains of e-mail addresses in their one spelling (IDNA), each once, in order.

    :raises Invalid: one is none.
    """
    found: dict[str, None] = {}
    for each in given:
        text = each.strip().lower().removeprefix("@").removesuffix(".")
        try:
            name = text.encode("idna").decode() if not text.isascii() else text
        except UnicodeError:
            name = ""
        if "." not in name or re.fullmatch(r"[\d.]+", name) or addresses.host(name) is None or not addresses.is_name(name):
            raise Invalid({"sign_up_domains": [_("“%(domain)s” is no domain; write them like example.com.") % {"domain": each[:80]}]})
        found[name] = None
    if len(found) > MOST_DOMAINS:
        raise Invalid({"sign_up_domains": [_("%(most)s domains are the most.") % {"most": MOST_DOMAINS}]})
    return list(found)


@transaction.atomic
def set_logo(png: bytes, *, by: User) -> Event | None:
    """Show this picture, a PNG that we made ourselves, or none if it is empty."""
    events.lock()
    tenant = Tenant.objects.get(pk=current_tenant_id())
    digest = hashlib.sha256(png).hexdigest()[:16] if png else ""
    if digest == tenant.logo_digest:
        return None
    was, tenant.logo_digest = tenant.logo_digest, digest
    tenant.save(update_fields=["logo_digest"])
    TenantSettings.objects.update(logo=png)
    return events.record("tenant.changed", tenant, by=by, was={"logo": was}, now={"logo": digest})
