"""What went live is compared with what was live before, once, for the change log: by a job, as large documents take seconds.

Nothing that anybody decides depends on it, so that is no event.
"""

import logging
import time
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import translation
from django.utils.translation import gettext

from apis.change_log import reached_callers
from apis.differences import Change, Differences, Level, differences
from apis.models import LoggedChange, Revision
from apis.models.logged_change import as_json
from tenants import due, events
from tenants.models import Event
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

COMPARE_JOB = "compare_what_went_live"
# One run compares nothing more after so long.
RUN_SECONDS = 60.0
# Of one revision so many changes are kept, in so many characters: a change log is read, and REST lists all of them.
MOST = 60
CHARACTERS = 20_000


def compare_what_went_live(*, seconds: float = RUN_SECONDS) -> int:
    """What waits, one after the other. Returns how many were compared.

    The comparing happens between two transactions, never under the lock.
    """
    until = time.monotonic() + seconds
    served = 0
    while time.monotonic() < until and (claimed := due.claim(COMPARE_JOB, 1)):
        try:
            served += _serve(claimed[0], until)
        except Exception:
            # One tenant's trouble must not hold up the others; its row comes back with the lease.
            log.exception("%s failed for tenant %s.", COMPARE_JOB, claimed[0])
    return served


def _serve(tenant_id: UUID, until: float) -> int:
    served = 0
    while found := _next(tenant_id):
        _compare(tenant_id, found)
        served += 1
        if time.monotonic() >= until:
            due.give_back(COMPARE_JOB, [tenant_id])
            break
    return served


def _next(tenant_id: UUID) -> Event | None:
    """The newest first: it is what is read."""
    with tenant_scope(tenant_id):
        events.lock()
        known = Exists(LoggedChange.objects.filter(event=OuterRef("pk")))
        found = reached_callers().exclude(known).order_by("-number").first()
        if found is None:
            due.settle(COMPARE_JOB, None)
        return found


def _compare(tenant_id: UUID, event: Event) -> None:
    with tenant_scope(tenant_id):
        revision = Revision.objects.only("document", "version_id").get(pk=event.subject_id)
        was = Revision.objects.filter(version=revision.version_id, number=event.data["was"] or 0).only("document").first()
    said = {}
    counts = dict.fromkeys(Level, 0)
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            # As it was on that day: of sunsets, some had come and others not.
            found = differences(was.document if was else None, revision.document, today=event.at.date(), gettext=gettext)
        said[language] = [as_json(each) for each in _kept(found)]
        counts = {level: len(found.of(level)) for level in Level}
    with tenant_scope(tenant_id):
        lock = events.lock()
        LoggedChange.objects.get_or_create(event=event, defaults={"counts": counts, "said": said, "compared_at": lock.now})


def _kept(found: Differences) -> list[Change]:
    """The worst first, as many as are told."""
    kept: list[Change] = []
    left = CHARACTERS
    for each in (each for level in Level for each in found.of(level)):
        left -= len(each.text)
        if len(kept) == MOST or left < 0:
            break
        kept.append(each)
    return kept
