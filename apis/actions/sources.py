"""Documents that stand elsewhere: looked at every hour, day or week. What has changed becomes a revision, never live by itself."""

import hashlib
import logging
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from apis import document_at, openapi
from apis.actions import publishing
from apis.actions.importing import BUSY, may_publish
from apis.models import LARGE, ApiVersion, DocumentSource, Revision
from apis.openapi import Document, DocumentError
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.models import User
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

LOOK_JOB = "look_at_sources"
EVERY = {
    DocumentSource.Every.HOURLY: timedelta(hours=1),
    DocumentSource.Every.DAILY: timedelta(days=1),
    DocumentSource.Every.WEEKLY: timedelta(weeks=1),
}
# What fails is tried again after an hour, and after so many times in a row told, and as often as it is looked from then on.
TOLD_AFTER = 3
AGAIN = timedelta(hours=1)
# A look that has not ended by then never does; another one takes its place.
LOST = timedelta(minutes=5)
# One run begins no further look after so long, and looks no more often for one tenant: the others have their turn, too.
RUN_SECONDS = 60.0
MOST_LOOKS = 10

_Result = DocumentSource.Result


@transaction.atomic
def set_source(version: ApiVersion, *, url: str, every: str, enabled: bool, by: User) -> None:
    """Say where the document of a version stands. It is looked there at once, then every so often, in the name of `by`.

    :raises Invalid: no address that a document is fetched from.
    """
    lock = events.lock()
    version = ApiVersion.objects.select_related("api").get(pk=version.pk)
    publishing.hold_to_kind(version.api, ai=False)
    try:
        document_at.check_address(url)
    except document_at.FetchRefused as refused:
        raise Invalid({"url": [str(refused)]}) from None
    if version.status == ApiVersion.Status.RETIRED:
        raise NotAllowed(_("%(version)s is retired, so no document of it is looked for.") % {"version": version})
    if not version.revisions.exists():
        raise NotAllowed(_("Import the first document of %(version)s yourself; then Portico can look for the next.") % {"version": version})
    source = DocumentSource.objects.filter(version=version).first() or DocumentSource(version=version)
    if source.url != url:
        source.etag = source.digest = source.result = ""
        source.looked_at, source.told = None, {}
    if source.result == _Result.STOPPED:
        source.result = ""
    source.url, source.every, source.enabled, source.set_by, source.failures = url, every, enabled, by, 0
    source.next_at = lock.now if enabled else None
    source.save()
    if enabled:
        due.expect(LOOK_JOB, lock.now)
    events.record("document_source.set", version, by=by, host=source.host, every=every, enabled=enabled)


@transaction.atomic
def remove_source(source: DocumentSource, *, by: User) -> None:
    events.lock()
    source.delete()
    events.record("document_source.removed", source.version, by=by, host=source.host)


@transaction.atomic
def look_now(source: DocumentSource) -> None:
    """Look as soon as the job comes by. It changes nothing by itself, so it is no event."""
    lock = events.lock()
    if not DocumentSource.objects.looked_at_again().filter(pk=source.pk).update(next_at=lock.now):
        raise NotAllowed(_("Switch it on first, then Portico looks."))
    due.expect(LOOK_JOB, lock.now)


def look_at_sources(*, seconds: float = RUN_SECONDS) -> int:
    """Look wherever it is time to. Returns how many times it looked.

    Fetching and reading happen between two transactions, never under the lock.
    """
    return due.serve(LOOK_JOB, _serve, seconds=seconds)


def _serve(tenant_id: UUID, until: float) -> int:
    looks = 0
    while source := _take(tenant_id):
        with translation.override(source.set_by.language_or("en")):
            if not _look(tenant_id, source):
                break
        looks += 1
        if looks >= MOST_LOOKS or time.monotonic() >= until:
            due.give_back(LOOK_JOB, [tenant_id])
            break
    return looks


