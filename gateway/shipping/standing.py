"""What the usage process reads of what people decided, and writes of how it went: each tenant in its own scope."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from gateway.logged import NAMES, Rules, host_of
from gateway.models import LogShipping, LogShippingState, ShippingTenant
from gateway.shipping.outcomes import Outcome
from keys.envelope import Unavailable, Unreadable, unseal
from keys.kek import kek
from tenants import events
from tenants.models import HostName, Tenant
from tenants.scope import held_lock, tenant_scope

log = logging.getLogger(__name__)

# For so long nothing was taken before somebody hears of it.
PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One API's. `enabled` is false where a test alone is asked for; `readable`: whether what is sealed could be opened."""

    pk: UUID
    tenant_id: UUID
    slug: str
    api: str
    rules: Rules
    enabled: bool
    authorization: str = field(repr=False)
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Read:
    """Of one tenant: `names` it is called by, its slug and its own hosts."""

    names: tuple[str, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    # Of which a test was asked for, which is this process's from now on.
    tests: tuple[Chosen, ...] = ()


@dataclass(slots=True)
class Went:
    """What became of an API's records since it was last written down."""

    sent: int = 0
    dropped: int = 0
    # The last outcome; None where nothing was sent.
    last: Outcome | None = None
    trouble: Outcome | None = None


def changed() -> dict[UUID, datetime]:
    """Which tenants have APIs whose calls are told, and when that changed."""
    return dict(ShippingTenant.objects.values_list("tenant_id", "changed_at"))


def read(tenant_id: UUID) -> Read:
    with tenant_scope(tenant_id):
        slug = Tenant.objects.filter(pk=tenant_id).values_list("slug", flat=True).first()
        if slug is None:
            return Read()
        rows = list(LogShipping.objects.select_related("api").order_by("pk"))
        asked = LogShippingState.objects.filter(test_asked_at__isnull=False).order_by("pk")
        # Of several processes the first one sends it.
        tested = {
            row.shipping_id for row in asked
            if LogShippingState.objects.filter(pk=row.pk, test_asked_at=row.test_asked_at).update(test_asked_at=None)
        }  # fmt: skip
        hosts = HostName.objects.filter(tenant_id=tenant_id).order_by("name").values_list("name", flat=True)
        names = (slug, *hosts)
        sealed = {row.pk: (row.sealed, row.sealed_for) for row in rows if row.sealed and (row.enabled or row.pk in tested)}
    opened: dict[UUID, str] = {}
    for pk, (text, purpose) in sealed.items():
        # Outside of the transaction: who keeps the key may be far away.
        try:
            opened[pk] = unseal(text, purpose, kek()).decode()
        except (Unavailable, Unreadable) as error:
            log.warning("The authorization of %s's logs can't be read: %s", slug, error)
    found = {
        row.pk: Chosen(
            row.pk,
            tenant_id,
            slug,
            row.api.slug,
            rules_of(row),
            row.enabled,
            opened.get(row.pk, ""),
            readable=not row.sealed or row.pk in opened,
        )
        for row in rows
    }
    return Read(names, tuple(each for each in found.values() if each.enabled), tuple(each for pk, each in found.items() if pk in tested))


def rules_of(row: LogShipping) -> Rules:
    kept = {name: getattr(row, name) for name in NAMES}
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    return Rules(**given)


def store(tenant_id: UUID, went: Mapping[UUID, Went]) -> None:
    """Add it up; what keeps failing, and what works again after that, is an event."""
    with tenant_scope(tenant_id):
        if _is_news(went):
            # Before any other row.
            events.lock()
        for pk, each in sorted(went.items()):
            _store(pk, each)


def _is_news(went: Mapping[UUID, Went]) -> bool:
    ended = [pk for pk, each in went.items() if each.last is not None and each.last.taken]
    failing = [pk for pk, each in went.items() if each.last is not None and not each.last.taken]
    rows = LogShippingState.objects
    patient = rows.filter(shipping__in=failing, told=False, failing_since__lte=Now() - PATIENCE)
    return patient.exists() or rows.filter(shipping__in=ended, told=True).exists()


def _store(pk: UUID, went: Went) -> None:
    row = LogShippingState.objects.select_for_update(of=("self",)).select_related("shipping__api").filter(shipping=pk).first()
    if row is None:
        # Removed meanwhile.
        return
    new: dict[str, object] = {}
    if went.sent:
        new |= {"sent": F("sent") + went.sent, "sent_at": Now()}
    if went.dropped:
        new |= {"dropped": F("dropped") + went.dropped, "dropped_at": Now()}
    if went.trouble is not None:
        new |= {
            "trouble": str(went.trouble.trouble or ""),
            "answered": went.trouble.status,
            "answer": went.trouble.answer,
            "trouble_at": Now(),
        }
    if went.last is not None:
        new["failing_since"] = None if went.last.taken else (row.failing_since or Now())
        new |= _tell(row, taken=went.last.taken)
    LogShippingState.objects.filter(pk=row.pk).update(**new)


def _tell(row: LogShippingState, *, taken: bool) -> dict[str, object]:
    """Under the lock alone; `_is_news` took it where there was anything to tell."""
    if held_lock() is None or row.failing_since is None:
        return {}
    shipping = row.shipping
    said: dict[str, Any] = {
        "destination": shipping.destination,
        "host": host_of(shipping.url),
        "api": shipping.api.slug,
        "since": row.failing_since.isoformat(),
    }
    if taken and row.told:
        events.record("log_shipping.recovered", shipping.api, by=None, **said)
        return {"told": False}
    if not taken and not row.told and events.now() - row.failing_since >= PATIENCE:
        events.record("log_shipping.failing", shipping.api, by=None, trouble=row.trouble, **said)
        return {"told": True}
    return {}


def tested(tenant_id: UUID, pk: UUID, outcome: Outcome) -> None:
    """What came of a test."""
    with tenant_scope(tenant_id):
        LogShippingState.objects.filter(shipping=pk).update(
            tested_at=Now(), test_trouble=str(outcome.trouble or ""), test_answered=outcome.status, test_answer=outcome.answer
        )
