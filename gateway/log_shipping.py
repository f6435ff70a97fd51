"""Saying what of an API's calls is told to a destination outside. gateway/shipping/ tells it."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apis.models import Api
from gateway import logged
from gateway.models import LogShipping, LogShippingState, ShippingTenant
from gateway.shipping.standing import rules_of
from keys import webhooks
from keys.envelope import seal
from keys.kek import kek
from tenants import addresses, events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id

# What a form or a PUT says; whoever leaves one out gets its default.
DEFAULTS: dict[str, Any] = {name: getattr(logged.Rules(), name) for name in logged.NAMES}


def of(api: Api) -> LogShipping | None:
    found: LogShipping | None = LogShipping.objects.select_related("api", "state").filter(api=api).first()
    return found


def facts(row: LogShipping) -> dict[str, Any]:
    """For the audit: no secret, and of an address the host."""
    return {"enabled": row.enabled, **rules_of(row).as_json(), "authorization": bool(row.sealed)}


def stamp(row: LogShipping | None) -> str:
    """Another one after each change."""
    return hashlib.sha256(repr((facts(row), row.url, row.sealed)).encode()).hexdigest()[:16] if row else "none"


@transaction.atomic
def put(
    api: Api,
    *,
    enabled: bool,
    rules: Mapping[str, Any],
    by: User,
    authorization: str | None = None,
    seen: str | None = None,
    resolver: addresses.Resolver = addresses.look_up,
) -> Event | None:
    """As it is to be from now on, whatever was before; None where nothing differs.

    :param rules: of gateway.logged.Rules; what is left out has its default.
    :param seen: the `stamp` of what was there when somebody decided; None where nobody looked.
    :param authorization: what goes into the header; "" for none, and None for what there is. That never goes to another server.
    :raises Invalid: by field.
    """
    wanted = _checked(rules)
    before = of(api)
    _check_address(wanted, before, resolver)
    row = LogShipping(pk=before.pk if before else new_id(), tenant_id=current_tenant_id(), api=api)
    sealed = _sealed(row, authorization)
    events.lock()
    kept = of(api)
    # Another row than what was sealed for, or no row any more.
    if (kept and kept.pk) != (before and before.pk) or (seen is not None and seen != stamp(kept)):
        raise NotAllowed(_("Somebody changed this meanwhile. Load it again, then decide anew."))
    row = kept or row
    was, address, was_sealed = (facts(row), row.url, row.sealed) if kept else ({}, "", "")
    for name in logged.NAMES:
        value = getattr(wanted, name)
        setattr(row, name, list(value) if isinstance(value, tuple) else value)
    row.enabled = enabled
    if sealed is None:
        _keep_secret_at_home(row, address)
    else:
        row.sealed = sealed
    now = facts(row)
    if kept is not None and was == now and row.url == address and row.sealed == was_sealed:
        return None
    row.save(force_insert=kept is None)
    if kept is None:
        LogShippingState.objects.create(shipping=row)
    _notice()
    return _record(row, was, now, other_address=bool(kept) and row.url != address, other_secret=row.sealed != was_sealed, by=by)


def _checked(rules: Mapping[str, Any]) -> logged.Rules:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in {**DEFAULTS, **rules}.items()}
    try:
        return logged.checked(files=bool(settings.LOG_SHIPPING_FOLDER), **given)
    except logged.LoggingRefused as refused:
        raise Invalid({refused.field: [_(refused.sentence) % refused.named]}) from None


def _check_address(wanted: logged.Rules, before: LogShipping | None, resolver: addresses.Resolver) -> None:
    """It is looked up anew for each batch; this tells who writes it down at once."""
    if not wanted.url or (before is not None and before.url == wanted.url):
        return
    try:
        webhooks.check_address(wanted.url, allowed=settings.UPSTREAM_NETWORKS, resolver=resolver)
    except webhooks.AddressRefused as refused:
        sentence = refused.sentence
        if "webhooks are sent" in sentence:
            sentence = _NOT_PUBLIC
        raise Invalid({"url": [_(sentence) % refused.named]}) from None


_NOT_PUBLIC = gettext_noop("%(host)s has no public address, and logs are sent to public addresses alone.")


def _sealed(row: LogShipping, authorization: str | None) -> str | None:
    """None where it stays as it is."""
    if not authorization:
        return authorization
    if not logged.is_authorization(authorization):
        said = _("Write what stands behind “Authorization:”, such as Bearer abc, in ASCII and with at most %(most)s characters.")
        raise Invalid({"authorization": [said % {"most": logged.MAX_AUTHORIZATION}]})
    return seal(authorization.encode(), row.sealed_for, kek())


def _keep_secret_at_home(row: LogShipping, address: str) -> None:
    """Whoever may change the address could otherwise have the secret, which nobody is shown, sent to themselves."""
    if not row.sealed:
        return
    if row.destination == LogShipping.Destination.FILE:
        row.sealed = ""
    elif _server(row.url) != _server(address):
        raise Invalid({"authorization": [_("The address leads to another server. Write the authorization for that one, or take it away.")]})


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _record(
    row: LogShipping, was: Mapping[str, Any], now: Mapping[str, Any], *, other_address: bool, other_secret: bool, by: User
) -> Event:
    if now["enabled"] and not was.get("enabled"):
        return events.record("log_shipping.switched_on", row.api, by=by, now=dict(now))
    differs = [name for name in now if was.get(name) != now[name]]
    before, after = ({name: facts.get(name) for name in differs} for facts in (was, now))
    if other_address:
        # Never what it is: it may hold a word that opens something.
        after["url"] = True
    if other_secret:
        after["authorization"] = "other" if now["authorization"] else False
    if was.get("enabled") and not now["enabled"]:
        return events.record("log_shipping.switched_off", row.api, by=by, was=before, now=after)
    return events.record("log_shipping.changed", row.api, by=by, was=before, now=after)


@transaction.atomic
def remove(api: Api, *, by: User) -> Event | None:
    """With what is sealed, and what was counted. None where there is nothing."""
    events.lock()
    row = of(api)
    if row is None:
        return None
    was = facts(row)
    row.delete()
    _notice()
    return events.record("log_shipping.removed", api, by=by, was=was)


@transaction.atomic
def ask_test(api: Api) -> None:
    """The usage process sends one record within seconds, and writes down what came back. It changes nothing, so it is no event.

    :raises NotAllowed: nobody said where to.
    """
    lock = events.lock()
    changed = LogShippingState.objects.filter(shipping__api=api).update(test_asked_at=lock.now)
    if not changed:
        raise NotAllowed(_("Say first where the calls of %(api)s are told to.") % {"api": api})
    _notice()


def _notice() -> None:
    """Usage processes look every two seconds, and read a tenant where this moved."""
    at = events.now()
    if LogShipping.objects.exists():
        row = ShippingTenant(tenant_id=current_tenant_id(), changed_at=at)
        ShippingTenant.objects.bulk_create([row], update_conflicts=True, unique_fields=["tenant"], update_fields=["changed_at"])
    else:
        ShippingTenant.objects.filter(tenant_id=current_tenant_id()).delete()
