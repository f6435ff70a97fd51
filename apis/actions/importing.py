"""Documents too large to be read while their sender waits, or to be fetched first: begun by them, read by a job, which goes on where
they were.

One that waits is nobody's but its sender's, and nothing follows from it, so that is no event.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from apis import balancing, document_at, openapi
from apis.actions import drafts, publishing
from apis.balancing import BY_ITSELF
from apis.connections import HEADER
from apis.models import LIVE_LARGE, ApiVersion, DocumentImport, Revision
from apis.openapi import Document, DocumentError
from apis.openapi_source import MAX_BYTES
from keys.envelope import seal, unseal
from keys.kek import kek
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Membership, User
from tenants.roles import permissions_held, permissions_of_service
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

READ_JOB = "read_documents"
# A reader that has told nothing for so long is gone; another one takes its row.
LOST = timedelta(minutes=5)
# One run reads no further document after so long.
RUN_SECONDS = 60.0
BUSY = timedelta(seconds=5)
# How often the progress is written down.
EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Aim:
    """What else a revision is made of. Without a secret, the live one's stays with its header, and a private key with its certificate.
    `mock`: it has no upstream.
    """

    upstream: str = ""
    mock: bool = False
    note: str = ""
    header: str = ""
    connect_timeout_ms: int = 5_000
    timeout_ms: int = 30_000
    credential: str = HEADER
    user: str = ""
    strip_path: str = ""
    ca: str = ""
    sni: str = ""
    client_certificate: str = ""
    weight: int = 1
    further_targets: list[dict[str, Any]] = field(default_factory=list)
    health_path: str = ""
    health_interval: int = BY_ITSELF.interval
    health_timeout_ms: int = BY_ITSELF.timeout_ms
    health_failures: int = BY_ITSELF.failures
    health_successes: int = BY_ITSELF.successes
    health_status: str = BY_ITSELF.status


@transaction.atomic
def begin(
    *,
    document: str = "",
    url: str = "",
    version: ApiVersion | None = None,
    aim: Aim | None = None,
    secret: str = "",
    client_key: str = "",
    by: User,
) -> DocumentImport:
    """
    :param url: where the document is fetched from, in place of the document; it was checked.
    :param version: gets a revision of it; None for a draft of a new API.
    """
    if version is not None:
        publishing.hold_to_kind(version.api, ai=False)
    lock = events.lock()
    mine = DocumentImport.objects.of(by)
    if mine.under_way().exists():
        raise NotAllowed(_("Another document of yours is being read. Wait until that is over."))
    mine.delete()
    begun = DocumentImport(owner=by, created_at=lock.now, changed_at=lock.now, document=document, url=url, version=version)
    begun.told = asdict(aim) if aim else {}
    if secret:
        begun.sealed = seal(secret.encode(), begun.sealed_for, kek())
    if client_key:
        begun.sealed_key = seal(client_key.encode(), begun.sealed_key_for, kek())
    begun.save(force_insert=True)
    due.expect(READ_JOB, lock.now)
    due.expect(drafts.EXPIRE_JOB, lock.now + drafts.IMPORTS_KEPT)
    return begun


def read_documents(*, seconds: float = RUN_SECONDS) -> int:
    """Read what waits, one after the other. Returns how many were read.

    The reading happens between two transactions, never under the lock.
    """
    return due.serve(READ_JOB, _serve, seconds=seconds)


def _serve(tenant_id: UUID, until: float) -> int:
    served = 0
    while (taken := _take(tenant_id)) and _read(tenant_id, taken):
        served += 1
        if time.monotonic() >= until:
            due.give_back(READ_JOB, [tenant_id])
            break
    return served


def _take(tenant_id: UUID) -> DocumentImport | None:
    """The next one of the tenant, from now on this process's."""
    with tenant_scope(tenant_id):
        lock = events.lock()
        lost = Q(state=DocumentImport.State.READING, changed_at__lte=lock.now - LOST)
        rows = DocumentImport.objects.filter(Q(state=DocumentImport.State.WAITING) | lost)
        rows = rows.select_related("owner", "version__api", "version__live_revision__upstream")
        rows = rows.defer(*(f"version__{name}" for name in LIVE_LARGE))
        found: DocumentImport | None = rows.order_by("id").first()
        if found is None:
            reading = DocumentImport.objects.under_way().order_by("changed_at").first()
            due.settle(READ_JOB, reading.changed_at + LOST if reading else None)
            return None
        _change(found.pk, state=DocumentImport.State.READING, progress=0)
        return found


