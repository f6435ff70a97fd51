"""What was written down of calls to models: read, erased, and forgotten in its time. gateway/usage/contents.py writes it.

Texts are encrypted with a key of their API's, which is sealed as every secret is; without it a backup shows nothing of them, and erasing
destroys it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apis.actions.content_logging import new_key, of
from apis.models import Api, ContentLogging
from gateway.models import CONTENTS_KEPT, LoggedContent
from gateway.models.content import LoggedContentQuerySet
from keys.envelope import decrypt, encrypt, unseal
from keys.kek import kek
from keys.models import Application
from tenants import events
from tenants.models import Event, User

READ, ERASED = "content_logging.read", "content_logging.erased"
JOB = "prune_contents"
EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Opened:
    """In the clear; None where it was not written down. Bytes that are no UTF-8 are replaced."""

    request: str | None
    answer: str | None


def listed(api: Api, application: Application | None = None) -> LoggedContentQuerySet:
    """What there is of an API, without the texts, newest first."""
    logging = of(api)
    if logging is None:
        return LoggedContent.objects.none()
    found = LoggedContent.objects.filter(api=api).within(logging.days, timezone.now())
    if application is not None:
        found = found.filter(application=application)
    return found.select_related("application").defer("request", "answer").order_by("-id")


@transaction.atomic
def opened(row: LoggedContent, *, by: User) -> Opened:
    """Somebody reads it, which is written down.

    :raises Unreadable: its key does not open, or is another by now. :raises Unavailable: who keeps the key is away.
    """
    logging = of(row.api)
    assert logging is not None
    key = key_of(logging)
    found = Opened(*(_plain(row, name, key) for name in ("request", "answer")))
    events.lock()
    events.record(READ, row.api, by=by, request_id=row.request_id, application=row.application.name)
    return found


@transaction.atomic
def erase(api: Api, *, by: User) -> Event | None:
    """All that was written down of an API, with the key; None where there was nothing."""
    logging = of(api)
    if logging is None:
        return None
    fresh = new_key(logging)
    events.lock()
    # Whoever writes just now has the row, or finds another key.
    ContentLogging.objects.select_for_update().get(pk=logging.pk)
    many, _ = LoggedContent.objects.filter(api=api).delete()
    if not many:
        return None
    ContentLogging.objects.filter(pk=logging.pk).update(sealed=fresh)
    return events.record(ERASED, api, by=by, calls=many)


def prune() -> datetime | None:
    """Forget what has had its days, of the tenant in scope, and what is more than is kept; returns when to look again."""
    now = events.now()
    for logging in ContentLogging.objects.order_by("id"):
        mine = LoggedContent.objects.filter(api=logging.api_id)
        mine.beyond(logging.days, now).delete()
        last = mine.order_by("-id").values_list("pk", flat=True)[CONTENTS_KEPT : CONTENTS_KEPT + 1]
        for pk in last:
            mine.filter(pk__lte=pk).delete()
    return now + EVERY if LoggedContent.objects.exists() else None


# --- encryption ------------------------------------------------------------------------------------------------------


def key_of(logging: ContentLogging) -> bytes:
    """
    :raises Unreadable: :raises Unavailable: as `keys.envelope.unseal`.
    """
    return unseal(logging.sealed, logging.sealed_for, kek())


def encrypted(tenant_id: UUID, row_id: UUID, name: str, text: bytes, key: bytes) -> bytes:
    """:param name: of the column."""
    return encrypt(key, text, _context(tenant_id, row_id, name))


def _plain(row: LoggedContent, name: str, key: bytes) -> str | None:
    held = getattr(row, name)
    if held is None:
        return None
    return decrypt(key, bytes(held), _context(row.owning_tenant, row.pk, name)).decode(errors="replace")


def _context(tenant_id: UUID, row_id: UUID, name: str) -> bytes:
    return f"v1|{tenant_id}|{row_id}|{name}".encode()
