"""What calls asked models, and what these answered: taken from a log of its own, and written down where people agreed to it.

The gateway tells it of each call of an API that keeps it. Of whom it is kept is decided here, by what stands when it is written.
"""

import base64
import binascii
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone
from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.message import DecodeError

from apis.models import ContentConsent, ContentLogging
from gateway import contents, measures
from gateway.contents import encrypted
from gateway.database import AWAY, first_line
from gateway.envoy.names import CONTENT, CONTENT_ANSWERS, CONTENT_REQUEST
from gateway.models import LoggedContent
from gateway.usage.calls import Call, operation_name, tenants_of, uuid_of
from gateway.usage.spent import asked_of
from keys.envelope import Unavailable, Unreadable
from tenants import due
from tenants.models.base import new_id
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

# What waits to be written, of one tenant and of all, in bytes; and how many calls of a tenant are taken in a second.
TENANT_BYTES, MOST_BYTES = 8 * 1024 * 1024, 64 * 1024 * 1024
A_SECOND = 20
_Text = wrappers_pb2.StringValue


class Content(NamedTuple):
    """:param subscription: which let the call pass. :param request: None where that is not told, as `answer`."""

    slug: str
    api: str
    subscription: UUID
    at: datetime
    request_id: str
    operation: str
    asked: str
    status: int
    us: int
    request: bytes | None
    answer: bytes | None
    request_cut: bool
    answer_cut: bool
    streamed: bool

    @property
    def size(self) -> int:
        return len(self.request or b"") + len(self.answer or b"")


def content_of(call: Call, entry: accesslog_pb2.HTTPAccessLogEntry) -> Content | None:
    """Of an entry of the log of contents; None where the gateway told nothing, or let it pass for nobody."""
    common = entry.common_properties
    if not call.verified:
        return None
    subscription = uuid_of(call.grant)
    if subscription is None or not call.api:
        return None
    state, marks = common.filter_state_objects, _marks(entry)
    answer = [_bytes(state[name]) for name in CONTENT_ANSWERS if name in state]
    request = _bytes(state[CONTENT_REQUEST]) if CONTENT_REQUEST in state else None
    if not (request or answer):
        return None
    return Content(
        slug=call.slug,
        api=call.api,
        subscription=subscription,
        at=common.start_time.ToDatetime(tzinfo=UTC),
        request_id=entry.request.request_id[:64],
        operation=operation_name(call.route),
        asked=asked_of(common),
        status=call.status,
        us=call.us,
        request=request,
        answer=b"".join(answer) if answer else None,
        request_cut="request_cut" in marks,
        answer_cut="answer_cut" in marks,
        streamed="streamed" in marks,
    )


def is_left_out(entry: accesslog_pb2.HTTPAccessLogEntry) -> bool:
    """Of an entry of the log of calls: whether what it asked would have been too much for its gateway to tell just then."""
    return "left_out" in _marks(entry)


def _marks(entry: accesslog_pb2.HTTPAccessLogEntry) -> Container[str]:
    said = entry.common_properties.metadata.filter_metadata
    return said[CONTENT].fields if CONTENT in said else ()


def _bytes(value: any_pb2.Any) -> bytes:
    try:
        return base64.b64decode(_Text.FromString(value.value).value)
    except (binascii.Error, DecodeError, ValueError):
        return b""


class Contents:
    """What waits to be written. Whatever finds no place is left out, and counted."""

    def __init__(self) -> None:
        self._waiting: deque[Content] = deque()
        self._bytes: Counter[str] = Counter()
        self._all_bytes = 0
        self._second, self._taken = 0, Counter[str]()
        self._left_out = 0

    def add(self, content: Content) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._taken = second, Counter()
        if self._taken[content.slug] >= A_SECOND or not self._has_room(content):
            self.leave_out()
            return
        self._taken[content.slug] += 1
        self._put(content)

    def leave_out(self) -> None:
        self._left_out += 1
        measures.CONTENTS.labels("dropped").inc()

    def _has_room(self, content: Content) -> bool:
        return self._bytes[content.slug] + content.size <= TENANT_BYTES and self._all_bytes + content.size <= MOST_BYTES

    def _put(self, content: Content) -> None:
        self._waiting.append(content)
        self._bytes[content.slug] += content.size
        self._all_bytes += content.size

    def take(self) -> list[Content]:
        taken, self._waiting = list(self._waiting), deque()
        self._bytes.clear()
        self._all_bytes = 0
        if self._left_out:
            log.warning("What %s calls asked and were answered is not written down: there was too much.", self._left_out)
            self._left_out = 0
        return taken

    def give_back(self, left: Sequence[Content]) -> None:
        """What could not be written waits before what came since."""
        since = list(self._waiting)
        self._waiting.clear()
        self._bytes.clear()
        self._all_bytes = 0
        for content in (*left, *since):
            if self._has_room(content):
                self._put(content)
            else:
                self.leave_out()


