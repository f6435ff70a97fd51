"""What the clock's jobs did, kept in one row each: the worker writes it after every run."""

import logging
import time
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.db import DatabaseError, connection

from portal import measures

log = logging.getLogger(__name__)

SCHEDULED = {each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values()}
_began: dict[str, float] = {}


@task_prerun.connect
def _begins(task_id: str, **_: Any) -> None:
    _began[task_id] = time.monotonic()


@task_postrun.connect
def _ended(task_id: str, task: Any, state: str, retval: Any = None, **_: Any) -> None:
    took = time.monotonic() - _began.pop(task_id, time.monotonic())
    measures.JOBS.labels(task.name, state.lower()).inc()
    measures.JOB_TOOK.labels(task.name).observe(took)
    if task.name not in SCHEDULED:
        return
    # The kind alone: its text may hold what a tenant sent. The log has all of it.
    error = type(retval).__name__[:200] if state == "FAILURE" else ""
    try:
        note(task.name, took=took, error=error)
    except DatabaseError:
        # It counts for nothing but the page.
        log.warning("The run of %s could not be noted.", task.name)
        connection.close()


def note(name: str, *, took: float, error: str) -> None:
    """
    :param took: seconds. :param error: the kind of what went wrong, "" if nothing did.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO tenants_jobrun AS kept (name, started_at, ended_at, took, runs, failures, failed_at, error)
                   VALUES (%(name)s, now() - make_interval(secs => %(took)s), now(), %(took)s, 1, %(failed)s,
                       CASE WHEN %(failed)s > 0 THEN now() END, %(error)s)
               ON CONFLICT (name) DO UPDATE SET
                   started_at = EXCLUDED.started_at, ended_at = EXCLUDED.ended_at, took = EXCLUDED.took,
                   runs = kept.runs + 1, failures = kept.failures + EXCLUDED.failures,
                   failed_at = COALESCE(EXCLUDED.failed_at, kept.failed_at),
                   error = CASE WHEN EXCLUDED.failures > 0 THEN EXCLUDED.error ELSE kept.error END""",
            {"name": name, "took": took, "failed": int(bool(error)), "error": error},
        )