def _read(tenant_id: UUID, taken: DocumentImport) -> bool:
    """False where it has to wait, as others are read. What it says is in its sender's language."""
    with translation.override(taken.owner.language_or("en")):
        return _read_in_words(tenant_id, taken)


def _read_in_words(tenant_id: UUID, taken: DocumentImport) -> bool:
    try:
        if taken.url and not taken.document:
            _fetch(tenant_id, taken)
        document = openapi.read(taken.document, gateway=settings.GATEWAY_URL, limits=openapi.BY_A_JOB, tell=_teller(tenant_id, taken.pk))
        target = _target(taken, document)
    except openapi.TooManyAtOnceError:
        with tenant_scope(tenant_id):
            lock = events.lock()
            _change(taken.pk, state=DocumentImport.State.WAITING)
            due.settle(READ_JOB, lock.now + BUSY)
        return False
    except DocumentError as error:
        _refuse(tenant_id, taken, problems=[asdict(each) for each in error.problems])
    except (Invalid, document_at.FetchRefused) as error:
        _refuse(tenant_id, taken, refusal=str(error))
    else:
        try:
            _finish(tenant_id, taken, document, target)
        except (NotAllowed, Invalid) as error:
            _refuse(tenant_id, taken, refusal=str(error))
    return True


def _fetch(tenant_id: UUID, taken: DocumentImport) -> None:
    """It is kept at once: whoever takes the row next has it, and its sender sees it beside its problems.

    :raises document_at.FetchRefused: it did not come.
    """
    fetched = document_at.fetch(taken.url)
    assert fetched is not None, "no ETag was sent"
    taken.document = fetched.text
    with tenant_scope(tenant_id):
        _change(taken.pk, document=fetched.text)


def _target(taken: DocumentImport, document: Document) -> publishing.Target | publishing.Mock | None:
    if taken.version is None:
        return None
    told, live = Aim(**taken.told), taken.version.live_revision
    if told.mock:
        return publishing.answer_from_examples(document)
    secret = unseal(taken.sealed, taken.sealed_for, kek()).decode() if taken.sealed else ""
    client_key = unseal(taken.sealed_key, taken.sealed_key_for, kek()).decode() if taken.sealed_key else ""
    return publishing.check_target(
        told.upstream,
        connect_timeout_ms=told.connect_timeout_ms,
        timeout_ms=told.timeout_ms,
        header=told.header,
        secret=secret,
        client_key=client_key,
        kept=live.upstream if live else None,
        credential=told.credential,
        user=told.user,
        strip_path=told.strip_path,
        ca=told.ca,
        sni=told.sni,
        client_certificate=told.client_certificate,
        **{name: getattr(told, name) for name in balancing.NAMES},
    )


def _teller(tenant_id: UUID, pk: UUID) -> Callable[[float], None]:
    last = time.monotonic()

    def tell(done: float) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            with tenant_scope(tenant_id):
                _change(pk, progress=int(done * 100))

    return tell


def _finish(tenant_id: UUID, taken: DocumentImport, document: Document, target: publishing.Target | publishing.Mock | None) -> None:
    with tenant_scope(tenant_id):
        events.lock()
        if not DocumentImport.objects.filter(pk=taken.pk, state=DocumentImport.State.READING).exists():
            return
        if not may_publish(taken.owner):
            raise NotAllowed(_("You may not publish here any more."))
        revision: Revision | None = None
        if taken.version is None or target is None:
            if len(taken.document.encode()) > MAX_BYTES:
                drafts.write_large(document, by=taken.owner)
            else:
                drafts.write(document=taken.document, read=document, by=taken.owner)
        else:
            note = taken.told["note"]
            revision = publishing.add_revision(taken.version, document=document, target=target, note=note, by=taken.owner)
        _change(taken.pk, state=DocumentImport.State.READY, progress=100, document="", sealed="", sealed_key="", revision=revision)


def _refuse(tenant_id: UUID, taken: DocumentImport, **why: Any) -> None:
    with tenant_scope(tenant_id):
        events.lock()
        _change(taken.pk, state=DocumentImport.State.REFUSED, sealed="", sealed_key="", **why)


def _change(pk: UUID, **told: Any) -> None:
    DocumentImport.objects.filter(pk=pk).update(**told, changed_at=Now())


def may_publish(user: User) -> bool:
    """By now: what a job does in their name comes after they asked for it."""
    if user.is_service:
        return "apis.publish" in (permissions_of_service(user) or ())
    membership = Membership.objects.filter(user_id=user.pk, user__is_active=True).with_custom_permissions().only("roles").first()
    return membership is not None and "apis.publish" in permissions_held(membership)
