"""The worker and beat processes: `celery -A portal worker`, `celery -A portal beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_ready
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# No job's statement takes so long. Where the database's machine is gone TCP says so long before, see portal.settings.PATIENCE.
STATEMENT_SECONDS = 600
app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def refuse_to_see_everything(**_: Any) -> None:
    """A worker whose database role walks past row security does not start."""
    # Importing it needs Django set up, which Celery does between loading this module and starting the worker.
    from tenants import patient  # noqa: PLC0415
    from tenants.checks import insist_on_row_security  # noqa: PLC0415

    patient.wait_at_most(STATEMENT_SECONDS)
    insist_on_row_security()
    connection.close()


@worker_ready.connect
def tell_of_itself(**_: Any) -> None:
    """To Prometheus and whoever asks whether it is ready."""
    from django.conf import settings  # noqa: PLC0415

    from portal import answering, tracing  # noqa: PLC0415
    from tenants import monitoring  # noqa: PLC0415

    tracing.begin("worker")
    monitoring.begin(settings.METRICS_ADDRESS, lambda: {"database": answering.database(), "broker": answering.broker()})
