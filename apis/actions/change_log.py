"""What went live is compared with what was live before, once, for the change log: by a job, as large documents take seconds.

Nothing that anybody decides depends on it, so that is no event.
"""

import logging
import time
from datetime import timedelta
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
# What could not be compared is tried again after so long.
AGAIN = timedelta(minutes=5)
# Of one revision so many changes are kept, in so many characters: a change log is read, and REST lists all of them.
MOST = 60
CHARACTERS = 20_000


def compare_what_went_live(*, seconds: float = RUN_SECONDS) -> int:
    """What waits, one after the other. Returns how many were compared.

    The comparing happens between two transactions, never under the lock.
    """
    return due.serve(COMPARE_JOB, _serve, seconds=seconds)


def _serve(tenant_id: UUID, until: float) -> int:
    served, below = 0, None
    while found := _next(tenant_id, below):
        below = found.number
        try:
            _compare(tenant_id, found)
        except Exception:
            # It must not hold up those before it; the next run comes back to it.
            log.exception("Event %s of tenant %s could not be compared.", below, tenant_id)
            continue
        served += 1
        if time.monotonic() >= until:
            due.give_back(COMPARE_JOB, [tenant_id])
            break
    return served


def _next(tenant_id: UUID, below: int | None) -> Event | None:
    """The newest first: it is what is read.

    :param below: those from this number on were tried.
    """
    with tenant_scope(tenant_id):
        lock = events.lock()
        known = Exists(LoggedChange.objects.filter(event=OuterRef("pk")))
        waiting = reached_callers().exclude(known).order_by("-number")
        found = (waiting if below is None else waiting.filter(number__lt=below)).first()
        if found is None:
            due.settle(COMPARE_JOB, lock.now + AGAIN if waiting.exists() else None)
        return found


def _compare(tenant_id: UUID, event: Event) -> None:
    with tenant_scope(tenant_id):
        revision = Revision.objects.only("document", "version_id").get(pk=event.subject_id)
        was = Revision.objects.filter(version=revision.version_id, number=event.data["was"] or 0).only("document").first()
    said = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            # As it was on that day: of sunsets, some had come and others not.
            found = differences(was.document if was else None, revision.document, today=event.at.date(), gettext=gettext)
        said[language] = [as_json(each) for each in _kept(found)]
    # In whatever language, there are as many.
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
