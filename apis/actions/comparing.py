"""Large revisions are compared with the live one by a job, as that takes seconds: whoever opens their page does not wait for it.

Nothing that anybody decides depends on it, so that is no event.
"""

import json
import logging
import time
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext

from apis.differences import differences
from apis.models import Comparison, Revision
from apis.models.logged_change import as_json
from apis.parts import Outline
from tenants import due, events
from tenants.scope import Lock, tenant_scope

log = logging.getLogger(__name__)

COMPARE_JOB = "compare_revisions"
# Documents of so many parts take longer than a page may.
LARGE = 300
RUN_SECONDS = 60.0
# What could not be compared is tried again after so long.
AGAIN = timedelta(minutes=5)
# What changes in more characters is compared when it is asked for.
CHARACTERS = 2_000_000


def expect(revision: Revision, outline: Outline, *, lock: Lock) -> None:
    """Have a new revision compared with the live one, if it is large."""
    live = revision.version.live_revision_id
    if live is not None and len(outline.places) >= LARGE:
        Comparison.objects.create(old_id=live, new=revision)
        due.expect(COMPARE_JOB, lock.now)


def compare_revisions(*, seconds: float = RUN_SECONDS) -> int:
    """What waits, one after the other. Returns how many were compared.

    The comparing happens between two transactions, never under the lock.
    """
    return due.serve(COMPARE_JOB, _serve, seconds=seconds)


def _serve(tenant_id: UUID, until: float) -> int:
    served = 0
    failed: list[UUID] = []
    while found := _next(tenant_id, failed):
        try:
            _compare(tenant_id, found)
        except Exception:
            # It must not hold up the others; the next run comes back to it.
            log.exception("%s of tenant %s could not be compared.", found, tenant_id)
            failed.append(found.pk)
        else:
            served += 1
        if time.monotonic() >= until:
            due.give_back(COMPARE_JOB, [tenant_id])
            break
    return served


def _next(tenant_id: UUID, failed: list[UUID]) -> Comparison | None:
    """The newest first: it is what is looked at."""
    with tenant_scope(tenant_id):
        lock = events.lock()
        found = Comparison.objects.filter(said__isnull=True).exclude(pk__in=failed).order_by("-id").first()
        if found is None:
            due.settle(COMPARE_JOB, lock.now + AGAIN if failed else None)
        return found


def _compare(tenant_id: UUID, comparison: Comparison) -> None:
    with tenant_scope(tenant_id):
        revisions = Revision.objects.only("document", "version").in_bulk([comparison.old_id, comparison.new_id])
    old, new = (revisions[pk].document for pk in (comparison.old_id, comparison.new_id))
    today = timezone.now().date()
    said = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            found = differences(old, new, today=today, gettext=gettext)
        if sum(len(each.text) for each in found.changes) <= CHARACTERS:
            said[language] = [as_json(each) for each in found.changes]
    sunsets = any('"x-sunset"' in json.dumps(each) for each in (old, new))
    with tenant_scope(tenant_id):
        events.lock()
        Comparison.objects.filter(pk=comparison.pk).update(said=said, day=today if sunsets else None)
        # Against what is live no more, nobody compares; what waits against what is live now stays.
        live = F("old__version__live_revision")
        Comparison.objects.filter(old__version=revisions[comparison.new_id].version_id).exclude(old=live).delete()
