"""Events: what happened, who did it, in one order per tenant that nobody can bend.

Every writing action starts with `lock()`, before it touches any other row: rows locked in another order deadlock. The number of an
event is its place in commit order, which is what lets a gateway's acknowledgement say which decisions it covers.
"""

import hashlib
import json
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import connection, transaction

from tenants.event_kinds import GATEWAY_KINDS, HOOKED, KINDS, NEWS, PLATFORM_KINDS
from tenants.models import Event, EventFields, PlatformCounter, PlatformEvent, User
from tenants.origin import origin
from tenants.scope import Lock, current, held_lock, still_inside

CHANNEL = "portico"
# Tells people what happened, see portal/post.py.
MAIL_JOB = "send_mails"
# Sends webhooks, see keys/actions/webhook_sending.py. A tenant that has some is always expected, sooner or later.
HOOK_JOB = "send_webhooks"


class Subject(Protocol):
    """Anything an event can be about."""

    @property
    def pk(self) -> Any: ...
    @property
    def _meta(self) -> Any: ...


def lock() -> Lock:
    """Lock the tenant's chain until the request's outer transaction ends. Always reads: a mark alone proves nothing."""
    scope = current()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, digest, clock_timestamp() FROM tenants_eventcounter WHERE tenant_id = %s FOR UPDATE",
            [scope.tenant_id],
        )
        number, digest, now = cursor.fetchone()
    if held_lock() is None:
        scope.lock = Lock(tuple(connection.savepoint_ids), (), number, digest, now)
    assert scope.lock is not None
    scope.lock.known_in = tuple(connection.savepoint_ids)
    scope.lock.number, scope.lock.digest, scope.lock.now = number, digest, now
    return scope.lock


def now() -> datetime:
    """The database's clock, as the lock read it."""
    return require_lock().now


def require_lock() -> Lock:
    held = held_lock()
    if held is None:
        raise RuntimeError("An action writes without events.lock(); take it first.")
    return held


def record(kind: str, subject: Subject, /, *, by: User | None, gathered: bool = False, **data: Any) -> Event:
    """Write down one thing that happened, beside the change that is it.

    :param by: the person, or None for a job of Portico's own.
    :param gathered: gateways may hear of it with others, up to a second later, although most of its kind go at once.
    :param data: what changed, never a secret; JSON.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is not in the vocabulary; add it to tenants/event_kinds.py and docs/events.md.")
    held = require_lock()
    if not still_inside(held.known_in):
        # The savepoint of the last event has ended, perhaps by a rollback that took the event with it.
        held = lock()
    event = Event(number=held.number + 1, at=held.now, previous=held.digest, **_facts(kind, subject, by, data))
    event.digest = digest_of(event, chain=str(event.tenant_id))
    change = GATEWAY_KINDS.get(kind)
    _write(event, ("soon" if gathered or change.gathered else "now") if change else None)
    held.known_in, held.number, held.digest = tuple(connection.savepoint_ids), event.number, event.digest
    return event


# As `tenants.due.expect` does it.
_MAIL_IS_DUE = """, news AS (
    INSERT INTO tenants_due (tenant_id, job, at) VALUES (%s, %s, %s)
    ON CONFLICT (tenant_id, job) DO UPDATE SET at = LEAST(tenants_due.at, EXCLUDED.at))"""
# Only where it is expected at all: most tenants have no webhook.
_HOOK_IS_DUE = """, hooked AS (UPDATE tenants_due SET at = LEAST(at, %s) WHERE tenant_id = %s AND job = %s)"""


def _write(event: Event, urgency: str | None) -> None:
    """The event, the chain's new head, and who is told of it, in one statement: every change in Portico waits for it."""
    message = urgency and f"{event.tenant_id} {urgency}"
    is_news, is_hooked = event.kind in NEWS, event.kind in HOOKED
    columns = Event._meta.concrete_fields  # noqa: SLF001  (Django's documented model API)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH told AS (
                    INSERT INTO tenants_event ({", ".join(str(column.column) for column in columns)})
                    VALUES ({", ".join(["%s"] * len(columns))})){_MAIL_IS_DUE if is_news else ""}{_HOOK_IS_DUE if is_hooked else ""}
                UPDATE tenants_eventcounter SET number = %s, digest = %s WHERE tenant_id = %s
                RETURNING CASE WHEN %s::text IS NOT NULL THEN pg_notify(%s, %s) END""",  # nosec B608  (columns are ours)
            [
                *(column.get_db_prep_save(getattr(event, column.attname), connection) for column in columns),
                *([event.tenant_id, MAIL_JOB, event.at] if is_news else []),
                *([event.at, event.tenant_id, HOOK_JOB] if is_hooked else []),
                event.number,
                event.digest,
                event.tenant_id,
                message,
                CHANNEL,
                message,
            ],
        )
    event._state.adding, event._state.db = False, connection.alias  # noqa: SLF001  (Django's documented model API)


@transaction.atomic
def record_platform(kind: str, subject: Subject, *, by: User | None, **data: Any) -> PlatformEvent:
    """The same for what happens outside any tenant."""
    if kind not in PLATFORM_KINDS:
        raise ValueError(f"{kind} is not in the vocabulary; add it to tenants/event_kinds.py and docs/events.md.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, digest, clock_timestamp() FROM tenants_platformcounter FOR UPDATE")
        number, digest, at = cursor.fetchone()
    event = PlatformEvent(number=number + 1, at=at, previous=digest, **_facts(kind, subject, by, data))
    event.digest = digest_of(event, chain="platform")
    event.save(force_insert=True)
    PlatformCounter.objects.update(number=event.number, digest=event.digest)
    return event


def _facts(kind: str, subject: Subject, by: User | None, data: dict[str, Any]) -> dict[str, Any]:
    where = origin.get()
    return {
        "kind": kind,
        "actor_id": by.pk if by else None,
        "actor_name": str(by)[:200] if by else "Portico",
        "subject_type": subject._meta.model_name,  # noqa: SLF001  (Django's documented model API)
        "subject_id": subject.pk,
        "subject_name": str(subject)[:200],
        "data": data,
        "ip": where.ip,
        "user_agent": where.user_agent,
        "request_id": where.request_id,
    }


def digest_of(event: EventFields, *, chain: str) -> str:
    """SHA-256 in hex over canonical JSON (sorted keys, no spaces, UTF-8) of the event, the chain's name and the digest before it."""
    fields = {f.attname: getattr(event, f.attname) for f in EventFields._meta.fields if f.attname != "digest"}  # noqa: SLF001
    text = json.dumps({"chain": chain, **fields}, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_canonical)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical form.")