def _take(tenant_id: UUID) -> DocumentSource | None:
    """The next one of the tenant whose time has come, from now on this process's."""
    with tenant_scope(tenant_id):
        lock = events.lock()
        rows = DocumentSource.objects.looked_at_again().select_related("version__api", "set_by").order_by("next_at", "id")
        for found in rows.filter(next_at__lte=lock.now):
            if not may_publish(found.set_by):
                _stop(found, lock.now)
                continue
            was, found.next_at = found.next_at, lock.now + LOST
            if DocumentSource.objects.filter(pk=found.pk, next_at=was).update(next_at=found.next_at) == 1:
                return found
        due.settle(LOOK_JOB, rows.values_list("next_at", flat=True).first())
        return None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of a look. `document` is there where a revision is to be made of it."""

    result: str
    told: dict[str, Any] = field(default_factory=dict)
    etag: str = ""
    digest: str = ""
    document: Document | None = None
    target: publishing.Target | publishing.Mock | None = None


def _look(tenant_id: UUID, source: DocumentSource) -> bool:
    """False where it has to wait, as others are read."""
    try:
        seen = _see(tenant_id, source)
    except openapi.TooManyAtOnceError:
        with tenant_scope(tenant_id):
            lock = events.lock()
            _still(source).update(next_at=lock.now + BUSY)
            due.settle(LOOK_JOB, lock.now + BUSY)
        return False
    except document_at.FetchRefused as refused:
        seen = _Seen(_Result.NOT_FETCHED, {"trouble": refused.trouble.value, **refused.named})
    except DocumentError as error:
        seen = _Seen(_Result.UNREADABLE, {"problems": [asdict(each) for each in error.problems]})
    except Invalid as error:
        seen = _Seen(_Result.NO_UPSTREAM, {"said": str(error)})
    _finish(tenant_id, source, seen)
    return True


def _see(tenant_id: UUID, source: DocumentSource) -> _Seen:
    """
    :raises document_at.FetchRefused, DocumentError, Invalid, openapi.TooManyAtOnceError: what stands in the way.
    """
    fetched = document_at.fetch(source.url, etag=source.etag)
    if fetched is None:
        return _Seen(_Result.SAME, etag=source.etag, digest=source.digest)
    digest = hashlib.sha256(fetched.text.encode()).hexdigest()
    same = _Seen(_Result.SAME, etag=fetched.etag, digest=digest)
    if digest == source.digest:
        return same
    document = openapi.read(fetched.text, gateway=settings.GATEWAY_URL, limits=openapi.BY_A_JOB)
    with tenant_scope(tenant_id):
        rows = Revision.objects.filter(version=source.version_id).select_related("upstream").order_by("-number")
        newest = rows[0]
        base = rows.defer(*LARGE).filter(live_in=source.version_id).first() or newest
    if document.content == newest.document:
        # Written otherwise, it says the same.
        return same
    return _Seen(_Result.FOUND, etag=fetched.etag, digest=digest, document=document, target=_target(base, document))


def _target(base: Revision, document: Document) -> publishing.Target | publishing.Mock:
    """The live revision's upstream, with its secret."""
    upstream = base.upstream
    if upstream is None:
        return publishing.answer_from_examples(document)
    publishing.check_paths(upstream.connects, [each.path for each in document.operations])
    return publishing.check_target(
        str(upstream),
        connect_timeout_ms=upstream.connect_timeout_ms,
        timeout_ms=upstream.timeout_ms,
        header=upstream.header,
        kept=upstream,
        **asdict(upstream.connects),
        **upstream.balances.given,
    )


def _finish(tenant_id: UUID, source: DocumentSource, seen: _Seen) -> None:
    """Nothing where it was changed, or somebody asked for another look, meanwhile."""
    with tenant_scope(tenant_id):
        lock = events.lock()
        if not _still(source).exists():
            return
        if not may_publish(source.set_by):
            _stop(source, lock.now)
            return
        well, told = seen.result in DocumentSource.WELL, seen.told
        failures = 0 if well else min(source.failures + 1, 1_000)
        if seen.document is not None and seen.target is not None:
            told = {"number": _add(source, seen.document, seen.target)}
        if failures == TOLD_AFTER:
            events.record("document_source.failing", source.version, by=None, **_named(source), times=failures)
        wait = AGAIN if 0 < failures < TOLD_AFTER else EVERY[DocumentSource.Every(source.every)]
        kept = {"etag": seen.etag, "digest": seen.digest} if well else {}
        _still(source).update(result=seen.result, told=told, failures=failures, looked_at=lock.now, next_at=lock.now + wait, **kept)


def _add(source: DocumentSource, document: Document, target: publishing.Target | publishing.Mock) -> int:
    # Callers read the notes of revisions; where it was found, the event tells.
    revision = publishing.add_revision(source.version, document=document, target=target, by=None)
    events.record("document_source.found", source.version, by=None, **_named(source), number=revision.number)
    return revision.number


def _still(source: DocumentSource) -> Any:
    """The row, as long as it is this process's."""
    return DocumentSource.objects.looked_at_again().filter(pk=source.pk, next_at=source.next_at)


def _stop(source: DocumentSource, now: datetime) -> None:
    DocumentSource.objects.filter(pk=source.pk).update(enabled=False, next_at=None, looked_at=now, result=_Result.STOPPED, told={})
    events.record("document_source.stopped", source.version, by=None, **_named(source))


def _named(source: DocumentSource) -> dict[str, Any]:
    """The host alone: an address may hold what not every reader of events should see."""
    return {"api": source.version.api.slug, "version": source.version.name, "host": source.host}
