"""Signing keys change: no key signs before every live gateway knows it, and none is trusted where it was given away.

What a key's life is stands in keys.actions.signing; here is what only gateways can tell, and the waiting for them, which happens
outside any transaction.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Max, Sum
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from keys.actions import signing
from keys.actions.signing import ADVANCE_JOB, Spare, Turn
from keys.models import CredentialUse, SigningKey, TokenPolicy
from tenants import due, events
from tenants.errors import NotAllowed
from tenants.models import Event, User
from tenants.scope import current_tenant_id, tenant_scope

log = logging.getLogger(__name__)

# A page waits so long for gateways; the job goes on after that.
PATIENCE = timedelta(seconds=1)
_POLL_SECONDS = 0.02
AT_ONCE = 100

Status, Use = SigningKey.Status, SigningKey.Use

# Live gateways that hold the tenant and have not acknowledged what covers this event. One that is lost counts until it is too stale.
_WAITING = """
    SELECT node.name FROM gateway_gatewaynode node
    JOIN gateway_loaded loaded ON loaded.node_id = node.id AND loaded.tenant_id = %(tenant)s
    WHERE node.revoked_at IS NULL AND node.seen_at > now() - make_interval(secs => %(stale)s)
        AND NOT EXISTS (
            SELECT 1 FROM gateway_receipt receipt
            WHERE receipt.tenant_id = %(tenant)s AND receipt.node_id = node.id AND receipt.access >= %(event)s AND NOT receipt.closed)
    ORDER BY node.name
