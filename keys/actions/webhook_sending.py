"""The job that sends webhooks: at least once, each address's in their order, never in a request.

Taking, sending and noting are three steps, so that nothing waits for an address in a transaction or under a lock. Addresses are called
by threads, which know no database; a slow one keeps a thread waiting, and nobody else.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import BoundedSemaphore
from uuid import UUID

from django.db.models import Q, QuerySet

from keys import fetching, webhooks
from keys.actions.webhooks import JOB, Why
from keys.envelope import Purpose, Unavailable, Unreadable, unseal
from keys.kek import kek
from keys.models import Webhook, WebhookAttempt, WebhookDelivery
from keys.models.webhook import MOST_ANSWER
from keys.webhooks import TEST, Trouble
from tenants import addresses, due, events, limits
from tenants.event_kinds import UNDO, UNDOABLE, UNDONE
from tenants.models import Event, Tenant
from tenants.scope import Lock, tenant_scope

log = logging.getLogger(__name__)

# One run begins nothing more after so long.
RUN_SECONDS = 30.0
# An address has so long for all of its answer.
SECONDS = 10.0
# So many are called at once, of one tenant, and of all; of each webhook one.
MOST_AT_ONCE, MOST_OF_A_TENANT = 32, 4
# What was taken and not noted by then never will be: its worker died. Then it is sent again.
LOST = timedelta(seconds=60)
# Where a secret can't be opened just now.
LATER = timedelta(minutes=1)
# A tenant with webhooks is expected some time, so that an event finds it: see tenants.events.HOOK_JOB.
IDLE = timedelta(days=1)
MOST_MADE = 100
_LOOK_EVERY = 0.25

_State = WebhookDelivery.State
# A name that takes long to be found holds up no other look-up of Portico.
look_up: addresses.Resolver = partial(addresses.look_up, slots=BoundedSemaphore(MOST_AT_ONCE))


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery that is this process's until `held_until`, and all that it takes to send it."""

    tenant_id: UUID
    delivery_id: UUID
    held_until: datetime
    at: datetime
    url: str
    message: str
    body: bytes
    sealed: Sequence[tuple[str, Purpose]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`trouble` is None where it was taken, `answered` where no answer came; `rest` is what Retry-After said."""

    trouble: Trouble | None
    took_ms: int
    answered: int | None = None
    answer: str = ""
    rest: str = ""


def send_webhooks(*, seconds: float = RUN_SECONDS, resolver: addresses.Resolver = look_up) -> int:
    """Send what is due. Returns how many times something was sent."""
    until = time.monotonic() + seconds
    sent = 0
    under_way: dict[Future[Outcome], Taken] = {}
    with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="webhook") as threads:
        while True:
            room = (MOST_AT_ONCE - len(under_way)) // MOST_OF_A_TENANT
            claimed = due.claim(JOB, room) if room and time.monotonic() < until else []
            for tenant_id in claimed:
                for taken, headers in _begin(tenant_id):
                    under_way[threads.submit(_send, taken, headers, resolver)] = taken
            if not under_way:
                if claimed:
                    continue
                return sent
            done, _ = wait(under_way, timeout=0 if claimed else _LOOK_EVERY, return_when=FIRST_COMPLETED)
            for each in done:
                _end(under_way.pop(each), each.result())
            sent += len(done)


# --- taking ----------------------------------------------------------------------------------------------------------


def _begin(tenant_id: UUID) -> Iterator[tuple[Taken, Mapping[str, str]]]:
    """What is to be sent now, with its headers."""
    try:
        found = take(tenant_id)
    except Exception:
        # One tenant's trouble must not hold up the others; its row comes back with the lease.
        log.exception("%s failed for tenant %s.", JOB, tenant_id)
        return
    for each in found:
        try:
            # Where a key-encryption key is asked nothing is locked.
            signed_by = [unseal(sealed, purpose, kek()).decode() for sealed, purpose in each.sealed]
        except (Unavailable, Unreadable) as error:
            log.warning("The webhook message %s waits: %s", each.message, error)
            _put_off(each)
        else:
            yield each, webhooks.headers(each.message, each.body, at=each.at, signed_by=signed_by)


def take(tenant_id: UUID) -> list[Taken]:
    """The next delivery of each webhook of the tenant whose time has come; and the tenant is due again when there is more to do."""
    with tenant_scope(tenant_id):
        lock = events.lock()
        tenant = Tenant.objects.get(pk=tenant_id)
        rows = list(Webhook.objects.order_by("pk"))
        waits = [each.held_until for each in rows if each.held_until is not None and each.held_until > lock.now]
        room, found = MOST_OF_A_TENANT - len(waits), list[Taken]()
        for webhook in rows:
            if webhook.enabled and (more_at := _make(webhook, lock)):
                waits.append(more_at)
            if webhook.held_until is not None and webhook.held_until > lock.now:
                continue
            waiting = webhook.deliveries.waiting().select_related("event")
            head = (waiting if webhook.enabled else waiting.filter(kind=TEST)).first()
            if head is None:
                continue
            if head.next_at > lock.now:
                waits.append(head.next_at)
            elif room > len(found):
                webhook.held_until = lock.now + LOST
                webhook.save(update_fields=["held_until"])
                waits.append(webhook.held_until)
                found.append(_taken(webhook, head, tenant, lock.now))
        idle = lock.now + IDLE if any(each.enabled for each in rows) else None
        # Where more is ready than may be sent at once, who ends first looks again.
        due.settle(JOB, min(waits, default=idle))
        return found


def _make(webhook: Webhook, lock: Lock) -> datetime | None:
    """Deliveries of what has happened and can't be taken back; returns when there is more to make."""
    if webhook.seen >= lock.number:
        return None
    room = limits.WAITING_DELIVERIES - webhook.deliveries.filter(state=_State.WAITING).count()
    most = min(MOST_MADE, room)
    if most <= 0:
        return None
    rows = Event.objects.filter(number__gt=webhook.seen, kind__in=webhooks.kinds_of(webhook.kinds))
    news = list(rows.only("number", "kind", "at", "actor_id", "subject_id").order_by("number")[:most])
    undone, made = _undone(news), list[WebhookDelivery]()
    seen, more_at = lock.number, None
    for event in news:
        final_at = event.at + UNDO if webhooks.can_be_undone(event.kind, by_a_person=event.actor_id is not None) else event.at
        if event.pk in undone:
            continue
        if final_at >= lock.now and final_at != event.at:
            # Those after it wait, too.
            seen, more_at = event.number - 1, final_at + timedelta(milliseconds=1)
            break
        made.append(
            WebhookDelivery(webhook=webhook, event=event, number=event.number, kind=event.kind, next_at=lock.now, created_at=lock.now)
        )
    else:
        if len(news) == most:
            seen, more_at = news[-1].number, lock.now if room > most else None
    WebhookDelivery.objects.bulk_create(made)
    webhook.seen = seen
    webhook.save(update_fields=["seen"])
    return more_at


def _undone(news: Sequence[Event]) -> set[UUID]:
    """Of decisions those that were taken back: what came next of the kind is that."""
    decided = [each for each in news if each.kind in UNDOABLE and each.actor_id is not None]
    if not decided:
        return set()
    later: QuerySet[Event] = Event.objects.filter(
        Q(kind__in=UNDOABLE) | Q(kind=UNDONE), subject_id__in={each.subject_id for each in decided}, number__gt=decided[0].number
    )
    found = list(later.order_by("number").values_list("subject_id", "number", "kind"))
    return {
        event.pk
        for event in decided
        if next((kind for subject, number, kind in found if subject == event.subject_id and number > event.number), "") == UNDONE
    }


def _taken(webhook: Webhook, delivery: WebhookDelivery, tenant: Tenant, now: datetime) -> Taken:
    assert webhook.held_until is not None
    sealed = [(webhook.sealed, webhook.sealed_for)]
    if webhook.former_until is not None and webhook.former_until > now:
        sealed.append((webhook.former_sealed, webhook.former_sealed_for))
    told = message(delivery, tenant)
    return Taken(tenant.pk, delivery.pk, webhook.held_until, now, webhook.url, delivery.message, told.body(), sealed)


def message(delivery: WebhookDelivery, tenant: Tenant) -> webhooks.Told:
    """What a delivery says, the same at each try."""
    event = delivery.event
    if event is None:
        return webhooks.Told(delivery.kind, delivery.created_at, str(delivery.pk), 0, None, "Portico", {}, tenant.slug)
    subject = {"type": event.subject_type, "id": str(event.subject_id), "name": event.subject_name}
    return webhooks.Told(event.kind, event.at, str(event.pk), event.number, subject, event.actor_name, event.data, tenant.slug)


def _put_off(taken: Taken) -> None:
    with tenant_scope(taken.tenant_id):
        lock = events.lock()
        if delivery := _still(taken):
            WebhookDelivery.objects.filter(pk=delivery.pk).update(next_at=lock.now + LATER)
            Webhook.objects.filter(pk=delivery.webhook_id).update(held_until=None)
            due.expect(JOB, lock.now + LATER)


# --- sending ---------------------------------------------------------------------------------------------------------


def _send(taken: Taken, headers: Mapping[str, str], resolver: addresses.Resolver) -> Outcome:
    """In a thread of its own, without the database."""
    started = time.monotonic()

    def ms() -> int:
        return round((time.monotonic() - started) * 1000)

    try:
        answer = fetching.call(
            "POST",
            webhooks.check_url(taken.url),
            accept="*/*",
            headers=headers,
            body=taken.body,
            seconds=SECONDS,
            # As many characters take at most.
            most_bytes=4 * MOST_ANSWER,
            cut=True,
            plain=True,
            resolver=resolver,
        )
    except fetching.Unreachable as error:
        return Outcome(Trouble(error.why.value), ms())
    except webhooks.AddressRefused:
        return Outcome(Trouble.FORBIDDEN, ms())
    except Exception:
        # Else one would hold up all.
        log.exception("The webhook message %s could not be sent.", taken.message)
        return Outcome(Trouble.SILENT, ms())
    rest = answer.headers.get("retry-after", "")
    return Outcome(webhooks.trouble_of(answer.status), ms(), answer.status, _legible(answer.body), rest)


def _legible(body: bytes) -> str:
    text = body.decode(errors="replace")
    return "".join(each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text)[:MOST_ANSWER]


# --- noting ----------------------------------------------------------------------------------------------------------


def _end(taken: Taken, outcome: Outcome) -> None:
    try:
        note(taken, outcome)
    except Exception:
        # It is sent again once nobody holds it any more.
        log.exception("What came of the webhook message %s could not be noted.", taken.message)


def note(taken: Taken, outcome: Outcome) -> None:
    """Write down what came of it, and when again; nothing where somebody deleted it, or another process took it over, meanwhile."""
    with tenant_scope(taken.tenant_id):
        lock = events.lock()
        due.expect(JOB, lock.now)
        delivery = _still(taken)
        if delivery is None:
            return
        webhook = delivery.webhook
        WebhookAttempt.objects.create(
            delivery=delivery,
            at=taken.at,
            took_ms=min(outcome.took_ms, 2_000_000_000),
            answered=outcome.answered,
            trouble=outcome.trouble or "",
            answer=outcome.answer,
        )
        webhook.held_until = None
        _judge(delivery, webhook, outcome, lock.now)
        delivery.save(update_fields=["state", "tries", "next_at", "ended_at"])
        webhook.save(update_fields=["held_until", "failing_since", "succeeded_at", "enabled", "disabled_why"])


def _still(taken: Taken) -> WebhookDelivery | None:
    rows = WebhookDelivery.objects.select_related("webhook")
    return rows.filter(pk=taken.delivery_id, webhook__held_until=taken.held_until).first()


def _judge(delivery: WebhookDelivery, webhook: Webhook, outcome: Outcome, now: datetime) -> None:
    waits = delivery.state == _State.WAITING
    delivery.tries += 1
    if outcome.trouble is None:
        delivery.state, delivery.ended_at = _State.DELIVERED, now
        webhook.failing_since, webhook.succeeded_at = None, now
        return
    asked = webhooks.rest_asked(outcome.rest, now=now)
    pause = None if delivery.kind == TEST or outcome.trouble == Trouble.GONE else webhooks.wait_after(delivery.tries, asked=asked)
    # A person may have given it up meanwhile.
    if waits and pause is not None:
        delivery.next_at = now + pause
    elif waits:
        delivery.state, delivery.ended_at = _State.FAILED, now
    if delivery.kind == TEST:
        return
    webhook.failing_since = webhook.failing_since or now
    if outcome.trouble == Trouble.GONE:
        _disable(webhook, Why.GONE)
    elif now - webhook.failing_since >= webhooks.PATIENCE:
        _disable(webhook, Why.FAILING)


def _disable(webhook: Webhook, why: Why) -> None:
    if webhook.enabled:
        webhook.enabled, webhook.disabled_why = False, why
        events.record("webhook.disabled", webhook, by=None, host=webhook.host, why=str(why))
