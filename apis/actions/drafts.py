"""An API on its way, until it is published all at once.

A draft is its author's alone and nothing follows from it, so writing one is no event.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis import openapi
from apis.actions import plans, publishing
from apis.actions.publishing import Mock, Target
from apis.models import Api, DocumentImport, Draft, Plan
from apis.openapi import Document, Problem
from keys.envelope import seal, unseal
from keys.kek import kek
from tenants import due, events
from tenants.errors import NotAllowed
from tenants.models import Event, User

EXPIRE_JOB = "expire_drafts"
KEPT = timedelta(days=7)
IMPORTS_KEPT = timedelta(days=1)
FIRST_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class Terms:
    """Of the first plan."""

    name: str
    calls: int
    seconds: int
    approval: str
    quota: int | None = None
    quota_period: str = Plan.Period.MONTH
    quota_time_zone: str = plans.UTC
    trial_days: int | None = None
    burst: int | None = None


@transaction.atomic
def write(*, document: str, read: Document | None, problems: tuple[Problem, ...] = (), by: User) -> Draft:
    """Begin a draft with this document, or give it to the one there is.

    :param read: the same, read; None where that found problems.
    """
    told = {"document": document, "outline": _outline(read) if read else None, "problems": [asdict(each) for each in problems]}
    return _write(by=by, **told, large=None)


@transaction.atomic
def write_large(read: Document, *, by: User) -> Draft:
    """The same with a document that is too large to be shown; it was read by a job."""
    return _write(by=by, document="", outline=_outline(read), problems=[], large=openapi.to_json(read))


def document_of(draft: Draft) -> Document | None:
    """The large one."""
    return openapi.from_json(draft.large) if draft.large else None


def _write(*, by: User, **told: Any) -> Draft:
    lock = events.lock()
    draft, _made = Draft.objects.update_or_create(owner=by, defaults={**told, "changed_at": lock.now})
    due.expect(EXPIRE_JOB, lock.now + KEPT)
    return draft


@transaction.atomic
def describe(draft: Draft, *, name: str, slug: str, description: str) -> None:
    _change(draft, name=name, slug=slug, description=description)


@transaction.atomic
def aim(draft: Draft, *, url: str, target: Target) -> None:
    """Say where calls will go."""
    sealed = seal(target.secret.encode(), draft.sealed_for, kek()) if target.secret else ""
    sealed_key = seal(target.client_key.encode(), draft.sealed_key_for, kek()) if target.client_key else ""
    _change(
        draft,
        upstream=url,
        connect_timeout_ms=target.connect_timeout_ms,
        timeout_ms=target.timeout_ms,
        header=target.header.lower(),
        connection=target.connection.as_json(),
        balancing=target.balances.as_json(),
        sealed=sealed,
        sealed_key=sealed_key,
        addresses=list(target.addresses),
        further_addresses=[list(each.addresses) for each in target.balances.further],
        mock=False,
    )


@transaction.atomic
def answer_from_examples(draft: Draft) -> None:
    """For now there is no upstream; what was told of one stays, for later."""
    _change(draft, mock=True)


def secret_of(draft: Draft) -> str:
    return unseal(draft.sealed, draft.sealed_for, kek()).decode() if draft.sealed else ""


def client_key_of(draft: Draft) -> str:
    return unseal(draft.sealed_key, draft.sealed_key_for, kek()).decode() if draft.sealed_key else ""


@transaction.atomic
def discard(*, by: User) -> None:
    events.lock()
    Draft.objects.of(by).delete()


@transaction.atomic
def publish(draft: Draft, *, document: Document, target: Target | Mock, plan: Terms, by: User) -> tuple[Api, Event]:
    """All of it at once: the API, its first version, revision and plan, open to subscribers.

    :returns: the event of which gateways hear last.
    """
    events.lock()
    if not Draft.objects.of(by).filter(pk=draft.pk, changed_at=draft.changed_at).exists():
        raise NotAllowed(_("This draft was changed or published meanwhile."))
    api = publishing.create_api(slug=draft.slug, name=draft.name, description=draft.description, by=by)
    version = publishing.add_version(api, name=FIRST_VERSION, by=by)
    revision = publishing.add_revision(version, document=document, target=target, by=by)
    publishing.make_live(revision, by=by)
    version.refresh_from_db()
    offered = plans.create(api, **asdict(plan), by=by)
    plans.publish(offered, by=by)
    event = publishing.publish(version, by=by)
    draft.delete()
    return api, event


def expire() -> datetime | None:
    """Remove the tenant's drafts that nobody has touched for a week, and imports of the day before; returns when the next one's time comes.

    Runs under the lock.
    """
    kept = ((Draft.objects.all(), KEPT), (DocumentImport.objects.all(), IMPORTS_KEPT))
    due_at = []
    for rows, time in kept:
        rows.filter(changed_at__lte=events.now() - time).delete()
        oldest = rows.order_by("changed_at").values_list("changed_at", flat=True).first()
        due_at += [oldest + time] if oldest else []
    return min(due_at, default=None)


def _change(draft: Draft, **told: Any) -> None:
    lock = events.lock()
    if not Draft.objects.filter(pk=draft.pk).update(**told, changed_at=lock.now):
        raise NotAllowed(_("This draft was published or thrown away meanwhile."))
    due.expect(EXPIRE_JOB, lock.now + KEPT)


def _outline(document: Document) -> dict[str, Any]:
    """As much of it as the next steps show."""
    operations = [{"method": each.method, "path": each.path, "summary": each.summary[:200]} for each in document.operations]
    description = document.content["info"].get("description", "")
    notes = [asdict(each) for each in document.notes]
    lint = document.lint.as_json() if document.lint else None
    told = {"openapi": document.openapi, "title": document.title, "description": description}
    return {**told, "operations": operations, "notes": notes, "lint": lint}
