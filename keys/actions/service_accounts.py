"""What happens to service accounts: automation's own permissions, and a secret that ends."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from keys.actions import expiries
from keys.actions.credentials import GRACES as CREDENTIALS_GRACES
from keys.secrets import fingerprint, new_service_key, pepper_id
from tenants import due, events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import move
from tenants.models import Event, ServiceAccount, User
from tenants.people.custom_roles import checked
from tenants.people.members import held_now
from tenants.people.roles import holds_all
from tenants.roles import PERMISSIONS

EXPIRE_JOB = "expire_service_accounts"
GRACES = {name: CREDENTIALS_GRACES[name] for name in ("0", "1h", "24h")}
MOST_DAYS, USUAL_DAYS = 365, 90
# What events call it leaves room for the word.
MOST_NAME = 60

Status = ServiceAccount.Status


@transaction.atomic
def create(
    *, name: str, permissions: Collection[str], by: User, days: int = USUAL_DAYS, description: str = ""
) -> tuple[ServiceAccount, str]:
    """The second value is its secret: show it once, it is stored nowhere.

    :raises NotAllowed: `by` doesn't hold all of it.
    """
    lock = events.lock()
    given = checked(permissions)
    holds_all(_managing(by), given)
    _check_days(days)
    if ServiceAccount.objects.filter(name=name, status=Status.ACTIVE).exists():
        raise Invalid({"name": [_("There is a service account “%(name)s” already.") % {"name": name}]})
    if ServiceAccount.objects.filter(status=Status.ACTIVE).count() >= limits.SERVICE_ACCOUNTS:
        said = _("There are %(most)s service accounts, which is as many as a tenant may have. Revoke one first.")
        raise NotAllowed(said % {"most": limits.SERVICE_ACCOUNTS})
    # No mail gets there (RFC 6761 §6.4), and without a password nobody signs in.
    user = User.objects.create_user(f"{uuid7()}@service.invalid", name=f"{name} (service account)", is_service=True)
    account = ServiceAccount(
        name=name,
        description=description,
        user=user,
        permissions=sorted(given),
        expires_at=lock.now + timedelta(days=days),
        created_by=ServiceAccount.objects.person_behind(by),
    )
    account.people = [account.created_by_id]
    secret = _new_secret(account)
    account.save(force_insert=True)
    due.expect(EXPIRE_JOB, account.expires_at)
    expiries.expect(account)
    events.record("service_account.created", account, by=by, **_facts(account))
    return account, secret


@transaction.atomic
def change(
    account: ServiceAccount,
    *,
    by: User,
    permissions: Collection[str] | None = None,
    days: int | None = None,
    description: str | None = None,
) -> Event | None:
    """What is left out stays. Counts from the account's next request on; None if nothing changed.

    :param days: it ends so many days from now.
    :raises NotAllowed: `by` doesn't hold what is given or taken.
    """
    lock = events.lock()
    held = _managing(by)
    account.refresh_from_db()
    _check_active(account)
    was = _facts(account)
    if permissions is not None:
        given = checked(permissions)
        # What is no more a permission stands in old accounts and can't be held by anybody.
        holds_all(held, (given ^ set(account.permissions)) & PERMISSIONS.keys())
        account.permissions = sorted(given)
    if days is not None:
        _check_days(days)
        # A longer life gives anew what it has.
        holds_all(held, set(account.permissions) & PERMISSIONS.keys())
        account.expires_at, account.warned_days = lock.now + timedelta(days=days), None
    if description is not None:
        account.description = description
    now = _facts(account)
    changed = sorted(each for each in now if now[each] != was[each])
    if not changed:
        return None
    account.save(update_fields=[*changed, "warned_days"])
    if days is not None:
        due.expect(EXPIRE_JOB, account.expires_at)
        expiries.expect(account)
    before, after = ({each: facts[each] for each in changed} for facts in (was, now))
    return events.record("service_account.changed", account, by=by, was=before, now=after)


@transaction.atomic
def roll(account: ServiceAccount, *, grace: str, by: User) -> str:
    """A new secret: show it once. The old one works on for `grace` (0, 1h or 24h), but no longer than the account.

    Who rolls it knows its secret and answers for it from then on; so what another person knew ends at once.

    :raises NotAllowed: `by` doesn't hold all that it has.
    """
    if grace not in GRACES:
        raise Invalid({"grace": [_("Choose from %(graces)s.") % {"graces": ", ".join(GRACES)}]})
    lock = events.lock()
    account.refresh_from_db()
    _check_active(account)
    holds_all(_managing(by), set(account.permissions) & PERMISSIONS.keys())
    person = ServiceAccount.objects.person_behind(by)
    if person != account.created_by and grace != "0":
        said = _("%(person)s answers for it. Rolling it makes that you, so the old secret has to end at once: choose 0.")
        raise Invalid({"grace": [said % {"person": account.created_by}]})
    if grace != "0" and account.former_until is not None and account.former_until > lock.now:
        raise Invalid({"grace": [_("The secret before this one still works. Choose 0, which ends both, or wait until it ends.")]})
    graced = grace != "0"
    account.former_hmac = account.secret_hmac if graced else ""
    account.former_until = lock.now + GRACES[grace] if graced else None
    account.created_by = person
    account.people = list(dict.fromkeys([*account.people, person.pk]))
    secret = _new_secret(account)
    account.save(update_fields=["former_hmac", "former_until", "created_by", "people", "secret_hmac", "pepper_id", "last_four"])
    events.record("service_account.rolled", account, by=by, grace=grace)
    return secret


@transaction.atomic
def revoke(account: ServiceAccount, *, by: User, reason: str = "") -> Event:
    """End it now, with whatever secrets it has. What it registered works on, until somebody gives it away."""
    lock = events.lock()
    _managing(by)
    return move(account, Status.REVOKED, by=by, why=reason, ended_at=lock.now)


def expire_service_accounts() -> datetime | None:
    """End those whose time has come; returns when the next one's comes. Runs under the lock, see tenants.due."""
    now = events.now()
    for account in ServiceAccount.objects.filter(status=Status.ACTIVE).order_by("expires_at"):
        if account.expires_at > now:
            return account.expires_at
        move(account, Status.EXPIRED, by=None, ended_at=now)
    return None


def _new_secret(account: ServiceAccount) -> str:
    secret = new_service_key(account.owning_tenant)
    account.secret_hmac = fingerprint(secret, settings.PEPPER)
    account.pepper_id = pepper_id(settings.PEPPER)
    account.last_four = secret[-4:]
    return secret


def _facts(account: ServiceAccount) -> dict[str, Any]:
    """As events write them down."""
    return {"description": account.description, "permissions": account.permissions, "expires_at": account.expires_at.isoformat()}


def _managing(by: User) -> frozenset[str]:
    """What they may do by now, once they may manage service accounts among it."""
    held = held_now(by)
    holds_all(held, ["service_accounts.manage"])
    return held


def _check_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise Invalid({"days": [_("Choose from 1 to %(most)s days.") % {"most": MOST_DAYS}]})


def _check_active(account: ServiceAccount) -> None:
    """Its time may have passed a moment before the job says so."""
    if account.status != Status.ACTIVE or account.expires_at <= events.now():
        raise NotAllowed(_("This service account has ended. Make another one."))