def write(batch: Sequence[Content]) -> list[Content]:
    """Those of who agreed, one transaction per tenant; returns those that have to wait for PostgreSQL, or for who keeps keys.

    What PostgreSQL refuses is dropped: it would refuse it again, for ever.
    """
    of: dict[str, list[Content]] = defaultdict(list)
    for content in batch:
        of[content.slug].append(content)
    waiting: set[str] = set(of)
    try:
        tenants = tenants_of(of)
        waiting &= tenants.keys()
        for slug, tenant_id in sorted(tenants.items()):
            try:
                _write_for(tenant_id, of[slug])
            except AWAY:
                raise
            except Unavailable as error:
                log.warning("Who keeps the key-encryption key is away (%s), so what %s calls asked waits.", error, len(of[slug]))
                continue
            except (DatabaseError, ValueError) as error:
                log.warning("What %s calls of tenant %s asked is lost: %s", len(of[slug]), slug, first_line(error))
            waiting.discard(slug)
    except AWAY as error:
        log.warning("PostgreSQL does not answer (%s); what calls asked waits.", first_line(error))
    return [content for content in batch if content.slug in waiting]


def _write_for(tenant_id: UUID, those: Sequence[Content]) -> None:
    slugs = {content.api for content in those}
    with tenant_scope(tenant_id):
        found = list(ContentLogging.objects.filter(enabled=True, api__slug__in=slugs).select_related("api"))
    # Out of any transaction: who keeps keys may be far away.
    keys = {row.pk: key for row in found if (key := _key(row)) is not None}
    with tenant_scope(tenant_id):
        locked = {row.pk: row for row in ContentLogging.objects.filter(pk__in=keys, enabled=True).order_by("pk").select_for_update()}
        # Another key by now: what there was is being erased.
        rows = {row.api.slug: locked[row.pk] for row in found if row.pk in locked and locked[row.pk].sealed == row.sealed}
        made = _made(tenant_id, those, rows, keys)
        if made:
            LoggedContent.objects.bulk_create(made)
            due.expect(contents.JOB, timezone.now() + contents.EVERY)
    measures.CONTENTS.labels("written").inc(len(made))


def _key(row: ContentLogging) -> bytes | None:
    try:
        return contents.key_of(row)
    except Unreadable as error:
        log.warning("The key for what calls of %s ask can't be read: %s", row.api.slug, error)
        return None


def _made(tenant_id: UUID, those: Sequence[Content], rows: Mapping[str, ContentLogging], keys: Mapping[UUID, bytes]) -> list[LoggedContent]:
    given = ContentConsent.objects.filter(subscription__in={content.subscription for content in those}, withdrawn_at=None)
    agreed = {each.subscription_id: each for each in given.select_related("subscription")}
    made = []
    for content in those:
        row, consent = rows.get(content.api), agreed.get(content.subscription)
        if row is None or consent is None or consent.version != row.version or consent.at > content.at:
            continue
        if consent.subscription.api_id != row.api_id:
            continue
        pk, key = new_id(), keys[row.pk]
        texts = {"request": content.request if row.requests else None, "answer": content.answer if row.answers else None}
        made.append(
            LoggedContent(
                pk=pk,
                tenant_id=tenant_id,
                api_id=row.api_id,
                application_id=consent.subscription.application_id,
                subscription=content.subscription,
                at=content.at,
                request_id=content.request_id,
                operation=content.operation,
                asked=content.asked,
                status=content.status,
                us=content.us,
                request_cut=content.request_cut,
                answer_cut=content.answer_cut,
                streamed=content.streamed,
                **{name: None if text is None else encrypted(tenant_id, pk, name, text, key) for name, text in texts.items()},
            )
        )
    return made