"""


def waiting_for(key: SigningKey) -> list[str]:
    """The gateways, by name, that do not know a published key yet."""
    return _waiting(key.published_event or 0)


def _waiting(event: int) -> list[str]:
    with connection.cursor() as cursor:
        stale = settings.GATEWAY_MAX_STALE.total_seconds()
        cursor.execute(_WAITING, {"tenant": current_tenant_id(), "stale": stale, "event": event})
        return [name for (name,) in cursor.fetchall()]


def _acknowledged(event: int) -> bool:
    return not _waiting(event)


# The job


def advance_all() -> int:
    """Whatever is due, of every tenant; returns how many it served. Bounded memory, one tenant per transaction, safe to run twice."""
    served = 0
    while found := advance_some():
        served += found
    return served


def advance_some() -> int:
    """The same for as many as one claim takes."""
    claimed = due.claim(ADVANCE_JOB, AT_ONCE)
    for tenant_id in claimed:
        try:
            advance(tenant_id)
        except Exception:
            # One tenant's trouble must not hold up the others; its row comes back with the lease.
            log.exception("The signing keys of tenant %s could not be advanced.", tenant_id)
    return len(claimed)


def advance(tenant_id: UUID) -> None:
    """Whatever is due of one tenant. New keys are made between two transactions; the second asks again whether they are needed."""
    turn = _advance(tenant_id, [])
    if turn.wanted:
        _advance(tenant_id, [signing.spare(tenant_id, purpose, turn.algorithm) for purpose in turn.wanted])


def _advance(tenant_id: UUID, spares: Sequence[Spare]) -> Turn:
    with tenant_scope(tenant_id):
        events.lock()
        turn = signing.advance(spares, _acknowledged)
        due.settle(ADVANCE_JOB, turn.again_at)
    return turn


def _policy_now() -> tuple[TokenPolicy, datetime]:
    policy = TokenPolicy.objects.annotate(now=Now()).get()
    return policy, policy.now


# What people ask for. These open scopes of their own: between them they wait.


def rotate_now(tenant_id: UUID, purpose: str, *, by: User | None) -> Event:
    """The next key signs as soon as it is known everywhere, whatever the policy says about when.

    :returns: that it was announced, or, where one was announced long enough ago, that it signs.
    """
    new = spare_if_needed(tenant_id, purpose)
    with tenant_scope(tenant_id):
        events.lock()
        key = signing.bring_forward(purpose, new, by=by)
    wait_for(tenant_id, key)
    advance(tenant_id)
    with tenant_scope(tenant_id):
        return _last_of(key)


def compromise(tenant_id: UUID, key_id: UUID, *, by: User | None, reason: str) -> Event:
    """Trust nothing that this key signed. A key that signs now has its successor announced first, for a second at most.

    :returns: the event whose receipt says where it is refused. :raises NotAllowed: it has had its time, or was given up before.
    """
    with tenant_scope(tenant_id):
        purpose = SigningKey.objects.values_list("purpose", flat=True).get(pk=key_id)
    new = spare_if_needed(tenant_id, purpose)
    with tenant_scope(tenant_id):
        events.lock()
        key = SigningKey.objects.get(pk=key_id)
        if key.status != Status.ACTIVE:
            return _give_up(key, by=by, reason=reason)
        signing.condemn(key, reason=reason)
        successor = signing.bring_forward(purpose, new, by=by)
    wait_for(tenant_id, successor)
    with tenant_scope(tenant_id):
        events.lock()
        key = SigningKey.objects.get(pk=key_id)
        if key.status == Status.ACTIVE:
            return signing.compromise(key, by=by, reason=reason, successor=_successor(key, successor))
        # The job was quicker.
        return _last_of(key)


def _successor(key: SigningKey, announced: SigningKey) -> SigningKey:
    """The key that was announced for it, or what took its place meanwhile."""
    return signing.published(key.purpose) or announced


def _give_up(key: SigningKey, *, by: User | None, reason: str) -> Event:
    if key.status in {Status.REMOVED, Status.COMPROMISED}:
        raise NotAllowed(_("This key is trusted nowhere any more."))
    told = signing.compromise(key, by=by, reason=reason)
    due.expect(ADVANCE_JOB, events.now())
    return told


def spare_if_needed(tenant_id: UUID, purpose: str) -> Spare | None:
    with tenant_scope(tenant_id):
        if signing.published(purpose) is not None:
            return None
        algorithm = TokenPolicy.objects.values_list("algorithm", flat=True).get()
    return signing.spare(tenant_id, purpose, algorithm)


def wait_for(tenant_id: UUID, key: SigningKey, patience: timedelta = PATIENCE) -> bool:
    """Whether every gateway knew the key in time."""

    def known() -> bool:
        with tenant_scope(tenant_id):
            return not waiting_for(key)

    return _wait_until(known, patience)


def _wait_until(holds: Callable[[], bool], patience: timedelta) -> bool:
    until = time.monotonic() + patience.total_seconds()
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _last_of(key: SigningKey) -> Event:
    found = Event.objects.filter(subject_id=key.pk).order_by("-number").first()
    assert found is not None
    return found


# What hangs on a key


@dataclass(frozen=True, slots=True)
class Behind:
    """An application that a key's signatures carry. `calls`: in the last day, or two, for days are what is counted."""

    name: str
    owner: str
    calls: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What stops when a key is given up. `tokens_until`: when the last access token that it signed would have ended; None if none lives."""

    applications: Sequence[Behind]
    tokens_until: datetime | None
    api_keys: int


def blast_radius(key: SigningKey) -> BlastRadius:
    """Who used what this key signed: for access tokens, whose credentials were used within a token's lifetime."""
    policy, now = _policy_now()
    uses = CredentialUse.objects.filter(day__gte=now.date() - timedelta(days=1))
    api_keys = 0
    if key.purpose == Use.API_KEY:
        uses = uses.filter(credential__signing_key=key, credential__status__in=["active", "expiring"])
        api_keys = signing.carried(key).count()
        tokens_until = key.last_exp
    else:
        lifetime = timedelta(seconds=max(policy.token_lifetime, key.longest_lifetime))
        signed_until = {Status.ACTIVE: now, Status.RETIRED: key.retired_at}.get(Status(key.status))
        uses = uses.exclude(credential__kind="api_key").filter(last_at__gt=now - lifetime)
        if signed_until is None or key.activated_at is None or signed_until + lifetime <= now:
            uses = uses.none()
        tokens_until = signed_until + lifetime if signed_until and uses.exists() else None
    rows = (
        uses.values("credential__application__name", "credential__application__owner__email")
        .annotate(many=Sum("calls"), last=Max("last_at"))
        .order_by("-many", "credential__application__name")
    )
    found = [
        Behind(row["credential__application__name"], row["credential__application__owner__email"], row["many"], row["last"]) for row in rows
    ]
    return BlastRadius(found, tokens_until, api_keys)
